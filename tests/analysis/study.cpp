// A study joined and written: the scores, why one is missing, and files that a reviewer can retrace byte by byte.
#include "analysis/study.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <pugixml.hpp>
#include <set>
#include <sstream>

#include "analysis/bad_input.h"
#include "analysis/study_figures.h"
#include "analysis/svg.h"
#include "tests/analysis/study_fixture.h"

using namespace cambench;

namespace {

constexpr std::string_view program = "cambench 0.1.0";

const status::Score& score_of(const study::StudyResult& result, const std::string& material,
                              const std::string& axis) {
  const auto m = std::ranges::find(result.materials, material, &status::ScoredMaterial::id);
  REQUIRE(m != result.materials.end());
  const auto score = std::ranges::find(m->scores, axis, &status::Score::axis);
  REQUIRE(score != m->scores.end());
  return *score;
}

std::string file(const study::StudyResult& result, const std::string& name) {
  for (auto& output : study::outputs(result, program))
    if (output.name == name) return output.bytes;
  return {};
}

bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

bool any_holds(const std::vector<std::string>& texts, const std::string& part) {
  return std::ranges::any_of(texts, [&](const std::string& text) { return holds(text, part); });
}

std::set<std::string> names_of(const std::vector<study::OutputFile>& files) {
  std::set<std::string> names;
  for (const auto& output : files) names.insert(output.name);
  return names;
}

}  // namespace

TEST_CASE("the uncoated material scores exactly 1 everywhere") {
  const auto result = study::score(tests::made_study());
  for (const auto& axis : result.axes) CHECK(*score_of(result, "ncm-uncoated", axis.key).value == 1.0);
}

TEST_CASE("scores come from where they belong: cells for QS, spots for DS, each with its spread") {
  const auto result = study::score(tests::made_study());
  CHECK(result.axes.size() == 6);
  CHECK(*score_of(result, "ncm-linbo3", "QS_0").value == doctest::Approx(174.4 / 168.1));
  CHECK(*score_of(result, "ncm-linbo3", "QS_ret").value == doctest::Approx((76.8 / 174.4) / (58.5 / 168.1)));
  CHECK(*score_of(result, "ncm-x-thick", "DS_POy").value == doctest::Approx(0.3).epsilon(0.1));
  CHECK(*score_of(result, "ncm-x-thick", "DS_POy").sd > 0);
  CHECK_FALSE(score_of(result, "ncm-x-thick", "QS_0").sd);  // one cell
  const auto* set = result.input.degradation->find("polysulfide");
  const auto sample =
      std::ranges::find_if(set->samples, [](const auto& s) { return s.material == "ncm-zro2-thin"; });
  CHECK(score_of(result, "ncm-zro2-thin", "DS_polysulfide").value == sample->score);
}

TEST_CASE(
    "only LiNbO3 and thin X raise both capacity scores; thick is below thin (paper, Fig. 14 and its text)") {
  const auto result = study::score(tests::made_study());
  for (const auto& material : result.materials) {
    const bool both = *score_of(result, material.id, "QS_0").value > 1 &&
                      *score_of(result, material.id, "QS_ret").value > 1;
    CHECK(both == (material.id == "ncm-linbo3" || material.id == "ncm-x-thin"));
  }
  for (const std::string axis : {"QS_0", "QS_ret"})
    for (const std::string coating : {"ncm-zro2", "ncm-x"})
      CHECK(*score_of(result, coating + "-thick", axis).value <
            *score_of(result, coating + "-thin", axis).value);
}

TEST_CASE("the same input gives the same bytes in every file") {
  const auto once = study::outputs(study::score(tests::made_study()), program);
  const auto again = study::outputs(study::score(tests::made_study()), program);
  REQUIRE(once.size() == again.size());
  for (std::size_t i = 0; i < once.size(); ++i) {
    CHECK(once[i].name == again[i].name);
    CHECK(once[i].bytes == again[i].bytes);
  }
}

