#include "drivers/sim/bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <csignal>
#include <fstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "drivers/sim/mscript_machine.h"
#include "drivers/sim/order_socket.h"
#include "drivers/sim/scpi_machine.h"
#include "drivers/sim/station.h"
#include "drivers/sim/tof_sims.h"
#include "drivers/sim/truth.h"

namespace cambench::sim {

namespace asio = boost::asio;

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto tick = std::chrono::milliseconds(2), slow_tick = std::chrono::milliseconds(200);
constexpr Seconds longest_tick(0.05);                    // a suspended program does not make the cells jump
constexpr Seconds row_while_on(60), row_while_off(600);  // instrument time between rows of the ground truth
constexpr AmpereHour worth_a_line(1e-6);

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(' ', at), line.size());
    if (end > at) words.emplace_back(line.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

/// What the log and the ground truth saw of a station last.
struct Seen {
  bool on = false, running = false;
  std::uint64_t switches = 0;
  const Cell* cell = nullptr;
  Ampere current;
  Seconds row{-1e9}, script_began{0};
  AmpereHour script_charge;
};

AmpereHour charge_of(const Station& station) {
  return station.cell() ? station.cell()->charge() : AmpereHour(0.0);
}

bool same_current(Ampere a, Ampere b) { return abs(a - b) <= 0.02 * abs(b) + Ampere(1e-9); }

}  // namespace

struct SimBench::State {
  State(asio::io_context& its_io, BenchSettings its)
      : io(its_io), settings(std::move(its)), truth(directory() / "truth.csv"), timer(io) {
    for (int i = 0; i < settings.stations + settings.source_measure_units; ++i) {
      const auto kind =
          i < settings.stations ? Station::Kind::methodscript : Station::Kind::source_measure_unit;
      auto say = [this, who = fmt::format("A{}", i + 1)](std::string_view what) { log(who, what); };
      stations.push_back(std::make_unique<Station>(
          io, Station::Settings{i, kind, model_of(i), settings.directory, settings.time_scale, settings.seed,
                                std::move(say)}));
    }
    seen.resize(stations.size());
    orders.emplace(io, settings.directory / "sim.sock",
                   OrderSocket::Handlers{
                       [this](std::string_view line) { return order(line); },
                       [](std::string_view line) { return line.starts_with("sims "); },
                       [seed = settings.seed](std::string_view line) { return write_sims(line, seed); }});
    write_configuration();
    announce();
    std::ofstream(settings.directory / "ready") << "ready\n";
    then = Clock::now();
    wait();
  }

  ~State() {
    std::error_code nothing;
    std::filesystem::remove(settings.directory / "ready", nothing);
  }

  const std::filesystem::path& directory() {
    const int all = settings.stations + settings.source_measure_units;
    if (settings.stations < 0 || settings.source_measure_units < 0 || all < 1 || all > 64)
      throw std::runtime_error("a simulated bench has 1 to 64 stations");
    if (!(settings.time_scale > 0.0 && settings.time_scale <= 1e6))
      throw std::runtime_error("the time scale of a simulated bench is above 0 and at most 1000000");
    std::filesystem::create_directories(settings.directory);
    return settings.directory = std::filesystem::canonical(settings.directory);
  }

  [[nodiscard]] Model model_of(int station) const {
    if (station < std::ssize(settings.models)) return settings.models[static_cast<std::size_t>(station)];
    if (station % 2 == 1) return Model::nexus;
    return station % 4 == 0 ? Model::emstat4_hr : Model::multi_emstat4_hr;
  }

  void write_configuration() const {
    std::ofstream out(settings.directory / "stations.toml");
    out << "# Stations of a simulated bench: to be read as part of a daemon's configuration.\n";
    for (const auto& station : stations) out << station->configuration();
    if (!out.flush())
      throw std::runtime_error("stations.toml: cannot be written; check free space and permissions");
  }

  void announce() const {
    settings.log(fmt::format("{} stations in {}, time scale {:g}, seed {}", stations.size(),
                             settings.directory.string(), settings.time_scale, settings.seed));
    settings.log("the materials are tuned to the prose of Hertle et al., not measured");
    for (const auto& s : stations)
      log(s->name(), fmt::format("{} {} at {}, press at tcp://127.0.0.1:{}", s->machine().model_name(),
                                 s->machine().serial(), s->port().address(), s->press_port()));
  }

  void log(std::string_view who, std::string_view what) const {
    settings.log(fmt::format("{:<3} {}", who, what));
  }

  // --- time ---------------------------------------------------------------------------------------------------
  void wait() {
    timer.expires_after(tick);
    timer.async_wait([this, alive = std::weak_ptr(life)](const boost::system::error_code& error) {
      if (error || alive.expired()) return;
      pass();
      wait();
    });
  }

  void pass() {
    const Instant now = Clock::now();
    const Seconds wall = std::min(Seconds(now - std::exchange(then, now)), longest_tick);
    for (std::size_t i = 0; i < stations.size(); ++i) {
      stations[i]->advance(wall, now);
      observe(*stations[i], seen[i]);
    }
    if (now - slow_pass < slow_tick) return;
    slow_pass = now;
    for (const auto& station : stations) station->let_cell_breathe();
    truth.flush();
  }

  // --- ground truth and log -----------------------------------------------------------------------------------
  void observe(Station& station, Seen& last) {
    const Instrument& m = station.machine();
    if (m.running() != last.running) note_script(station, last);
    const bool changed = m.cell_on() != last.on || m.running() != last.running ||
                         m.switches() != last.switches || station.cell() != last.cell ||
                         !same_current(m.current(), last.current);
    if (changed || station.clock() - last.row >= (m.cell_on() ? row_while_on : row_while_off))
      write_row(station, last);
  }

