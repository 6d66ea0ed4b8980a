// Figures: well-formed for whatever a study may hold, equal bytes for equal values, and nothing hidden.
#include "analysis/plots.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <pugixml.hpp>
#include <set>
#include <string>

using namespace cambench;
using namespace cambench::plots;

namespace {

pugi::xml_document parsed(const std::string& text) {
  pugi::xml_document document;
  REQUIRE(document.load_string(text.c_str()));
  return document;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
  return n;
}

/// No coordinate of the plain shapes leaves the page; groups move what is in them.
bool inside_page(const pugi::xml_node& node, double width, double height, double x = 0, double y = 0) {
  const auto within = [&](const char* name, double limit, double moved) {
    const auto attribute = node.attribute(name);
    return !attribute ||
           (attribute.as_double() + moved > -0.01 && attribute.as_double() + moved < limit + 0.01);
  };
  for (const char* name : {"x", "x1", "x2", "cx"})
    if (!within(name, width, x)) return false;
  for (const char* name : {"y", "y1", "y2", "cy"})
    if (!within(name, height, y)) return false;
  double dx = 0, dy = 0;
  if (std::string(node.name()) == "g")
    std::sscanf(node.attribute("transform").value(), "translate(%lf %lf)", &dx, &dy);
  return std::ranges::all_of(node.children(), [&](const pugi::xml_node& child) {
    return inside_page(child, width, height, x + dx, y + dy);
  });
}

bool on_its_page(const std::string& text) {
  const auto document = parsed(text);
  double width = 0, height = 0;
  std::sscanf(document.child("svg").attribute("viewBox").value(), "0 0 %lf %lf", &width, &height);
  return width > 0 && inside_page(document.child("svg"), width, height);
}

const std::vector<BarPanel> two_panels{
    {"QS_{0}",
     "relative to uncoated",
     1,
     {{1, "uncoated"}},
     {{"NCM uncoated", 1.0, {}, {}, "", 0},
      {"NCM LiNbO3", 1.04, 0.02, {1.03, 1.05}, "", 1},
      {"NCM X", {}, {}, {}, "no rate test of ncm-x", 2}}},
    {"Polysulfide",
     "lower is better",
     0,
     {{0, "uncycled"}, {1, "uncoated"}},
     {{"a very long name of a material that nobody would draw in full", -0.3, 0.1, {-0.4, -0.2}, "", 3}}}};

}  // namespace

TEST_CASE("series are told apart by colour and by marker, and the uncoated one is grey") {
  CHECK(series_look(0).colour == svg::colour::series[0]);
  std::set<std::pair<std::string_view, svg::Marker>> looks;
  std::set<std::string_view> colours;
  for (std::size_t i = 0; i < 6; ++i) {
    looks.insert({series_look(i).colour, series_look(i).marker});
    colours.insert(series_look(i).colour);
  }
  CHECK(looks.size() == 6);
  CHECK(colours.size() == 6);
  CHECK(series_look(7).colour == series_look(1).colour);  // the seventh coating differs by its dashes
  CHECK(series_look(7).dash != series_look(1).dash);
}

TEST_CASE("bars show value, spread, spots and why there is none") {
  const std::string text = bars(two_panels, "Scores", "what is seen");
  CHECK(text == bars(two_panels, "Scores", "what is seen"));
  CHECK(on_its_page(text));
  CHECK(text.find(">1.04 ± 0.02<") != std::string::npos);
  CHECK(text.find("no value: no rate test of ncm-x") != std::string::npos);
  CHECK(text.find("…<") != std::string::npos);  // the long name is cut
  CHECK(count(text, "<circle") == 4);           // two cells, two spots
  CHECK(text.find("(b) Polysulfide") != std::string::npos);
}

