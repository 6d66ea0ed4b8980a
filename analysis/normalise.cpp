#include "analysis/normalise.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cassert>
#include <cstddef>
#include <cstring>
#include <numeric>
#include <utility>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

constexpr double half_a_count = 0.5;  // what the published scripts put in place of 0

constexpr std::size_t longest_run = 1024;

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

// ---- sums, all four weights of a pixel at once

using Four = double __attribute__((vector_size(sizeof(PixelWeight))));
static_assert(offsetof(Sums, without_total) - offsetof(Sums, by_total) == 3 * sizeof(double));

// Of neighbouring pixels of one peak. Four sums side by side: an addition need not wait for the one before.
[[gnu::always_inline]] inline Sums sum_pixels(const PixelWeight* weights,
                                              std::span<const std::uint32_t> counts) {
  const std::size_t in_fours = counts.size() & ~std::size_t{3};
  Four a{}, b{}, c{}, d{};
  std::uint64_t counted = 0;
  const auto add = [&](std::size_t i, Four & sum) __attribute__((always_inline)) {
    Four weight;
    std::memcpy(&weight, &weights[i], sizeof weight);
    sum += weight * static_cast<double>(counts[i]);
    counted += counts[i];
  };
  for (std::size_t i = 0; i < in_fours; i += 4) {
    add(i, a);
    add(i + 1, b);
    add(i + 2, c);
    add(i + 3, d);
  }
  for (std::size_t i = in_fours; i < counts.size(); ++i) add(i, a);
  const Four sum = (a + b) + (c + d);
  return {static_cast<double>(counted), sum[0], sum[1], sum[2], sum[3]};
}

// Of one pixel's peaks, each to its own sums.
template <typename Count>
[[gnu::always_inline]] inline void add_pixel(const PixelWeight& weight, std::span<const Count> counts,
                                             Sums* sums) {
  Four weights, sum;
  std::memcpy(&weights, &weight, sizeof weights);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto n = static_cast<double>(counts[i]);
    sums[i].counts += n;
    std::memcpy(&sum, &sums[i].by_total, sizeof sum);
    sum += weights * n;
    std::memcpy(&sums[i].by_total, &sum, sizeof sum);
  }
}

// The same with instructions that take four numbers in one step: the same order, so the same bits.
#if defined(__x86_64__)
#define CAMBENCH_WIDE __attribute__((target("avx2")))
const bool wide = __builtin_cpu_supports("avx2");
#else
#define CAMBENCH_WIDE
constexpr bool wide = false;
#endif

CAMBENCH_WIDE Sums sum_pixels_wide(const PixelWeight* weights, std::span<const std::uint32_t> counts) {
  return sum_pixels(weights, counts);
}
template <typename Count>
CAMBENCH_WIDE void add_pixel_wide(const PixelWeight& weight, std::span<const Count> counts, Sums* sums) {
  add_pixel(weight, counts, sums);
}

std::string_view word(EmptyReference rule) {
  switch (rule) {
    case EmptyReference::half: return "half";
    case EmptyReference::skip: return "skip";
    case EmptyReference::min_counts: return "min_counts";
  }
  return "";
}

std::string masses_text(const MassCheck& check) {
  if (check.what == MassCheck::What::nothing) return "not checked";
  return fmt::format("{} where more than {} ppm off (rms of {})",
                     check.what == MassCheck::What::named ? "named" : "corrected", check.tolerance_ppm,
                     fmt::join(check.known_ions, ", "));
}

}  // namespace

PixelWeight RegionTotals::add(double total, const double* reference, const NormaliseOptions& options) {
  total_counts += total;
  if (reference) reference_counts += *reference;
  if (!(total > 0)) return {};
  ++pixels_with_ions;
  PixelWeight weight{.by_total = 1.0 / total, .without_total = 0};
  if (!reference) return weight;

  const double by = divisor(*reference, options);
  const bool empty = !(*reference > 0);
  pixels_without_reference += by == 0 || empty;
  if (by == 0) return weight;
  ++pixels_for_reference;
  weight.by_reference = 1.0 / by;
  if (empty) weight.from_empty = weight.by_reference;
  return weight;
}

void refer(Region& region, const std::string& reference, const RegionTotals& totals,
           const NormaliseOptions& options) {
  if (totals.reference_counts > 0 && totals.pixels_for_reference > 0) {
    region.reference = reference;
    region.pixels_without_reference = totals.pixels_without_reference;
    return;
  }
  const auto none = fmt::format("no pixel has enough of the reference ion {}", reference);
  if (options.reference_required)
    throw BadInput(region.name, 0, none, "measure it for longer, or normalise by the total ion count");
  region.notes.push_back(fmt::format("{}: {}, so nothing is normalised to it", region.name, none));
}

