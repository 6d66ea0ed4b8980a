// A rate test made elsewhere as a run of this store, so that it can be scored beside our own. It is never taken for one of
// ours: its id begins with 'i' (of the file's SHA-256: the same file twice is refused), its station is "import", and an
// event tells the file, its hash, what was understood of it, and who brought it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/store/rows.h"
#include "schema/cell.h"
#include "schema/recipe.h"

namespace cambench::exports {

struct ImportOrder {
  std::string file;  ///< its name, for sentences and the record
  CellSpec cell;     ///< what was measured, as this bench's configuration says it
  std::optional<Recipe>
      recipe;  ///< what it was measured with; none: nobody says, and it is compared to nothing
  bool voltage_is_we_vs_re =
      false;  ///< the file's voltage is that of the working electrode against the reference
  std::string who;
  WallTime at, file_changed;  ///< now; the clock of a file that tells no time ends at its last change
};

struct Import {
  std::string run;
  std::vector<store::Row> rows;  ///< in the order to keep them
  std::size_t samples = 0, cycles = 0, left_out = 0;
  std::string remark;  ///< what was understood of the file, as a sentence
};

/// Throws BadInput (a file that cannot be used) or std::runtime_error (a cell or recipe that does not fit it).
Import import_csv(std::string_view text, const ImportOrder& order);

/// Leaves out what is kept already of an import that was interrupted: its beginning, and the samples up to `last_seq`.
void leave_out_kept(Import& import, std::int64_t last_seq);

}  // namespace cambench::exports
