// cambench recipe check | list | show
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>

#include "daemon/cli/recipe_name.h"
#include "daemon/cli/recipe_plot.h"
#include "daemon/cli/verbs.h"
#include "daemon/config.h"
#include "schema/counted.h"
#include "schema/document.h"
#include "schema/json.h"
#include "schema/recipe.h"

namespace cambench::cli {
namespace {

using Align = TextTable::Align;

struct Options {
  std::string recipe, cell, config, plot;
  bool unicycler = false;
};

// --- which recipe, which cell -------------------------------------------------------------------------------

std::optional<config::Bench> bench_of(const Options& options) {
  if (options.config.empty()) return std::nullopt;
  return config::read(options.config);
}

Recipe recipe_of(const Options& options, const std::optional<config::Bench>& bench) {
  return recipe_called(bench.value_or(config::Bench{}), options.recipe);
}

bool needs_cell(const Recipe& recipe) {
  return !std::ranges::all_of(recipe.method, [](const recipe::Step& step) {
    return std::holds_alternative<recipe::PressStep>(step.what);
  });
}

/// The cell that the paper would run this recipe on: with a reference electrode for the rate test (67 % CAM), with two
/// electrodes for degradation (80 % CAM); 12 mg on 10 mm, 200 mAh/g.
CellSpec paper_cell(const Recipe& recipe) {
  CellSpec cell{.id = "the paper's two-electrode cell",
                .electrodes = 2,
                .composite = Gram(0.012),
                .cam_fraction = 0.80,
                .area_cm2 = 0.7854};
  if (recipe.limit_on == LimitOn::we_vs_re) {
    cell.id = "the paper's three-electrode cell";
    cell.electrodes = 3;
    cell.cam_fraction = 0.67;
  }
  return cell;
}

std::optional<CellSpec> cell_of(const Options& options, const std::optional<config::Bench>& bench,
                                const Recipe& recipe) {
  if (options.cell.empty()) return needs_cell(recipe) ? std::optional(paper_cell(recipe)) : std::nullopt;
  if (!bench) throw Problem(usage, "--cell needs --config: the cells stand in the bench's configuration");
  const CellSpec* cell = bench->cell(options.cell);
  if (cell) return *cell;
  std::vector<std::string> known;
  for (const CellSpec& one : bench->cells) known.push_back(one.id);
  throw Problem(refused,
                fmt::format("{}: there is no cell \"{}\"; there are {}", options.config, options.cell,
                            known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", "))));
}

// --- words about a plan -------------------------------------------------------------------------------------

double total(const Plan& plan, double (*of)(const Plan&, const PlannedStep&)) {
  double seconds = 0;
  for (const PlannedStep& step : plan.steps) seconds += of(plan, step);
  return seconds;
}

double most_seconds(const Plan&, const PlannedStep& step) { return step.run_time.count(); }

std::string current_words(const PlannedStep& step) {
  if (step.kind == PlannedStep::Kind::constant_current)
    return fmt::format("{:+.4f} mA", step.current.value() * 1e3);
  return step.kind == PlannedStep::Kind::constant_voltage ? "free" : "0";
}

/// "E(WE vs RE) >= 4.010 V (4.32 vs Li+/Li)", with every other end after "or".
std::string end_words(const Recipe& recipe, const Plan& plan, const PlannedStep& step) {
  std::vector<std::string> ends;
  if (step.until_voltage) {
    const bool charges = step.current.value() > 0;
    std::string end =
        fmt::format("{} {} {:.3f} V", step.limit_on == LimitOn::we_vs_re ? "E(WE vs RE)" : "E(cell)",
                    charges ? ">=" : "<=", step.until_voltage->value());
    if (recipe.potentials == recipe::Potentials::vs_li)
      end += fmt::format(" ({:.2f} vs Li+/Li)", (*step.until_voltage + plan.reference_vs_li).value());
    ends.push_back(std::move(end));
  }
  if (step.until_current) ends.push_back(fmt::format("|I| <= {:.4f} mA", step.until_current->value() * 1e3));
  if (step.run_time_is_planned) ends.push_back("after " + duration_words(step.run_time.count()));
  return fmt::format("{}", fmt::join(ends, " or "));
}

std::string window_words(const char* name, std::optional<Volt> low, std::optional<Volt> high) {
  return low && high ? fmt::format("{} {:.2f} .. {:.2f} V", name, low->value(), high->value())
                     : std::string();
}

std::string guard_words(const PlannedStep& step) {
  std::vector<std::string> words;
  const auto& g = step.guards;
  for (const auto& window :
       {window_words("WE", g.we_min, g.we_max), window_words("cell", g.cell_min, g.cell_max)})
    if (!window.empty()) words.push_back(window);
  if (g.charge_max) words.push_back(fmt::format("{:.3f} mAh", g.charge_max->value() * 1e3));
  return fmt::format("{}", fmt::join(words, ", "));
}