TEST_CASE("a study leaves a page, its tables, its figures, and a radar chart a material") {
  const auto names = names_of(study::outputs(study::score(tests::made_study()), program));
  for (const char* name :
       {"report.html", "scores.csv", "scores.json", "capacities.csv", "loadings.csv", "fragments.csv",
        "fragments.json", "fragments.svg", "fragments_polysulfide.svg", "fragments_SOy.svg",
        "fragments_POy.svg", "radar.svg", "degradation.svg", "performance.svg", "capacity.svg",
        "overpotential.svg", "pca_variance.svg", "pca_scores.svg", "pca_loadings.svg"})
    CHECK(names.contains(name));
  for (const auto& material : study::score(tests::made_study()).materials)
    CHECK(names.contains(material.radar));
  CHECK(names.size() == 16 + 6 + 6);
}

TEST_CASE("the hash of the inputs follows inputs, settings and caveats, not the program") {
  const auto base = study::score(tests::made_study());
  CHECK(base.inputs_hash.size() == 64);
  const auto hash_with = [](auto change) {
    auto input = tests::made_study();
    study::StudyOptions options;
    change(input, options);
    return study::score(std::move(input), std::move(options)).inputs_hash;
  };
  CHECK(base.inputs_hash == hash_with([](auto&, auto&) {}));
  std::set<std::string> hashes{base.inputs_hash};
  hashes.insert(hash_with([](auto& input, auto&) { input.inputs[3].sha256[0] = 'c'; }));
  hashes.insert(
      hash_with([](auto& input, auto&) { input.cells[1].cycles[0].discharge->capacity_Ah *= 1.0001; }));
  hashes.insert(hash_with([](auto& input, auto&) { input.cells[1].cam_g *= 1.01; }));
  hashes.insert(hash_with([](auto& input, auto&) { input.materials[1].name = "another"; }));
  hashes.insert(hash_with([](auto& input, auto&) { input.caveats.clear(); }));
  hashes.insert(hash_with([](auto&, auto& options) { options.cells.cycle = rate::CycleChoice::second; }));
  hashes.insert(hash_with([](auto&, auto& options) { options.radar[0].span = 0.5; }));
  CHECK(hashes.size() == 8);
}

TEST_CASE("a score that is missing says why, in the result, in the tables and in the page") {
  auto input = tests::made_study();
  std::erase_if(input.cells, [](const auto& cell) { return cell.material == "ncm-x-thin"; });
  input.cells[1].protocol_hash = "another";  // LiNbO3
  const auto result = study::score(std::move(input));
  CHECK(score_of(result, "ncm-x-thin", "QS_0").why_not == "no rate test of ncm-x-thin");
  CHECK(holds(score_of(result, "ncm-linbo3", "QS_ret").why_not,
              "another protocol than the uncoated cell R-uncoated"));
  CHECK(score_of(result, "ncm-x-thin", "DS_SOy").value);
  for (const char* name : {"scores.csv", "scores.json", "report.html"}) {
    CHECK(holds(file(result, name), "no rate test of ncm-x-thin"));
    CHECK(holds(file(result, name), "another protocol than the uncoated cell R-uncoated"));
  }
  CHECK(holds(file(result, "radar_ncm-x-thin.svg"), "no value"));
  CHECK(any_holds(result.caveats, "cell R-linbo3 enters no score"));
}

TEST_CASE("an undefined category stays undefined through to the chart") {
  auto input = tests::made_study();
  sims::DegradationOptions options;
  options.reference = "ncm-uncoated";
  options.categories = {"polysulfide", "SOy", "coating"};  // no fragment of a coating was measured
  input.degradation = sims::degradation_scores(tests::made_spots(8), options);
  const auto result =
      study::score(std::move(input), {.radar = {{"QS_0", 0.25}, {"QS_ret", 1}, {"DS_coating", 1}}});
  CHECK(holds(score_of(result, "ncm-linbo3", "DS_coating").why_not, "no fragment of category coating"));
  CHECK(holds(file(result, "radar_ncm-linbo3.svg"), "no value"));
  CHECK(holds(file(result, "degradation.svg"), "no value: no fragment of category coating"));
}