RegionWeights weigh(const Image& total, const Image* reference, const NormaliseOptions& options) {
  assert(!reference || reference->counts.size() == total.counts.size());
  RegionWeights weights;
  weights.shape = total.shape;
  weights.pixels.reserve(total.counts.size());
  for (std::size_t i = 0; i < total.counts.size(); ++i)
    weights.pixels.push_back(
        weights.add(total.counts[i], reference ? &reference->counts[i] : nullptr, options));
  return weights;
}

void Sums::add(const Sums& other) {
  counts += other.counts;
  by_total += other.by_total;
  by_reference += other.by_reference;
  from_empty += other.from_empty;
  without_total += other.without_total;
}

Peak peak_of(std::string label, const Sums& sums, const RegionTotals& totals) {
  Peak peak;
  peak.label = std::move(label);
  peak.counts = sums.counts;
  peak.by_total_sum = sums.by_total;
  peak.by_total = ratio(sums.by_total, static_cast<double>(totals.pixels_with_ions));
  peak.ratio_to_total = ratio(sums.counts, totals.total_counts);
  peak.by_reference_sum = sums.by_reference;
  peak.by_reference = ratio(sums.by_reference, static_cast<double>(totals.pixels_for_reference));
  peak.ratio_to_reference = ratio(sums.counts, totals.reference_counts);
  peak.share_from_empty_reference = ratio(sums.from_empty, sums.by_reference);
  return peak;
}

// ---- image by image

void PeakSums::add(std::span<const PixelCounts> run) {
  for (; run.size() > longest_run; run = run.subspan(longest_run)) add_short(run.first(longest_run));
  add_short(run);
}

void PeakSums::add_short(std::span<const PixelCounts> run) {
  Sums sums;
  for (const auto& [pixel, n] : run) {
    assert(pixel < weights_.pixels.size());
    sums.add(n, weights_.pixels[pixel]);
  }
  sums_.add(sums);
}

void PeakSums::add(std::uint32_t first_pixel, std::span<const std::uint32_t> counts) {
  assert(first_pixel + counts.size() <= weights_.pixels.size());
  const PixelWeight* weights = weights_.pixels.data() + first_pixel;
  for (; counts.size() > longest_run; counts = counts.subspan(longest_run), weights += longest_run)
    sums_.add(wide ? sum_pixels_wide(weights, counts.first(longest_run))
                   : sum_pixels(weights, counts.first(longest_run)));
  sums_.add(wide ? sum_pixels_wide(weights, counts) : sum_pixels(weights, counts));
}

Peak PeakSums::peak(std::string label) const { return peak_of(std::move(label), sums_, weights_); }

// ---- pixel by pixel

SpectrumSums::SpectrumSums(std::size_t peaks, std::optional<std::size_t> reference,
                           const NormaliseOptions& options)
    : reference_(reference), options_(options), sums_(peaks), run_(peaks) {}

template <typename Count>
void SpectrumSums::add(double total, std::span<const Count> counts) {
  assert(counts.size() == run_.size());
  const double reference = reference_ ? static_cast<double>(counts[*reference_]) : 0;
  const auto weight = totals_.add(total, reference_ ? &reference : nullptr, options_);
  wide ? add_pixel_wide(weight, counts, run_.data()) : add_pixel(weight, counts, run_.data());
  if (++pixels_of_run_ == longest_run) end();
}
template void SpectrumSums::add(double total, std::span<const double> counts);
template void SpectrumSums::add(double total, std::span<const std::uint32_t> counts);

void SpectrumSums::end() {
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i].add(std::exchange(run_[i], {}));
  pixels_of_run_ = 0;
}

double SpectrumSums::counts_without_total() const {
  return std::accumulate(sums_.begin(), sums_.end(), 0.0,
                         [](double sum, const Sums& sums) { return sum + sums.without_total; });
}

Peak SpectrumSums::peak(std::size_t index, std::string label) const {
  return peak_of(std::move(label), sums_[index], totals_);
}

std::vector<Setting> describe(const NormaliseOptions& options) {
  std::vector<Setting> settings = {
      {"total", "the export's own total ion image or current, all its events, or the sum of its spectrum",
       "counts the ions outside all intervals too; where spots have totals of different kinds or ranges, a "
       "note says so"},
      {"pixels without ions", "left out",
       "a pixel whose total is 0 has no spectrum; dividing by it would wipe out the region"},
      {"normalised value", "mean over the pixels that have ions",
       "the sum over pixels is given beside it; in scaled values both are the same only where the spots "
       "have equally many counted pixels"},
      {"spectrum area", options.area == SpectrumArea::sum ? "sum of counts" : "trapezoid over m/z",
       options.area == SpectrumArea::sum ? "channels hold counts, so their sum is a number of ions"
                                         : "as the published scripts take it"},
  };
  settings.push_back(
      {"mass scale of spectra and raw events", masses_text(options.masses),
       "by those of the known ions that agree; images have the intervals that they were exported with"});
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
