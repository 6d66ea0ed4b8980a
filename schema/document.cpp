#include "schema/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <sstream>

#include "schema/overloaded.h"
#include "schema/toml.h"

namespace cambench::document {
namespace {

bool is_null(const Value& value) { return std::holds_alternative<std::monostate>(value.data); }

// --- TOML --------------------------------------------------------------------------------------

Value from_toml(const toml::node& node) {
  const auto place = node.source().begin;
  Value value{.data = {}, .line = static_cast<int>(place.line), .column = static_cast<int>(place.column)};
  if (const auto* table = node.as_table()) {
    Value::Table members;
    for (const auto& [key, child] : *table) members.push_back({std::string(key.str()), from_toml(child)});
    // toml++ sorts by key; a reader wants the order of the file.
    std::ranges::stable_sort(members, {},
                             [](const Member& m) { return std::pair(m.value.line, m.value.column); });
    value.data = std::move(members);
  } else if (const auto* list = node.as_array()) {
    Value::List elements;
    for (const auto& child : *list) elements.push_back(from_toml(child));
    value.data = std::move(elements);
  } else if (const auto* text = node.as_string()) {
    value.data = text->get();
  } else if (const auto* whole = node.as_integer()) {
    value.data = whole->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.data = number->get();
  } else if (const auto* flag = node.as_boolean()) {
    value.data = flag->get();
  } else {  // dates and times have no use here: kept as the text they were
    std::ostringstream text_of;
    node.visit([&](const auto& n) { text_of << n; });
    value.data = text_of.str();
  }
  return value;
}

/// Whether toml++ gives up on the first `lines` lines without a word (see schema/toml.h).
bool gives_up(std::string_view text, std::size_t lines) {
  std::size_t end = 0;
  for (std::size_t i = 0; i < lines && end < text.size(); ++i)
    end = std::min(text.find('\n', end), text.size() - 1) + 1;
  try {
    static_cast<void>(toml::parse(text.substr(0, end)));
    return false;
  } catch (const BadToml&) {
    return true;
  }
}

/// The line, from 1, on which it does: found by halving, since what comes after that line makes no difference.
std::size_t line_of_giving_up(std::string_view text) {
  std::size_t good = 0, bad = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  while (bad - good > 1) {
    const std::size_t middle = good + (bad - good) / 2;
    (gives_up(text, middle) ? bad : good) = middle;
  }
  return bad;
}

// --- JSON --------------------------------------------------------------------------------------

/// Walks along a text that Boost.JSON has found valid, and notes where every value begins.
class JsonWalk {
 public:
  explicit JsonWalk(std::string_view text) : text_(text) {}

  Value value() {
    skip_space();
    Value found{.data = {}, .line = line_, .column = column()};
    if (peek() == '{')
      found.data = table();
    else if (peek() == '[')
      found.data = list();
    else
      found.data = scalar(peek() == '"' ? string_token() : bare_token());
    skip_space();
    return found;
  }

 private:
  Value::Table table() {
    Value::Table members;
    next();
    for (skip_space(); peek() != '}'; skip_space()) {
      if (peek() == ',') {
        next();
        continue;
      }
      const auto key = std::get<std::string>(scalar(string_token()));
      skip_space();
      next();  // the colon
      members.push_back({key, value()});
    }
    next();
    return members;
  }

  Value::List list() {
    Value::List elements;
    next();
    for (skip_space(); peek() != ']'; skip_space()) {
      if (peek() == ',')
        next();
      else
        elements.push_back(value());
    }
    next();
    return elements;
  }

  std::string_view string_token() {
    const std::size_t begin = at_;
    next();
    while (peek() != '"') {
      if (peek() == '\\') next();
      next();
    }
    next();
    return text_.substr(begin, at_ - begin);
  }

  std::string_view bare_token() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && std::string_view(",]} \t\r\n").find(peek()) == std::string_view::npos)
      next();
    return text_.substr(begin, at_ - begin);
  }

  static decltype(Value::data) scalar(std::string_view token) {
    const boost::json::value parsed = boost::json::parse({token.data(), token.size()});
    switch (parsed.kind()) {
      case boost::json::kind::bool_: return parsed.get_bool();
      case boost::json::kind::int64: return std::int64_t{parsed.get_int64()};
      case boost::json::kind::uint64: return static_cast<double>(parsed.get_uint64());
      case boost::json::kind::double_: return nearest(token, parsed.get_double());
      case boost::json::kind::string: return std::string(parsed.get_string());
      default: return std::monostate{};
    }
  }

  // Boost.JSON 1.81 is a bit beside the nearest number for one text in ten: what is kept as JSON would not come back
  // as it was. `otherwise` is for what from_chars has no number for, beyond the largest.
  static double nearest(std::string_view token, double otherwise) {
    double number = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
    return error == std::errc{} && end == token.data() + token.size() ? number : otherwise;
  }

