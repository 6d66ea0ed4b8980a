#include "daemon/jobs/scoring.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "analysis/bad_input.h"
#include "analysis/fragments.h"
#include "daemon/folders.h"
#include "daemon/jobs/results_folder.h"
#include "schema/counted.h"
#include "schema/document.h"
#include "schema/json.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace fs = std::filesystem;

namespace {

const Material& reference_of(const StudySpec& study) {
  const auto found = std::ranges::find_if(study.materials, &Material::reference);
  if (found == study.materials.end())
    throw BadInput(study.id, 0, "no material of the study is the uncoated reference", "mark one of them");
  return *found;
}

bool has_spot(const StudyData& data, const std::string& material, sims::State state) {
  return std::ranges::any_of(data.spots,
                             [&](const StudySpot& s) { return s.material == material && s.state == state; });
}

std::vector<sims::SpotRegion> regions_of(const StudyData& data) {
  std::vector<sims::SpotRegion> regions;
  for (const auto& spot : data.spots) regions.push_back({spot.material, spot.state, spot.region.get()});
  return regions;
}

/// Which program the results name, and part of what makes two results equal.
constexpr std::string_view program = "cambench " CAMBENCH_VERSION;

std::string sample_of(const StudySpot& spot) {
  return fmt::format("{} {}", spot.material, sims::to_string(spot.state));
}

sims::SpotTable spots_of(const StudyData& data, const ScoringOptions& options) {
  return sims::tabulate(regions_of(data),
                        options.fragments ? options.fragments->table : sims::FragmentTable::built_in(),
                        options.table);
}

/// What the peaks of the spots were counted by, and of how many where they are not all alike.
std::string intervals_of(const StudyData& data) {
  std::map<std::string, std::size_t> spots;
  for (const auto& spot : data.spots) ++spots[spot.region->intervals];
  if (spots.size() == 1) return spots.begin()->first;
  std::vector<std::string> texts;
  for (const auto& [intervals, count] : spots)
    texts.push_back(fmt::format("{} ({})", intervals, counted(count, "spot")));
  return fmt::format("{}", fmt::join(texts, "; "));
}

/// Lists of one name may have other bounds, and a wider interval holds more ions. Images bring their own bounds.
std::vector<std::string> caveats_of_peak_lists(const StudyData& data) {
  std::map<std::pair<std::string, std::string>, std::size_t> spots;  // by name and content of the list
  for (const auto& spot : data.spots) {
    if (!spot.files.interval_list || spot.files.format == sims::RegionFiles::Format::bif6) continue;
    const auto name = spot.files.interval_list->filename().string();
    const auto& files = spot.region->files;
    if (const auto list = std::ranges::find(files, name, &sims::FileUsed::name); list != files.end())
      ++spots[{name, list->sha256}];
  }
  std::set<std::string> contents;
  std::vector<std::string> texts;
  for (const auto& [list, count] : spots) {
    contents.insert(list.second);
    texts.push_back(fmt::format("{} of SHA-256 {}... ({})", list.first, list.second.substr(0, 8),
                                counted(count, "spot")));
  }
  if (contents.size() < 2) return {};
  return {fmt::format("the spots were counted by peak lists that are not the same, and may not compare: {}",
                      fmt::join(texts, ", "))};
}

std::vector<Setting> settings_of(const StudyData& data, const ScoringOptions& options) {
  std::vector<Setting> settings{
      {"mass intervals", intervals_of(data),
       "where spectra have no peak list, nominal masses are left: they hold several ions each and belong to "
       "no category"}};
  for (auto& setting : sims::describe(options.normalise)) settings.push_back(std::move(setting));
  for (auto& setting : sims::describe(options.table)) settings.push_back(std::move(setting));
  settings.push_back(
      {"categories of fragments",
       options.fragments ? "by " + options.fragments->file.name : "by the built-in table",
       "the paper gives them in its supplement only: a table decides, and a rule where it is silent"});
  return settings;
}

// ---- how many regions there should be

struct Sample {
  std::string shown;
  std::size_t spots = 0;
};
/// The samples that a study needs, and the spots of each.
std::vector<Sample> samples_of(const StudySpec& study, const StudyData& data) {
  std::vector<Sample> samples;
  for (const auto& material : study.materials)
    for (const auto state : {sims::State::uncycled, sims::State::cycled}) {
      const auto spots =
          static_cast<std::size_t>(std::ranges::count_if(data.spots, [&](const StudySpot& spot) {
            return spot.material == material.id && spot.state == state;
          }));
      const bool needed = state == sims::State::cycled || material.reference;
      if (needed || spots > 0)
        samples.push_back({fmt::format("{}, {}", material.name, sims::to_string(state)), spots});
    }
  return samples;
}

std::vector<std::string> short_of_regions(const StudySpec& study, const StudyData& data) {
  std::vector<std::string> sentences;
  if (!study.regions) return sentences;
  const auto expected = static_cast<std::size_t>(*study.regions);
  for (const auto& sample : samples_of(study, data))
    if (sample.spots < expected)
      sentences.push_back(
          fmt::format("{} of the {} regions expected of {}", sample.spots, expected, sample.shown));
  return sentences;
}

sims::DegradationResult degradation_of(const sims::SpotTable& table, sims::DegradationOptions options,
                                       const std::string& reference) {
  options.reference = reference;
  auto result = sims::degradation_scores(table, options);
  result.notes.insert(result.notes.begin(), table.notes.begin(), table.notes.end());
  return result;
}

std::vector<study::InputUsed> inputs_of(const StudyData& data, std::span<const RateTest> tests) {
  std::vector<study::InputUsed> inputs;
  for (const auto& spot : data.spots)
    for (const auto& file : spot.region->files)
      inputs.push_back(
          {fmt::format("{}, {}", sample_of(spot), spot.region->name), file.name, file.sha256, file.bytes});
  for (const auto& test : tests)
    inputs.push_back(
        {fmt::format("rate test of cell {}", test.test.cell), test.run, test.sha256, test.bytes});
  return inputs;
}

study::StudyInput input_of(const StudySpec& spec, const StudyData& data, std::span<const RateTest> tests,
                           const ScoringOptions& options) {
  study::StudyInput input;
  input.id = spec.id;
  input.title = spec.title;
  input.materials = spec.materials;
  input.spots = spots_of(data, options);
  input.degradation = degradation_of(*input.spots, options.degradation, reference_of(spec).id);
  for (const auto& test : tests) input.cells.push_back(test.test);
  input.settings = settings_of(data, options);
  input.inputs = inputs_of(data, tests);
  for (const auto& parts : data.parts) input.parts.push_back(*parts);
  for (const auto& problem : data.problems) input.problems.push_back(problem.text);
  for (const auto& file : spec.files)
    input.inputs.push_back({"settings", file.name, file.sha256, file.bytes});
  input.caveats = spec.caveats;
  for (auto& sentence : short_of_regions(spec, data)) input.caveats.push_back(std::move(sentence));
  for (auto& sentence : caveats_of_peak_lists(data)) input.caveats.push_back(std::move(sentence));
  return input;
}

status::Study summary_of(const study::StudyResult& result) {
  status::Study summary;
  summary.id = result.input.id;
  summary.title = result.input.title;
  summary.state = "scored";
  summary.axes = result.axes;
  summary.materials = result.materials;
  summary.problems = result.input.problems;
  return summary;
}

}  // namespace

