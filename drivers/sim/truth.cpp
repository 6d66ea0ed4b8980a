#include "drivers/sim/truth.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

namespace cambench::sim {
namespace {

constexpr std::string_view header =
    "instrument_s,station,cell,cell_on,script,switches,current_A,we_vs_re_V,cell_V,lowest_V,highest_V,charge_"
    "Ah,"
    "pressure_MPa\n";

std::string number(std::optional<Volt> volt) {
  return volt ? fmt::format("{:.6f}", volt->value()) : std::string();
}

}  // namespace

Truth::Truth(std::filesystem::path file, std::size_t most_bytes)
    : file_(std::move(file)), most_bytes_(most_bytes) {
  open();
}

void Truth::open() {
  out_.reset(std::fopen(file_.c_str(), "wb"));
  if (!out_)
    throw std::runtime_error(fmt::format("{}: cannot be written; check permissions", file_.string()));
  std::fwrite(header.data(), 1, header.size(), out_.get());
  bytes_ = header.size();
}

void Truth::write(const Row& row) {
  if (bytes_ >= most_bytes_) {
    auto kept = file_;
    std::filesystem::rename(file_, kept.replace_extension(".1.csv"));
    open();
  }
  const auto of_leads = [&](Volt Leads::*which) {
    return number(row.leads ? std::optional(*row.leads.*which) : std::nullopt);
  };
  const auto of_extremes = [&](Volt Extremes::*which) {
    return number(row.extremes ? std::optional(*row.extremes.*which) : std::nullopt);
  };
  const std::string line =
      fmt::format("{:.3f},{},{},{:d},{:d},{},{:.9g},{},{},{},{},{:.9g},{:.3f}\n", row.instrument.count(),
                  row.station, row.cell, row.cell_on, row.script, row.switches, row.current.value(),
                  of_leads(&Leads::we_vs_re), of_leads(&Leads::we_vs_ce), of_extremes(&Extremes::lowest),
                  of_extremes(&Extremes::highest), row.charge.value(), row.pressure.value());
  bytes_ += std::fwrite(line.data(), 1, line.size(), out_.get());
}

void Truth::flush() { std::fflush(out_.get()); }

}  // namespace cambench::sim
