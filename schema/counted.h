// "1 spot", "4 spots": a count in a sentence.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace cambench {

inline std::string counted(std::size_t n, std::string_view what) {
  std::string text = std::to_string(n);
  return (text += ' ').append(what).append(n == 1 ? "" : "s");
}

}  // namespace cambench
