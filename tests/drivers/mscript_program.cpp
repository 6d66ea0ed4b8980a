// What the instrument is told to do, read as text; tests/drivers/palmsens.cpp runs the same programs. The example is a
// charge at 0.4 mA to 4.2 V against the reference, guarded on the full cell, for at most 11 h, measured every second.
#include "drivers/wire/mscript_program.h"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <random>
#include <sstream>

#include "drivers/sim/mscript_script.h"

using namespace cambench;
using namespace cambench::wire::mscript;
using Kind = PlannedStep::Kind;

namespace {

const Profile emstat4_hr{*model_of("es4_hr"), "ES4HR20B0001"};

PlannedStep charge() {
  PlannedStep s;
  s.index = 3;
  s.kind = Kind::constant_current;
  s.current = from_mA(0.4);
  s.until_voltage = Volt(4.2);
  s.limit_on = LimitOn::we_vs_re;
  s.run_time = Seconds(39600);
  s.run_time_is_planned = false;
  s.guards = {Volt(4.3), Volt(1.5), Volt(4.35), Volt(1.0), {}};
  s.sampling = Seconds(1);
  s.record_every = Seconds(30);
  s.record_delta = Volt(0.005);
  return s;
}

PlannedStep rest() {
  PlannedStep s;
  s.index = 4;
  s.run_time = Seconds(7200);
  s.sampling = Seconds(10);
  s.record_every = Seconds(60);
  return s;
}

PlannedStep hold() {
  PlannedStep s = charge();
  s.kind = Kind::constant_voltage;
  s.voltage = Volt(4.2);
  s.until_voltage.reset();
  s.until_current = from_mA(0.05);
  return s;
}

std::vector<std::string> lines(const std::string& text) {
  std::vector<std::string> all;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) all.push_back(line);
  return all;
}

std::size_t place(const std::vector<std::string>& all, std::string_view begin, std::size_t from = 0) {
  for (std::size_t i = from; i < all.size(); ++i)
    if (all[i].starts_with(begin)) return i;
  FAIL(fmt::format("no line begins with \"{}\"", begin));
  return all.size();
}

bool has(const std::vector<std::string>& all, std::string_view line) {
  return std::ranges::find(all, line) != all.end();
}

/// The script as another reading of the manual compiles it.
std::expected<sim::script::Script, sim::script::Refused> compiled(const std::string& script) {
  using sim::script::type;
  static constexpr std::array measurable{type("ab"), type("ag"), type("ba")};
  sim::script::Dialect dialect;
  dialect.measurable = measurable;
  return sim::script::compile(script, dialect);
}

/// Whether a guard of the plan is compared in the program, twice: inside it all is well, beyond it is named.
bool guards(const std::vector<std::string>& all, std::optional<Volt> limit, char variable,
            std::string_view beyond, std::string_view name) {
  if (!limit) return !has(all, fmt::format("send_string \"GUARD {}\"", name));
  const std::string volt = literal(limit->value(), -6);
  const std::string named = fmt::format("if {} {} {}", variable, beyond, volt);
  return has(all, fmt::format("if {} {} {}", variable, beyond == ">=" ? '<' : '>', volt)) &&
         (has(all, named) || has(all, "else" + named)) &&
         has(all, fmt::format("send_string \"GUARD {}\"", name));
}

