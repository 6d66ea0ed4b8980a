// toml++ as this program uses it; for the .cpp files of readers only. Version 3.3 checks the first character of a
// table header with assert(): "[!store]" would end the program, or with NDEBUG lead into undefined behaviour. Here
// a failed check is thrown, and document::parse_toml makes a sentence of it.
#pragma once

namespace cambench {
struct BadToml {};
[[noreturn]] inline void refuse_toml() { throw BadToml{}; }
}  // namespace cambench

#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>((expression) || (::cambench::refuse_toml(), false))
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")