void print_head(Session& session, const Recipe& recipe, const Plan& plan,
                const std::optional<CellSpec>& cell) {
  auto& out = session.out;
  out << recipe.name << (recipe.title.empty() ? "" : ": " + recipe.title) << '\n';
  out << fmt::format("  hash       {}\n", plan.recipe_hash);
  if (cell && plan.needs_cell) {
    out << fmt::format("  cell       {}: {:g} mg x {:g} % CAM, {} electrodes", cell->id,
                       cell->composite.value() * 1e3, cell->cam_fraction * 100, cell->electrodes);
    if (plan.one_C.value() > 0)
      out << fmt::format("; 1 C = {:.4g} mA = {:.3g} mA/cm2", plan.one_C.value() * 1e3,
                         plan.one_C.value() * 1e3 / cell->area_cm2);
    out << '\n';
  }
  if (!plan.reference_note.empty())
    out << fmt::format("  reference  {:+.3f} V vs Li+/Li ({})\n", plan.reference_vs_li.value(),
                       plan.reference_note);
  if (plan.pressure)
    out << fmt::format("  pressure   {:g} +- {:g} MPa within {}; at the end: {}\n",
                       plan.pressure->target.value(), plan.pressure->band.value(),
                       duration_words(plan.pressure->settle.count()),
                       plan.pressure->at_end == PressurePlan::AtEnd::hold ? "hold" : "vent");
  else if (!plan.needs_cell)
    out << "  pressure   as the steps say; at the end: vent\n";
  if (plan.ocv_min && plan.ocv_max)
    out << fmt::format("  at rest    the cell must show {:.2f} .. {:.2f} V before anything polarises it\n",
                       plan.ocv_min->value(), plan.ocv_max->value());
  if (!plan.steps.empty() && plan.needs_cell) {
    const PlannedStep& step = plan.steps.front();
    const auto [finest, coarsest] = std::ranges::minmax(plan.steps, {}, &PlannedStep::sampling);
    out << fmt::format(
        "  record     every {:g} s{}; first and last point always\n", step.record_every.count(),
        step.record_delta ? fmt::format(" and every {:g} mV", step.record_delta->value() * 1e3) : "");
    out << fmt::format("  limits     are looked at every {:g} s{}\n", coarsest.sampling.count(),
                       finest.sampling < coarsest.sampling
                           ? fmt::format(", in fast steps every {:g} s", finest.sampling.count())
                           : "");
  }
}

void print_steps(Session& session, const Recipe& recipe, const Plan& plan) {
  TextTable table({{"step", Align::right},
                   {"cycle", Align::right},
                   {"what", Align::left},
                   {"current", Align::right},
                   {"ends", Align::left},
                   {"nominal", Align::right},
                   {"at most", Align::right},
                   {"charge", Align::right},
                   {"guards", Align::left}});
  for (const PlannedStep& step : plan.steps) {
    const double nominal = nominal_seconds(plan, step);
    const double charge_mAh = std::abs(step.current.value()) * nominal / 3.6;
    table.add({std::to_string(step.index + 1), step.cycle ? std::to_string(step.cycle) : "", step.label,
               current_words(step), end_words(recipe, plan, step), duration_words(nominal),
               duration_words(step.run_time.count()),
               charge_mAh > 0 ? fmt::format("{:.3f} mAh", charge_mAh) : "", guard_words(step)});
  }
  session.out << '\n';
  table.print(session.out);
  session.out << fmt::format("\n{}, {} when every half cycle moves the nominal capacity, at most {}\n",
                             counted(plan.steps.size(), "step"), duration_words(total(plan, nominal_seconds)),
                             duration_words(total(plan, most_seconds)));
}

void print_list(Session& session, std::string_view title, const std::vector<std::string>& lines) {
  if (lines.empty()) return;
  session.out << '\n' << title << '\n';
  for (const auto& line : lines) session.out << "  " << line << '\n';
}

