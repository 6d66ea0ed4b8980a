#include "analysis/spot_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "analysis/bad_input.h"
#include "schema/counted.h"

namespace cambench::sims {
namespace {

std::string name_of(const SpotRegion& spot) {
  return fmt::format("{} {} \"{}\"", spot.material, to_string(spot.state), spot.region->name);
}

std::vector<SpotRegion> sorted(std::span<const SpotRegion> regions) {
  std::vector<SpotRegion> spots(regions.begin(), regions.end());
  const auto place = [](const SpotRegion& s) { return std::tie(s.material, s.state, s.region->name); };
  std::ranges::sort(spots, {}, place);
  for (std::size_t i = 1; i < spots.size(); ++i)
    if (place(spots[i - 1]) == place(spots[i]))
      throw BadInput(name_of(spots[i]), 0, "there are two regions of this name in one sample",
                     "give each measurement a name of its own");
  return spots;
}

void require_equal_images(const std::vector<SpotRegion>& spots) {
  const auto& first = *spots.front().region;
  for (const auto& spot : spots)
    if (spot.region->width != first.width || spot.region->height != first.height)
      throw BadInput(name_of(spot), 0,
                     fmt::format("the image is {} x {} pixels, that of {} {} x {}", spot.region->width,
                                 spot.region->height, name_of(spots.front()), first.width, first.height),
                     "compare only regions that were measured and exported alike");
}

// The total may be missing a reference ion in one region only: then nothing can be compared.
void require_reference(const std::vector<SpotRegion>& spots) {
  for (const auto& spot : spots) {
    if (spot.region->reference.empty())
      throw BadInput(name_of(spot), 0, "is not normalised to a reference ion",
                     "export that ion, or normalise by the total ion count");
    if (fragment_key(spot.region->reference) != fragment_key(spots.front().region->reference))
      throw BadInput(name_of(spot), 0,
                     fmt::format("is normalised to {}, {} to {}", spot.region->reference,
                                 name_of(spots.front()), spots.front().region->reference),
                     "use one reference ion for all");
  }
}

using PeaksByKey = std::map<std::string, const Peak*>;

PeaksByKey peaks_of(const SpotRegion& spot) {
  PeaksByKey peaks;
  for (const auto& peak : spot.region->peaks)
    if (!peaks.emplace(fragment_key(peak.label), &peak).second)
      throw BadInput(name_of(spot), 0, fmt::format("{} is there twice", peak.label),
                     "keep one peak for each ion");
  return peaks;
}

std::string join(const std::set<std::string>& labels) {
  std::string text;
  for (const auto& label : labels) text += (text.empty() ? "" : ", ") + label;
  return text;
}

// The fragments that all spots have. What only some have is refused or left out, as the options say.
std::map<std::string, Fragment> common_fragments(const std::vector<SpotRegion>& spots,
                                                 const std::vector<PeaksByKey>& peaks,
                                                 const FragmentTable& fragments, const TableOptions& options,
                                                 SpotTable& table) {
  std::map<std::string, Fragment> all;
  for (const auto& of_spot : peaks)
    for (const auto& [key, peak] : of_spot) all.try_emplace(key, fragments.describe(peak->label));
  std::set<std::string> left_out;
  for (std::size_t i = 0; i < spots.size(); ++i)
    for (const auto& [key, fragment] : all) {
      if (peaks[i].contains(key)) continue;
      if (options.missing_peaks == TableOptions::MissingPeaks::refuse)
        throw BadInput(name_of(spots[i]), 0,
                       fmt::format("has no {}, which other regions have", fragment.label),
                       "export the same peaks for all regions");
      left_out.insert(fragment.label);
    }
  std::erase_if(all, [&](const auto& entry) { return left_out.contains(entry.second.label); });
  if (!left_out.empty())
    table.notes.push_back(fmt::format("left out, because some regions lack them: {}", join(left_out)));
  return all;
}

// Per cent, smallest to largest over the regions: one sentence instead of one a region.
std::string range_percent(const std::vector<double>& shares) {
  const auto [least, most] = std::ranges::minmax(shares);
  return least == most ? fmt::format("{:.1f} %", 100 * most)
                       : fmt::format("{:.1f} to {:.1f} %", 100 * least, 100 * most);
}

bool divided_alike(const std::vector<SpotRegion>& spots, Normalisation normalisation) {
  return normalisation != Normalisation::total_ion || std::ranges::all_of(spots, [&](const SpotRegion& spot) {
           return spot.region->total == spots.front().region->total;
         });
}

// What several regions say alike is said once.
void add_region_notes(const std::vector<SpotRegion>& spots, SpotTable& table) {
  std::vector<std::pair<std::string, std::vector<const SpotRegion*>>> notes;  // in the order of the spots
  const auto add = [&](std::string_view note, const SpotRegion& spot) {
    auto known = std::ranges::find(notes, note, [](const auto& n) { return std::string_view(n.first); });
    if (known == notes.end()) known = notes.insert(known, {std::string(note), {}});
    known->second.push_back(&spot);
  };
  const bool alike = divided_alike(spots, table.normalisation);
  for (const auto& spot : spots) {
    for (std::string_view note : spot.region->notes) {
      if (note.starts_with(spot.region->name + ": ")) note.remove_prefix(spot.region->name.size() + 2);
      add(note, spot);
    }
    if (!alike)
      add(fmt::format("divided by the {}, other spots by another kind of total: they may not compare",
                      spot.region->total),
          spot);
  }
  for (const auto& [note, of] : notes) {
    std::map<std::string, std::size_t> samples;
    for (const auto* spot : of) ++samples[fmt::format("{} {}", spot->material, to_string(spot->state))];
    std::string where;
    if (of.size() == 1)
      where = fmt::format("{}: {}", samples.begin()->first, of[0]->region->name);
    else if (of.size() == spots.size())
      where = fmt::format("each of the {} spots", spots.size());
    else
      for (const auto& [sample, count] : samples)
        where += fmt::format("{}{} ({})", where.empty() ? "" : ", ", sample, counted(count, "spot"));
    table.notes.push_back(where + ": " + note);
  }
}

void add_notes(const std::vector<SpotRegion>& spots, SpotTable& table) {
  std::vector<double> without_ions, without_reference, from_empty;
  for (const auto& spot : spots) {
    const auto pixels = static_cast<double>(spot.region->width) * spot.region->height;
    without_ions.push_back(pixels > 0 ? static_cast<double>(spot.region->pixels_without_ions) / pixels : 0);
    without_reference.push_back(
        pixels > 0 ? static_cast<double>(spot.region->pixels_without_reference) / pixels : 0);
    for (const auto& peak : spot.region->peaks) from_empty.push_back(peak.share_from_empty_reference);
  }
  add_region_notes(spots, table);
  if (std::ranges::max(without_ions) > 0)
    table.notes.push_back(
        fmt::format("{} of a region's pixels have no ion and were left out", range_percent(without_ions)));
  if (table.normalisation == Normalisation::total_ion || std::ranges::max(without_reference) == 0) return;
  table.notes.push_back(
      fmt::format("{} of a region's pixels have too few reference ions", range_percent(without_reference)));
  if (!from_empty.empty() && std::ranges::max(from_empty) > 0)
    table.notes.push_back(
        fmt::format("{} of a fragment's normalised sum comes from pixels without a reference ion",
                    range_percent(from_empty)));
}

}  // namespace

std::string_view to_string(State state) { return state == State::uncycled ? "uncycled" : "cycled"; }

std::string_view to_string(Normalisation normalisation) {
  return normalisation == Normalisation::total_ion ? "total ion count" : "reference ion";
}

std::vector<Setting> describe(const TableOptions& options) {
  const bool refuse = options.missing_peaks == TableOptions::MissingPeaks::refuse;
  return {{"fragments that some spots lack", refuse ? "refused" : "left out, and listed",
           "a fragment that was not evaluated everywhere would count as absent"}};
}

RowsBySample rows_by_sample(const SpotTable& table) {
  RowsBySample rows;
  for (std::size_t row = 0; row < table.spots.size(); ++row)
    rows[{table.spots[row].material, table.spots[row].state}].push_back(row);
  return rows;
}

SpotTable tabulate(std::span<const SpotRegion> regions, const FragmentTable& fragments,
                   const TableOptions& options) {
  SpotTable table;
  table.normalisation = options.normalisation;
  if (regions.empty()) return table;
  const auto spots = sorted(regions);
  require_equal_images(spots);
  if (options.normalisation == Normalisation::reference_ion) require_reference(spots);

  std::vector<PeaksByKey> peaks;
  for (const auto& spot : spots) peaks.push_back(peaks_of(spot));
  const auto common = common_fragments(spots, peaks, fragments, options, table);

  std::vector<std::string> keys;
  for (const auto& [key, fragment] : common) keys.push_back(key);
  std::ranges::sort(keys, {}, [&](const std::string& key) {
    const auto& fragment = common.at(key);
    return std::tuple(fragment.mz == 0, fragment.mz, fragment.label);
  });
  for (const auto& key : keys) table.fragments.push_back(common.at(key));

  table.values = Matrix(spots.size(), keys.size());
  for (std::size_t row = 0; row < spots.size(); ++row) {
    const auto& spot = spots[row];
    table.spots.push_back({spot.material, spot.state, spot.region->name});
    for (std::size_t column = 0; column < keys.size(); ++column) {
      const Peak& peak = *peaks[row].at(keys[column]);
      table.values(row, column) =
          options.normalisation == Normalisation::total_ion ? peak.by_total : peak.by_reference;
    }
  }
  add_notes(spots, table);
  return table;
}

}  // namespace cambench::sims
