// Tokens: what is kept of them, and who is let in.
#include "daemon/http/tokens.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <set>

using namespace cambench;
using namespace cambench::http;
namespace fs = std::filesystem;

namespace {

struct Folder {
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "cambench_tokens_XXXXXX").string();
    path = mkdtemp(pattern.data());
    file = path / "state" / "tokens";
  }
  ~Folder() { fs::remove_all(path); }
  [[nodiscard]] std::string text() const {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  fs::path path, file;
};

}  // namespace

TEST_CASE("a token is 256 random bits, and its file holds only a salted hash that nobody else may read") {
  Folder folder;
  const auto anna = add_token(folder.file, "anna", Role::operates);
  const auto wall = add_token(folder.file, "wall-display", Role::viewer);
  REQUIRE(anna.has_value());
  REQUIRE(wall.has_value());
  CHECK(*anna != *wall);
  CHECK(anna->size() == 3 + 64);
  CHECK(anna->starts_with("cb_"));
  CHECK(folder.text().find(anna->substr(3)) == std::string::npos);
  struct stat info {};
  REQUIRE(stat(folder.file.c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);

  const auto kept = read_tokens(folder.file);
  REQUIRE(kept.has_value());
  REQUIRE(kept->size() == 2);
  CHECK((*kept)[0].salt != (*kept)[1].salt);
  CHECK(find_token(*kept, *anna)->name == "anna");
  CHECK(find_token(*kept, *anna)->role == Role::operates);
  CHECK(find_token(*kept, *wall)->role == Role::viewer);
}

TEST_CASE("nothing but the token itself lets in") {
  Folder folder;
  const auto token = add_token(folder.file, "anna", Role::admin);
  const auto kept = read_tokens(folder.file);
  REQUIRE(token.has_value());
  REQUIRE(kept.has_value());
  CHECK_FALSE(find_token(*kept, "").has_value());
  CHECK_FALSE(find_token(*kept, "anna").has_value());
  CHECK_FALSE(find_token(*kept, (*kept)[0].hash).has_value());
  CHECK_FALSE(find_token(*kept, token->substr(0, token->size() - 1)).has_value());
  CHECK_FALSE(find_token(*kept, *token + "0").has_value());
  auto turned = *token;
  turned.back() = turned.back() == '0' ? '1' : '0';
  CHECK_FALSE(find_token(*kept, turned).has_value());
}

TEST_CASE("a change of the file is seen at once, and a file that others may read lets nobody in") {
  Folder folder;
  Tokens tokens(folder.file);
  CHECK(tokens.empty());
  CHECK(tokens.trouble().empty());  // no file is no mistake
  const auto token = add_token(folder.file, "anna", Role::viewer);
  REQUIRE(token.has_value());
  CHECK(tokens.find(*token).has_value());
  fs::permissions(folder.file, fs::perms::group_read, fs::perm_options::add);
  CHECK_FALSE(tokens.find(*token).has_value());
  CHECK(tokens.trouble().find("chmod 600") != std::string::npos);
  fs::permissions(folder.file, fs::perms::group_read, fs::perm_options::remove);
  CHECK(tokens.find(*token).has_value());
  REQUIRE(remove_token(folder.file, "anna").has_value());
  CHECK(tokens.empty());
}

TEST_CASE("a name has one token, and a line that is none is told with its number") {
  Folder folder;
  REQUIRE(add_token(folder.file, "anna", Role::viewer).has_value());
  CHECK(add_token(folder.file, "anna", Role::admin).error().what ==
        "anna has a token already; remove it first: cambench token remove anna");
  CHECK_FALSE(add_token(folder.file, "two words", Role::viewer).has_value());
  CHECK_FALSE(add_token(folder.file, "", Role::viewer).has_value());
  CHECK_FALSE(remove_token(folder.file, "bert").has_value());
  const std::string salt(32, 'a'), hash(64, 'b');
  CHECK(parse_tokens("# a comment\n\nanna viewer " + salt + " " + hash + " # her\n", "tokens")->size() == 1);
  for (const std::string& line :
       std::vector<std::string>{"anna", "anna viewer", "anna boss " + salt + " " + hash,
                                "anna viewer x " + hash, "anna viewer " + salt + " " + hash + " more"})
    CHECK(parse_tokens("# a comment\n" + line, "tokens")
              .error()
              .what.starts_with("tokens:2: expected name, role"));
}
