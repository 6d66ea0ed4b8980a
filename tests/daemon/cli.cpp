#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "schema/document.h"
#include "tests/analysis/folder.h"
#include "tests/daemon/command_line.h"
#include "tests/daemon/least_bench.h"
#include "tests/data.h"

using namespace cambench;
using tests::cambench_says, tests::Folder, tests::has;

namespace {

const std::string bench = tests::least_bench + R"([[cell]]
id = "R-uncoated"
material = "ncm-uncoated"
electrodes = 3
composite_mg = 24.0
cam_fraction = 0.67
area_cm2 = 0.7854
reference_vs_li_V = 0.25
reference_note = "lithiated gold, calibrated"
)";

/// Stretches of braille that have dots (U+2801 and on), apart by empty ones (U+2800).
std::size_t drawn_apart(std::string_view line) {
  std::size_t stretches = 0;
  bool drawn = false;
  for (std::size_t at = 0; at + 3 <= line.size(); at += 3) {
    const bool has_dots = line.substr(at, 3) != "\xE2\xA0\x80";
    if (has_dots && !drawn) ++stretches;
    drawn = has_dots;
  }
  return stretches;
}

}  // namespace

TEST_CASE("recipe check prints times, charges, limits and PyBaMM's sentences") {
  const auto said = cambench_says({"recipe", "check", "rate-test-3e"});
  CHECK(said.code == cli::done);
  CHECK(said.err.empty());
  CHECK(has(said.out, "1 C = 1.608 mA = 2.05 mA/cm2"));
  CHECK(has(said.out, "E(WE vs RE) >= 4.010 V (4.32 vs Li+/Li)"));
  CHECK(
      has(said.out, "33 steps, 3 d 20 h when every half cycle moves the nominal capacity"));  // 59.3 h + 33 h
  CHECK(has(said.out, "Charge at 0.1C until 4.32 V"));
  CHECK(has(said.out, "every limit rests on the reference electrode: +0.310 V vs Li+/Li"));
}

TEST_CASE("recipe check draws potential, current and charge over time, no wider than the screen") {
  const auto said =
      cambench_says({"recipe", "check", "rate-test-3e"}, [](cli::World& world) { world.columns = 72; });
  for (const auto* line : {"V E(WE vs RE)\n", "     4.01 ┤",
                           "     2.31 ┤",  // 4.32 and 2.62 V against Li+/Li, reference at 0.31 V
                           "mA current\n", "     3.22 ┤", "    -3.22 ┤",  // 2 C of 1.608 mA
                           "mAh charge\n", "     1.61 ┤", "     0.00 ┤", "3 d 20 h\n"})
    CHECK_MESSAGE(has(said.out, line), line);
  int drawn = 0;
  std::istringstream lines(said.out);
  for (std::string line; std::getline(lines, line);) {
    if (line.find("┤") == line.npos && line.find("│") == line.npos) continue;
    ++drawn;
    CHECK(std::ranges::count_if(line, [](char c) { return (c & 0xC0) != 0x80; }) == 72);
    CHECK_MESSAGE(line.find_first_of("\xE2") != line.npos, line);
  }
  CHECK(drawn == 15);
  CHECK(has(cambench_says({"recipe", "check", "pelletise"}).out, "   374.00 ┤"));
}

TEST_CASE("the drawn curves rise and fall with every half cycle") {
  const auto said = cambench_says({"recipe", "check", "rate-test-3e"});
  std::vector<std::size_t> marks;  // a line of the picture: how often something is drawn in it
  std::istringstream lines(said.out);
  for (std::string line; std::getline(lines, line);)
    if (const auto axis = std::min(line.find("┤"), line.find("│")); axis != line.npos)
      marks.push_back(drawn_apart(std::string_view(line).substr(axis + std::string_view("┤").size())));
  REQUIRE(marks.size() == 15);
  for (const std::size_t curve : {0u, 10u}) {  // potential and charge: eight charges, each with a discharge
    CHECK(marks[curve] == 8);
    for (const std::size_t between : {1u, 2u, 3u}) CHECK(marks[curve + between] == 16);
    CHECK(marks[curve + 4] == 9);
  }
  CHECK(marks[5] == 2);  // current: two charges at 2 C, and four above 0.3 C
  CHECK(marks[6] == 4);
  CHECK(marks[8] == 4);
  CHECK(marks[9] == 2);
}

