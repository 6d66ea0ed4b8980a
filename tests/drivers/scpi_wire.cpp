// The SCPI dialect: literal replies from the manuals and the maker's examples, and the programs of a step.
#include <doctest/doctest.h>

#include <algorithm>

#include "drivers/wire/scpi.h"
#include "drivers/wire/scpi_program.h"

using namespace cambench;
using namespace cambench::wire::scpi;

namespace {

Rig rig_of(std::string_view model = "2450") {
  Rig rig;
  rig.model = *model_of(model);
  return rig;
}

// 0.4 mA to 4.2 V in 11 h at 1 s: the example of the reference, by method A.
PlannedStep charge() {
  PlannedStep s;
  s.index = 2;
  s.kind = PlannedStep::Kind::constant_current;
  s.current = from_mA(0.4);
  s.until_voltage = Volt(4.2);
  s.run_time = Seconds(39600);
  s.run_time_is_planned = false;
  s.guards = {{}, {}, Volt(4.3), Volt(2.0), {}};
  return s;
}

bool says(const Program& program, std::string_view line) {
  return std::ranges::find(program.lines, line) != program.lines.end();
}

Sample seen(double volt, double milliampere) {
  Sample s;
  s.cell = Volt(volt);
  s.current = from_mA(milliampere);
  return s;
}

}  // namespace

TEST_CASE("lines are put together from any pieces, and one without end is noticed") {
  Lines lines;
  CHECK(lines.feed("1\r\n0,\"No er"));
  CHECK(lines.next() == "1");
  CHECK_FALSE(lines.next());
  CHECK(lines.feed("ror;0,0,0\"\n"));
  CHECK(lines.next() == "0,\"No error;0,0,0\"");
  CHECK_FALSE(lines.feed(std::string(longest_line + 1, '7')));
}

TEST_CASE("9.9E37 and what is no number have no value") {
  CHECK(parse_number("3.700123E+00") == doctest::Approx(3.700123));
  CHECK(parse_number(" +1.0E-04 ") == doctest::Approx(1e-4));
  for (const auto* text : {"9.9E+37", "9.900000E+37", "-9.9E37", "NAN", "INF", "", "1.5 V", "1,2"})
    CHECK_FALSE(parse_number(text));
}

TEST_CASE("identities as the 2461's manual prints them") {
  const auto who = parse_identity("KEITHLEY INSTRUMENTS,MODEL 2461,01234567,1.0.0i");
  REQUIRE(who);
  CHECK(who->model == "2461");
  CHECK(who->serial == "01234567");
  CHECK(who->firmware == "1.0.0i");
  CHECK_FALSE(parse_identity("KEITHLEY INSTRUMENTS,MODEL 2461"));
  CHECK_FALSE(parse_identity(""));
}

TEST_CASE("of an error only the number is trusted") {
  CHECK(parse_error("0,\"No error;0,0,0\"")->number == 0);
  CHECK(parse_error("0,\"No error;0;0 0\"")->number == 0);
  CHECK(parse_error("-109,\"Missing parameter;1;2015/05/06 12:57:04.484\"")->number == -109);
  CHECK(parse_error("+1115,\"\"")->number == 1115);
  CHECK_FALSE(parse_error("No error"));
}

TEST_CASE("trigger states in their literal form") {
  CHECK(parse_trigger_state("IDLE;IDLE;9") == TriggerState::idle);
  CHECK(parse_trigger_state("RUNNING;RUNNING;4") == TriggerState::running);
  CHECK(parse_trigger_state("WAITING;WAITING;3") == TriggerState::running);
  CHECK(parse_trigger_state("EMPTY;EMPTY;0") == TriggerState::empty);
  CHECK_FALSE(parse_trigger_state("9"));
}

TEST_CASE("rows come in the number that was asked for, or not at all") {
  const std::string two = "3.7E+00,4.0E-04,0.0E+00,3.8E+00,9.9E+37,1.0E+00";
  const auto rows = parse_rows(two, 2);
  REQUIRE(rows);
  CHECK((*rows)[0].reading == doctest::Approx(4e-4));
  CHECK_FALSE((*rows)[1].reading);
  CHECK((*rows)[1].since_first == Seconds(1));
  CHECK_FALSE(parse_rows(two, 1));
  CHECK_FALSE(parse_rows(two, 3));
  CHECK_FALSE(parse_rows("3.7E+00,4.0E-04", 1));
  CHECK_FALSE(parse_rows("3.7E+00,4.0E-04,9.9E+37", 1));
}

TEST_CASE(
    "a charge by method A is the reference's, with limits that work under both readings of the manual") {
  const Program made = program(charge(), {"r000001", 2}, rig_of());
  CHECK(made.lines.front() == ":OUTP:VOLT:SMOD HIMP");
  for (const auto* line :
       {":SOUR:FUNC VOLT", ":SOUR:VOLT:PROT PROT5", ":SOUR:VOLT 4.2", ":SOUR:VOLT:ILIM 0.0004",
        ":SENS:FUNC \"CURR\"", ":SENS:CURR:RSEN 1", ":TRIG:BLOC:BRAN:LIM:CONS 7,BEL,0.00038,1.00038,10,6",
        ":TRIG:BLOC:BRAN:COUN 8,39599,5", ":TRIG:BLOC:SOUR:STAT 10,OFF", ":TRIG:BLOC:BRAN:ALW 11,0"})
    CHECK_MESSAGE(says(made, line), line);
  for (const std::string& line : made.lines) CHECK(line.find('?') == std::string::npos);
  CHECK(made.measures == Measures::current);
}