/// Whatever a plan may hold, in every combination.
PlannedStep any_step(std::mt19937& random) {
  const auto odds = [&](unsigned one_in) { return random() % one_in == 0; };
  const auto between = [&](double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(random);
  };
  PlannedStep s;
  s.index = static_cast<std::uint32_t>(random() % 100'000);
  s.kind = std::array{Kind::open_circuit, Kind::constant_current, Kind::constant_voltage}[random() % 3];
  s.current = Ampere((odds(2) ? 1 : -1) * std::pow(10.0, between(-6, -0.7)));
  s.limit_on = odds(2) ? LimitOn::cell : LimitOn::we_vs_re;
  s.guards = {Volt(between(4, 5)), Volt(between(-1, 2)), Volt(between(4, 5)), Volt(between(-1, 2)), {}};
  if (odds(4)) s.guards.we_max.reset(), s.guards.we_min.reset();
  if (odds(2)) s.guards.charge_max = AmpereHour(between(1e-4, 1e-2));
  if (s.kind == Kind::constant_current && !odds(4)) s.until_voltage = Volt(between(2.1, 3.9));
  if (s.kind == Kind::constant_voltage) s.voltage = Volt(between(2.1, 3.9));
  if (s.kind == Kind::constant_voltage && !odds(4)) s.until_current = Ampere(between(1e-6, 1e-3));
  s.sampling = Seconds(between(0.01, 60));
  s.run_time = s.sampling + Seconds(std::pow(10.0, between(0, 6)));
  s.run_time_is_planned = odds(2);
  s.record_every = Seconds(between(0.01, 3600));
  if (odds(2)) s.record_delta = Volt(between(1e-4, 0.1));
  return s;
}

}  // namespace

TEST_CASE("the program of the example charge, to the letter") {
  CHECK(program(charge(), {"r000001", 3}, emstat4_hr) == R"(var s
var t
var p
var f
var m
var c
store_var s 3i ja
store_var t -1 eb
store_var p 0 ab
store_var f 0 ag
store_var m 0 ba
store_var c 0 db
var g
store_var g 0i jb
var w
store_var w 0i jb
var e
store_var e 0i jb
var x
store_var x 0i jb
var n
store_var n 0 eb
var a
store_var a 0 ab
var b
store_var b 0 ag
var d
store_var d 0 ab
send_string "RUN r000001 3 30000 ES4HR20B0001"
set_pgstat_chan 0
set_pgstat_mode 6
set_max_bandwidth 5851m
set_range_minmax ab -200m 4550m
set_autoranging ab -200m 4550m
set_range db 400u
set_i 0
cell_on
timer_start
meas_loop_cp p c 400u 1 39600 add_meas(0 ba m) add_meas(0 ag f)
timer_get t
store_var g 0i jb
if p > 1500m
if p < 4300m
if f > 1
if f < 4350m
store_var g 1i jb
endif
endif
endif
endif
if t >= n
store_var w 1i jb
endif
if g == 0i
store_var w 1i jb
else
copy_var p d
sub_var d a
if d >= 5m
store_var w 1i jb
elseif d <= -5m
store_var w 1i jb
endif
copy_var f d
sub_var d b
if d >= 5m
store_var w 1i jb
elseif d <= -5m
store_var w 1i jb
endif
endif
if w == 1i
send_string "RUN r000001 3 30000 ES4HR20B0001"
pck_start
pck_add s
pck_add t
pck_add p
pck_add f
pck_add m
pck_add c
pck_end
store_var w 0i jb
copy_var t n
add_var n 29500m
if g == 1i
copy_var p a
copy_var f b
endif
endif
if g == 0i
cell_off
store_var x 1i jb
if p >= 4300m
send_string "GUARD we_max"
elseif p <= 1500m
send_string "GUARD we_min"
elseif f >= 4350m
send_string "GUARD cell_max"
elseif f <= 1
send_string "GUARD cell_min"
else
send_string "GUARD no_reading"
endif
breakloop
endif
if p >= 4200m
add_var e 1i
else
store_var e 0i jb
endif
if p >= 4210m
add_var e 1i
endif
if e >= 2i
cell_off
store_var x 1i jb
send_string "END upper"
breakloop
endif
endloop
cell_off
if x == 0i
timer_get t
store_var x 1i jb
send_string "TIMEOUT"
endif
on_finished:
cell_off
if x == 0i
send_string "STOPPED"
if t >= 0
timer_get t
endif
endif
if t >= 0
send_string "RUN r000001 3 30000 ES4HR20B0001"
pck_start
pck_add s
pck_add t
pck_add p
pck_add f
pck_add m
pck_add c
pck_end
endif
)");
}

