#include "analysis/study_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"
#include "analysis/ion_overlay.h"
#include "analysis/region_images.h"
#include "analysis/statistics.h"
#include "schema/overloaded.h"

namespace cambench::sims {
namespace {

constexpr std::size_t pictures_shown = 6;

std::string shown(std::string_view label) { return FragmentTable::built_in().describe(label).label; }

// By m/z, then name.
auto place_of(std::string_view label) {
  const auto fragment = FragmentTable::built_in().describe(label);
  return std::tuple(fragment.mz, fragment.label);
}

// One pass over the images of a region. Those that will be shown are kept: the overlay's, and of the others the ones
// that differ most so far.
class Comparing {
 public:
  Comparing(const RegionFiles& found, const PartOptions& options, const NormaliseOptions& normalise)
      : found_(found),
        options_(options),
        images_(images_of(found, normalise)),
        total_(images_.total()),
        field_of_view_um_(options.field_of_view_um ? options.field_of_view_um : images_.field_of_view_um),
        overlay_(options.overlay.size()) {}

  RegionParts compare(const Spot& spot) {
    std::vector<std::size_t> in_overlay;
    for (const auto& ion : options_.overlay) in_overlay.push_back(peak_of(ion));
    const Mask inner = inner_mask();
    RegionParts parts{.spot = spot, .inner = describe(options_.inner), .options = options_.compare};
    parts.field_of_view_um = field_of_view_um_;
    parts.mask_png = png_of(inner);
    parts.inner_pixels = inner.pixels();
    parts.outer_pixels = inner.outside().pixels();
    const PartComparison comparison(total_, inner, inner.outside(), options_.compare);
    for (std::size_t i = 0; i < images_.labels.size(); ++i) {
      const Image image = images_.peak(i, total_.shape);
      parts.contrasts.push_back(comparison.of(shown(images_.labels[i]), image));
      bool of_overlay = false;
      for (std::size_t k = 0; k < in_overlay.size(); ++k)
        if (in_overlay[k] == i) overlay_[k] = normalised(image, total_), of_overlay = true;
      if (!of_overlay) keep_if_clear(parts.contrasts.back(), image);
    }
    std::ranges::sort(parts.contrasts, {}, [](const Contrast& c) { return place_of(c.label); });
    add_pictures(parts);
    return parts;
  }

 private:
  struct Clear {
    double deviations = 0;
    std::string ion;
    Image share;
  };

  std::size_t peak_of(std::string_view ion) const {
    const auto i = images_.find(ion);
    if (i == images_.labels.size())
      throw BadInput(found_.name, 0, fmt::format("has no image of {}", ion),
                     "export it as well, or name another ion");
    return i;
  }

  Mask inner_mask() const {
    return std::visit(
        Overloaded{[&](const Circle& c) { return circle_mask(total_.shape, c.centre, c.radius); },
                   [&](const Polygon& p) { return polygon_mask(total_.shape, p.corners); },
                   [&](const DrawnMask& m) { return png_mask(m.png, m.name, total_.shape); },
                   [&](const IonMask& m) {
                     return image_mask(images_.peak(peak_of(m.ion), total_.shape), m.above);
                   }},
        options_.inner);
  }

  void keep_if_clear(const Contrast& contrast, const Image& image) {
    const auto most = pictures_shown - std::min(overlay_.size(), pictures_shown);
    if (!contrast.deviations || most == 0) return;
    const double deviations = std::abs(*contrast.deviations);
    const auto place = std::ranges::upper_bound(clearest_, deviations, std::greater{}, &Clear::deviations);
    if (static_cast<std::size_t>(place - clearest_.begin()) == most) return;
    clearest_.insert(place, {deviations, contrast.label, normalised(image, total_)});
    if (clearest_.size() > most) clearest_.pop_back();
  }