  [[nodiscard]] char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void next() {
    if (peek() == '\n') {
      ++line_;
      line_begin_ = at_ + 1;
    }
    ++at_;
  }
  void skip_space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(peek()) != std::string_view::npos) next();
  }
  [[nodiscard]] int column() const { return static_cast<int>(at_ - line_begin_) + 1; }

  std::string_view text_;
  std::size_t at_ = 0, line_begin_ = 0;
  int line_ = 1;
};

std::string place_in(std::string_view text, std::size_t at) {
  const std::string_view before = text.substr(0, std::min(at, text.size()));
  const auto line = std::ranges::count(before, '\n') + 1;
  const auto last = before.rfind('\n');
  return fmt::format("{}:{}", line, before.size() - (last == std::string_view::npos ? 0 : last + 1) + 1);
}

std::string_view without_bom(std::string_view text) {
  return text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
}

// --- writing -----------------------------------------------------------------------------------

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      out += {'\\', c};
    else if (static_cast<unsigned char>(c) < 0x20)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string real(double number) {
  std::string text = fmt::format("{}", number);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

void print(const Value& value, int indent, int depth, std::string& out);

/// The elements of a list or table between their brackets.
template <typename List, typename Print>
void print_elements(const List& list, std::string_view brackets, int indent, int depth, std::string& out,
                    Print print_one) {
  const auto new_line = [&](int level) {
    if (indent > 0) out.append(1, '\n').append(static_cast<std::size_t>(indent * level), ' ');
  };
  out += brackets[0];
  bool first = true;
  for (const auto& element : list) {
    if (!std::exchange(first, false)) out += ',';
    new_line(depth);
    print_one(element);
  }
  if (!list.empty()) new_line(depth - 1);
  out += brackets[1];
}

void print(const Value& value, int indent, int depth, std::string& out) {
  std::visit(
      Overloaded{[&](std::monostate) { out += "null"; }, [&](bool flag) { out += flag ? "true" : "false"; },
                 [&](std::int64_t number) { out += fmt::format("{}", number); },
                 [&](double number) { out += real(number); },
                 [&](const std::string& text) { out += quoted(text); },
                 [&](const Value::List& list) {
                   print_elements(list, "[]", indent, depth, out,
                                  [&](const Value& v) { print(v, indent, depth + 1, out); });
                 },
                 [&](const Value::Table& table) {
                   print_elements(table, "{}", indent, depth, out, [&](const Member& member) {
                     out += quoted(member.key) + (indent > 0 ? ": " : ":");
                     print(member.value, indent, depth + 1, out);
                   });
                 }},
      value.data);
}

// --- words -------------------------------------------------------------------------------------

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

/// Levenshtein's distance; a difference of case alone costs nothing.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (lower(a[i - 1]) == lower(b[j - 1]) ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, replaced}));
    }
  }
  return row.back();
}

std::string range_words(Range range, std::string_view unit) {
  const std::string suffix = unit.empty() ? "" : " " + std::string(unit);
  const bool below = std::isfinite(range.most), above = std::isfinite(range.least);
  if (above && below && range.open_below)
    return fmt::format("a number above {:g} and at most {:g}{}", range.least, range.most, suffix);
  if (above && below) return fmt::format("a number from {:g} to {:g}{}", range.least, range.most, suffix);
  if (above)
    return fmt::format("a number {} {:g}{}", range.open_below ? "above" : "of at least", range.least, suffix);
  if (below) return fmt::format("a number of at most {:g}{}", range.most, suffix);
  return unit.empty() ? "a number" : fmt::format("a number in {}", unit);
}

bool within(double number, Range range) {
  if (!std::isfinite(number) || number > range.most) return false;
  return range.open_below ? number > range.least : number >= range.least;
}

/// The line of the first letter beyond ASCII that stands outside strings and comments; 0 when there is none. toml++ 3.3
/// takes such a letter in a bare key for impossible, which is undefined behaviour in it.
int foreign_letter(std::string_view text) {
  int line = 1;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (static_cast<unsigned char>(c) >= 0x80) return line;
    std::size_t end = at;
    if (c == '#') end = text.find('\n', at);
    if (c == '"' || c == '\'') {
      const std::string quotes(text.substr(at, 3) == std::string(3, c) ? 3 : 1, c);
      for (end = at + quotes.size(); end < text.size() && !text.substr(end).starts_with(quotes); ++end) {
        if (text[end] == '\n' && quotes.size() == 1) break;  // an open string: for the parser to tell
        if (text[end] == '\\' && c == '"') ++end;
      }
      end = std::min(end + quotes.size() - 1, text.size());
    }
    if (end == std::string_view::npos) return 0;
    if (end > at && c == '#') --end;  // the line end itself is counted by the loop
    line += static_cast<int>(
        std::count(text.begin() + static_cast<std::ptrdiff_t>(std::min(at + 1, text.size())),
                   text.begin() + static_cast<std::ptrdiff_t>(std::min(end + 1, text.size())), '\n'));
    at = std::max(at, end);
  }
  return 0;
}

}  // namespace

