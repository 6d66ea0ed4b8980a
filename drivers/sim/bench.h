// A whole bench made of code: stations A1, A2, ... with a potentiostat each (MethodSCRIPT on a pseudo terminal and on TCP
// by turns, then source-measure units), a Modbus press, and whatever cell is mounted. One thread, one io_context.
//
// In its directory it writes stations.toml (the [[station]] tables of a daemon's configuration), truth.csv (what
// really happened, whatever the host believes; bounded), and `ready` once everything listens. Orders come in by the
// socket sim.sock, one line each; see sim_orders().
//
// The instruments' clocks run at time_scale times the steady clock. While a host is connected but slow they wait for
// it when time_scale > 1 (nothing real would), unless `reading` says otherwise.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/sim/mscript_models.h"
#include "schema/result.h"

namespace boost::asio {
class io_context;
}

namespace cambench::sim {

struct BenchSettings {
  std::filesystem::path directory;
  int stations = 6;  ///< with a MethodSCRIPT instrument
  double time_scale = 1.0;
  std::uint64_t seed = 1;
  std::function<void(std::string_view)> log = [](std::string_view) {};  ///< one line per thing that happens
  int source_measure_units = 0;                                         ///< further stations, each with one
  /// Of the first MethodSCRIPT stations; the others have a Nexus by turns with an EmStat4 HR and a MultiEmStat4 HR.
  std::vector<Model> models{};
};

class SimBench {
 public:
  /// Opens everything and writes the files. Throws std::runtime_error with what to mend: a directory in use or not
  /// writable, a port that cannot be opened.
  SimBench(boost::asio::io_context& io, BenchSettings settings);
  ~SimBench();  ///< closes everything and removes `ready`, the links and the socket
  SimBench(const SimBench&) = delete;
  SimBench& operator=(const SimBench&) = delete;

  /// Carries out one order and returns what it has to say. `sims` is not among them: it takes long, and only the
  /// socket does it, on a thread of its own.
  Result<std::string> order(std::string_view line);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The orders, one line each.
std::string_view sim_orders();

/// Runs a bench until `quit`, SIGTERM or SIGINT. Returns the exit status.
int run_bench(BenchSettings settings);

}  // namespace cambench::sim
