// From a bad register at the press to the cell-off command on the potentiostat's wire: whole stations (drivers,
// sequencer, store) against machines made of code on a thread of their own, over TCP on the loopback.
//
//   bench_interlock_reaction [trials=208] [stations=16] [fault=nan]
//
// A trial: a current flows; at a random moment of the poll the press begins to show a bad value; the clock stops when
// the abort ("Z") arrives at the instrument. Then a person resets, the run resumes, and the next trial begins. The limit
// is the poll period times the debounce, plus 20 ms: three bad readings of five trip, at 5 Hz.
#include <unistd.h>

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <thread>

#include "daemon/log.h"
#include "daemon/runner.h"
#include "drivers/sim/host_port.h"
#include "drivers/sim/modbus_server.h"
#include "drivers/sim/mscript_machine.h"
#include "tests/bench/figures.h"

using namespace cambench;
namespace asio = boost::asio;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

namespace {

constexpr double poll_ms = 200, debounce = 3, margin_ms = 20;

struct Folder {
  fs::path path;
  Folder() {
    auto name = (fs::temp_directory_path() / "cambench-bench-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
};

/// The instruments of one station, with the truth. Everything on the machines' thread but the atomics.
class Machines {
 public:
  Machines(asio::io_context& io, int number)
      : io_(io),
        serial_(fmt::format("NEXUS20B{:04}", number)),
        cell_(*sim::cell_kind("rate", "ncm-uncoated")),
        machine_(sim::Model::nexus, serial_, static_cast<std::uint64_t>(number)),
        press_({.seed = static_cast<std::uint64_t>(number)}),
        server_(io.get_executor(), {{1, &press_}}),
        port_(sim::open_tcp(io, {[this](std::string_view bytes) { hear(bytes); },
                                 [this](bool connected) { machine_.set_reader(connected); }})),
        timer_(io) {
    machine_.connect(&cell_);
    press_.advance(Clock::now());
    tick();
  }

  [[nodiscard]] config::Station configuration(const std::string& name) const {
    config::Station station;
    station.name = name;
    station.potentiostat = {"methodscript", {port_->address(), "", "", 0}, serial_, true};
    config::Press press;
    press.driver = "modbus";
    press.port.text = fmt::format("tcp://127.0.0.1:{}", server_.port());
    press.map = "generic-press";
    press.simulated = true;
    station.press = press;
    return station;
  }

  void break_press(std::string fault) {
    asio::post(io_, [this, fault = std::move(fault)] {
      stopped = false;
      broken_at_ = Clock::now();
      static_cast<void>(press_.inject(fault));
    });
  }
  void mend_press() {
    asio::post(io_, [this] { press_.clear_all(); });
  }

  std::atomic<bool> cell_on = false, stopped = false;  ///< stopped: "Z" has come since the press broke
  std::atomic<double> reaction_ms = 0, open_ms = 0;    ///< to the "Z"; to the open cell

 private:
  void hear(std::string_view bytes) {
    if (broken_at_ && bytes.find('Z') != bytes.npos) {
      reaction_ms = since_broken();
      const auto at = broken_at_;
      broken_at_.reset();
      opening_since_ = at;
      stopped = true;
    }
    machine_.receive(bytes);
    look();
  }
  void look() {
    machine_.advance(Seconds(Clock::now() - began_));
    cell_on = machine_.cell_on();
    if (opening_since_ && !machine_.cell_on()) {
      open_ms = std::chrono::duration<double, std::milli>(Clock::now() - *opening_since_).count();
      opening_since_.reset();
    }
    if (machine_.waiting_output() > 0 && port_->connected()) port_->send(machine_.take_output());
  }
  void tick() {
    look();
    timer_.expires_after(2ms);
    timer_.async_wait([this](const boost::system::error_code& ended) {
      if (!ended) tick();
    });
  }
  [[nodiscard]] double since_broken() const {
    return std::chrono::duration<double, std::milli>(Clock::now() - *broken_at_).count();
  }

  asio::io_context& io_;
  std::string serial_;
  sim::Cell cell_;
  sim::MscriptMachine machine_;
  sim::PressMachine press_;
  sim::ModbusTcpServer server_;
  std::unique_ptr<sim::HostPort> port_;
  asio::steady_timer timer_;
  Clock::time_point began_ = Clock::now();
  std::optional<Clock::time_point> broken_at_, opening_since_;
};

/// A long charge at 0.1 C under 5 MPa.
std::shared_ptr<const Plan> charge_plan() {
  auto plan = std::make_shared<Plan>();
  plan->recipe = "reaction";
  plan->recipe_hash = "-";
  plan->one_C = from_mA(1.608);
  PlannedStep step;
  step.label = "charge 0.1 C";
  step.cycle = 1;
  step.kind = PlannedStep::Kind::constant_current;
  step.current = from_mA(0.1608);
  step.until_voltage = Volt(4.01);
  step.limit_on = LimitOn::we_vs_re;
  step.run_time = Seconds(57600);
  step.run_time_is_planned = false;
  step.guards = {Volt(4.06), Volt(1.5), Volt(4.3), Volt(1.0), from_mAh(3)};
  plan->steps = {step};
  plan->pressure = PressurePlan{MegaPascal(5), MegaPascal(2), Seconds(60), PressurePlan::AtEnd::hold};
  return plan;
}

/// Plays the person at one station: starts, breaks, resets, resumes.
class Trials {
 public:
  Trials(asio::io_context& io, asio::io_context& machines_io, int number, int trials, std::string fault,
         store::Store& store, Alarms& alarms, Journal& journal)
      : machines_(machines_io, number),
        name_(fmt::format("A{}", number)),
        trials_(trials),
        fault_(std::move(fault)),
        random_(static_cast<unsigned>(number)),
        timer_(io) {
    const auto configuration = machines_.configuration(name_);
    station_ = std::make_unique<Station>(io.get_executor(), configuration, sequencer::Rules{},
                                         make_instruments(io.get_executor(), config::Bench{}, configuration),
                                         store, alarms, journal);
    station_->open();
    look();
  }

  [[nodiscard]] bool over() const { return std::ssize(reaction_ms) >= trials_; }
  std::vector<double> reaction_ms, open_ms;

 private:
  void look() {
    act();
    timer_.expires_after(std::chrono::microseconds(20'000 + random_() % 20'000));
    timer_.async_wait([this](const boost::system::error_code& ended) {
      if (!ended) look();
    });
  }
  void act() {
    const auto now = Clock::now();
    const auto run = station_->status(now).run;
    if (!run) return start();
    if (run->state == "tripped") return tripped();
    if (run->state == "held") return order(event::Ordered::What::resume);
    if (run->state != "running" || !machines_.cell_on || broken_ || over()) return;
    if (!due_) due_ = now + std::chrono::microseconds(1'000'000 + random_() % 400'000);
    if (now < *due_) return;
    due_.reset();
    broken_ = true;
    machines_.break_press(fault_);
  }
  void start() {
    if (!station_->met() || starting_) return;
    starting_ = true;
    RunInfo info{.id = fmt::format("r{}", name_.substr(1)),
                 .recipe = "reaction",
                 .cell = "",
                 .material = "",
                 .who = "bench",
                 .recipe_text = "{}",
                 .cell_json = "",
                 .plan = charge_plan(),
                 .started = std::chrono::system_clock::now()};
    station_->begin(std::move(info), [this](Result<void> begun) {
      starting_ = begun.has_value();
      if (!begun) fmt::print("{}: {}\n", name_, begun.error().what);
    });
  }
  void tripped() {
    if (broken_ && machines_.stopped && !machines_.cell_on) {
      reaction_ms.push_back(machines_.reaction_ms);
      open_ms.push_back(machines_.open_ms);
      broken_ = false;
      machines_.mend_press();
    }
    if (!broken_) order(event::Ordered::What::reset);
  }
  void order(event::Ordered::What what) {
    static_cast<void>(
        station_->order({what, "bench", "the next trial"}));  // refused while the cause stands: again soon
  }

  Machines machines_;
  std::string name_;
  int trials_;
  std::string fault_;
  std::mt19937 random_;
  asio::steady_timer timer_;
  std::unique_ptr<Station> station_;
  bool starting_ = false, broken_ = false;
  std::optional<Clock::time_point> due_;
};

}  // namespace

int main(int count, char** words) {
  const int trials = count > 1 ? std::atoi(words[1]) : 208, stations = count > 2 ? std::atoi(words[2]) : 16;
  const std::string fault = count > 3 ? words[3] : "nan";
  const Folder folder;
  asio::io_context io(1), machines_io(1);
  store::Store store(folder.path / "store.sqlite");
  config::Log log;
  log.file = folder.path / "log";
  Journal journal(open_log(log));
  Alarms alarms;
  std::vector<std::unique_ptr<Trials>> all;
  for (int i = 1; i <= stations; ++i)
    all.push_back(std::make_unique<Trials>(io, machines_io, i, (trials + stations - 1) / stations, fault,
                                           store, alarms, journal));
  const auto work = asio::make_work_guard(machines_io);
  std::thread machines([&] { machines_io.run(); });
  const auto began = Clock::now();
  while (!std::ranges::all_of(all, [](const auto& one) { return one->over(); }) &&
         Clock::now() - began < 10min)
    io.run_one();
  machines_io.stop();
  machines.join();

  std::vector<double> reaction_ms, open_ms;
  for (const auto& one : all) {
    reaction_ms.insert(reaction_ms.end(), one->reaction_ms.begin(), one->reaction_ms.end());
    open_ms.insert(open_ms.end(), one->open_ms.begin(), one->open_ms.end());
  }
  const double limit_ms = poll_ms * debounce + margin_ms;
  const auto beyond = std::ranges::count_if(reaction_ms, [&](double ms) { return ms > limit_ms; });
  fmt::print("bad register (\"{}\") to cell-off on the wire: {} trials on {} stations in {:.0f} s\n", fault,
             reaction_ms.size(), stations, std::chrono::duration<double>(Clock::now() - began).count());
  fmt::print("cell-off on the wire  {}\n", bench::figures(reaction_ms));
  fmt::print("cell open             {}\n", bench::figures(open_ms));
  fmt::print(
      "limit                 {:.0f} ms = poll {:.0f} ms x {:.0f} bad readings + {:.0f} ms; {} beyond\n",
      limit_ms, poll_ms, debounce, margin_ms, beyond);
  io.stop();
  all.clear();
  return beyond == 0 && std::ssize(reaction_ms) >= trials ? 0 : 1;
}