Result<Value> parse_toml(std::string_view text, std::string_view file) try {
  text = without_bom(text);
  if (const int line = foreign_letter(text))
    return fail(Fault::Kind::input,
                fmt::format("{}:{}: a letter beyond ASCII outside quotes: put the key or value in quotes",
                            file, line));
  const toml::parse_result parsed = toml::parse(text, file);
  if (parsed) return from_toml(parsed.table());
  const auto place = parsed.error().source().begin;
  return fail(Fault::Kind::input, fmt::format("{}:{}:{}: this is not TOML: {}", file, place.line,
                                              place.column, parsed.error().description()));
} catch (const BadToml&) {
  return fail(Fault::Kind::input, fmt::format("{}:{}: this is not TOML: expected a name in the brackets",
                                              file, line_of_giving_up(without_bom(text))));
}

Result<Value> parse_json(std::string_view text, std::string_view file) {
  text = without_bom(text);
  boost::json::stream_parser parser;
  boost::json::error_code error;
  const std::size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (!error && text.find_first_not_of(" \t\r\n", read) != std::string_view::npos)
    error = boost::json::error::extra_data;
  if (error)
    return fail(Fault::Kind::input,
                fmt::format("{}:{}: this is not JSON: {}", file, place_in(text, read), error.message()));
  return JsonWalk(text).value();
}

Result<Value> parse(std::string_view text, std::string_view file) {
  const auto first = without_bom(text).find_first_not_of(" \t\r\n");
  const bool braces = first != std::string_view::npos && without_bom(text)[first] == '{';
  return file.ends_with(".json") || (braces && !file.ends_with(".toml")) ? parse_json(text, file)
                                                                         : parse_toml(text, file);
}

void Mistakes::add(const Value& where, std::string_view place, std::string_view sentence) {
  std::string whole = file_;
  if (where.line > 0) whole += fmt::format(":{}", where.line);
  if (where.line > 0 && where.column > 0) whole += fmt::format(":{}", where.column);
  whole += place.empty() ? fmt::format(": {}", sentence) : fmt::format(": {}: {}", place, sentence);
  found_.push_back({where.line, where.column, std::move(whole)});
}

std::vector<std::string> Mistakes::sentences() const {
  auto sorted = found_;
  std::ranges::stable_sort(sorted, {}, [](const Found& f) { return std::pair(f.line, f.column); });
  std::vector<std::string> sentences;
  for (auto& found : sorted) sentences.push_back(std::move(found.sentence));
  return sentences;
}

std::string Mistakes::text() const { return fmt::format("{}", fmt::join(sentences(), "\n")); }

Fields::Fields(const Value& table, std::string place, Mistakes& mistakes)
    : table_(&table), place_(std::move(place)), mistakes_(&mistakes) {
  if (!std::holds_alternative<Value::Table>(table.data)) wrong("expected a table, found " + describe(table));
}

bool Fields::has(std::string_view key) { return value(key) != nullptr; }

const Value* Fields::value(std::string_view key) {
  const Value* found = find(key);
  return found && !is_null(*found) ? found : nullptr;
}

std::optional<double> Fields::number(std::string_view key, Range range, std::string_view unit) {
  const Value* found = value(key);
  if (!found) return std::nullopt;
  std::optional<double> number;
  if (const auto* whole = std::get_if<std::int64_t>(&found->data)) number = static_cast<double>(*whole);
  if (const auto* real = std::get_if<double>(&found->data)) number = *real;
  if (number && within(*number, range)) return number;
  expected(*found, key, range_words(range, unit));
  return std::nullopt;
}

std::optional<std::int64_t> Fields::whole(std::string_view key, std::int64_t least, std::int64_t most) {
  const Value* found = value(key);
  if (!found) return std::nullopt;
  const auto* number = std::get_if<std::int64_t>(&found->data);
  if (number && *number >= least && *number <= most) return *number;
  expected(*found, key, fmt::format("a whole number from {} to {}", least, most));
  return std::nullopt;
}

std::optional<bool> Fields::flag(std::string_view key) {
  const Value* found = value(key);
  if (!found) return std::nullopt;
  if (const auto* flag = std::get_if<bool>(&found->data)) return *flag;
  expected(*found, key, "true or false");
  return std::nullopt;
}

