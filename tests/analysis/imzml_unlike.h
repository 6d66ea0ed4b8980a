#pragma once
#include <string>
#include <string_view>

namespace cambench::tests {

/// The same imzML with blanks before every `nth` spectrum, more each time: where `nth` is 1, none is written as the one
/// before.
inline std::string written_unlike(std::string_view xml, std::size_t nth = 1) {
  std::string text;
  for (std::size_t from = 0, count = 1;; ++count) {
    const auto at = xml.find("<spectrum ", from);
    text += xml.substr(from, at - from);
    if (at == std::string_view::npos) return text;
    if (count % nth == 0) text += std::string(count, ' ');
    text += '<';
    from = at + 1;
  }
}

}  // namespace cambench::tests
