#include "analysis/formats/xml_pattern.h"

#include <cassert>
#include <cstring>

namespace cambench {

std::size_t XmlPattern::vary(std::size_t at, std::size_t bytes) {
  assert(at > after_ && at + bytes < text_.size());
  before_.push_back({after_, static_cast<std::uint32_t>(at)});
  after_ = static_cast<std::uint32_t>(at + bytes);
  values_.emplace_back();
  return values_.size() - 1;
}

std::size_t XmlPattern::match(std::string_view text) {
  const char *at = text.data(), *const end = at + text.size();
  const auto same = [&](std::uint32_t from, std::uint32_t to) {
    const std::size_t bytes = to - from;
    if (static_cast<std::size_t>(end - at) < bytes || std::memcmp(at, &text_[from], bytes) != 0) return false;
    at += bytes;
    return true;
  };
  for (std::size_t i = 0; i < before_.size(); ++i) {
    const auto [from, to] = before_[i];
    if (!same(from, to)) return 0;
    const char *const begin = at, quote = at[-1];
    while (at != end && *at != quote) ++at;
    values_[i] = {begin, static_cast<std::size_t>(at - begin)};
  }
  return same(after_, static_cast<std::uint32_t>(text_.size())) ? static_cast<std::size_t>(at - text.data())
                                                                : 0;
}

}  // namespace cambench
