// A result of a conversation cannot be dropped in silence.
#include "schema/result.h"
using namespace cambench;
[[nodiscard]] inline Result<int> ask() { return 1; }
inline int fine() { return ask().value_or(0); }
#ifdef MISTAKE
inline void wrong() { ask(); }
#endif