  void add_pictures(RegionParts& parts) const {
    for (std::size_t k = 0; k < overlay_.size(); ++k) {
      parts.overlay_ions.push_back(shown(options_.overlay[k]));
      add_picture(parts, parts.overlay_ions.back(), overlay_[k]);
    }
    if (!overlay_.empty()) parts.overlay_png = overlay_png(overlay_, {.field_of_view_um = field_of_view_um_});
    for (const auto& clear : clearest_) add_picture(parts, clear.ion, clear.share);
  }

  // In grey: the three colours of an overlay of itself.
  void add_picture(RegionParts& parts, const std::string& ion, const Image& share) const {
    parts.images.push_back({ion, overlay_png(std::array{share, share, share},
                                             {.field_of_view_um = field_of_view_um_, .least_side = 256})});
  }

  const RegionFiles& found_;
  const PartOptions& options_;
  RegionImages images_;
  Image total_;
  std::optional<double> field_of_view_um_;
  std::vector<Image> overlay_;   // shares of the total, in the order of the options
  std::vector<Clear> clearest_;  // those that differ most, the clearest first
};

// ---- all regions of a sample

PooledContrast pool(std::string_view label, std::span<const double> logarithms, double deviations) {
  PooledContrast contrast{.label = std::string(label), .regions = logarithms.size()};
  if (logarithms.empty()) {
    contrast.why_not = "no region has a ratio of it";
    return contrast;
  }
  const auto of = statistics_of(logarithms);
  contrast.ratio = std::exp(of.mean);
  if (!of.sd) {
    contrast.why_not = "one region only has a ratio of it, so nothing is known of its scatter";
    return contrast;
  }
  const auto n = static_cast<double>(of.n);
  const double reach = student(deviations, n - 1) * *of.sd / std::sqrt(n);
  contrast.interval = {std::exp(of.mean - reach), std::exp(of.mean + reach)};
  return contrast;
}

}  // namespace

std::string describe(const InnerPart& inner) {
  return std::visit(Overloaded{[](const Circle& c) {
                                 return fmt::format("circle around X {} Y {}, radius {} pixels", c.centre.x,
                                                    c.centre.y, c.radius);
                               },
                               [](const Polygon& p) {
                                 std::string text = "polygon of the corners";
                                 for (const auto& corner : p.corners)
                                   text += fmt::format(" ({}, {})", corner.x, corner.y);
                                 return text;
                               },
                               [](const DrawnMask& m) { return "white of " + m.name; },
                               [](const IonMask& m) {
                                 return fmt::format("pixels with more than {} counts of {}", m.above, m.ion);
                               }},
                    inner);
}

RegionParts compare_region(const Spot& spot, const RegionFiles& found, const PartOptions& options,
                           const NormaliseOptions& normalise) {
  return Comparing(found, options, normalise).compare(spot);
}

std::vector<PooledParts> pooled(std::span<const RegionParts> all) {
  using Logarithms = std::map<std::tuple<double, std::string>, std::vector<double>>;  // by fragment
  std::vector<std::pair<PooledParts, Logarithms>> samples;
  for (const auto& parts : all) {
    auto sample = std::ranges::find_if(samples, [&](const auto& known) {
      return known.first.material == parts.spot.material && known.first.state == parts.spot.state;
    });
    if (sample == samples.end())
      sample = samples.insert(sample, {PooledParts{.material = parts.spot.material,
                                                   .state = parts.spot.state,
                                                   .deviations = parts.options.deviations},
                                       {}});
    ++sample->first.regions;
    for (const auto& contrast : parts.contrasts) {
      auto& logarithms = sample->second[place_of(contrast.label)];
      if (contrast.ratio) logarithms.push_back(std::log(*contrast.ratio));
    }
  }
  std::vector<PooledParts> result;
  for (auto& [sample, by_fragment] : samples) {
    if (sample.regions < 2) continue;
    for (const auto& [place, logarithms] : by_fragment)
      sample.contrasts.push_back(pool(std::get<std::string>(place), logarithms, sample.deviations));
    result.push_back(std::move(sample));
  }
  return result;
}

}  // namespace cambench::sims
