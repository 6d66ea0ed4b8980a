// cambench-sim: a bench made of code, for demonstrations and tests, and the client that gives it orders.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "drivers/sim/bench.h"
#include "drivers/sim/order_socket.h"
#include "drivers/sim/tof_sims.h"

namespace {

using namespace cambench::sim;

int order(const std::string& directory, std::string line) {
  if (line.starts_with("sims ")) {  // the bench has another working directory than this client
    const std::size_t end = line.find(' ', 5);
    line.replace(5, std::min(end, line.size()) - 5,
                 std::filesystem::absolute(line.substr(5, end - 5)).string());
  }
  const auto answer = send_order(std::filesystem::path(directory) / "sim.sock", line);
  if (answer) return fmt::print("{}", *answer), 0;
  fmt::print(stderr, "cambench-sim: {}\n", answer.error().what);
  return 1;
}

void log_line(std::string_view line) {
  using namespace std::chrono;
  static const auto begin = steady_clock::now();
  fmt::print("{:8.2f}  {}\n", duration<double>(steady_clock::now() - begin).count(), line);
  std::fflush(stdout);
}

std::vector<Model> models_named(const std::vector<std::string>& names) {
  std::vector<Model> models;
  for (const std::string& name : names) {
    const auto model = model_named(name);
    if (!model) throw std::runtime_error(fmt::format("--model \"{}\" is none of {}", name, model_names()));
    models.push_back(*model);
  }
  return models;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "A battery bench made of code: potentiostats (MethodSCRIPT, SCPI) with cells, and Modbus presses.\n"
      "The cells' materials are tuned to the prose of Hertle et al., not measured.");
  app.set_version_flag("--version", CAMBENCH_VERSION);
  BenchSettings bench;
  bench.log = log_line;
  std::string directory;
  auto* where = app.add_option("--dir", directory, "where links, socket, configuration and ground truth go");
  app.add_option("--stations", bench.stations, "how many with a MethodSCRIPT instrument")
      ->capture_default_str();
  std::vector<std::string> models;
  app.add_option("--model", models,
                 "of the first MethodSCRIPT instrument, the second, ...: one of " + model_names());
  app.add_option("--source-measure-units", bench.source_measure_units,
                 "and how many more with a Keithley 2450 instead")
      ->capture_default_str();
  app.add_option("--time-scale", bench.time_scale, "instrument seconds per second")->capture_default_str();
  app.add_option("--seed", bench.seed, "equal seeds, equal noise")->capture_default_str();

  std::string bench_directory, line;
  auto* ctl = app.add_subcommand("ctl", "give an order to a running bench; the order \"help\" lists them");
  ctl->add_option("DIR", bench_directory, "its --dir")->required();
  ctl->add_option("ORDER", line, "such as 'mount A1 rate ncm-linbo3'")->required();

  SimsStudy study;
  std::string drop;
  auto* sims = app.add_subcommand("sims", "write a ToF-SIMS study without a bench");
  sims->add_option("DIR", drop, "the watched folder")->required();
  sims->add_option("--study", study.id, "its id")->capture_default_str();
  sims->add_option("--seed", study.seed)->capture_default_str();
  sims->add_option("--regions", study.regions, "per sample")->capture_default_str();
  sims->add_option("--pixels", study.pixels, "per side")->capture_default_str();
  sims->add_option("--material", study.materials, "only these");
  CLI11_PARSE(app, argc, argv);

  try {
    if (*ctl) return order(bench_directory, line);
    if (*sims) {
      const auto written = write_sims_study(drop, study);
      fmt::print("{} files, {:.1f} MB\n", written.files, static_cast<double>(written.bytes) / 1e6);
      return 0;
    }
    if (!*where) {
      fmt::print(stderr, "cambench-sim: --dir is needed; see --help\n");
      return 2;
    }
    bench.directory = directory;
    bench.models = models_named(models);
    return run_bench(std::move(bench));
  } catch (const std::exception& error) {
    fmt::print(stderr, "cambench-sim: {}\n", error.what());
    return 1;
  }
}