TEST_CASE("the mains are rejected where the firmware can, said again after every change of mode") {
  for (const PlannedStep& step : {charge(), rest()}) {
    for (const int mains_Hz : {50, 60}) {
      const auto all =
          lines(program(step, {"r000001", 3}, {emstat4_hr.model, emstat4_hr.serial, false, mains_Hz}));
      const auto mode = std::ranges::find_if(
          all, [](const std::string& line) { return line.starts_with("set_pgstat_mode"); });
      const auto said =
          std::find(mode, all.end(), fmt::format("set_acquisition_frac_autoadjust {}", mains_Hz));
      CHECK(said != all.end());
    }
    CHECK(program(step, {"r000001", 3}, emstat4_hr).find("set_acquisition_frac") == std::string::npos);
  }
}

TEST_CASE(
    "where the instrument stores, the file is open before anything is said or polarised, and closed at the "
    "end") {
  for (const PlannedStep& step : {charge(), rest(), hold()}) {
    Profile stores = emstat4_hr;
    stores.stores = true;
    const auto all = lines(program(step, {"r000001", 3}, stores));
    const auto opened = place(all, "file_open \"cb-r000001-3-");
    CHECK(all.at(opened + 1) == "set_script_output 3");
    CHECK(place(all, "send_string") == opened + 2);
    CHECK(place(all, "set_pgstat") > opened);
    CHECK(all.back() == "file_close");
    CHECK_FALSE(has(lines(program(step, {"r000001", 3}, emstat4_hr)), "file_close"));
  }
}

TEST_CASE("the announcement is the first thing that any program says") {
  for (const auto& step : {charge(), rest(), hold()}) {
    const auto all = lines(program(step, {"r000001", 3}, emstat4_hr));
    const auto first = place(all, "send_string");
    CHECK(all[first].starts_with("send_string \"RUN r000001 3 "));
    for (std::size_t i = 0; i < first; ++i)
      CHECK((all[i].starts_with("var ") || all[i].starts_with("store_var ")));
  }
}

TEST_CASE("a discharge ends at its lower potential, on the potential that the recipe means") {
  PlannedStep step = charge();
  step.current = from_mA(-0.4);
  step.until_voltage = Volt(2.5);
  const auto on_we = lines(program(step, {"r000001", 3}, emstat4_hr));
  CHECK(has(on_we, "if p <= 2500m"));
  CHECK(has(on_we, "if p <= 2490m"));
  CHECK(has(on_we, "send_string \"END lower\""));
  CHECK(has(on_we, "set_range db 400u"));
  CHECK(has(on_we, "meas_loop_cp p c -400u 1 39600 add_meas(0 ba m) add_meas(0 ag f)"));
  step.limit_on = LimitOn::cell;
  CHECK(has(lines(program(step, {"r000001", 3}, emstat4_hr)), "if f <= 2500m"));
}

TEST_CASE("a rest never switches the cell on and ends as planned") {
  const auto all = lines(program(rest(), {"r000001", 4}, emstat4_hr));
  CHECK_FALSE(has(all, "cell_on"));
  CHECK(place(all, "cell_off") < place(all, "meas_loop_ocp"));
  CHECK(has(all, "meas_loop_ocp p 10 7200 add_meas(0 ag f)"));
  CHECK(has(all, "send_string \"END time\""));
  CHECK_FALSE(has(all, "pck_add m"));
  CHECK_FALSE(has(all, "breakloop"));
}

TEST_CASE("a held potential is guarded by what is measured, not by what was set") {
  const auto all = lines(program(hold(), {"r000001", 3}, emstat4_hr));
  CHECK(has(all, "meas_loop_ca c m 4200m 1 39600 add_meas(0 ab p) add_meas(0 ag f)"));
  CHECK(has(all, "set_e 4200m"));
  CHECK(has(all, "set_pgstat_mode 2"));
  CHECK(has(all, "if m <= 50u"));
  CHECK(has(all, "if m >= -50u"));
  CHECK(has(all, "send_string \"END current\""));
  CHECK_FALSE(has(all, "pck_add c"));
}

