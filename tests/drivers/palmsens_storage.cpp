// What the instrument kept while nobody listened: fetched once, with the true end of the program; and every way in which
// its storage can fail.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <cmath>

#include "drivers/palmsens.h"
#include "drivers/sim/cell.h"
#include "drivers/wire/mscript_files.h"
#include "tests/drivers/loop.h"
#include "tests/drivers/machine_link.h"
#include "tests/drivers/steps.h"

using namespace cambench;
using namespace cambench::tests;
namespace mscript = cambench::wire::mscript;

namespace {

const Marker marker{"r000001", 3};

PlannedStep charge() {
  PlannedStep s = charge_at_1C();
  s.until_voltage = Volt(3.9);
  return s;
}

struct Bench {
  boost::asio::io_context io;
  sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
  sim::MscriptMachine machine{sim::Model::emstat4_hr, "ES4HR20B0001", 1};
  MachineLink* link = nullptr;
  std::unique_ptr<Palmsens> driver;
  std::vector<Sample> told;  ///< live and late, in the order of telling
  std::optional<heard::Ended> ended;

  Bench() {
    machine.connect(&cell);
    plug_in_new_driver();
  }
  /// As a daemon that comes up does it: nothing is remembered.
  void plug_in_new_driver(std::size_t longest_queue = 100'000) {
    PalmsensSettings settings{.serial = "ES4HR20B0001", .time_scale = 1000};
    settings.longest_queue = longest_queue;
    settings.deaf_after_error = Seconds(0.001);
    settings.silence = Seconds(0.1);
    settings.reply_time = Seconds(0.5);
    auto owned = std::make_unique<MachineLink>(io.get_executor(), machine);
    link = owned.get();
    driver = std::make_unique<Palmsens>(io.get_executor(), std::move(owned), settings);
  }
  template <typename T>
  Result<T> wait_for(boost::asio::awaitable<Result<T>> conversation) {
    return finish(io, std::move(conversation));
  }
  void begin(const PlannedStep& step = charge()) {
    REQUIRE(wait_for(driver->identify()));
    const auto started = wait_for(driver->start(step, marker));
    REQUIRE_MESSAGE(started, started.error().what);
  }
  void take(const Heard& what) {
    if (const auto* measured = std::get_if<heard::Measured>(&what)) told.push_back(measured->sample);
    if (const auto* end = std::get_if<heard::Ended>(&what)) ended = *end;
  }
  Heard next() {
    auto what = wait_for(driver->next());
    REQUIRE(what);
    take(*what);
    return std::move(*what);
  }
  void listen_for(std::size_t rows) {
    for (const std::size_t enough = told.size() + rows; told.size() < enough;) next();
  }
  void listen_to_the_end() {
    while (!ended) next();
  }
  /// The instrument goes on, and what it says is lost.
  void nobody_listens_for(Seconds time) {
    machine.set_reader(false);
    machine.advance(machine.now() + time);
    (void)machine.take_output();
    machine.set_reader(true);
  }
  /// A new daemon that has every row up to the last one told; what it finds.
  Found come_back(const PlannedStep& step = charge(), Seconds look = Seconds(0.05)) {
    plug_in_new_driver();
    link->step = look;
    REQUIRE(wait_for(driver->identify()));
    driver->expect(step, marker, told.empty() ? Seconds(-1) : told.back().step_time);
    auto found = wait_for(driver->reattach());
    REQUIRE_MESSAGE(found, found.error().what);
    return std::move(*found);
  }
};

/// Every row once, none further from the next than the program lets them be.
void check_whole(std::vector<Sample> rows, Seconds last) {
  std::ranges::sort(rows, {}, &Sample::step_time);
  REQUIRE(rows.size() > 20);
  CHECK(rows.front().step_time < Seconds(1.5));
  CHECK(rows.back().step_time == last);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const Seconds apart = rows[i].step_time - rows[i - 1].step_time;
    CHECK(apart > Seconds{0});
    CHECK(apart < Seconds(31));
  }
}

}  // namespace

