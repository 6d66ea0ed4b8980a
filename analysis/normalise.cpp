#include "analysis/normalise.h"

#include <fmt/format.h>

#include <cassert>

namespace cambench::sims {
namespace {

constexpr double half_a_count = 0.5;  // what the published scripts put in place of 0

double ratio(double a, double b) { return b > 0 ? a / b : 0.0; }

// The rule for one pixel that has ions; 0 leaves it out.
double divisor(double reference, const NormaliseOptions& options) {
  switch (options.empty_reference) {
    case EmptyReference::half: return reference > 0 ? reference : half_a_count;
    case EmptyReference::skip: return reference;
    case EmptyReference::min_counts: return reference >= options.min_counts ? reference : 0.0;
  }
  return 0.0;
}

std::string_view word(EmptyReference rule) {
  switch (rule) {
    case EmptyReference::half: return "half";
    case EmptyReference::skip: return "skip";
    case EmptyReference::min_counts: return "min_counts";
  }
  return "";
}

}  // namespace

RegionWeights weigh(const Image& total, const Image* reference, const NormaliseOptions& options) {
  assert(!reference || reference->counts.size() == total.counts.size());
  RegionWeights weights;
  weights.shape = total.shape;
  weights.pixels.resize(total.counts.size());
  for (std::size_t i = 0; i < total.counts.size(); ++i) {
    weights.total_counts += total.counts[i];
    if (reference) weights.reference_counts += reference->counts[i];
    if (!(total.counts[i] > 0)) continue;
    ++weights.pixels_with_ions;
    PixelWeight& weight = weights.pixels[i];
    weight.by_total = 1.0 / total.counts[i];
    if (!reference) continue;

    const double by = divisor(reference->counts[i], options);
    const bool empty = !(reference->counts[i] > 0);
    weights.pixels_without_reference += by == 0 || empty;
    if (by == 0) continue;
    ++weights.pixels_for_reference;
    weight.by_reference = 1.0 / by;
    if (empty) weight.from_empty = weight.by_reference;
  }
  return weights;
}

void PeakSums::add(std::span<const PixelCounts> run) {
  constexpr std::size_t longest = 1024;
  for (; run.size() > longest; run = run.subspan(longest)) add_short(run.first(longest));
  add_short(run);
}

void PeakSums::add_short(std::span<const PixelCounts> run) {
  double counts = 0, by_total = 0, by_reference = 0, from_empty = 0;
  for (const auto& [pixel, n] : run) {
    assert(pixel < weights_.pixels.size());
    const PixelWeight& weight = weights_.pixels[pixel];
    counts += n;
    by_total += n * weight.by_total;
    by_reference += n * weight.by_reference;
    from_empty += n * weight.from_empty;
    if (weight.by_total == 0) counts_without_total_ += n;
  }
  counts_ += counts;
  by_total_ += by_total;
  by_reference_ += by_reference;
  from_empty_ += from_empty;
}

Peak PeakSums::peak(std::string label) const {
  Peak peak;
  peak.label = std::move(label);
  peak.counts = counts_;
  peak.by_total_sum = by_total_;
  peak.by_total = ratio(by_total_, static_cast<double>(weights_.pixels_with_ions));
  peak.ratio_to_total = ratio(counts_, weights_.total_counts);
  peak.by_reference_sum = by_reference_;
  peak.by_reference = ratio(by_reference_, static_cast<double>(weights_.pixels_for_reference));
  peak.ratio_to_reference = ratio(counts_, weights_.reference_counts);
  peak.share_from_empty_reference = ratio(from_empty_, by_reference_);
  return peak;
}

std::vector<Setting> describe(const NormaliseOptions& options) {
  std::vector<Setting> settings = {
      {"total", "the export's own total ion image or spectrum",
       "counts every ion of a pixel, also those outside all intervals"},
      {"pixels without ions", "left out",
       "a pixel whose total is 0 has no spectrum; dividing by it would wipe out the region"},
      {"normalised value", "mean over the pixels that have ions",
       "the sum over pixels is given beside it; in scaled values both are the same for regions of equal "
       "size"},
      {"spectrum area", options.area == SpectrumArea::sum ? "sum of counts" : "trapezoid over m/z",
       options.area == SpectrumArea::sum ? "channels hold counts, so their sum is a number of ions"
                                         : "as the published scripts take it"},
  };
  if (options.reference.empty()) return settings;
  settings.push_back({"reference ion", options.reference, "an ion of the cathode active material"});
  const auto rule = options.empty_reference == EmptyReference::min_counts
                        ? fmt::format("min_counts {}", options.min_counts)
                        : std::string(word(options.empty_reference));
  settings.push_back(
      {"pixels without reference ion", rule,
       options.empty_reference == EmptyReference::half
           ? "divided by 0.5 as in the published scripts; the share of each sum that comes from such "
             "pixels is given beside it"
           : "left out, since no ratio is known there"});
  return settings;
}

}  // namespace cambench::sims
