// A piece of XML as it is written, but for some values. Where a file says the same again and again with other numbers, as
// an imzML does for every pixel, comparing the text finds these numbers at a tenth of the cost of taking its tags apart;
// and as every other byte is the same, taking it apart would give the same.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cambench {

class XmlPattern {
 public:
  /// Matches nothing.
  XmlPattern() = default;
  explicit XmlPattern(std::string_view text) : text_(text) {}

  /// The value from byte `at` of the text, between its quotes, may be another one. To be called in the order of the text.
  /// Returns its index among the values.
  std::size_t vary(std::size_t at, std::size_t bytes);
  [[nodiscard]] std::size_t bytes() const { return text_.size(); }

  /// How many bytes at the beginning of `text` are as the pattern says; 0 when they are not, or `text` ends before.
  [[nodiscard]] std::size_t match(std::string_view text);
  /// What stood in `text` in place of each value; until it goes.
  [[nodiscard]] std::span<const std::string_view> values() const { return values_; }

 private:
  struct Piece {
    std::uint32_t begin = 0, end = 0;  // in text_
  };
  std::string text_;
  std::vector<Piece> before_;  // each value, what must be the same
  std::uint32_t after_ = 0;    // where the last value ended
  std::vector<std::string_view> values_;
};

}  // namespace cambench
