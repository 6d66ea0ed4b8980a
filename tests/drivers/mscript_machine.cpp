// The simulated MethodSCRIPT instrument. Literal bytes: the maker's published examples (python/docs of palmsens-sdk,
// Example_C and Example_Python of MethodSCRIPT_Examples) and the "EmStat4 communication protocol V1.3".
#include "drivers/sim/mscript_machine.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "drivers/sim/mscript_script.h"

using namespace cambench;
using namespace cambench::sim;

namespace {

/// An instrument with a half-charged cell on its leads; ideal unless a test wants its errors.
struct Bench {
  explicit Bench(Model model = Model::emstat4_hr) : machine(model, "ES4HR20B0001", 1) {
    machine.set_ideal(true);
    cell.hold_current(from_mA(0.4), Seconds(2 * 3600));
    cell.hold_current(Ampere(0.0), Seconds(3600));
    machine.connect(&cell);
  }
  /// Says something, lets some instrument time pass, and returns what came back.
  std::string ask(std::string_view bytes, double seconds = 1.0) {
    machine.receive(bytes);
    return listen(seconds);
  }
  std::string listen(double seconds) {
    machine.advance(machine.now() + Seconds(seconds));
    return machine.take_output();
  }

  Cell cell{*cell_kind("rate", "ncm-uncoated")};
  MscriptMachine machine;
};

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    all.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}
std::size_t packets(const std::string& text) {
  const auto all = lines(text);
  return static_cast<std::size_t>(
      std::ranges::count_if(all, [](const auto& line) { return line.starts_with('P'); }));
}

/// The number in one variable of a packet, by the rule of the manual and not by the machine's own code.
double number_of(const std::string& packet, std::string_view variable) {
  const std::size_t at = packet.find(variable);
  REQUIRE(at != std::string::npos);
  const double count = static_cast<double>(std::stol(packet.substr(at + 2, 7), nullptr, 16) - 0x8000000);
  const std::string prefixes = "afpnum kMGTPE";
  const std::size_t prefix = prefixes.find(packet[at + 9]);
  REQUIRE(prefix != std::string::npos);
  return count * std::pow(10.0, 3.0 * static_cast<double>(prefix) - 18.0);
}

std::string packet_value(double number, std::string_view type, int range = -1, std::uint8_t status = 0) {
  std::string text;
  script::append_value(text, {number, script::type(type), false, status, static_cast<std::int16_t>(range)});
  return text;
}

/// Galvanostat at 0.4 mA, 1 s points, cutoff and guards in the instrument, cell off at the end.
std::string charge(const std::string& seconds = "39600", const std::string& extra = "") {
  return "e\nvar t\nvar p\nvar c\nvar m\nvar f\nset_pgstat_chan 0\nset_pgstat_mode 6\nset_max_bandwidth "
         "5850m\n"
         "set_range_minmax ab 2000m 4500m\nset_autoranging ab 2000m 4500m\nset_range db 400u\nset_i "
         "0\ncell_on\n"
         "timer_start\nmeas_loop_cp p c 400u 1 " +
         seconds +
         " add_meas(0 ba m) add_meas(0 ag f)\n"
         "timer_get t\npck_start\npck_add t\npck_add p\npck_add c\npck_add m\npck_add f\npck_end\n" +
         extra +
         "if p >= 4200m\nsend_string \"END upper\"\nbreakloop\nendif\n"
         "if f >= 4350m\nsend_string \"GUARD cell\"\nbreakloop\nendif\n"
         "if p <= 1500m\nsend_string \"GUARD lower\"\nbreakloop\nendif\nendloop\non_finished:\ncell_off\n\n";
}
const std::string off_script = "e\nset_pgstat_chan 0\ncell_off\n\n";

}  // namespace

TEST_CASE("numbers are written as real instruments wrote them") {
  CHECK(packet_value(-0.499905, "da") == "da7F85F3Fu");
  CHECK(packet_value(-57.847747e-6, "ba", 0x88) == "ba48D503Dp,10,288");
  CHECK(packet_value(0.099994392, "da") == "daDF5CB18n");
  CHECK(packet_value(23.699316e-6, "ba", 0x18, 4) == "ba9699F74p,14,218");
  CHECK(packet_value(22.481974, "eb") == "eb9570C36u");
  CHECK(packet_value(99.999732, "dc") == "dcDF5DFF4u");
  CHECK(packet_value(2.799987e-9, "ba", 0x84, 4) == "ba82AB973f,14,284");
  CHECK(packet_value(3.7, "ab") == "ab8387520u");
  CHECK(packet_value(4.2, "ab") == "ab8401640u");
  CHECK(packet_value(2.5, "ab") == "ab82625A0u");
  CHECK(packet_value(4e-3, "db") == "db83D0900n");
  CHECK(packet_value(-4e-3, "db") == "db7C2F700n");
  CHECK(packet_value(0.4e-3, "db") == "db8061A80n");
  CHECK(packet_value(0.1e-3, "db") == "dbDF5E100p");
  CHECK(packet_value(10, "eb") == "eb8989680u");
  CHECK(packet_value(3600, "eb") == "eb836EE80m");
  CHECK(packet_value(0, "eb") == "eb8000000a");
  CHECK(packet_value(std::nan(""), "ab") == "ab     nan");
}

