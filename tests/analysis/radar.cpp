// Radar charts: the mapping, and what must be seen of values that are missing or beyond the scale.
#include "analysis/radar.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <pugixml.hpp>
#include <string>

#include "analysis/svg.h"

using namespace cambench;
using namespace cambench::plots;

namespace {

const std::vector<RadarAxis> axes{{"QS_{0}", true, 0.25},
                                  {"QS_{ret}", true, 1.0},
                                  {"Polysulfide", false, 1.0},
                                  {"SO_{x}", false, 1.0},
                                  {"PO_{x}", false, 1.0}};

Radar chart_of(std::vector<std::optional<double>> values, std::size_t look = 1) {
  Radar chart{.title = "NCM LiNbO3", .subtitle = "1 wt%", .axes = axes, .values = {}, .look = look};
  for (const auto& value : values) chart.values.push_back({value, std::nullopt});
  return chart;
}

pugi::xml_document parsed(const std::string& text) {
  pugi::xml_document document;
  REQUIRE(document.load_string(text.c_str()));
  return document;
}

/// The shapes of the chart drawn in series 1, which are squares: outline and markers.
std::vector<pugi::xml_node> shapes(const pugi::xml_document& document, const char* kind) {
  std::vector<pugi::xml_node> found;
  const std::string colour(svg::colour::series[1]);
  for (const auto& node : document.child("svg").child("g").children(kind))
    if (node.attribute("stroke").value() == colour) found.push_back(node);
  return found;
}

std::vector<svg::Point> points_of(const pugi::xml_node& node) {
  std::vector<svg::Point> points;
  std::string text = node.attribute("points").value();
  std::ranges::replace(text, ',', ' ');
  const char* at = text.c_str();
  for (char* end = nullptr;; at = end) {
    const double x = std::strtod(at, &end);
    if (end == at) return points;
    at = end;
    points.push_back({x, std::strtod(at, &end)});
  }
}

bool has_text(const pugi::xml_document& document, const std::string& words) {
  bool found = false;
  struct Walker : pugi::xml_tree_walker {
    const std::string& words;
    bool& found;
    Walker(const std::string& w, bool& f) : words(w), found(f) {}
    bool for_each(pugi::xml_node& node) override {
      if (std::string(node.name()) != "text") return true;
      std::string all;
      for (const auto& piece : node.children())
        all += piece.type() == pugi::node_pcdata ? piece.value() : piece.text().get();
      found = found || all.find(words) != std::string::npos;
      return true;
    }
  } walker(words, found);
  pugi::xml_node root = document.root();
  root.traverse(walker);
  return found;
}

}  // namespace

TEST_CASE("uncoated is half way, uncycled at the rim, and outside is better on every axis") {
  for (const RadarAxis& axis : axes) CHECK(axis.place(1) == 0.5);
  CHECK(axes[0].place(1.25) == 1);
  CHECK(axes[0].place(1.1) == doctest::Approx(0.7));
  CHECK(axes[1].place(0) == 0);
  CHECK(axes[1].place(2) == 1);
  CHECK(axes[2].place(0) == 1);  // like the uncycled sample
  CHECK(axes[2].place(2) == 0);
  CHECK(axes[2].place(0.5) > axes[2].place(0.9));
}

TEST_CASE("the first axis stands at 12 o'clock and the others follow clockwise, from centre to rim") {
  const auto document = parsed(radar(chart_of({1.25, 2, 0, 0, 0})));  // everything at the rim
  const auto outline = points_of(shapes(document, "polygon")[0]);
  REQUIRE(outline.size() == 5);
  svg::Point centre;
  for (const auto& p : outline) centre.x += p.x / 5, centre.y += p.y / 5;
  const double radius = centre.y - outline[0].y;
  CHECK(outline[0].x == doctest::Approx(centre.x));
  CHECK(outline[1].x > centre.x);
  CHECK(outline[1].y < centre.y);
  CHECK(outline[2].y > centre.y);
  for (const auto& p : outline)
    CHECK(std::hypot(p.x - centre.x, p.y - centre.y) == doctest::Approx(radius).epsilon(1e-3));

  const auto half = points_of(shapes(parsed(radar(chart_of({1, 1, 1, 1, 1}))), "polygon")[0]);
  CHECK(half[0].y == doctest::Approx(centre.y - radius / 2));
}

