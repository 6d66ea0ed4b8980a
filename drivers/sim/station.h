// One station of a simulated bench: a potentiostat with the port a host plugs in to, the cell on its leads, and a
// press on Modbus TCP; and the orders that a person or a test can give it.
//
// A source-measure unit has an address of the loopback to itself, because its ports are the real one's: 5025, and 5030
// which ends the session that hangs.
//
// Single-threaded: everything happens on the io_context's thread.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/sim/cell.h"
#include "drivers/sim/host_port.h"
#include "drivers/sim/instrument.h"
#include "drivers/sim/load_cell.h"
#include "drivers/sim/modbus_server.h"
#include "drivers/sim/mscript_models.h"
#include "drivers/sim/press_machine.h"
#include "schema/reading.h"
#include "schema/result.h"

namespace cambench::sim {

class Station {
 public:
  /// A Nexus is on TCP, every other MethodSCRIPT instrument on USB. A source-measure unit is a 2450.
  enum class Kind { methodscript, source_measure_unit };
  struct Settings {
    int index = 0;  ///< from 0; the name is A1, A2, ...
    Kind kind = Kind::methodscript;
    Model model = Model::emstat4_hr;  ///< of a MethodSCRIPT instrument
    std::filesystem::path directory;  ///< where a USB instrument's device link goes
    double time_scale = 1.0;
    std::uint64_t seed = 1;
    std::function<void(std::string_view)> say;  ///< what happens, one line each
  };
  Station(boost::asio::io_context& io, Settings settings);

  /// Lets wall time pass; the instrument's clock runs time_scale times as fast, or waits for a host that is too slow.
  void advance(Seconds wall, Instant now);

  /// `words[0]` is the order, the rest its arguments. Empty when it is none of ours.
  std::optional<Result<void>> order(const std::vector<std::string>& words);
  static std::string_view orders();  ///< one line each

  /// The cell's own change of volume presses against the press.
  void let_cell_breathe();

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Instrument& machine() { return *machine_; }
  [[nodiscard]] const Cell* cell() const { return cell_.get(); }
  [[nodiscard]] const PressMachine& press() const { return press_; }
  [[nodiscard]] const HostPort& port() const { return *port_; }
  [[nodiscard]] std::uint16_t press_port() const { return press_server_.port(); }
  [[nodiscard]] Seconds clock() const { return clock_; }  ///< instrument time
  [[nodiscard]] std::string state();                      ///< one line for a person
  [[nodiscard]] std::string configuration() const;        ///< its [[station]] table

 private:
  /// What happens to output and clock while a connected host does not read.
  enum class Reading { waits, lost, blocks };

  void open_port(boost::asio::io_context& io);
  void open_ports_of_unit(boost::asio::io_context& io);
  void host_changed(bool connected);
  void hear(std::string_view bytes);
  void run_to_clock();
  Result<void> mount(const std::vector<std::string>& arguments);
  void connect(std::unique_ptr<Cell> cell);
  Result<void> fault(std::vector<std::string> arguments);
  Result<void> unplug(double for_s);
  Result<void> press_order(const std::vector<std::string>& arguments);
  Result<void> set_reading(std::string_view how);
  Result<void> clear();

  Settings settings_;
  std::string name_;
  std::unique_ptr<Instrument> machine_;
  PressMachine press_;
  LoadCell load_cell_;                             ///< under its die, unit 2
  PressMachine::Mode press_mode_ = press_.mode();  ///< as it was said last
  ModbusTcpServer press_server_;
  std::unique_ptr<Cell> cell_;
  std::unique_ptr<HostPort> port_, dead_socket_port_;  ///< the second of a source-measure unit
  Reading reading_;
  Seconds clock_{0};
  double clock_ppm_ = 0.0;
  bool banner_ = false;  ///< stray bytes are due when the next host connects
  std::optional<Instant> plug_at_;
};

}  // namespace cambench::sim