TEST_CASE("idle commands are answered in their literal formats") {
  Bench lr(Model::emstat4_lr);
  CHECK(lr.ask("t\n") == "tes4_lr1500#Mar 12 2026 14:28:01\nR*\n");
  CHECK(Bench(Model::emstat_pico).ask("t\n") == "tespico1304#Oct 22 2021 14:38:26\nR*\n");
  Bench hr;
  CHECK(hr.ask("t\n").starts_with("tes4_hr"));
  CHECK(Bench(Model::nexus).ask("t\n").starts_with("tnexus1"));
  CHECK(Bench(Model::multi_emstat4_hr).ask("t\n").starts_with("tmes4hr"));
  CHECK(hr.ask("i\n") == "iES4HR20B0001\n");
  CHECK(hr.ask("v\n") == "v01.09.00\n");
  CHECK(hr.ask("\n") == "\n");
  CHECK(hr.ask("Z\n") == "Z!0006\n");
  CHECK(hr.ask("r\n") == "r!000C\n");
  CHECK(hr.ask("nonsense\n") == "n!0003\n");
  CHECK(hr.ask("m\n") == "m!0048\n");
  CHECK(hr.ask("G10\n") == "G!0004\n");
}

TEST_CASE("capabilities are C and 64 hex digits; the Pico has no galvanostat") {
  const auto bit = [](const std::string& reply, int number) {
    REQUIRE(reply.size() == 1 + 64 + 1);
    REQUIRE(reply[0] == 'C');
    const auto digit = static_cast<std::size_t>(64 - number / 4);
    return (std::stoi(reply.substr(digit, 1), nullptr, 16) >> (number % 4) & 1) == 1;
  };
  Bench hr, pico(Model::emstat_pico);
  const std::string cm = hr.ask("CM\n"), cc = hr.ask("CC\n"), pico_cm = pico.ask("CM\n");
  for (const int known : {30, 32, 36, 38, 39, 40, 41, 42, 50, 52, 62, 63, 64, 65, 66, 67, 68, 79, 91, 92})
    CHECK(bit(cm, known));
  CHECK(!bit(cm, 31));  // impedance is not interpreted, so it is not claimed
  CHECK(!bit(pico_cm, 67));
  CHECK(!bit(pico_cm, 68));
  CHECK(bit(pico_cm, 28));
  for (const int known : {32, 33, 36, 37, 38, 48, 49, 96, 97, 98, 99}) CHECK(bit(cc, known));
  CHECK(pico.ask("e\nvar p\nvar c\nmeas_loop_cp p c 400u 1 10\nendloop\n\n") == "e!4001: Line 3, Col 13\n");
}

TEST_CASE("every model has its own name, limits, ranges and abilities") {
  struct Known {
    Model model;
    std::string_view device;
    double most_V, most_A;
    int range_of_1_mA;
    bool multi_channel;
  };
  for (const Known& known : {Known{Model::emstat4_hr, "es4_hr", 6, 0.2, 0x15, false},
                             Known{Model::emstat4_lr, "es4_lr", 3, 0.03, 0x15, false},
                             Known{Model::multi_emstat4_hr, "mes4hr", 6, 0.2, 0x15, true},
                             Known{Model::multi_emstat4_lr, "mes4lr", 3, 0.03, 0x15, true},
                             Known{Model::nexus, "nexus1", 10, 1, 38, false}}) {
    Bench bench(known.model);
    CAPTURE(known.device);
    CHECK(bench.ask("t\n").substr(1, 6) == known.device);
    CHECK(model_named(bench.machine.model_name()) == known.model);
    CHECK((bench.ask("m\n") == "m!0048\n") != known.multi_channel);
    const auto range = [&](std::string_view of, double value) {
      return bench.ask(fmt::format("e\nset_pgstat_mode 6\nset_range {} {:.0f}u\n\n", of, value * 1e6));
    };
    CHECK(range("db", known.most_A) == "e\n\n");
    CHECK(range("db", 1.01 * known.most_A).starts_with("e\n!4206"));
    CHECK(range("ab", known.most_V) == "e\n\n");
    CHECK(range("ab", 1.01 * known.most_V).starts_with("e\n!4206"));
    const std::string row = bench.ask(
        "e\nvar p\nvar c\nvar m\nset_pgstat_mode 6\nset_range db 1m\nset_i 0\ncell_on\n"
        "meas_loop_cp p c 400u 1 1 add_meas(0 ba m)\npck_start\npck_add m\npck_end\nendloop\n"
        "on_finished:\ncell_off\n\n",
        3);
    CHECK_MESSAGE(row.find(fmt::format(",10,2{:02X}\n", known.range_of_1_mA)) != std::string::npos, row);
  }
  CHECK_FALSE(model_named("EmStat5"));
}