TEST_CASE("swapped leads and discharges turn every sign") {
  Rig rig = rig_of();
  PlannedStep discharge = charge();
  discharge.current = from_mA(-0.4);
  discharge.until_voltage = Volt(2.5);
  CHECK(says(program(discharge, {"r1", 2}, rig), ":TRIG:BLOC:BRAN:LIM:CONS 7,ABOV,-1.00038,-0.00038,10,6"));
  rig.polarity = -1;
  const Program swapped = program(discharge, {"r1", 2}, rig);
  CHECK(says(swapped, ":SOUR:VOLT -2.5"));
  CHECK(says(swapped, ":TRIG:BLOC:BRAN:LIM:CONS 7,BEL,0.00038,1.00038,10,6"));
  const Sample sample = sample_of({-2.7, 4e-4, Seconds(3)}, discharge, Measures::current, rig);
  CHECK(sample.cell == Volt(2.7));
  CHECK(sample.current == Ampere(-4e-4));
}

TEST_CASE("method B has its cutoff and both guards as branches, and a clamp above the cell") {
  Rig rig = rig_of();
  rig.charge = Method::current_source;
  const Program made = program(charge(), {"r1", 2}, rig);
  for (const auto* line : {":SOUR:CURR 0.0004", ":SOUR:CURR:VLIM 4.22", ":SENS:VOLT:RSEN 1",
                           ":TRIG:BLOC:BRAN:LIM:CONS 7,ABOV,3.2,4.2,11,6",
                           ":TRIG:BLOC:BRAN:LIM:CONS 8,OUTS,2,4.3,11,6", ":TRIG:BLOC:SOUR:STAT 11,OFF"})
    CHECK_MESSAGE(says(made, line), line);
}

TEST_CASE("the last row says why a program ended, or nothing does") {
  const Rig rig = rig_of();
  const PlannedStep step = charge();
  const auto shown = [&](const Sample& last, std::size_t rows) {
    return shown_by(last, rows, step, rig, 1000);
  };
  CHECK(shown(seen(4.199, 0.379), 500) == EndReason::planned);
  CHECK(shown(seen(4.0, 0.4), 500) == EndReason::unknown);   // went off in the middle
  CHECK(shown(seen(0.0, 0.0), 500) == EndReason::unknown);   // interlock: no current, but not at the cutoff
  CHECK(shown(seen(4.0, 0.4), 1000) == EndReason::timeout);  // all rows that the counter lets through
  CHECK(shown(Sample{}, 1) == EndReason::unknown);
  PlannedStep hold = step;
  hold.kind = PlannedStep::Kind::constant_voltage;
  hold.voltage = Volt(4.2);
  hold.until_voltage.reset();
  hold.until_current = from_mA(0.05);
  CHECK(shown_by(seen(4.2, 0.049), 10, hold, rig, 1000) == EndReason::planned);
  CHECK(shown_by(seen(4.2, 0.2), 10, hold, rig, 1000) == EndReason::unknown);
}

TEST_CASE("what is beyond the instrument is refused with the reason") {
  const Rig rig = rig_of();
  CHECK_FALSE(beyond(charge(), rig));
  PlannedStep step = charge();
  SUBCASE("current") { step.current = Ampere(2); }
  SUBCASE("no current") { step.current = Ampere(0); }
  SUBCASE("potential") { step.until_voltage = Volt(11); }
  SUBCASE("not a number") { step.until_voltage = Volt(NAN); }
  SUBCASE("cutoff behind its guard") { step.until_voltage = Volt(4.35); }
  SUBCASE("guards the wrong way round") { std::swap(step.guards.cell_max, step.guards.cell_min); }
  SUBCASE("no time limit") { step.run_time = Seconds(0); }
  SUBCASE("too many rows") {
    step.run_time = Seconds(2e6);
    step.sampling = Seconds(0.1);
  }
  SUBCASE("limits on the potential that is not measured") { step.limit_on = LimitOn::we_vs_re; }
  SUBCASE("two potentials") { step.guards.we_max = Volt(4); }
  CHECK(beyond(step, rig));
}

TEST_CASE("settings that are read back may come in any notation, and PROT2 is not PROT20") {
  CHECK(agrees({":SOUR:VOLT?", "4.2"}, "4.200000E+00"));
  CHECK_FALSE(agrees({":SOUR:VOLT?", "4.2"}, "4.210000E+00"));
  CHECK_FALSE(agrees({":SOUR:VOLT?", "4.2"}, "9.9E+37"));
  CHECK(agrees({":SOUR:FUNC?", "VOLT"}, "VOLTAGE"));
  CHECK(agrees({":OUTP:VOLT:SMOD?", "HIMP"}, "HIMP"));
  CHECK_FALSE(agrees({":OUTP:VOLT:SMOD?", "HIMP"}, "NORM"));
  CHECK_FALSE(agrees({":SOUR:VOLT:PROT?", "PROT2"}, "PROT20"));
}

TEST_CASE("a buffer's name says whose it is, wherever it is quoted") {
  CHECK(buffer_name({"r000001", 17}, Seconds(5760)) == "cb_r000001_17_5760");
  CHECK(marker_in("4) MEASURE  BUFFER: cb_r000001_17_5760  COUNT: 1") == Marker{"r000001", 17});
  CHECK(buffer_in("4) MEASURE  BUFFER: cb_r000001_17_5760  COUNT: 1") == "cb_r000001_17_5760");
  for (const auto* line : {"4) MEASURE  BUFFER: defbuffer1", "cb_", "cb_R1_2", "cb_r1_", "cb__3"}) {
    CHECK_FALSE(marker_in(line));
    CHECK(buffer_in(line).empty());
  }
}