TEST_CASE("a time that is not the planned end is called a time-out") {
  PlannedStep step = charge();
  CHECK(has(lines(program(step, {"r000001", 3}, emstat4_hr)), "send_string \"TIMEOUT\""));
  step.run_time_is_planned = true;
  CHECK(has(lines(program(step, {"r000001", 3}, emstat4_hr)), "send_string \"END time\""));
}

TEST_CASE("ranges never leave what the model can do") {
  PlannedStep step = charge();
  step.guards.we_max = Volt(2.95);
  step.guards.cell_max = Volt(2.95);
  step.until_voltage = Volt(2.9);
  const auto all = lines(program(step, {"r000001", 3}, {*model_of("es4_lr"), "ES4LR20B0008"}));
  CHECK(has(all, "set_range_minmax ab -200m 3"));
}

TEST_CASE(
    "whatever the plan: every limit is inside, the cell goes off, and an independent reader accepts it") {
  std::mt19937 random(20261125);
  for (int i = 0; i < 500; ++i) {
    const PlannedStep step = any_step(random);
    const std::string script = program(step, {"r0123456789abcde", step.index}, emstat4_hr);
    CAPTURE(script);
    const auto accepted = compiled(script);
    REQUIRE_MESSAGE(accepted, fmt::format("{:04X} line {} column {}", accepted.error().code,
                                          accepted.error().line, accepted.error().column));
    const auto all = lines(script);
    const bool polarises = step.kind != Kind::open_circuit;
    const auto loop = place(all, "meas_loop_");
    CHECK(all[loop].find(literal(step.run_time.count(), -6)) != std::string::npos);
    CHECK(has(all, "cell_on") == polarises);
    if (polarises) CHECK(place(all, "set_") < place(all, "cell_on"));
    // Off in the normal end, off after an abort.
    const auto finish = place(all, "on_finished:");
    CHECK(all[finish + 1] == "cell_off");
    CHECK(all[place(all, "endloop") + 1] == "cell_off");
    if (!polarises) continue;
    const Guards& g = step.guards;
    CHECK(guards(all, g.we_max, 'p', ">=", "we_max"));
    CHECK(guards(all, g.we_min, 'p', "<=", "we_min"));
    CHECK(guards(all, g.cell_max, 'f', ">=", "cell_max"));
    CHECK(guards(all, g.cell_min, 'f', "<=", "cell_min"));
    const bool ends_early = step.until_voltage || step.until_current;
    CHECK(has(all, "if e >= 2i") == ends_early);
  }
}

TEST_CASE("whatever the plan: no decimal point, no long line, and every block is closed") {
  std::mt19937 random(42);
  for (int i = 0; i < 500; ++i) {
    const auto all = lines(program(any_step(random), {"r000001", 3}, emstat4_hr));
    int ifs = 0, loops = 0, packets = 0;
    for (const auto& line : all) {
      CHECK(line.find('.') == std::string::npos);
      CHECK(line.size() <= 127);  // the longest line of the maker's example client
      CHECK_FALSE(line.empty());  // an empty line would end the upload
      ifs += line.starts_with("if ") - (line == "endif");
      loops += line.starts_with("meas_loop_") - (line == "endloop");
      packets += (line == "pck_start") - (line == "pck_end");
      CHECK((ifs >= 0 && loops >= 0 && packets >= 0));
    }
    CHECK(ifs == 0);
    CHECK(loops == 0);
    CHECK(packets == 0);
  }
}

TEST_CASE("what makes safe is two commands, and the look is a rest of a third of a second") {
  CHECK(off_script() == "set_pgstat_chan 0\ncell_off\n");
  REQUIRE(compiled(off_script()));
  const auto look = look_script(*model_of("es4_hr"));
  REQUIRE(compiled(look));
  CHECK(has(lines(look), "meas_loop_ocp p 100m 300m add_meas(0 ag f)"));
  CHECK(place(lines(look), "cell_off") < place(lines(look), "set_pgstat_mode"));
}

