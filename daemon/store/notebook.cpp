#include "daemon/store/notebook.h"

#include <string>
#include <string_view>

#include "daemon/store/backup.h"
#include "daemon/store/database.h"
#include "daemon/store/migrations.h"

namespace cambench {
std::string_view embedded_sql(std::string_view file);  // schema/sql
}

namespace cambench::store {

void write_notebook_copy(const std::filesystem::path& database, const std::filesystem::path& copy) {
  {
    Database ours(database, Database::Mode::read_only);
    require_current(ours);
  }
  backup(database, copy);
  Database notebook(copy, Database::Mode::read_write);
  notebook.run(std::string(embedded_sql("notebook.sql")));
}

}  // namespace cambench::store
