// cambench score: ToF-SIMS data on disk, without a daemon.
//
//   PATH/<material>/<uncycled|cycled>/...   a study: scored as the daemon scores it, report and charts go to --out
//   PATH/<sample>/...                       samples side by side: PCA; the first sample has score 0, the second 1
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <numeric>

#include "analysis/degradation.h"
#include "analysis/region.h"
#include "analysis/spot_table.h"
#include "daemon/cli/verbs.h"
#include "daemon/config.h"
#include "daemon/jobs/scoring.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

namespace fs = std::filesystem;
using Align = TextTable::Align;

constexpr const char* all_nominal = "nominal:1-300";

struct Options {
  std::string path, out, config, intervals = all_nominal, reference, normalise = "total";
  std::vector<std::string> samples;
  std::size_t loadings = 10;
};

// --- what lies in the folder --------------------------------------------------------------------------------

/// One sample of the comparison: where its spots lie, and which anchor it plays in eq. 1.
struct Sample {
  std::string shown;  ///< name for people
  fs::path folder;
  std::string material;
  sims::State state = sims::State::cycled;
};

std::vector<fs::path> entries(const fs::path& folder, bool folders) {
  std::vector<fs::path> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.is_directory() == folders && !entry.path().filename().string().starts_with('.'))
      found.push_back(entry.path());
  if (error) throw Problem(refused, fmt::format("{}: cannot be read: {}", folder.string(), error.message()));
  std::ranges::sort(found);
  return found;
}

bool is_study(const fs::path& folder) {
  return std::ranges::any_of(entries(folder, true), [](const fs::path& material) {
    return fs::is_directory(material / "cycled") || fs::is_directory(material / "uncycled");
  });
}

/// Samples side by side: the first two play the anchors.
std::vector<Sample> samples_side_by_side(const Options& options) {
  std::vector<std::string> names = options.samples;
  if (names.empty())
    for (const fs::path& folder : entries(options.path, true)) names.push_back(folder.filename().string());
  if (names.size() < 2)
    throw Problem(refused, fmt::format("{}: expected a folder for each sample, at least two; found {}",
                                       options.path, names.size()));
  std::vector<Sample> samples;
  for (const std::string& name : names) {
    Sample sample{name, fs::path(options.path) / name, name, sims::State::cycled};
    if (!fs::is_directory(sample.folder))
      throw Problem(refused, fmt::format("{}: there is no folder of this sample", sample.folder.string()));
    if (samples.empty()) sample.state = sims::State::uncycled;
    if (samples.size() < 2) sample.material = names[0];
    samples.push_back(std::move(sample));
  }
  return samples;
}

// --- intervals ----------------------------------------------------------------------------------------------

struct Intervals {
  std::vector<fs::path> list;  ///< of one peak list; none: nominal masses
  int first = 1, last = 300;
};

Intervals intervals_of(const std::string& text) {
  constexpr std::string_view nominal = "nominal:";
  if (!text.starts_with(nominal)) return {.list = {text}};
  const std::string_view range = std::string_view(text).substr(nominal.size());
  const auto dash = range.find('-');
  const auto whole = [](std::string_view digits, int& number) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  Intervals intervals;
  if (dash == std::string_view::npos || !whole(range.substr(0, dash), intervals.first) ||
      !whole(range.substr(dash + 1), intervals.last) || intervals.first < 1 || intervals.last > 300 ||
      intervals.first > intervals.last)
    throw Problem(
        usage,
        fmt::format(
            "--intervals {}: expected nominal:FIRST-LAST between 1 and 300, or the path of a peak list",
            text));
  return intervals;
}

/// Leaves only the nominal masses that were asked for; shares stay shares of all ions.
void keep(sims::Region& region, const Intervals& intervals) {
  if (!intervals.list.empty()) return;
  std::erase_if(region.peaks, [&](const sims::Peak& peak) {
    int mass = 0;
    constexpr std::string_view prefix = "m/z ";
    if (!peak.label.starts_with(prefix)) return false;
    std::from_chars(peak.label.data() + prefix.size(), peak.label.data() + peak.label.size(), mass);
    return mass < intervals.first || mass > intervals.last;
  });
}

