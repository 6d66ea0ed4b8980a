// A run in the words of other programs: the table of daemon/export, made on the reader thread piece by piece while it is
// sent, so that neither the size of a run nor a slow client costs memory.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "daemon/export/export.h"
#include "daemon/http/parameters.h"

namespace cambench::http {

namespace {

using exports::FormatInfo;

Response download(const FormatInfo& format, RunFile file) {
  Response response;
  response.content_type = format.media_type;
  response.headers.emplace_back("Content-Disposition", fmt::format("attachment; filename=\"{}\"", file.name));
  response.pieces = std::move(file.pieces);
  return response;
}

ArchiveQuery file_of(std::string run, const FormatInfo& format, std::string licence) {
  return [run = std::move(run), &format, licence = std::move(licence)](Archive& archive) {
    if (!archive.run(run)) return no_such_run(run);
    auto file = archive.run_file(run, format.format, licence);
    return file ? download(format, std::move(*file))
                : problem(409, "The run cannot be said so", file.error().what + '.');
  };
}

}  // namespace

Way run_data(const Asked& asked) {
  Parameters parameters(asked.request);
  const auto header = parameters.text("header").value_or("label");
  if (header != "label" && header != "machine")
    parameters.complain(fmt::format("header={} is not known; there are label and machine.", header));
  if (auto refused = parameters.finish()) return *refused;
  return file_of(asked.places[0], *exports::find_format(header == "label" ? "bdf" : "bdf-machine"), "");
}

Way run_crate(const Asked& asked) {
  Parameters parameters(asked.request);
  auto licence = parameters.text("licence").value_or("");
  if (auto refused = parameters.finish()) return *refused;
  return file_of(asked.places[0], *exports::find_format("crate"), std::move(licence));
}

Way run_export(const Asked& asked) {
  if (const auto* format = exports::find_format(asked.places[1]))
    return file_of(asked.places[0], *format, "");
  std::vector<std::string_view> names;
  for (const auto& format : exports::formats()) names.push_back(format.name);
  return not_found(fmt::format("format called {} (there are {})", asked.places[1], fmt::join(names, ", ")));
}

}  // namespace cambench::http