TEST_CASE("the published text examples come out byte for byte") {
  Bench bench;
  CHECK(bench.ask("e\nsend_string \"Hello world!\"\n\n") == "e\nTHello world!\n\n");
  CHECK(bench.ask("e\ninvalid_command\n\n") == "e!4001: Line 1, Col 16\n");
  CHECK(bench.ask("l\nsend_string \"Hello world!\"\n\n") == "l\n");
  CHECK(bench.ask("r\n") == "r\nTHello world!\n\n");
}

TEST_CASE("a charge step comes out as designed: framing, set and measured current, cutoff, empty line") {
  Bench bench;
  const std::string first = bench.ask(charge(), 1.5);
  const auto begin = lines(first);
  REQUIRE(begin.size() == 4);
  CHECK(begin[0] == "e");
  CHECK(begin[1] == "M000A");
  CHECK(begin[2].starts_with("Peb8000000a;ab8"));
  CHECK(begin[3].starts_with("Peb80F4240u;ab8"));
  CHECK(begin[2].find(";db8061A80n;ba8061A80n,10,215;ag") !=
        std::string::npos);  // a set value has no metadata
  CHECK(begin[2].ends_with(",10,204"));
  CHECK(number_of(begin[2], "ab") == doctest::Approx(bench.machine.leads()->we_vs_re.value()).epsilon(0.01));
  CHECK(bench.machine.cell_on());

  const auto rest = lines(bench.listen(39600));
  REQUIRE(rest.size() > 4);
  CHECK(number_of(rest[rest.size() - 4], "ab") >= 4.2);
  CHECK(number_of(rest[rest.size() - 5], "ab") < 4.2);
  CHECK(rest[rest.size() - 3] == "TEND upper");
  CHECK(rest[rest.size() - 2] == "*");
  CHECK(rest[rest.size() - 1].empty());
  CHECK(!bench.machine.cell_on());
  CHECK(!bench.machine.running());
}

TEST_CASE(
    "the truth of a step is kept: how often the cell was switched, and between which potentials it was on") {
  Bench bench;
  CHECK(!bench.machine.take_extremes());
  const Volt before = bench.machine.leads()->we_vs_re;
  bench.ask(charge(), 39600);
  CHECK(bench.machine.switches() == 2);
  const auto extremes = bench.machine.take_extremes();
  REQUIRE(extremes);
  CHECK(extremes->lowest == before);
  CHECK(extremes->highest >= Volt(4.2));
  CHECK(extremes->highest < Volt(4.201));
  CHECK(!bench.machine.take_extremes());
}

TEST_CASE("run_time ends a step by itself: a star and no word, and the cell is off") {
  Bench bench;
  const std::string all = bench.ask(charge("10"), 20);
  CHECK(packets(all) == 10);
  CHECK(all.ends_with("\n*\n\n"));
  CHECK(all.find("\nT") == std::string::npos);
  CHECK(!bench.machine.cell_on());
  CHECK(bench.machine.now() == Seconds(20));
}

TEST_CASE("the first point comes at once, or after one interval") {
  Bench bench;
  bench.machine.unsettled.first_point_at_zero = false;
  const std::string all = bench.ask(charge("10"), 20);
  CHECK(packets(all) == 10);
  CHECK(all.starts_with("e\nM000A\nPeb80F4240u;"));
}

TEST_CASE("a rest measures with the cell off, WE against RE and against CE") {
  Bench bench;
  const auto all =
      lines(bench.ask("e\nvar p\nvar f\nvar t\ncell_off\nmeas_loop_ocp p 10 30 add_meas(0 ag f) "
                      "time(t)\npck_start\npck_add t\n"
                      "pck_add p\npck_add f\npck_end\nendloop\n\n",
                      60));
  REQUIRE(all.size() == 7);
  CHECK(all[1] == "M000B");
  CHECK(all[2].starts_with("Peb8000000a;ab"));
  CHECK(all[4].starts_with("Peb9312D00u;ab"));  // 20 s
  CHECK(number_of(all[4], "ab") - number_of(all[4], "ag") == doctest::Approx(0.622 - 0.31).epsilon(1e-4));
  CHECK(all[5] == "*");
}

