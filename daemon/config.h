// The file the operator writes: the bench, its instruments, materials, cells and studies. Everything is
// typed, paths are resolved against the file, and what comes out of read() has been cross-checked: every id
// exists, every port is used once, every study has exactly one reference material.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/alarm_delays.h"
#include "daemon/sequencer/interlock_table.h"
#include "schema/cell.h"
#include "schema/command.h"
#include "schema/recipe.h"
#include "schema/units.h"

namespace cambench::jobs {
struct ScoringOptions;
}

namespace cambench::config {

/// Where a serial device or a socket is: exactly one of `device` and `host` is filled.
struct Port {
  std::string text;    ///< as written: "/dev/serial/by-id/...", "tcp://127.0.0.1:1502"
  std::string device;  ///< path of a serial device or pty
  std::string host;
  std::uint16_t tcp = 0;
};

struct Potentiostat {
  std::string driver;  ///< "methodscript" or "keithley"
  Port port;
  std::string serial;  ///< the instrument must answer with this one
  bool simulated = false;
  std::filesystem::path record;  ///< file that the conversation is written into; empty: none
  int baud = 921600;  ///< methodscript on a UART: 230400 for firmware up to 1.1; over USB it means nothing
  // of a source-measure unit (keithley), which has one pair of sense leads
  int polarity = 1;    ///< -1: WE is on the low leads
  std::string sense;   ///< "cell" or "we_vs_re"; empty: nobody has said
  std::string method;  ///< "voltage_source" or "current_source"
};

struct Press {
  std::string driver;  ///< "modbus"
  Port port;
  int unit = 1;
  std::string map;                 ///< the name of a built-in map, or the path of a map file
  std::optional<double> area_mm2;  ///< of the pellet, for a press that knows forces; empty takes the map's
  std::string serial;              ///< the press must answer with this one; empty takes any
  int baud = 9600;                 ///< serial ports only, as parity and stop bits
  char parity = 'N';
  int stop_bits = 1;
  bool simulated = false;
  bool needed = false;  ///< a second sensor whose silence is as bad as its disagreement
};

struct Station {
  std::string name;
  std::optional<Potentiostat> potentiostat;  ///< a station has one of the two at least
  std::optional<Press> press;
  std::optional<Press> gauge;  ///< a second pressure sensor beside the press, which is only read
  std::vector<std::string>
      relay;  ///< a program that cuts the cell's leads when the cell does not open; may be empty
};

struct Study {
  std::string id, title;
  std::vector<std::string> materials;  ///< Material::id
  std::vector<std::string> cells;      ///< CellSpec::id of the rate-test cells that are scored
};

struct Http {
  std::string host = "127.0.0.1";  ///< beyond loopback somebody must have a token
  std::uint16_t port = 8870;       ///< 0 takes a free one
  std::filesystem::path control;   ///< unix socket; its file mode is the permission
  std::filesystem::path tokens;    ///< who may give orders over TCP (daemon/http/tokens.h)
  std::vector<std::string> hosts;  ///< names of a web server in front, beside localhost
};

struct Log {
  std::string level = "info";
  std::filesystem::path file;  ///< empty: standard error
};

struct Drop {
  std::filesystem::path path;     ///< watched folder
  std::filesystem::path results;  ///< <results>/<study>/report.html, ...
  Seconds settle{2}, poll{2};     ///< wall time
};

/// One way in which people are told of alarms.
struct Notify {
  enum class By { command, webhook, mail } by = By::command;
  command::Severity least = command::Severity::warning;  ///< from which on
  std::vector<std::string> run;  ///< command: a program and its arguments; the message as JSON on its input
  std::string url;               ///< webhook: takes Alertmanager's JSON by POST
  std::vector<std::string> to;   ///< mail
  std::string from;
  std::filesystem::path sendmail = "/usr/sbin/sendmail";
};

struct Alarms {
  Seconds longest_shelf{8 * 3600};
  Seconds group{5};                ///< what comes within so long is one message
  Seconds repeat{4 * 3600};        ///< what nobody has acknowledged is told again
  unsigned at_most_per_hour = 30;  ///< messages each way; warnings beyond it are told together, later
  AlarmDelays delays = shipped_alarm_delays();
  std::vector<Notify> ways;
};

/// Something outside that hears from us regularly, and cries when it does not.
struct Heartbeat {
  std::string url;  ///< one of the two
  std::vector<std::string> run;
  Seconds every{60};
};

struct Bench {
  std::filesystem::path file;  ///< this configuration
  std::string text;            ///< what it says
  std::string entries_text;    ///< what people edited since (daemon/entries.h); empty: nothing
  std::string name = "bench";
  double time_scale = 1;  ///< above 1 only when every device is simulated
  int mains_Hz = 50;      ///< 50 or 60: what potentiostats time their measurements to
  /// What becomes of the programs in the instruments when the daemon ended in any other way than by an order.
  enum class AfterCrash { make_safe, leave_running } after_crash = AfterCrash::make_safe;
  std::filesystem::path store;
  Http http;
  Log log;
  std::optional<Drop> drop;
  std::shared_ptr<const jobs::ScoringOptions> scoring;  ///< [scoring], of every study; null: its defaults
  std::optional<std::filesystem::path>
      recipes;  ///< folder of the lab's own recipes, beside the built-in ones
  std::shared_ptr<const sequencer::InterlockTable> interlocks =
      std::make_shared<sequencer::InterlockTable>(sequencer::shipped_interlocks());
  Alarms alarms;
  std::optional<Heartbeat> heartbeat;
  std::vector<Station> stations;
  std::vector<Material> materials;
  std::vector<CellSpec> cells;
  std::vector<Study> studies;

  [[nodiscard]] const Station* station(std::string_view station_name) const;
  [[nodiscard]] const Material* material(std::string_view id) const;
  [[nodiscard]] const CellSpec* cell(std::string_view id) const;
  [[nodiscard]] const Study* study(std::string_view id) const;
};

/// A configuration that cannot be used: every mistake, one sentence each with file and line.
struct Refused : std::runtime_error {
  explicit Refused(std::vector<std::string> mistakes);
  std::vector<std::string> sentences;
};

/// Reads and checks a configuration; throws Refused.
Bench read(const std::filesystem::path& file);
/// `edited`: materials, cells and studies as JSON, beside those of the text.
Bench parse(std::string_view text, const std::filesystem::path& file, std::string_view edited = {});
/// Where they are kept: read() reads the file when it is there.
std::filesystem::path entries_file(const Bench& bench);

/// Where a daemon keeps the text that it started with: beside its store, because the file may be edited, and broken, while
/// it runs.
std::filesystem::path accepted_file(const Bench& bench);
/// What the daemon of this file started with last, whatever the file says now, without what people edited since; nothing when
/// none is found. What has become wrong meanwhile, such as the path of a register map, is left to whoever uses it.
std::optional<Bench> read_accepted(const std::filesystem::path& file);

/// The recipe that is meant by a name: a file of the bench's recipe folder (name.toml, name.json), else a
/// built-in one. The Fault lists the names there are.
Result<Recipe> find_recipe(const Bench& bench, std::string_view name);
std::vector<std::string> recipe_names(const Bench& bench);

}  // namespace cambench::config