TEST_CASE("bars of equal or no values are drawn all the same") {
  CHECK(on_its_page(bars({}, "nothing", "")));
  const BarPanel none{"t", "a", 0, {}, {{"a", {}, {}, {}, "not measured", 0}}};
  CHECK(on_its_page(bars({&none, 1}, "none", "")));
  const BarPanel equal{"t", "a", 1, {}, {{"a", 1.0, {}, {}, "", 0}, {"b", 1.0, 0.0, {1, 1, 1}, "", 1}}};
  CHECK(on_its_page(bars({&equal, 1}, "equal", "")));
  const BarPanel huge{"t", "a", 0, {}, {{"a", 1e9, 1.0, {}, "", 0}, {"b", -1e-9, {}, {}, "", 1}}};
  CHECK(on_its_page(bars({&huge, 1}, "huge", "")));
  // steps of 10 between numbers that a double tells apart by 16
  const BarPanel far{"t", "a", 1e17, {}, {{"a", 1e17, {}, {}, "", 0}, {"b", 1e17 + 64, {}, {}, "", 1}}};
  CHECK(bars({&far, 1}, "far", "").size() < 20'000);
}

TEST_CASE("a box spans its quartiles, its whiskers all points, and its number is the median") {
  const BarPanel panel{
      "PO3-",
      "relative",
      0,
      {{1, "uncoated"}},
      {{.label = "a", .value = 1.1, .points = {0.8, 1.0, 1.1, 1.2, 1.6}, .box = Box{0.8, 1.0, 1.2, 1.6}}}};
  const std::string text = bars({&panel, 1}, "Intensities", "");
  CHECK(on_its_page(text));
  CHECK(text.find(">1.10<") != std::string::npos);
  const auto document = parsed(text);
  const auto group = document.child("svg").child("g");
  const auto box = group.child("rect");
  std::vector<double> points;
  for (const auto& circle : group.children("circle")) points.push_back(circle.attribute("cx").as_double());
  REQUIRE(points.size() == 5);
  CHECK(box.attribute("x").as_double() == doctest::Approx(points[1]));
  CHECK(box.attribute("x").as_double() + box.attribute("width").as_double() ==
        doctest::Approx(points[3]).epsilon(1e-3));
}

TEST_CASE("curves carry the names of their series at their ends, without collision") {
  CurvePlot plot{.title = "Rate tests", .description = "d", .x_axis = "Cycle", .y_axis = "Q"};
  plot.bands = {{0.5, 2.5, "0.1 C"}, {2.5, 4.5, "2 C"}};
  for (std::size_t i = 0; i < 12; ++i)
    plot.curves.push_back({"cell " + std::to_string(i), {{1, 170}, {2, 169}, {3, 60}, {4, 59}}, i});
  const std::string text = curves(plot);
  CHECK(on_its_page(text));
  std::vector<double> heights;
  const auto document = parsed(text);
  for (const auto& node : document.child("svg").children("text"))
    if (std::string(node.text().get()).starts_with("cell "))
      heights.push_back(node.attribute("y").as_double());
  REQUIRE(heights.size() == 12);
  std::ranges::sort(heights);
  for (std::size_t i = 1; i < heights.size(); ++i) CHECK(heights[i] - heights[i - 1] >= 17.9);
}

TEST_CASE("curves without points, with one point, and over the logarithm of the rate are drawn") {
  CurvePlot plot{.title = "t", .description = "", .x_axis = "x", .y_axis = "y"};
  CHECK(on_its_page(curves(plot)));
  plot.curves = {{"one", {{2, 5}}, 1}};
  CHECK(on_its_page(curves(plot)));
  plot.logarithmic_x = true;
  CHECK(on_its_page(curves(plot)));
  plot.curves = {{"four", {{0.1, 20}, {0.3, 60}, {1, 200}, {2, 400}}, 1}};
  plot.x_ticks = {{0.1, "0.1 C"}, {0.3, "0.3 C"}, {1, "1 C"}, {2, "2 C"}};
  CHECK(on_its_page(curves(plot)));
}

TEST_CASE("explained variance prints each share and sums them up") {
  const std::vector<double> shares{0.736136, 0.109025, 0.069852, 0.051282};  // ten real spectra
  const std::string text = explained_variance(shares, "Explained variance");
  CHECK(on_its_page(text));
  for (const char* share : {"73.6", "10.9", "7.0", "5.1"})
    CHECK(text.find('>' + std::string(share) + '<') != std::string::npos);
  CHECK(on_its_page(explained_variance({}, "none")));
}

TEST_CASE("score plots draw one marker a spot, hollow for the uncycled sample") {
  const std::vector<Cloud> clouds{{"uncoated, uncycled", {{-1, 0}, {-1.1, 0.1}}, 0, true},
                                  {"uncoated", {{1, 0}, {1.1, 0.1}, {0.9, -0.1}}, 0, false}};
  const std::string text = score_plot(clouds, "PC1", "PC2", "Scores");
  CHECK(on_its_page(text));
  CHECK(count(text, "<circle") == 7);  // five spots, two in the key
  CHECK(on_its_page(score_plot({}, "PC1", "PC2", "none")));
  const std::vector<Cloud> one{{"one", {{0, 0}}, 1, false}};
  CHECK(on_its_page(score_plot(one, "PC1", "PC2", "one")));
}

TEST_CASE("loadings are coloured by category") {
  const std::vector<Loading> values{
      {"S_{4}⁻", "polysulfide", 0.3}, {"PO_{3}⁻", "POy", 0.2}, {"SO_{2}⁻", "SOy", -0.1}};
  const std::string text = loadings(values, "Loadings on PC1");
  CHECK(on_its_page(text));
  CHECK(count(text, "fill=\"" + std::string(svg::colour::series[5]) + '"') == 2);  // the bar and its key
  CHECK(on_its_page(loadings({}, "none")));
}

TEST_CASE("every colour in every figure is one that a page can recolour for the dark") {
  std::set<std::string> known{"none",
                              std::string(svg::colour::paper),
                              std::string(svg::colour::ink),
                              std::string(svg::colour::soft),
                              std::string(svg::colour::rule),
                              std::string(svg::colour::axis)};
  for (const auto ink : svg::colour::series) known.emplace(ink);
  const std::vector<Loading> values{{"a", "polysulfide", 1}, {"b", "made up", -1}};
  for (const std::string& text :
       {bars(two_panels, "", ""), loadings(values, ""), explained_variance(std::vector{0.9, 0.1}, "")})
    for (const char* attribute : {"fill=\"", "stroke=\""})
      for (std::size_t at = 0; (at = text.find(attribute, at)) != std::string::npos; ++at) {
        const std::size_t begin = at + std::string(attribute).size();
        CHECK(known.contains(text.substr(begin, text.find('"', begin) - begin)));
      }
}