TEST_CASE("a held potential gives its set value and the measured current") {
  Bench bench;
  const auto all = lines(bench.ask(
      "e\nvar p\nvar c\nset_pgstat_mode 2\nset_range da 4\nset_range ba 10m\nset_autoranging ba 100u 10m\n"
      "set_e 3700m\ncell_on\nmeas_loop_ca p c 3700m 1 5\npck_start\npck_add p\npck_add c\npck_end\n"
      "if c <= 10u\nbreakloop\nendif\nendloop\non_finished:\ncell_off\n\n",
      10));
  REQUIRE(all.size() == 9);
  CHECK(all[1] == "M0007");
  CHECK(all[3].starts_with("Pda8387520u;ba"));
  CHECK(number_of(all[3], "ba") > number_of(all[6], "ba"));
  CHECK(number_of(all[6], "ba") > 0.0);
}

TEST_CASE("Z is acknowledged before the cell is open; then the loop ends and on_finished: runs") {
  Bench bench;
  bench.ask(charge(), 10.5);
  CHECK(bench.ask("Z\n", 0.0) == "Z\n");
  CHECK(bench.machine.cell_on());
  CHECK(bench.listen(0.1) == "*\n\n");
  CHECK(!bench.machine.cell_on());
  CHECK(bench.ask("Z\n") == "Z!0006\n");
}

TEST_CASE("Z can take until the next sample, and can be slow") {
  Bench bench;
  bench.machine.unsettled.abort_waits_for_sample = true;
  bench.ask(charge(), 10.5);
  CHECK(bench.ask("Z\n", 0.2) == "Z\n");
  CHECK(bench.machine.cell_on());
  CHECK(bench.listen(0.5) == "*\n\n");

  Bench slow;
  REQUIRE(slow.machine.fault("slow_z", {"s=3"}));
  slow.ask(charge(), 10.5);
  const auto said = lines(slow.ask("Z\n", 5));
  CHECK(std::ranges::count(said, "Z") == 1);
  CHECK(said[0].starts_with('P'));
  CHECK(said.back().empty());
  CHECK(!slow.machine.cell_on());
}

TEST_CASE("Y ends the measurement loop only, h halts with the cell polarised, H goes on") {
  Bench bench;
  bench.ask(
      "e\nvar p\nvar c\nset_pgstat_mode 6\nset_range db 1m\ncell_on\nmeas_loop_cp p c 100u 1 100\npck_start\n"
      "pck_add p\npck_end\nendloop\nsend_string \"after\"\nwait 5\non_finished:\ncell_off\n\n",
      3.5);
  CHECK(bench.ask("h\n", 50) == "h\n");
  CHECK(bench.machine.cell_on());
  CHECK(packets(bench.ask("H\n", 2.0)) == 2);  // 47 s later, and nothing was skipped
  CHECK(bench.ask("Y\n", 1.0) == "Y\n*\nTafter\n");
  CHECK(bench.machine.cell_on());
  CHECK(bench.listen(5.0) == "\n");
}

TEST_CASE("firmware may be asked for during a run; other commands may not") {
  Bench bench;
  bench.ask(charge(), 0.5);
  CHECK(bench.ask("t\n", 0.1) == "tes4_hr1500#Mar 12 2026 14:28:01\nR*\n");
  CHECK(bench.ask("i\n", 0.1) == "i!0006\n");
  CHECK(bench.ask("\n", 0.1).empty());
  bench.machine.unsettled.blank_answers_blank_running = true;
  CHECK(bench.ask("\n", 0.1) == "\n");
}

TEST_CASE("loops, branches, arrays and f-strings do what they say") {
  Bench bench;
  CHECK(
      bench.ask(
          "e\nvar n\nvar x # a comment\narray a 3i\nstore_var n 0i ja\nloop n < 3i\n  store_var a[n] 5m ab\n"
          "  add_var n 1i\n  if n == 1i\n    send_string \"one\"\n  elseif n == 2i\n    send_string \"two\"\n"
          "  else\n    send_string f\"n={n} a={a[2i]} V\"\n  endif\nendloop\nmean a x\nmul_var x 2\n"
          "pck_start\npck_add x\npck_add n\npck_end\n\n") ==
      "e\nL\nTone\nTtwo\nTn=3 a=0.005 V\n+\nPab8989680n;ja8000003i\n\n");
  CHECK(bench.ask(
            "e\nvar n\nstore_var n 0i ja\nloop n < 10i\nadd_var n 1i\nif n >= 2i\nbreakloop\nendif\nendloop\n"
            "pck_start\npck_add n\npck_end\n\n") == "e\nL\n+\nPja8000002i\n\n");
  CHECK(bench.ask("e\nsend_string \"a\"\nabort\nsend_string \"b\"\non_finished:\nsend_string \"c\"\n\n") ==
        "e\nTa\nTc\n\n");
}

TEST_CASE("waits and timers run on the instrument's clock") {
  Bench bench;
  CHECK(bench.ask("e\nvar t\ntimer_start\nwait 2500m\ntimer_get t\npck_start\npck_add t\npck_end\n\n", 2.0) ==
        "e\n");
  CHECK(bench.listen(0.5) == "Peb82625A0u\n\n");
}