TEST_CASE("a fragment that no spot of the analysis has is told apart from one that no spot has") {
  auto input = tests::made_study();
  auto& table = *input.spots;
  const auto empty = [&](const std::string& label, bool of_anchor_only) {
    const auto column = static_cast<std::size_t>(
        std::ranges::find(table.fragments, label, &sims::Fragment::label) - table.fragments.begin());
    for (std::size_t row = 0; row < table.spots.size(); ++row)
      if (!of_anchor_only || table.spots[row].material == "ncm-uncoated") table.values(row, column) = 0;
  };
  empty("MnO2-", false);
  empty("NiO2-", true);
  empty("CoO2-", true);
  sims::DegradationOptions options{.reference = "ncm-uncoated",
                                   .rows = sims::DegradationOptions::Rows::anchors};
  input.degradation = sims::degradation_scores(table, options);
  const auto caveats = study::score(input).caveats;
  CHECK(std::ranges::count(caveats,
                           "fragments that are zero in every spot, and so entered no score: MnO2-") == 1);
  CHECK(std::ranges::count(
            caveats,
            "fragments that entered no score, since they are zero in every spot of the principal "
            "component analysis, though other spots have them: NiO2-, CoO2-") == 1);
  input.spots.reset();
  CHECK(any_holds(study::score(input).caveats,
                  "fragments that are zero in every spot of the principal component analysis, and so entered "
                  "no score: NiO2-, CoO2-, MnO2-"));
}

TEST_CASE("without spectra, or without rate tests, the other half is still scored and shown") {
  auto cells_only = tests::made_study();
  cells_only.degradation.reset();
  cells_only.no_degradation = "the uncycled anchor has not been measured";
  const auto without_spots = study::score(std::move(cells_only));
  CHECK(*score_of(without_spots, "ncm-linbo3", "QS_0").value > 1);
  CHECK(score_of(without_spots, "ncm-linbo3", "DS_POy").why_not ==
        "the uncycled anchor has not been measured");
  CHECK_FALSE(names_of(study::outputs(without_spots, program)).contains("pca_scores.svg"));
  CHECK(holds(file(without_spots, "report.html"), "the uncycled anchor has not been measured"));

  auto spots_only = tests::made_study();
  spots_only.cells.clear();
  const auto without_cells = study::score(std::move(spots_only));
  CHECK_FALSE(score_of(without_cells, "ncm-uncoated", "QS_0").value);
  CHECK(*score_of(without_cells, "ncm-uncoated", "DS_POy").value == 1.0);
  CHECK_FALSE(names_of(study::outputs(without_cells, program)).contains("capacity.svg"));
}

TEST_CASE("every fragment has its box plot, in a file of its category") {
  const auto result = study::score(tests::made_study());
  std::string boxes;
  for (const auto& figure : study::box_figures(result)) boxes += figure.svg;
  for (const auto& fragment : result.input.spots->fragments) {
    const auto title =
        fmt::format("data-name=\"{}", svg::escaped(svg::plain(study::formula(fragment.label))));
    CAPTURE(title);
    CHECK(holds(boxes, title));
  }
  CHECK(study::file_part("SO_x+") == "SO_x+");
  CHECK(study::file_part("SO x").starts_with("SO_x_"));
  for (const auto& [one, other] : {std::pair("SO x", "SO/x"), std::pair("硫酸盐", "磷酸盐")})
    CHECK(study::file_part(one) != study::file_part(other));  // of as many bytes each
}

TEST_CASE(
    "an ion that only a coating has is drawn by its intensity, and one that no spot has is named in the "
    "caption") {
  auto input = tests::made_study();
  auto& table = *input.spots;
  const auto column = [&](const std::string& label) {
    return static_cast<std::size_t>(std::ranges::find(table.fragments, label, &sims::Fragment::label) -
                                    table.fragments.begin());
  };
  for (std::size_t row = 0; row < table.spots.size(); ++row) {
    const bool coated = table.spots[row].material == "ncm-zro2-thick";
    table.values(row, column("NiO2-")) = coated ? 2e-5 + 1e-6 * static_cast<double>(row) : 0;
    table.values(row, column("CoO2-")) = 0;
  }
  const auto figures = study::box_figures(study::score(input));
  const auto cam = std::ranges::find(figures, "fragments_CAM.svg", &study::Figure::file);
  REQUIRE(cam != figures.end());
  CHECK(cam->caption.starts_with(
      "Every fragment of CAM but those that are zero in every spot: CoO2-. Boxes: "));
  CHECK(cam->caption.ends_with(
      "The axis is the normalised intensity itself where uncoated, cycled has none of a fragment."));
  CHECK(holds(cam->svg, "data-name=\"NiO_2⁻"));
  CHECK_FALSE(holds(cam->svg, "data-name=\"CoO_2⁻"));
  CHECK(holds(cam->svg, ">Normalised intensity / 10⁻⁶<"));
  CHECK(holds(cam->svg, ">Normalised intensity over the mean of uncoated, cycled<"));  // MnO2-
  const auto first =
      20 + static_cast<double>(std::ranges::find(table.spots, "ncm-zro2-thick", &sims::Spot::material) -
                               table.spots.begin());
  CHECK(holds(cam->svg, fmt::format(">{:.2f}<", first + 3.5)));  // the median of eight, in millionths
  const auto poly = std::ranges::find(figures, "fragments_polysulfide.svg", &study::Figure::file);
  CHECK(poly->caption.starts_with("Every fragment of Polysulfide. "));
  CHECK(poly->caption.ends_with("The number is the median."));
}

