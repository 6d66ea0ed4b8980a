#include "analysis/formats/itm.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_instead =
    "export the raw data as .itm.grd, or the images as BIF6 or as ASCII";

// The words of all records, one after the other.
class PixelStream {
 public:
  using Sink = std::function<void(std::span<const RawIon>)>;
  PixelStream(std::string_view file, const ImageShape& shape, const Sink& sink)
      : file_(file), shape_(shape), sink_(sink) {}

  void add(std::string_view words) {
    if (words.size() % 4 != 0) refuse("a record of raw data ends in the middle of a word");
    run_.clear();
    for (const char* at = words.data(); at != words.data() + words.size(); at += 4)
      take(load<std::uint32_t>(at));
    if (!run_.empty()) sink_(run_);
  }
  /// A pixel that has begun must have its place by the end.
  void end() const {
    if (next_ != Next::ion) refuse("the raw data end in the middle of a pixel");
  }

 private:
  enum class Next { ion, y, number };  // what stands behind an X, behind a Y

  void take(std::uint32_t word) {
    constexpr std::uint32_t place = 0x0fffffff;
    if (next_ == Next::y) {
      if (word >> 28 != 0xd) refuse("a pixel has no Y");
      y_ = word & place;
      if (x_ >= shape_.width || y_ >= shape_.height)
        refuse(fmt::format("a pixel lies at X {} Y {}, outside the raster of {} x {}", x_, y_, shape_.width,
                           shape_.height));
      next_ = Next::number;
    } else if (next_ == Next::number) {
      if (word >> 30 != 1) refuse("a pixel has no number");
      next_ = Next::ion;
      in_pixel_ = true;
    } else if (word >> 28 == 0xc) {
      x_ = word & place;
      next_ = Next::y;
    } else if (word >> 30 == 0 && in_pixel_) {
      run_.push_back({y_ * shape_.width + x_, word});
    } else {
      refuse(fmt::format("word {:#010x} stands where a pixel or an ion should", word));
    }
  }

  [[noreturn]] void refuse(std::string_view problem) const {
    throw BadInput(file_, 0, problem, export_instead);
  }

  std::string_view file_;
  ImageShape shape_;
  const Sink& sink_;
  Next next_ = Next::ion;
  bool in_pixel_ = false;
  std::uint32_t x_ = 0, y_ = 0;
  std::vector<RawIon> run_;
};

}  // namespace

ItmReader::ItmReader(BinaryFile file) : blocks_(std::move(file)) {
  const auto name = blocks_.file().name();
  const auto raw = blocks_.find("rawdata");
  if (!raw) throw BadInput(name, 0, "holds no raw data", export_instead);
  raw_ = *raw;
  shape_ = it_shape(blocks_);
  const auto scale = it_mass_scale(blocks_);
  if (!scale) throw BadInput(name, 0, "has no mass scale", "calibrate it in SurfaceLab and save it");
  scale_ = *scale;
  for (auto& peak : it_peaks(blocks_))
    if (peak.description != "total" && peak.description != "sum of rest" &&
        peak.interval.lower < peak.interval.upper)
      intervals_.push_back(std::move(peak.interval));
}

std::uint32_t ItmReader::each_ion(const std::function<void(std::span<const RawIon>)>& sink) {
  const auto name = blocks_.file().name();
  PixelStream pixels(name, shape_, sink);
  std::uint32_t last_scan = 0;
  blocks_.each_child(raw_, [&](const ItStr::Block& record) {
    const auto kind = text::trimmed(record.name);
    if (kind == "6") last_scan = std::max(last_scan, blocks_.number<std::uint32_t>(record));
    if (kind == "14") blocks_.read(record, [&](std::string_view words) { pixels.add(words); });
  });
  pixels.end();
  return last_scan == UINT32_MAX ? last_scan : last_scan + 1;
}

}  // namespace cambench::sims