TEST_CASE("every refusal of a script names its line and the column after the offending word") {
  const std::pair<std::string, std::string> cases[] = {
      {"var a\nbogus 1\n", "e!4001: Line 2, Col 6\n"},
      {"var a\nstore_var a 4.2 ab\n", "e!4039: Line 2, Col 16\n"},
      {"var a\nstore_var b 4 ab\n", "e!420B: Line 2, Col 12\n"},
      {"var a\nvar a\n", "e!4026: Line 2, Col 6\n"},
      {"var A\n", "e!402B: Line 1, Col 6\n"},
      {"var a\nstore_var a 4 ab 5\n", "e!420A: Line 2, Col 19\n"},
      {"var a\nstore_var a 4 x\n", "e!4209: Line 2, Col 16\n"},
      {"var a\nif a > 1\n", "e!4018: Line 3, Col 1\n"},
      {"var a\nif a > 1\nendloop\n", "e!400E: Line 3, Col 8\n"},
      {"breakloop\n", "e!400E: Line 1, Col 10\n"},
      {"var p\nvar c\nmeas_loop_cp p c 1m 1 5\nmeas_loop_ocp p 1 5\nendloop\nendloop\n",
       "e!400B: Line 4, Col 14\n"},
      {"var p\nmeas_loop_ocp p 1 5 hurry(1)\nendloop\n", "e!4008: Line 2, Col 26\n"},
      {"var p\nvar f\nmeas_loop_ocp p 1 5 add_meas(0 ab f)\nendloop\n", "e!005B: Line 3, Col 36\n"},
      {"array a 3i\nstore_var a[3i] 1 ab\n", "e!400F: Line 2, Col 16\n"},
      {"var p\nvar c\nmeas_loop_cp p c 1m 1 5\nset_i 1m\nendloop\n", "e!4033: Line 4, Col 6\n"},
      {"var p\nvar c\nmeas_loop_ca p c 1m 1 5\nset_e 1\nendloop\n", "e!4032: Line 4, Col 6\n"},
      {"send_string \"open\n", "e!4004: Line 1, Col 18\n"}};
  for (const auto& [script, reply] : cases) {
    INFO(script);
    Bench bench;
    CHECK(bench.ask("e\n" + script + "\n") == reply);
    CHECK(!bench.machine.running());
  }
}

TEST_CASE("errors of a run name their line, leave the cell as it is, and end with an empty line") {
  const std::string cp = "var p\nvar c\nset_pgstat_mode 6\nset_range db 1m\n";
  const std::pair<std::string, std::string> cases[] = {
      {cp + "set_i 0\nmeas_loop_cp p c 100u 1 5\nendloop\n", "!4027: Line 6"},
      {cp + "cell_on\nmeas_loop_ocp p 1 5\nendloop\n", "!0014: Line 6"},
      {cp + "cell_on\nmeas_loop_cp p c 100u 1 0\nendloop\n", "!4029: Line 6"},
      {cp + "cell_on\nmeas_loop_cp p c 100u 0 5\nendloop\n", "!4204: Line 6"},
      {cp + "cell_on\nmeas_loop_cp p c 50m 1 5\nendloop\n", "!4205: Line 6"},
      {cp + "cell_on\nmeas_loop_ca p c 1 1 5\nendloop\n", "!0023: Line 6"},
      {"set_pgstat_mode 6\nset_range db 500m\n", "!4206: Line 2"},
      {"set_pgstat_mode 5\n", "!0021: Line 1"},
      {"set_pgstat_chan 1\n", "!002F: Line 1"},
      {"cell_on\n", "!0023: Line 1"},
      {"var a\npck_add a\n", "!401B: Line 2"},
      {"var a\nstore_var a 1 ab\ndiv_var a 0\n", "!0028: Line 3"},
      {"var a\nstore_var a 1i ja\nadd_var a 1\n", "!4207: Line 3"},
      {"array a 3i\nvar n\nstore_var n 7i ja\nstore_var a[n] 1 ab\n", "!400F: Line 4"},
      {"set_script_output 2\n", "!403B: Line 1"},
      {"set_script_output 7\n", "!403C: Line 1"}};
  for (const auto& [script, error] : cases) {
    INFO(script);
    Bench bench;
    CHECK(bench.ask("e\n" + script + "on_finished:\ncell_off\n\n") == "e\n" + error + "\n\n");
    CHECK(bench.machine.cell_on() == (script.find("cell_on\nmeas") != std::string::npos));
  }
}

