// Who may do what over TCP: bearer tokens (RFC 6750) in a file of mode 0600 that holds no token, only a salted SHA-256
// of each. A token is 256 random bits, so that no hash needs to be slow to be safe.
//
//     anna operator 5f0c... 9ab1...      name, role, salt, hash; '#' starts a comment
//
// Threading: a Tokens belongs to one thread.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/result.h"

namespace cambench::http {

/// Each role may also do what the one before it may.
enum class Role {
  nobody,
  viewer,    ///< looks
  operates,  ///< "operator": starts, pauses, resumes, aborts, acknowledges and shelves, and edits cells
  admin      ///< resets trips, moves an empty press, edits materials and studies
};
std::string_view name(Role role);
std::optional<Role> role_called(std::string_view word);  ///< viewer, operator, admin

struct Token {
  std::string name;
  Role role = Role::nobody;
  std::string salt, hash;  ///< 32 and 64 hexadecimal digits
};

/// Reads the lines of a token file; the Fault names file and line.
Result<std::vector<Token>> parse_tokens(std::string_view text, const std::string& file);

/// The token that was shown, or nothing. Looks at every line, each in the same time, whether it fits or not.
std::optional<Token> find_token(const std::vector<Token>& tokens, std::string_view shown);

/// The file of a bench. A file that is not there holds no token.
class Tokens {
 public:
  explicit Tokens(std::filesystem::path file) : file_(std::move(file)) {}

  /// Reads the file again when it is another one than before. A file that cannot be read, or that others may read,
  /// lets nobody in; trouble() says why.
  std::optional<Token> find(std::string_view shown);
  bool empty();
  [[nodiscard]] const std::string& trouble() const { return trouble_; }

 private:
  void refresh();

  struct Mark {  ///< tells one content of the file from the next
    std::int64_t seconds = 0, nanoseconds = 0, size = -1;
    std::uint64_t inode = 0;
    bool operator==(const Mark&) const = default;
  };
  std::filesystem::path file_;
  Mark mark_;
  std::vector<Token> tokens_;
  std::string trouble_;
};

/// Makes a token, writes its line and returns the token itself, which nobody can ever read again. A name that is there
/// already is refused.
Result<std::string> add_token(const std::filesystem::path& file, std::string_view name, Role role);
Result<void> remove_token(const std::filesystem::path& file, std::string_view name);
Result<std::vector<Token>> read_tokens(const std::filesystem::path& file);

}  // namespace cambench::http
