// What the daemon offers to those who ask over HTTP.
//
// Two doors, because two threads: Api answers on the deciding thread, at once; Archive reads the disk on the one
// reader thread of the server and may take its time. Neither knows of HTTP.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/config.h"
#include "daemon/entries.h"
#include "daemon/export/export.h"
#include "daemon/export/import.h"
#include "daemon/http/board.h"
#include "daemon/http/message.h"
#include "daemon/store/reader.h"
#include "schema/event.h"
#include "schema/result.h"

namespace cambench::http {

/// A person's order, as it goes into the audit trail.
struct Order {
  struct StartRun {
    std::string station, cell, recipe;  ///< `cell` is empty for a recipe that only presses
  };
  struct ForRun {
    std::string run;
    event::Ordered::What what{};
  };
  struct Acknowledge {
    std::int64_t alarm = 0;
  };
  struct TestPress {  ///< the proof test of a press that somebody has looked at: it is empty
    std::string station;
    MegaPascal target{1};
  };
  struct Edit : entries::Edit {};  ///< of a material, a cell or a study
  struct Shelve {  ///< nobody is told of this cause on its station for a while; its trip is not touched
    std::int64_t alarm = 0;
    Seconds time{0};  ///< wall time; refused above the configured longest
  };
  struct Unshelve {
    std::int64_t alarm = 0;
  };
  struct Import {  ///< a rate test made elsewhere, read and checked
    std::shared_ptr<const exports::Import> read;
  };
  std::variant<StartRun, ForRun, Acknowledge, TestPress, Edit, Shelve, Unshelve, Import> what;
  std::string who;  ///< as the person says
  std::string
      peer;  ///< as the kernel says, or their token: "uid 1000, pid 4711", "token anna, operator, 10.0.0.7"
  std::string reason;   ///< may be empty, but not for a reset or a shelving
  std::string refusal;  ///< they may not give it, and why: it is recorded and refused
};

/// The deciding thread's side. Every call is made on that thread.
class Api {
 public:
  virtual ~Api() = default;

  /// What is published now; the same until the next publish().
  [[nodiscard]] virtual const Board& board() const = 0;

  /// The materials, cells and studies that there are now.
  [[nodiscard]] virtual const config::Bench& bench() const = 0;

  /// Carries out or refuses an order and records it either way; then calls `done`, from any thread, once. The
  /// result is the run's id for StartRun, else a word or nothing. A Fault of kind `refused` or `input` is the
  /// person's to mend.
  virtual void carry_out(Order order, std::function<void(Result<std::string>)> done) = 0;
};

/// A run in the words of another program.
struct RunFile {
  std::string name;  ///< as a person would save it
  Pieces pieces;     ///< to be called on the reader thread, while its archive lives
};

/// The reader's side. Every call is made on one and the same thread; throws std::exception with a sentence.
class Archive {
 public:
  virtual ~Archive() = default;
  /// Newest first; those before the run `before`, when it is not empty.
  virtual std::vector<store::StoredRun> runs(int limit, const std::string& before) = 0;
  virtual std::optional<store::StoredRun> run(const std::string& id) = 0;
  virtual std::vector<store::StoredRun> runs_of_station(const std::string& station, WallTime from,
                                                        WallTime to) = 0;             ///< oldest first
  virtual std::vector<store::StoredEvent> events(std::int64_t since, int limit) = 0;  ///< seq > since
  virtual std::int64_t last_event() = 0;                                              ///< its seq; 0: none
  virtual std::vector<store::StoredEvent> events_of(const std::string& run, std::int64_t since,
                                                    int limit) = 0;
  virtual std::vector<store::StoredTrip> trips(const std::string& run) = 0;
  virtual std::vector<store::SampleRow> samples(const std::string& run, std::int64_t after,
                                                std::int64_t limit) = 0;
  virtual std::int64_t last_seq(const std::string& run) = 0;  ///< of its samples; 0: there is none
  virtual std::vector<store::StoredStep> steps(const std::string& run) = 0;
  virtual std::vector<store::SeriesPoint> series(const std::string& run, double from_s, double to_s,
                                                 std::size_t max_points) = 0;
  virtual std::vector<store::SeriesPoint> series(const std::string& run, WallTime from, WallTime to,
                                                 std::size_t max_points) = 0;
  virtual std::vector<store::PressurePoint> pressures_of_run(const std::string& run, std::size_t max_points,
                                                             store::Reader::Sensor sensor) = 0;
  virtual std::vector<store::PressurePoint> pressures(const std::string& station, WallTime from, WallTime to,
                                                      std::size_t max_points) = 0;
  /// Newest first; those with a number below `before`, when it is not 0.
  virtual std::vector<store::StoredAlarm> alarms(int limit, std::int64_t before) = 0;
  virtual std::vector<store::StoredAct> audit(int limit, std::int64_t before) = 0;  ///< the same
  /// Of a run that is there; `licence` is for the crate. A Fault says why the run cannot be said so.
  virtual Result<RunFile> run_file(const std::string& run, exports::Format format,
                                   const std::string& licence) = 0;
  virtual std::optional<store::StoredScore> score(const std::string& study) = 0;  ///< the last version
  /// A file of <results>/<study>/; empty when there is none. Both names are plain: no separator, no leading dot; the
  /// study is one that the bench shows.
  virtual std::optional<std::string> result_file(const std::string& study, const std::string& name) = 0;
};

}  // namespace cambench::http
