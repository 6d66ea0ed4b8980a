// What the readers of a region share, whatever its format. Not for other rooms.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/formats/bif6.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/ita.h"
#include "analysis/region.h"

namespace cambench::sims {

inline constexpr std::string_view total_label = "total", rest_label = "sum of rest";

[[nodiscard]] std::string name_of(const std::filesystem::path& file);

/// A file that was read, for the region's list of files.
[[nodiscard]] FileUsed used(const std::filesystem::path& file, std::string_view text);

/// By m/z; what is no formula behind the formulas, by its text.
void sort_peaks(std::vector<Peak>& peaks);

/// By the region's list, or by nominal mass. The list is remembered among the files.
[[nodiscard]] std::vector<MassInterval> intervals_for(const RegionFiles& found, Region& region);

/// Takes what a measurement's normalisation gave, and what is known of its files and notes so far.
[[nodiscard]] Region finished(Region normalised, Region so_far, const std::string& name);

/// Images in one file, and which of them are the total and the peaks.
template <typename Reader, typename StackImage>
struct Stack {
  Reader reader;
  StackImage total;
  std::vector<StackImage> peaks;
  std::vector<MassInterval> intervals;  ///< of the peaks, by which they are called
};
/// A peak list that names the images is remembered among the files of `region`. Throw BadInput.
[[nodiscard]] Stack<Bif6Reader, Bif6Reader::Image> open_bif6(const RegionFiles& found, Region& region);
[[nodiscard]] Stack<ItaReader, ItaReader::Image> open_ita(const RegionFiles& found);

/// One for each format that holds a whole measurement. Throw BadInput.
[[nodiscard]] Region read_imzml(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_bif6(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_ita(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_grd(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_split_grd(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_itm(const RegionFiles& found, const NormaliseOptions& options);

}  // namespace cambench::sims
