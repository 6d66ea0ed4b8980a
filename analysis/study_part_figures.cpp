// The figures of regions whose inner part is compared with the outer one.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/plots.h"
#include "analysis/study_figures.h"

namespace cambench::study {

std::string spot_name(const StudyResult& result, const sims::Spot& spot) {
  return fmt::format("{}, {}, {}", name_of(result, spot.material), to_string(spot.state), spot.region);
}

namespace {

constexpr std::size_t most_ratios = 40;

/// The clearest of all contrasts that have an interval, whether of one region or of several: the largest ratio first.
template <typename Contrast>
std::vector<plots::Ratio> clearest_ratios(const std::vector<Contrast>& contrasts, std::size_t& all) {
  std::vector<plots::Ratio> ratios;
  for (const auto& contrast : contrasts)
    if (contrast.interval)
      ratios.push_back(
          {formula(contrast.label), *contrast.ratio, contrast.interval->low, contrast.interval->high});
  all = ratios.size();
  std::ranges::stable_sort(ratios, std::ranges::greater{}, [](const plots::Ratio& r) {
    return r.high > r.low ? std::abs(std::log(r.value)) / std::log(r.high / r.low) : 0;
  });
  ratios.resize(std::min(all, most_ratios));
  std::ranges::stable_sort(ratios, std::ranges::greater{}, &plots::Ratio::value);
  return ratios;
}

std::string where_they_are_many(std::size_t all) {
  return all > most_ratios ? fmt::format("; the {} clearest of {} fragments", most_ratios, all) : "";
}

}  // namespace

Figure contrast_figure(const StudyResult& result, const sims::RegionParts& parts, std::size_t number) {
  std::size_t all = 0;
  const auto ratios = clearest_ratios(parts.contrasts, all);
  const auto caption = fmt::format(
      "Inner over outer part, {}: share of all ions, with the interval of {:g} standard errors between tiles "
      "of {} pixels. Coloured where the interval does not hold 1{}.",
      spot_name(result, parts.spot), parts.options.deviations, parts.options.tile, where_they_are_many(all));
  if (ratios.empty()) return {};
  return {fmt::format("parts_{}.svg", number), caption,
          plots::ratios(ratios, "Inner against outer part", caption, "inner / outer")};
}

std::string sample_name(const StudyResult& result, const sims::PooledParts& parts) {
  return fmt::format("{}, {}, all {} regions", name_of(result, parts.material), to_string(parts.state),
                     parts.regions);
}

Figure pooled_figure(const StudyResult& result, const sims::PooledParts& parts) {
  std::size_t all = 0;
  const auto ratios = clearest_ratios(parts.contrasts, all);
  const auto title = fmt::format("Inner against outer part, {} regions", parts.regions);
  const auto caption = fmt::format(
      "Inner over outer part, {}: geometric mean of the regions' ratios, with the interval of {:g} standard "
      "errors between regions (Student's t). Coloured where the interval does not hold 1{}.",
      sample_name(result, parts), parts.deviations, where_they_are_many(all));
  if (ratios.empty()) return {};
  return {fmt::format("parts_{}_{}.svg", file_part(parts.material), to_string(parts.state)), caption,
          plots::ratios(ratios, title, caption, "inner / outer")};
}

}  // namespace cambench::study
