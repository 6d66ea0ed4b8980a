#include "daemon/jobs/scoring_options.h"

#include <fmt/core.h>

#include <algorithm>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace {

using document::Fields;

template <typename T>
void put(T& into, std::optional<T> value) {
  if (value) into = std::move(*value);
}

void read_degradation(Fields& fields, sims::DegradationOptions& options) {
  using O = sims::DegradationOptions;
  put(options.values, fields.choice<O::Values>(
                          "values", {{"max_scaled", O::Values::max_scaled}, {"plain", O::Values::plain}}));
  put(options.maximum, fields.choice<O::Maximum>("maximum", {{"pca_spots", O::Maximum::pca_spots},
                                                             {"all_spots", O::Maximum::all_spots}}));
  put(options.rows,
      fields.choice<O::Rows>("spots", {{"uncycled_and_all_cycled", O::Rows::uncycled_and_all_cycled},
                                       {"anchors", O::Rows::anchors}}));
  put(options.columns, fields.choice<O::Columns>("columns", {{"centred", O::Columns::centred},
                                                             {"uncentred", O::Columns::uncentred}}));
  put(options.rescale, fields.choice<O::Rescale>(
                           "category_scale", {{"own", O::Rescale::own}, {"general", O::Rescale::general}}));
  put(options.loadings,
      fields.choice<O::Loadings>("negative_loadings", {{"keep", O::Loadings::keep_sign},
                                                       {"leave_out", O::Loadings::positive_only}}));
  put(options.undefined,
      fields.choice<O::Undefined>("no_score", {{"below_spot_sd", O::Undefined::below_spot_sd},
                                               {"only_zero", O::Undefined::only_zero}}));
  if (fields.has("categories")) options.categories = fields.texts("categories");
  for (const auto& category : options.categories)
    if (category == "general" || std::ranges::count(options.categories, category) > 1)
      fields.wrong("categories", fmt::format("\"{}\" is {}", category,
                                             category == "general" ? "scored in any case" : "there twice"));
  fields.finish();
}

void read_masses(Fields& fields, sims::MassCheck& check) {
  using What = sims::MassCheck::What;
  put(check.what,
      fields.choice<What>(
          "check", {{"named", What::named}, {"corrected", What::corrected}, {"nothing", What::nothing}}));
  if (fields.has("known_ions")) check.known_ions = fields.texts("known_ions");
  if (check.known_ions.size() < 3) fields.wrong("known_ions", "expected three ions at least");
  for (const auto& ion : check.known_ions)
    if (const auto formula = sims::parse_formula(ion); !formula || !sims::ion_mass(*formula))
      fields.wrong("known_ions", fmt::format("\"{}\" is no ion of known mass", ion));
  put(check.tolerance_ppm, fields.number("tolerance_ppm", document::above_zero, "ppm"));
  fields.finish();
}

void read_bootstrap(Fields& fields, sims::BootstrapOptions& options) {
  using O = sims::BootstrapOptions;
  if (const auto n = fields.whole("resamples", 0, 1'000'000))
    options.resamples = static_cast<std::size_t>(*n);
  if (const auto seed = fields.whole("seed", 0, INT64_MAX)) options.seed = static_cast<std::uint64_t>(*seed);
  put(options.confidence, fields.number("confidence", {0.5, 0.999}));
  put(options.loadings,
      fields.choice<O::Loadings>("loadings", {{"redone", O::Loadings::redone}, {"kept", O::Loadings::kept}}));
  fields.finish();
}

void read_rate(Fields& fields, rate::ScoreOptions& options) {
  using O = rate::ScoreOptions;
  std::vector<std::pair<std::string_view, rate::CycleChoice>> cycles;
  for (const auto choice : rate::cycle_choices) cycles.emplace_back(to_string(choice), choice);
  put(options.low_C, fields.number("low_C", document::above_zero, "C"));
  put(options.high_C, fields.number("high_C", document::above_zero, "C"));
  put(options.cycle, fields.choice("cycle", cycles));
  put(options.charge, fields.choice<O::Charge>(
                          "charge", {{"trapezoid", O::Charge::trapezoid}, {"counter", O::Charge::counter}}));
  put(options.gram,
      fields.choice<O::Gram>("gram", {{"coated", O::Gram::coated}, {"uncoated", O::Gram::uncoated}}));
  put(options.overpotential,
      fields.choice<O::Overpotential>("overpotential", {{"mean", O::Overpotential::mean},
                                                        {"half_charge", O::Overpotential::half_charge},
                                                        {"current_step", O::Overpotential::current_step},
                                                        {"relaxation", O::Overpotential::relaxation}}));
  put(options.overpotential_cycle,
      fields.choice<rate::CycleChoice>("overpotential_cycle", {{"first", rate::CycleChoice::first},
                                                               {"second", rate::CycleChoice::second}}));
  if (!(options.low_C < options.high_C)) fields.wrong("low_C", "expected a rate below high_C");
  fields.finish();
}

