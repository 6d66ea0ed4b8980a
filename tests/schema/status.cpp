#include "schema/status.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>

#include "schema/json.h"

using namespace cambench;
using namespace std::chrono_literals;

namespace {

boost::json::object parsed(const std::string& text) { return boost::json::parse(text).as_object(); }

Status with(const status::Station& station) {
  Status bench;
  bench.now = std::chrono::sys_days(2026y / 11 / 22) + 13h;
  bench.stations = {station};
  return bench;
}

}  // namespace

TEST_CASE("whatever a text holds, what is written is JSON: bytes that are no UTF-8 become U+FFFD") {
  const auto written = [](std::string_view text) {
    JsonWriter json;
    json.value(text);
    return json.take();
  };
  const std::string gone = "\xEF\xBF\xBD";
  CHECK(written("3.6 V, \xC2\xB5"
                "A, \xE2\x82\xAC, \xF0\x9F\x94\x8B") ==
        "\"3.6 V, \xC2\xB5"
        "A, \xE2\x82\xAC, \xF0\x9F\x94\x8B\"");
  CHECK(written("a\xFF"
                "b") == '"' + ("a" + gone + "b\""));
  CHECK(written("\xC2") == '"' + (gone + '"'));                                   // ends in the middle
  CHECK(written("\xC0\xAF") == '"' + (gone + gone + '"'));                        // a long way to write '/'
  CHECK(written("\xED\xA0\x80") == '"' + (gone + gone + gone + '"'));             // half of a pair of UTF-16
  CHECK(written("\xF4\x90\x80\x80") == '"' + (gone + gone + gone + gone + '"'));  // beyond U+10FFFF
}

TEST_CASE("a reading is there while it is fresh, and gone with its reason once it is old") {
  const Stamp heard{Instant(100s), WallTime(100s)};
  const std::optional<Volt> volt(3.612);
  const auto fresh = status::reading(volt, heard, Instant(101s), 2s);
  CHECK(fresh.value == Volt(3.612));
  CHECK(fresh.quality == status::Quality::good);
  CHECK(fresh.age == Seconds(1));

  const auto old = status::reading(volt, heard, Instant(103s), 2s);
  CHECK_FALSE(old.value.has_value());
  CHECK(old.quality == status::Quality::stale);
  CHECK(old.age == Seconds(3));

  const auto overloaded = status::reading(volt, heard, Instant(101s), 2s, true);
  CHECK_FALSE(overloaded.value.has_value());
  CHECK(overloaded.quality == status::Quality::bad);

  const auto two_electrodes = status::reading(std::optional<Volt>(), heard, Instant(101s), 2s);
  CHECK(two_electrodes.quality == status::Quality::absent);
}

TEST_CASE("a pressure that comes with a trouble is no pressure") {
  PressureSample sample{MegaPascal(50), MegaPascal(50), "", {Instant(10s), WallTime(10s)}};
  CHECK(status::pressure_reading(sample, Instant(11s), 2s).value == MegaPascal(50));
  sample.trouble = "the sensor reports a broken wire";
  CHECK(status::pressure_reading(sample, Instant(11s), 2s).quality == status::Quality::bad);
  sample = {std::nullopt, MegaPascal(50), "", {Instant(10s), WallTime(10s)}};
  CHECK(status::pressure_reading(sample, Instant(11s), 2s).quality == status::Quality::bad);
}

TEST_CASE("in the document a stale number is null and says so") {
  status::Station station;
  station.name = "A1";
  station.we_vs_re = {Volt(3.612), status::Quality::good, Seconds(0.25)};
  station.pressure = {std::nullopt, status::Quality::stale, Seconds(12)};
  const auto shown = parsed(to_json(with(station))).at("stations").as_array().at(0).as_object();
  CHECK(shown.at("we_vs_re_V").as_double() == 3.612);
  CHECK(shown.at("we_vs_re_quality") == "good");
  CHECK(shown.at("we_vs_re_age_s").as_double() == 0.25);
  CHECK(shown.at("pressure_MPa").is_null());
  CHECK(shown.at("pressure_quality") == "stale");
  CHECK(shown.at("cell_V").is_null());
  CHECK(shown.at("cell_quality") == "absent");
  CHECK(shown.at("cell_open").is_null());
  CHECK(shown.at("run").is_null());
}