std::string waits_for(const StudySpec& study, const StudyData& data) {
  const Material& uncoated = reference_of(study);
  std::vector<std::string> missing;
  if (!has_spot(data, uncoated.id, sims::State::uncycled))
    missing.push_back(fmt::format("spectra of {}, uncycled", uncoated.name));
  if (!has_spot(data, uncoated.id, sims::State::cycled))
    missing.push_back(fmt::format("spectra of {}, cycled", uncoated.name));
  const bool sample = std::ranges::any_of(data.spots, [&](const StudySpot& s) {
    return s.material != uncoated.id && s.state == sims::State::cycled;
  });
  if (!sample) missing.push_back("spectra of a coated, cycled sample");
  if (missing.empty() && study.wait_for_regions)
    for (const auto& sentence : short_of_regions(study, data)) missing.push_back("the rest: " + sentence);
  return missing.empty() ? std::string() : fmt::format("waits for {}", fmt::join(missing, "; "));
}

void add_study_file(const StudyFile& file, StudySpec& study) {
  study.regions = file.regions;
  study.wait_for_regions = file.wait;
  if (file.file) study.files.push_back(*file.file);
  study.files.insert(study.files.end(), file.masks.begin(), file.masks.end());
  if (file.scoring.fragments) study.files.push_back(file.scoring.fragments->file);
}

