// The recordings of one dialect (tests/replay/<dialect>/*.log) beside what must be read from them (*.chk).
//
// A .log begins with "# who:", "# when:" and "# firmware:"; then "> " is a line that the host sent and "< " one that
// the instrument did (drivers/link/recorder.h writes it). A new recording gets its .chk by running the program of its
// dialect with CAMBENCH_REPLAY_WRITE=1, and by a person who reads it.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cambench::tests {

inline std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  REQUIRE_MESSAGE(in, file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::vector<std::filesystem::path> recordings(std::string_view dialect) {
  std::vector<std::filesystem::path> all;
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(CAMBENCH_SOURCE) / "tests/replay" / dialect))
    if (entry.path().extension() == ".log") all.push_back(entry.path());
  std::ranges::sort(all);
  return all;
}

/// `replayed` gets a recording and how many bytes come at a time, and gives one sentence a line.
inline void check_recordings(
    std::string_view dialect, std::size_t at_least,
    const std::function<std::string(const std::string& log, std::size_t piece)>& replayed) {
  const auto all = recordings(dialect);
  REQUIRE(all.size() >= at_least);
  for (const auto& log : all) {
    CAPTURE(log.filename().string());
    auto check = log;
    check.replace_extension(".chk");
    const std::string recorded = text_of(log);
    if (std::getenv("CAMBENCH_REPLAY_WRITE")) std::ofstream(check) << replayed(recorded, recorded.size());
    for (const std::size_t piece : {recorded.size(), std::size_t{1}, std::size_t{7}})
      CHECK(replayed(recorded, piece) == text_of(check));
  }
}

}  // namespace cambench::tests
