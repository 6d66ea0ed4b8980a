// Rows that an instrument kept while nobody listened come later than their neighbours: what is added up and rolled up of a
// step is then the same as if they had come in order.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <future>

#include "daemon/store/reader.h"
#include "daemon/store/store.h"

using namespace cambench;
using namespace cambench::store;

namespace {

struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "cambench-late-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
};

/// One a second; current and potential are never twice the same.
SampleRow sample(std::int64_t seq, std::uint32_t step = 0) {
  const auto t = static_cast<double>(seq);
  SampleRow row{.run = "r000001", .seq = seq, .test_time = Seconds(t), .cycle = 1, .sample = {}};
  row.sample.step = step;
  row.sample.step_time = Seconds(t);
  row.sample.we_vs_re = Volt(3.0 + 0.5 * std::sin(t));
  row.sample.cell = Volt(2.7 + 0.4 * std::cos(0.7 * t));
  row.sample.current = Ampere(1e-3 + 2e-4 * std::sin(1.3 * t));
  row.sample.at = {Instant(std::chrono::seconds(seq)), WallTime(std::chrono::seconds(seq))};
  return row;
}

void keep(Store& store, std::int64_t from, std::int64_t to, std::uint32_t step = 0) {
  for (std::int64_t seq = from; seq <= to; ++seq) REQUIRE(store.append(sample(seq, step)));
  REQUIRE(store.flush());
}

void check_same(Reader& one, Reader& other) {
  const auto a = one.steps("r000001"), b = other.steps("r000001");
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK(a[i].summary.samples == b[i].summary.samples);
    CHECK(a[i].summary.duration_s == b[i].summary.duration_s);
    CHECK(a[i].summary.charge.charge_Ah == doctest::Approx(b[i].summary.charge.charge_Ah).epsilon(1e-12));
    CHECK(*a[i].summary.charge.energy_Wh == doctest::Approx(*b[i].summary.charge.energy_Wh).epsilon(1e-12));
  }
  const auto p = one.series("r000001", 0, 1e6, 50), q = other.series("r000001", 0, 1e6, 50);
  REQUIRE(p.size() == q.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    CHECK(p[i].test_time_s == q[i].test_time_s);
    CHECK(p[i].we_vs_re_min_V == q[i].we_vs_re_min_V);
    CHECK(p[i].we_vs_re_max_V == q[i].we_vs_re_max_V);
  }
}

}  // namespace

TEST_CASE("late rows change charge, energy and charts as if they had come in order") {
  const Folder folder;
  const auto ordered = folder.path / "ordered.sqlite", late = folder.path / "late.sqlite";
  {
    Store store(ordered);
    keep(store, 1, 6000);
    keep(store, 6001, 7000, 1);
  }
  {
    auto store = std::make_unique<Store>(late);
    keep(*store, 1, 1000);
    keep(*store, 4001, 4500);
    SUBCASE("while the step goes on, in two pieces") {
      keep(*store, 1001, 2500);
      keep(*store, 2501, 4000);
      keep(*store, 4501, 6000);
    }
    SUBCASE("after a restart, before the last rows") {
      store.reset();
      store = std::make_unique<Store>(late);
      keep(*store, 4501, 6000);
      keep(*store, 1001, 4000);
    }
    SUBCASE("in one commit with rows of their own time") {
      for (std::int64_t seq = 1001; seq <= 2500; ++seq) {
        REQUIRE(store->append(sample(seq + 3500)));
        REQUIRE(store->append(sample(seq)));
      }
      keep(*store, 2501, 4000);
    }
    keep(*store, 6001, 7000, 1);
    SUBCASE("when the next step has begun") {}
    if (Reader(late).samples("r000001").size() < 7000) {
      keep(*store, 4501, 6000);
      keep(*store, 1001, 4000);
    }
  }
  Reader one(ordered), other(late);
  REQUIRE(other.samples("r000001").size() == 7000);
  check_same(one, other);
}

TEST_CASE("numbers that were kept free are found again, as far as they are not used") {
  const Folder folder;
  Store store(folder.path / "holes.sqlite");
  keep(store, 1, 50);
  keep(store, 51, 60, 1);
  keep(store, 161, 170, 1);
  keep(store, 271, 280, 1);
  keep(store, 61, 80, 1);  // the first hole was filled in part
  Reader reader(folder.path / "holes.sqlite");
  const auto holes = reader.holes_of_last_step("r000001");
  REQUIRE(holes.size() == 2);
  CHECK(holes[0].first_seq == 81);
  CHECK(holes[0].last_seq == 160);
  CHECK(holes[0].from == Seconds(80));
  CHECK(holes[0].to == Seconds(161));
  CHECK(holes[0].at == WallTime(std::chrono::seconds(80)));
  CHECK(holes[1].first_seq == 171);
  CHECK(holes[1].last_seq == 270);
  CHECK(reader.holes_of_last_step("r000009").empty());
}

TEST_CASE("numbers before a step's first row belong to that step") {
  const Folder folder;
  Store store(folder.path / "holes.sqlite");
  SUBCASE("of a later step") { keep(store, 1, 50); }
  SUBCASE("of the first one") {}
  const auto free_from =
      static_cast<std::int64_t>(Reader(folder.path / "holes.sqlite").samples("r000001").size());
  keep(store, 101, 110, 1);
  const auto holes = Reader(folder.path / "holes.sqlite").holes_of_last_step("r000001");
  REQUIRE(holes.size() == 1);
  CHECK_FALSE(holes[0].from);
  CHECK(holes[0].to == Seconds(101));
  CHECK(holes[0].at == WallTime(std::chrono::seconds(101)));
  CHECK(holes[0].first_seq == free_from + 1);
  CHECK(holes[0].last_seq == 100);
}

TEST_CASE("rows that were missed at the beginning of a step count like all others") {
  const Folder folder;
  const auto ordered = folder.path / "ordered.sqlite", late = folder.path / "late.sqlite";
  {
    Store store(ordered);
    keep(store, 1, 100);
    keep(store, 101, 400, 1);
  }
  {
    auto store = std::make_unique<Store>(late);
    keep(*store, 1, 100);
    keep(*store, 201, 390, 1);
    SUBCASE("told to the same daemon") {}
    SUBCASE("told after a restart") {
      store.reset();
      store = std::make_unique<Store>(late);
    }
    keep(*store, 101, 200, 1);
    keep(*store, 391, 400, 1);
  }
  Reader one(ordered), other(late);
  check_same(one, other);
}

TEST_CASE("after a restart, late rows and the next one in a single commit count each sample once") {
  const Folder folder;
  const auto file = folder.path / "restarted.sqlite";
  {
    Store store(file);
    keep(store, 1, 40);
    keep(store, 51, 60);
  }
  Store store(file, {.every = std::chrono::hours(1)});
  for (std::int64_t seq = 41; seq <= 50; ++seq) REQUIRE(store.append(sample(seq)));
  keep(store, 61, 61);
  const auto steps = Reader(file).steps("r000001");
  REQUIRE(steps.size() == 1);
  CHECK(steps[0].summary.samples == 61);
}
