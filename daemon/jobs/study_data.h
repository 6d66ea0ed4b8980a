// From the files of a study to its measurement spots: which file belongs to which sample, which spots are complete, and
// what is wrong with the rest. Nothing is moved, nothing is deleted, every file that is not used is named.
//
//     <study>/<material>/<uncycled|cycled>/...      one folder or several below it; SurfaceLab's own file names
//     <study>/<peak list>.txt                       for spectra: serves every folder that has none of its own; of two,
//                                                   neither does
//     <study>/study.toml                            may say otherwise: study_file.h
//
// A spot of images is complete when it has every peak that most spots of the study have. A spot that is incomplete,
// unreadable, or of another image size than most is left out, and named, so that one bad file does not cost the others
// their scores.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "daemon/jobs/region_cache.h"
#include "daemon/jobs/study_file.h"

namespace cambench::jobs {

/// A file or spot that is not used, or used with a reservation: one sentence that names it.
struct Problem {
  std::string text;
  bool may_pass = false;  ///< more files may mend it: half a copy, a spot without its last peaks
};

struct SortedFiles {
  std::filesystem::path drop;
  std::vector<SpotFiles> spots;  ///< complete ones, sorted by material, state, name
  std::vector<Problem> problems;
};

/// `files` are below `drop`, all of one study. `materials`: the folders that are expected; empty: any.
SortedFiles sort_files(const std::filesystem::path& drop, const std::vector<SeenFile>& files,
                       std::span<const std::string> materials, const StudyFile& study = {});

struct StudySpot {
  std::string material;
  sims::State state = sims::State::cycled;
  std::shared_ptr<const sims::Region> region;  ///< its name is that of the spot
  std::string hash;
  sims::RegionFiles files;
};

struct StudyData {
  std::vector<StudySpot> spots;
  std::vector<std::shared_ptr<const sims::RegionParts>> parts;  ///< in the order of the spots
  std::vector<Problem> problems;
};

/// (spots done, spots in all). Called on any of the reading threads, one call at a time.
using ReadProgress = std::function<void(std::size_t, std::size_t)>;

/// Reads what the cache does not know, on up to `threads` threads, and leaves out what is there twice or of another image
/// size than more than half of the spots.
StudyData read_spots(const std::string& study, SortedFiles sorted, const sims::NormaliseOptions& options,
                     RegionCache& cache, unsigned threads, WallTime now, const ReadProgress& progress = {});

/// Compares the parts of the regions that study.toml says so of, on up to `threads` threads. A region whose parts cannot
/// be compared is named.
void read_parts(StudyData& data, const StudyFile& study, RegionCache& cache, unsigned threads);

/// Leaves only spots that may be read while their study still arrives: none that a file of `moving` may belong to.
void keep_settled_spots(SortedFiles& sorted, std::span<const std::string> moving);

/// What a region is known by in the store, beside its files: everything that its values depend on, hashed.
std::string settings_key(const sims::NormaliseOptions& options);

/// Every file below `root / below`, as a scan sees it; paths are below `root`. Links to folders are not followed. Throws
/// std::filesystem::filesystem_error when a folder cannot be read or vanishes meanwhile: half a scan would look like
/// files taken away.
std::vector<SeenFile> scan(const std::filesystem::path& root, const std::filesystem::path& below);

struct DropScan {
  std::vector<SeenFile> files;
  /// Folders of the root that could not be read as a whole, and why: of these there is no file.
  std::map<std::string, std::string> unreadable;
};
/// The same of all folders of `root`, each on its own. Hidden ones and lost+found are nobody's study. Throws when the
/// root itself cannot be read.
DropScan scan_drop(const std::filesystem::path& root);

}  // namespace cambench::jobs