std::optional<std::string> Fields::text(std::string_view key) {
  const Value* found = value(key);
  if (!found) return std::nullopt;
  if (const auto* text = std::get_if<std::string>(&found->data)) return *text;
  expected(*found, key, "a text in quotes");
  return std::nullopt;
}

std::optional<Fields> Fields::table(std::string_view key) {
  const Value* found = value(key);
  if (!found) return std::nullopt;
  if (std::holds_alternative<Value::Table>(found->data)) return Fields(*found, place_of(key), *mistakes_);
  expected(*found, key, fmt::format("a table, [{}]", place_of(key)));
  return std::nullopt;
}

std::vector<Fields> Fields::tables(std::string_view key) {
  const Value* found = value(key);
  if (!found) return {};
  const auto* list = std::get_if<Value::List>(&found->data);
  if (!list) {
    expected(*found, key, fmt::format("a list of tables, [[{}]]", place_of(key)));
    return {};
  }
  std::vector<Fields> tables;
  for (std::size_t i = 0; i < list->size(); ++i) {
    std::string place = fmt::format("{}[{}]", place_of(key), i + 1);
    if (std::holds_alternative<Value::Table>((*list)[i].data))
      tables.emplace_back((*list)[i], std::move(place), *mistakes_);
    else
      mistakes_->add((*list)[i], place, "expected a table, found " + describe((*list)[i]));
  }
  return tables;
}

std::vector<std::string> Fields::texts(std::string_view key) {
  const Value* found = value(key);
  if (!found) return {};
  const auto* list = std::get_if<Value::List>(&found->data);
  if (!list) {
    expected(*found, key, "a list of texts, [\"...\"]");
    return {};
  }
  std::vector<std::string> texts;
  for (const Value& element : *list) {
    if (const auto* text = std::get_if<std::string>(&element.data))
      texts.push_back(*text);
    else
      mistakes_->add(element, place_of(key), "expected a text in quotes, found " + describe(element));
  }
  return texts;
}

bool Fields::require(std::string_view key, std::string_view expected) {
  if (has(key)) return true;
  wrong(fmt::format("{} is missing: expected {}", key, expected));
  return false;
}

void Fields::wrong(std::string_view key, std::string_view sentence) {
  const Value* found = find(key);
  mistakes_->add(found ? *found : *table_, place_of(key), sentence);
}

void Fields::wrong(std::string_view sentence) { mistakes_->add(*table_, place_, sentence); }

void Fields::finish() {
  const auto* members = std::get_if<Value::Table>(&table_->data);
  if (!members) return;
  std::vector<std::string> seen;
  for (const auto& [key, value] : *members) {
    if (std::ranges::find(seen, key) != seen.end())
      mistakes_->add(value, place_of(key), "this key stands here twice");
    seen.push_back(key);
    if (std::ranges::find(known_, key) != known_.end()) continue;
    const std::string meant = nearest(key, known_);
    mistakes_->add(value, place_of(key),
                   meant.empty() ? fmt::format("unknown key; known here are {}", fmt::join(known_, ", "))
                                 : fmt::format("unknown key; did you mean {}?", meant));
  }
}

std::string Fields::place_of(std::string_view key) const {
  return place_.empty() ? std::string(key) : fmt::format("{}.{}", place_, key);
}

const Value* Fields::find(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  const auto* members = std::get_if<Value::Table>(&table_->data);
  if (!members) return nullptr;
  const auto found = std::ranges::find(*members, key, &Member::key);
  return found == members->end() ? nullptr : &found->value;
}

void Fields::expected(const Value& found, std::string_view key, std::string_view what) {
  mistakes_->add(found, place_of(key), fmt::format("expected {}, found {}", what, describe(found)));
}

std::string print_json(const Value& value, int indent) {
  std::string text;
  print(value, indent, 1, text);
  return text;
}

std::string describe(const Value& value) {
  return std::visit(Overloaded{[](std::monostate) { return std::string("nothing"); },
                               [](bool flag) { return std::string(flag ? "true" : "false"); },
                               [](std::int64_t number) { return fmt::format("{}", number); },
                               [](double number) { return fmt::format("{}", number); },
                               [](const std::string& text) {
                                 return text.size() > 40 ? fmt::format("\"{}...\"", text.substr(0, 37))
                                                         : fmt::format("\"{}\"", text);
                               },
                               [](const Value::List&) { return std::string("a list"); },
                               [](const Value::Table&) { return std::string("a table"); }},
                    value.data);
}

std::string nearest(std::string_view word, const std::vector<std::string>& known) {
  const std::string* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    // A unit left out ("until_voltage") is the commonest slip.
    const std::size_t d = candidate.starts_with(word) && word.size() >= 3 ? 1 : distance(word, candidate);
    if (d < best_distance) {
      best = &candidate;
      best_distance = d;
    }
  }
  return best ? *best : std::string();
}

}  // namespace cambench::document