// --- reading ------------------------------------------------------------------------------------------------

struct Read {
  std::vector<Sample> samples;
  sims::SpotTable table;
  std::vector<std::string> left_out, doubts;
};

Read read(const Options& options) {
  Read read{.samples = samples_side_by_side(options)};
  const Intervals intervals = intervals_of(options.intervals);
  const bool by_total = options.normalise == "total";
  sims::NormaliseOptions normalise;
  normalise.reference = by_total ? "" : options.normalise;
  normalise.reference_required = !by_total;

  std::vector<sims::Region> regions;
  std::vector<std::size_t> sample_of;
  for (std::size_t i = 0; i < read.samples.size(); ++i) {
    const auto found = sims::find_regions(entries(read.samples[i].folder, false), intervals.list);
    for (const auto& refused : found.refused) read.left_out.push_back(refused.why);
    for (const auto& files : found.regions) {
      regions.push_back(sims::read_region(files, normalise));
      keep(regions.back(), intervals);
      std::ranges::copy(regions.back().doubts, std::back_inserter(read.doubts));
      sample_of.push_back(i);
    }
    if (found.regions.empty())
      throw Problem(refused, fmt::format("{}: no spectrum and no image can be read here\n{}",
                                         read.samples[i].folder.string(), fmt::join(read.left_out, "\n")));
  }
  std::vector<sims::SpotRegion> spots;
  for (std::size_t r = 0; r < regions.size(); ++r)
    spots.push_back({read.samples[sample_of[r]].material, read.samples[sample_of[r]].state, &regions[r]});
  read.table = sims::tabulate(
      spots, sims::FragmentTable::built_in(),
      {.normalisation = by_total ? sims::Normalisation::total_ion : sims::Normalisation::reference_ion,
       .missing_peaks = sims::TableOptions::MissingPeaks::leave_out});
  return read;
}

// --- saying -------------------------------------------------------------------------------------------------

std::string shown(const Read& read, const std::string& material, sims::State state) {
  for (const Sample& sample : read.samples)
    if (sample.material == material && sample.state == state) return sample.shown;
  return material;
}

std::vector<std::size_t> by_size_of_loading(const sims::Pca& pca) {
  std::vector<std::size_t> order(pca.used.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t f) { return std::abs(pca.loadings(0, f)); });
  return order;
}

std::string number_or_dash(const std::optional<double>& number) {
  return number ? fmt::format("{:.3f}", *number) : "-";
}

void print_pca(Session& session, const Read& read, const sims::DegradationResult& result,
               std::size_t loadings) {
  const auto& pca = result.pca;
  std::vector<std::string> shares;
  for (std::size_t k = 0; k < std::min<std::size_t>(4, pca.explained.size()); ++k)
    shares.push_back(fmt::format("PC{} {:.4f} %", k + 1, pca.explained[k] * 100));
  session.out << fmt::format("{} spots, {} fragments, normalised by {}\n", result.pca_spots.size(),
                             pca.used.size(), to_string(result.normalisation));
  session.out << fmt::format("variance explained: {}\n\n", fmt::join(shares, ", "));
  TextTable spots(
      {{"sample", Align::left}, {"spot", Align::left}, {"PC1", Align::right}, {"PC2", Align::right}});
  for (std::size_t i = 0; i < result.pca_spots.size(); ++i) {
    const auto& spot = result.pca_spots[i];
    spots.add({shown(read, spot.material, spot.state), spot.region, fmt::format("{:+.6f}", pca.scores(i, 0)),
               pca.scores.columns() > 1 ? fmt::format("{:+.6f}", pca.scores(i, 1)) : "-"});
  }
  spots.print(session.out);
  session.out << fmt::format("\nlargest loadings of PC1{}\n",
                             result.flipped ? " (turned round: it points from score 0 to 1)" : "");
  TextTable table({{"fragment", Align::left},
                   {"m/z", Align::right},
                   {"category", Align::left},
                   {"loading", Align::right}});
  const auto order = by_size_of_loading(pca);
  for (std::size_t i = 0; i < std::min(loadings, order.size()); ++i) {
    const auto& fragment = result.fragments[order[i]];
    table.add({fragment.label, fmt::format("{:.2f}", fragment.mz), fragment.category,
               fmt::format("{:+.5f}", pca.loadings(0, order[i]))});
  }
  table.print(session.out);
}

