// One measurement spot ("region"): the files it is made of, and what it is once read and normalised. Every format ends
// in the same Region, so nothing after this header asks what instrument or export it came from.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "analysis/setting.h"

namespace cambench::sims {

/// A file that a result rests on.
struct FileUsed {
  std::string name;  ///< without folder
  std::string sha256;
  std::uint64_t bytes = 0;
  friend bool operator==(const FileUsed&, const FileUsed&) = default;
};

/// What to do where the reference ion has too few counts to divide by (its image is sparse: a few counts at most).
enum class EmptyReference {
  half,       ///< divide by 0.5 where it has none, as the published scripts do
  skip,       ///< leave out pixels where it has none
  min_counts  ///< leave out pixels where it has fewer than NormaliseOptions::min_counts
};

/// What the area of an interval in a spectrum is.
enum class SpectrumArea {
  sum,       ///< of the counts in its channels: a number of ions
  trapezoid  ///< over m/z, as the published scripts take it: depends on the width of the channels
};

/// What is done where the masses of a spectrum are off by more than a tolerance. Where no peak list is used, intervals
/// are a whole unit wide and nothing is checked.
struct MassCheck {
  enum class What {
    nothing,   ///< not looked at
    named,     ///< the result says so
    corrected  ///< and sf and k0 are put right by the known ions
  } what = What::named;
  /// Strong in every spectrum of Li6PS5Cl with NCM. Three of them must agree, and most that have a peak.
  std::vector<std::string> known_ions = {"O-", "OH-", "S-", "SH-", "Cl-", "S2-", "PO2-", "PO3-"};
  double tolerance_ppm = 50;  ///< rms; a peak is 167 ppm wide at R = 6000
};

struct NormaliseOptions {
  std::string reference = "NiO2-";  ///< in any spelling; empty: by total ion count only
  bool reference_required = false;  ///< refuse a region without it; else the region just has no such values
  EmptyReference empty_reference = EmptyReference::half;
  double min_counts = 1.0;
  SpectrumArea area = SpectrumArea::sum;
  MassCheck masses;
};
[[nodiscard]] std::vector<Setting> describe(const NormaliseOptions& options);

/// One fragment of one spot.
struct Peak {
  std::string label;  ///< as the file says it
  double counts = 0;  ///< sum over the pixels, or the area in the spectrum

  double by_total = 0;        ///< mean over the counted pixels of I / total; of a spectrum: area / total
  double by_total_sum = 0;    ///< the same as a sum over pixels
  double ratio_to_total = 0;  ///< sum of I / sum of total: the plain ratio of the region, as a check

  /// The same against the reference ion; only where Region::reference is not empty.
  double by_reference = 0, by_reference_sum = 0, ratio_to_reference = 0;
  double share_from_empty_reference =
      0;  ///< of by_reference_sum, from pixels without a reference ion (`half`)
  friend bool operator==(const Peak&, const Peak&) = default;
};

struct Region {
  std::string name;                       ///< Filename Base of images, stem of a spectrum's file
  std::string reference;                  ///< label of the reference ion, as the file says it; empty: none
  std::string intervals;                  ///< what its peaks were counted by: "peak list peaks.txt"
  std::string total;                      ///< what its peaks were divided by: "number of all ions"
  std::vector<Peak> peaks;                ///< without total and sum of rest; sorted by m/z, then label
  std::uint32_t width = 0, height = 0;    ///< in pixels; 0 for a spectrum
  std::uint64_t pixels_without_ions = 0;  ///< total = 0: left out everywhere
  std::uint64_t pixels_without_reference = 0;  ///< left out or halved by the reference ion's rule
  std::vector<FileUsed> files;                 ///< sorted by name
  std::vector<std::string> notes;              ///< sentences that a reader of the result should see
  std::vector<std::string> doubts;             ///< the same, of what may make its values wrong
  friend bool operator==(const Region&, const Region&) = default;
};

/// The files of one spot, not yet read.
struct RegionFiles {
  enum class Format {
    images_ascii,    ///< SurfaceLab "Ascii (X, Y, I)": one file per peak, `total` among them
    spectrum_ascii,  ///< SurfaceLab spectrum: one file, peaks by an interval list or nominal mass
    imzml,           ///< .imzML and .ibd: a spectrum for each pixel, peaks in the same way
    bif6,            ///< SurfaceLab BIF6: one file; an interval list gives its images their names
    grd,             ///< raw events .itm.grd and .properties.txt, peaks as for a spectrum
    grd_split,       ///< the same as .itm.scans, .itm.coords, .itm.tofs and .properties.txt
    ita,             ///< SurfaceLab's own file: one file, its images have names
    itm              ///< SurfaceLab's raw stream: one file, peaks by an interval list or the file's own
  };
  std::string name;
  Format format = Format::images_ascii;
  std::vector<std::filesystem::path> files;            ///< sorted
  std::optional<std::filesystem::path> interval_list;  ///< for spectra; none: nominal masses 1 to 300
};

/// What a folder holds.
struct FoundRegions {
  std::vector<RegionFiles> regions;  ///< sorted by name
  struct Refused {
    std::filesystem::path file;
    std::string why;  ///< a sentence with the mend
  };
  std::vector<Refused> refused;  ///< foreign files, regions that lack files, spectra with several lists
  std::vector<std::filesystem::path> interval_lists;  ///< sorted
};

/// Sorts the files of one folder into regions by name and by the first bytes of each. Reads no file whole. The order of
/// `files` does not matter. An interval list among the files serves all spectra of the folder; that of `shared_lists`
/// serves where the folder has none, for example one for the whole study. Where there are several, nobody can say by
/// which one the spectra are to be evaluated, and they are refused.
[[nodiscard]] FoundRegions find_regions(std::vector<std::filesystem::path> files,
                                        std::vector<std::filesystem::path> shared_lists = {});

/// Reads and normalises one region. Throws BadInput. Memory: two images (total, reference) and two files of text, or a
/// small part of a binary file (the heads of formats/*.h say how much).
[[nodiscard]] Region read_region(const RegionFiles& found, const NormaliseOptions& options = {});

}  // namespace cambench::sims