  void write_row(Station& station, Seen& last) {
    Instrument& m = station.machine();
    const auto leads = m.leads();
    truth.write({station.clock(), station.name(),
                 station.cell() ? std::string_view(station.cell()->kind().name) : std::string_view(),
                 m.cell_on(), m.running(), m.switches(), m.current(), leads, m.take_extremes(),
                 charge_of(station), station.press().true_pressure()});
    last.on = m.cell_on();
    last.running = m.running();
    last.switches = m.switches();
    last.cell = station.cell();
    last.current = m.current();
    last.row = station.clock();
  }

  void note_script(Station& station, Seen& last) const {
    const auto leads = station.machine().leads();  // brings the cell up to now
    if (station.machine().running()) {
      last.script_began = station.clock();
      last.script_charge = charge_of(station);
      return;
    }
    const AmpereHour moved = charge_of(station) - last.script_charge;
    if (abs(moved) < worth_a_line) return;  // rests, readings and off-scripts are no news
    log(station.name(),
        fmt::format("script ended after {:.2f} h, {:+.3f} mAh, WE at {:.3f} V, cell {}",
                    (station.clock() - last.script_began).count() / 3600.0, moved.value() * 1e3,
                    leads ? leads->we_vs_re.value() : 0.0, station.machine().cell_on() ? "ON" : "off"));
  }

  // --- orders -------------------------------------------------------------------------------------------------
  Result<std::string> order(std::string_view line) {
    auto words = words_of(line);
    const std::string what = words.empty() ? "help" : words[0];
    if (what == "help") return std::string(sim_orders());
    if (what == "state") return state();
    if (what == "quit") {
      asio::post(io, [&context = io] { context.stop(); });
      return std::string();
    }
    if (words.size() < 2) return unknown(line);
    const auto station = std::ranges::find_if(stations, [&](const auto& s) { return s->name() == words[1]; });
    if (station == stations.end())
      return fail(Fault::Kind::refused,
                  fmt::format("there is no station {}; there are A1 to A{}", words[1], stations.size()));
    words.erase(words.begin() + 1);
    const auto done = (*station)->order(words);
    if (!done) return unknown(line);
    if (!*done) return fail(done->error());
    log((*station)->name(), fmt::format("order: {}", line));
    return std::string();
  }

  static Result<std::string> unknown(std::string_view line) {
    return fail(Fault::Kind::refused,
                fmt::format("\"{}\" is not an order; there are:\n{}", line, sim_orders()));
  }

  std::string state() {
    std::string text;
    for (const auto& station : stations) text += station->state();
    return text;
  }

  static Result<std::string> write_sims(std::string_view line, std::uint64_t seed) {
    const auto words = words_of(line);
    SimsStudy study;
    study.seed = seed;
    bool good = words.size() >= 3 && words.size() <= 6;
    const auto read = [&](std::size_t at, auto& into) {
      if (at >= words.size()) return;
      const auto [end, error] = std::from_chars(words[at].data(), words[at].data() + words[at].size(), into);
      good = good && error == std::errc() && *end == '\0';
    };
    read(3, study.seed);
    read(4, study.regions);
    read(5, study.pixels);
    if (!good) return fail(Fault::Kind::refused, "sims DIR STUDY [SEED [REGIONS [PIXELS]]]");
    study.id = words[2];
    try {
      const SimsWritten written = write_sims_study(words[1], study);
      return fmt::format("{} files, {:.1f} MB\n", written.files, static_cast<double>(written.bytes) / 1e6);
    } catch (const std::exception& error) {
      return fail(Fault::Kind::storage, error.what());
    }
  }

  asio::io_context& io;
  BenchSettings settings;
  Truth truth;
  std::vector<std::unique_ptr<Station>> stations;
  std::vector<Seen> seen;
  asio::steady_timer timer;
  Instant then{}, slow_pass{};
  std::shared_ptr<int> life = std::make_shared<int>();  // a queued tick sees that we are gone
  std::optional<OrderSocket> orders;
};

SimBench::SimBench(asio::io_context& io, BenchSettings settings)
    : state_(std::make_unique<State>(io, std::move(settings))) {}
SimBench::~SimBench() = default;

Result<std::string> SimBench::order(std::string_view line) { return state_->order(line); }

std::string_view sim_orders() {
  static const std::string all = std::string(Station::orders()) +
                                 "sims DIR STUDY [SEED [REGIONS [PIXELS]]]  write a ToF-SIMS study\n"
                                 "state                               what every station is doing\n"
                                 "help                                this list\n"
                                 "quit                                end the bench\n"
                                 "Faults of a MethodSCRIPT instrument:\n" +
                                 std::string(MscriptMachine::fault_names()) +
                                 "Faults of a source-measure unit:\n" +
                                 std::string(ScpiMachine::fault_names());
  return all;
}

int run_bench(BenchSettings settings) {
  asio::io_context io;
  asio::signal_set signals(io, SIGTERM, SIGINT);
  signals.async_wait([&io](const boost::system::error_code& error, int) {
    if (!error) io.stop();
  });
  const auto log = settings.log;
  {
    const SimBench bench(io, std::move(settings));
    io.run();
  }
  log("stopped");
  return 0;
}

}  // namespace cambench::sim
