#include "drivers/sim/scpi_settings.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace cambench::sim::scpi {

namespace {

constexpr double mains_Hz = 50.0, integrations = 3.0;  // autozero measures its zero and reference, too

/// A number within limits, or one of the words.
struct Setting {
  std::string_view header, start;
  double least = 0, most = 0;
  std::string_view words;  ///< with blanks between; empty for a number
};
constexpr std::array table{
    Setting{"SOURce:FUNCtion", "VOLT", 0, 0, "VOLT CURR"},
    Setting{"SOURce:VOLTage", "0", -210, 210, ""},
    Setting{"SOURce:VOLTage:RANGe", "0.02", -210, 210, ""},
    Setting{"SOURce:VOLTage:ILIMit", "1.05E-4", 1e-9, 7.35, ""},
    Setting{"SOURce:VOLTage:PROTection", "NONE", 0, 0, "PROT2 PROT5 PROT10 PROT20 PROT40 PROT60 PROT80 NONE"},
    Setting{"SOURce:VOLTage:READ:BACK", "1", 0, 0, "0 1"},
    Setting{"SOURce:CURRent", "0", -7.35, 7.35, ""},
    Setting{"SOURce:CURRent:RANGe", "1E-4", -7.35, 7.35, ""},
    Setting{"SOURce:CURRent:VLIMit", "7.35", 0.2, 210, ""},
    Setting{"SOURce:CURRent:READ:BACK", "1", 0, 0, "0 1"},
    Setting{"SENSe:FUNCtion", "CURR", 0, 0, "VOLT CURR"},
    Setting{"SENSe:VOLTage:RSENse", "0", 0, 0, "0 1"},
    Setting{"SENSe:CURRent:RSENse", "0", 0, 0, "0 1"},
    Setting{"SENSe:VOLTage:RANGe", "20", 0, 210, ""},
    Setting{"SENSe:CURRent:RANGe", "1E-4", 0, 7.35, ""},
    Setting{"SENSe:VOLTage:NPLCycles", "1", 0.01, 10, ""},
    Setting{"SENSe:CURRent:NPLCycles", "1", 0.01, 10, ""},
    Setting{"OUTPut:VOLTage:SMODe", "NORM", 0, 0, "NORM HIMP ZERO GUAR"},
    Setting{"OUTPut:CURRent:SMODe", "NORM", 0, 0, "NORM HIMP ZERO GUAR"},
};

const Setting& in_table(std::string_view name) { return *std::ranges::find(table, name, &Setting::header); }

/// The short form of a word that a setting may take.
std::string brief(const Setting& setting, std::string word) {
  if (setting.words == "0 1" && (word == "ON" || word == "OFF")) return word == "ON" ? "1" : "0";
  if (word == "HIMPEDANCE") return "HIMP";
  if (word == "NORMAL") return "NORM";
  if (word == "VOLTAGE" || word == "CURRENT") word.resize(4);
  return word;
}

}  // namespace

void Settings::reset() {
  for (const Setting& setting : table) values_[setting.header] = setting.start;
}

std::string_view Settings::named(const std::string& header) {
  for (const Setting& setting : table)
    if (matches(setting.header, header)) return setting.header;
  return {};
}

bool Settings::set(std::string_view name, const Words& arguments, Events& events) {
  const Setting& setting = in_table(name);
  const auto refuse = [&](int code, std::string_view text) { return events.error(code, text), false; };
  if (arguments.size() != 1 || arguments[0].empty()) return refuse(-109, "Missing parameter");
  std::string word = upper(unquoted(arguments[0]));
  if (setting.words.empty()) {
    const auto given = number(word);
    if (!given) return refuse(-104, "Data type error");
    if (*given < setting.least || *given > setting.most) return refuse(-222, "Parameter data out of range");
    const auto most = protection();
    if (name == "SOURce:VOLTage" && most && std::abs(*given) > most->value())
      return refuse(-222, "Parameter data out of range");
  } else {
    word = brief(setting, std::move(word));
    const Words allowed = cut(setting.words, ' ');
    if (std::ranges::find(allowed, word) == allowed.end()) return refuse(-224, "Illegal parameter value");
  }
  values_[name] = word;
  return true;
}

std::string Settings::shown(std::string_view name) const {
  return in_table(name).words.empty() ? printed(value(name)) : values_.at(name);
}

bool Settings::off_is_high_impedance() const {
  const std::string& state = values_.at(sources_voltage() ? "OUTPut:VOLTage:SMODe" : "OUTPut:CURRent:SMODe");
  return state == "HIMP" || state == "GUAR";
}

std::optional<Volt> Settings::protection() const {
  const std::string& word = values_.at("SOURce:VOLTage:PROTection");
  if (word == "NONE") return std::nullopt;
  return Volt(*number(word.substr(4)));
}

Seconds Settings::measuring_time() const {
  const double cycles = value(senses_current() ? "SENSe:CURRent:NPLCycles" : "SENSe:VOLTage:NPLCycles");
  return Seconds(integrations / mains_Hz * cycles);
}

bool Settings::reads_back() const {
  return is(sources_voltage() ? "SOURce:VOLTage:READ:BACK" : "SOURce:CURRent:READ:BACK", "1");
}

}  // namespace cambench::sim::scpi
