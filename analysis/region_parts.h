// What the readers of a region share, whatever its format. Not for other rooms.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/formats/bif6.h"
#include "analysis/formats/imzml.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/ita.h"
#include "analysis/formats/mass_scale.h"
#include "analysis/ion_images.h"
#include "analysis/region.h"

namespace cambench::sims {

inline constexpr std::string_view total_label = "total", rest_label = "sum of rest";

/// Region::total of a total ion image, and of raw events.
inline constexpr std::string_view every_ion = "number of all ions";

[[nodiscard]] std::string name_of(const std::filesystem::path& file);

/// A file that was read, for the region's list of files.
[[nodiscard]] FileUsed used(const std::filesystem::path& file, std::string_view text);
/// The same of one that is too large to be in memory: reads it once more.
[[nodiscard]] FileUsed used_whole(BinaryFile& file);

/// That of these files whose name ends so, in any case. Throws BadInput.
[[nodiscard]] std::filesystem::path file_ending_in(const RegionFiles& found, std::string_view ending);

/// By m/z; what is no formula behind the formulas, by its text.
void sort_peaks(std::vector<Peak>& peaks);

/// By the region's list, or by nominal mass: `region` says which. The list is remembered among the files.
[[nodiscard]] std::vector<MassInterval> intervals_for(const RegionFiles& found, Region& region);

/// Takes what a measurement's normalisation gave, and what is known of its files and notes so far.
[[nodiscard]] Region finished(Region normalised, Region so_far, const std::string& name);

// ---- open files of each kind. What they say of themselves, a peak list among it, is remembered in `region`; the files
// that are measured are not hashed. All throw BadInput.

/// Images in one file, and which of them are the total and the peaks.
template <typename Reader, typename StackImage>
struct Stack {
  Reader reader;
  StackImage total;
  std::vector<StackImage> peaks;
  std::vector<MassInterval> intervals;  ///< of the peaks, by which they are called
};
[[nodiscard]] Stack<Bif6Reader, Bif6Reader::Image> open_bif6(const RegionFiles& found, Region& region);
[[nodiscard]] Stack<ItaReader, ItaReader::Image> open_ita(const RegionFiles& found);

/// Raw events of any format. The intervals lie where the file shows them: where its masses are off and are to be
/// corrected, they are moved.
struct Events {
  ImageShape shape;
  std::function<std::uint32_t(const RawIonSink&)> each_ion;  ///< returns the number of scans
  MassScale scale;                                           ///< as the file shows it
  std::vector<MassInterval> intervals;
  ChannelIntervals by_channel;
  bool by_list = false;                 ///< the intervals are peaks, no nominal masses
  std::optional<double> field_of_view;  ///< m: the width of the image
};
[[nodiscard]] Events open_events(const RegionFiles& found, const MassCheck& masses, Region& region);

/// A spectrum for each pixel. The intervals as of raw events.
struct PixelSpectra {
  std::unique_ptr<ImzmlReader> reader;
  std::vector<MassInterval> intervals;
};
[[nodiscard]] PixelSpectra open_imzml(const RegionFiles& found, const MassCheck& masses, Region& region);

/// One for each format that holds a whole measurement. Throw BadInput.
[[nodiscard]] Region read_imzml(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_bif6(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_ita(const RegionFiles& found, const NormaliseOptions& options);
[[nodiscard]] Region read_events(const RegionFiles& found, const NormaliseOptions& options);

}  // namespace cambench::sims
