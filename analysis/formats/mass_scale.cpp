#include "analysis/formats/mass_scale.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

constexpr std::uint32_t most_channels = 1 << 24;
constexpr std::size_t most_intervals = 30'000, most_memberships = 1'000'000;

// The first channel at or above a mass. The estimate is off by one channel at most.
std::uint32_t first_channel(const MassScale& scale, double mz) {
  const double estimate = std::ceil(scale.k0 + scale.sf * std::sqrt(mz)) - 1;
  const double lowest = std::max(0.0, std::ceil(scale.k0));
  double channel = std::clamp(estimate, lowest, double{most_channels});
  while (channel < most_channels && scale.mz(channel) < mz) ++channel;
  return static_cast<std::uint32_t>(channel);
}

}  // namespace

ChannelIntervals::ChannelIntervals(const MassScale& scale, std::span<const MassInterval> intervals,
                                   std::string_view name) {
  if (!std::isfinite(scale.sf) || !std::isfinite(scale.k0) || scale.sf < 1 ||
      std::abs(scale.k0) > most_channels)
    throw BadInput(name, 0, fmt::format("SF {} and K0 {} are no mass scale", scale.sf, scale.k0),
                   "calibrate the measurement and export it again");
  if (intervals.size() > most_intervals)
    throw BadInput(name, 0, fmt::format("{} mass intervals are too many", intervals.size()),
                   fmt::format("keep at most {}", most_intervals));

  // Where intervals begin and end, in the order of channels.
  std::multimap<std::uint32_t, std::uint32_t> edges;
  for (std::uint32_t i = 0; i < intervals.size(); ++i) {
    const auto first = first_channel(scale, intervals[i].lower),
               end = first_channel(scale, intervals[i].upper);
    if (end == most_channels)
      throw BadInput(
          name, 0,
          fmt::format("the interval of {} ends beyond channel {}", intervals[i].label, most_channels),
          "check the mass scale (SF, K0), or take the interval out of the peak list");
    if (first == end) continue;
    edges.emplace(first, i);
    edges.emplace(end, i);
  }
  segments_.emplace_back();
  std::vector<std::uint32_t> open;
  for (auto edge = edges.begin(); edge != edges.end();) {
    const auto channel = edge->first;
    segment_of_.resize(channel, static_cast<std::uint16_t>(open.empty() ? 0 : segments_.size() - 1));
    for (; edge != edges.end() && edge->first == channel; ++edge) {
      const auto place = std::ranges::find(open, edge->second);
      place == open.end() ? open.push_back(edge->second) : void(open.erase(place));
    }
    if (open.empty()) continue;
    if (members_.size() + open.size() > most_memberships)
      throw BadInput(name, 0, "too many mass intervals overlap", "keep one interval for each ion");
    segments_.push_back(
        {static_cast<std::uint32_t>(members_.size()), static_cast<std::uint32_t>(open.size())});
    members_.insert(members_.end(), open.begin(), open.end());
  }
  for (const auto& [first, count] : segments_) {
    slot_of_.push_back(count == 0 ? 0 : 1 + members_[first]);
    disjoint_ = disjoint_ && count <= 1;
  }
}

}  // namespace cambench::sims
