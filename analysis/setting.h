// One decision that a result rests on, in words: reports and score files print them, so that a reader can retrace it.
#pragma once
#include <string>

namespace cambench {

struct Setting {
  std::string name;   ///< stable, like a key: "values"
  std::string value;  ///< what was used: "max-scaled"
  std::string why;    ///< one sentence: the source, or the reason where the source is silent
};

}  // namespace cambench
