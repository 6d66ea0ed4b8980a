// When is a file that somebody copies into a folder complete? When its size and its time have stood still for a while,
// and no copy with an unfinished name is beside it. Pure: scans and the time come in, deliveries go out.
//
//     <drop>/<study>/...     a study is delivered whole: everything below it that has settled, whenever that is other
//                            than what was delivered last and nothing below it is still moving
//
// Whether the files also parse is for whoever gets them: a delivery may hold half a measurement, when its copier pauses
// longer than `settle`, even under its full size, which some clients of a share set first. The readers refuse what they
// can tell; and when the copier goes on, the time of the file moves and the study is delivered again.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "schema/reading.h"
#include "schema/units.h"

namespace cambench::jobs {

/// One file as a scan saw it. The times are by the clock of whoever keeps the files: only compared.
struct SeenFile {
  std::string path;  ///< below the drop folder, '/' between its parts
  std::uint64_t bytes = 0;
  std::int64_t written_ns = 0;  ///< of its content; a copier may set it to that of the original
  std::int64_t changed_ns =
      0;  ///< of its content, name or owner; nobody sets it. FAT and sshfs know none: as above
  friend auto operator<=>(const SeenFile&, const SeenFile&) = default;
};

struct Delivery {
  std::string study;            ///< the first folder of the paths
  std::vector<SeenFile> files;  ///< settled, sorted by path; empty: the study is gone
  friend bool operator==(const Delivery&, const Delivery&) = default;
};

/// What of a study that still moves stands still already: it may be read meanwhile.
struct Ahead {
  std::string study;
  std::vector<SeenFile> files;  ///< settled, sorted by path
  std::vector<std::string>
      moving;  ///< those that are not, and the one that came last: its measurement may go on
  friend bool operator==(const Ahead&, const Ahead&) = default;
};

/// Of somebody who has a file open and writes: who pauses for longer has died, or has forgotten to close it.
inline constexpr Seconds longest_pause{5 * 60};

class DropFolder {
 public:
  explicit DropFolder(Seconds settle) : settle_(settle) {}

  /// A whole scan: what is not in it any more is gone. Files directly in the drop folder are strays. `being_written` are
  /// those that somebody is known to have open still: they move, until they have looked the same for `longest_pause`.
  /// Studies that are `unreadable` stay as they were, and are not due.
  void saw(std::vector<SeenFile> scan, Instant now, const std::set<std::string>& being_written = {},
           const std::set<std::string>& unreadable = {});

  /// The studies that are due now, each set of files once.
  std::vector<Delivery> take(Instant now);

  /// Of the studies that are not due yet, once a file that settles.
  std::vector<Ahead> take_ahead(Instant now);

  /// When take() may have something, if nothing else changes; none: never.
  [[nodiscard]] std::optional<Instant> next() const;

  /// Per study the files that are still moving, and copies under an unfinished name. Sorted.
  [[nodiscard]] std::map<std::string, std::vector<std::string>> arriving(Instant now) const;
  /// Files beside the studies, which belong to none. Sorted.
  [[nodiscard]] const std::vector<std::string>& strays() const { return strays_; }

 private:
  struct Watched {
    SeenFile file;
    Instant same_since;   // it looks as it does
    Instant still_since;  // the same, and nobody had it open
    bool told = false;    // as settled, ahead of its delivery
  };
  struct Study {
    std::map<std::string, Watched> files;
    Instant changed;  // the last time that a file came, went or moved
    std::optional<std::vector<SeenFile>> delivered;
  };
  [[nodiscard]] Ahead ahead_of(const std::string& name, Study& study, Instant now) const;
  [[nodiscard]] Instant settled_at(const Study& study) const;
  [[nodiscard]] static std::vector<SeenFile> usable(const Study& study);

  Seconds settle_;
  std::map<std::string, Study> studies_;
  std::vector<std::string> strays_;
};

/// A name that copiers and browsers give a file until it is complete: `x.part`, `x.filepart`, `x.tmp`, ...
bool is_unfinished_name(std::string_view path);
/// What file managers and copiers leave behind or hide: names that begin with a dot, Thumbs.db, desktop.ini.
bool is_ignored_name(std::string_view path);

}  // namespace cambench::jobs
