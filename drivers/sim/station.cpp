#include "drivers/sim/station.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <charconv>
#include <chrono>
#include <cmath>
#include <utility>

#include "drivers/sim/mscript_machine.h"
#include "drivers/sim/scpi_machine.h"

namespace cambench::sim {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t slow_host_bytes = 64 * 1024;
constexpr double usb_restart_s = 1.0;
constexpr std::string_view boot_banner = "\x11\n";  // stray bytes as a UART instrument sends at power-up
constexpr double breathing_MPa = 1.5;               // of a fully delithiated cathode; our own figure

std::optional<double> number(std::string_view text) {
  double result = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(result)) return std::nullopt;
  return result;
}

/// The number in "key=number" among the words.
std::optional<double> setting(const std::vector<std::string>& words, std::string_view key) {
  for (const std::string_view word : words)
    if (word.starts_with(key) && word.substr(key.size()).starts_with('='))
      return number(word.substr(key.size() + 1));
  return std::nullopt;
}

std::string_view mode_name(PressMachine::Mode mode) {
  switch (mode) {
    case PressMachine::Mode::run: return "runs";
    case PressMachine::Mode::hold: return "holds";
    case PressMachine::Mode::vent: return "vents";
  }
  return "";
}

std::unique_ptr<Instrument> make_machine(const Station::Settings& settings, const std::string& name) {
  const std::uint64_t seed = seed_for(settings.seed, name);
  if (settings.kind == Station::Kind::source_measure_unit)
    return std::make_unique<ScpiMachine>("2450", fmt::format("044{:05}", settings.index + 1), seed);
  auto machine = std::make_unique<MscriptMachine>(
      settings.model,
      fmt::format("{}20B{:04}", sim::profile(settings.model).serial_prefix, settings.index + 1), seed);
  machine->unsettled.deaf_after_error_s *= settings.time_scale;  // about the wire, not about the cell
  machine->set_reader(false);
  return machine;
}

}  // namespace

Station::Station(boost::asio::io_context& io, Settings settings)
    : settings_(std::move(settings)),
      name_(fmt::format("A{}", settings_.index + 1)),
      machine_(make_machine(settings_, name_)),
      press_({.serial = "PRESS-" + name_,
              .time_scale = settings_.time_scale,
              .seed = seed_for(settings_.seed, "press " + name_)},
             Clock::now()),
      load_cell_(press_, static_cast<std::uint16_t>(settings_.index + 1)),
      press_server_(io.get_executor(), Units{{1, &press_}, {2, &load_cell_}}),
      reading_(settings_.time_scale > 1.0 ? Reading::waits : Reading::lost) {
  if (settings_.kind == Kind::source_measure_unit)
    open_ports_of_unit(io);
  else
    open_port(io);
}

void Station::open_port(boost::asio::io_context& io) {
  HostPortEvents events{[this](std::string_view bytes) { hear(bytes); },
                        [this](bool connected) { host_changed(connected); }};
  port_ = settings_.model == Model::nexus
              ? open_tcp(io, std::move(events))
              : open_pty(io, settings_.directory / (name_ + ".tty"), std::move(events));
}

/// Several benches may run on one machine: an address is taken that nobody listens on.
void Station::open_ports_of_unit(boost::asio::io_context& io) {
  constexpr std::uint16_t scpi_port = 5025, dead_socket_port = 5030;
  constexpr int tries = 100;
  Random random(seed_for(settings_.seed ^ static_cast<std::uint64_t>(::getpid()), "address " + name_));
  const auto part = [&] { return 1 + static_cast<int>(random.uniform() * 253); };
  for (int attempt = 1;; ++attempt) {
    const std::string address = fmt::format("127.{}.{}.{}", part(), part(), part());
    try {
      port_ = open_tcp(io,
                       {[this](std::string_view bytes) { hear(bytes); },
                        [this](bool connected) { host_changed(connected); }},
                       address, scpi_port);
      dead_socket_port_ = open_tcp(io,
                                   {[](std::string_view) {},
                                    [this](bool connected) {
                                      if (!connected) return;
                                      dynamic_cast<ScpiMachine&>(*machine_).knock_at_dead_socket();
                                      settings_.say("dead-socket port opened: the session is ended");
                                      port_->drop();
                                    }},
                                   address, dead_socket_port);
      return;
    } catch (const boost::system::system_error&) {
      if (attempt == tries) throw;
    }
  }
}

void Station::host_changed(bool connected) {
  machine_->set_reader(connected);
  machine_->host(connected);
  settings_.say(connected ? "host connected" : "host gone");
  if (connected && std::exchange(banner_, false)) port_->send(boot_banner);
}

