// The report's section on inner and outer parts of regions.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "analysis/report_html.h"
#include "analysis/study_figures.h"
#include "analysis/svg.h"

namespace cambench::study {

using svg::escaped;

namespace {

std::string picture(std::string_view png, std::string_view kind, const std::string& alt,
                    std::string_view caption) {
  return fmt::format("<figure class=\"{}\">{}<figcaption>{}</figcaption></figure>\n", kind,
                     png_element(png, alt), caption);
}

std::string overlay_caption(const sims::RegionParts& parts) {
  constexpr std::array colours{"red", "green", "blue"};
  std::string caption;
  for (std::size_t i = 0; i < parts.overlay_ions.size(); ++i)
    caption += fmt::format("{}<span class=\"{}\">{}</span>", i > 0 ? " " : "", colours.at(i),
                           lowered(formula(parts.overlay_ions[i])));
  return caption + ", each over the same pixel's total ion count; " +
         (parts.field_of_view_um ? fmt::format("the image is {:g} µm wide", *parts.field_of_view_um)
                                 : "no scale, since neither its files nor study.toml give a field of view");
}

std::string pictures(const sims::RegionParts& parts) {
  std::string html = "<div class=\"pictures\">\n";
  if (!parts.overlay_png.empty())
    html += picture(parts.overlay_png, "large", "Overlay of ion images", overlay_caption(parts));
  for (const auto& image : parts.images)
    html +=
        picture(image.png, "small", "Image of " + image.ion, lowered(formula(image.ion)) + " over all ions");
  html += picture(parts.mask_png, "small", "Inner part in white", "inner part, white");
  return html + "</div>\n";
}

std::string contrast_table(const sims::RegionParts& parts) {
  Table table("Share of all ions, mean over the pixels of a part with its standard error between tiles.");
  table.begin_head();
  table.head_cell("Fragment");
  for (const std::string_view name :
       {"Inner", "Outer", "Inner / outer", "Interval", "Standard errors<br/>from 1"})
    table.head_cell(name, true);
  table.head_cell("");
  table.end_head();
  const auto part = [](const sims::Part& of) {
    return of.se ? fmt::format("{:.3e} <span class=\"sd\">± {:.0e}</span>", of.mean, *of.se)
                 : fmt::format("{:.3e}", of.mean);
  };
  for (const auto& contrast : parts.contrasts) {
    table.row(lowered(formula(contrast.label)));
    table.number(part(contrast.inner));
    table.number(part(contrast.outer));
    table.number(maybe(contrast.ratio, 3));
    table.number(contrast.interval ? interval_text(*contrast.interval, 3) : "–");
    table.number(contrast.deviations ? fmt::format("{:+.1f}", *contrast.deviations) : "–");
    table.cell(escaped(contrast.why_not));
  }
  return table.take();
}

std::string half(const Figure& figure) {
  if (figure.svg.empty()) return {};
  return fmt::format(
      "<figure class=\"half\">\n{}<figcaption>{} <span class=\"soft\">({})</span></figcaption>\n</figure>\n",
      figure.svg, escaped(figure.caption), escaped(figure.file));
}

std::string region(const StudyResult& result, const sims::RegionParts& parts, std::size_t number) {
  auto html = paragraph(fmt::format("Inner part: {}; {} pixels, {} outside.", parts.inner, parts.inner_pixels,
                                    parts.outer_pixels));
  html += pictures(parts) + half(contrast_figure(result, parts, number));
  return html + fmt::format("<details><summary>All {} fragments</summary>{}</details>\n",
                            parts.contrasts.size(), contrast_table(parts));
}

// ---- all regions of a sample

std::string pooled_table(const sims::PooledParts& parts) {
  Table table("Geometric mean of the regions' ratios; the interval comes from how they scatter.");
  table.begin_head();
  table.head_cell("Fragment");
  for (const std::string_view name : {"Regions", "Inner / outer", "Interval"}) table.head_cell(name, true);
  table.head_cell("");
  table.end_head();
  for (const auto& contrast : parts.contrasts) {
    table.row(lowered(formula(contrast.label)));
    table.number(std::to_string(contrast.regions));
    table.number(maybe(contrast.ratio, 3));
    table.number(contrast.interval ? interval_text(*contrast.interval, 3) : "–");
    table.cell(escaped(contrast.why_not));
  }
  return table.take();
}

std::string pooled(const StudyResult& result, const sims::PooledParts& parts) {
  auto html = fmt::format("<h3>{}</h3>\n", escaped(sample_name(result, parts)));
  html += half(pooled_figure(result, parts));
  return html + fmt::format("<details><summary>All {} fragments</summary>{}</details>\n",
                            parts.contrasts.size(), pooled_table(parts));
}

// Many regions would bury what they say together, so that only the first of a sample lies open.
bool lies_open(const StudyResult& result, std::size_t i) {
  const auto& all = result.input.parts;
  return std::none_of(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i), [&](const auto& before) {
    return before.spot.material == all[i].spot.material && before.spot.state == all[i].spot.state;
  });
}

}  // namespace

std::string parts_section(const StudyResult& result) {
  std::string html = paragraph(
      "Every pixel's counts are divided by its own total ion count, as everywhere. Errors are taken between "
      "tiles of the "
      "image, since neighbouring pixels see the same grains; of 100 fragments about five leave the interval "
      "by chance.");
  for (const auto& parts : result.pooled_parts) html += pooled(result, parts);
  for (std::size_t i = 0; i < result.input.parts.size(); ++i) {
    const auto& parts = result.input.parts[i];
    const auto name = escaped(spot_name(result, parts.spot)), one = region(result, parts, i + 1);
    html += lies_open(result, i) ? fmt::format("<h3>{}</h3>\n{}", name, one)
                                 : fmt::format("<details><summary>{}</summary>\n{}</details>\n", name, one);
  }
  return html;
}

}  // namespace cambench::study