TEST_CASE("what nobody knows about errors can be had both ways") {
  const std::string script =
      "e\nvar p\nset_pgstat_mode 6\ncell_on\nmeas_loop_ocp p 1 5\nendloop\non_finished:\ncell_off\n\n";
  Bench quiet, finishing, strict;
  quiet.machine.unsettled.blank_after_error = false;
  CHECK(quiet.ask(script) == "e\n!0014: Line 4\n");
  REQUIRE(finishing.machine.settle("on_finished_after_error", 1));
  CHECK(finishing.ask(script) == "e\n!0014: Line 4\n\n");
  CHECK(!finishing.machine.cell_on());
  REQUIRE(strict.machine.settle("mode_change", 2));
  CHECK(strict.ask("e\nset_pgstat_mode 6\ncell_on\nset_pgstat_mode 2\n\n") == "e\n!4028: Line 3\n\n");
  CHECK(!strict.machine.settle("gravity", 1));
}

TEST_CASE("the second output of meas_loop_cp and the prefix of zero can be had both ways") {
  Bench bench;
  bench.machine.unsettled.cp_reports_measured = true;
  bench.machine.unsettled.zero_has_blank_prefix = true;
  const auto all = lines(bench.ask(charge("3"), 10));
  CHECK(all[2].starts_with("Peb8000000 ;ab"));
  CHECK(all[2].find(";ba8061A80n,10,215;ba8061A80n,10,215;") != std::string::npos);
}

TEST_CASE("older firmware refuses add_meas when the script is loaded") {
  Bench bench;
  bench.machine.unsettled.knows_add_meas = false;
  CHECK(bench.ask("l\nvar p\nvar f\nmeas_loop_ocp p 1 5 add_meas(0 ag f)\nendloop\n\n") ==
        "l!4008: Line 3, Col 29\n");
}

TEST_CASE("input is lost for a moment after an error reply") {
  Bench bench;
  CHECK(bench.ask("nonsense\ni\n", 0.01) == "n!0003\n");
  CHECK(bench.ask("i\n", 0.01).empty());
  bench.listen(0.05);
  CHECK(bench.ask("i\n", 0.01) == "iES4HR20B0001\n");
}

TEST_CASE("a half-uploaded script is completed by the next line end and can switch the cell on") {
  Bench bench;
  bench.ask("e\nset_pgstat_mode 6\nset_range db 1m\nset_i 100u\ncell_on\n");
  bench.machine.set_reader(false);  // the host is gone
  bench.machine.set_reader(true);
  CHECK(bench.ask("\n") == "e\n\n");
  CHECK(bench.machine.cell_on());
  CHECK(bench.machine.current() == from_mA(0.1));
  CHECK(bench.ask(off_script) == "e\n\n");
  CHECK(!bench.machine.cell_on());
}

TEST_CASE("a line may come in any pieces, with CR and with XON bytes") {
  Bench bench;
  bench.machine.receive("\x11s");
  bench.machine.receive("\n");
  bench.listen(1);
  for (const char c : std::string("i\r\n")) bench.machine.receive(std::string_view(&c, 1));
  CHECK(bench.listen(1) == "iES4HR20B0001\n");
  CHECK(bench.ask(std::string(300, 'x') + "\n") == "x!0008\n");
  CHECK(bench.ask("e\nsend_string \"" + std::string(300, 'x') + "\"\n\n") == "e!0008: Line 1, Col 256\n");
}

TEST_CASE("a script keeps a copy of its output in a file that can be fetched") {
  Bench bench;
  const std::string script =
      "e\nvar p\nfile_open \"run_&i.txt\" 2\nset_script_output 3\nmeas_loop_ocp p 1 2\npck_start\npck_add "
      "p\npck_end\n"
      "endloop\nset_script_output 1\nfile_close\n\n";
  const std::string said = bench.ask(script, 5);
  CHECK(packets(said) == 2);
  bench.ask(script, 5);
  const std::string listing = bench.ask("fs_dir /\n");
  CHECK(listing.find("run_0000.txt\n") != std::string::npos);
  CHECK(listing.find("run_0001.txt\n") != std::string::npos);
  CHECK(listing.ends_with("\n\n"));
  const std::string file = bench.ask("fs_get run_0000.txt\n");
  CHECK(file == "fv01.09.00\n" + said.substr(2, said.size() - 3) + "\x1c\n");
  CHECK(bench.ask("fs_del run_0000.txt\n") == "f\n");
  CHECK(bench.ask("fs_get run_0000.txt\n") == "f!009F\n");
  CHECK(bench.ask("fs_info /\n").ends_with("kB\n"));
  CHECK(Bench(Model::emstat_pico).ask("fs_dir /\n") == "f!0083\n");
}