void Station::advance(Seconds wall, Instant now) {
  press_.advance(now);  // its own watchdog runs when nobody asks it anything
  if (std::exchange(press_mode_, press_.mode()) != press_.mode())
    settings_.say(fmt::format("press {}", mode_name(press_.mode())));
  if (plug_at_ && now >= *plug_at_) {
    plug_at_.reset();
    port_->plug();
    settings_.say("plugged in again");
  }
  port_->look();
  const bool slow = port_->connected() && port_->unsent() > slow_host_bytes;
  if (slow && reading_ == Reading::waits) return;
  machine_->set_reader(port_->connected() && !slow);
  clock_ += wall * settings_.time_scale * (1.0 + clock_ppm_ * 1e-6);
  run_to_clock();
}

void Station::hear(std::string_view bytes) {
  machine_->receive(bytes);
  run_to_clock();  // an answer is not kept waiting for the next tick
}

void Station::run_to_clock() {
  machine_->advance(clock_);
  if (!port_->connected()) return;
  if (machine_->waiting_output() > 0 && port_->unsent() <= slow_host_bytes)
    port_->send(machine_->take_output());
  if (!machine_->keeps_host() && port_->unsent() == 0) port_->drop();
}

std::optional<Result<void>> Station::order(const std::vector<std::string>& words) {
  const std::string_view what = words.front();
  const std::vector<std::string> arguments(words.begin() + 1, words.end());
  const std::size_t count = arguments.size();
  const auto amount = count > 0 ? number(arguments.back()) : std::nullopt;
  if (what == "mount") return mount(arguments);
  if (what == "unmount" && count == 0) return connect(nullptr), Result<void>();
  if (what == "fault" && count > 0) return fault(arguments);
  if (what == "drift" && count == 1 && amount && std::abs(*amount) < 1e5)
    return clock_ppm_ = *amount, Result<void>();
  if (what == "clear" && count == 0) return clear();
  if (what == "press" && count > 0) return press_order(arguments);
  if (what == "gauge" && count == 1) return load_cell_.order(arguments[0]);
  if (what == "settle" && count == 2 && amount) return machine_->settle(arguments[0], *amount);
  if (what == "reading" && count == 1) return set_reading(arguments[0]);
  if (what == "second" && count == 1 && (arguments[0] == "refuse" || arguments[0] == "displace"))
    return port_->set_second_displaces(arguments[0] == "displace"), Result<void>();
  if (what == "chunk" && count == 1 && amount && *amount >= 0.0 && *amount < 1e6)
    return port_->set_chunk(static_cast<std::size_t>(*amount)), Result<void>();
  return std::nullopt;
}

std::string_view Station::orders() {
  return "mount A1 rate|degradation MATERIAL [re_V=volt] [drift_mV_h=n]\n"
         "                                    put a new pristine cell on the station; true reference "
         "potential, its drift\n"
         "unmount A1                          take it off\n"
         "fault A1 NAME [key=value ...]       a fault of the potentiostat; for= and s= are seconds of wall "
         "time\n"
         "fault A1 link [for=s]               the cable or connection is gone, the cell goes on\n"
         "fault A1 power_cycle [for=s] [banner=1]  power off and on again: cell off, RAM script lost\n"
         "drift A1 PPM                        the instrument's clock runs so much too fast\n"
         "clear A1                            end all faults of the station\n"
         "press A1 FAULT[:key=value]          a fault of the press\n"
         "press A1 clear [FAULT] | drop       end its faults; drop its connections\n"
         "press A1 panel MPa                  somebody turns the knob on its front panel\n"
         "gauge A1 silent|broken|clear        the load cell under its die: unit 2 of the press's address, "
         "map "
         "laumas-tlb\n"
         "settle A1 NAME VALUE                choose one of the behaviours that nobody knows\n"
         "reading A1 waits|lost|blocks        what happens while a connected host does not read "
         "(MethodSCRIPT)\n"
         "second A1 refuse|displace           what a second TCP host meets\n"
         "chunk A1 N                          at most N bytes in one write; 0: no limit\n";
}

Result<void> Station::mount(const std::vector<std::string>& arguments) {
  auto kind = arguments.size() >= 2 ? cell_kind(arguments[0], arguments[1]) : std::nullopt;
  if (!kind)
    return fail(Fault::Kind::refused,
                fmt::format("mount {} rate|degradation MATERIAL, where the material is one of {}", name_,
                            fmt::join(cell_materials(), ", ")));
  kind->reference_vs_li_V = setting(arguments, "re_V").value_or(kind->reference_vs_li_V);
  kind->reference_drift_mV_h = setting(arguments, "drift_mV_h").value_or(kind->reference_drift_mV_h);
  connect(std::make_unique<Cell>(*kind));
  return {};
}

