// Who may make safe without the daemon; what it does then is in tests/scenario/dead_daemon.cpp.
#include "daemon/make_safe.h"

#include <doctest/doctest.h>
#include <sys/fsuid.h>
#include <unistd.h>

#include <sstream>

#include "tests/analysis/folder.h"

using namespace cambench;
namespace fs = std::filesystem;

namespace {

/// Makes safe a bench of no station with its store in this folder, as a user who is not root.
bool made_safe(const fs::path& state) {
  config::Bench bench;
  bench.store = state / "cambench.sqlite";
  std::ostringstream said;
  const auto me = ::geteuid();
  constexpr uid_t nobody = 65534;
  if (me == 0) ::setfsuid(nobody);
  struct Back {
    uid_t to;
    ~Back() { ::setfsuid(to); }
  } back{me};
  return make_safe(bench, said);
}

}  // namespace

TEST_CASE("a lock that may not be read refuses to make safe: nobody knows whether a daemon runs") {
  const tests::Folder folder;
  const fs::path state = folder.path / "state";
  fs::permissions(folder.path, fs::perms::group_exec | fs::perms::others_exec, fs::perm_options::add);
  CHECK(made_safe(state));  // there never was a store
  fs::create_directory(state);
  CHECK(made_safe(state));
  fs::permissions(state, fs::perms::none);
  CHECK_THROWS_WITH(made_safe(state), doctest::Contains("may not be read by this user"));
  fs::permissions(state, fs::perms::owner_all);
}