TEST_CASE("recipe check --plot writes the same as a drawing, or says why it cannot") {
  const Folder folder;
  const auto file = folder.path / "rate.svg";
  CHECK(cambench_says({"recipe", "check", "rate-test-3e", "--plot", file.string()}).code == cli::done);
  std::ifstream in(file);
  const std::string svg(std::istreambuf_iterator<char>(in), {});
  CHECK(svg.starts_with("<svg"));
  for (const auto* words : {"E(WE vs RE) / V", "current / mA", "charge / mAh", "test time / h", ">90<"})
    CHECK_MESSAGE(has(svg, words), words);
  const auto refused = cambench_says({"recipe", "check", "rate-test-3e", "--plot", "/nowhere/rate.svg"});
  CHECK(refused.code == cli::refused);
  CHECK(refused.err == "/nowhere/rate.svg: cannot be written\n");
}

TEST_CASE("recipe check takes a cell from the bench's configuration") {
  const Folder folder;
  const auto file = folder.write("bench.toml", bench);
  const auto said =
      cambench_says({"recipe", "check", "rate-test-3e", "--config", file.string(), "--cell", "R-uncoated"});
  CHECK(said.code == cli::refused);  // 24 mg: 2 C would be 6.4 mA
  CHECK(has(said.err, "6.432 mA is more than the 5 mA allowed here"));
  CHECK(said.out.empty());
  const auto none =
      cambench_says({"recipe", "check", "rate-test-3e", "--config", file.string(), "--cell", "R-7"});
  CHECK(none.code == cli::refused);
  CHECK(has(none.err, "there is no cell \"R-7\"; there are R-uncoated"));
  CHECK(cambench_says({"recipe", "check", "rate-test-3e", "--cell", "R-7"}).code == cli::usage);
}

TEST_CASE("recipe check --json carries the same numbers") {
  const auto said = cambench_says({"--json", "recipe", "check", "degradation-2e"});
  REQUIRE(said.code == cli::done);
  CHECK(cambench_says({"recipe", "check", "degradation-2e", "--json"}).out == said.out);
  auto json = document::parse_json(said.out, "out");
  REQUIRE(json.has_value());
  document::Mistakes mistakes("out");
  document::Fields top(*json, "", mistakes);
  CHECK(top.number("one_C_A") == doctest::Approx(1.92e-3));
  CHECK(top.tables("steps").size() == 5);
  CHECK(top.texts("pybamm").size() == 5);
  CHECK(mistakes.empty());
}

TEST_CASE("recipe list and show tell what there is") {
  const auto listed = cambench_says({"recipe", "list"});
  CHECK(has(listed.out, "rate-test-3e    Rate test, three electrodes"));
  const auto shown = cambench_says({"recipe", "show", "pelletise"});
  CHECK(has(shown.out, "pressure_MPa = 374"));
  CHECK(has(shown.out, "# the paper"));
  if (const auto file = tests::real_data("unicycler/rate.unicycler.json")) {
    const auto same = cambench_says({"recipe", "show", file->string(), "--unicycler"});
    std::ifstream in(*file, std::ios::binary);
    CHECK(same.out == std::string(std::istreambuf_iterator<char>(in), {}) + "\n");
  }
}

