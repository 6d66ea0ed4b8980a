// From a flight-time channel to a mass, and from there to the intervals that it lies in.
#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "analysis/formats/interval_list.h"

namespace cambench::sims {

/// m/z = ((channel - k0) / sf)^2, for channels above k0.
struct MassScale {
  double sf = 0, k0 = 0;
  [[nodiscard]] double mz(double channel) const { return (channel - k0) / sf * ((channel - k0) / sf); }
};

/// One ion of a measurement's raw events.
struct RawIon {
  std::uint32_t pixel = 0;  ///< Y width + X
  std::uint32_t channel = 0;
};

/// Which intervals a channel lies in, by table: an ion costs one look-up. Takes two bytes a channel, 32 MB at most.
class ChannelIntervals {
 public:
  /// Throws BadInput, which speaks of `name`: no mass scale, too many channels or intervals.
  ChannelIntervals(const MassScale& scale, std::span<const MassInterval> intervals, std::string_view name);

  /// Indices of the intervals with lower <= m/z < upper.
  [[nodiscard]] std::span<const std::uint32_t> at(std::uint32_t channel) const {
    const auto [first, count] = segments_[channel < segment_of_.size() ? segment_of_[channel] : 0];
    return {members_.data() + first, count};
  }

  /// Whether no channel lies in two intervals. Then slot() tells all: 0 for a channel in none, else 1 + the index of its
  /// interval.
  [[nodiscard]] bool disjoint() const { return disjoint_; }
  [[nodiscard]] std::uint32_t slot(std::uint32_t channel) const {
    return slot_of_[channel < segment_of_.size() ? segment_of_[channel] : 0];
  }

 private:
  struct Segment {
    std::uint32_t first = 0, count = 0;  // of members_
  };
  std::vector<std::uint16_t> segment_of_;  // by channel
  std::vector<Segment> segments_;          // the first: in no interval
  std::vector<std::uint32_t> members_;     // intervals, those of one segment side by side
  std::vector<std::uint32_t> slot_of_;     // by segment
  bool disjoint_ = true;
};

}  // namespace cambench::sims
