#include "drivers/palmsens_limits.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

namespace cambench::palmsens {

namespace mscript = wire::mscript;

namespace {

std::string in_mA(Ampere i) { return fmt::format("{:.4g} mA", i.value() * 1e3); }

bool within(double value, double most) { return std::abs(value) <= most; }  // false for NaN

/// Why this model cannot carry out this step, or nothing.
std::optional<std::string> beyond(const PlannedStep& step, const mscript::Model& model) {
  using Kind = PlannedStep::Kind;
  constexpr Seconds longest_sampling{60}, longest_run{30 * 24 * 3600.0};
  const Guards& g = step.guards;
  if (step.kind == Kind::press) return "a press step is not for a potentiostat";
  if (!(step.sampling >= Seconds{0.01} && step.sampling <= longest_sampling))
    return fmt::format("sampling every {} s; expected 0.01 to 60 s", step.sampling.count());
  if (!(step.run_time >= step.sampling && step.run_time <= longest_run))
    return fmt::format("a time limit of {} s; expected one sampling interval to 30 days",
                       step.run_time.count());
  if (!(step.record_every > Seconds{0} && step.record_every <= Seconds{3600}))
    return fmt::format("a row every {} s; expected more than 0 and at most an hour",
                       step.record_every.count());
  if (step.record_delta && !(*step.record_delta >= Volt(1e-5)))
    return fmt::format("a row at every change of {} V; expected at least 10 uV", step.record_delta->value());
  for (const auto& limit : {step.until_voltage, step.voltage, g.we_max, g.we_min, g.cell_max, g.cell_min})
    if (limit && !within(limit->value(), model.max_potential.value()))
      return fmt::format("{:.3f} V is beyond {:.0f} V", limit->value(), model.max_potential.value());
  for (const auto& current : {std::optional(step.current), step.until_current})
    if (current && !within(current->value(), model.max_current.value()))
      return fmt::format("{} is beyond {}", in_mA(*current), in_mA(model.max_current));
  if (step.kind == Kind::constant_current && !(abs(step.current) >= Ampere(1e-8)))
    return fmt::format("a current step of {}; expected at least 10 nA", in_mA(step.current));
  if (step.kind == Kind::constant_voltage && !step.voltage) return "a potential to hold is missing";
  // Only a cell of three electrodes has guards on WE vs RE beside those of the cell.
  if (step.kind == Kind::constant_voltage && step.limit_on == LimitOn::cell && (g.we_max || g.we_min))
    return "it holds WE against RE: with three electrodes the potential of the full cell cannot be held";
  return std::nullopt;
}

/// Which limits contradict each other, or nothing: a planned end behind its guard would never be reached.
std::optional<std::string> contradiction(const PlannedStep& step) {
  const Guards& g = step.guards;
  const bool on_we = step.limit_on == LimitOn::we_vs_re;
  if (g.we_min && g.we_max && *g.we_min >= *g.we_max) return "the guards of WE vs RE are the wrong way round";
  if (g.cell_min && g.cell_max && *g.cell_min >= *g.cell_max)
    return "the guards of the cell are the wrong way round";
  const auto& low = on_we ? g.we_min : g.cell_min;
  const auto& high = on_we ? g.we_max : g.cell_max;
  for (const auto& end : {step.until_voltage, step.voltage})
    if (end && ((low && *end <= *low) || (high && *end >= *high)))
      return fmt::format("{:.3f} V is not within its guards", end->value());
  return std::nullopt;
}

std::vector<std::string> sentences(const PlannedStep& step) {
  const Guards& g = step.guards;
  std::vector<std::string> all;
  if (step.until_voltage)
    all.push_back(fmt::format("ends at {:.3f} V {}", step.until_voltage->value(),
                              step.limit_on == LimitOn::cell ? "(cell)" : "(WE vs RE)"));
  if (step.until_current) all.push_back("ends at " + in_mA(abs(*step.until_current)));
  if (g.we_max && g.we_min)
    all.push_back(fmt::format("guard {:.3f} to {:.3f} V (WE vs RE)", g.we_min->value(), g.we_max->value()));
  if (g.cell_max && g.cell_min)
    all.push_back(fmt::format("guard {:.3f} to {:.3f} V (cell)", g.cell_min->value(), g.cell_max->value()));
  all.push_back(fmt::format("ends after {:.0f} s {}", step.run_time.count(),
                            step.run_time_is_planned ? "as planned" : "at the latest"));
  all.emplace_back("the cell is off at the end");
  return all;
}

}  // namespace

Result<Known> identity_of(std::string_view line) {
  if (line == "t")
    return fail(Fault::Kind::protocol,
                "the line sends back what is sent: its local echo must be switched off");
  const auto firmware = mscript::parse_firmware(line);
  if (!firmware) return fail(Fault::Kind::protocol, fmt::format("\"{}\" is no answer to t", line));
  const auto model = mscript::model_of(firmware->device);
  if (!model)
    return fail(Fault::Kind::identity, fmt::format("\"{}\" is no instrument we know", firmware->device));
  Known known{{}, *model};
  known.identity.maker = "PalmSens";
  known.identity.model = model->name;
  known.identity.firmware = firmware->version;
  known.identity.galvanostat = model->galvanostat;
  known.identity.reference_electrode = true;
  known.identity.max_current = model->max_current;
  known.identity.max_potential = model->max_potential;
  return known;
}

Result<OnBoard> limits_on_board(const PlannedStep& step, const mscript::Model& model) {
  const auto refuse = [&](const std::string& why) {
    return fail(Fault::Kind::refused, fmt::format("{}: {}", model.name, why));
  };
  if (const auto why = beyond(step, model)) return refuse(*why);
  if (const auto why = contradiction(step)) return refuse(*why);
  const Guards& g = step.guards;
  const bool rests = step.kind == PlannedStep::Kind::open_circuit;
  const bool by_cell = step.limit_on == LimitOn::cell;  // a cell of two electrodes has no second potential
  OnBoard on_board;
  on_board.cutoff = rests || step.run_time_is_planned || step.until_voltage || step.until_current;
  on_board.guards = rests || (g.cell_max && g.cell_min && (by_cell || (g.we_max && g.we_min)));
  on_board.run_time = on_board.opens_at_end = true;
  on_board.sentences = sentences(step);
  return on_board;
}

bool is_marker(const Marker& marker) {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !marker.run.empty() && marker.run.size() <= 16 && std::ranges::all_of(marker.run, allowed);
}

}  // namespace cambench::palmsens
