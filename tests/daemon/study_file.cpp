// study.toml: what it decides, what it refuses, and that a change of it scores again.
#include "daemon/jobs/study_file.h"

#include <doctest/doctest.h>

#include "analysis/bad_input.h"

using namespace cambench;
using namespace cambench::jobs;

namespace {

StudyFile parsed(std::string_view text) { return parse_study_file(text, "study.toml", {}); }

std::string refusal(std::string_view text) {
  try {
    (void)parsed(text);
  } catch (const BadInput& bad) {
    return bad.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("an empty study.toml leaves every decision at the recommended default") {
  const auto study = parsed("");
  const ScoringOptions defaults;
  CHECK(study.scoring.normalise.reference == "NiO2-");
  CHECK(study.scoring.normalise.empty_reference == sims::EmptyReference::half);
  CHECK(study.scoring.table.normalisation == sims::Normalisation::total_ion);
  CHECK(study.scoring.degradation.values == sims::DegradationOptions::Values::max_scaled);
  CHECK(study.scoring.degradation.rows == sims::DegradationOptions::Rows::uncycled_and_all_cycled);
  CHECK(study.scoring.study.bootstrap.resamples == 2000);
  CHECK(study.scoring.study.radar.size() == 5);
  CHECK_FALSE(study.regions);
  CHECK(study.file->bytes == 0);
}

TEST_CASE("every decision has a key, and the last word over the bench's configuration") {
  ScoringOptions bench;
  bench.normalise.reference = "CoO2-";
  bench.study.bootstrap.seed = 7;
  const auto study = parse_study_file(R"(
[scoring]
normalisation = "reference_ion"
empty_reference = "min_counts"
min_counts = 3
spectrum_area = "trapezoid"
missing_peaks = "refuse"
[scoring.degradation]
values = "plain"
maximum = "all_spots"
spots = "anchors"
columns = "uncentred"
category_scale = "general"
negative_loadings = "leave_out"
no_score = "only_zero"
categories = ["SE", "CAM"]
[scoring.bootstrap]
resamples = 500
confidence = 0.9
loadings = "kept"
[scoring.rate]
low_C = 0.2
high_C = 1.0
cycle = "mean"
charge = "counter"
gram = "uncoated"
overpotential = "half_charge"
overpotential_cycle = "first"
[[scoring.radar]]
axis = "QS_0"
span = 0.5
[[scoring.radar]]
axis = "DS_general"
[[scoring.radar]]
axis = "DS_CAM"
[expected]
regions = 14
wait = true
[[sample]]
material = "a"
state = "uncycled"
files = ["x/*"]
)",
                                      "study.toml", bench);
  const auto& scoring = study.scoring;
  CHECK(scoring.normalise.reference == "CoO2-");  // of the bench
  CHECK(scoring.normalise.reference_required);
  CHECK(scoring.normalise.empty_reference == sims::EmptyReference::min_counts);
  CHECK(scoring.normalise.min_counts == 3);
  CHECK(scoring.normalise.area == sims::SpectrumArea::trapezoid);
  CHECK(scoring.table.normalisation == sims::Normalisation::reference_ion);
  CHECK(scoring.table.missing_peaks == sims::TableOptions::MissingPeaks::refuse);
  using D = sims::DegradationOptions;
  CHECK(scoring.degradation.values == D::Values::plain);
  CHECK(scoring.degradation.maximum == D::Maximum::all_spots);
  CHECK(scoring.degradation.rows == D::Rows::anchors);
  CHECK(scoring.degradation.columns == D::Columns::uncentred);
  CHECK(scoring.degradation.rescale == D::Rescale::general);
  CHECK(scoring.degradation.loadings == D::Loadings::positive_only);
  CHECK(scoring.degradation.undefined == D::Undefined::only_zero);
  CHECK(scoring.degradation.categories == std::vector<std::string>{"SE", "CAM"});
  CHECK(scoring.study.bootstrap.resamples == 500);
  CHECK(scoring.study.bootstrap.seed == 7);  // of the bench
  CHECK(scoring.study.bootstrap.confidence == 0.9);
  CHECK(scoring.study.bootstrap.loadings == sims::BootstrapOptions::Loadings::kept);
  CHECK(scoring.study.cells.low_C == 0.2);
  CHECK(scoring.study.cells.cycle == rate::CycleChoice::mean);
  CHECK(scoring.study.cells.charge == rate::ScoreOptions::Charge::counter);
  CHECK(scoring.study.cells.gram == rate::ScoreOptions::Gram::uncoated);
  CHECK(scoring.study.cells.overpotential == rate::ScoreOptions::Overpotential::half_charge);
  CHECK(scoring.study.cells.overpotential_cycle == rate::CycleChoice::first);
  REQUIRE(scoring.study.radar.size() == 3);
  CHECK(scoring.study.radar[0].span == 0.5);
  CHECK(scoring.study.radar[2].key == "DS_CAM");
  CHECK(study.regions == 14);
  CHECK(study.wait);
  CHECK(study.samples.at(0).state == sims::State::uncycled);
}

TEST_CASE("categories without a word about the radar chart take their axes with them") {
  const auto study = parsed("[scoring.degradation]\ncategories = [\"SOy\"]\n");
  std::vector<std::string> axes;
  for (const auto& axis : study.scoring.study.radar) axes.push_back(axis.key);
  CHECK(axes == std::vector<std::string>{"QS_0", "QS_ret", "DS_SOy"});
}

TEST_CASE("mistakes are named with their line and what was expected") {
  CHECK(refusal("[scoring]\nnormalisation = \"total\"\n")
            .starts_with("study.toml: study.toml:2:17: scoring.normalisation: expected \"total_ion\" or "
                         "\"reference_ion\", found \"total\""));
  CHECK(refusal("[scoring.bootstrap]\nresample = 5\n").find("resamples") != std::string::npos);
  CHECK(refusal("[[scoring.radar]]\naxis = \"DS_none\"\n").find("\"DS_none\" is no score") !=
        std::string::npos);
  CHECK(refusal("[scoring]\nnormalisation = \"reference_ion\"\nreference_ion = \"\"\n").find("needs one") !=
        std::string::npos);
  CHECK(refusal("[scoring]\nfragments = \"nowhere.csv\"\n").find("nowhere.csv: cannot be opened") !=
        std::string::npos);
  CHECK(refusal("[expected]\nwait = true\n").find("number of regions") != std::string::npos);
  CHECK(refusal("[[sample]]\nmaterial = \"a\"\n").find("state") != std::string::npos);
  CHECK(refusal("= 1").starts_with("study.toml"));
}

TEST_CASE("patterns stand for any text, and for one letter") {
  CHECK(matches("a/*", "a/b/c.txt"));
  CHECK(matches("*LNO*.txt", "2026/LNO cyc (0) - total.txt"));
  CHECK(matches("a?c", "abc"));
  CHECK(matches("*", ""));
  CHECK(matches("a*b*c", "aXbbYc"));
  CHECK_FALSE(matches("a?c", "ac"));
  CHECK_FALSE(matches("a/*", "b/a/c"));
  CHECK_FALSE(matches("a*b", "ab/c"));
  CHECK_FALSE(matches("", "a"));
}

TEST_CASE("a part is a circle, a polygon, a drawn mask or an ion's image, and what else it says") {
  const auto study = parsed(R"(
[[part]]
material = "bare"
state = "cycled"
regions = ["spot 1*"]
circle = [128, 127.5, 60]
overlay = ["PO3-", "NiO2-"]
field_of_view_um = 300
tile = 8
[[part]]
material = "bare"
state = "uncycled"
polygon = [0, 0, 10, 0, 10, 10]
[[part]]
material = "coated"
state = "cycled"
ion = "Ni-"
above = 2
)");
  REQUIRE(study.parts.size() == 3);
  const auto& first = study.parts[0];
  CHECK(first.material == "bare");
  CHECK(first.patterns == std::vector<std::string>{"spot 1*"});
  CHECK(sims::describe(first.options.inner) == "circle around X 128 Y 127.5, radius 60 pixels");
  CHECK(first.options.overlay == std::vector<std::string>{"PO3-", "NiO2-"});
  CHECK(first.options.field_of_view_um == 300.0);
  CHECK(first.options.compare.tile == 8);
  CHECK(study.parts[1].state == sims::State::uncycled);
  CHECK(sims::describe(study.parts[1].options.inner) == "polygon of the corners (0, 0) (10, 0) (10, 10)");
  CHECK(sims::describe(study.parts[2].options.inner) == "pixels with more than 2 counts of Ni-");
  CHECK(study.masks.empty());
}

TEST_CASE("a part that is not clear is refused with its line") {
  const std::string part = "[[part]]\nmaterial = \"bare\"\nstate = \"cycled\"\n";
  const auto refused = [&](const std::string& more, const std::string& why) {
    const auto said = refusal(part + more);
    CAPTURE(said);
    CHECK(said.find(why) != std::string::npos);
  };
  refused("", "expected one of circle, polygon, mask and ion");
  refused("circle = [1, 2, 3]\nion = \"Ni-\"", "expected one of circle, polygon, mask and ion");
  refused("circle = [1, 2]", "expected [X, Y, RADIUS] in pixels");
  refused("circle = [1, 2, \"3\"]", "expected a list of numbers");
  refused("polygon = [1, 2, 3, 4]", "expected X and Y of 3 to 1000 corners");
  refused("mask = \"../inner.png\"", "expected the name of a PNG beside study.toml");
  refused("mask = \"none.png\"", "none.png");
  refused("circle = [1, 2, 3]\nabove = 2", "belongs to an ion");
  refused("circle = [1, 2, 3]\noverlay = [\"a\", \"b\", \"c\", \"d\"]", "three ions at most");
}

TEST_CASE("the mass scale of spectra is checked by ions of known mass, three at least") {
  const auto study = parsed(R"(
[scoring.masses]
check = "corrected"
known_ions = ["O-", "S-", "PO3-"]
tolerance_ppm = 20
)");
  CHECK(study.scoring.normalise.masses.what == sims::MassCheck::What::corrected);
  CHECK(study.scoring.normalise.masses.known_ions.size() == 3);
  CHECK(study.scoring.normalise.masses.tolerance_ppm == 20);
  CHECK(parsed("").scoring.normalise.masses.what == sims::MassCheck::What::named);
  CHECK(refusal("[scoring.masses]\nknown_ions = [\"O-\", \"S-\"]").find("expected three ions at least") !=
        std::string::npos);
  CHECK(refusal("[scoring.masses]\nknown_ions = [\"O-\", \"S-\", \"total\"]")
            .find("\"total\" is no ion of known mass") != std::string::npos);
}
