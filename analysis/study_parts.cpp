#include "analysis/study_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"
#include "analysis/ion_overlay.h"
#include "analysis/region_images.h"
#include "schema/overloaded.h"

namespace cambench::sims {
namespace {

constexpr std::size_t pictures_shown = 6;

class Comparing {
 public:
  Comparing(const RegionFiles& found, const PartOptions& options)
      : found_(found), options_(options), images_(images_of(found)), total_(images_.total()) {}

  RegionParts compare(const Spot& spot) {
    const Mask inner = inner_mask();
    RegionParts parts{.spot = spot, .inner = describe(options_.inner), .options = options_.compare};
    parts.mask_png = png_of(inner);
    parts.inner_pixels = inner.pixels();
    parts.outer_pixels = inner.outside().pixels();
    parts.contrasts = contrasts(inner);
    if (!options_.overlay.empty()) add_overlay(parts);
    add_images(parts);
    return parts;
  }

 private:
  std::size_t peak_of(std::string_view ion) const {
    const auto i = images_.find(ion);
    if (i == images_.labels.size())
      throw BadInput(found_.name, 0, fmt::format("has no image of {}", ion),
                     "export it as well, or name another ion");
    return i;
  }

  Image share_of(std::string_view ion) const {
    return normalised(images_.peak(peak_of(ion), total_.shape), total_);
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

  std::vector<Contrast> contrasts(const Mask& inner) const {
    const PartComparison comparison(total_, inner, inner.outside(), options_.compare);
    std::vector<Contrast> all;
    for (std::size_t i = 0; i < images_.labels.size(); ++i)
      all.push_back(comparison.of(shown(images_.labels[i]), images_.peak(i, total_.shape)));
    std::ranges::sort(all, {}, [](const Contrast& c) {
      return std::tuple(FragmentTable::built_in().describe(c.label).mz, c.label);
    });
    return all;
  }

  static std::string shown(std::string_view label) { return FragmentTable::built_in().describe(label).label; }

  void add_overlay(RegionParts& parts) const {
    std::vector<Image> shares;
    for (const auto& ion : options_.overlay) {
      shares.push_back(share_of(ion));
      parts.overlay_ions.push_back(shown(ion));
    }
    parts.overlay_png = overlay_png(shares, {.field_of_view_um = options_.field_of_view_um});
  }

  // Each in grey: the three colours of an overlay of itself.
  void add_images(RegionParts& parts) const {
    std::vector<std::string> ions = parts.overlay_ions;
    std::vector<const Contrast*> by_contrast;
    for (const auto& contrast : parts.contrasts)
      if (contrast.deviations) by_contrast.push_back(&contrast);
    std::ranges::stable_sort(by_contrast, std::ranges::greater{},
                             [](const Contrast* c) { return std::abs(*c->deviations); });
    for (const auto* contrast : by_contrast)
      if (ions.size() < pictures_shown && std::ranges::count(ions, contrast->label) == 0)
        ions.push_back(contrast->label);
    for (const auto& ion : ions) {
      const Image share = share_of(ion);
      parts.images.push_back(
          {ion, overlay_png(std::array{share, share, share},
                            {.field_of_view_um = options_.field_of_view_um, .least_side = 256})});
    }
  }

  const RegionFiles& found_;
  const PartOptions& options_;
  RegionImages images_;
  Image total_;
};

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

RegionParts compare_region(const Spot& spot, const RegionFiles& found, const PartOptions& options) {
  return Comparing(found, options).compare(spot);
}

}  // namespace cambench::sims
