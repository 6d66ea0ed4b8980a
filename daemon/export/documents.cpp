#include "daemon/export/documents.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "daemon/records.h"
#include "schema/bdf.h"
#include "schema/json.h"

namespace cambench::exports {

namespace {

using store::StoredEvent;

// --- how it went --------------------------------------------------------------------------------------------

/// BattINFO's category of a trip's cause (daemon/sequencer/interlocks).
std::string category_of(std::string_view cause) {
  constexpr std::array communication{"pressure_bad", "press_stale", "potentiostat_silent", "fault"};
  constexpr std::array tolerance{"over_pressure", "pressure_lost", "pressure_low",    "press_late",
                                 "charge_guard",  "ocv_window",    "potential_guard", "guard_on_board"};
  if (cause == "power_cycled") return "power_outage";
  if (cause == "current_deviates") return "setpoint_deviation";
  if (std::ranges::find(communication, cause) != communication.end()) return "communication_loss";
  if (std::ranges::find(tolerance, cause) != tolerance.end()) return "out_of_tolerance";
  return "equipment_failure";
}

std::optional<Deviation> deviation_in(const store::EventRow& event) {
  const std::string text = event.text.value_or(""), who = event.who.value_or("");
  const auto deviation = [&](std::string category, std::string description) {
    return Deviation{std::move(category), event.kind, std::move(description), event.step, event.at.wall};
  };
  if (event.kind == "held") return deviation(who.empty() ? "other" : "operator_intervention", text);
  if (event.kind == "tripped")
    return deviation(category_of(event.cause.value_or("")), event.cause.value_or("") + ": " + text);
  if (event.kind == "gap") return deviation("communication_loss", text);
  if (event.kind == "aborted")
    return deviation("premature_termination", text + (who.empty() ? "" : " (" + who + ")"));
  if (event.kind == "step_ended" && event.reason.value_or("planned") != "planned")
    return deviation("premature_termination", *event.reason + (text.empty() ? "" : ": " + text));
  return std::nullopt;
}

std::string_view test_status(std::string_view phase) {
  if (phase == "finished") return "completed";
  if (phase == "aborted") return "aborted";
  if (phase == "queued") return "planned";
  return phase == "running" || phase == "preparing" ? "running" : "other";
}

std::string_view conformance(std::string_view phase, const std::vector<Deviation>& deviations) {
  if (!deviations.empty()) return "non-conformant";
  return phase == "finished" ? "conformant" : "unknown";
}

/// When a step first began and last ended.
struct StepTimes {
  std::optional<WallTime> began, ended;
  std::string end_reason;
};

std::map<std::uint32_t, StepTimes> step_times(const std::vector<StoredEvent>& events) {
  std::map<std::uint32_t, StepTimes> times;
  for (const auto& [seq, event] : events) {
    if (!event.step) continue;
    StepTimes& step = times[*event.step];
    if (event.kind == "step_began" && !step.began) step.began = event.at.wall;
    if (event.kind != "step_ended") continue;
    step.ended = event.at.wall;
    step.end_reason = event.reason.value_or("");
  }
  return times;
}

void write_planned(JsonWriter& json, const PlannedStep& step) {
  json.key("planned").object().field("kind", name(step.kind)).field("current_A", step.current);
  json.field("rate_C", step.rate_C).field("voltage_V", step.voltage);
  json.field("until_voltage_V", step.until_voltage).field("until_current_A", step.until_current);
  json.field("limit_on", step.limit_on == LimitOn::we_vs_re ? "we_vs_re" : "cell");
  json.field("pressure_MPa", step.pressure).field("at_most_s", step.run_time);
  json.field("time_is_planned_end", step.run_time_is_planned).end_object();
}

void write_moved(JsonWriter& json, const store::StepSummary& sum) {
  json.field("samples", sum.samples).field("duration_s", sum.duration_s);
  json.field("charge_Ah", sum.charge.charge_Ah).field("discharge_Ah", sum.discharge.charge_Ah);
  json.field("charge_mean_we_vs_re_V", sum.charge.mean_we_vs_re_V());
  json.field("discharge_mean_we_vs_re_V", sum.discharge.mean_we_vs_re_V());
  json.field("last_we_vs_re_V", sum.last_we_vs_re_V).field("last_cell_V", sum.last_cell_V);
}

void write_steps(JsonWriter& json, const RunFacts& facts, const std::vector<store::StoredStep>& moved,
                 const std::map<std::uint32_t, StepTimes>& times) {
  std::set<std::uint32_t> all;
  for (const auto& step : moved) all.insert(step.summary.step);
  for (const auto& [step, when] : times) all.insert(step);
  if (facts.plan)
    for (const auto& step : facts.plan->steps) all.insert(step.index);
  json.key("steps").array();
  for (const std::uint32_t index : all) {
    json.object().field("step", index + 1);
    if (facts.plan && index < facts.plan->steps.size()) {
      const PlannedStep& step = facts.plan->steps[index];
      json.field("label", step.label).field("cycle", step.cycle).field("step_id", step.source);
      write_planned(json, step);
    }
    const auto when = times.find(index);
    json.field("began", when == times.end() ? std::nullopt : when->second.began);
    json.field("ended", when == times.end() ? std::nullopt : when->second.ended);
    json.field("end_reason", when == times.end() ? "" : when->second.end_reason);
    const auto sums = std::ranges::find(moved, index, [](const auto& s) { return s.summary.step; });
    if (sums != moved.end()) write_moved(json, sums->summary);
    json.end_object();
  }
  json.end_array();
}

void write_deviations(JsonWriter& json, const std::vector<Deviation>& deviations) {
  json.key("deviations").array();
  for (const Deviation& d : deviations) {
    json.object().field("category", d.category).field("type", d.type).field("description", d.description);
    json.field("occurred_at", d.at);
    if (d.step) json.field("step_index", *d.step);
    json.end_object();
  }
  json.end_array();
}

void write_events(JsonWriter& json, const std::vector<StoredEvent>& events) {
  json.key("events").array();
  for (const auto& [seq, event] : events) {
    json.object().field("seq", seq).field("time", event.at.wall).field("kind", event.kind);
    json.field("step", event.step).field("test_time_s", event.test_time);
    for (const auto& [key, text] : {std::pair("reason", &event.reason), std::pair("cause", &event.cause),
                                    std::pair("text", &event.text), std::pair("who", &event.who)})
      if (*text) json.field(key, **text);
    json.end_object();
  }
  json.end_array();
}

// --- the sidecar --------------------------------------------------------------------------------------------

std::string_view kind_of(const RunFacts& facts) {
  std::set<long> rates;
  if (facts.plan)
    for (const auto& step : facts.plan->steps)
      if (step.kind == PlannedStep::Kind::constant_current)
        rates.insert(std::lround(1e3 * std::abs(step.rate_C.value_or(0))));
  return rates.empty() ? "other" : rates.size() > 1 ? "rate_capability" : "cycling";
}

std::int64_t unix_s(WallTime at) { return unix_ms(at) / 1000; }

void write_test(JsonWriter& json, const RunFacts& facts, const std::vector<Deviation>& deviations) {
  const auto& run = facts.run;
  json.key("battinfo_test").object().key("test").object();
  json.field("identifier", run.id)
      .field("name", fmt::format("{} on {}", run.recipe, run.cell.value_or("no cell")));
  json.field("kind", kind_of(facts)).field("status", test_status(run.phase));
  json.field("started_at", unix_s(run.started));
  if (run.ended) json.field("ended_at", unix_s(*run.ended));
  json.field("instrument_name", "station " + run.station).field("protocol_name", run.recipe);
  json.key("conformance").object().field("status", conformance(run.phase, deviations));
  write_deviations(json, deviations);
  json.end_object().end_object();
  json.key("provenance").object().field("source_type", run.time_scale == 1 ? "measurement" : "simulation");
  json.field("curated_by", run.who).field("workflow_version", "cambench " + run.program).end_object();
  json.end_object();
}

void write_cell(JsonWriter& json, const RunFacts& facts) {
  if (!facts.cell) return;
  json.key("battinfo_cell").object().key("cell_instance").object().field("name", facts.cell->id);
  json.end_object().end_object();
}

void write_extras(JsonWriter& json, const RunFacts& facts) {
  const auto& run = facts.run;
  json.key("extras").object();
  json.field("recipe_sha256", run.recipe_hash).field("one_C_A", run.one_C_A);
  json.field("experiment_seconds_per_second", run.time_scale);
  if (const auto& cell = facts.cell) {
    json.key("cell").object().field("id", cell->id).field("material", cell->material);
    json.field("electrodes", cell->electrodes).field("composite_mg", records::composite_mg(*cell));
    json.field("cam_fraction", cell->cam_fraction).field("cam_mg", cam_mass(*cell).value() * 1e3);
    json.field("area_cm2", cell->area_cm2).field("q_1C_mAh_g", cell->q_1C_mAh_g);
    json.field("reference_vs_li_V", cell->reference ? std::optional(cell->reference->vs_li) : std::nullopt);
    json.field("reference_note", cell->reference ? cell->reference->note : "").end_object();
  }
  if (facts.plan && facts.plan->pressure)
    json.field("pressure_set_MPa", facts.plan->pressure->target)
        .field("pressure_band_MPa", facts.plan->pressure->band);
  json.key("columns").object();
  json.field("voltage_volt", "of the cell: working against counter electrode");
  if (facts.has_reference()) {
    json.field(bdf::we_vs_re.machine, "as measured, against the cell's own reference electrode, not Li+/Li");
    json.field(bdf::ce_vs_re.machine, "the same less the cell's voltage");
  }
  json.field("applied_pressure_pa", "on the pellet; the last good reading of the press, 10 s old at most");
  json.field("charging_capacity_ah", "trapezoid rule within each step, over the instrument's step time");
  json.field(bdf::sample_status.machine,
             "ok, or what the instrument had against the sample; overload and bad leave the numbers empty");
  json.end_object().end_object();
}

}  // namespace

std::vector<Deviation> deviations_in(const std::vector<StoredEvent>& events) {
  std::vector<Deviation> found;
  for (const auto& [seq, event] : events)
    if (auto deviation = deviation_in(event)) found.push_back(std::move(*deviation));
  return found;
}

std::string executed_json(store::Reader& reader, const RunFacts& facts) {
  const auto& run = facts.run;
  const auto events = reader.events_of(run.id);
  const auto deviations = deviations_in(events);
  JsonWriter json;
  json.object().field("run", run.id).field("station", run.station).field("recipe", run.recipe);
  json.field("recipe_sha256", run.recipe_hash).field("cell", run.cell).field("material", run.material);
  json.field("who", run.who).field("program", "cambench " + run.program).field("state", run.phase);
  json.field("started", run.started).field("ended", run.ended).field("one_C_A", run.one_C_A);
  json.field("time_scale", run.time_scale);
  json.field("conformance", conformance(run.phase, deviations));
  write_deviations(json, deviations);
  write_steps(json, facts, reader.steps(run.id), step_times(events));
  write_events(json, events);
  return json.end_object().take();
}

std::string bdf_metadata_json(store::Reader& reader, const RunFacts& facts) {
  JsonWriter json;
  json.object();
  write_test(json, facts, deviations_in(reader.events_of(facts.run.id)));
  write_cell(json, facts);
  json.key("bdf").object().field("source",
                                 fmt::format("cambench {}, BDF {}", CAMBENCH_VERSION, bdf::version));
  json.end_object();
  write_extras(json, facts);
  return json.end_object().take();
}

std::string cellpy_instrument_file(const RunFacts& facts) {
  std::string text =
      "---\n"
      "# cellpy.get(\"data.bdf.csv\", instrument=\"custom\", instrument_file=\"cellpy.yml\")\n"
      "formatters:\n    skiprows: 0\n    sep: \",\"\n    header: 0\n    encoding: utf-8\n    decimal: .\n"
      "    thousands:\n"
      "post_processors:\n    split_capacity: false\n    split_current: false\n    set_index: true\n"
      "    rename_headers: true\n    set_cycle_number_not_zero: true\n"
      "    convert_date_time_to_datetime: false\n    convert_step_time_to_timedelta: false\n"
      "    convert_test_time_to_timedelta: false\n"
      "normal_headers_renaming_dict:\n"
      "    data_point_txt: \"Record Index / 1\"\n    datetime_txt: \"Unix Time / s\"\n"
      "    test_time_txt: \"Test Time / s\"\n    step_time_txt: \"Step Time / s\"\n"
      "    cycle_index_txt: \"Cycle Count / 1\"\n    step_index_txt: \"Step Count / 1\"\n"
      "    current_txt: \"Current / A\"\n    voltage_txt: \"Voltage / V\"\n"
      "    charge_capacity_txt: \"Cycle Charging Capacity / Ah\"\n"
      "    discharge_capacity_txt: \"Cycle Discharging Capacity / Ah\"\n";
  // Its own loaders keep the counter electrode there.
  if (facts.has_reference()) text += fmt::format("    ref_voltage_txt: \"{}\"\n", bdf::ce_vs_re.label);
  text +=
      "unit_labels:\n    time: s\n    current: A\n    voltage: V\n    power: W\n    capacity: Ah\n"
      "    energy: Wh\n    resistance: Ohm\n    temperature: C\n"
      "raw_units:\n    current: A\n    charge: Ah\n    mass: g\n    voltage: V\n    time: s\n"
      "raw_limits:\n    current_hard: 1.0e-13\n    current_soft: 1.0e-05\n    ir_change: 1.0e-05\n"
      "    stable_charge_hard: 0.9\n    stable_charge_soft: 5.0\n    stable_current_hard: 2.0\n"
      "    stable_current_soft: 4.0\n    stable_voltage_hard: 2.0\n    stable_voltage_soft: 4.0\n";
  return text;
}

std::string protocol(const RunFacts& facts, ProtocolForm form) {
  if (form == ProtocolForm::own) return facts.run.recipe_text;
  if (!facts.recipe)
    throw std::runtime_error(fmt::format(
        "the recipe of {} cannot be read by this program; export it as it is stored", facts.run.id));
  const Recipe recipe = facts.plan ? as_carried_out(*facts.recipe, facts.cell, *facts.plan) : *facts.recipe;
  if (form == ProtocolForm::unicycler) return to_unicycler(recipe);
  if (form == ProtocolForm::pybamm) {
    std::string text = "[";
    for (const auto& sentence : pybamm_sentences(recipe))
      text += fmt::format("{}\n \"{}\"", text.size() > 1 ? "," : "", sentence);
    return text + "\n]";
  }
  const auto battinfo = to_battinfo(recipe);
  if (!battinfo) throw std::runtime_error(battinfo.error().what);
  return *battinfo;
}

}  // namespace cambench::exports