StudyScores score_study(const StudySpec& spec, const StudyData& data, std::span<const RateTest> tests,
                        const ScoringOptions& options) {
  const auto result = study::score(input_of(spec, data, tests, options), options.study);
  StudyScores scores;
  scores.summary = summary_of(result);
  scores.program = program;
  JsonWriter settings;
  settings.object();
  for (const auto& setting : result.settings) settings.field(setting.name, setting.value);
  scores.settings_json = settings.end_object().take();
  scores.result_json = study::scores_json(result, program);
  scores.inputs_hash =
      sha256_hex(scores.result_json);  // the document names every input, setting and the program
  for (auto& file : study::outputs(result, program)) scores.files[file.name] = std::move(file.bytes);
  scores.files["regions.csv"] = study::regions_csv(regions_of(data));
  scores.files["regions.json"] = study::regions_json(regions_of(data));
  return scores;
}

namespace {

status::Axis axis_from(document::Fields& from) {
  status::Axis axis;
  axis.key = from.text("key").value_or("");
  axis.label = from.text("label").value_or("");
  axis.higher_is_better = from.flag("higher_is_better").value_or(true);
  return axis;
}

status::ScoredMaterial material_from(document::Fields& from, const std::vector<status::Axis>& axes) {
  status::ScoredMaterial material;
  material.id = from.text("id").value_or("");
  material.name = from.text("name").value_or("");
  material.coating = from.text("coating").value_or("");
  material.amount_wt_percent = from.number("amount_wt_percent").value_or(0);
  material.reference = from.flag("reference").value_or(false);
  material.radar = from.text("radar").value_or("");
  auto scores = from.table("scores");
  for (const auto& axis : axes)
    if (auto score = scores ? scores->table(axis.key) : std::nullopt)
      material.scores.push_back({axis.key, score->number("value"), score->number("sd"),
                                 score->text("why_not").value_or(""), score->number("ci_low"),
                                 score->number("ci_high")});
  return material;
}

}  // namespace

status::Study summary_from_json(std::string_view json) {
  const auto tree = document::parse_json(json, "a stored score");
  if (!tree) throw BadInput("a stored score", 0, tree.error().what, "score the study again");
  document::Mistakes mistakes("a stored score");
  document::Fields root(*tree, "", mistakes);
  status::Study study;
  study.id = root.text("id").value_or("");
  study.title = root.text("title").value_or("");
  study.state = root.text("state").value_or("");
  for (auto& axis : root.tables("axes")) study.axes.push_back(axis_from(axis));
  for (auto& material : root.tables("materials"))
    study.materials.push_back(material_from(material, study.axes));
  study.problems = root.texts("problems");
  if (!mistakes.empty()) throw BadInput("a stored score", 0, mistakes.text(), "score the study again");
  return study;
}

// ---- without a daemon

namespace {

std::vector<std::string> material_folders(const fs::path& path) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path))
    if (entry.is_directory() && !is_ignored_name(entry.path().filename().string()))
      names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

