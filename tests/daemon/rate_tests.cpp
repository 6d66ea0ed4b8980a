// Rate tests out of the store: the newest finished one counts, with the cell as it was recorded.
#include "daemon/jobs/rate_tests.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "daemon/store/store.h"

using namespace cambench;
using namespace cambench::jobs;
namespace fs = std::filesystem;

namespace {

constexpr double one_C_A = 1.608e-3;  // 12 mg composite, 67 % of it active: 8.04 mg, 200 mAh/g

struct Folder {
  fs::path path;
  Folder() {
    std::string name = (fs::temp_directory_path() / "cambench-rate-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  [[nodiscard]] fs::path file() const { return path / "bench.sqlite"; }
};

/// Writes one run, step by step.
class Run {
 public:
  Run(store::Store& store, const std::string& id, const std::string& phase) : store_(store), id_(id) {
    store::RunRow row;
    row.id = id;
    row.station = "A1";
    row.recipe = "rate-test-3e";
    row.recipe_hash = "ab";
    row.cell = "R-uncoated";
    row.cell_json =
        R"({"electrodes":3,"composite_mg":12.0,"cam_fraction":0.67,"area_cm2":0.7854,"q_1C_mAh_g":200,"reference_vs_li_V":0.31})";
    row.material = "ncm-uncoated";
    row.one_C = Ampere(one_C_A);
    row.phase = phase;
    store_.commit({row}, [](const Result<void>&) {});
  }

  /// A step at a multiple of 1 C that moves so many mAh per gram; a row a minute, and one at its end.
  Run& step(std::uint32_t cycle, double rate_C, double mAh_g) {
    const double duration_s = std::abs(mAh_g / (200 * rate_C)) * 3600;
    for (double second = 0; second < duration_s; second += 60) sample(cycle, second, rate_C * one_C_A);
    sample(cycle, duration_s, rate_C * one_C_A);
    ++step_;
    return *this;
  }

  /// What is on record of the step that was just done.
  Run& happened(const std::string& kind, const std::string& reason, const std::string& text) {
    store::EventRow row{.run = id_, .kind = kind, .step = step_ - 1, .text = text, .elapsed = Seconds(60)};
    if (!reason.empty()) row.reason = reason;
    REQUIRE(store_.append(row));
    return *this;
  }

 private:
  void sample(std::uint32_t cycle, double second, double current_A) {
    store::SampleRow row{
        .run = id_, .seq = ++seq_, .test_time = Seconds(test_time_s_ += 60), .cycle = cycle, .sample = {}};
    row.sample.step = step_;
    row.sample.step_time = Seconds(second);
    row.sample.current = Ampere(current_A);
    row.sample.we_vs_re = Volt(3.4 + 100 * current_A);  // so a 0.1 V drop per mA
    row.sample.cell = Volt(3.0);
    REQUIRE(store_.append(row));
  }

  store::Store& store_;
  std::string id_;
  std::int64_t seq_ = 0;
  std::uint32_t step_ = 0;
  double test_time_s_ = 0;
};

}  // namespace

TEST_CASE("a finished rate test comes out as capacities per gram, against the reference electrode") {
  const Folder folder;
  store::Store store(folder.file());
  // The uncoated cell of the model: 168.1 mAh/g at 0.1 C, 58.5 at 2 C.
  Run(store, "r000001", "finished")
      .step(1, 0.1, 181.3)
      .step(1, -0.1, -168.1)
      .step(2, 2, 60)
      .step(2, -2, -58.5);
  REQUIRE(store.flush());
  store::Reader reader(folder.file());
  RateTests tests;
  const auto test = tests.last_of(reader, "R-uncoated");
  REQUIRE(test);
  CHECK(test->run == "r000001");
  CHECK(test->sha256.size() == 64);
  CHECK(test->test.material == "ncm-uncoated");
  CHECK(test->test.cam_g == doctest::Approx(8.04e-3));
  CHECK(test->test.area_cm2 == 0.7854);
  CHECK(test->test.reference_vs_li_V == 0.31);
  const auto points = rate::rate_points(test->test);
  REQUIRE(points.size() == 2);
  CHECK(points[0].rate_C == doctest::Approx(0.1));
  CHECK(*points[0].cycles.at(0).discharge_mAh_g == doctest::Approx(168.1));
  CHECK(*points[1].cycles.at(0).discharge_mAh_g == doctest::Approx(58.5));
  // 100 ohm on either side of 3.4 V: the working electrode's potential, not the cell's 3.0 V.
  CHECK(*points[1].cycles.at(0).mean_discharge_V == doctest::Approx(3.4 - 100 * 2 * one_C_A));
  CHECK_FALSE(tests.last_of(reader, "R-linbo3"));
}

TEST_CASE("the store's own capacities and those of the analysis agree") {
  const Folder folder;
  store::Store store(folder.file());
  Run(store, "r000001", "finished")
      .step(1, 0.1, 181.3)
      .step(1, -0.1, -168.1)
      .step(2, 2, 60)
      .step(2, -2, -58.5);
  REQUIRE(store.flush());
  store::Reader reader(folder.file());
  RateTests tests;
  const auto cycles = tests.last_of(reader, "R-uncoated")->test.cycles;
  const auto capacities = reader.capacities("r000001");
  REQUIRE(cycles.size() == 2);
  REQUIRE(capacities.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(capacities[i].charge.charge_Ah == doctest::Approx(cycles[i].charge->capacity_Ah));
    CHECK(capacities[i].discharge.charge_Ah == doctest::Approx(cycles[i].discharge->capacity_Ah));
    CHECK(*capacities[i].discharge.mean_we_vs_re_V() ==
          doctest::Approx(cycles[i].discharge->mean_potential_V));
  }
}

TEST_CASE("of two imports for one cell the one brought later is scored, whatever its hash") {
  const Folder folder;
  store::Store store(folder.file());
  const auto bring = [&](const char* id) {
    Run(store, id, "finished").step(1, 0.1, 170).step(1, -0.1, -160).step(2, 2, 60).step(2, -2, -50);
    REQUIRE(store.flush());
    store::Reader reader(folder.file());
    CHECK(RateTests().last_of(reader, "R-uncoated")->run == id);
  };
  bring("i9999999999");
  bring("i0000000000");
  bring("r000001");
  bring("i5555555555");
  std::string listed;
  store::Reader reader(folder.file());
  for (auto page = reader.runs(1); !page.empty(); page = reader.runs(1, page.back().id))
    listed += page.back().id + ' ';
  CHECK(listed == "i5555555555 r000001 i0000000000 i9999999999 ");
}

TEST_CASE(
    "the newest finished run with two rates counts: neither one that goes on, nor a formation at one rate") {
  const Folder folder;
  store::Store store(folder.file());
  Run(store, "r000001", "finished").step(1, 0.1, 170).step(1, -0.1, -160).step(2, 2, 60).step(2, -2, -50);
  Run(store, "r000002", "finished").step(1, 0.1, 170).step(1, -0.1, -161);
  Run(store, "r000003", "running").step(1, 0.1, 170).step(1, -0.1, -162).step(2, 2, 60).step(2, -2, -52);
  REQUIRE(store.flush());
  store::Reader reader(folder.file());
  RateTests tests;
  CHECK(tests.last_of(reader, "R-uncoated")->run == "r000001");
  store.commit({store::PhaseRow{"r000003", "finished", WallTime{}}}, [](const Result<void>&) {});
  REQUIRE(store.flush());
  CHECK(tests.last_of(reader, "R-uncoated")->run == "r000003");
}

TEST_CASE(
    "a discharge that a person left before its end gives no capacity, and the report says who left it") {
  const Folder folder;
  store::Store store(folder.file());
  const std::vector<Material> materials{
      {.id = "ncm-uncoated", .name = "uncoated", .coating = "", .reference = true}};
  Run run(store, "r000001", "finished");
  run.step(1, 0.1, 181.3)
      .happened("tripped", "", "the press lost its air")
      .happened("step_ended", "planned", "")
      .step(1, -0.1, -70)
      .happened("tripped", "", "2.1 V")
      .happened("step_ended", "aborted", "left by anna: it will not come back")
      .step(2, 2, 60)
      .happened("step_ended", "planned", "")
      .step(2, -2, -58.5)
      .happened("step_ended", "planned", "");
  const auto scored = [&] {
    REQUIRE(store.flush());
    store::Reader reader(folder.file());
    const auto test = RateTests().last_of(reader, "R-uncoated");
    REQUIRE(test);
    CHECK(test->run == "r000001");
    return rate::score_cells(std::vector{test->test}, materials, {.reference = "ncm-uncoated"});
  };
  const auto has = [](const std::vector<std::string>& notes, const std::string& note) {
    return std::ranges::find(notes, note) != notes.end();
  };
  SUBCASE("the only one at its rate") {
    const auto scores = scored();
    CHECK_FALSE(scores.materials.at(0).initial.value);
    CHECK(
        scores.materials.at(0).initial.why_not ==
        "cell R-uncoated: it has no discharge at 0.1 C (the discharge of cycle 1 was not done to its end, so "
        "it gives no capacity, and the next cycle at its rate counts in its place, if there is one: left by "
        "anna: it will not come back)");
    CHECK(has(scores.notes,
              "cell R-uncoated: the charge of cycle 1 was interrupted and resumed, and is the sum of its "
              "parts: the press lost its air"));
  }
  SUBCASE("of two at its rate") {
    run.step(3, 0.1, 170).happened("step_ended", "planned", "").step(3, -0.1, -168.1);
    const auto scores = scored();
    CHECK(scores.cells.at(0).rates.back().cycles.at(0).discharge_mAh_g == doctest::Approx(168.1));
    CHECK(
        has(scores.notes,
            "cell R-uncoated: the discharge of cycle 1 was not done to its end, so it gives no capacity, and "
            "the next cycle at its rate counts in its place, if there is one: left by anna: it will not come "
            "back"));
  }
}