void print_json(Session& session, const Recipe& recipe, const Plan& plan) {
  JsonWriter json;
  json.object().field("recipe", plan.recipe).field("hash", plan.recipe_hash).field("one_C_A", plan.one_C);
  json.field("reference_vs_li_V", plan.reference_vs_li).field("reference_note", plan.reference_note);
  json.field("nominal_s", total(plan, nominal_seconds)).field("at_most_s", total(plan, most_seconds));
  json.key("steps").array();
  for (const PlannedStep& step : plan.steps) {
    json.object().field("index", step.index).field("source", step.source).field("cycle", step.cycle);
    json.field("label", step.label).field("current_A", step.current).field("rate_C", step.rate_C);
    json.field("limit_on", step.limit_on == LimitOn::we_vs_re ? "we_vs_re" : "cell");
    json.field("voltage_V", step.voltage).field("until_voltage_V", step.until_voltage);
    json.field("until_current_A", step.until_current).field("pressure_MPa", step.pressure);
    json.field("run_time_s", step.run_time).field("run_time_is_planned", step.run_time_is_planned);
    json.field("nominal_s", nominal_seconds(plan, step));
    json.field("we_min_V", step.guards.we_min).field("we_max_V", step.guards.we_max);
    json.field("cell_min_V", step.guards.cell_min).field("cell_max_V", step.guards.cell_max);
    json.field("charge_max_Ah", step.guards.charge_max).end_object();
  }
  json.end_array();
  for (const auto& [key, lines] :
       {std::pair("pybamm", pybamm_sentences(recipe)), std::pair("remarks", remarks(recipe, plan))}) {
    json.key(key).array();
    for (const auto& line : lines) json.value(line);
    json.end_array();
  }
  session.out << json.end_object().text() << '\n';
}

constexpr int usual_columns = 100;  // of a plot that goes into a file or a pipe

void write_plot(const std::string& file, const std::string& svg) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << svg;
  out.close();
  if (!out) throw Problem(refused, fmt::format("{}: cannot be written", file));
}

// --- the verbs ----------------------------------------------------------------------------------------------

void check(Session& session, const Options& options) {
  const auto bench = bench_of(options);
  const Recipe recipe = recipe_of(options, bench);
  const auto cell = cell_of(options, bench, recipe);
  const auto accepted = plan(recipe, cell);
  if (!accepted) throw Problem(refused, accepted.error().what);
  const auto curves = sketch(*accepted);
  if (!options.plot.empty()) write_plot(options.plot, svg_plot(*accepted, curves));
  if (session.json) return print_json(session, recipe, *accepted);
  print_head(session, recipe, *accepted, cell);
  print_steps(session, recipe, *accepted);
  session.out << '\n' << text_plot(curves, session.world.columns > 0 ? session.world.columns : usual_columns);
  print_list(session, "Worth knowing:", remarks(recipe, *accepted));
  print_list(session, "In PyBaMM's words:", pybamm_sentences(recipe));
}

void list(Session& session, const Options& options) {
  const auto bench = bench_of(options);
  const auto names = config::recipe_names(bench.value_or(config::Bench{}));
  TextTable table({{"recipe", Align::left}, {"what", Align::left}});
  JsonWriter json;
  json.array();
  for (const auto& name : names) {
    const auto recipe = config::find_recipe(bench.value_or(config::Bench{}), name);
    const std::string what = recipe ? recipe->title : "cannot be used: " + recipe.error().what;
    table.add({name, what});
    json.object().field("name", name).field("title", what).field("usable", recipe.has_value()).end_object();
  }
  if (session.json)
    session.out << json.end_array().text() << '\n';
  else
    table.print(session.out);
}

void show(Session& session, const Options& options) {
  const auto bench = bench_of(options);
  const Recipe recipe = recipe_of(options, bench);
  if (options.unicycler)
    session.out << to_unicycler(recipe) << '\n';
  else if (session.json)
    session.out << to_json(recipe) << '\n';
  else if (!names_a_file(options.recipe) && recipe.file == options.recipe + ".toml")
    session.out << builtin_recipe_text(options.recipe);
  else
    session.out << read_file(recipe.file);
}

}  // namespace

void add_recipe_verbs(CLI::App& app, Session& session) {
  auto* group = app.add_subcommand("recipe", "Look at recipes; nothing moves")->require_subcommand(1);
  const auto options = std::make_shared<Options>();
  const auto verb = [&](const char* name, const char* about, void (*act)(Session&, const Options&)) {
    auto* sub = group->add_subcommand(name, about);
    sub->add_option("--config", options->config, "configuration of the bench: its cells and its own recipes");
    sub->callback(
        [&session, options, act] { session.action = [&session, options, act] { act(session, *options); }; });
    return sub;
  };
  const auto which = [&](CLI::App* sub) {
    sub->add_option("recipe", options->recipe, "a file (TOML, or aurora-unicycler's JSON) or a name")
        ->required();
    return sub;
  };
  auto* checks = which(verb(
      "check", "Print the steps with their times, charges and limits and a plot, or say why it is refused",
      check));
  checks->add_option("--cell", options->cell,
                     "id of a cell of the configuration (default: the paper's cell)");
  checks->add_option("--plot", options->plot, "write the plot to this file too, as SVG");
  verb("list", "Names of the built-in recipes and of the bench's own", list);
  which(verb("show", "Print a recipe as it was written", show))
      ->add_flag("--unicycler", options->unicycler, "only what aurora-unicycler understands, as its JSON");
}

}  // namespace cambench::cli
