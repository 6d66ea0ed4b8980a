#include "analysis/mass_calibration.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>

#include "analysis/formats/text.h"
#include "analysis/fragments.h"

namespace cambench::sims {
namespace {

constexpr double per_million = 1e6;
constexpr std::string_view subject = "mass calibration";

// ---- the peaks near an ion

constexpr double peak_ppm = 167;  // full width at half maximum, R = 6000

// How far the channels around a mass lie apart; 0 where they lie unevenly, since channels without counts are left out.
double channel_ppm(const Spectrum& spectrum, double mass) {
  const auto above = std::ranges::lower_bound(spectrum.mz, mass);
  if (above == spectrum.mz.begin() || spectrum.mz.end() - above < 2) return 0;
  const double step = above[0] - above[-1], next = above[1] - above[0];
  return std::abs(next / step - 1) < 0.1 ? step / mass * per_million : 0;
}

// Channels are evenly spaced in the root of the mass.
struct Surroundings {
  std::vector<double> roots, counts;
};

// Each channel as the mean of a sixth of a peak's width (R = 6000), so that the top of a peak in fine channels is one.
Surroundings smoothed(const Spectrum& spectrum, double expected, double reach_ppm) {
  const double half = expected * peak_ppm / 12 / per_million, reach = expected * reach_ppm / per_million;
  const auto at = [&](double mz) { return std::ranges::lower_bound(spectrum.mz, mz) - spectrum.mz.begin(); };
  Surroundings near;
  for (auto i = at(expected - reach), end = at(expected + reach), low = i, high = i; i < end; ++i) {
    const double mz = spectrum.mz[static_cast<std::size_t>(i)];
    while (spectrum.mz[static_cast<std::size_t>(low)] < mz - half) ++low;
    while (high < std::ssize(spectrum.mz) && spectrum.mz[static_cast<std::size_t>(high)] <= mz + half) ++high;
    double sum = 0;
    for (auto k = low; k < high; ++k) sum += spectrum.intensity[static_cast<std::size_t>(k)];
    near.roots.push_back(std::sqrt(mz));
    near.counts.push_back(sum / static_cast<double>(high - low));
  }
  return near;
}

// The channels about a top that belong to no other: down to a share of it that the valley to a neighbour of R = 6000 at
// 225 ppm goes below. Nothing for a shoulder, and for what is cut off.
std::optional<std::pair<std::size_t, std::size_t>> channels_of_top(const std::vector<double>& counts,
                                                                   std::size_t top) {
  const double least = 0.7 * counts[top];
  std::size_t low = top, high = top;
  while (low > 0 && counts[low - 1] >= least)
    if (counts[--low] >= counts[top]) return std::nullopt;
  while (high + 1 < counts.size() && counts[high + 1] >= least)
    if (counts[++high] > counts[top]) return std::nullopt;
  if (low == 0 || high + 1 == counts.size()) return std::nullopt;
  return std::pair{std::min(low, top - 1), std::max(high, top + 1)};
}

// ln(counts) of a Gaussian is a parabola.
std::optional<double> top_of_gaussian(const Surroundings& near, std::size_t low, std::size_t top,
                                      std::size_t high) {
  Eigen::Matrix3d squares = Eigen::Matrix3d::Zero();
  Eigen::Vector3d moments = Eigen::Vector3d::Zero();
  const double step = near.roots[top + 1] - near.roots[top];
  const auto place = [&](std::size_t i) { return (near.roots[i] - near.roots[top]) / step; };
  for (auto i = low; i <= high; ++i) {
    const double y = near.counts[i];
    if (!(y > 0)) return std::nullopt;
    const Eigen::Vector3d powers(1, place(i), place(i) * place(i));
    squares += y * powers * powers.transpose();
    moments += y * std::log(y) * powers;
  }
  const Eigen::Vector3d parabola = squares.ldlt().solve(moments);
  const double vertex = -parabola[1] / (2 * parabola[2]);
  if (!(parabola[2] < 0) || !(vertex > place(low) && vertex < place(high))) return std::nullopt;
  const double root = near.roots[top] + vertex * step;
  return root * root;
}

// Of one known ion, or of its neighbour.
struct NearPeak {
  std::size_t ion = 0;  // of the known ones
  double per_root = 0;  // 1 / sqrt of its mass
  double found = 0, counts = 0, ppm = 0;
};

using Peaks = std::vector<NearPeak>;

// The strongest of them, since noise has any number.
Peaks peaks_near(const Spectrum& spectrum, std::size_t ion, double expected,
                 const CalibrationOptions& options) {
  const auto near = smoothed(spectrum, expected, 2 * options.search_ppm);
  Peaks peaks;
  for (std::size_t top = 1; top + 1 < near.counts.size(); ++top) {
    if (near.counts[top] < options.least_counts) continue;
    const auto channels = channels_of_top(near.counts, top);
    const auto found =
        channels ? top_of_gaussian(near, channels->first, top, channels->second) : std::nullopt;
    if (!found) continue;
    const double ppm = (*found / expected - 1) * per_million;
    if (std::abs(ppm) <= options.search_ppm)
      peaks.push_back({ion, 1 / std::sqrt(expected), *found, near.counts[top], ppm});
  }
  constexpr std::size_t most = 8;
  std::ranges::stable_sort(peaks, std::ranges::greater{}, &NearPeak::counts);
  peaks.resize(std::min(peaks.size(), most));
  return peaks;
}

// ---- on which line they lie

struct Line {
  double level = 0, tilt = 0;  // ppm = level + tilt / sqrt(m)
  [[nodiscard]] double at(double per_root) const { return level + tilt * per_root; }
  [[nodiscard]] double off(const NearPeak& peak) const { return std::abs(peak.ppm - at(peak.per_root)); }
};

Line through(const NearPeak& a, const NearPeak& b) {
  const double tilt = (a.ppm - b.ppm) / (a.per_root - b.per_root);
  return {a.ppm - tilt * a.per_root, tilt};
}

// Of each ion the peak that lies nearest. All of an ion stand together.
Peaks nearest(const Peaks& peaks, const Line& line) {
  Peaks one_each;
  for (const auto& peak : peaks) {
    if (one_each.empty() || one_each.back().ion != peak.ion)
      one_each.push_back(peak);
    else if (line.off(peak) < line.off(one_each.back()))
      one_each.back() = peak;
  }
  return one_each;
}

Peaks agreeing(const Peaks& peaks, const Line& line, double agree_ppm) {
  auto agreed = nearest(peaks, line);
  std::erase_if(agreed, [&](const NearPeak& peak) { return line.off(peak) > agree_ppm; });
  return agreed;
}

struct Span {  // of 1 / sqrt(m)
  double lightest = 0, heaviest = 0;
};
Span span_of(const Peaks& peaks) {
  const auto [heaviest, lightest] = std::ranges::minmax(peaks, {}, &NearPeak::per_root);
  return {lightest.per_root, heaviest.per_root};
}

struct Scale {
  Line line;
  std::size_t ions = 0;  // that agree
  double squares = 0;    // of their distances
};

// By every line through two peaks, the one with the most ions first.
std::vector<Scale> possible_scales(const Peaks& peaks, const CalibrationOptions& options) {
  const auto span = span_of(peaks);
  std::vector<Scale> all;
  for (const auto& a : peaks)
    for (const auto& b : peaks) {
      if (a.ion >= b.ion) continue;
      Scale scale{through(a, b)};
      if (std::abs(scale.line.tilt) * (span.lightest - span.heaviest) > options.most_tilt_ppm) continue;
      for (const auto& peak : agreeing(peaks, scale.line, options.agree_ppm)) {
        ++scale.ions;
        scale.squares += scale.line.off(peak) * scale.line.off(peak);
      }
      all.push_back(scale);
    }
  std::ranges::stable_sort(all, [](const Scale& a, const Scale& b) {
    return a.ions != b.ions ? a.ions > b.ions : a.squares < b.squares;
  });
  return all;
}

double farthest(const Line& line, const Span& span) {
  return std::max(std::abs(line.at(span.lightest)), std::abs(line.at(span.heaviest)));
}

// ---- what is said where nothing is fitted

[[noreturn]] void refuse_few(std::size_t found, double widest_channel) {
  if (widest_channel > peak_ppm / 2)
    throw BadInput(
        subject, 0,
        fmt::format("the channels are up to {:.0f} ppm wide, and a peak is {:.0f} ppm wide at R = 6000",
                    widest_channel, peak_ppm),
        "export the spectrum with fewer channels to a bin");
  throw BadInput(subject, 0,
                 fmt::format("{} of the known ions have a clear peak, and three are needed", found),
                 "name more ions");
}

// ---- the fit

struct KnownIons {
  std::vector<std::string> labels;
  std::vector<double> masses;
};

KnownIons known_ions(std::span<const std::string> labels) {
  KnownIons ions;
  for (const auto& label : labels) {
    const auto formula = parse_formula(label);
    const auto mass = formula ? ion_mass(*formula) : std::nullopt;
    if (!mass) throw BadInput(subject, 0, text::quoted(label) + " is no ion of known mass", "name another");
    if (std::ranges::find(ions.masses, *mass) != ions.masses.end()) continue;
    ions.labels.push_back(label);
    ions.masses.push_back(*mass);
  }
  return ions;
}

std::vector<CalibrationPoint> points_of(const KnownIons& ions, const Peaks& peaks) {
  std::vector<CalibrationPoint> points;
  for (const auto& peak : peaks)
    points.push_back({.label = ions.labels[peak.ion],
                      .expected = ions.masses[peak.ion],
                      .found = peak.found,
                      .counts = peak.counts,
                      .ppm_before = peak.ppm});
  std::ranges::sort(points, {}, &CalibrationPoint::expected);
  return points;
}

// The one line that can be believed.
Line believed(const KnownIons& ions, const Peaks& peaks, std::size_t ions_with_peak,
              const CalibrationOptions& options) {
  const auto doubt = [](const std::string& why, std::string_view mend) {
    throw DoubtfulScale(subject, 0, why, mend);
  };
  const auto peaks_by = [&](const Line& line) { return agreeing(peaks, line, options.agree_ppm); };
  const auto said_by = [&](const Line& line) { return deviations(points_of(ions, peaks_by(line))); };
  constexpr std::string_view stand_alone = "name ions that have no neighbour";

  const auto scales = possible_scales(peaks, options);
  const auto most = scales.empty() ? 0 : scales.front().ions;
  if (most < 3 || 2 * most <= ions_with_peak)
    doubt(fmt::format("the peaks near the known ions agree on no scale: {}",
                      deviations(points_of(ions, nearest(peaks, {})))),
          stand_alone);
  const auto span = span_of(peaks);
  const auto best = scales.front().line;
  for (const auto& [line, agreed, squares] : scales) {
    const Line between{best.level - line.level, best.tilt - line.tilt};
    if (agreed == most && farthest(between, span) > 2 * options.agree_ppm)
      doubt(fmt::format("the peaks near the known ions fit two scales: {}; or {}", said_by(best),
                        said_by(line)),
            stand_alone);
  }
  if (farthest(best, span) > options.most_ppm)
    doubt(fmt::format("the masses are too far off to tell ions from their neighbours: {}", said_by(best)),
          "calibrate the spectrum again");
  const auto reach = span_of(peaks_by(best));
  if (reach.lightest * reach.lightest < 3 * reach.heaviest * reach.heaviest)
    throw BadInput(
        subject, 0,
        fmt::format("the ions that agree lie too close together for other masses: {}", said_by(best)),
        "name lighter or heavier ones, or export the spectrum with fewer channels to a bin");
  return best;
}

// Relative deviations of m are twice those of its root, so each point weighs 1 / m.
void fit(Calibration& calibration) {
  double w = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const auto& point : calibration.points) {
    const double weight = 1 / point.expected, shown = std::sqrt(point.found),
                 root = std::sqrt(point.expected);
    w += weight;
    x += weight * shown;
    y += weight * root;
    xx += weight * shown * shown;
    xy += weight * shown * root;
  }
  calibration.a = (w * xy - x * y) / (w * xx - x * x);
  calibration.b = (y - calibration.a * x) / w;
}

double rms(const std::vector<CalibrationPoint>& points, double CalibrationPoint::*ppm) {
  double squares = 0;
  for (const auto& point : points) squares += point.*ppm * (point.*ppm);
  return std::sqrt(squares / static_cast<double>(points.size()));
}

}  // namespace