TEST_CASE("status bits tell of ranges too small, nearly too small and far too large") {
  const auto status = [](const std::string& range, const std::string& current) {
    Bench bench;
    const auto all = lines(bench.ask("e\nvar p\nvar c\nvar m\nset_pgstat_mode 6\nset_range db " + range +
                                         "\ncell_on\nmeas_loop_cp p c " + current +
                                         " 1 1 add_meas(0 ba m)\npck_start\npck_add m\npck_end\nendloop\n"
                                         "on_finished:\ncell_off\n\n",
                                     3));
    return all.at(2).substr(11);
  };
  CHECK(status("1m", "1m") == ",10,215");
  CHECK(status("1m", "2950u") == ",12,215");
  CHECK(status("1m", "2500u") == ",18,215");
  CHECK(status("10m", "1m") == ",14,218");
}

TEST_CASE("a loop whose body takes longer than its interval says so in the timing bit") {
  Bench bench;
  const auto all = lines(bench.ask(
      "e\nvar p\nmeas_loop_ocp p 100m 1\npck_start\npck_add p\npck_end\nwait 250m\nendloop\n\n", 9));
  CHECK(all[2].ends_with(",10,204"));
  CHECK(all[3].ends_with(",11,204"));
}

TEST_CASE("a critical overload ends the run without on_finished: and leaves the cell on until told") {
  Bench bench;
  REQUIRE(bench.machine.fault("overload", {"after=3"}));
  const std::string said = bench.ask(charge(), 10);
  CHECK(packets(said) == 3);
  CHECK(said.ends_with("\n!0032: Line 15\n\n"));
  CHECK(bench.machine.cell_on());
  CHECK(bench.machine.current() == from_mA(0.4));
  CHECK(bench.ask(off_script) == "e\n\n");
  CHECK(!bench.machine.cell_on());
}

TEST_CASE(
    "a broken lead of the current is a critical overload; a broken reference shows as a potential at the "
    "rail") {
  Bench current, reference;
  REQUIRE(current.machine.fault("lead", {"lead=ce"}));
  CHECK(current.ask(charge(), 5) == "e\nM000A\n!0032: Line 15\n\n");
  REQUIRE(reference.machine.fault("lead", {"lead=re"}));
  const auto all = lines(reference.ask(charge(), 5));
  CHECK(number_of(all[2], "ab") == doctest::Approx(6.0));
  CHECK(all[2].find("ab85B8D80u,12,204") != std::string::npos);
  CHECK(all[3] == "TEND upper");
  CHECK(!reference.machine.cell_on());
}

TEST_CASE("frozen firmware says nothing, hears nothing and leaves the cell on") {
  Bench bench;
  bench.ask(charge(), 5.5);
  const AmpereHour before = bench.cell.charge();
  REQUIRE(bench.machine.fault("freeze"));
  CHECK(bench.ask("Z\n", 36000).empty());
  CHECK(bench.machine.cell_on());
  static_cast<void>(bench.machine.leads());
  CHECK((bench.cell.charge() - before).value() ==
        doctest::Approx(4e-3).epsilon(0.001));  // overcharged by 10 h
  bench.machine.power_cycle();
  CHECK(!bench.machine.cell_on());
  CHECK(bench.ask("i\n") == "iES4HR20B0001\n");
}

TEST_CASE("a power cycle opens the cell and forgets the script, but not the files") {
  Bench bench;
  bench.ask("e\nvar p\nfile_open \"a\" 0\nset_script_output 2\nmeas_loop_ocp p 1 3\nendloop\n\n", 5);
  bench.ask(charge(), 5.5);
  REQUIRE(bench.machine.fault("power_cycle", {"banner=1"}));
  CHECK(!bench.machine.cell_on());
  CHECK(!bench.machine.running());
  CHECK(bench.listen(1) == "\x11\n");
  CHECK(bench.ask("r\n") == "r!000C\n");
  CHECK(bench.ask("fs_get a\n") == "fv01.09.00\nM000B\n*\n\x1c\n");
}

TEST_CASE("faults on the wire spoil exactly the packets they are asked to") {
  const auto with = [](std::string_view name, const std::vector<std::string>& settings) {
    Bench bench;
    REQUIRE(bench.machine.fault(name, settings));
    return lines(bench.ask(charge("5"), 10));
  };
  const auto good = lines(Bench().ask(charge("5"), 10));

  auto said = with("bad_hex", {"after=1"});
  CHECK(said[2] == good[2]);
  CHECK(said[3] != good[3]);
  CHECK(said[3].find('x') != std::string::npos);
  CHECK(said[4] == good[4]);

  said = with("truncate", {"after=2", "count=2"});
  CHECK(said[3] == good[3]);
  CHECK(said[4] == good[4].substr(0, good[4].size() / 2));
  CHECK(said[5] == good[5].substr(0, good[5].size() / 2));
  CHECK(said[6] == good[6]);

  said = with("merge", {});
  CHECK(said[2] == good[2] + good[3]);

  said = with("nan", {"after=1"});
  CHECK(said[3].find(";ab     nan,10,204;") != std::string::npos);
  CHECK(said[4] == good[4]);

  said = with("bits", {"status=8"});
  CHECK(said[2].find(",18,204") != std::string::npos);

  said = with("spike", {"V=-1", "after=1"});
  CHECK(number_of(said[3], "ab") == doctest::Approx(number_of(good[3], "ab") - 1.0).epsilon(1e-4));

  said = with("xon", {});
  CHECK(said[0] == "\x11\x13" + good[0]);

  said = with("no_star", {});
  CHECK(std::ranges::find(said, "*") == said.end());
}