void print_scores(Session& session, const Read& read, const sims::DegradationResult& result) {
  for (const auto& set : result.sets) {
    if (set.category != "general" && set.fragments.empty()) continue;
    session.out << fmt::format("\n{} score, {} fragments{}\n", set.category, set.fragments.size(),
                               set.undefined.empty() ? "" : ": undefined, " + set.undefined);
    if (!set.undefined.empty()) continue;
    TextTable table(
        {{"sample", Align::left}, {"spots", Align::right}, {"score", Align::right}, {"sd", Align::right}});
    for (const auto& sample : set.samples)
      table.add({shown(read, sample.material, sample.state), std::to_string(sample.spots),
                 number_or_dash(sample.score), number_or_dash(sample.sd)});
    table.print(session.out, "  ");
  }
}

void print_json(Session& session, const Read& read, const sims::DegradationResult& result) {
  const auto& pca = result.pca;
  JsonWriter json;
  json.object().key("explained").array();
  for (const double share : pca.explained) json.value(share);
  json.end_array().key("spots").array();
  for (std::size_t i = 0; i < result.pca_spots.size(); ++i) {
    const auto& spot = result.pca_spots[i];
    json.object()
        .field("sample", shown(read, spot.material, spot.state))
        .field("spot", spot.region)
        .key("scores")
        .array();
    for (const double score : pca.scores.row(i)) json.value(score);
    json.end_array().end_object();
  }
  json.end_array().key("loadings").array();
  for (const std::size_t f : by_size_of_loading(pca)) {
    const auto& fragment = result.fragments[f];
    json.object()
        .field("fragment", fragment.label)
        .field("mz", fragment.mz)
        .field("category", fragment.category);
    json.field("pc1", pca.loadings(0, f)).end_object();
  }
  json.end_array().key("scores").array();
  for (const auto& set : result.sets)
    for (const auto& sample : set.samples) {
      json.object()
          .field("category", set.category)
          .field("sample", shown(read, sample.material, sample.state));
      json.field("spots", sample.spots).field("score", sample.score).field("sd", sample.sd);
      json.field("undefined", set.undefined).end_object();
    }
  json.end_array().key("settings").array();
  for (const Setting& setting : describe(result.options))
    json.object()
        .field("name", setting.name)
        .field("value", setting.value)
        .field("why", setting.why)
        .end_object();
  session.out << json.end_array().end_object().text() << '\n';
}

void compare(Session& session, const Options& options) {
  if (!options.out.empty())
    throw Problem(usage, "--out is for a study: PATH/<material>/<uncycled|cycled>/...");
  const Read data = read(options);
  sims::DegradationOptions settings;
  settings.reference = data.samples.front().material;
  const auto result = sims::degradation_scores(data.table, settings);
  if (result.pca.explained.empty())
    throw Problem(refused, "all spots are equal, so there is no principal component; compare others");
  if (session.json) return print_json(session, data, result);
  print_pca(session, data, result, options.loadings);
  print_scores(session, data, result);
  for (const auto& lines : {data.left_out, data.doubts, data.table.notes, result.notes})
    for (const auto& line : lines) session.out << "note: " << line << '\n';
}

// --- a study ------------------------------------------------------------------------------------------------

