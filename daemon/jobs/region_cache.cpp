#include "daemon/jobs/region_cache.h"

#include <fmt/core.h>

#include <algorithm>

#include "analysis/bad_input.h"
#include "analysis/region_json.h"
#include "schema/document.h"
#include "schema/json.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace {

/// What the files look like from outside, with the settings they were read with and the name that the region had, which
/// is in its notes too.
std::string fingerprint(const std::vector<SeenFile>& files, std::string_view settings,
                        std::string_view name) {
  std::string text = fmt::format("{}\n{}", settings, name);
  for (const auto& file : files)
    text += fmt::format("\n{}\t{}\t{}\t{}", file.path, file.bytes, file.written_ns, file.changed_ns);
  return text;
}

std::string to_json(const std::vector<SeenFile>& files) {
  JsonWriter json;
  json.array();
  for (const auto& file : files)
    json.object()
        .field("path", file.path)
        .field("bytes", file.bytes)
        .field("written_ns", file.written_ns)
        .field("changed_ns", file.changed_ns)
        .end_object();
  json.end_array();
  return json.take();
}

/// Throws BadInput for anything that to_json() does not write.
std::vector<SeenFile> files_from_json(std::string_view text) {
  const auto refuse = [](const std::string& why) -> void {
    throw BadInput("a stored region", 0, why, "it will be read from its files again");
  };
  auto tree = document::parse_json(text, "a stored region");
  if (!tree) refuse(tree.error().what);
  const document::Value root{.data = document::Value::Table{{"files", std::move(*tree)}}};
  document::Mistakes mistakes("a stored region");
  document::Fields fields(root, "", mistakes);
  std::vector<SeenFile> files;
  for (auto& file : fields.tables("files")) {
    files.push_back({file.text("path").value_or(""),
                     static_cast<std::uint64_t>(file.whole("bytes", 0, INT64_MAX).value_or(0)),
                     file.whole("written_ns", INT64_MIN, INT64_MAX).value_or(0),
                     file.whole("changed_ns", INT64_MIN, INT64_MAX).value_or(0)});
    file.finish();
  }
  if (!mistakes.empty()) refuse(mistakes.text());
  return files;
}

}  // namespace

void RegionCache::load(const std::vector<store::RegionRow>& rows) {
  for (const auto& row : rows) try {
      auto region = std::make_shared<const sims::Region>(sims::region_from_json(row.values_json, row.name));
      known_[fingerprint(files_from_json(row.files_json), row.settings, row.name)] = {
          std::move(region), row.hash, {}};
    } catch (const BadInput&) {
    }
}

const ReadSpot* RegionCache::find(const SpotFiles& spot, std::string_view settings) const {
  const auto found = known_.find(fingerprint(spot.files, settings, spot.region.name));
  return found == known_.end() ? nullptr : &found->second;
}

void RegionCache::add(const SpotFiles& spot, std::string_view settings, const std::string& study,
                      const ReadSpot& read, WallTime at) {
  if (keep_)
    keep_({read.hash, std::string(settings), study, spot.material, std::string(sims::to_string(spot.state)),
           spot.region.name, sims::to_json(*read.region), to_json(spot.files), at});
  known_[fingerprint(spot.files, settings, spot.region.name)] = read;
}

std::shared_ptr<const sims::RegionParts> RegionCache::find_parts(const std::string& key) const {
  const auto found = parts_.find(key);
  return found == parts_.end() ? nullptr : found->second;
}

void RegionCache::add_parts(const std::string& key, std::shared_ptr<const sims::RegionParts> parts) {
  parts_[key] = std::move(parts);
}

std::string content_hash(const sims::Region& region) {
  std::vector<std::string_view> of_files;
  for (const auto& file : region.files) of_files.push_back(file.sha256);
  std::ranges::sort(of_files);
  Sha256 hash;
  for (const auto& of_file : of_files) hash.update(of_file);
  return hash.hex();
}

}  // namespace cambench::jobs
