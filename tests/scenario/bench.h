// A whole bench for one test: cambench-sim and cambenchd as processes in a folder of their own, driven as people drive
// them (the control socket), broken as the world breaks them (the simulator's orders), and judged by the simulator's
// ground truth and the rows in the store.
//
// Every wait is for a condition, polled, with a bound that only a broken program reaches.
#pragma once
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "daemon/http/client.h"
#include "daemon/store/reader.h"
#include "drivers/sim/order_socket.h"

namespace cambench::scenario {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr auto patience = 20s;  ///< far beyond what a busy machine needs
constexpr auto look_every = 5ms;

/// Looks again and again until `holds`; throws what was waited for when it never does.
inline void until(
    const std::string& what, const std::function<bool()>& holds,
    const std::function<std::string()>& otherwise = [] { return std::string(); }) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("waited in vain: " + what + '\n' + otherwise());
    std::this_thread::sleep_for(look_every);
  }
}

inline std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// A program that this test started; killed at the end at the latest, and when the test dies.
class Process {
 public:
  Process(const std::vector<std::string>& words, const fs::path& output) {
    std::vector<char*> argv;
    for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  ~Process() {
    if (running()) (void)end(SIGKILL);
  }
  Process(const Process&) = delete;

  [[nodiscard]] bool running() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = 0;
    return pid_ > 0;
  }
  [[nodiscard]] pid_t id() const { return pid_; }
  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }
  /// Waits for the end; the exit code, or minus the signal that ended it.
  int wait() {
    until("a program ends", [&] { return !running(); });
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_);
  }
  int end(int number) {
    signal(number);
    return wait();
  }

 private:
  pid_t pid_ = -1;
  int status_ = 0;
};

/// One row of the simulator's ground truth (drivers/sim/truth.h).
struct Truth {
  double instrument_s = 0;
  bool cell_on = false, script = false;
  long switches = 0;
  double current_A = 0, we_vs_re_V = 0, cell_V = 0;
  std::optional<double> lowest_V, highest_V;  ///< of WE against RE while the cell was on
  double charge_Ah = 0, pressure_MPa = 0;
};

inline std::optional<double> number_in(const std::string& field) {
  double value = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  return value;
}

class Bench {
 public:
  struct Settings {
    int stations = 1;
    double time_scale = 300;
    std::string extra;                  ///< more configuration
    int source_measure_units = 0;       ///< stations with a Keithley, after the others
    std::vector<std::string> models{};  ///< of the first stations, as cambench-sim names them
  };

  explicit Bench(Settings settings) : settings_(std::move(settings)), folder_(make_folder()) {
    std::vector<std::string> words{program("cambench-sim"),
                                   "--dir",
                                   folder_.string(),
                                   "--stations",
                                   std::to_string(settings_.stations),
                                   "--source-measure-units",
                                   std::to_string(settings_.source_measure_units),
                                   "--time-scale",
                                   fmt::format("{:g}", settings_.time_scale),
                                   "--seed",
                                   "7"};
    for (const std::string& model : settings_.models) words.insert(words.end(), {"--model", model});
    sim_.emplace(words, folder_ / "sim.log");
    until("the simulator listens", [&] { return fs::exists(folder_ / "ready"); });
    fs::create_directory(folder_ / "recipes");
    configure();
  }
  Bench() : Bench(Settings{}) {}
  ~Bench() {
    daemon_.reset();
    sim_.reset();
    std::error_code ignored;
    if (!std::getenv("CAMBENCH_KEEP")) fs::remove_all(folder_, ignored);
  }
  Bench(const Bench&) = delete;

  [[nodiscard]] const fs::path& folder() const { return folder_; }
  [[nodiscard]] fs::path configuration() const { return folder_ / "cambench.toml"; }
  [[nodiscard]] fs::path database() const { return folder_ / "state" / "cambench.sqlite"; }
  [[nodiscard]] std::string log() const { return contents(folder_ / "state" / "cambench.log"); }
  static std::string program(const std::string& name) { return std::string(CAMBENCH_BUILD) + '/' + name; }

  // ---- the bench's own knobs --------------------------------------------------------------------------------

