// Everything that a run can be exported as: the one table that the command line and the HTTP routes share.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include "daemon/export/run_table.h"

namespace cambench::exports {

enum class Format {
  bdf,
  bdf_machine,
  bdf_metadata,
  arbin,
  battery_archive,
  cellpy,
  pressure,
  recipe,
  unicycler,
  pybamm,
  battinfo,
  executed,
  crate
};

struct FormatInfo {
  Format format;
  std::string_view name;  ///< as people say it: "bdf", "crate"
  std::string_view suffix, media_type, about;
};
std::span<const FormatInfo> formats();
const FormatInfo* find_format(std::string_view name);  ///< nullptr: there is none of this name

/// The bytes of one format, in pieces; reader and facts must outlive it. Exports may take turns with one reader: no piece
/// leaves anything open in it.
/// `licence` is for the crate. Throws std::runtime_error with a sentence when the run cannot be said so.
Pieces export_run(store::Reader& reader, const RunFacts& facts, Format format,
                  const std::string& licence = {});

/// "cambench__R-017__20261122_r000012.bdf.csv": institution, cell, date and run, as Battery Data Format names files.
std::string file_name(const RunFacts& facts, Format format);

}  // namespace cambench::exports