TEST_CASE("bad input is one sentence with file, place and mend, and a code that is not zero") {
  const Folder folder;
  const auto file =
      folder.write("recipe.toml", "record.time_s = 1\n[[method]]\nstep = \"open_circuit_voltag\"\n");
  const auto said = cambench_says({"recipe", "check", file.string()});
  CHECK(said.code == cli::refused);
  CHECK(has(said.err, file.string() + ":3:8: method[1].step: expected open_circuit_voltage"));
  CHECK(said.out.empty());
  CHECK(has(cambench_says({"recipe", "check", "rate-test"}).err, "did you mean \"rate-test-3e\"?"));
  CHECK(
      has(cambench_says({"recipe", "check", "/nonexistent.toml"}).err, "/nonexistent.toml: cannot be read"));
  CHECK(cambench_says({"recipe", "check", "/nonexistent.toml"}).code == cli::refused);
}

TEST_CASE("config check tells all mistakes, or what the file describes") {
  const Folder folder;
  const auto good = folder.write("good.toml", bench), bad = folder.write("bad.toml", "[stor]\n");
  const auto said = cambench_says({"config", "check", good.string()});
  CHECK(said.code == cli::done);
  CHECK(has(said.out, "good.toml: good."));
  CHECK(has(said.out, "ES4HR20B0001"));
  CHECK(has(said.out, "3.216 mA"));  // 24 mg x 67 % x 200 mA/g
  const auto refused = cambench_says({"config", "check", bad.string()});
  CHECK(refused.code == cli::refused);
  CHECK(has(refused.err, "stor: unknown key; did you mean store?"));
}

TEST_CASE("usage mistakes end with 2, and help with 0") {
  CHECK(cambench_says({}).code == cli::usage);
  CHECK(cambench_says({"recipe"}).code == cli::usage);
  CHECK(cambench_says({"recipe", "check", "pelletise", "--nope"}).code == cli::usage);
  const auto help = cambench_says({"--help"});
  CHECK(help.code == cli::done);
  CHECK(has(help.out, "Exit codes: 0 done, 1 refused input or order, 2 usage, 3 no daemon answers"));
  CHECK(has(cambench_says({"--version"}).out, "cambench "));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--json", "nosuch"}, {"recipe", "nosuch"}, {"token", "--json", "nosuch"}})
    CHECK(cambench_says(words).err == "there is no verb \"nosuch\"; cambench --help lists them\n");
}

TEST_CASE("every exit code stands in the help and in the manual") {
  const auto manual = cambench_says({"manual"}).out, help = cambench_says({"--help"}).out;
  const auto status = manual.substr(manual.find(".SH EXIT STATUS"));
  for (const auto code : {cli::done, cli::refused, cli::usage, cli::unreachable, cli::not_finished}) {
    CHECK(has(status, fmt::format(".TP\n{}\n", static_cast<int>(code))));
    CHECK(has(help.substr(help.find("Exit codes:")), fmt::format("{} ", static_cast<int>(code))));
  }
}

TEST_CASE("the manual and the completions are there as JSON too") {
  const auto manual = document::parse_json(cambench_says({"manual", "--json"}).out, "manual");
  REQUIRE(manual.has_value());
  document::Mistakes mistakes("manual");
  document::Fields top(*manual, "", mistakes);
  bool has_plot = false;
  for (auto& verb : top.tables("verbs"))
    if (verb.text("verb") == "recipe check")
      for (auto& option : verb.tables("options"))
        if (option.text("name") == "--plot") has_plot = option.flag("takes_value").value_or(false);
  CHECK(has_plot);
  const auto completion = cambench_says({"completion", "fish", "--json"});
  CHECK(completion.out.starts_with(R"({"shell":"fish","script":"# fish completion of cambench)"));
}

TEST_CASE("output that could not be written is exit 1") {
  std::ofstream full("/dev/full");
  std::ostringstream err;
  cli::World world{.out = full, .err = err, .ask = {}, .wait = {}};
  SUBCASE("of a verb") { CHECK(cli::run({"recipe", "show", "rate-test-3e"}, world) == cli::refused); }
  SUBCASE("of a verb with little to say") { CHECK(cli::run({"recipe", "list"}, world) == cli::refused); }
  SUBCASE("of help") { CHECK(cli::run({"--help"}, world) == cli::refused); }
  CHECK(has(err.str(), "could not be written"));
}
