#include "daemon/jobs/study_data.h"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <mutex>
#include <set>
#include <thread>
#include <tuple>

#include "analysis/bad_input.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/fragments.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace fs = std::filesystem;

namespace {

/// What a file looks like now; nothing when it is not there, or no plain file.
std::optional<SeenFile> look_at(const fs::path& root, const std::string& path) {
  struct stat now {};
  if (::stat((root / path).c_str(), &now) != 0 || !S_ISREG(now.st_mode)) return std::nullopt;
  const auto ns = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  // Not the inode: some shares give a file another one at every look, and nothing would ever settle.
  return SeenFile{path, static_cast<std::uint64_t>(now.st_size), ns(now.st_mtim), ns(now.st_ctim)};
}

/// Where a file lies: <study>/<material>/<state>/<folder...>/<name>.
struct Place {
  std::string material;
  sims::State state = sims::State::cycled;
  std::string folder;  ///< below the state, without slashes at its ends; may be empty
  friend auto operator<=>(const Place&, const Place&) = default;
};

struct Sorting {
  std::map<Place, std::vector<SeenFile>> samples;
  std::vector<SeenFile> beside;  ///< directly in the study's folder
};

std::vector<std::string> parts_of(std::string_view path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    parts.emplace_back(path.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

/// Why a path is not where measurements are expected; empty when it is.
std::string misplaced(const std::vector<std::string>& parts, std::span<const std::string> materials) {
  if (!materials.empty() && std::ranges::find(materials, parts[1]) == materials.end())
    return fmt::format("{} is no material of this study; it has {}", parts[1], fmt::join(materials, ", "));
  if (parts.size() < 4 || (parts[2] != "uncycled" && parts[2] != "cycled"))
    return fmt::format("it is not clear whether it was cycled; put it into {}/uncycled or {}/cycled",
                       parts[1], parts[1]);
  return {};
}

/// What study.toml says of a path; nothing when it says nothing.
const SampleFiles* named_sample(const StudyFile& study, std::string_view path) {
  const auto below = path.substr(path.find('/') + 1);
  for (const auto& sample : study.samples)
    for (const auto& pattern : sample.patterns)
      if (matches(pattern, below)) return &sample;
  return nullptr;
}

/// study.toml itself, and the table of fragments and the masks that it names.
bool is_setting(const StudyFile& study, const std::string& name) {
  return name == study_file_name || std::ranges::count(study.masks, name, &sims::FileUsed::name) > 0 ||
         (study.scoring.fragments && study.scoring.fragments->file.name == name);
}

Sorting sort_by_place(const std::vector<SeenFile>& files, std::span<const std::string> materials,
                      const StudyFile& study, std::vector<Problem>& problems) {
  Sorting sorting;
  for (const SeenFile& file : files) {
    const auto parts = parts_of(file.path);
    if (parts.size() == 2 && is_setting(study, parts[1])) continue;
    if (const auto* sample = named_sample(study, file.path)) {
      const auto folder = fmt::format("{}", fmt::join(parts.begin() + 1, parts.end() - 1, "/"));
      sorting.samples[{sample->material, sample->state, folder}].push_back(file);
      continue;
    }
    if (parts.size() == 2) {
      sorting.beside.push_back(file);
      continue;
    }
    if (const auto why = misplaced(parts, materials); !why.empty()) {
      problems.push_back({fmt::format("{}: {}", file.path, why)});
      continue;
    }
    const auto state = parts[2] == "uncycled" ? sims::State::uncycled : sims::State::cycled;
    const auto folder = fmt::format("{}", fmt::join(parts.begin() + 3, parts.end() - 1, "/"));
    sorting.samples[{parts[1], state, folder}].push_back(file);
  }
  return sorting;
}

std::vector<fs::path> paths_of(const fs::path& drop, const std::vector<SeenFile>& files) {
  std::vector<fs::path> paths;
  for (const auto& file : files) paths.push_back(drop / file.path);
  return paths;
}

std::string shown(const fs::path& drop, const fs::path& file) {
  return file.lexically_relative(drop).generic_string();
}

/// The peak lists that lie beside the samples. Whatever else lies there is named.
std::vector<fs::path> study_peak_lists(const fs::path& drop, const std::vector<SeenFile>& beside,
                                       std::vector<Problem>& problems) {
  auto found = sims::find_regions(paths_of(drop, beside));
  for (const auto& refused : found.refused)
    problems.push_back({fmt::format("{}: {}", shown(drop, refused.file.parent_path()), refused.why)});
  for (const auto& region : found.regions)
    for (const auto& file : region.files)
      problems.push_back({fmt::format("{}: belongs to no sample; put it into <material>/<uncycled or cycled>",
                                      shown(drop, file))});
  return std::move(found.interval_lists);
}

std::vector<SeenFile> seen_files(const fs::path& drop, const sims::RegionFiles& region,
                                 const std::map<std::string, SeenFile>& by_path) {
  std::vector<SeenFile> files;
  for (const auto& file : region.files) files.push_back(by_path.at(shown(drop, file)));
  if (region.interval_list) files.push_back(by_path.at(shown(drop, *region.interval_list)));
  std::ranges::sort(files);
  return files;
}

// ---- spots that lack peaks

/// Label by ion: two spellings of one ion are one peak.
using Peaks = std::map<std::string, std::string>;

Peaks peaks_of(const SpotFiles& spot) {
  Peaks peaks;
  for (const auto& file : spot.region.files)
    if (const auto name = sims::parse_image_file_name(file.filename().string()))
      peaks.emplace(sims::fragment_key(name->label),
                    sims::FragmentTable::built_in().describe(name->label).label);
  return peaks;
}

/// Peaks that more than half of the image spots have: one odd export neither adds to them nor takes from them.
Peaks expected_peaks(const std::vector<Peaks>& spots) {
  std::map<std::string, std::size_t> count;
  Peaks all;
  for (const auto& peaks : spots)
    for (const auto& peak : peaks) {
      ++count[peak.first];
      all.insert(peak);
    }
  std::erase_if(all, [&](const auto& peak) { return 2 * count.at(peak.first) <= spots.size(); });
  return all;
}

std::string lacking(const Peaks& peaks, const Peaks& expected) {
  std::vector<std::string> missing;
  for (const auto& [key, label] : expected)
    if (!peaks.contains(key)) missing.push_back(label);
  if (missing.size() > 5) return fmt::format("{} of the {} peaks", missing.size(), expected.size());
  return fmt::format("{}", fmt::join(missing, ", "));
}

std::string sample_of(const std::string& material, sims::State state) {
  return fmt::format("{}/{}", material, sims::to_string(state));
}

std::string name_of(const SpotFiles& spot) {
  return fmt::format("{}/{}", sample_of(spot.material, spot.state), spot.region.name);
}

void leave_out_incomplete(SortedFiles& sorted) {
  const auto of_images = [](const SpotFiles& spot) {
    return spot.region.format == sims::RegionFiles::Format::images_ascii;
  };
  std::vector<Peaks> image_peaks;
  for (const auto& spot : sorted.spots)
    if (of_images(spot)) image_peaks.push_back(peaks_of(spot));
  const auto expected = expected_peaks(image_peaks);
  std::erase_if(sorted.spots, [&](const SpotFiles& spot) {
    if (!of_images(spot)) return false;
    const auto missing = lacking(peaks_of(spot), expected);
    if (missing.empty()) return false;
    sorted.problems.push_back(
        {fmt::format("{}: left out, it lacks {} that the other spots have", name_of(spot), missing), true});
    return true;
  });
}

/// What files of one measurement have in common: folder and base of images, folder and name up to its first point of
/// others.
std::string measurement_of(std::string_view path) {
  const auto name_at = path.rfind('/') + 1;
  const auto name = path.substr(name_at);
  const auto image = sims::parse_image_file_name(name);
  return std::string(path.substr(0, name_at)) +
         (image ? image->base : std::string(name.substr(0, name.find('.'))));
}

// ---- reading

bool unchanged(const fs::path& drop, const std::vector<SeenFile>& files) {
  return std::ranges::all_of(files, [&](const SeenFile& seen) { return look_at(drop, seen.path) == seen; });
}

ReadSpot read_spot(const fs::path& drop, const SpotFiles& spot, const sims::NormaliseOptions& options) {
  try {
    auto region = std::make_shared<const sims::Region>(sims::read_region(spot.region, options));
    if (!unchanged(drop, spot.files)) return {nullptr, {}, "it changed while it was read"};
    auto hash = content_hash(*region);
    return {std::move(region), std::move(hash), {}};
  } catch (const BadInput& bad) {
    return {nullptr, {}, bad.what()};
  }
}

/// Calls work(i) for every i below `count`, on up to `threads` threads.
template <typename Work>
void in_parallel(std::size_t count, unsigned threads, Work work) {
  std::atomic<std::size_t> next = 0;
  const auto loop = [&] {
    for (std::size_t i = next++; i < count; i = next++) work(i);
  };
  std::vector<std::jthread> helpers;
  for (unsigned t = 1; t < std::min<std::size_t>(threads, count); ++t) helpers.emplace_back(loop);
  loop();
}

// ---- inner and outer parts

const sims::PartOptions* wanted_part(const StudyFile& study, const StudySpot& spot) {
  for (const auto& part : study.parts) {
    const bool named = part.patterns.empty() || std::ranges::any_of(part.patterns, [&](const auto& pattern) {
                         return matches(pattern, spot.region->name);
                       });
    if (part.material == spot.material && part.state == spot.state && named) return &part.options;
  }
  return nullptr;
}

/// Everything that a comparison depends on.
std::string part_key(const StudyFile& study, const StudySpot& spot, const sims::PartOptions& options) {
  auto key =
      fmt::format("{} {} {} {} {} {} {} {} {} {}", spot.hash, settings_key(study.scoring.normalise),
                  spot.material, sims::to_string(spot.state), spot.region->name,
                  sims::describe(options.inner), fmt::join(options.overlay, " "),
                  options.field_of_view_um.value_or(0), options.compare.tile, options.compare.deviations);
  if (const auto* drawn = std::get_if<sims::DrawnMask>(&options.inner))
    for (const auto& mask : study.masks)
      if (mask.name == drawn->name) key += " " + mask.sha256;
  return key;
}

/// The same measurement twice: in one sample it counts once; in two nobody can say which of them it belongs to.
void leave_out_copies(StudyData& data) {
  std::map<std::string, std::vector<std::size_t>> by_hash;
  for (std::size_t i = 0; i < data.spots.size(); ++i) by_hash[data.spots[i].hash].push_back(i);
  std::set<std::size_t> out;
  const auto shown_at = [&](std::size_t i) {
    return fmt::format("{}/{}", sample_of(data.spots[i].material, data.spots[i].state),
                       data.spots[i].region->name);
  };
  for (const auto& [hash, same] : by_hash) {
    if (same.size() < 2) continue;
    const auto sample = [&](std::size_t i) { return std::tie(data.spots[i].material, data.spots[i].state); };
    const bool one_sample =
        std::ranges::all_of(same, [&](std::size_t i) { return sample(i) == sample(same[0]); });
    out.insert(same.begin() + (one_sample ? 1 : 0), same.end());
    std::vector<std::string> names;
    for (const std::size_t i : same) names.push_back(shown_at(i));
    data.problems.push_back(
        {one_sample ? fmt::format("{}: the same measurement; it counts once", fmt::join(names, " and "))
                    : fmt::format("{}: the same measurement in different samples, all left out; keep it "
                                  "where it belongs",
                                  fmt::join(names, " and "))});
  }
  std::size_t i = 0;
  std::erase_if(data.spots, [&](const StudySpot&) { return out.contains(i++); });
}

// ---- spots of another image size

std::string size_of(const sims::Region& region) {
  return region.width == 0 ? "one spectrum and no image"
                           : fmt::format("images of {} x {} pixels", region.width, region.height);
}

/// The size that more than half of the spots have. Where there is none, nobody can say which of them are wrong, and the
/// study is refused as a whole when it is scored.
std::optional<std::string> usual_size(const std::vector<StudySpot>& spots) {
  std::map<std::string, std::size_t> count;
  for (const auto& spot : spots) ++count[size_of(*spot.region)];
  for (const auto& [size, of] : count)
    if (2 * of > spots.size()) return size;
  return std::nullopt;
}

void leave_out_odd_sizes(StudyData& data) {
  const auto usual = usual_size(data.spots);
  if (!usual) return;
  std::erase_if(data.spots, [&](const StudySpot& spot) {
    const auto size = size_of(*spot.region);
    if (size == *usual) return false;
    data.problems.push_back(
        {fmt::format("{}/{}: left out, it has {}, most spots have {}; measure and export all alike",
                     sample_of(spot.material, spot.state), spot.region->name, size, *usual)});
    return true;
  });
}

}  // namespace

SortedFiles sort_files(const fs::path& drop, const std::vector<SeenFile>& files,
                       std::span<const std::string> materials, const StudyFile& study) {
  SortedFiles sorted{.drop = drop, .spots = {}, .problems = {}};
  std::map<std::string, SeenFile> by_path;
  for (const auto& file : files) by_path[file.path] = file;
  const Sorting sorting = sort_by_place(files, materials, study, sorted.problems);
  for (const auto& sample : study.samples)
    if (!materials.empty() && std::ranges::find(materials, sample.material) == materials.end())
      sorted.problems.push_back({fmt::format("{}: {} is no material of this study; it has {}",
                                             study_file_name, sample.material, fmt::join(materials, ", "))});
  const auto peak_lists = study_peak_lists(drop, sorting.beside, sorted.problems);
  for (const auto& [place, in_folder] : sorting.samples) {
    auto found = sims::find_regions(paths_of(drop, in_folder), peak_lists);
    for (const auto& refused : found.refused)
      sorted.problems.push_back(
          {fmt::format("{}: {}", shown(drop, refused.file.parent_path()), refused.why), true});
    for (auto& region : found.regions) {
      if (!place.folder.empty()) region.name = place.folder + "/" + region.name;
      auto seen = seen_files(drop, region, by_path);
      sorted.spots.push_back({place.material, place.state, std::move(region), std::move(seen)});
    }
  }
  leave_out_incomplete(sorted);
  std::ranges::sort(sorted.spots, {},
                    [](const SpotFiles& s) { return std::tie(s.material, s.state, s.region.name); });
  return sorted;
}

StudyData read_spots(const std::string& study, SortedFiles sorted, const sims::NormaliseOptions& options,
                     RegionCache& cache, unsigned threads, WallTime now, const ReadProgress& progress) {
  const std::string settings = settings_key(options);
  std::vector<ReadSpot> spots(sorted.spots.size());
  std::vector<std::size_t> unknown;
  for (std::size_t i = 0; i < spots.size(); ++i)
    if (const ReadSpot* known = cache.find(sorted.spots[i], settings))
      spots[i] = *known;
    else
      unknown.push_back(i);
  std::mutex one_at_a_time;
  std::size_t done = spots.size() - unknown.size();
  in_parallel(unknown.size(), threads, [&](std::size_t u) {
    spots[unknown[u]] = read_spot(sorted.drop, sorted.spots[unknown[u]], options);
    const std::lock_guard guard(one_at_a_time);
    ++done;
    if (progress) progress(done, spots.size());
  });
  for (const std::size_t i : unknown)
    if (spots[i].region) cache.add(sorted.spots[i], settings, study, spots[i], now);

  StudyData data{.spots = {}, .problems = std::move(sorted.problems)};
  for (std::size_t i = 0; i < spots.size(); ++i) {
    const SpotFiles& spot = sorted.spots[i];
    if (spots[i].region)
      data.spots.push_back(
          {spot.material, spot.state, std::move(spots[i].region), std::move(spots[i].hash), spot.region});
    else
      data.problems.push_back({fmt::format("{}: left out: {}", name_of(spot), spots[i].trouble), true});
  }
  leave_out_copies(data);
  leave_out_odd_sizes(data);
  for (const auto& spot : data.spots)
    for (const auto& doubt : spot.region->doubts)
      data.problems.push_back({fmt::format("{}/{}", sample_of(spot.material, spot.state), doubt)});
  return data;
}

void read_parts(StudyData& data, const StudyFile& study, RegionCache& cache, unsigned threads) {
  struct Wanted {
    const StudySpot* spot;
    const sims::PartOptions* options;
    std::string key;
    std::shared_ptr<const sims::RegionParts> parts;
    std::string trouble;
  };
  std::vector<Wanted> all;
  for (const auto& spot : data.spots)
    if (const auto* options = wanted_part(study, spot)) {
      auto key = part_key(study, spot, *options);
      auto known = cache.find_parts(key);
      all.push_back({&spot, options, std::move(key), std::move(known), {}});
    }
  in_parallel(all.size(), threads, [&](std::size_t i) {
    Wanted& wanted = all[i];
    if (wanted.parts) return;
    try {
      const sims::Spot spot{wanted.spot->material, wanted.spot->state, wanted.spot->region->name};
      wanted.parts = std::make_shared<const sims::RegionParts>(
          sims::compare_region(spot, wanted.spot->files, *wanted.options, study.scoring.normalise));
    } catch (const BadInput& bad) {
      wanted.trouble = bad.what();
    }
  });
  for (auto& wanted : all) {
    if (!wanted.parts) {
      data.problems.push_back({fmt::format("{}/{}: its parts are not compared: {}",
                                           sample_of(wanted.spot->material, wanted.spot->state),
                                           wanted.spot->region->name, wanted.trouble)});
      continue;
    }
    cache.add_parts(wanted.key, wanted.parts);
    data.parts.push_back(wanted.parts);
  }
  for (const auto& part : study.parts)
    if (std::ranges::none_of(all, [&](const Wanted& wanted) { return wanted.options == &part.options; }))
      data.problems.push_back({fmt::format("{}: no region of {} is one of [[part]] regions", study_file_name,
                                           sample_of(part.material, part.state))});
}

void keep_settled_spots(SortedFiles& sorted, std::span<const std::string> moving) {
  std::set<std::string> going_on;
  for (const auto& path : moving) going_on.insert(measurement_of(path));
  std::erase_if(sorted.spots, [&](const SpotFiles& spot) {
    return std::ranges::any_of(
        spot.files, [&](const SeenFile& file) { return going_on.contains(measurement_of(file.path)); });
  });
}

std::string settings_key(const sims::NormaliseOptions& options) {
  // One that may lack the reference ion is another answer than one that must have it.
  std::string text =
      fmt::format("cambench " CAMBENCH_VERSION "\nreference required: {}", options.reference_required);
  for (const auto& setting : sims::describe(options))
    text += fmt::format("\n{}: {}", setting.name, setting.value);
  return sha256_hex(text);
}

namespace {

/// Folder by folder, so that one that cannot be read is named.
void walk(const fs::path& root, const fs::path& folder, std::vector<SeenFile>& files) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator();
       at.increment(error)) {
    std::error_code gone;
    if (at->is_directory(gone) && !at->is_symlink(gone))
      walk(root, at->path(), files);
    else if (auto seen = look_at(root, at->path().lexically_relative(root).generic_string()))
      files.push_back(std::move(*seen));
  }
  if (error) throw fs::filesystem_error("cannot be read", folder, error);
}

}  // namespace

std::vector<SeenFile> scan(const fs::path& root, const fs::path& below) {
  std::vector<SeenFile> files;
  walk(root, root / below, files);
  std::ranges::sort(files);
  return files;
}

DropScan scan_drop(const fs::path& root) {
  DropScan all;
  for (const auto& entry : fs::directory_iterator(root)) {
    const auto name = entry.path().filename().string();
    std::error_code gone;
    if (!entry.is_directory(gone) || entry.is_symlink(gone)) {
      if (auto seen = look_at(root, name)) all.files.push_back(std::move(*seen));
      continue;
    }
    if (is_ignored_name(name) || name == "lost+found") continue;
    try {
      std::ranges::move(scan(root, name), std::back_inserter(all.files));
    } catch (const fs::filesystem_error& error) {
      all.unreadable[name] = fmt::format("{}: {}", error.path1().string(), error.code().message());
    }
  }
  std::ranges::sort(all.files);
  return all;
}

}  // namespace cambench::jobs