TEST_CASE("a daemon that was dead while its step ended finds every row and the true end") {
  Bench bench;
  bench.begin();
  bench.listen_for(5);
  bench.nobody_listens_for(Seconds(20'000));
  CHECK_FALSE(bench.machine.cell_on());
  const Found found = bench.come_back();
  CHECK(found.state == Found::State::ended);
  CHECK(found.marker == marker);
  REQUIRE(found.ended);
  CHECK(found.ended->reason == EndReason::planned);
  CHECK(found.ended->text == "END upper");
  REQUIRE(!found.kept.empty());
  for (const Sample& row : found.kept) CHECK((row.status & reading_status::late) != 0);
  std::vector<Sample> all = bench.told;
  all.insert(all.end(), found.kept.begin(), found.kept.end());
  check_whole(all, found.kept.back().step_time);
  CHECK(found.kept.back().we_vs_re >= Volt(3.9));
}

TEST_CASE(
    "a program that ends while a daemon comes back, at whatever moment of it, has told every row and its "
    "true end") {
  bool stores = true;
  SUBCASE("from its file") {}
  SUBCASE("without a file, of what was heard") { stores = false; }
  int ended_first = 0, met_running = 0;
  for (double left_s = 0; left_s < 150; left_s += left_s < 3 ? 0.04 : 7.3) {
    CAPTURE(left_s);
    Bench bench;
    if (!stores) REQUIRE(bench.machine.fault("no_card"));
    PlannedStep step = charge();
    step.run_time = Seconds(600);
    step.run_time_is_planned = true;
    bench.begin(step);
    const Seconds began = bench.machine.now();
    bench.listen_for(5);
    bench.nobody_listens_for(began + Seconds(600 - left_s) - bench.machine.now());
    const Found found = bench.come_back(step, Seconds(0.002));
    bench.link->step = Seconds(0.05);
    bench.told.insert(bench.told.end(), found.kept.begin(), found.kept.end());
    bench.ended = found.ended;
    if (found.state == Found::State::running) {
      bench.listen_to_the_end();
      ++met_running;
    } else if (found.state == Found::State::idle && !stores) {
      continue;  // it had ended before anybody heard it again
    } else {
      CHECK(found.state == Found::State::ended);
      ++ended_first;
    }
    REQUIRE(bench.ended);
    CHECK(bench.ended->reason == EndReason::planned);
    if (stores) CHECK(bench.ended->text == "END time");
    std::ranges::stable_sort(bench.told, {}, &Sample::step_time);
    const auto again = std::ranges::unique(bench.told, {}, &Sample::step_time);
    bench.told.erase(again.begin(), again.end());
    CHECK(abs(bench.told.back().step_time - Seconds(600)) < Seconds(0.1));
    if (stores) check_whole(bench.told, bench.told.back().step_time);
  }
  MESSAGE(ended_first, " times its end came first, ", met_running, " times it was met running");
  CHECK(ended_first > 0);
  CHECK(met_running > 0);
}

TEST_CASE("a guard that fired while nobody listened is told as one") {
  Bench bench;
  PlannedStep step = charge();
  step.guards.cell_max = Volt(3.3);
  bench.begin(step);
  bench.listen_for(3);
  bench.nobody_listens_for(Seconds(20'000));
  const Found found = bench.come_back(step);
  REQUIRE(found.ended);
  CHECK(found.ended->reason == EndReason::guard);
  CHECK(found.ended->text == "GUARD cell_max");
}

TEST_CASE("a program that still runs goes on, and what was missed is told before its end") {
  Bench bench;
  bench.begin();
  bench.listen_for(5);
  const Seconds before = bench.told.back().step_time;
  SUBCASE("the daemon was dead for ten minutes") {
    bench.nobody_listens_for(Seconds(600));
    bench.link->step = Seconds(1e-4);
    const Found found = bench.come_back();
    CHECK(found.state == Found::State::running);
    CHECK(found.serial == "ES4HR20B0001");
    CHECK(found.kept.empty());
  }
  SUBCASE("the cable was out for ten minutes") {
    bench.link->plugged = false;
    while (!std::holds_alternative<heard::LinkLost>(bench.next())) continue;
    bench.nobody_listens_for(Seconds(600));
    bench.link->plugged = true;
    bench.link->step = Seconds(1e-4);
    while (!std::holds_alternative<heard::LinkBack>(bench.next())) continue;
    bench.link->step = Seconds(0.01);  // a row within the time that the driver listens
    bench.driver->expect(charge(), marker, bench.told.back().step_time);
    const auto found = bench.wait_for(bench.driver->reattach());
    REQUIRE(found);
    CHECK(found->state == Found::State::running);
  }
  SUBCASE("the instrument's output was lost for ten minutes, on a link that stands") {
    REQUIRE(bench.machine.fault("mute", {"for=600"}));
  }
  bench.link->step = Seconds(0.05);
  Heard first = bench.next();
  while (!std::holds_alternative<heard::Measured>(first)) first = bench.next();
  CHECK(std::get<heard::Measured>(first).after_gap);
  CHECK(bench.told.back().step_time > before + Seconds(590));
  bench.listen_to_the_end();
  CHECK(bench.ended->reason == EndReason::planned);
  std::vector<Sample> once = bench.told;  // a row that was heard may be told again, late: who stores it knows
  std::ranges::stable_sort(once, {}, &Sample::step_time);
  const auto again = std::ranges::unique(once, {}, &Sample::step_time);
  once.erase(again.begin(), again.end());
  check_whole(once, once.back().step_time);
}

TEST_CASE("a fetch is never silent: rows that are known already are told as well, while their file is read") {
  Bench bench;
  bench.begin();
  bench.listen_for(20);
  const Seconds known = bench.told.back().step_time;
  bench.nobody_listens_for(Seconds(100));
  REQUIRE(bench.come_back(charge(), Seconds(1e-4)).state == Found::State::running);
  bench.link->step = Seconds(0.05);
  bench.told.clear();
  bench.listen_to_the_end();
  CHECK(std::ranges::count_if(bench.told, [&](const Sample& row) { return row.step_time <= known; }) == 20);
}

TEST_CASE("a row that was damaged on its way is told again, whole") {
  Bench bench;
  bench.begin();
  bench.listen_for(5);
  REQUIRE(bench.machine.fault("truncate"));
  bench.listen_for(1);
  CHECK(bench.told.back().status == reading_status::bad);
  const auto damaged = bench.told.size() - 1;
  bench.listen_to_the_end();
  const Seconds after = bench.told[damaged + 1].step_time, before = bench.told[damaged - 1].step_time;
  CHECK(std::ranges::any_of(bench.told, [&](const Sample& row) {
    return row.status == reading_status::late && row.step_time > before && row.step_time < after;
  }));
}

TEST_CASE(
    "rows that nobody took are told late, from the file, and the first one after them says that some are "
    "missing") {
  Bench bench;
  bench.plug_in_new_driver(10);
  PlannedStep step = charge();
  step.run_time = Seconds(1200);
  step.run_time_is_planned = true;
  step.record_delta.reset();
  bench.begin(step);
  bench.listen_for(3);
  bench.io.restart();
  while (bench.machine.now() < Seconds(900)) bench.io.run_one();  // nobody calls next()
  auto lost = bench.wait_for(bench.driver->next());
  REQUIRE_FALSE(lost);
  CHECK(lost.error().what.find("rows were lost because nobody took them") != std::string::npos);
  bench.listen_for(10);
  const Heard after = bench.next();
  REQUIRE(std::holds_alternative<heard::Measured>(after));
  CHECK(std::get<heard::Measured>(after).after_gap);
  bench.listen_to_the_end();
  std::ranges::stable_sort(bench.told, {}, &Sample::step_time);
  const auto again = std::ranges::unique(bench.told, {}, &Sample::step_time);
  bench.told.erase(again.begin(), again.end());
  check_whole(bench.told, bench.told.back().step_time);
}

TEST_CASE("an end whose words were lost is read from the file") {
  Bench bench;
  PlannedStep step = charge();
  step.run_time = Seconds(600);
  step.run_time_is_planned = true;
  bench.begin(step);
  bench.listen_for(5);
  REQUIRE(bench.machine.fault("mute", {"for=700"}));
  bench.link->step = Seconds(10);  // it is over before anybody asks
  bench.listen_to_the_end();
  CHECK(bench.ended->reason == EndReason::planned);
  CHECK(bench.ended->text == "END time");
  CHECK(abs(bench.told.back().step_time - Seconds(600)) < Seconds(0.1));
}

// ---- storages that fail --------------------------------------------------------------------------------------

TEST_CASE("an instrument without room for the step runs it without a file, and a gap stays a gap") {
  Bench bench;
  SUBCASE("no card") { REQUIRE(bench.machine.fault("no_card")); }
  SUBCASE("a full card") { REQUIRE(bench.machine.fault("card_full", {"bytes=20000"})); }
  bench.begin();
  bench.listen_for(5);
  bench.nobody_listens_for(Seconds(20'000));
  const Found found = bench.come_back();
  CHECK(found.state == Found::State::idle);
  CHECK(found.kept.empty());
}

TEST_CASE("a storage that refuses the file after all costs one more upload, with the cell never on before") {
  Bench bench;
  REQUIRE(bench.wait_for(bench.driver->identify()));
  // The card says how much is free, and is gone when the program opens its file.
  bench.link->on_write = [&](std::string_view sent) {
    if (sent == "r\n" && bench.machine.switches() == 0) (void)bench.machine.fault("no_card");
  };
  const auto started = bench.wait_for(bench.driver->start(charge(), marker));
  REQUIRE_MESSAGE(started, started.error().what);
  bench.listen_to_the_end();
  CHECK(bench.ended->reason == EndReason::planned);
  CHECK(bench.machine.switches() == 2);
}

TEST_CASE("a storage that fails in the middle of a step opens the cell or costs only the rows") {
  Bench bench;
  bench.begin();
  bench.listen_for(5);
  SUBCASE("writing to a full one is an error") {
    REQUIRE(bench.machine.fault("card_full"));
    bench.listen_to_the_end();
    CHECK(bench.ended->reason == EndReason::error);
  }
  SUBCASE("it is skipped") {
    REQUIRE(bench.machine.settle("full_storage_is_an_error", 0));
    REQUIRE(bench.machine.fault("card_full"));
    bench.listen_to_the_end();
    CHECK(bench.ended->reason == EndReason::planned);
  }
  CHECK_FALSE(bench.machine.cell_on());
}

TEST_CASE("a program that somebody stopped says so in its file, and is not taken for a lost supply") {
  Bench bench;
  bench.begin();
  bench.listen_for(5);
  bench.nobody_listens_for(Seconds(300));
  SUBCASE("by Z") {
    bench.machine.receive("Z\n");
    bench.nobody_listens_for(Seconds(1));
  }
  SUBCASE("by Z before its first measurement") {
    REQUIRE(bench.machine.settle("first_point_at_zero", 0));
    bench.listen_to_the_end();
    bench.ended.reset();
    bench.told.clear();
    bench.link->step = Seconds(1e-5);
    bench.begin();
    bench.machine.receive("Z\n");
    bench.nobody_listens_for(Seconds(1));
  }
  const Found found = bench.come_back();
  REQUIRE(found.ended);
  CHECK(found.ended->reason == EndReason::aborted);
  CHECK(found.ended->text == "stopped before its end, by an order or an error");
  CHECK_FALSE(bench.machine.cell_on());
}

TEST_CASE("a file that was cut ends without a word: nobody says that the step ended as planned") {
  Bench bench;
  bench.begin();
  bench.listen_for(5);
  SUBCASE("the instrument lost its power in the step") {
    bench.nobody_listens_for(Seconds(300));
    bench.machine.power_cycle();
  }
  SUBCASE("the end of the file is lost") {
    bench.nobody_listens_for(Seconds(20'000));
    REQUIRE(bench.machine.fault("file_cut", {"bytes=250"}));
  }
  const Found found = bench.come_back();
  REQUIRE(found.ended);
  CHECK(found.ended->reason == EndReason::unknown);
  CHECK(found.ended->text ==
        "its record in the instrument breaks off: the supply was lost, or the program failed");
  CHECK(found.kept.size() > 5);
  for (const Sample& row : found.kept) CHECK(row.current.has_value());
}

TEST_CASE(
    "rows and end are the same under every reading of how files look, but for words that are not there") {
  Bench bench;
  bool words = true;
  SUBCASE("as the echo of other commands") {}
  SUBCASE("the echo on a line of its own") { REQUIRE(bench.machine.settle("file_after_echo", 1)); }
  SUBCASE("packets alone") {
    REQUIRE(bench.machine.settle("file_has_text", 0));
    words = false;
  }
  bench.begin();
  bench.listen_for(5);
  bench.nobody_listens_for(Seconds(20'000));
  const Found found = bench.come_back();
  CHECK(found.state == (words ? Found::State::ended : Found::State::idle));
  std::vector<Sample> all = bench.told;
  all.insert(all.end(), found.kept.begin(), found.kept.end());
  check_whole(all, found.kept.back().step_time);
}

TEST_CASE("files of older programs make room, files of others are left alone") {
  Bench bench;
  bench.machine.receive("e\nfile_open \"theirs.txt\" 0\nset_script_output 2\nsend_string \"mine\"\n\n");
  bench.machine.advance(bench.machine.now() + Seconds(1));
  bench.begin();
  bench.listen_to_the_end();
  bench.ended.reset();
  REQUIRE(bench.machine.fault("card_full", {"bytes=1000"}));  // with the first file gone there is room
  PlannedStep next = charge();
  next.kind = PlannedStep::Kind::open_circuit;
  next.run_time = Seconds(60);
  next.record_delta.reset();
  next.sampling = next.record_every = Seconds(10);
  const auto started = bench.wait_for(bench.driver->start(next, {"r000001", 4}));
  REQUIRE_MESSAGE(started, started.error().what);
  bench.listen_to_the_end();
  bench.machine.receive("fs_dir /\n");
  const std::string listing = bench.machine.take_output();
  CHECK(listing.find("theirs.txt") != std::string::npos);
  CHECK(listing.find(mscript::file_name(charge(), marker)) == std::string::npos);
  CHECK(listing.find(mscript::file_name(next, {"r000001", 4})) != std::string::npos);
}

TEST_CASE("the parts of a resumed step have files of their own") {
  PlannedStep whole = charge(), rest = charge();
  rest.run_time = whole.run_time - Seconds(1234.5);
  CHECK(mscript::file_name(whole, marker) == "cb-r000001-3-5760000.txt");
  CHECK(mscript::file_name(rest, marker) == "cb-r000001-3-4525500.txt");
  CHECK(mscript::is_ours(mscript::file_name(whole, marker)));
  for (const auto* theirs : {"run.txt", "cb-r1-3.csv", "notes-cb-1.txt", ""})
    CHECK_FALSE(mscript::is_ours(theirs));
}

TEST_CASE("free space is read from used and all, and from nothing else") {
  CHECK(mscript::parse_free_bytes("f120 kB 65536 kB") == (65536 - 120) * 1024ULL);
  CHECK(mscript::parse_free_bytes("fused: 1 kB, of: 10 kB") == 9 * 1024ULL);
  for (const auto* line : {"f", "f!0083", "f10 kB", "f20 kB 10 kB", "f1 kB 2 kB 3 kB", "x1 kB 2 kB", ""})
    CHECK_FALSE(mscript::parse_free_bytes(line));
  CHECK(mscript::parse_file_entry("2026-01-01 00:00:00;FIL;12;a b.txt") == "a b.txt");
  for (const auto* line : {"f", "", "2026-01-01 00:00:00;DIR;0;logs", "2026-01-01 00:00:00;FIL;12;"})
    CHECK_FALSE(mscript::parse_file_entry(line));
}
