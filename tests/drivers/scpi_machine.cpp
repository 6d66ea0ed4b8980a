// The simulated source-measure unit by itself, in literal questions and answers.
#include "drivers/sim/scpi_machine.h"

#include <doctest/doctest.h>

#include <sstream>

using namespace cambench;
using namespace cambench::sim;

namespace {

struct Unit {
  Cell cell{*cell_kind("degradation", "ncm-uncoated")};
  ScpiMachine machine{"2461", "01234567", 1};
  Unit() {
    machine.set_ideal(true);
    machine.connect(&cell);
    REQUIRE(machine.open_session());
  }
  std::string say(std::string_view line) {
    machine.receive(std::string(line) + "\n");
    std::string answer = machine.take_output();
    if (answer.ends_with('\n')) answer.pop_back();
    return answer;
  }
  int error() { return std::stoi(say(":SYST:ERR?")); }
  void pass(double seconds) { machine.advance(machine.now() + Seconds(seconds)); }
  double volt() const { return cell.leads(machine.current()).we_vs_re.value(); }
};

}  // namespace

TEST_CASE("it answers as the manual prints") {
  Unit unit;
  CHECK(unit.say("*IDN?") == "KEITHLEY INSTRUMENTS,MODEL 2461,01234567,1.7.12b");
  CHECK(unit.say("*LANG?") == "SCPI");
  CHECK(unit.say("*OPC?") == "1");
  CHECK(unit.say(":TRIG:STAT?") == "EMPTY;EMPTY;0");
  CHECK(unit.say(":SYSTEM:ERROR?").starts_with("0,"));
}

TEST_CASE("the power-on bit is seen once, and *CLS hides it") {
  Unit unit;
  CHECK(unit.say("*ESR?") == "128");
  CHECK(unit.say("*ESR?") == "0");
  unit.machine.power_cycle();
  REQUIRE(unit.machine.open_session());
  unit.say("*CLS");
  CHECK(unit.say("*ESR?") == "0");
}

TEST_CASE("errors queue in order, and a full queue says so") {
  Unit unit;
  unit.say(":NO:SUCH:THING 1");
  unit.say(":SOUR:VOLT");
  unit.say(":SOUR:VOLT 1000");
  CHECK(unit.error() == -113);
  CHECK(unit.error() == -109);
  CHECK(unit.error() == -222);
  CHECK(unit.error() == 0);
  unit.machine.fill_errors();
  CHECK(unit.machine.errors() == 1000);
  CHECK(unit.say(":SYST:ERR:COUN?") == "1000");
}

TEST_CASE("in a line of several commands what stands before a bad one is done, what follows is not") {
  Unit unit;
  unit.say(":SOUR:VOLT 1.5;:NONSENSE;:SOUR:VOLT 2.5");
  CHECK(unit.say(":SOUR:VOLT?") == "1.500000E+00");
}

TEST_CASE("a second question before the first is read interrupts it") {
  Unit unit;
  unit.machine.receive("*IDN?\n*LANG?\n");
  CHECK(unit.machine.take_output() == "SCPI\n");
  CHECK(unit.error() == -410);
}

TEST_CASE("NORMAL discharges the cell with the output off, high impedance does not") {
  Unit unit;
  unit.pass(60);
  const double discharged = unit.cell.charge().value();
  CHECK(discharged < 0);
  unit.say(":OUTP:VOLT:SMOD HIMP");
  unit.pass(0.001);
  const double before = unit.cell.charge().value();
  unit.pass(3600);
  CHECK(unit.cell.charge().value() == before);
}

TEST_CASE("a voltage source drives its limit and then holds") {
  Unit unit;
  for (const auto* line :
       {":OUTP:VOLT:SMOD HIMP", ":SOUR:FUNC VOLT", ":SOUR:VOLT 3.4", ":SOUR:VOLT:ILIM 0.0016",
        ":SENS:FUNC \"CURR\"", ":SENS:CURR:RSEN ON", ":SENS:CURR:RANG 0.01", ":OUTP ON"})
    unit.say(line);
  unit.pass(10);
  CHECK(unit.machine.current().value() == doctest::Approx(1.6e-3));
  for (int i = 0; i < 300; ++i) unit.pass(10);
  CHECK(unit.machine.current().value() < 1.6e-3);
  CHECK(unit.volt() == doctest::Approx(3.4).epsilon(1e-4));
}

TEST_CASE("a current source at 0 A whose limit lies below the cell discharges it") {
  Unit unit;
  for (const auto* line : {":OUTP:CURR:SMOD HIMP", ":SOUR:FUNC CURR", ":SOUR:CURR 0", ":SOUR:CURR:VLIM 1",
                           ":SENS:FUNC \"VOLT\"", ":OUTP ON"})
    unit.say(line);
  unit.pass(10);
  CHECK(unit.machine.current().value() < -1e-6);
  unit.say(":SOUR:CURR:VLIM 6");
  unit.pass(10);
  CHECK(unit.machine.current().value() == 0);
}

