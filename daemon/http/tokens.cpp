#include "daemon/http/tokens.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "schema/sha256.h"

namespace cambench::http {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t salt_digits = 32, hash_digits = 64;
constexpr std::string_view token_begin = "cb_";  // so that a token is known where one turns up
constexpr off_t largest_file = 1 << 20;

std::string hash_of(std::string_view salt, std::string_view shown) {
  Sha256 sum;
  sum.update(salt);
  sum.update(shown);
  return sum.hex();
}

// How long it takes tells nothing about where two differ; both have one length.
bool same(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char differing = 0;
  for (std::size_t i = 0; i < a.size(); ++i) differing |= static_cast<unsigned char>(a[i] ^ b[i]);
  return differing == 0;
}

bool is_hex(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 40 &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@") ==
             text.npos;
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  for (std::size_t at = 0; at < line.size();) {
    at = line.find_first_not_of(" \t\r", at);
    if (at == line.npos || line[at] == '#') break;
    const auto end = std::min(line.find_first_of(" \t\r", at), line.size());
    found.push_back(line.substr(at, end - at));
    at = end;
  }
  return found;
}

std::string hex_of_random(std::size_t bytes) {
  std::array<unsigned char, 32> random{};
  if (getrandom(random.data(), bytes, 0) != static_cast<ssize_t>(bytes))
    throw std::runtime_error("the system gives no random numbers");
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += fmt::format("{:02x}", random[i]);
  return text;
}

std::string line_of(const Token& token) {
  return fmt::format("{} {} {} {}\n", token.name, name(token.role), token.salt, token.hash);
}

std::unexpected<Fault> trouble_with(const fs::path& file, std::string_view what) {
  return fail(Fault::Kind::input, fmt::format("{}: {}: {}", file.string(), what, std::strerror(errno)));
}

/// Nothing when the file is not there.
Result<std::optional<std::string>> contents(const fs::path& file) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0 && errno == ENOENT) return std::nullopt;
  if (descriptor < 0) return trouble_with(file, "cannot be read");
  struct stat info {};
  std::string text;
  const bool plain = ::fstat(descriptor, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= largest_file;
  const bool private_to_owner = (info.st_mode & 077) == 0;
  if (plain) {
    text.resize(static_cast<std::size_t>(info.st_size));
    const auto got = ::read(descriptor, text.data(), text.size());
    text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  }
  ::close(descriptor);
  if (!plain) return fail(Fault::Kind::input, fmt::format("{}: this is no token file", file.string()));
  if (!private_to_owner)
    return fail(
        Fault::Kind::input,
        fmt::format("{0}: others may read it, so its tokens are not trusted: chmod 600 {0}", file.string()));
  return text;
}

/// Whole or not at all, and with the owner that the daemon runs under: who adds a token may be root.
Result<void> replace(const fs::path& file, const std::string& text) {
  const fs::path fresh = file.string() + ".new";
  std::error_code ignored;
  if (file.has_parent_path()) fs::create_directories(file.parent_path(), ignored);
  fs::remove(fresh, ignored);
  const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return trouble_with(fresh, "cannot be written");
  struct stat folder {};
  if (::geteuid() == 0 && ::stat(fresh.parent_path().c_str(), &folder) == 0)
    (void)!::fchown(descriptor, folder.st_uid, folder.st_gid);
  const bool kept = ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                    ::fsync(descriptor) == 0;
  ::close(descriptor);
  if (!kept || ::rename(fresh.c_str(), file.c_str()) != 0) return trouble_with(file, "cannot be written");
  return {};
}

Result<void> write_tokens(const fs::path& file, const std::vector<Token>& tokens) {
  std::string text =
      "# Who may give orders to cambenchd over TCP: name, role, salt, SHA-256 of salt and token.\n"
      "# Made by `cambench token add NAME --role viewer|operator|admin`.\n";
  for (const Token& token : tokens) text += line_of(token);
  return replace(file, text);
}

}  // namespace

std::string_view name(Role role) {
  switch (role) {
    case Role::nobody: return "nobody";
    case Role::viewer: return "viewer";
    case Role::operates: return "operator";
    case Role::admin: return "admin";
  }
  return {};
}

std::optional<Role> role_called(std::string_view word) {
  for (const Role role : {Role::viewer, Role::operates, Role::admin})
    if (word == name(role)) return role;
  return std::nullopt;
}

Result<std::vector<Token>> parse_tokens(std::string_view text, const std::string& file) {
  std::vector<Token> tokens;
  for (int number = 1; !text.empty(); ++number) {
    const auto line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const auto fields = words(line);
    if (fields.empty()) continue;
    const auto role = fields.size() == 4 ? role_called(fields[1]) : std::nullopt;
    if (!role || !is_name(fields[0]) || !is_hex(fields[2], salt_digits) || !is_hex(fields[3], hash_digits))
      return fail(Fault::Kind::input,
                  fmt::format("{}:{}: expected name, role, salt and hash as `cambench token add` writes them",
                              file, number));
    tokens.push_back({std::string(fields[0]), *role, std::string(fields[2]), std::string(fields[3])});
  }
  return tokens;
}

std::optional<Token> find_token(const std::vector<Token>& tokens, std::string_view shown) {
  std::optional<Token> found;
  for (const Token& token : tokens)
    if (same(hash_of(token.salt, shown), token.hash)) found = token;
  return found;
}

std::optional<Token> Tokens::find(std::string_view shown) {
  refresh();
  return find_token(tokens_, shown);
}

bool Tokens::empty() {
  refresh();
  return tokens_.empty();
}

void Tokens::refresh() {
  struct stat info {};
  Mark mark;
  if (::stat(file_.c_str(), &info) == 0)
    mark = {info.st_ctim.tv_sec, info.st_ctim.tv_nsec, info.st_size, info.st_ino};
  if (mark == mark_) return;
  mark_ = mark;
  auto read = read_tokens(file_);
  trouble_ = read ? "" : read.error().what;
  tokens_ = read ? std::move(*read) : std::vector<Token>();
}

Result<std::string> add_token(const fs::path& file, std::string_view name, Role role) {
  if (!is_name(name))
    return fail(
        Fault::Kind::input,
        fmt::format("\"{}\" is no name: expected 1 to 40 of a-z, A-Z, 0-9, '.', '_', '-' and '@'", name));
  auto tokens = read_tokens(file);
  if (!tokens) return fail(tokens.error());
  if (std::ranges::find(*tokens, name, &Token::name) != tokens->end())
    return fail(Fault::Kind::refused,
                fmt::format("{} has a token already; remove it first: cambench token remove {}", name, name));
  const std::string token = std::string(token_begin) + hex_of_random(32),
                    salt = hex_of_random(salt_digits / 2);
  tokens->push_back({std::string(name), role, salt, hash_of(salt, token)});
  if (auto kept = write_tokens(file, *tokens); !kept) return fail(kept.error());
  return token;
}

Result<void> remove_token(const fs::path& file, std::string_view name) {
  auto tokens = read_tokens(file);
  if (!tokens) return fail(tokens.error());
  if (std::erase_if(*tokens, [&](const Token& token) { return token.name == name; }) == 0)
    return fail(Fault::Kind::refused, fmt::format("{}: nobody called {} has a token", file.string(), name));
  return write_tokens(file, *tokens);
}

Result<std::vector<Token>> read_tokens(const fs::path& file) {
  const auto text = contents(file);
  if (!text) return fail(text.error());
  return *text ? parse_tokens(**text, file.string()) : std::vector<Token>();
}

}  // namespace cambench::http