void read_radar(Fields& scoring, ScoringOptions& options) {
  std::vector<study::AxisOption> axes;
  for (auto& fields : scoring.tables("radar")) {
    fields.require("axis", "QS_0, QS_ret, DS_general or DS_<category>");
    study::AxisOption axis{.key = fields.text("axis").value_or("")};
    put(axis.span, fields.number("span", document::above_zero));
    const auto& categories = options.degradation.categories;
    const bool known =
        axis.key == "QS_0" || axis.key == "QS_ret" || axis.key == "DS_general" ||
        (axis.key.starts_with("DS_") && std::ranges::count(categories, axis.key.substr(3)) > 0);
    if (!known && !axis.key.empty())
      fields.wrong("axis", fmt::format("\"{}\" is no score of this study", axis.key));
    fields.finish();
    axes.push_back(std::move(axis));
  }
  if (scoring.has("radar") && axes.size() < 3)
    scoring.wrong("radar", "a radar chart needs three axes at least");
  // Without a word about them the axes follow the categories.
  if (!axes.empty())
    options.study.radar = std::move(axes);
  else
    std::erase_if(options.study.radar, [&](const study::AxisOption& axis) {
      return axis.key.starts_with("DS_") && axis.key != "DS_general" &&
             std::ranges::count(options.degradation.categories, axis.key.substr(3)) == 0;
    });
}

void read_fragments(Fields& scoring, const std::filesystem::path& folder, ScoringOptions& options) {
  const auto name = scoring.text("fragments");
  if (!name) return;
  try {
    FileReader files;
    const auto text = files.read(folder / *name);
    options.fragments = std::make_shared<const FragmentFile>(
        FragmentFile{sims::FragmentTable::parse(text, *name),
                     {(folder / *name).filename().string(), sha256_hex(text), text.size()}});
  } catch (const BadInput& bad) {
    scoring.wrong("fragments", bad.what());
  }
}

}  // namespace

void read_scoring(Fields& scoring, const std::filesystem::path& folder, ScoringOptions& options) {
  put(options.table.normalisation,
      scoring.choice<sims::Normalisation>("normalisation",
                                          {{"total_ion", sims::Normalisation::total_ion},
                                           {"reference_ion", sims::Normalisation::reference_ion}}));
  put(options.table.missing_peaks,
      scoring.choice<sims::TableOptions::MissingPeaks>(
          "missing_peaks", {{"leave_out", sims::TableOptions::MissingPeaks::leave_out},
                            {"refuse", sims::TableOptions::MissingPeaks::refuse}}));
  auto& normalise = options.normalise;
  put(normalise.reference, scoring.text("reference_ion"));
  put(normalise.empty_reference, scoring.choice<sims::EmptyReference>(
                                     "empty_reference", {{"half", sims::EmptyReference::half},
                                                         {"skip", sims::EmptyReference::skip},
                                                         {"min_counts", sims::EmptyReference::min_counts}}));
  put(normalise.min_counts, scoring.number("min_counts", document::above_zero));
  put(normalise.area,
      scoring.choice<sims::SpectrumArea>(
          "spectrum_area", {{"sum", sims::SpectrumArea::sum}, {"trapezoid", sims::SpectrumArea::trapezoid}}));
  normalise.reference_required = options.table.normalisation == sims::Normalisation::reference_ion;
  if (normalise.reference_required && normalise.reference.empty())
    scoring.wrong("reference_ion", "normalising by a reference ion needs one, such as \"NiO2-\"");
  read_fragments(scoring, folder, options);
  if (auto fields = scoring.table("masses")) read_masses(*fields, normalise.masses);
  if (auto fields = scoring.table("degradation")) read_degradation(*fields, options.degradation);
  if (auto fields = scoring.table("bootstrap")) read_bootstrap(*fields, options.study.bootstrap);
  if (auto fields = scoring.table("rate")) read_rate(*fields, options.study.cells);
  read_radar(scoring, options);
  scoring.finish();
}

}  // namespace cambench::jobs