TEST_CASE("a trigger model measures, counts and switches off, and settings are refused meanwhile") {
  Unit unit;
  for (const auto* line :
       {":OUTP:CURR:SMOD HIMP", ":SOUR:FUNC CURR", ":SOUR:CURR:VLIM 6", ":SENS:FUNC \"VOLT\"",
        ":TRAC:MAKE \"b\",100", ":TRIG:LOAD \"Empty\"", ":TRIG:BLOC:BUFF:CLE 1,\"b\"",
        ":TRIG:BLOC:SOUR:STAT 2,ON", ":TRIG:BLOC:DEL:CONS 3,1", ":TRIG:BLOC:MEAS 4,\"b\"",
        ":TRIG:BLOC:BRAN:COUN 5,10,3", ":TRIG:BLOC:SOUR:STAT 6,OFF", ":TRIG:BLOC:BRAN:ALW 7,0"})
    unit.say(line);
  CHECK(unit.error() == 0);
  unit.say(":INIT");
  CHECK(unit.machine.output_on());
  unit.say(":SOUR:CURR 0.001");
  CHECK(unit.error() == -221);
  CHECK(unit.say("*OPC?").empty());  // blocks until the model has ended
  unit.pass(20);
  CHECK(unit.machine.take_output() == "1\n");
  CHECK(unit.say(":TRIG:STAT?") == "IDLE;IDLE;7");
  CHECK_FALSE(unit.machine.output_on());
  CHECK(unit.say(":TRAC:ACT? \"b\"") == "10");
  CHECK(unit.say(":TRAC:DATA? 2,2,\"b\",REL") == "1.060000E+00");  // 1 s and three periods of 20 ms
  unit.say(":TRAC:DATA? 2,11,\"b\",REL");
  CHECK(unit.error() == -222);
}

TEST_CASE("a full buffer throws new readings away, unless it runs on") {
  Unit unit;
  unit.say(":TRAC:MAKE \"b\",10");
  unit.say(":TRAC:MAKE \"b\",10");
  CHECK(unit.error() == 1115);
  SUBCASE("ONCE") {
    for (int i = 0; i < 15; ++i) unit.say(":READ? \"b\",READ");
    CHECK(unit.say(":TRAC:ACT:STAR? \"b\"") == "1");
    CHECK(unit.say(":TRAC:ACT:END? \"b\"") == "10");
  }
  SUBCASE("CONT") {
    unit.say(":TRAC:FILL:MODE CONT,\"b\"");
    for (int i = 0; i < 15; ++i) unit.say(":READ? \"b\",READ");
    CHECK(unit.say(":TRAC:ACT:STAR? \"b\"") == "6");
    CHECK(unit.say(":TRAC:ACT:END? \"b\"") == "15");
  }
}

TEST_CASE("one session at a time; one that died without a word stays until the dead socket is opened") {
  Unit unit;
  CHECK_FALSE(unit.machine.open_session());
  unit.machine.close_session(false);
  CHECK_FALSE(unit.machine.open_session());
  unit.machine.knock_at_dead_socket();
  CHECK(unit.machine.open_session());
}

TEST_CASE("every fault has a name by which it is switched on, and others are refused with the list") {
  Unit unit;
  std::istringstream lines{std::string(ScpiMachine::fault_names())};
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count)
    CHECK_MESSAGE(unit.machine.fault(line.substr(0, line.find(' ')), {}), line);
  CHECK(count == 15);
  const auto refused = unit.machine.fault("no_such_fault", {});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("sense_open") != std::string::npos);
  CHECK(unit.machine.faults.deaf);
  unit.machine.clear_faults();
  CHECK_FALSE(unit.machine.faults.deaf);
}

TEST_CASE("an answer that is asked for without a question is an error, on a bus that asks") {
  Unit unit;
  CHECK(unit.machine.read_message().empty());
  CHECK(unit.error() == -420);
}

TEST_CASE("the event log holds what the error queue holds, and what a log block said") {
  Unit unit;
  unit.say(":NO:SUCH:THING 1");
  for (const auto* line : {":TRIG:LOAD \"Empty\"", ":TRIG:BLOC:LOG:EVEN 1,INFO1,\"time limit\"", ":INIT"})
    unit.say(line);
  CHECK(unit.say(":SYST:EVEN:NEXT?").starts_with("-113,"));
  CHECK(unit.say(":SYST:EVEN:NEXT?").find("time limit") != std::string::npos);
  CHECK(unit.say(":SYST:EVEN:NEXT?").starts_with("0,"));
  CHECK(unit.error() == -113);
  CHECK(unit.error() == 0);
}

TEST_CASE("a trigger model branches at the source's limit and at *TRG") {
  Unit unit;
  for (const auto* line :
       {":OUTP:VOLT:SMOD HIMP", ":SOUR:FUNC VOLT", ":SOUR:VOLT 3.4", ":SOUR:VOLT:ILIM 0.0016",
        ":SENS:CURR:RSEN ON", ":TRIG:LOAD \"Empty\"", ":TRIG:BLOC:SOUR:STAT 1,ON", ":TRIG:BLOC:DEL:CONS 2,1",
        ":TRIG:BLOC:BRAN:EVEN 3,SLIM,2", ":TRIG:BLOC:DEL:CONS 4,1", ":TRIG:BLOC:BRAN:EVEN 5,COMM,7",
        ":TRIG:BLOC:BRAN:ALW 6,4", ":TRIG:BLOC:SOUR:STAT 7,OFF"})
    unit.say(line);
  CHECK(unit.error() == 0);
  unit.say(":INIT");
  unit.pass(10);
  CHECK(unit.say(":SOUR:VOLT:ILIM:TRIP?") == "1");
  for (int i = 0; i < 400; ++i) unit.pass(10);
  CHECK(unit.say(":SOUR:VOLT:ILIM:TRIP?") == "0");
  CHECK(unit.machine.running());
  unit.say("*TRG");
  unit.pass(2);
  CHECK_FALSE(unit.machine.running());
  CHECK_FALSE(unit.machine.output_on());
}
