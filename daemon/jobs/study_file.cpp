#include "daemon/jobs/study_file.h"

#include <fmt/core.h>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "schema/document.h"
#include "schema/sha256.h"

namespace cambench::jobs {

namespace {

namespace fs = std::filesystem;
using document::Fields;

SampleFiles read_sample(Fields& fields) {
  SampleFiles sample;
  fields.require("material", "the id of a [[material]]");
  sample.material = fields.text("material").value_or("");
  fields.require("state", "\"uncycled\" or \"cycled\"");
  sample.state = fields
                     .choice<sims::State>(
                         "state", {{"uncycled", sims::State::uncycled}, {"cycled", sims::State::cycled}})
                     .value_or(sims::State::cycled);
  fields.require("files", "which files, such as [\"2026-11-03/LNO*\"]");
  sample.patterns = fields.texts("files");
  fields.finish();
  return sample;
}

}  // namespace

StudyFile parse_study_file(std::string_view text, const fs::path& file, ScoringOptions scoring) {
  const auto name = file.filename().string();
  const auto tree = document::parse_toml(text, name);
  if (!tree) throw BadInput(name, 0, tree.error().what, "mend it");
  document::Mistakes mistakes(name);
  Fields top(*tree, "", mistakes);
  StudyFile study{.scoring = std::move(scoring), .samples = {}, .regions = {}, .file = {}};
  if (auto fields = top.table("scoring")) read_scoring(*fields, file.parent_path(), study.scoring);
  if (auto fields = top.table("expected")) {
    if (const auto regions = fields->whole("regions", 1, 10'000)) study.regions = static_cast<int>(*regions);
    study.wait = fields->flag("wait").value_or(false);
    if (study.wait && !study.regions) fields->wrong("wait", "needs the number of regions to wait for");
    fields->finish();
  }
  for (auto& fields : top.tables("sample")) study.samples.push_back(read_sample(fields));
  top.finish();
  if (!mistakes.empty()) throw BadInput(name, 0, mistakes.text(), "mend it");
  study.file = {name, sha256_hex(text), text.size()};
  return study;
}

StudyFile read_study_file(const fs::path& folder, const ScoringOptions& scoring) {
  const auto file = folder / study_file_name;
  if (!fs::exists(file)) return {.scoring = scoring, .samples = {}, .regions = {}, .file = {}};
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
