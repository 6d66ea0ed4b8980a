#include "analysis/region.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "analysis/bad_input.h"
#include "analysis/formats/bif6.h"
#include "analysis/formats/file.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/imzml.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/itstr.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/fragments.h"

namespace cambench::sims {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view total_label = "total";

std::string name_of(const fs::path& file) { return file.filename().string(); }

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

using ImagesByBase = std::map<std::string, std::vector<fs::path>>;

std::string label_of(const fs::path& image) {
  const auto name = parse_image_file_name(name_of(image));
  return name ? name->label : std::string();
}

// Why a set of images is no region; empty for one that is.
std::string trouble_with(const std::string& base, const std::vector<fs::path>& images) {
  std::map<std::string, std::string> label_by_key;
  for (const auto& image : images) {
    const auto label = label_of(image);
    const auto [earlier, fresh] = label_by_key.emplace(fragment_key(label), label);
    if (!fresh)
      return fmt::format("{}: {} and {} are the same ion; keep one file for each ion", base, earlier->second,
                         label);
  }
  if (!label_by_key.contains(std::string(total_label)))
    return fmt::format("{}: the total ion image \"{} (0) - total.txt\" is missing; export it as well", base,
                       base);
  return {};
}

void sort_in_images(const ImagesByBase& images, FoundRegions& found) {
  for (const auto& [base, files] : images) {
    if (auto trouble = trouble_with(base, files); !trouble.empty())
      found.refused.push_back({files.front(), std::move(trouble)});
    else
      found.regions.push_back({base, RegionFiles::Format::images_ascii, files, {}});
  }
}

std::string names_of(const std::vector<fs::path>& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(name_of(file));
  return fmt::format("{}", fmt::join(names, ", "));
}

// The list that serves a measurement tells its peaks; with several of them its values would depend on which is taken.
void sort_in_spectra(std::vector<RegionFiles> spectra, const std::vector<fs::path>& lists,
                     FoundRegions& found) {
  for (auto& spectrum : spectra) {
    const bool by_list = spectrum.format != RegionFiles::Format::ita;  // its images bring their names along
    if (by_list && lists.size() > 1) {
      found.refused.push_back(
          {spectrum.files.front(),
           fmt::format("{}: left out, since it can be evaluated by any of {} peak lists: {}; leave one list",
                       names_of(spectrum.files), lists.size(), names_of(lists))});
      continue;
    }
    if (by_list && !lists.empty()) spectrum.interval_list = lists.front();
    found.regions.push_back(std::move(spectrum));
  }
}

// Files that come in pairs: which name the other has, and what to say when it is missing.
class Companions {
 public:
  explicit Companions(const std::vector<fs::path>& files) {
    for (const auto& file : files) by_name_.emplace(lower_case(file.string()), file);
  }
  /// The file in the same folder with one of these names, in any case.
  std::optional<fs::path> beside(const fs::path& file, std::initializer_list<std::string> names) {
    for (const auto& name : names) {
      const auto place = by_name_.find(lower_case((file.parent_path() / name).string()));
      if (place == by_name_.end()) continue;
      taken_.insert(place->second);
      return place->second;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool taken(const fs::path& file) const { return taken_.contains(file); }

 private:
  std::map<std::string, fs::path> by_name_;
  std::set<fs::path> taken_;
};

void sort_in_imzml(const fs::path& xml, Companions& companions, std::vector<RegionFiles>& spectra,
                   FoundRegions& found) {
  const auto stem = xml.stem().string();
  if (const auto binary = companions.beside(xml, {stem + ".ibd"}))
    spectra.push_back({stem, RegionFiles::Format::imzml, {*binary, xml}, {}});
  else
    found.refused.push_back(
        {xml, fmt::format("{}: its binary file {}.ibd is missing; copy it as well", name_of(xml), stem)});
}

// `<name>.itm.grd` or `<name>.grd`, or split: `<name>.itm.coords` and others; the files have no mark to be known by. Their
// properties have the name with or without these endings.
void sort_in_events(const fs::path& events, RegionFiles::Format format, Companions& companions,
                    std::vector<RegionFiles>& spectra, FoundRegions& found) {
  const auto stem = events.stem().string();
  const auto base = lower_case(stem).ends_with(".itm") ? stem.substr(0, stem.size() - 4) : stem;
  const auto missing = [&](const std::string& name) {
    found.refused.push_back(
        {events, fmt::format("{}: {} is missing; export and copy it as well", name_of(events), name)});
  };
  const std::string ending = ".properties.txt";
  const auto properties = companions.beside(events, {base + ending, stem + ending, stem + ".grd" + ending});
  if (!properties) return missing(base + ending);
  std::vector<fs::path> files{events, *properties};
  if (format == RegionFiles::Format::grd_split) {
    for (const std::string part : {".scans", ".tofs"}) {
      const auto file = companions.beside(events, {stem + part});
      if (!file) return missing(stem + part);
      files.push_back(*file);
    }
    if (const auto shots = companions.beside(events, {stem + ".shots"})) files.push_back(*shots);
  }
  std::ranges::sort(files);
  spectra.push_back({base, format, std::move(files), {}});
}

bool ends_in_any(std::string_view name, std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings, [&](auto ending) { return name.ends_with(ending); });
}

// A spot that two files tell of counts once: the first by format and name stays.
void refuse_namesakes(FoundRegions& found) {
  std::map<std::string, fs::path> first;
  std::erase_if(found.regions, [&](const RegionFiles& region) {
    const auto [earlier, fresh] = first.emplace(region.name, region.files.front());
    if (!fresh)
      for (const auto& file : region.files)
        found.refused.push_back(
            {file, fmt::format("{}: has the name of {}; keep one of them, or give each spot "
                               "a name of its own",
                               name_of(file), name_of(earlier->second))});
    return !fresh;
  });
}

}  // namespace

FoundRegions find_regions(std::vector<fs::path> files, std::vector<fs::path> shared_lists) {
  std::ranges::sort(files);
  std::ranges::sort(shared_lists);
  FoundRegions found;
  ImagesByBase images;
  Companions companions(files);
  std::vector<RegionFiles> spectra;
  std::vector<fs::path> companion_like;
  FileReader reader;
  for (const auto& file : files) {
    const auto name = name_of(file);
    const auto small = lower_case(name);
    try {
      const auto start = reader.peek(file);
      if (start.empty())
        found.refused.push_back({file, name + ": is empty; copy or export it again"});
      else if (ends_in_any(small, {".ibd", ".properties.txt", ".itm.scans", ".itm.shots", ".itm.tofs"}))
        companion_like.push_back(file);
      else if (small.ends_with(".grd"))
        sort_in_events(file, RegionFiles::Format::grd, companions, spectra, found);
      else if (small.ends_with(".itm.coords"))
        sort_in_events(file, RegionFiles::Format::grd_split, companions, spectra, found);
      else if (looks_like_itstr(start) && small.ends_with(".ita"))
        spectra.push_back({file.stem().string(), RegionFiles::Format::ita, {file}, {}});
      else if (looks_like_itstr(start) && small.ends_with(".itm"))
        spectra.push_back({file.stem().string(), RegionFiles::Format::itm, {file}, {}});
      else if (looks_like_itstr(start))
        found.refused.push_back({file, name +
                                           ": SurfaceLab's own file, of which only .ita and .itm are read; "
                                           "export its images, or its raw data as .itm.grd"});
      else if (looks_like_bif6(start))
        spectra.push_back({file.stem().string(), RegionFiles::Format::bif6, {file}, {}});
      else if (looks_like_imzml(start))
        sort_in_imzml(file, companions, spectra, found);
      else if (const auto image = parse_image_file_name(name); image && looks_like_image_ascii(start))
        images[image->base].push_back(file);
      else if (looks_like_spectrum_ascii(start))
        spectra.push_back({file.stem().string(), RegionFiles::Format::spectrum_ascii, {file}, {}});
      else if (looks_like_interval_list(start))
        found.interval_lists.push_back(file);
      else if (looks_like_image_ascii(start))
        found.refused.push_back(
            {file, name + ": an image, but not named \"<base> (<ID>) - <peak>.txt\"; keep the name "
                          "that SurfaceLab gives it"});
      else
        found.refused.push_back({file, name + ": neither an ASCII image, nor a spectrum, nor a measurement "
                                              "(imzML, BIF6, GRD, .ita, .itm), nor a peak list; "
                                              "take it out of the folder or export it as one of these"});
    } catch (const BadInput& problem) {
      found.refused.push_back({file, problem.what()});
    }
  }
  for (const auto& file : companion_like)
    if (!companions.taken(file))
      found.refused.push_back(
          {file, name_of(file) + ": the file that it belongs to is missing; copy both of them"});
  sort_in_images(images, found);
  const auto& lists = found.interval_lists.empty() ? shared_lists : found.interval_lists;
  sort_in_spectra(std::move(spectra), lists, found);
  refuse_namesakes(found);
  std::ranges::sort(found.regions, {}, &RegionFiles::name);
  return found;
}

}  // namespace cambench::sims