TEST_CASE("wrong serial, stale packets and a missing empty line can be had too") {
  Bench bench;
  REQUIRE(bench.machine.fault("serial", {"value=ES4HR99X0001"}));
  CHECK(bench.ask("i\n") == "iES4HR99X0001\n");
  const auto said = lines(bench.ask(charge("5"), 10));
  REQUIRE(bench.machine.fault("late", {"count=2"}));
  CHECK(bench.listen(0.1) == said[5] + "\n" + said[6] + "\n");
  REQUIRE(bench.machine.fault("no_blank"));
  CHECK(bench.ask("e\nset_pgstat_chan 1\n\n") == "e\n!002F: Line 1\n");
}

TEST_CASE("an unknown fault or a setting that is no number is refused with what there is") {
  Bench bench;
  const auto unknown = bench.machine.fault("earthquake");
  REQUIRE(!unknown);
  CHECK(unknown.error().what.find("freeze") != std::string::npos);
  CHECK(!bench.machine.fault("nan", {"after=soon"}));
  CHECK(!bench.machine.fault("nan", {"after"}));
  CHECK(!bench.machine.fault("lead", {"lead=xx"}));
}

TEST_CASE("while nobody reads, output is lost and the step goes on; or the script waits with the cell on") {
  Bench loses, blocks;
  loses.ask(charge(), 1.5);
  loses.machine.set_reader(false);
  CHECK(loses.listen(39600).empty());
  CHECK(!loses.machine.cell_on());  // finished and opened by itself

  blocks.machine.unsettled.unread_output_blocks = true;
  blocks.ask(charge(), 1.5);
  blocks.machine.set_reader(false);
  blocks.machine.advance(Seconds(60000));
  CHECK(blocks.machine.cell_on());
  CHECK(blocks.machine.waiting_output() < 5000);
  blocks.machine.set_reader(true);
  CHECK(packets(blocks.listen(1)) > 40);
}

TEST_CASE("a script that loops without waiting cannot hold the caller") {
  Bench bench;
  bench.machine.receive("e\nvar n\nstore_var n 0i ja\nloop n < 1i\nendloop\n\n");
  bench.machine.advance(Seconds(1), 1000);  // ideal: commands take no time at all
  CHECK(bench.machine.running());
  CHECK(bench.machine.now() < Seconds(1));
  bench.machine.command_s = 20e-6;
  bench.machine.advance(Seconds(1));
  CHECK(bench.machine.now() == Seconds(1));
  CHECK(bench.ask("Z\n").find("Z\n+\n\n") != std::string::npos);
}

TEST_CASE("charge counted from the measured current of the packets is the truth within 0.1 %") {
  for (const std::string current : {"161u", "3216u"}) {  // 0.1 C and 2 C of the rate-test cell
    Cell cell(*cell_kind("rate", "ncm-uncoated"));
    MscriptMachine machine(Model::emstat4_hr, "ES4HR20B0001", 3);
    machine.connect(&cell);
    machine.receive(
        "e\nvar p\nvar c\nvar m\nset_pgstat_mode 6\nset_range db " + current +
        "\ncell_on\nmeas_loop_cp p c " + current +
        " 1 36000 add_meas(0 ba m)\npck_start\npck_add m\npck_end\nif p >= 4010m\nbreakloop\nendif\n"
        "endloop\non_finished:\ncell_off\n\n");
    machine.advance(Seconds(40000), 10'000'000);
    double counted_As = 0.0;
    long points = 0;
    for (const auto& line : lines(machine.take_output()))
      if (line.starts_with('P') && points++ > 0) counted_As += number_of(line, "ba");  // 1 s each
    CHECK(!machine.cell_on());
    CHECK(points > 300);
    CHECK(counted_As / 3600.0 == doctest::Approx(cell.charge().value()).epsilon(1e-3));
  }
}

TEST_CASE("equal seeds give equal bytes, another seed other noise") {
  const auto run = [](std::uint64_t seed) {
    Cell cell(*cell_kind("rate", "ncm-x-thin"));
    MscriptMachine machine(Model::nexus, "NEXUS1", seed);
    machine.connect(&cell);
    machine.receive(charge("100"));
    machine.advance(Seconds(200));
    return machine.take_output();
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
  CHECK(packets(run(1)) > 90);
}
