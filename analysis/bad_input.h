// Input that cannot be used. The sentence is for the person who has to mend it, so it must name the file, the
// place in it and the mend. A job turns it into a recorded refusal.
#pragma once
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace cambench {

class BadInput : public std::runtime_error {
 public:
  /// `line` counts from 1; 0 speaks of the whole file.
  BadInput(std::string_view file, std::size_t line, std::string_view problem, std::string_view mend)
      : std::runtime_error(std::string(file) + (line ? ", line " + std::to_string(line) : "") + ": " +
                           std::string(problem) + "; " + std::string(mend)) {}
};

/// Of a file that was given its size before its content, as some clients of a share do. `shows` says by what it was
/// told; it may be empty.
[[nodiscard]] inline BadInput unwritten(std::string_view file, std::string_view shows = {}) {
  std::string problem = "has its size, but is not written to its end";
  if (!shows.empty()) problem += ": " + std::string(shows);
  return {file, 0, problem, "wait for its writer, or copy or export it again"};
}

}  // namespace cambench
