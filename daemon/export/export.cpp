#include "daemon/export/export.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "daemon/export/crate.h"
#include "daemon/export/csv.h"
#include "daemon/export/documents.h"

namespace cambench::exports {

namespace {

constexpr std::array all{
    FormatInfo{Format::bdf, "bdf", ".bdf.csv", "text/csv; charset=utf-8", "Battery Data Format 1.3, labels"},
    FormatInfo{Format::bdf_machine, "bdf-machine", "_machine.bdf.csv", "text/csv; charset=utf-8",
               "Battery Data Format 1.3, machine names"},
    FormatInfo{Format::bdf_metadata, "bdf-metadata", ".bdf.metadata.json", "application/json",
               "the sidecar of the BDF file"},
    FormatInfo{Format::arbin, "arbin", ".arbin.csv", "text/csv; charset=utf-8",
               "as Arbin exports it (cellpy: arbin_sql_csv)"},
    FormatInfo{Format::battery_archive, "battery-archive", "_timeseries.csv", "text/csv; charset=utf-8",
               "time series of Battery Archive (BEEP)"},
    FormatInfo{Format::cellpy, "cellpy", ".cellpy.yml", "text/yaml; charset=utf-8",
               "instrument file for cellpy's custom loader, for the BDF file"},
    FormatInfo{Format::pressure, "pressure", ".pressure.csv", "text/csv; charset=utf-8",
               "every pressure reading"},
    FormatInfo{Format::recipe, "recipe", ".recipe.json", "application/json", "the recipe as it was started"},
    FormatInfo{Format::unicycler, "unicycler", ".unicycler.json", "application/json",
               "the recipe for aurora-unicycler"},
    FormatInfo{Format::pybamm, "pybamm", ".pybamm.json", "application/json",
               "the recipe as PyBaMM's sentences"},
    FormatInfo{Format::battinfo, "battinfo", ".battinfo.jsonld", "application/ld+json",
               "the recipe in BattINFO's terms"},
    FormatInfo{Format::executed, "executed", ".executed.json", "application/json",
               "the executed protocol with its deviations"},
    FormatInfo{Format::crate, "crate", ".crate.zip", "application/zip",
               "all of it as one RO-Crate 1.2, with hashes"},
};

Pieces once(std::string text) {
  return [text = std::move(text)]() mutable { return std::exchange(text, {}); };
}

/// What may stand in a file's name everywhere.
std::string plain(std::string text) {
  for (char& c : text)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') c = '-';
  return text;
}

}  // namespace

std::span<const FormatInfo> formats() { return all; }

const FormatInfo* find_format(std::string_view name) {
  const auto found = std::ranges::find(all, name, &FormatInfo::name);
  return found == all.end() ? nullptr : &*found;
}

Pieces export_run(store::Reader& reader, const RunFacts& facts, Format format, const std::string& licence) {
  switch (format) {
    case Format::bdf: return csv(reader, facts, Dialect::bdf);
    case Format::bdf_machine: return csv(reader, facts, Dialect::bdf_machine);
    case Format::arbin: return csv(reader, facts, Dialect::arbin);
    case Format::battery_archive: return csv(reader, facts, Dialect::battery_archive);
    case Format::bdf_metadata: return once(bdf_metadata_json(reader, facts));
    case Format::cellpy: return once(cellpy_instrument_file(facts));
    case Format::pressure: return pressure_csv(reader, facts);
    case Format::recipe: return once(protocol(facts, ProtocolForm::own));
    case Format::unicycler: return once(protocol(facts, ProtocolForm::unicycler));
    case Format::pybamm: return once(protocol(facts, ProtocolForm::pybamm));
    case Format::battinfo: return once(protocol(facts, ProtocolForm::battinfo));
    case Format::executed: return once(executed_json(reader, facts));
    case Format::crate: return crate(reader, facts, licence);
  }
  return once({});
}

std::string file_name(const RunFacts& facts, Format format) {
  const auto info = std::ranges::find(all, format, &FormatInfo::format);
  return fmt::format("cambench__{}__{:%Y%m%d}_{}{}", plain(facts.run.cell.value_or("no-cell")),
                     fmt::gmtime(std::chrono::system_clock::to_time_t(facts.run.started)),
                     plain(facts.run.id), info->suffix);
}

}  // namespace cambench::exports
