// One table of a register map's file, for its reader alone: every key is asked for by name and kind, and what nobody asked
// for is refused.
#pragma once
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "schema/document.h"
#include "schema/units.h"

namespace cambench::wire::modbus {

using Node = document::Value;

/// Why a map cannot be used; ends the reading. Never leaves the reader.
struct Rejected {
  int line = 0;
  std::string sentence;
};

template <typename... Arguments>
[[noreturn]] void reject(const Node& at, fmt::format_string<Arguments...> sentence,
                         Arguments&&... arguments) {
  throw Rejected{at.line, fmt::format(sentence, std::forward<Arguments>(arguments)...)};
}

inline bool is_table(const Node& node) { return std::holds_alternative<Node::Table>(node.data); }

/// One table of the file. Every key that is asked for is remembered: what is left over at the end is unknown.
class Section {
 public:
  Section(const Node& table, std::string where) : table_(table), where_(std::move(where)) {}

  [[nodiscard]] const Node& table() const { return table_; }
  [[nodiscard]] const Node::Table& members() const { return std::get<Node::Table>(table_.data); }
  [[nodiscard]] const std::string& where() const { return where_; }

  const Node* find(std::string_view key) {
    asked_.emplace(key);
    const auto found = std::ranges::find(members(), key, &document::Member::key);
    return found == members().end() ? nullptr : &found->value;
  }
  const Node& need(std::string_view key, std::string_view what) {
    const Node* node = find(key);
    if (!node) reject(table_, "{}: `{}` is missing ({})", where_, key, what);
    return *node;
  }

  std::optional<double> number(std::string_view key) {
    const Node* node = find(key);
    if (!node) return std::nullopt;
    return as_number(*node, key);
  }
  double number(std::string_view key, double otherwise) { return number(key).value_or(otherwise); }
  double need_number(std::string_view key, std::string_view what) { return as_number(need(key, what), key); }

  double as_number(const Node& node, std::string_view key) const {
    if (const auto* whole = std::get_if<std::int64_t>(&node.data)) return static_cast<double>(*whole);
    const auto* value = std::get_if<double>(&node.data);
    if (!value || !std::isfinite(*value)) reject(node, "{}: `{}` must be a number", where_, key);
    return *value;
  }

  std::int64_t as_integer(const Node& node, std::string_view key, std::int64_t low, std::int64_t high) const {
    const auto* value = std::get_if<std::int64_t>(&node.data);
    if (!value || *value < low || *value > high)
      reject(node, "{}: `{}` must be a whole number from {} to {}", where_, key, low, high);
    return *value;
  }
  std::int64_t integer(std::string_view key, std::int64_t otherwise, std::int64_t low, std::int64_t high) {
    const Node* node = find(key);
    return node ? as_integer(*node, key, low, high) : otherwise;
  }

  std::string as_text(const Node& node, std::string_view key) const {
    const auto* value = std::get_if<std::string>(&node.data);
    if (!value) reject(node, "{}: `{}` must be a text in quotes", where_, key);
    return *value;
  }
  std::string text(std::string_view key, std::string otherwise) {
    const Node* node = find(key);
    return node ? as_text(*node, key) : otherwise;
  }

  bool flag(std::string_view key, bool otherwise) {
    const Node* node = find(key);
    if (!node) return otherwise;
    const auto* value = std::get_if<bool>(&node->data);
    if (!value) reject(*node, "{}: `{}` must be true or false", where_, key);
    return *value;
  }

  Seconds milliseconds(std::string_view key, double otherwise_ms, double low_ms, double high_ms) {
    const Node* node = find(key);
    const double ms = node ? as_number(*node, key) : otherwise_ms;
    if (node && !(ms >= low_ms && ms <= high_ms))
      reject(*node, "{}: `{}` must lie between {:g} and {:g} ms", where_, key, low_ms, high_ms);
    return Seconds(ms * 1e-3);
  }

  std::optional<Section> section(std::string_view key) {
    const Node* node = find(key);
    if (!node) return std::nullopt;
    if (!is_table(*node)) reject(*node, "{}: `{}` must be a table", where_, key);
    return Section(*node, below(key));
  }

  std::vector<const Node*> list(std::string_view key) {
    const Node* node = find(key);
    std::vector<const Node*> nodes;
    if (!node) return nodes;
    const auto* entries = std::get_if<Node::List>(&node->data);
    if (!entries) reject(*node, "{}: `{}` must be a list", where_, key);
    for (const Node& entry : *entries) nodes.push_back(&entry);
    return nodes;
  }
  std::vector<Section> sections(std::string_view key) {
    std::vector<Section> sections;
    for (const Node* node : list(key)) {
      if (!is_table(*node)) reject(*node, "{}: every `{}` must be a table", where_, key);
      sections.emplace_back(*node, below(key));
    }
    return sections;
  }

  void done() const {
    for (const auto& [key, node] : members())
      if (!asked_.contains(key))
        reject(node, "{}: unknown key `{}`; known are {}", where_.empty() ? "the file" : where_, key,
               fmt::join(asked_, ", "));
  }

 private:
  /// "[action]" and "hold" give "[action.hold]".
  [[nodiscard]] std::string below(std::string_view key) const {
    if (where_.empty()) return fmt::format("[{}]", key);
    if (where_.back() == ']') return fmt::format("{}.{}]", where_.substr(0, where_.size() - 1), key);
    return fmt::format("{} {}", where_, key);
  }

  const Node& table_;
  std::string where_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace cambench::wire::modbus