double Calibration::corrected(double mz) const {
  const double root = std::max(0.0, a * std::sqrt(std::max(0.0, mz)) + b);
  return root * root;
}

double Calibration::shown(double mz) const {
  const double root = std::max(0.0, (std::sqrt(std::max(0.0, mz)) - b) / a);
  return root * root;
}

Calibration::Constants Calibration::corrected(Constants shown) const {
  const double sf = shown.sf / a;
  return {sf, shown.k0 - b * sf};
}

Calibration calibrate(const Spectrum& spectrum, std::span<const std::string> known,
                      const CalibrationOptions& options) {
  const auto ions = known_ions(known);
  Calibration calibration;
  Peaks peaks;
  double widest_channel = 0;
  for (std::size_t ion = 0; ion < ions.masses.size(); ++ion) {
    const double channel = channel_ppm(spectrum, ions.masses[ion]);
    widest_channel = std::max(widest_channel, channel);
    const auto near = channel > peak_ppm ? Peaks() : peaks_near(spectrum, ion, ions.masses[ion], options);
    if (near.empty()) calibration.not_found.push_back(ions.labels[ion]);
    std::ranges::copy(near, std::back_inserter(peaks));
  }
  const auto with_peak = ions.masses.size() - calibration.not_found.size();
  if (with_peak < 3) refuse_few(with_peak, widest_channel);

  const auto line = believed(ions, peaks, with_peak, options);
  for (const auto& point : points_of(ions, nearest(peaks, line))) {
    const bool agrees =
        std::abs(point.ppm_before - line.at(1 / std::sqrt(point.expected))) <= options.agree_ppm;
    (agrees ? calibration.points : calibration.left_out).push_back(point);
  }
  fit(calibration);
  for (auto* points : {&calibration.points, &calibration.left_out})
    for (auto& point : *points)
      point.ppm_after = (calibration.corrected(point.found) / point.expected - 1) * per_million;
  calibration.rms_ppm_before = rms(calibration.points, &CalibrationPoint::ppm_before);
  calibration.rms_ppm_after = rms(calibration.points, &CalibrationPoint::ppm_after);
  return calibration;
}

Spectrum recalibrated(Spectrum spectrum, const Calibration& calibration) {
  for (double& mz : spectrum.mz) mz = calibration.corrected(mz);
  return spectrum;
}

std::string deviations(std::span<const CalibrationPoint> points) {
  std::string text;
  for (const auto& point : points)
    text += fmt::format("{}{} ({:+.0f} ppm)", text.empty() ? "" : ", ", point.label,
                        std::round(point.ppm_before) + 0.0);  // no -0
  return text;
}

}  // namespace cambench::sims
