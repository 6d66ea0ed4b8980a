#include "daemon/jobs/study_file.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "schema/document.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace {

namespace fs = std::filesystem;
using document::Fields;

void read_whose(Fields& fields, std::string& material, sims::State& state) {
  fields.require("material", "the id of a [[material]]");
  material = fields.text("material").value_or("");
  fields.require("state", "\"uncycled\" or \"cycled\"");
  state = fields
              .choice<sims::State>("state",
                                   {{"uncycled", sims::State::uncycled}, {"cycled", sims::State::cycled}})
              .value_or(sims::State::cycled);
}

SampleFiles read_sample(Fields& fields) {
  SampleFiles sample;
  read_whose(fields, sample.material, sample.state);
  fields.require("files", "which files, such as [\"2026-11-03/LNO*\"]");
  sample.patterns = fields.texts("files");
  fields.finish();
  return sample;
}

// ---- parts of regions

std::vector<double> read_numbers(Fields& fields, std::string_view key) {
  const auto* value = fields.value(key);
  if (!value) return {};
  std::vector<double> numbers;
  const auto* list = std::get_if<document::Value::List>(&value->data);
  for (std::size_t i = 0; list && i < list->size(); ++i) {
    const auto& item = (*list)[i].data;
    if (const auto* whole = std::get_if<std::int64_t>(&item)) numbers.push_back(static_cast<double>(*whole));
    if (const auto* number = std::get_if<double>(&item); number && std::isfinite(*number))
      numbers.push_back(*number);
  }
  if (!list || numbers.size() != list->size()) fields.wrong(key, "expected a list of numbers");
  return numbers;
}

sims::Polygon read_polygon(Fields& fields) {
  const auto numbers = read_numbers(fields, "polygon");
  if (numbers.size() < 6 || numbers.size() > 2'000 || numbers.size() % 2 != 0)
    fields.wrong("polygon", "expected X and Y of 3 to 1000 corners: [X, Y, X, Y, X, Y]");
  sims::Polygon polygon;
  for (std::size_t i = 0; i + 1 < numbers.size(); i += 2)
    polygon.corners.push_back({numbers[i], numbers[i + 1]});
  return polygon;
}

sims::Circle read_circle(Fields& fields) {
  const auto numbers = read_numbers(fields, "circle");
  if (numbers.size() != 3 || !(numbers[2] > 0)) {
    fields.wrong("circle", "expected [X, Y, RADIUS] in pixels, the radius above 0");
    return {};
  }
  return {{numbers[0], numbers[1]}, numbers[2]};
}

sims::DrawnMask read_mask(Fields& fields, const fs::path& folder, StudyFile& study) {
  const auto name = fields.text("mask").value_or("");
  if (fs::path(name).filename() != name) {
    fields.wrong("mask", "expected the name of a PNG beside study.toml");
    return {};
  }
  try {
    FileReader files;
    const auto png = files.read(folder / name);
    const sims::FileUsed used{name, sha256_hex(png), png.size()};
    if (std::ranges::find(study.masks, used) == study.masks.end()) study.masks.push_back(used);
    return {name, std::string(png)};
  } catch (const BadInput& bad) {
    fields.wrong("mask", bad.what());
    return {};
  }
}

sims::InnerPart read_inner(Fields& fields, const fs::path& folder, StudyFile& study) {
  int given = 0;
  for (const std::string_view key : {"circle", "polygon", "mask", "ion"}) given += fields.has(key);
  if (given != 1) fields.wrong("expected one of circle, polygon, mask and ion: where the inner part lies");
  const auto above = fields.number("above", {0, 1e9});
  if (fields.has("ion")) return sims::IonMask{fields.text("ion").value_or(""), above.value_or(0)};
  if (above) fields.wrong("above", "belongs to an ion");
  if (fields.has("polygon")) return read_polygon(fields);
  if (fields.has("mask")) return read_mask(fields, folder, study);
  if (fields.has("circle")) return read_circle(fields);
  return sims::Circle{};
}

PartsWanted read_part(Fields& fields, const fs::path& folder, StudyFile& study) {
  PartsWanted part;
  read_whose(fields, part.material, part.state);
  if (fields.has("regions")) part.patterns = fields.texts("regions");
  part.options.inner = read_inner(fields, folder, study);
  if (fields.has("overlay")) part.options.overlay = fields.texts("overlay");
  if (part.options.overlay.size() > 3)
    fields.wrong("overlay", "expected three ions at most: red, green and blue");
  part.options.field_of_view_um = fields.number("field_of_view_um", document::above_zero, "um");
  if (const auto tile = fields.whole("tile", 1, 4096))
    part.options.compare.tile = static_cast<std::uint32_t>(*tile);
  fields.finish();
  return part;
}

}  // namespace

StudyFile parse_study_file(std::string_view text, const fs::path& file, ScoringOptions scoring) {
  const auto name = file.filename().string();
  const auto tree = document::parse_toml(text, name);
  if (!tree) throw BadInput(name, 0, tree.error().what, "mend it");
  document::Mistakes mistakes(name);
  Fields top(*tree, "", mistakes);
  StudyFile study;
  study.scoring = std::move(scoring);
  if (auto fields = top.table("scoring")) read_scoring(*fields, file.parent_path(), study.scoring);
  if (auto fields = top.table("expected")) {
    if (const auto regions = fields->whole("regions", 1, 10'000)) study.regions = static_cast<int>(*regions);
    study.wait = fields->flag("wait").value_or(false);
    if (study.wait && !study.regions) fields->wrong("wait", "needs the number of regions to wait for");
    fields->finish();
  }
  for (auto& fields : top.tables("sample")) study.samples.push_back(read_sample(fields));
  for (auto& fields : top.tables("part")) study.parts.push_back(read_part(fields, file.parent_path(), study));
  top.finish();
  if (!mistakes.empty()) throw BadInput(name, 0, mistakes.text(), "mend it");
  study.file = {name, sha256_hex(text), text.size()};
  return study;
}

StudyFile read_study_file(const fs::path& folder, const ScoringOptions& scoring) {
  const auto file = folder / study_file_name;
  if (!fs::exists(file)) {
    StudyFile none;
    none.scoring = scoring;
    return none;
  }
  FileReader files;
  return parse_study_file(files.read(file), file, scoring);
}

// Greedy, with one place to come back to: the last `*` and how far it had reached.
bool matches(std::string_view pattern, std::string_view path) {
  std::size_t p = 0, at = 0, star = std::string_view::npos, reached = 0;
  while (at < path.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      reached = at;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == path[at])) {
      ++p;
      ++at;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      at = ++reached;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace cambench::jobs