TEST_CASE("a study needs exactly one reference, and radar axes that exist and have a span") {
  auto none = tests::made_study();
  none.materials[0].reference = false;
  CHECK_THROWS_WITH_AS(study::score(none),
                       doctest::Contains("0 materials are marked as the uncoated reference; mark"), BadInput);
  none.materials[0].reference = none.materials[1].reference = true;
  CHECK_THROWS_AS(study::score(none), BadInput);
  CHECK_THROWS_WITH_AS(
      study::score(tests::made_study(), {.radar = {{"DS_SOx", 1}}}),
      doctest::Contains("an axis DS_SOx that is no score; choose among QS_0, QS_ret, DS_general"), BadInput);
  CHECK_THROWS_AS(study::score(tests::made_study(), {.radar = {{"QS_0", 0}}}), BadInput);
}

TEST_CASE("the JSON reads back to the same numbers, with every spot, cycle, setting, input and caveat") {
  const auto result = study::score(tests::made_study());
  const auto root = boost::json::parse(study::scores_json(result, program)).as_object();
  CHECK(root.at("program").as_string() == program);
  CHECK(root.at("inputs_hash").as_string() == result.inputs_hash);
  const auto& linbo3 = root.at("materials").at(1).as_object();
  CHECK(linbo3.at("scores").at("QS_0").at("value").as_double() ==
        doctest::Approx(*score_of(result, "ncm-linbo3", "QS_0").value).epsilon(1e-15));
  CHECK(linbo3.at("scores").at("QS_0").at("sd").is_null());
  CHECK(linbo3.at("by_cycle").at("second").at("QS_ret").to_number<double>() > 1);
  CHECK(root.at("settings").as_array().size() == result.settings.size());
  CHECK(root.at("inputs").as_array().size() == result.input.inputs.size());
  CHECK(root.at("caveats").as_array().size() == result.caveats.size());
  CHECK(root.at("readings").as_array().size() == study::readings_of_the_paper().size());
  CHECK(root.at("cells").as_array().size() == 6);
  CHECK(root.at("cells").at(0).at("rates").at(3).at("cycles").as_array().size() == 2);
  const auto& general = root.at("degradation").at("sets").at(0);
  CHECK(general.at("samples").as_array().size() == 7);
  CHECK(general.at("samples").at(0).at("spot_scores").as_array().size() == 8);
  CHECK(root.at("degradation").at("pca").at("fragments").at(0).at("loadings").as_array().size() ==
        result.input.degradation->pca.explained.size());
  CHECK(root.at("radar").at("mapping").as_array().size() == 3);
}

TEST_CASE("the CSV has a row a material and a column a score") {
  const auto result = study::score(tests::made_study());
  const std::string csv = study::scores_csv(result);
  CHECK(csv.starts_with(
      "material,name,coating,amount_wt_percent,reference,QS_0,QS_0_sd,QS_ret,QS_ret_sd,DS_general,"));
  CHECK(std::ranges::count(csv, '\n') == 7);
  CHECK(holds(csv, "\nncm-uncoated,NCM uncoated,none,0,true,1,,1,,1,"));
  auto input = tests::made_study();
  input.materials[1].name = "NCM, \"LiNbO3\"";
  CHECK(holds(study::scores_csv(study::score(std::move(input))),
              "ncm-linbo3,\"NCM, \"\"LiNbO3\"\"\",LiNbO3,1,false,"));
}

