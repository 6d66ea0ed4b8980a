// A TOML or JSON text as a tree that knows where each value stands, and a reader that collects every mistake
// in it as a sentence with file, line and what was expected. Recipes, configuration and register maps share
// it. toml++ stays behind this door.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "schema/result.h"

namespace cambench::document {

struct Member;

/// One value of the text. Tables keep the order of a JSON text; those of TOML are sorted by key.
struct Value {
  using List = std::vector<Value>;
  using Table = std::vector<Member>;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Table> data;
  int line = 0, column = 0;  ///< from 1; 0 when unknown
};

struct Member {
  std::string key;
  Value value;
};

/// `file` is used in sentences only. A text that is no TOML or JSON at all is one Fault of kind input.
Result<Value> parse_toml(std::string_view text, std::string_view file);
Result<Value> parse_json(std::string_view text, std::string_view file);
/// JSON when the name ends in .json or the text starts with '{', else TOML.
Result<Value> parse(std::string_view text, std::string_view file);

/// Everything that is wrong with one text, in the order of its lines.
class Mistakes {
 public:
  explicit Mistakes(std::string file) : file_(std::move(file)) {}
  /// "file:line:column: place: sentence"
  void add(const Value& where, std::string_view place, std::string_view sentence);
  [[nodiscard]] bool empty() const { return found_.empty(); }
  [[nodiscard]] std::vector<std::string> sentences() const;
  [[nodiscard]] std::string text() const;  ///< one sentence a line
  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  struct Found {
    int line, column;
    std::string sentence;
  };
  std::string file_;
  std::vector<Found> found_;
};

/// The range a number must lie in, both ends included.
struct Range {
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool open_below = false;  ///< `least` itself is refused
};
inline constexpr Range any{};
inline constexpr Range above_zero{0.0, std::numeric_limits<double>::infinity(), true};
inline constexpr Range not_negative{0.0, std::numeric_limits<double>::infinity(), false};

/// Reads the keys of one table. Whatever is wrong goes to `mistakes`, and reading goes on: a missing or wrong
/// value comes back empty (or as the fallback). A JSON null counts as absent. Call finish() last: a key that
/// nobody asked for is a mistake, and the nearest known key is suggested.
class Fields {
 public:
  /// `place` is the path of the table, e.g. "method[3]"; empty for the whole text. `table` must outlive this.
  Fields(const Value& table, std::string place, Mistakes& mistakes);

  [[nodiscard]] bool has(std::string_view key);  ///< present and not null
  std::optional<double> number(std::string_view key, Range range = any, std::string_view unit = {});
  std::optional<std::int64_t> whole(std::string_view key, std::int64_t least, std::int64_t most);
  std::optional<bool> flag(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  std::optional<Fields> table(std::string_view key);
  std::vector<Fields> tables(std::string_view key);      ///< [[key]] or a list of tables
  std::vector<std::string> texts(std::string_view key);  ///< a list of strings
  const Value* value(std::string_view key);              ///< as it stands; nullptr when absent or null

  /// One of a few words.
  template <typename Choice>
  std::optional<Choice> choice(std::string_view key,
                               const std::vector<std::pair<std::string_view, Choice>>& words) {
    const auto word = text(key);
    if (!word) return std::nullopt;
    std::string expected;
    for (const auto& [name, meaning] : words) {
      if (*word == name) return meaning;
      expected += (expected.empty() ? "\"" : " or \"") + std::string(name) + '"';
    }
    wrong(key, "expected " + expected + ", found \"" + *word + '"');
    return std::nullopt;
  }

  /// Says that `key` is missing unless it is there; `expected` tells what belongs there.
  bool require(std::string_view key, std::string_view expected);
  void wrong(std::string_view key, std::string_view sentence);  ///< about the value of a key
  void wrong(std::string_view sentence);                        ///< about the table
  void finish();

  [[nodiscard]] const Value& here() const { return *table_; }
  [[nodiscard]] const std::string& place() const { return place_; }
  [[nodiscard]] std::string place_of(std::string_view key) const;

 private:
  const Value* find(std::string_view key);
  void expected(const Value& found, std::string_view key, std::string_view what);

  const Value* table_;
  std::string place_;
  Mistakes* mistakes_;
  std::vector<std::string> known_;
};

/// JSON text. `indent` 0 writes one line without spaces, else one member a line, as Python's json does. Numbers with
/// a point keep it (54000.0) and come back exactly.
std::string print_json(const Value& value, int indent);

/// What a person would call this value: `"text"`, `12.5`, `a table`, `nothing`.
std::string describe(const Value& value);

/// The one of `known` that was most likely meant by `word`, or an empty text.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

}  // namespace cambench::document
