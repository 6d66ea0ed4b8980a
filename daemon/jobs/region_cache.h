// Regions that were read once are not read again while their files look the same: path, size, time of writing and time
// of the last change. A file that was renamed, touched or replaced looks new, and so may all of a share that was mounted
// again: its region is read once more, which is little more than the reading that finds out whether its content is new.
// What names a region in results is that content, by its hash, never the look. One thread at a time.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/region.h"
#include "analysis/spot_table.h"
#include "analysis/study_parts.h"
#include "daemon/jobs/drop_folder.h"
#include "daemon/store/rows.h"

namespace cambench::jobs {

/// One measurement spot: where it lies, and what it is once it has been read.
struct SpotFiles {
  std::string material;
  sims::State state = sims::State::cycled;
  sims::RegionFiles region;  ///< absolute paths; its name is unique within the sample
  std::vector<SeenFile>
      files;  ///< the same files, and the peak list of a spectrum, as they were seen; sorted
};

/// A region that was read, or the sentence why it cannot be.
struct ReadSpot {
  std::shared_ptr<const sims::Region> region;
  std::string hash;  ///< SHA-256 over the SHA-256 of its files: equal hash, equal measurement
  std::string trouble;
};

class RegionCache {
 public:
  /// `keep` is given every region that is new, as a row for the store.
  explicit RegionCache(std::function<void(store::RegionRow)> keep = {}) : keep_(std::move(keep)) {}

  /// What a store remembers. Rows that cannot be understood are passed over: their regions are read again.
  void load(const std::vector<store::RegionRow>& rows);

  [[nodiscard]] const ReadSpot* find(const SpotFiles& spot, std::string_view settings) const;
  /// `read` must have a region: what could not be read is tried again the next time.
  void add(const SpotFiles& spot, std::string_view settings, const std::string& study, const ReadSpot& read,
           WallTime at);

  /// Comparisons of parts of a region, by all that they depend on; only as long as the program runs.
  [[nodiscard]] std::shared_ptr<const sims::RegionParts> find_parts(const std::string& key) const;
  void add_parts(const std::string& key, std::shared_ptr<const sims::RegionParts> parts);

 private:
  std::function<void(store::RegionRow)> keep_;
  std::map<std::string, ReadSpot> known_;
  std::map<std::string, std::shared_ptr<const sims::RegionParts>> parts_;
};

/// SHA-256 over the hashes of the region's files, sorted: whatever they are called.
std::string content_hash(const sims::Region& region);

}  // namespace cambench::jobs