TEST_CASE(
    "every degradation score of a coating has an interval, in the tables and the page; capacity scores have "
    "none") {
  const auto result = study::score(tests::made_study());
  const auto root = boost::json::parse(study::scores_json(result, program)).as_object();
  for (const auto& material : root.at("materials").as_array())
    for (const auto& [axis, score] : material.at("scores").as_object()) {
      const bool wanted = axis.starts_with("DS_") && !material.at("reference").as_bool();
      REQUIRE(score.as_object().contains("ci_low") == wanted);
      if (!wanted) continue;
      CHECK(score.at("ci_low").to_number<double>() < score.at("value").to_number<double>());
      CHECK(score.at("ci_high").to_number<double>() > score.at("value").to_number<double>());
    }
  const auto interval = study::interval_of(result, "ncm-x-thick", "DS_POy");
  REQUIRE(interval);
  CHECK(holds(study::scores_csv(result), fmt::format(",{},{}", interval->low, interval->high)));
  CHECK(holds(study::scores_csv(result), ",DS_POy,DS_POy_sd,DS_POy_ci_low,DS_POy_ci_high,why_not\n"));
  CHECK(holds(file(result, "report.html"), fmt::format("[{:.2f}, {:.2f}]", interval->low, interval->high)));
  CHECK_FALSE(study::interval_of(result, "ncm-x-thick", "QS_0"));
  CHECK(std::ranges::count(root.at("bootstrap").at("rankings").as_array(), 6,
                           [](const auto& r) { return r.at("materials").as_array().size(); }) == 4);
}

