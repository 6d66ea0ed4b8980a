// What a fuzz target says of its results. Ends the program where it does not hold, as libFuzzer wants it.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <source_location>

inline void must(bool holds, std::source_location where = std::source_location::current()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%u: this must hold\n", where.file_name(), static_cast<unsigned>(where.line()));
  std::abort();
}
