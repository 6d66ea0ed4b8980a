#include "daemon/jobs/region_cache.h"

#include <fmt/core.h>

#include <array>
#include <utility>

#include "analysis/bad_input.h"
#include "schema/document.h"
#include "schema/json.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace {

/// What the files look like from outside, with the settings they were read with.
std::string fingerprint(const std::vector<SeenFile>& files, std::string_view settings) {
  std::string text(settings);
  for (const auto& file : files) text += fmt::format("\n{}\t{}\t{}", file.path, file.bytes, file.changed_ns);
  return text;
}

std::string to_json(const std::vector<SeenFile>& files) {
  JsonWriter json;
  json.array();
  for (const auto& file : files)
    json.object()
        .field("path", file.path)
        .field("bytes", file.bytes)
        .field("changed_ns", file.changed_ns)
        .end_object();
  json.end_array();
  return json.take();
}

[[noreturn]] void refuse(std::string_view what) {
  throw BadInput("a stored region", 0, what, "it will be read from its files again");
}

/// The root of a JSON text, read to its end: whatever is missing or not expected refuses it.
template <typename Read>
auto read_json(std::string_view text, Read read) {
  const auto tree = document::parse_json(text, "a stored region");
  if (!tree) refuse(tree.error().what);
  document::Mistakes mistakes("a stored region");
  document::Value root = *tree;
  if (std::holds_alternative<document::Value::List>(root.data))
    root.data = document::Value::Table{{"list", *tree}};
  document::Fields fields(root, "", mistakes);
  auto result = read(fields);
  fields.finish();
  if (!mistakes.empty()) refuse(mistakes.text());
  return result;
}

std::vector<SeenFile> files_from_json(std::string_view text) {
  return read_json(text, [](document::Fields& root) {
    std::vector<SeenFile> files;
    for (auto& file : root.tables("list")) {
      SeenFile seen;
      seen.path = file.text("path").value_or("");
      seen.bytes = static_cast<std::uint64_t>(file.whole("bytes", 0, INT64_MAX).value_or(0));
      seen.changed_ns = file.whole("changed_ns", INT64_MIN, INT64_MAX).value_or(0);
      file.finish();
      files.push_back(std::move(seen));
    }
    return files;
  });
}

constexpr std::array peak_numbers{
    std::pair{"counts", &sims::Peak::counts},
    std::pair{"by_total", &sims::Peak::by_total},
    std::pair{"by_total_sum", &sims::Peak::by_total_sum},
    std::pair{"ratio_to_total", &sims::Peak::ratio_to_total},
    std::pair{"by_reference", &sims::Peak::by_reference},
    std::pair{"by_reference_sum", &sims::Peak::by_reference_sum},
    std::pair{"ratio_to_reference", &sims::Peak::ratio_to_reference},
    std::pair{"share_from_empty_reference", &sims::Peak::share_from_empty_reference},
};

sims::Peak peak_from(document::Fields& from) {
  sims::Peak peak;
  peak.label = from.text("label").value_or("");
  for (const auto& [key, member] : peak_numbers)
    if (from.require(key, "a number")) peak.*member = from.number(key).value_or(0);
  from.finish();
  return peak;
}

sims::FileUsed file_from(document::Fields& from) {
  sims::FileUsed file;
  file.name = from.text("name").value_or("");
  file.sha256 = from.text("sha256").value_or("");
  file.bytes = static_cast<std::uint64_t>(from.whole("bytes", 0, INT64_MAX).value_or(0));
  from.finish();
  return file;
}

}  // namespace

void RegionCache::load(const std::vector<store::RegionRow>& rows) {
  for (const auto& row : rows) try {
      auto region = std::make_shared<const sims::Region>(region_from_json(row.values_json));
      known_[fingerprint(files_from_json(row.files_json), row.settings)] = {std::move(region), row.hash, {}};
    } catch (const BadInput&) {
    }
}

const ReadSpot* RegionCache::find(const SpotFiles& spot, std::string_view settings) const {
  const auto found = known_.find(fingerprint(spot.files, settings));
  return found == known_.end() ? nullptr : &found->second;
}

void RegionCache::add(const SpotFiles& spot, std::string_view settings, const std::string& study,
                      const ReadSpot& read, WallTime at) {
  if (keep_)
    keep_({read.hash, std::string(settings), study, spot.material, std::string(sims::to_string(spot.state)),
           spot.region.name, to_json(*read.region), to_json(spot.files), at});
  known_[fingerprint(spot.files, settings)] = read;
}

std::string to_json(const sims::Region& region) {
  JsonWriter json;
  json.object().field("name", region.name).field("reference", region.reference);
  json.field("width", region.width).field("height", region.height);
  json.field("pixels_without_ions", region.pixels_without_ions);
  json.field("pixels_without_reference", region.pixels_without_reference);
  json.key("peaks").array();
  for (const auto& peak : region.peaks) {
    json.object().field("label", peak.label);
    for (const auto& [key, member] : peak_numbers) json.field(key, peak.*member);
    json.end_object();
  }
  json.end_array().key("files").array();
  for (const auto& file : region.files)
    json.object()
        .field("name", file.name)
        .field("sha256", file.sha256)
        .field("bytes", file.bytes)
        .end_object();
  json.end_array().key("notes").array();
  for (const auto& note : region.notes) json.value(note);
  json.end_array().end_object();
  return json.take();
}

sims::Region region_from_json(std::string_view text) {
  return read_json(text, [](document::Fields& root) {
    sims::Region region;
    region.name = root.text("name").value_or("");
    region.reference = root.text("reference").value_or("");
    region.width = static_cast<std::uint32_t>(root.whole("width", 0, UINT32_MAX).value_or(0));
    region.height = static_cast<std::uint32_t>(root.whole("height", 0, UINT32_MAX).value_or(0));
    region.pixels_without_ions =
        static_cast<std::uint64_t>(root.whole("pixels_without_ions", 0, INT64_MAX).value_or(0));
    region.pixels_without_reference =
        static_cast<std::uint64_t>(root.whole("pixels_without_reference", 0, INT64_MAX).value_or(0));
    for (auto& peak : root.tables("peaks")) region.peaks.push_back(peak_from(peak));
    for (auto& file : root.tables("files")) region.files.push_back(file_from(file));
    region.notes = root.texts("notes");
    return region;
  });
}

std::string content_hash(const sims::Region& region) {
  Sha256 hash;
  for (const auto& file : region.files) hash.update(file.sha256);
  return hash.hex();
}

}  // namespace cambench::jobs
