// The ground truth of a simulated bench as a CSV file: what the cells really saw, whatever a host believes.
// A row on every change and at a coarse interval. Bounded: at 64 MiB the file becomes truth.1.csv and a new one
// begins, so that at most the last 128 MiB stay.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/sim/cell.h"
#include "drivers/sim/instrument.h"

namespace cambench::sim {

class Truth {
 public:
  /// Throws std::runtime_error when the file cannot be written.
  explicit Truth(std::filesystem::path file, std::size_t most_bytes = 64 * 1024 * 1024);

  struct Row {
    Seconds instrument{0};           ///< the station's clock
    std::string_view station, cell;  ///< `cell` is empty without one
    bool cell_on = false, script = false;
    std::uint64_t switches =
        0;  ///< how often the cell was switched so far: an odd one out was too short to be seen
    Ampere current;
    std::optional<Leads> leads;
    std::optional<Extremes> extremes;  ///< of WE against RE while on, since the last row
    AmpereHour charge;                 ///< of the cell, since it was mounted
    MegaPascal pressure;
  };
  void write(const Row& row);
  void flush();

 private:
  void open();
  std::filesystem::path file_;
  std::size_t most_bytes_, bytes_ = 0;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out_{nullptr, std::fclose};
};

}  // namespace cambench::sim
