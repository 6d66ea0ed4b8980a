#include "analysis/region_json.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cmath>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"

namespace cambench::sims {
namespace {

namespace json = boost::json;

struct PeakMember {
  const char* key;
  double Peak::*member;
};
constexpr PeakMember peak_members[] = {
    {"counts", &Peak::counts},
    {"by_total", &Peak::by_total},
    {"by_total_sum", &Peak::by_total_sum},
    {"ratio_to_total", &Peak::ratio_to_total},
    {"by_reference", &Peak::by_reference},
    {"by_reference_sum", &Peak::by_reference_sum},
    {"ratio_to_reference", &Peak::ratio_to_reference},
    {"share_from_empty_reference", &Peak::share_from_empty_reference},
};

json::object peak_to_json(const Peak& peak) {
  json::object object{{"label", peak.label}};
  for (const auto& [key, member] : peak_members) object[key] = fmt::format("{}", peak.*member);
  return object;
}

Peak peak_from_json(const json::object& object) {
  Peak peak;
  peak.label = object.at("label").as_string();
  for (const auto& [key, member] : peak_members) {
    const auto value = text::number(std::string_view(object.at(key).as_string()));
    if (!value || !std::isfinite(*value)) throw std::invalid_argument(fmt::format("{} is no number", key));
    peak.*member = *value;
  }
  return peak;
}

FileUsed file_from_json(const json::object& object) {
  return {std::string(object.at("name").as_string()), std::string(object.at("sha256").as_string()),
          object.at("bytes").to_number<std::uint64_t>()};
}

}  // namespace

std::string to_json(const Region& region) {
  json::array peaks, files, notes, doubts;
  for (const auto& peak : region.peaks) peaks.push_back(peak_to_json(peak));
  for (const auto& file : region.files)
    files.push_back({{"name", file.name}, {"sha256", file.sha256}, {"bytes", file.bytes}});
  for (const auto& note : region.notes) notes.emplace_back(note);
  for (const auto& doubt : region.doubts) doubts.emplace_back(doubt);
  return json::serialize(json::object{{"name", region.name},
                                      {"reference", region.reference},
                                      {"intervals", region.intervals},
                                      {"total", region.total},
                                      {"width", region.width},
                                      {"height", region.height},
                                      {"pixels_without_ions", region.pixels_without_ions},
                                      {"pixels_without_reference", region.pixels_without_reference},
                                      {"peaks", std::move(peaks)},
                                      {"files", std::move(files)},
                                      {"notes", std::move(notes)},
                                      {"doubts", std::move(doubts)}});
}

Region region_from_json(std::string_view text, std::string_view name) try {
  const auto value = json::parse(json::string_view(text.data(), text.size()));
  const auto& object = value.as_object();
  Region region;
  region.name = object.at("name").as_string();
  region.reference = object.at("reference").as_string();
  region.intervals = object.at("intervals").as_string();
  region.total = object.at("total").as_string();
  region.width = object.at("width").to_number<std::uint32_t>();
  region.height = object.at("height").to_number<std::uint32_t>();
  region.pixels_without_ions = object.at("pixels_without_ions").to_number<std::uint64_t>();
  region.pixels_without_reference = object.at("pixels_without_reference").to_number<std::uint64_t>();
  for (const auto& peak : object.at("peaks").as_array())
    region.peaks.push_back(peak_from_json(peak.as_object()));
  for (const auto& file : object.at("files").as_array())
    region.files.push_back(file_from_json(file.as_object()));
  for (const auto& note : object.at("notes").as_array()) region.notes.emplace_back(note.as_string());
  for (const auto& doubt : object.at("doubts").as_array()) region.doubts.emplace_back(doubt.as_string());
  return region;
} catch (const std::exception& problem) {
  throw BadInput(name, 0, fmt::format("is not a region as it was kept ({})", problem.what()),
                 "read its files again");
}

}  // namespace cambench::sims