/// The materials of a folder: its own folders, or those that study.toml names and those that are laid out as usual.
std::vector<std::string> materials_in(const fs::path& path, const StudyFile& file) {
  auto names = material_folders(path);
  if (file.samples.empty()) return names;
  std::erase_if(names, [&](const std::string& name) {
    return !fs::is_directory(path / name / "uncycled") && !fs::is_directory(path / name / "cycled");
  });
  for (const auto& sample : file.samples)
    if (std::ranges::find(names, sample.material) == names.end()) names.push_back(sample.material);
  std::ranges::sort(names);
  return names;
}

std::string the_uncoated(const fs::path& path, const std::vector<std::string>& folders,
                         const StudyFile& file) {
  std::vector<std::string> with_uncycled;
  const auto named_uncycled = [&](const std::string& name) {
    return std::ranges::any_of(file.samples, [&](const SampleFiles& sample) {
      return sample.material == name && sample.state == sims::State::uncycled;
    });
  };
  for (const auto& name : folders)
    if (fs::is_directory(path / name / "uncycled") || named_uncycled(name)) with_uncycled.push_back(name);
  if (with_uncycled.size() == 1) return with_uncycled.front();
  throw BadInput(
      path.string(), 0,
      with_uncycled.empty() ? "no material has a folder \"uncycled\""
                            : fmt::format("{} have a folder \"uncycled\"", fmt::join(with_uncycled, " and ")),
      "put the spectra of the uncoated material before cycling there, and say which material that is");
}

StudySpec study_in(const fs::path& path, const StudyFile& file, const FolderOptions& options) {
  const auto folders = materials_in(path, file);
  const std::string uncoated = options.reference ? *options.reference : the_uncoated(path, folders, file);
  StudySpec study{.id = path.filename().string(), .title = path.filename().string(), .materials = {}};
  for (const auto& name : folders) {
    const auto known = std::ranges::find(options.materials, name, &Material::id);
    Material material =
        known != options.materials.end() ? *known : Material{.id = name, .name = name, .coating = {}};
    material.reference = name == uncoated;
    study.materials.push_back(std::move(material));
  }
  std::ranges::stable_partition(study.materials, &Material::reference);  // shown first, as in the paper
  add_study_file(file, study);
  return study;
}

void refuse_results_among_measurements(const fs::path& study, const fs::path& results) {
  if (lies_in(results, study) || lies_in(study, results))
    throw BadInput(results.string(), 0, "would take the results in among the measurements",
                   "name a folder that the study does not lie in, and that does not lie in the study");
}

}  // namespace

StudyScores score_folder(const fs::path& path, const FolderOptions& options) {
  if (!fs::is_directory(path)) throw BadInput(path.string(), 0, "is no folder", "name the folder of a study");
  const fs::path folder = fs::canonical(path);
  if (options.results) refuse_results_among_measurements(folder, results_folder(*options.results));
  const StudyFile file = read_study_file(folder, options.scoring);
  const StudySpec study = study_in(folder, file, options);
  RegionCache nothing_known;
  std::vector<SeenFile> files;
  for (auto& seen : scan(folder.parent_path(), folder.filename()))
    if (!is_ignored_name(seen.path) && !is_unfinished_name(seen.path)) files.push_back(std::move(seen));
  StudyData data =
      read_spots(study.id, sort_files(folder.parent_path(), files, {}, file), file.scoring.normalise,
                 nothing_known, options.threads, WallTime{}, options.progress);
  read_parts(data, file, nothing_known, options.threads);
  if (const auto missing = waits_for(study, data); !missing.empty()) {
    std::string sentences = missing;
    for (const auto& problem : data.problems) sentences += "\n" + problem.text;
    throw BadInput(path.string(), 0, sentences, "add or mend them");
  }
  StudyScores scores = score_study(study, data, options.tests, file.scoring);
  if (options.results) replace_folder(*options.results, scores.files);
  return scores;
}

}  // namespace cambench::jobs
