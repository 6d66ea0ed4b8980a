// One function object of several, a case each, for std::visit.
#pragma once

namespace cambench {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace cambench
