#include "daemon/entries.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cstring>

#include "daemon/folders.h"

namespace cambench::entries {

namespace {

namespace json = boost::json;

json::object root_of(const config::Bench& bench) {
  json::error_code error;
  auto root = json::parse(bench.entries_text.empty() ? "{}" : bench.entries_text, error);
  return error || !root.is_object() ? json::object() : std::move(root.as_object());
}

json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

json::array list_of(const json::object& root, Kind kind) {
  const auto* list = root.if_contains(view(name(kind)));
  return list != nullptr && list->is_array() ? list->as_array() : json::array();
}

bool has_id(const json::value& entry, std::string_view id) {
  const auto* found = entry.is_object() ? entry.as_object().if_contains("id") : nullptr;
  return found != nullptr && found->is_string() && found->as_string() == view(id);
}

bool is_there(const config::Bench& bench, Kind kind, std::string_view id) {
  switch (kind) {
    case Kind::material: return bench.material(id) != nullptr;
    case Kind::cell: return bench.cell(id) != nullptr;
    case Kind::study: return bench.study(id) != nullptr;
  }
  return false;
}

/// One entry a line, so that a person can read it and compare it with yesterday's.
std::string text_of(const json::object& root) {
  std::string text = "{";
  for (const Kind kind : {Kind::material, Kind::cell, Kind::study}) {
    std::vector<std::string> lines;
    for (const auto& entry : list_of(root, kind)) lines.push_back("  " + json::serialize(entry));
    text += fmt::format("{}\n\"{}\": [{}{}]", text.size() > 1 ? "," : "", name(kind),
                        lines.empty() ? "" : "\n", fmt::join(lines, ",\n"));
  }
  return text + "\n}\n";
}

/// The entry of an edit: its id first, then what the person wrote.
Result<json::object> entry_of(const Edit& edit) {
  json::error_code error;
  auto written = json::parse(*edit.json, error);
  if (error || !written.is_object()) return fail(Fault::Kind::input, "the entry is no JSON object");
  json::object entry{{"id", edit.id}};
  for (auto& [key, value] : written.as_object())
    if (key != "id") entry[key] = value;
  return entry;
}

}  // namespace

std::string_view name(Kind kind) {
  switch (kind) {
    case Kind::material: return "material";
    case Kind::cell: return "cell";
    case Kind::study: return "study";
  }
  return {};
}

std::vector<std::string> edited(const config::Bench& bench, Kind kind) {
  std::vector<std::string> ids;
  const auto list = list_of(root_of(bench), kind);
  for (const auto& entry : list)
    if (const auto* id = entry.is_object() ? entry.as_object().if_contains("id") : nullptr)
      if (id->is_string()) ids.emplace_back(id->as_string());
  return ids;
}

Result<Proposal> propose(const config::Bench& bench, const Edit& edit) {
  auto root = root_of(bench);
  auto list = list_of(root, edit.kind);
  const auto found = std::ranges::find_if(list, [&](const auto& entry) { return has_id(entry, edit.id); });
  if (found == list.end() && is_there(bench, edit.kind, edit.id))
    return fail(Fault::Kind::refused, fmt::format("the {} {} is written in {}: change it there and restart",
                                                  name(edit.kind), edit.id, bench.file.string()));
  if (!edit.json) {
    if (found == list.end())
      return fail(Fault::Kind::refused, fmt::format("there is no {} \"{}\"", name(edit.kind), edit.id));
    list.erase(found);
  } else {
    auto entry = entry_of(edit);
    if (!entry) return fail(entry.error());
    if (found == list.end())
      list.emplace_back(std::move(*entry));
    else
      *found = std::move(*entry);
  }
  root[view(name(edit.kind))] = std::move(list);
  Proposal proposal{nullptr, text_of(root)};
  try {
    proposal.bench =
        std::make_shared<const config::Bench>(config::parse(bench.text, bench.file, proposal.text));
  } catch (const config::Refused& refused) {
    return fail(Fault::Kind::input, fmt::format("{}", fmt::join(refused.sentences, "; ")));
  }
  return proposal;
}

Result<void> keep(const std::filesystem::path& file, const std::string& text) {
  const std::string fresh = file.string() + ".new";
  const int descriptor = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
  const bool written = descriptor >= 0 &&
                       ::write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       ::fsync(descriptor) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (written && ::rename(fresh.c_str(), file.c_str()) == 0 && make_durable(file.parent_path())) return {};
  return fail(Fault::Kind::storage,
              fmt::format("{}: cannot be written: {}", file.string(), std::strerror(errno)));
}

}  // namespace cambench::entries