  /// An order to the simulator: a cell, a fault.
  std::string sim(const std::string& line) {
    const auto answer = sim::send_order(folder_ / "sim.sock", line);
    if (!answer) throw std::runtime_error("cambench-sim: " + answer.error().what);
    return *answer;
  }

  void recipe(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / "recipes" / (name + ".toml")) << text;
  }

  // ---- the daemon -------------------------------------------------------------------------------------------

  /// Starts it and does not wait.
  void launch() {
    std::vector<std::string> words{"/usr/bin/env"};
    words.insert(words.end(), environment.begin(), environment.end());
    for (const auto& word : {program("cambenchd"), std::string("--config"), configuration().string()})
      words.push_back(word);
    daemon_.emplace(words, folder_ / "daemon.err");
  }
  /// Starts it and waits until it has met its instruments.
  void start() {
    launch();
    until("the daemon has met its instruments", [&] { return answers() && status().at("ready").as_bool(); });
  }
  Process& daemon() { return *daemon_; }
  std::vector<std::string> environment;  ///< "NAME=value", for the daemon
  /// As a power cut or an out-of-memory killer ends it.
  void kill() {
    CHECK(daemon_->end(SIGKILL) == -SIGKILL);
    daemon_.reset();
  }

  /// "127.0.0.1:41234": where it answers over TCP.
  [[nodiscard]] std::string tcp_place() const {
    constexpr std::string_view before = "answers on http://";
    const auto said = log();
    const auto at = said.rfind(before);
    if (at == said.npos) throw std::runtime_error("the log does not say where the daemon answers");
    const auto place = said.substr(at + before.size());
    return place.substr(0, place.find('\n'));
  }

  [[nodiscard]] http::Reply get(const std::string& target) const {
    auto reply = http::get(control(), target);
    if (!reply) throw std::runtime_error(target + ": " + reply.error().what);
    return *reply;
  }
  [[nodiscard]] http::Reply post(const std::string& target, const boost::json::object& form) const {
    auto reply = http::post(control(), target, boost::json::serialize(form));
    if (!reply) throw std::runtime_error(target + ": " + reply.error().what);
    return *reply;
  }

  /// Mounts a new cell of the rate test and starts a recipe on it; the run's id.
  std::string run(const std::string& recipe, const std::string& station = "A1") {
    sim("mount " + station + " rate ncm-uncoated");
    const auto reply = ask_for_run(recipe, station);
    if (reply.status != 201) throw std::runtime_error("not started: " + http::complaint(reply));
    return boost::json::value_to<std::string>(boost::json::parse(reply.body).at("run"));
  }
  /// What a person reads when a run is refused; empty when it was started.
  [[nodiscard]] std::string refusal(const std::string& recipe, const std::string& station) const {
    const auto reply = ask_for_run(recipe, station);
    return reply.status == 201 ? std::string() : http::complaint(reply);
  }
  /// An operator's order; the complaint when it was refused.
  [[nodiscard]] std::string order(const std::string& run, const std::string& what,
                                  const std::string& who = "anna",
                                  const std::string& reason = "the test says so") const {
    const auto reply = post("/api/v1/runs/" + run + '/' + what, {{"who", who}, {"reason", reason}});
    return reply.ok() ? std::string() : http::complaint(reply);
  }

  // ---- what it says -----------------------------------------------------------------------------------------

  [[nodiscard]] boost::json::value status() const { return boost::json::parse(get("/api/v1/status").body); }
  static boost::json::object station_in(const boost::json::value& status, const std::string& name) {
    for (const auto& each : status.at("stations").as_array())
      if (each.at("name").as_string() == name) return each.as_object();
    throw std::runtime_error("no station " + name);
  }
  [[nodiscard]] boost::json::object station(const std::string& name = "A1") const {
    return station_in(status(), name);
  }
  struct Where {
    std::string run, state, why;
    std::int64_t step = -1;  ///< none when the run is over
  };
  [[nodiscard]] Where where(const std::string& name = "A1") const { return where_in(status(), name); }
  static Where where_in(const boost::json::value& status, const std::string& name) {
    const auto shown = station_in(status, name);
    const auto* run = shown.if_contains("run");
    if (!run || !run->is_object()) return {};
    const auto& object = run->as_object();
    Where at{std::string(object.at("id").as_string()), std::string(object.at("state").as_string()), {}, -1};
    if (const auto* why = object.if_contains("why"); why && why->is_string()) at.why = why->as_string();
    if (const auto* step = object.if_contains("step"); step && step->is_object())
      at.step = step->at("index").to_number<std::int64_t>();
    return at;
  }
  /// Waits until the daemon says so and the store has it: the status is a few milliseconds ahead.
  void until_state(const std::string& state, const std::string& name = "A1") {
    const auto holds = [&] {
      const auto at = where(name);
      return at.state == state && reader().run(at.run)->phase == state;
    };
    until("the run on " + name + " is " + state, holds,
          [&] { return "it is " + where(name).state + ": " + where(name).why + '\n' + log(); });
  }
  /// Waits until the step runs in the instrument, with some samples heard.
  void until_step(std::int64_t step, const std::string& name = "A1", int samples = 3) {
    until(
        fmt::format("step {} runs on {}", step + 1, name),
        [&] {
          const auto at = where(name);
          return at.state == "running" && at.step == step && samples_of_step(step, name) >= samples;
        },
        [&] { return "it is " + where(name).state + ": " + where(name).why + '\n' + log(); });
  }
  [[nodiscard]] std::vector<std::string> alarms() const {
    std::vector<std::string> causes;
    const auto document = status();
    for (const auto& alarm : document.at("alarms").as_array())
      causes.emplace_back(alarm.at("cause").as_string());
    return causes;
  }

  // ---- what it kept -----------------------------------------------------------------------------------------

  [[nodiscard]] store::Reader reader() const { return store::Reader(database()); }
  [[nodiscard]] std::vector<store::SampleRow> samples(const std::string& run) const {
    return reader().samples(run);
  }
  /// "tripped pressure_low", "gap", "step_ended planned", ... in order
  [[nodiscard]] std::vector<std::string> events(const std::string& run) const {
    std::vector<std::string> told;
    for (const auto& event : reader().events_of(run)) {
      std::string word = event.row.kind;
      if (event.row.kind == "tripped") word += ' ' + event.row.cause.value_or("?");
      if (event.row.kind == "step_ended") word += ' ' + event.row.reason.value_or("?");
      told.push_back(std::move(word));
    }
    return told;
  }
  [[nodiscard]] bool happened(const std::string& run, const std::string& what) const {
    return std::ranges::count(events(run), what) > 0;
  }

  // ---- what is true -----------------------------------------------------------------------------------------

  [[nodiscard]] std::vector<Truth> truth(const std::string& name = "A1") const {
    std::vector<Truth> rows;
    for (const std::string& line : lines_of(contents(folder_ / "truth.csv"))) {
      std::vector<std::string> f;
      std::istringstream in(line);
      for (std::string field; std::getline(in, field, ',');) f.push_back(field);
      if (f.size() != 13 || f[1] != name) continue;  // the header, another station, a row still being written
      const auto n = [&](std::size_t i) { return number_in(f[i]).value_or(0.0); };
      rows.push_back({n(0), f[3] == "1", f[4] == "1", static_cast<long>(n(5)), n(6), n(7), n(8),
                      number_in(f[9]), number_in(f[10]), n(11), n(12)});
    }
    return rows;
  }
  /// As it is now: asked, not read from the file, which is flushed five times a second.
  [[nodiscard]] bool cell_is_on(const std::string& name = "A1") {
    for (const std::string& line : lines_of(sim("state")))
      if (line.starts_with(name + ' ')) return line.find("cell ON") != std::string::npos;
    throw std::runtime_error("the simulator does not know " + name);
  }
  /// Waits until the file holds everything up to now: a row for a switch that has just happened is in it.
  std::vector<Truth> truth_with_cell_off(const std::string& name = "A1") {
    until("the ground truth shows the cell of " + name + " open",
          [&] { return !truth(name).empty() && !truth(name).back().cell_on; });
    return truth(name);
  }
  /// Wall seconds between two lines of the simulator's log, by their text; 10 ms fine.
  [[nodiscard]] double wall_between(const std::string& first, const std::string& then) const {
    if (const auto seconds = wall_between_if(first, then)) return *seconds;
    throw std::runtime_error("the simulator's log lacks \"" + first + "\" or \"" + then + "\" after it");
  }
  [[nodiscard]] std::optional<double> wall_between_if(const std::string& first,
                                                      const std::string& then) const {
    std::optional<double> from;
    for (const std::string& line : lines_of(contents(folder_ / "sim.log"))) {
      if (!from && line.find(first) != std::string::npos)
        from = std::atof(line.c_str());
      else if (from && line.find(then) != std::string::npos)
        return std::atof(line.c_str()) - *from;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool answers() const { return http::get(control(), "/healthz", 2s).has_value(); }

 private:
  [[nodiscard]] http::Reply ask_for_run(const std::string& recipe, const std::string& station) const {
    return post("/api/v1/runs",
                {{"station", station}, {"cell", "R-" + station}, {"recipe", recipe}, {"who", "anna"}});
  }
  static fs::path make_folder() {
    std::string pattern = (fs::temp_directory_path() / "cambench-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no folder for the test");
    return fs::canonical(pattern);
  }
  [[nodiscard]] http::Address control() const { return {(folder_ / "control.sock").string(), {}, 0}; }

  void configure() const {
    std::ofstream out(configuration());
    out << "[bench]\nname = \"scenario\"\ntime_scale = " << settings_.time_scale
        << "\n[store]\npath = \"state/cambench.sqlite\"\n"
           "[http]\nlisten = \"127.0.0.1:0\"\ncontrol = \"control.sock\"\n"
           "[log]\nfile = \"state/cambench.log\"\n[recipes]\npath = \"recipes\"\n"
           "[[material]]\nid = \"ncm-uncoated\"\nname = \"NCM uncoated\"\ncoating = \"none\"\n"
           "amount_wt_percent = 0.0\nreference = true\n";
    for (int i = 1; i <= settings_.stations + settings_.source_measure_units; ++i)
      out << "[[cell]]\nid = \"R-A" << i
          << "\"\nmaterial = \"ncm-uncoated\"\nelectrodes = 3\ncomposite_mg = 12.0\ncam_fraction = 0.67\n"
             "area_cm2 = 0.7854\nq_1C_mAh_g = 200.0\nreference_vs_li_V = 0.31\n"
             "reference_note = \"lithiated gold, assumed\"\n";
    out << settings_.extra << contents(folder_ / "stations.toml");
  }

  [[nodiscard]] int samples_of_step(std::int64_t step, const std::string& name) const {
    const auto shown = station(name);
    int count = 0;
    for (const auto& row : samples(std::string(shown.at("run").at("id").as_string())))
      if (row.sample.step == step) ++count;
    return count;
  }

  Settings settings_;
  fs::path folder_;
  std::optional<Process> sim_, daemon_;
};

/// Charge, rest, discharge at 1 C (1.608 mA) of the paper's rate composite, with its press at 50 MPa and a band that a
/// leak leaves soon. Experiment time; a pristine cell gives back little of its
/// first charge, so the discharge lasts a third of it.
inline std::string short_recipe(int charge_s, int rest_s, double band_MPa = 2.5) {
  return fmt::format(
      "title = \"Charge, rest, discharge\"\nlimit_on = \"we_vs_re\"\npotentials = \"vs_li\"\nbasis = "
      "\"cell\"\n"
      "sampling_s = 1\n[record]\ntime_s = 10\n[pressure]\nset_MPa = 50\nband_MPa = {2}\nat_end = \"hold\"\n"
      "[ocv]\nmin_V = 1.0\nmax_V = 3.9\nwe_min_V = 1.6\nwe_max_V = 4.5\n[guard]\ncell_min_V = "
      "1.5\ncell_max_V = 4.3\n"
      "[on_gap]\nrest = \"proceed\"\ncurrent = \"wait_for_person\"\n"
      "[[method]]\nstep = \"constant_current\"\nrate_C = 1.0\nuntil_voltage_V = 4.32\nuntil_time_s = {0}\n"
      "[[method]]\nstep = \"open_circuit_voltage\"\nuntil_time_s = {1}\n"
      "[[method]]\nstep = \"constant_current\"\nrate_C = -1.0\nuntil_voltage_V = 2.62\nuntil_time_s = {3}\n",
      charge_s, rest_s, band_MPa, charge_s / 3);
}

}  // namespace cambench::scenario