void print_study(Session& session, const status::Study& study) {
  std::vector<std::pair<std::string, Align>> columns{{"material", Align::left}};
  for (const auto& axis : study.axes)
    columns.emplace_back(axis.label + (axis.higher_is_better ? " (+)" : " (-)"), Align::right);
  TextTable table(std::move(columns));
  for (const auto& material : study.materials) {
    std::vector<std::string> row{material.name + (material.reference ? " (reference)" : "")};
    for (const auto& axis : study.axes) {
      const auto score = std::ranges::find(material.scores, axis.key, &status::Score::axis);
      const bool there = score != material.scores.end() && score->value;
      row.push_back(!there                            ? "-"
                    : score->ci_low && score->ci_high ? fmt::format("{:.3f} [{:.3f}, {:.3f}]", *score->value,
                                                                    *score->ci_low, *score->ci_high)
                    : score->sd ? fmt::format("{:.3f} +- {:.3f}", *score->value, *score->sd)
                                : fmt::format("{:.3f}", *score->value));
    }
    table.add(std::move(row));
  }
  session.out << study.title << '\n';
  table.print(session.out);
  session.out << "(+) more is better, (-) less is better; [confidence interval] or +- SD; - is no value, the "
                 "report says why\n";
  for (const auto& problem : study.problems) session.out << "note: " << problem << '\n';
}

void score_study(Session& session, const Options& options) {
  if (options.intervals != all_nominal)
    throw Problem(
        usage,
        "--intervals is for samples side by side; a study takes the peak list that lies in its folder");
  jobs::FolderOptions settings;
  if (!options.reference.empty()) settings.reference = options.reference;
  if (!options.config.empty()) {
    const auto bench = config::read(options.config);
    settings.materials = bench.materials;
    if (bench.scoring) settings.scoring = *bench.scoring;
  }
  if (!options.out.empty()) settings.results = options.out;
  if (options.normalise != "total") {
    settings.scoring.normalise.reference = options.normalise;
    settings.scoring.normalise.reference_required = true;
    settings.scoring.table.normalisation = sims::Normalisation::reference_ion;
  }
  const auto scores = jobs::score_folder(options.path, settings);
  if (session.json)
    session.out << scores.result_json << '\n';
  else
    print_study(session, scores.summary);
  if (!options.out.empty() && !session.json)
    session.out << fmt::format("report: {}\n", (fs::path(options.out) / "report.html").string());
}

void score(Session& session, const Options& options) {
  if (!fs::is_directory(options.path))
    throw Problem(refused, fmt::format("{}: expected a folder", options.path));
  if (is_study(options.path))
    score_study(session, options);
  else
    compare(session, options);
}

}  // namespace

void add_score_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  auto* sub =
      app.add_subcommand("score", "Score ToF-SIMS data of a folder: PCA, loadings, degradation scores");
  sub->add_option("path", options->path, "PATH/<sample>/... or PATH/<material>/<uncycled|cycled>/...")
      ->required();
  sub->add_option("--samples", options->samples,
                  "samples to compare: the first has score 0, the second 1 (default: all)")
      ->delimiter(',');
  sub->add_option("--intervals", options->intervals,
                  "for spectra: nominal:1-300 (default), or a peak list from SurfaceLab");
  sub->add_option("--reference", options->reference,
                  "a study's uncoated material (default: the one with uncycled spots)");
  sub->add_option("--out", options->out,
                  "a study's report, charts and tables go to this folder, which may hold nothing else");
  sub->add_option("--config", options->config,
                  "configuration of the bench: names and coatings of the materials");
  sub->add_option("--normalise", options->normalise, "total (default), or a reference ion such as NiO2-");
  sub->add_option("--loadings", options->loadings, "how many loadings to print (default 10)");
  sub->callback([&session, options] { session.action = [&session, options] { score(session, *options); }; });
}

}  // namespace cambench::cli
