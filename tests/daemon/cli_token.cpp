// cambench token: on a file, without a daemon.
#include <doctest/doctest.h>

#include "daemon/http/tokens.h"
#include "tests/analysis/folder.h"
#include "tests/daemon/command_line.h"

using namespace cambench;
using tests::cambench_says, tests::Folder, tests::has;

TEST_CASE("a token is printed once and alone, so that a script can take it, and its file knows its role") {
  const Folder folder;
  const auto file = (folder.path / "tokens").string();
  const auto said = cambench_says({"token", "add", "anna", "--role", "operator", "--file", file});
  CHECK(said.code == 0);
  REQUIRE(said.out.size() == 3 + 64 + 1);
  CHECK(has(said.err, "This is shown once"));
  CHECK_FALSE(has(said.err, said.out.substr(10, 20)));
  const auto kept = http::read_tokens(file);
  REQUIRE(kept.has_value());
  CHECK(http::find_token(*kept, said.out.substr(0, 67))->role == http::Role::operates);

  CHECK(has(cambench_says({"token", "list", "--file", file}).out, "anna  operator"));
  CHECK(cambench_says({"--json", "token", "list", "--file", file}).out ==
        "[{\"name\":\"anna\",\"role\":\"operator\"}]\n");
  const auto again = cambench_says({"token", "add", "anna", "--file", file});
  CHECK(again.code == 1);
  CHECK(has(again.err, "anna has a token already"));
  CHECK(cambench_says({"token", "remove", "anna", "--file", file}).code == 0);
  CHECK(cambench_says({"token", "list", "--file", file}).out == "nobody has a token\n");
  CHECK(cambench_says({"token", "remove", "anna", "--file", file}).code == 1);
  CHECK(cambench_says({"token", "add", "bert", "--role", "boss", "--file", file}).code == 2);
}