TEST_CASE("the page ranks the coatings, and says with which probability each beats the next") {
  const auto result = study::score(tests::made_study());
  pugi::xml_document page;
  REQUIRE(page.load_string(study::report_html(result, program).c_str()));
  const auto section = page.select_node("//section[@id='ranking']").node();
  CHECK(section.select_nodes("h3").size() == 4);
  CHECK(section.select_nodes("div/table").size() == 4);
  const auto first = section.select_node("div/table/tbody/tr[1]").node();
  CHECK(std::string(first.select_node("td[1]/span").node().text().get()) == "NCM X thick");
  CHECK(std::string(first.select_node("td[5]").node().text().get()) ==
        "NCM X thick beats NCM X thin with probability > 0.999");

  // No resample says otherwise; that shows no more than their number allows.
  const auto beats = [](std::size_t resamples) {
    const auto fewer = study::score(tests::made_study(), {.bootstrap = {.resamples = resamples}});
    const auto html = file(fewer, "report.html");
    const auto at = html.find("NCM X thick beats NCM X thin with probability");
    return html.substr(at + 46, html.find('<', at) - at - 46);
  };
  CHECK(beats(100) == "&gt; 0.99");
  CHECK(beats(300) == "&gt; 0.9966");
  CHECK(beats(10'000) == "&gt; 0.999");

  const auto without = study::score(tests::made_study(), {.bootstrap = {.resamples = 0}});
  CHECK(holds(file(without, "report.html"), "There is no ranking: the spots were not resampled."));
  CHECK(holds(study::scores_json(without, program), "\"bootstrap\":null"));
  CHECK(without.inputs_hash != result.inputs_hash);
}

TEST_CASE("the other tables have a row a cycle, a fragment of a sample, and a fragment of the analysis") {
  const auto result = study::score(tests::made_study());
  const std::string capacities = study::capacities_csv(result);
  CHECK(std::ranges::count(capacities, '\n') == 1 + 6 * 8);
  CHECK(holds(capacities, "\nR-uncoated,ncm-uncoated,2,0.1,0.1,"));
  const std::string fragments = study::fragments_csv(result);
  CHECK(std::ranges::count(fragments, '\n') == 1 + 7 * 25);
  CHECK(holds(fragments, "\nncm-uncoated,uncycled,PO3-,8,"));
  const auto at = fragments.find("\nncm-uncoated,uncycled,PO3-,");
  CHECK(fragments.substr(0, fragments.find('\n', at + 1))
            .ends_with(",ncm-uncoated uncycled,0,"));  // no difference to itself
  const std::string loadings = study::loadings_csv(result);
  CHECK(loadings.starts_with("fragment,mz,category,maximum,mean,PC1,"));
  CHECK(std::ranges::count(loadings, '\n') == 1 + 25);
}

TEST_CASE("the report is one well-formed page that fetches nothing and runs nothing") {
  const std::string html = study::report_html(study::score(tests::made_study()), program);
  pugi::xml_document page;
  REQUIRE(page.load_string(html.c_str()));
  CHECK(page.select_nodes("//section").size() == 10);
  CHECK(page.select_nodes("//figure").size() == 9 + 6);
  for (const char* active : {"//script", "//img", "//link", "//iframe", "//@src", "//@onclick", "//@onload"})
    CHECK(page.select_nodes(active).empty());
  for (const auto& link : page.select_nodes("//@href")) CHECK(link.attribute().value()[0] == '#');
  CHECK_FALSE(holds(html, "url("));
  CHECK_FALSE(holds(html, "@import"));
  // The only addresses are the name of SVG's namespace.
  std::string rest = html;
  for (std::size_t at; (at = rest.find("http://www.w3.org/2000/svg")) != std::string::npos;)
    rest.erase(at, 26);
  CHECK_FALSE(holds(rest, "http"));
}

TEST_CASE("the report shows every setting, caveat, input, problem and reading of the paper") {
  const auto result = study::score(tests::made_study());
  pugi::xml_document page;
  const std::string html = study::report_html(result, program);
  REQUIRE(page.load_string(html.c_str()));
  CHECK(page.select_nodes("//section[@id='settings']//tbody/tr").size() == result.settings.size());
  CHECK(page.select_nodes("//section[@id='readings']//tbody/tr").size() ==
        study::readings_of_the_paper().size());
  CHECK(page.select_nodes("//section[@id='caveats']//li").size() == result.caveats.size());
  CHECK(page.select_nodes("//section[@id='problems']//li").size() == 1);
  CHECK(page.select_nodes("//section[@id='inputs']//details").size() == 56 + 6);  // a line a spot and a run
  CHECK(holds(html, result.inputs_hash));
  CHECK(holds(html, std::string(64, 'b')));
  CHECK(page.select_node("//p[@class='mark']"));  // simulated
}

TEST_CASE("tables of fragments and of regions hold the same cells as CSV and as JSON") {
  const auto cells_of = [](const std::string& line) {
    std::vector<std::string> cells{""};
    for (const char c : line)
      if (c == ',')
        cells.emplace_back();
      else
        cells.back() += c;
    return cells;
  };
  const auto as_json = [&](const std::string& csv, const std::set<std::string>& texts) {
    std::istringstream lines(csv);
    std::string line, json;
    std::getline(lines, line);
    const auto columns = cells_of(line);
    while (std::getline(lines, line)) {
      const auto cells = cells_of(line);
      json += json.empty() ? "[{" : ",{";
      for (std::size_t i = 0; i < columns.size(); ++i)
        json += fmt::format("{}\"{}\":{}", i == 0 ? "" : ",", columns[i],
                            texts.contains(columns[i]) ? '"' + cells.at(i) + '"'
                            : cells.at(i).empty()      ? "null"
                                                       : cells.at(i));
      json += '}';
    }
    return json + "]\n";
  };
  const auto result = study::score(tests::made_study());
  CHECK(file(result, "fragments.json") ==
        as_json(file(result, "fragments.csv"), {"material", "state", "fragment", "relative_to"}));
  CHECK(boost::json::parse(file(result, "fragments.json")).as_array().size() == 7 * 25);

  sims::Region with{.name = "1", .reference = "NiO_2-", .width = 16, .height = 16};
  with.peaks = {{.label = "PO_3-", .counts = 12, .by_total = 1e-3 / 3, .by_reference = 1.5}};
  with.pixels_without_ions = 2;
  with.pixels_without_reference = 70'000'000;
  sims::Region without{.name = "2"};
  without.peaks = {{.label = "O-", .counts = 3}};
  const std::vector<sims::SpotRegion> regions{{"a", sims::State::uncycled, &with},
                                              {"b", sims::State::cycled, &without}};
  const auto csv = study::regions_csv(regions);
  CHECK(csv.ends_with("\nb,cycled,2,O-,3,0,0,0,,,,,,0,0,\n"));
  CHECK(holds(csv, ",256,2,70000000\n"));
  CHECK(study::regions_json(regions) ==
        as_json(csv, {"material", "state", "region", "fragment", "reference_ion"}));
}

TEST_CASE("settings name what fragments are compared with, and the rules of their statistics") {
  auto input = tests::made_study();
  const auto value = [](const study::StudyResult& result, const std::string& name) {
    const auto setting = std::ranges::find(result.settings, name, &Setting::name);
    return setting == result.settings.end() ? std::string("none") : setting->value;
  };
  const auto result = study::score(input);
  CHECK(value(result, "relative differences") == "to the mean of ncm-uncoated, uncycled");
  CHECK(value(result, "quartiles and median") ==
        "type 7: at position (n - 1) p of the sorted spots, linear between neighbours");
  CHECK(value(result, "standard deviations") == "of the sample (n - 1)");
  input.spots.reset();  // and with them the table
  CHECK(value(study::score(input), "relative differences") == "none");
}

TEST_CASE("a coating is named as far as it is known") {
  auto input = tests::made_study();
  input.materials[1].coating = "";
  input.materials[2].amount_wt_percent = 0;
  const auto result = study::score(std::move(input));
  CHECK_FALSE(holds(file(result, "radar_ncm-linbo3.svg"), "wt%"));
  CHECK(holds(file(result, "radar_ncm-zro2-thin.svg"), ">ZrO2<"));
  CHECK(holds(file(result, "radar_ncm-x-thick.svg"), ">X, 5 wt%<"));
  CHECK(holds(file(result, "radar_ncm-uncoated.svg"), ">uncoated reference<"));
}

TEST_CASE("names that look like markup stay text") {
  auto input = tests::made_study();
  input.title = "<script>alert('x')</script> & more";
  input.materials[1].name = "</td><b>\"_{";
  input.materials[2].coating = "\xB5\x01";  // neither UTF-8 nor XML
  input.problems = {"<img src=x onerror=y>"};
  const auto result = study::score(std::move(input));
  pugi::xml_document page;
  REQUIRE(page.load_string(study::report_html(result, program).c_str()));
  CHECK(page.select_nodes("//script").empty());
  CHECK(page.select_nodes("//img").empty());
  CHECK(std::string(page.child("html").child("head").child("title").text().get()) ==
        "<script>alert('x')</script> & more");
  for (const auto& output : study::outputs(result, program))
    if (output.name.ends_with(".svg")) {
      pugi::xml_document figure;
      CHECK_MESSAGE(figure.load_string(output.bytes.c_str()), output.name);
    }
}

TEST_CASE("one spot a sample, and two cells a material, are scored for what they are") {
  auto input = tests::made_study(1);
  auto replicates = input.cells;
  for (auto& cell : replicates) {
    cell.cell += "-b";
    for (auto& cycle : cell.cycles) cycle.discharge->capacity_Ah *= 1.02;
  }
  input.cells.insert(input.cells.end(), replicates.begin(), replicates.end());
  const auto result = study::score(std::move(input));
  CHECK(*score_of(result, "ncm-linbo3", "QS_0").sd > 0);
  CHECK_FALSE(score_of(result, "ncm-uncoated", "QS_0").sd);
  for (const char* sample : {"ncm-uncoated uncycled", "ncm-linbo3 cycled"})
    CHECK(any_holds(result.caveats, std::string(sample) + " has one spot only"));
  CHECK_FALSE(any_holds(result.caveats, "intervals of few spots"));
  CHECK_FALSE(any_holds(result.caveats, "one rate-test cell only"));
  for (const auto& output : study::outputs(result, program)) CHECK_FALSE(holds(output.bytes, "nan"));
  const auto report = file(result, "report.html");
  CHECK_FALSE(holds(report, "with probability &gt;"));
  CHECK_FALSE(holds(report, "with probability &lt;"));
  CHECK(holds(file(result, "scores.json"), "\"probability_below\":[[null,null,"));
}

TEST_CASE("an interval of two spots a sample is named as too narrow") {
  CHECK(any_holds(
      study::score(tests::made_study(2)).caveats,
      "about 70 in 100 hold the truth with 2 spots a sample, 83 with 3, 87 with 5, 90 with 8 and 94 "
      "with 14; here ncm-linbo3 cycled (2 spots), "));
  CHECK_FALSE(any_holds(study::score(tests::made_study(8)).caveats, "intervals of few spots"));
}
