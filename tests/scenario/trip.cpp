// What must end in a safe state by itself: faults of the press and of the instrument, and how fast the cell is open.
#include "tests/scenario/charging.h"

using namespace cambench;
using namespace cambench::scenario;

TEST_CASE("a leaking press opens the cell, and the trip stays until a named person resets it for a reason") {
  Charging bench;
  bench.sim("press A1 leak:rate=0.02");  // 2 MPa in each second of wire time
  bench.until_state("tripped");
  CHECK(bench.where().why.starts_with("pressure_low"));
  const Truth opened = bench.open_for_good();
  const double beyond_s = (49.0 - opened.pressure_MPa) / (0.02 * scale);
  MESSAGE("leak: cell open ", beyond_s * 1e3,
          " ms after the pressure left its band (three readings, 200 ms apart)");
  CHECK(beyond_s > 0);
  CHECK(beyond_s < 5);

  CHECK(bench.happened(bench.run_id, "tripped pressure_low"));
  CHECK(bench.order(bench.run_id, "resume").find("only a held run") != std::string::npos);
  CHECK(bench.order(bench.run_id, "reset", "").find("named person") != std::string::npos);
  CHECK(bench.order(bench.run_id, "reset", "anna", "").find("reason") != std::string::npos);
  const std::string stands = bench.order(bench.run_id, "reset");
  CHECK_MESSAGE(stands.find("the cause stands") != std::string::npos, stands);
  CHECK(bench.where().state == "tripped");

  bench.sim("press A1 clear");
  std::string refused;
  until(
      "the reset is granted", [&] { return (refused = bench.order(bench.run_id, "reset")).empty(); },
      [&] { return refused; });
  bench.until_state("held");
  CHECK_FALSE(bench.cell_is_on());
  const auto before = bench.samples(bench.run_id).back().sample.step_time;
  CHECK(bench.order(bench.run_id, "resume").empty());
  bench.until_step(0, "A1", static_cast<int>(bench.samples(bench.run_id).size()) + 3);
  CHECK(bench.cell_is_on());
  const auto rows = bench.samples(bench.run_id);
  CHECK(rows.back().sample.step == 0);
  CHECK(rows.back().sample.step_time > before);  // it goes on with what was left
  CHECK(bench.truth().back().pressure_MPa > 49);
  bool named = false;
  for (const auto& [id, act] : bench.reader().audit())
    named = named || (act.act == "reset" && act.who.starts_with("anna") && act.outcome == "granted" &&
                      act.reason == "the test says so");
  CHECK(named);
}

TEST_CASE("a press is tested by a named person once no run is on its station, not even a tripped one") {
  Charging bench;
  const auto refusal = [&] {
    return http::complaint(bench.post("/api/v1/stations/A1/press-test", {{"who", "anna"}, {"empty", "yes"}}));
  };
  const auto refused_for_the_run = [&](const std::string& why) {
    return why.find(bench.run_id + " is on A1; a press is tested when it is empty") != std::string::npos;
  };
  CHECK_MESSAGE(refused_for_the_run(refusal()), refusal());
  bench.sim("press A1 nan");
  bench.until_state("tripped");
  CHECK_MESSAGE(refused_for_the_run(refusal()), refusal());
  CHECK(bench.truth().back().pressure_MPa > 49);

  bench.sim("press A1 clear");
  CHECK(bench.order(bench.run_id, "abort").empty());
  bench.until_state("aborted");
  bench.sim("press A1 burst");
  until("the press is empty",
        [&] { return bench.truth().back().pressure_MPa < 0.01; });  // else the test soon fails
  bench.sim("press A1 clear");
  CHECK(bench.post("/api/v1/stations/A1/press-test", {{"empty", "yes"}}).status == 400);  // nobody's word
  CHECK(bench.post("/api/v1/stations/A1/press-test", {{"who", "anna"}, {"empty", "yes"}}).ok());
  CHECK(bench.station().at("press_test").at("state").as_string() == "running");
}

TEST_CASE("a press that stops answering opens the cell") {
  Charging bench;
  bench.sim("press A1 stall");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped press_stale"), bench.where().why);
  bench.open_for_good();
  const double after_s = bench.wall_between("press A1 stall", "script ended");
  MESSAGE("stall: cell open ", after_s * 1e3, " ms after the last answer (2 s are allowed to pass)");
  CHECK(after_s < 5);
  // Nothing depends on it any more: it does not hold up the others on its bus.
  until("the press is left alone for a while", [&] {
    const auto trouble = bench.station().at("press").at("trouble");
    return trouble.is_string() && trouble.as_string().find("left alone") != std::string_view::npos;
  });
}

TEST_CASE("a pressure that is no number opens the cell") {
  Charging bench;
  bench.sim("press A1 nan");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped pressure_bad"), bench.where().why);
  bench.open_for_good();
  MESSAGE("NaN: cell open ", bench.wall_between("press A1 nan", "script ended") * 1e3,
          " ms after the first NaN (three readings, 200 ms apart)");
  CHECK(bench.order(bench.run_id, "reset").find("the cause stands") != std::string::npos);
}

TEST_CASE("a press that runs away is vented, after the cell was opened") {
  Charging bench;
  bench.sim("press A1 runaway:rate=0.1");  // 10 MPa in each second of wire time
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped over_pressure"), bench.where().why);
  const Truth opened = bench.open_for_good();
  MESSAGE("runaway: cell open ", (opened.pressure_MPa - 51.0) / (0.1 * scale) * 1e3,
          " ms after the pressure left its band (two readings, 200 ms apart)");
  const std::string stands = bench.order(bench.run_id, "reset");
  CHECK_MESSAGE(stands.find("the cause stands") != std::string::npos, stands);
  bench.sim("press A1 clear");
  until(
      "the press is vented", [&] { return bench.sim("state").find(" press 0.") != std::string::npos; },
      [&] { return bench.sim("state"); });
}

TEST_CASE("a critical overload leaves the cell on, and the daemon opens it within a second") {
  Charging bench;
  bench.sim("fault A1 overload");
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped instrument_error"), bench.where().why);
  bench.open_for_good();
  const auto rows = bench.truth();
  std::optional<double> failed_s, opened_s;
  for (const Truth& row : rows) {
    if (row.cell_on && !row.script && !failed_s)
      failed_s = row.instrument_s;  // the script is gone, the cell on
    if (failed_s && !row.cell_on && !opened_s) opened_s = row.instrument_s;
  }
  REQUIRE(failed_s);
  REQUIRE(opened_s);
  const double left_on_s = (*opened_s - *failed_s) / scale;
  MESSAGE("overload 0032: the cell was left on for ", left_on_s * 1e3, " ms of wire time");
  CHECK(left_on_s < 1.0);
}