void Station::connect(std::unique_ptr<Cell> cell) {
  machine_->connect(cell.get());
  cell_ = std::move(cell);
}

// Durations in an order are wall time; the machine counts instrument time.
Result<void> Station::fault(std::vector<std::string> arguments) {
  const std::string name = arguments.front();
  arguments.erase(arguments.begin());
  if (name == "link") return unplug(setting(arguments, "for").value_or(0.0));
  if (name == "power_cycle") {
    machine_->power_cycle();
    banner_ = setting(arguments, "banner").value_or(0.0) != 0.0;
    return unplug(setting(arguments, "for").value_or(usb_restart_s));
  }
  for (const std::string key : {"for", "s"})
    if (const auto wall_s = setting(arguments, key))
      for (std::string& word : arguments)
        if (word.starts_with(key + "=")) word = fmt::format("{}={}", key, *wall_s * settings_.time_scale);
  return machine_->fault(name, arguments);
}

Result<void> Station::unplug(double for_s) {
  port_->unplug();
  machine_->set_reader(false);
  plug_at_.reset();
  if (for_s > 0.0) plug_at_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(for_s));
  return {};
}

Result<void> Station::press_order(const std::vector<std::string>& arguments) {
  const std::string& what = arguments[0];
  if (what == "drop") return press_server_.drop_connections(), Result<void>();
  if (what == "panel" && arguments.size() == 2)
    if (const auto target = number(arguments[1]))
      return press_.set_target_by_hand(MegaPascal(*target)), Result<void>();
  if (what != "clear") return press_.inject(what);
  arguments.size() > 1 ? press_.clear(arguments[1]) : press_.clear_all();
  return {};
}

Result<void> Station::set_reading(std::string_view how) {
  if (how != "waits" && how != "lost" && how != "blocks")
    return fail(Fault::Kind::refused, fmt::format("reading {} waits|lost|blocks", name_));
  reading_ = how == "waits" ? Reading::waits : how == "lost" ? Reading::lost : Reading::blocks;
  return machine_->settle("unread_output_blocks", reading_ == Reading::blocks ? 1 : 0);
}

Result<void> Station::clear() {
  machine_->clear_faults();
  press_.clear_all();
  plug_at_.reset();
  port_->plug();
  return {};
}

void Station::let_cell_breathe() {
  const double delithiated = cell_ ? cell_->kind().pristine - cell_->mean_lithiation() : 0.0;
  press_.set_breathing(MegaPascal(breathing_MPa * delithiated));
}

std::string Station::state() {
  const auto leads = machine_->leads();
  const std::string potentials =
      leads ? fmt::format("WE {:.4f} V, full cell {:.4f} V", leads->we_vs_re.value(), leads->we_vs_ce.value())
            : "no potentials";
  return fmt::format(
      "{:<3} {:<15} {:<12} {:<9} {:<7} {:<27} cell {:<3} {:+.3f} mA, {}, at {:.2f} h, press {:.2f} MPa, "
      "{}{}\n",
      name_, machine_->model_name(), machine_->serial(), port_->connected() ? "connected" : "no host",
      machine_->running() ? "running" : "idle", cell_ ? cell_->kind().name : "no cell",
      machine_->cell_on() ? "ON" : "off", machine_->current().value() * 1e3, potentials,
      clock_.count() / 3600.0, press_.true_pressure().value(), mode_name(press_.mode()),
      press_.watchdog_expired() ? ", its watchdog expired" : "");
}

std::string Station::configuration() const {
  const bool unit = settings_.kind == Kind::source_measure_unit;
  return fmt::format(
      "\n[[station]]\nname = \"{}\"\n"
      "  [station.potentiostat]\n  driver = \"{}\"\n  port = \"{}\"\n  serial = \"{}\"\n{}  "
      "simulated = true\n"
      "  [station.press]\n  driver = \"modbus\"\n  port = \"tcp://127.0.0.1:{}\"\n  unit = 1\n"
      "  map = \"generic-press\"\n  simulated = true\n",
      name_, unit ? "keithley" : "methodscript", port_->address(), machine_->serial(),
      unit ? "  sense = \"we_vs_re\"\n" : "", press_server_.port());
}

}  // namespace cambench::sim
