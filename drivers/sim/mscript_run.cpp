#include "drivers/sim/mscript_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

namespace cambench::sim {
namespace {

using script::Instruction;
using script::Op;
using script::Operand;
using script::Technique;
using script::type;
using script::Type;
using script::Value;

constexpr double abort_latency_s = 0.005, shortest_interval_s = 1e-3;
constexpr std::size_t most_in_packet = 40;
constexpr std::uint8_t timing_bit = 1;  // of a packet's status field

bool compares(double a, script::Compare how, double b) {
  using enum script::Compare;
  switch (how) {
    case equal: return a == b;
    case unequal: return a != b;
    case less: return a < b;
    case less_equal: return a <= b;
    case greater: return a > b;
    case greater_equal: return a >= b;
  }
  return false;
}

/// A value that was set, not measured, has no metadata.
Value set_value(double number, Type as) { return {number, as, false, 0, -1}; }

}  // namespace

std::size_t Storage::used() const {
  std::size_t sum = 0;
  for (const auto& [name, content] : files) sum += content.size();
  return sum;
}

ScriptRun::ScriptRun(const script::Script& script, Surroundings around, double now_s)
    : script_(script),
      around_(std::move(around)),
      now_s_(now_s),
      ready_s_(now_s),
      variables_(static_cast<std::size_t>(script.variables)),
      timer_s_(now_s) {
  for (const std::size_t length : script.arrays) arrays_.emplace_back(length);
}

double ScriptRun::due_s() const {
  if (ended_ || halted_s_ != never) return never;
  return std::min({ready_s_, abort_s_, abort_loop_s_});
}

void ScriptRun::step(double now_s, double command_s) {
  now_s_ = now_s;
  if (now_s >= abort_s_) return abort_now();
  if (now_s >= abort_loop_s_) return abort_loop_now();
  const std::size_t before = pc_;
  ready_s_ = now_s + command_s;
  const bool stays = dispatch(script_.code[pc_]);
  if (!stays && pc_ == before) ++pc_;
}

// True: the command is not done yet (ready_s_ says when to look again), has failed, or has set pc_ itself.
bool ScriptRun::dispatch(const Instruction& i) {
  switch (i.op) {
    case Op::store: return assign(i.b, i.a, i.type);
    case Op::copy: return assign(i.a, i.b, 0);
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide: return arithmetic(i);
    case Op::alter_type:
    case Op::to_float:
    case Op::to_integer: return retype(i);
    case Op::mean: return mean(i);
    case Op::jump: return jump(i.target);
    case Op::jump_unless: return jump_unless(i);
    case Op::loop_begin: return enter_loop();
    case Op::loop_end:
    case Op::meas_end: return leave_loop(i);
    case Op::end: return ended_ = true;
    case Op::abort: return abort_now(), true;
    case Op::wait: return wait(number(i.a));
    case Op::set_interval: return interval_s_ = number(i.a), interval_due_s_ = now_s_, false;
    case Op::await_interval: return await_interval();
    case Op::timer_start: return timer_s_ = now_s_, false;
    case Op::timer_get: return give(i.a, elapsed(timer_s_));
    case Op::send_string: return put("T" + text(i.pieces)), false;
    case Op::script_output: return script_output(number(i.a));
    case Op::file_open: return open_file(i);
    case Op::file_close: return file_ = nullptr, output_to_ &= 1, false;
    case Op::pck_start: return start_packet(i);
    case Op::pck_add: return add_to_packet(i);
    case Op::pck_end: return end_packet();
    case Op::channel: return number(i.a) != 0.0 && failed(Error::channel_missing);
    case Op::mode: return check(around_.front.set_mode(number(i.a), around_.unsettled.mode_change));
    case Op::bandwidth: return !(number(i.a) > 0.0) && failed(Error::must_be_positive);
    case Op::settings: return false;
    case Op::range: return check(around_.front.set_range(i.type, number(i.a), number(i.a)));
    case Op::range_minmax: return check(around_.front.set_range(i.type, number(i.a), number(i.b)));
    case Op::autoranging: return check(around_.front.set_autoranging(i.type, number(i.a), number(i.b)));
    case Op::set_i: return check(around_.front.set_current(number(i.a)));
    case Op::set_e: return check(around_.front.set_potential(number(i.a)));
    case Op::cell_on: return check(around_.front.switch_on());
    case Op::cell_off: return around_.front.switch_off(), false;
    case Op::measure: return measure_once(i);
    case Op::meas_begin: return begin_measuring(i);
    case Op::meas_next: return next_point(i);
  }
  return false;
}

// --- ends, errors and aborts ------------------------------------------------------------------------------------

bool ScriptRun::check(Error error) { return error != Error::none && failed(error); }

bool ScriptRun::failed(Error error) {
  around_.raised(error, script_.code[pc_].line);
  if (around_.unsettled.on_finished_after_error && !finishing_)
    jump_to_finish();
  else
    ended_ = error_ = true;
  return true;
}

bool ScriptRun::jump(int target) {
  pc_ = static_cast<std::size_t>(target);
  return true;
}

void ScriptRun::jump_to_finish() {
  finishing_ = true;
  pc_ = static_cast<std::size_t>(script_.finish);
  loops_.clear();
  packet_.reset();
  abort_s_ = abort_loop_s_ = never;
  waited_ = false;
  ready_s_ = now_s_;
}

void ScriptRun::close_loops() {
  for (auto loop = loops_.rbegin(); loop != loops_.rend(); ++loop) put(loop->measuring ? "*" : "+");
}

void ScriptRun::abort_now() {
  close_loops();
  if (finishing_)
    ended_ = true;
  else
    jump_to_finish();
}

void ScriptRun::abort_loop_now() {
  abort_loop_s_ = never;
  while (!loops_.empty() && !loops_.back().measuring) {
    put("+");
    loops_.pop_back();
  }
  if (loops_.empty()) return;
  packet_.reset();
  waited_ = false;
  pc_ = static_cast<std::size_t>(loops_.back().end);
  ready_s_ = now_s_;
}

bool ScriptRun::in_measurement() const { return std::ranges::any_of(loops_, &Loop::measuring); }

double ScriptRun::stop_s(double from_s) const {
  const bool waits = around_.unsettled.abort_waits_for_sample && in_measurement();
  return std::max(from_s + abort_latency_s, waits ? ready_s_ : 0.0);
}

void ScriptRun::abort(double from_s) {
  resume(from_s);
  abort_s_ = stop_s(from_s);
}

void ScriptRun::abort_loop(double from_s) {
  resume(from_s);
  if (in_measurement()) abort_loop_s_ = stop_s(from_s);
}

void ScriptRun::halt(double now_s) {
  if (halted_s_ == never) halted_s_ = now_s;
}

void ScriptRun::resume(double now_s) {
  if (halted_s_ == never) return;
  const double lost_s = now_s - std::exchange(halted_s_, never);
  for (double* waits : {&ready_s_, &loop_begin_s_, &loop_end_s_, &interval_due_s_}) *waits += lost_s;
}

// --- values -----------------------------------------------------------------------------------------------------

Value* ScriptRun::place(const Operand& operand) {
  if (operand.kind == Operand::Kind::variable) return &variables_[static_cast<std::size_t>(operand.slot)];
  auto& array = arrays_[static_cast<std::size_t>(operand.slot)];
  const double index = operand.index_slot >= 0
                           ? variables_[static_cast<std::size_t>(operand.index_slot)].number
                           : static_cast<double>(operand.index);
  if (!(index >= 0.0 && index < static_cast<double>(array.size()))) return nullptr;
  return &array[static_cast<std::size_t>(index)];
}

/// Nothing when an array index is out of bounds.
std::optional<Value> ScriptRun::value(const Operand& operand) {
  if (operand.kind == Operand::Kind::literal) return operand.literal;
  const Value* where = place(operand);
  return where ? std::optional(*where) : std::nullopt;
}

double ScriptRun::number(const Operand& operand) {
  const auto found = value(operand);
  return found ? found->number : std::numeric_limits<double>::quiet_NaN();
}

Value ScriptRun::elapsed(double since_s) const { return set_value(now_s_ - since_s, type("eb")); }

bool ScriptRun::give(const Operand& into, const Value& what) {
  Value* where = place(into);
  if (!where) return failed(Error::array_index);
  *where = what;
  return false;
}

bool ScriptRun::assign(const Operand& from, const Operand& into, Type as) {
  auto what = value(from);
  if (!what) return failed(Error::array_index);
  if (as != 0) *what = Value{what->number, as, what->integer, 0, -1};
  return give(into, *what);
}

bool ScriptRun::arithmetic(const Instruction& i) {
  Value* where = place(i.a);
  const auto by = value(i.b);
  if (!where || !by) return failed(Error::array_index);
  if (where->integer != by->integer) return failed(Error::mixed_number_kinds);
  if (i.op == Op::divide && by->number == 0.0) return failed(Error::divided_by_zero);
  double result = i.op == Op::add        ? where->number + by->number
                  : i.op == Op::subtract ? where->number - by->number
                  : i.op == Op::multiply ? where->number * by->number
                                         : where->number / by->number;
  if (where->integer) result = std::trunc(result);
  if (!std::isfinite(result)) return failed(Error::became_nan);
  where->number = result;
  return false;
}

bool ScriptRun::retype(const Instruction& i) {
  Value* where = place(i.a);
  if (!where) return failed(Error::array_index);
  if (i.op == Op::alter_type) where->type = i.type;
  if (i.op == Op::to_float) where->integer = false;
  if (i.op == Op::to_integer) *where = Value{std::trunc(where->number), where->type, true, 0, -1};
  return false;
}

bool ScriptRun::mean(const Instruction& i) {
  const auto& array = arrays_[static_cast<std::size_t>(i.a.slot)];
  Value result = array.front();
  result.number = 0.0;
  for (const Value& one : array) result.number += one.number / static_cast<double>(array.size());
  return give(i.b, result);
}

// --- flow -------------------------------------------------------------------------------------------------------

bool ScriptRun::jump_unless(const Instruction& i) {
  const auto left = value(i.a), right = value(i.b);
  if (!left || !right) return failed(Error::array_index);
  return !compares(left->number, i.compare, right->number) && jump(i.target);
}

bool ScriptRun::enter_loop() {
  loops_.push_back({false, script_.code[pc_ + 1].target});  // the test behind it leaves to the loop's end
  put("L");
  return false;
}

bool ScriptRun::leave_loop(const Instruction& i) {
  if (!loops_.empty()) loops_.pop_back();
  put(i.op == Op::meas_end ? "*" : "+");
  return false;
}

bool ScriptRun::wait(double seconds) {
  if (waited_) return waited_ = false;
  if (!(seconds >= 0.0)) return failed(Error::must_be_positive);
  ready_s_ = now_s_ + seconds;
  return waited_ = true;
}

bool ScriptRun::await_interval() {
  if (waited_) return waited_ = false;
  if (!(interval_s_ > 0.0)) return failed(Error::must_be_positive);
  interval_due_s_ += interval_s_;
  ready_s_ = std::max(now_s_, interval_due_s_);
  return waited_ = true;
}

// --- output -----------------------------------------------------------------------------------------------------

void ScriptRun::put(const std::string& line) {
  if (output_to_ & 1) around_.say(line);
  if ((output_to_ & 2) && file_) put_into_file(line);
}

void ScriptRun::put_into_file(const std::string& line) {
  if (!around_.unsettled.file_has_text && !line.starts_with('P')) return;
  if (around_.storage.takes(line.size() + 1))
    *file_ += line + '\n';
  else if (around_.unsettled.full_storage_is_an_error && !finishing_)
    failed(Error::file_error);
}

std::string ScriptRun::text(const std::vector<script::Piece>& pieces) {
  std::string result;
  for (const auto& piece : pieces) {
    result += piece.text;
    if (piece.value.kind == Operand::Kind::none) continue;
    const Value shown = value(piece.value).value_or(Value{});
    result += shown.integer ? fmt::format("{:.0f}", shown.number) : fmt::format("{:.6g}", shown.number);
  }
  return result;
}

bool ScriptRun::script_output(double to) {
  if (to != 0.0 && to != 1.0 && to != 2.0 && to != 3.0) return failed(Error::bad_output_mode);
  if (to >= 2.0 && !file_) return failed(Error::no_open_file);
  output_to_ = static_cast<int>(to);
  return false;
}

bool ScriptRun::open_file(const Instruction& i) { return check(choose_file(text(i.pieces), number(i.a))); }

/// Modes: 0 overwrite, 1 append, 2 new, the only one that takes a counter "&i".
Error ScriptRun::choose_file(std::string name, double mode) {
  if (name.starts_with('/')) name.erase(0, 1);
  if (mode != 0.0 && mode != 1.0 && mode != 2.0) return Error::bad_file_mode;
  if (const auto counter = name.find("&i"); counter != std::string::npos) {
    if (mode != 2.0) return Error::no_counter_in_mode;
    const std::string before = name.substr(0, counter), after = name.substr(counter + 2);
    for (int n = 0; n == 0 || around_.storage.files.contains(name); ++n)
      name = fmt::format("{}{:04}{}", before, n, after);
  }
  Storage& storage = around_.storage;
  if (!storage.present) return Error::no_file_system;
  if (name.empty() || storage.files.size() >= most_files || !storage.takes(methodscript_version.size() + 1))
    return Error::file_error;
  if (mode == 2.0 && storage.files.contains(name)) return Error::file_exists;
  std::string& content = storage.files[name];
  if (mode != 1.0) content.clear();
  if (content.empty()) content = std::string(methodscript_version) + "\n";
  file_ = &content;
  storage.written = name;
  return Error::none;
}

bool ScriptRun::start_packet(const Instruction& i) {
  if (packet_) return failed(Error::packet_sequence);
  packet_ = "P";
  in_packet_ = 0;
  metadata_ = number(i.a) != 0.0;
  return false;
}

bool ScriptRun::add_to_packet(const Instruction& i) {
  if (!packet_) return failed(Error::packet_sequence);
  if (++in_packet_ > most_in_packet) return failed(Error::packet_too_long);
  auto what = value(i.a);
  if (!what) return failed(Error::array_index);
  if (!metadata_) what->range = -1;
  if (in_packet_ > 1) *packet_ += ';';
  script::append_value(*packet_, *what, around_.unsettled.zero_has_blank_prefix);
  return false;
}

bool ScriptRun::end_packet() {
  if (!packet_) return failed(Error::packet_sequence);
  put(*std::exchange(packet_, std::nullopt));
  return false;
}

// --- measuring --------------------------------------------------------------------------------------------------

bool ScriptRun::measure_once(const Instruction& i) {
  if (wait(number(i.a))) return true;
  if (around_.front.overloaded()) return failed(Error::critical_overload);
  return give(i.b, read(i.type));
}

Value ScriptRun::read(Type what) {
  Value measured = around_.front.measure(what);
  if (what == type("ag") && around_.unsettled.ag_is_ce_vs_we) measured.number = -measured.number;
  return measured;
}

bool ScriptRun::begin_measuring(const Instruction& i) {
  const double interval_s = number(i.d), run_s = number(i.e);
  if (check(may_measure(i, interval_s, run_s))) return true;
  if (i.technique == Technique::cp && check(around_.front.set_current(number(i.c)))) return true;
  if (i.technique == Technique::ca && check(around_.front.set_potential(number(i.c)))) return true;
  loop_begin_s_ = now_s_;
  loop_interval_s_ = interval_s;
  loop_end_s_ = now_s_ + run_s;
  points_ = std::floor(run_s / interval_s + 1e-9);
  points_done_ = 0.0;
  loops_.push_back({true, script_.code[pc_ + 1].target});
  put(fmt::format("M{:04X}", static_cast<unsigned>(i.technique)));
  return false;
}

Error ScriptRun::may_measure(const Instruction& i, double interval_s, double run_s) const {
  const FrontEnd& front = around_.front;
  const bool ocp = i.technique == Technique::ocp;
  if (ocp && front.on()) return Error::ocp_with_cell_on;
  if (!ocp && (i.technique == Technique::cp) != (front.mode() == FrontEnd::galvanostat))
    return Error::invalid_for_mode;
  if (!ocp && !front.on()) return Error::needs_cell_on;
  if (!(interval_s > 0.0) || !std::isfinite(run_s)) return Error::must_be_positive;
  if (interval_s < shortest_interval_s) return Error::timing_impossible;
  return run_s / interval_s + 1e-9 >= 1.0 ? Error::none : Error::needs_a_step;
}

bool ScriptRun::next_point(const Instruction& i) {
  const bool all_done = points_done_ == points_;
  const double lead = around_.unsettled.first_point_at_zero ? 0.0 : 1.0;
  const double due = all_done ? loop_end_s_ : loop_begin_s_ + (points_done_ + lead) * loop_interval_s_;
  if (now_s_ < due) {
    ready_s_ = due;
    return true;
  }
  if (all_done) return jump(i.target);
  ++points_done_;
  if (around_.front.overloaded()) return failed(Error::critical_overload);
  return take_point(i, now_s_ > due + 0.5 * loop_interval_s_);
}

bool ScriptRun::take_point(const Instruction& i, bool late) {
  FrontEnd& front = around_.front;
  const auto measure = [&](Type what) {
    Value measured = read(what);
    if (late) measured.status |= timing_bit;
    return measured;
  };
  Value first, second;
  if (i.technique == Technique::ca) {
    first = set_value(front.set_potential_V(), type("da"));
    second = measure(type("ba"));
  } else {
    first = measure(type("ab"));
    second = around_.unsettled.cp_reports_measured && i.technique == Technique::cp
                 ? measure(type("ba"))
                 : set_value(front.set_current_A(), type("db"));
  }
  if (give(i.a, first)) return true;
  if (i.technique != Technique::ocp && give(i.b, second)) return true;
  for (const auto& extra : i.extras)
    if (give(extra.into, measure(extra.what))) return true;
  return i.time_into.kind != Operand::Kind::none && give(i.time_into, elapsed(loop_begin_s_));
}

}  // namespace cambench::sim
