// Writes raw events and their properties as independent readers describe them (tofsims, TOFSIMS-GRD): no real file is
// public.
#pragma once
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "tests/analysis/folder.h"

namespace cambench::tests {

struct GrdWriter {
  double sf = 33256.96, k0 = -450.73;  ///< of a real spectrum: N_Ru-Pt_Bi3_1
  std::string events = {};

  void ion(std::uint32_t scan, std::uint32_t x, std::uint32_t y, double mz) {
    const auto channel = static_cast<std::uint32_t>(std::lround(k0 + sf * std::sqrt(mz)));
    for (const auto number : {scan, shot++, x, y, channel}) events += bytes_of(number);
  }
  /// The files `base`.scans, .shots, .coords and .tofs: the same numbers, each kind for itself.
  void write_split(const Folder& folder, const std::string& base) const {
    std::string scans, shots, coords, tofs;
    for (std::size_t at = 0; at < events.size(); at += 20) {
      scans += events.substr(at, 4);
      shots += events.substr(at + 4, 4);
      coords += events.substr(at + 8, 8);
      tofs += events.substr(at + 16, 4);
    }
    folder.write(base + ".scans", scans);
    folder.write(base + ".shots", shots);
    folder.write(base + ".coords", coords);
    folder.write(base + ".tofs", tofs);
  }
  [[nodiscard]] std::string properties(int resolution, const std::string& upper_mass = "300") const {
    const auto line = [](const char* key, const std::string& value) {
      return fmt::format("{}\t2\t{}\t\r\n", key, value);
    };
    return line("Instrument.Name", "TOF") +
           line("Registration.Raster.Resolution", std::to_string(resolution)) +
           line("Registration.Raster.FieldOfView", "0.0005") +
           line("Context.MassScale.SF", fmt::format("{}", sf)) +
           line("Context.MassScale.K0", fmt::format("{}", k0)) + line("Measurement.UpperMass", upper_mass) +
           std::string(3, '\0');
  }

 private:
  std::uint32_t shot = 0;
};

}  // namespace cambench::tests