TEST_CASE("the document reads back as it was filled") {
  status::Station station;
  station.name = "A \"1\"\n";
  station.press = status::Instrument{"modbus", "m", "p", "s", "f", true, false, "no answer \\ in 0.5 s", 7};
  station.run = status::Run{.id = "r000001", .recipe = "rate-test-3e", .cell = "R-1", .state = "held"};
  station.run->progress = 0.5;
  station.run->one_C = from_mA(1.608);
  station.run->step = status::Step{3, 33, 1, "charge 0.1 C", "constant_current", Seconds(60)};
  auto bench = with(station);
  bench.revision = 9007199254740991;  // the largest that a script's double can hold
  bench.alarms = {
      {7, bench.now, std::nullopt, command::Severity::alarm, "pressure_low", "46 MPa", "A1", "", "", {}}};
  bench.studies = {
      {"coatings", "Coatings", "scored", "", 2, bench.now, {{"QS_0", "capacity", true}}, {}, {"x: bad"}}};
  bench.studies[0].materials = {
      {"ncm", "NCM", "none", 0, true, {{.axis = "QS_0", .value = 1.0}}, "radar_ncm.svg"}};

  const auto root = parsed(to_json(bench));
  CHECK(root.at("revision").as_int64() == 9007199254740991);
  CHECK(root.at("now") == "2026-11-22T13:00:00.000Z");
  CHECK(root.at("now_ms").as_int64() == 1795352400000);
  const auto& shown = root.at("stations").at(0).as_object();
  CHECK(shown.at("name") == "A \"1\"\n");
  CHECK(shown.at("press").at("trouble") == "no answer \\ in 0.5 s");
  CHECK(shown.at("press").at("errors") == 7);
  CHECK(shown.at("press").at("ok") == 0);
  CHECK(shown.at("press").at("longest_io_s") == 0);
  CHECK(shown.at("potentiostat").is_null());
  CHECK(shown.at("run").at("one_C_A").as_double() == 0.001608);
  CHECK(shown.at("run").at("step").at("label") == "charge 0.1 C");
  CHECK(shown.at("run").at("time_left_s").is_null());
  CHECK(root.at("alarms").at(0).at("severity") == "alarm");
  CHECK(root.at("studies").at(0).at("materials").at(0).at("scores").at("QS_0").at("value") == 1);
  CHECK(root.at("studies").at(0).at("problems").at(0) == "x: bad");
}

TEST_CASE("a station's row is flat and has every key, with a run and without") {
  status::Station idle, busy;
  idle.name = "A1";
  busy.name = "A2";
  busy.run = status::Run{.id = "r000001", .state = "running"};
  auto bench = with(idle);
  bench.stations.push_back(busy);
  const auto rows = boost::json::parse(stations_json(bench)).as_array();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at("state") == "idle");
  CHECK(rows[1].at("state") == "running");
  CHECK(rows[0].as_object().size() == rows[1].as_object().size());
  for (const auto& member : rows[1].as_object()) {
    CHECK_FALSE(member.value().is_object());
    CHECK_FALSE(member.value().is_array());
  }
}

TEST_CASE("JSON numbers are short, exact and finite, texts are escaped") {
  JsonWriter json;
  json.array()
      .value(3.612)
      .value(0.1 + 0.2)
      .value(50.0)
      .value(1e-12)
      .value(std::nan(""))
      .value(true)
      .value(-3);
  json.value("\"\\\x01 µ").value(std::optional<double>()).object().end_object().end_array();
  CHECK(json.text() == R"([3.612,0.30000000000000004,50,1e-12,null,true,-3,"\"\\\u0001 µ",null,{}])");
}

TEST_CASE("times are RFC 3339 in UTC, before 1970 as well") {
  CHECK(rfc3339(from_unix_ms(1795352400007)) == "2026-11-22T13:00:00.007Z");
  CHECK(rfc3339(from_unix_ms(-1)) == "1969-12-31T23:59:59.999Z");
  CHECK(unix_ms(from_unix_ms(-1)) == -1);
}