TEST_CASE("a row is read by its columns, and a rest has no current") {
  const auto row =
      read_row("Pja8000003i;eb836EE80m;ab8401640u,10,204;ag8406460u,10,204;ba8061A85n,14,215;db8061A80n");
  REQUIRE(row);
  CHECK(row->step == 3);
  CHECK(row->step_time == Seconds(3600));
  CHECK(row->we_vs_re == Volt(4.2));
  CHECK(row->cell == Volt(4.22));
  CHECK(row->current->value() == doctest::Approx(400.005e-6));
  CHECK(row->current_set == Ampere(4e-4));
  CHECK(row->status == reading_status::underload);
  const auto rested = read_row("Pja8000004i;eb8000000a;ab8387520u,10,204;ag     nan,12,204");
  REQUIRE(rested);
  CHECK(rested->current == Ampere(0));
  CHECK_FALSE(rested->cell);
  CHECK(rested->status == (reading_status::overload | reading_status::bad));
  const auto held = read_row("Pja8000004i;eb8000000a;ab8387520u,10,204;ag8387520u,10,204;ba8061A85n,10,215");
  REQUIRE(held);
  CHECK(held->current.has_value());
  CHECK_FALSE(held->current_set);
}

TEST_CASE("a firmware whose galvanostat reports the measured current twice has no set current") {
  const auto row = read_row("Pja8000003i;eb836EE80m;ab8401640u;ag8406460u;ba8061A85n;ba8061A85n");
  REQUIRE(row);
  CHECK(row->current.has_value());
  CHECK_FALSE(row->current_set);
}

TEST_CASE("a packet that is none of ours is refused") {
  for (const auto* line :
       {"Pda7F85F3Fu;ba48D503Dp,10,288",                                // a voltammogram
        "Peb8000000a;ab8387520u,10,204;db8061A80n;ba8061A85n",          // other columns
        "Pja8000003i;eb836EE80m;ba8061A85n;ag8406460u",                 // a current where a potential must be
        "Pja7FFFFFFi;eb8000000a;ab8387520u;ag8387520u",                 // a negative step
        "Pja8000003i;eb7FFFFFF ;ab8387520u;ag8387520u",                 // a negative time
        "Pja8000004E;eb8000000a;ab8387520u;ag8387520u",                 // step 4e18: one wrong letter
        "Pja8000003m;eb8000000a;ab8387520u;ag8387520u",                 // step 0.003
        "Pja8000003i;eb836EE80E;ab8387520u;ag8387520u",                 // a time beyond every experiment
        "Pja     nan;eb8000000a;ab8387520u;ag8387520u", "Pja8000003i",  //
        "Pja8000003i;eb836EE80m;ab8401640u;ag8406460u;ba8061A85n;db8061A80n;ab8401640u"})
    CHECK_FALSE(read_row(line));
}

TEST_CASE("an announcement tells run, step, pause and instrument") {
  const auto whole = parse_announcement("TRUN r000001 12 30000 ES4HR20B0001");
  REQUIRE(whole);
  CHECK(whole->marker == Marker{"r000001", 12});
  CHECK(whole->longest_pause == Seconds(30));
  CHECK(whole->serial == "ES4HR20B0001");
  const auto brief = parse_announcement("TRUN r000001 12");
  REQUIRE(brief);
  CHECK_FALSE(brief->longest_pause);
  CHECK(brief->serial.empty());
  for (const auto* line : {"", "TRUN", "TRUN ", "TRUN r000001", "TRUN r000001 x", "TRUN r01234567890123456 1",
                           "TRUN r000001 99999999999", "RUN r000001 12", "THello world!"})
    CHECK_FALSE(parse_announcement(line));
}

TEST_CASE("how a program ended is in its own words") {
  CHECK(parse_ending("TEND upper")->reason == EndReason::planned);
  CHECK(parse_ending("TEND upper")->text == "END upper");
  CHECK(parse_ending("TGUARD cell_max")->reason == EndReason::guard);
  CHECK(parse_ending("TTIMEOUT")->reason == EndReason::timeout);
  CHECK(parse_ending("TSTOPPED")->reason == EndReason::aborted);
  for (const auto* line : {"", "TEND", "TENDED", "END upper", "TRUN r000001 12"})
    CHECK_FALSE(parse_ending(line));
}