TEST_CASE("a value beyond the scale stands at its end with a hollow marker, and the key says so") {
  const auto document = parsed(radar(chart_of({1.4, 1, 1, 2.5, 1})));
  const auto polygons = shapes(document, "polygon");
  REQUIRE(polygons.size() == 6);  // the outline and five markers
  int hollow = 0;
  for (std::size_t i = 1; i < 6; ++i)
    hollow += polygons[i].attribute("fill").value() == std::string(svg::colour::paper);
  CHECK(hollow == 2);
  CHECK(polygons[1].attribute("fill").value() == std::string(svg::colour::paper));
  CHECK(has_text(document, "beyond the scale"));
  CHECK(has_text(document, "1.40"));
  CHECK_FALSE(has_text(parsed(radar(chart_of({1.2, 1, 1, 1, 1}))), "beyond the scale"));
}

TEST_CASE("a missing value is left out, not drawn through the centre") {
  const auto document = parsed(radar(chart_of({1.1, 1.2, std::nullopt, 0.6, 0.7})));
  CHECK(shapes(document, "polygon").size() == 4);  // markers only, no outline
  const auto lines = shapes(document, "line");
  REQUIRE(lines.size() == 3);  // 0-1, 3-4, 4-0
  const auto whole = points_of(shapes(parsed(radar(chart_of({1, 1, 1, 1, 1}))), "polygon")[0]);
  double centre_y = 0;
  for (const auto& p : whole) centre_y += p.y / 5;
  for (const auto& line : lines)
    CHECK(std::hypot(line.attribute("x1").as_double() - whole[0].x,
                     line.attribute("y1").as_double() - centre_y) > 20);
  CHECK(has_text(document, "no value"));
}

TEST_CASE("a chart without any value is still a chart") {
  const auto document = parsed(radar(chart_of({{}, {}, {}, {}, {}})));
  CHECK(shapes(document, "polygon").empty());
  CHECK(shapes(document, "line").empty());
}

TEST_CASE("the mapping is printed in the chart and in its description") {
  const auto document = parsed(radar(chart_of({1, 1, 1, 1, 1})));
  CHECK(has_text(document, "r = 0.5 + 0.5 d / span"));
  CHECK(has_text(document, "d = value − 1: QS0 (span 0.25), QSret (span 1)."));
  CHECK(has_text(document, "d = 1 − value: Polysulfide (span 1), SOx (span 1), POx (span 1)."));
  CHECK(has_text(document, "rim 1.25, centre 0.75"));
  const std::string description = document.child("svg").child("desc").text().get();
  CHECK(description.find("d / span") != std::string::npos);
  CHECK(description.find("QS_ret 1.00") != std::string::npos);
}

TEST_CASE("a page of charts is lettered, and the same charts give the same bytes") {
  std::vector<Radar> charts;
  for (std::size_t i = 0; i < 6; ++i) charts.push_back(chart_of({1.1, 0.9, 0.8, 0.7, 0.6}, i));
  const std::string page = radar_panel(charts, "Coatings");
  CHECK(page == radar_panel(charts, "Coatings"));
  const auto document = parsed(page);
  for (const char* letter : {"(a)", "(f)"}) CHECK(has_text(document, letter));
  for (const std::size_t n : {0u, 1u, 2u, 4u, 7u, 30u}) {
    charts.resize(n, chart_of({1, 1, 1, 1, 1}));
    parsed(radar_panel(charts, "Coatings"));
  }
}

TEST_CASE("any number of axes is drawn") {
  Radar chart = chart_of({1, 1, 1, 1, 1});
  for (const std::size_t n : {3u, 4u, 6u, 9u}) {
    chart.axes.resize(n, {"more", true, 1});
    chart.values.resize(n, {1.1, 0.1});
    CHECK(points_of(shapes(parsed(radar(chart)), "polygon")[0]).size() == n);
  }
}
