// What all readers of text formats share: lines, fields and numbers, without locale. Exports come with CRLF or LF, with
// a point or a comma as decimal mark, and sometimes with a NUL byte after the last line.
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::text {

/// Without blanks, tabs, line ends and NUL bytes at both ends.
[[nodiscard]] std::string_view trimmed(std::string_view text);

/// The parts between separators, blanks and all; one part for a text without separator.
[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char separator);

/// In quotation marks, for a sentence to a person: at most 60 characters, '?' for what is not printable ASCII.
[[nodiscard]] std::string quoted(std::string_view text);

/// The whole text as a number: any form of C's printf, decimal comma too, nan and inf in Microsoft's spelling
/// (`-NAN(IND)`) as well. Nothing when anything is left over.
[[nodiscard]] std::optional<double> number(std::string_view text);

/// Takes a number from the front: moves `at` behind it and returns true. For the inner loops of readers.
[[nodiscard]] bool take_number(const char*& at, const char* end, double& value);

/// Throws BadInput for eight NUL bytes or more at the end: the file was given its size before it is written to its end.
void refuse_unwritten(std::string_view text, std::string_view name);

/// Where an error is: lines before `at`, counted from 1.
[[nodiscard]] std::size_t line_number(std::string_view text, const char* at);

/// The lines of a text, without their ends. A NUL-only line after the last one is not a line.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  [[nodiscard]] std::optional<std::string_view> next();
  [[nodiscard]] std::size_t number() const { return number_; }  ///< of the line last returned
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
};

}  // namespace cambench::text
