#include "analysis/formats/imzml_xml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"
#include "analysis/formats/xml_pattern.h"
#include "analysis/formats/xml_tags.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_again = "export the measurement again as imzML";
constexpr std::uint32_t most_values = 1 << 22;

// An accession of the imzML 1.1 ("IMS:1000050") or the PSI-MS vocabulary ("MS:1000514") as a number; 0: of none.
constexpr std::uint32_t accession(std::string_view text) {
  const bool imaging = text.starts_with("IMS:");
  if (!imaging && !text.starts_with("MS:")) return 0;
  std::uint32_t number = 0;
  for (const char c : text.substr(imaging ? 4 : 3)) {
    if (c < '0' || c > '9' || number > 100'000'000) return 0;
    number = 10 * number + static_cast<std::uint32_t>(c - '0');
  }
  return number + (imaging ? 1U << 31 : 0);
}

// Those that matter.
constexpr auto uuid = accession("IMS:1000080"), md5 = accession("IMS:1000090"),
               sha1 = accession("IMS:1000091"), position_x = accession("IMS:1000050"),
               position_y = accession("IMS:1000051"), pixels_x = accession("IMS:1000042"),
               pixels_y = accession("IMS:1000043"), pixel_size = accession("IMS:1000046"),
               array_offset = accession("IMS:1000102"), array_values = accession("IMS:1000103"),
               array_bytes = accession("IMS:1000104"), mz_array = accession("MS:1000514"),
               intensity_array = accession("MS:1000515"), zlib = accession("MS:1000574"),
               total_ion_current = accession("MS:1000285");

// A whole number, also one that a spreadsheet or a script has turned into 1.156e+09.
std::optional<std::int64_t> whole_number(std::string_view text) {
  if (!text.empty() && text.size() <= 18) {  // nearly always digits alone
    std::uint64_t value = 0;                 // wraps where letters are, and is not used then
    bool digits = true;
    for (const char c : text) {
      const auto digit = static_cast<std::uint64_t>(c - '0');
      digits &= digit <= 9;
      value = 10 * value + digit;
    }
    if (digits) return static_cast<std::int64_t>(value);
  }
  text = text::trimmed(text);
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && stop == text.data() + text.size()) return value;
  const auto number = text::number(text);
  if (!number || std::abs(*number) > 9e15 || *number != std::floor(*number)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

// Reads the XML into pixels.
class ImzmlXml {
 public:
  ImzmlXml(BinaryFile& xml, const BinaryFile& binary) : xml_(xml), binary_(binary), tags_(xml) {}

  [[nodiscard]] ImzmlContent read() {
    bool first = true;
    while (const auto* tag = tags_.next()) {
      if (std::exchange(first, false) && tag->name != "mzML")
        refuse("does not begin as an mzML does", export_again);
      if (tag->opens) begin(*tag);
      if (tag->closes) end(tag->name);
      if (tag->closes ? tag->name == "spectrum" : tag->name == "spectrumList") take_repeated();
    }
    if (!in_spectra_)
      refuse("has no list of spectra", "the file is cut short or no imzML: copy or export it again");
    if (content_.pixels.empty()) refuse("holds no spectrum", export_again);
    content_.offsets_wrapped = mz_offsets_.wrapped() || intensity_offsets_.wrapped();
    return std::move(content_);
  }

 private:
  // What a term belongs to: the innermost of these elements around it.
  enum class Part { other, group, content, settings, spectrum, array };
  struct ArrayTerms {
    bool mz = false, intensity = false, zlib = false;
    ImzmlNumber number = ImzmlNumber::none;
    std::optional<std::int64_t> offset, values, bytes;
  };
  struct Term {
    std::uint32_t accession = 0;
    std::string value;
  };

  [[noreturn]] void refuse(std::string_view problem, std::string_view mend) const {
    throw BadInput(xml_.name(), 0, problem, mend);
  }
  [[noreturn]] void refuse_spectrum(std::string_view problem) const {
    refuse(fmt::format("spectrum {}: {}", content_.pixels.size() + 1, problem), export_again);
  }

  void begin(const XmlTags::Tag& tag) {
    if (tag.name == "cvParam") {
      const auto name = accession(tag.attribute("accession"));
      if (name == pixel_size && part_ == Part::settings)
        take_pixel_size(tag.attribute("value"), tag.attribute("unitAccession"));
      take(name, tag.attribute("value"));
    } else if (tag.name == "referenceableParamGroupRef") {
      const auto group = groups_.find(tag.attribute("ref"));
      if (group == groups_.end() || part_ == Part::group) return;
      for (const auto& [name, value] : group->second) take(name, value);
    } else if (tag.name == "referenceableParamGroup") {
      forget_pattern();
      part_ = Part::group;
      group_ = &groups_[std::string(tag.attribute("id"))];
    } else if (tag.name == "fileContent") {
      part_ = Part::content;
    } else if (tag.name == "scanSettingsList") {
      part_ = Part::settings;
    } else if (tag.name == "spectrumList") {
      in_spectra_ = true;
      const auto count = whole_number(tag.attribute("count")).value_or(0);
      constexpr std::uint64_t shortest = 256;  // bytes of a spectrum, lest a wrong count takes memory
      if (count > 0) content_.pixels.reserve(std::min<std::uint64_t>(count, xml_.size() / shortest));
    } else if (tag.name == "spectrum") {
      begin_spectrum();
    } else if (tag.name == "binaryDataArray") {
      begin_array();
    }
  }

  void end(std::string_view name) {
    if (name == "binaryDataArray") {
      end_array();
    } else if (name == "spectrum") {
      end_spectrum();
    } else if (name == "referenceableParamGroup" || name == "fileContent" || name == "scanSettingsList") {
      part_ = Part::other;
    }
  }

  void take(std::uint32_t name, std::string_view value) {
    switch (part_) {
      case Part::other: return;
      case Part::group: group_->push_back({name, std::string(value)}); return;
      case Part::content: return take_content(name, value);
      case Part::settings: return take_setting(name, value);
      case Part::spectrum: return take_of_spectrum(name, value);
      case Part::array: return take_of_array(name, value);
    }
  }

  void take_content(std::uint32_t name, std::string_view value) {
    if (name == uuid) content_.uuid = value;
    if (name == sha1) content_.sha1 = hex_digits(value);
    if (name == md5) content_.md5 = hex_digits(value);
  }

  void take_setting(std::uint32_t name, std::string_view value) {
    if (name != pixels_x && name != pixels_y) return;
    const auto count = whole_number(value);
    if (!count || *count < 1 || *count > most_imzml_pixels)
      refuse(fmt::format("{} is no number of pixels", text::quoted(value)), export_again);
    (name == pixels_x ? content_.width : content_.height) = static_cast<std::uint32_t>(*count);
  }

  // Without a unit it is meant in micrometres: IONTOF's exporter gives none.
  void take_pixel_size(std::string_view value, std::string_view unit) {
    const auto size = text::number(value);
    const double um = unit == "UO:0000018" ? 1e-3 : unit == "UO:0000016" ? 1e3 : 1;
    const bool known = um != 1 || unit.empty() || unit == "UO:0000017";
    if (known && size && *size > 0 && std::isfinite(*size)) content_.pixel_um = *size * um;
  }

  void take_of_spectrum(std::uint32_t name, std::string_view value) {
    if (name == position_x) x_ = whole_number(value);
    if (name == position_y) y_ = whole_number(value);
    if (name != total_ion_current) return;
    const auto total = text::number(value);
    if (!total || !(*total >= 0) || std::isinf(*total))
      refuse_spectrum(fmt::format("{} is no total ion current", text::quoted(value)));
    pixel_.total = *total;
  }

  void take_of_array(std::uint32_t name, std::string_view value) {
    switch (name) {
      case mz_array: array_.mz = true; return;
      case intensity_array: array_.intensity = true; return;
      case zlib: array_.zlib = true; return;
      case array_offset: array_.offset = whole_number(value); return;
      case array_values: array_.values = whole_number(value); return;
      case array_bytes: array_.bytes = whole_number(value); return;
      default: break;
    }
    if (const auto number = number_type(name); number != ImzmlNumber::none) array_.number = number;
  }

  static ImzmlNumber number_type(std::uint32_t name) {
    switch (name) {
      case accession("MS:1000521"): return ImzmlNumber::float32;
      case accession("MS:1000523"): return ImzmlNumber::float64;
      case accession("IMS:1000141"):
      case accession("MS:1000519"): return ImzmlNumber::int32;
      case accession("IMS:1000142"):
      case accession("MS:1000522"): return ImzmlNumber::int64;
      default: return ImzmlNumber::none;
    }
  }

  void begin_spectrum() {
    if (content_.pixels.size() == most_imzml_pixels)
      refuse(fmt::format("has more than {} spectra", most_imzml_pixels), "export a smaller area");
    if (part_ != Part::other) refuse_spectrum("lies inside another element");
    part_ = Part::spectrum;
    pixel_ = {};
    x_ = y_ = std::nullopt;
  }

  void end_spectrum() {
    if (part_ != Part::spectrum) return;
    part_ = Part::other;
    pixel_.x = position(x_, "X");
    pixel_.y = position(y_, "Y");
    if (pixel_.mz.number == ImzmlNumber::none || pixel_.intensity.number == ImzmlNumber::none)
      refuse_spectrum("lacks its m/z or its intensity array");
    if (pixel_.mz.values != pixel_.intensity.values)
      refuse_spectrum(
          fmt::format("has {} values of m/z and {} of intensity", pixel_.mz.values, pixel_.intensity.values));
    content_.pixels.push_back(pixel_);
  }

  std::int32_t position(const std::optional<std::int64_t>& value, std::string_view axis) const {
    if (!value || *value < 0 || *value > INT32_MAX)
      refuse_spectrum(fmt::format("its position {} is missing or no number from 0", axis));
    return static_cast<std::int32_t>(*value);
  }

  void begin_array() {
    if (part_ != Part::spectrum) return;
    part_ = Part::array;
    array_ = {};
  }

  void end_array() {
    if (part_ != Part::array) return;
    part_ = Part::spectrum;
    if (!array_.mz && !array_.intensity) return;  // others may be there
    ImzmlArray& array = array_.mz ? pixel_.mz : pixel_.intensity;
    const auto name = array_.mz ? "m/z" : "intensity";
    if (array.number != ImzmlNumber::none) refuse_spectrum(fmt::format("has two {} arrays", name));
    array.number = array_.number;
    array.zlib = array_.zlib;
    if (array.number == ImzmlNumber::none)
      refuse_spectrum(fmt::format("does not say what numbers its {} array has", name));
    check_place(array);
  }

  void check_place(ImzmlArray& array) {
    if (!array_.offset || !array_.values)
      refuse_spectrum("an array lacks its offset or its length, or they are no whole numbers");
    const auto values = *array_.values;
    if (values < 0 || values > most_values)
      refuse_spectrum(fmt::format("an array of {} values cannot be ({} at most)", values, most_values));
    array.values = static_cast<std::uint32_t>(values);
    const auto plain = static_cast<std::int64_t>(array.values * size_of(array.number));
    const auto bytes = array_.bytes.value_or(array.zlib ? -1 : plain);
    if (bytes < 0 || bytes > 2 * plain + 1024 || (!array.zlib && bytes != plain))
      refuse_spectrum(fmt::format("{} bytes cannot hold an array of {} values", bytes, array.values));
    array.bytes = static_cast<std::uint32_t>(bytes);
    const auto offset = (array_.mz ? mz_offsets_ : intensity_offsets_).next(*array_.offset);
    if (offset < 0 || !binary_.holds(static_cast<std::uint64_t>(offset), array.bytes))
      refuse_spectrum(fmt::format("an array of {} bytes from byte {} lies outside {}, which has {} bytes",
                                  bytes, offset, binary_.name(), binary_.size()));
    array.offset = static_cast<std::uint64_t>(offset);
  }

  // ---- spectra that are written as one before, but for their numbers

  // What a spectrum's text says, in its order.
  struct Step {
    enum class What { term, begin_array, end_array } what = What::term;
    Term term = {};                          // of `term`,
    std::optional<std::size_t> varies = {};  // and which of the pattern's values stands in place of its own
  };

  void take_repeated() {
    constexpr std::size_t growth = 1024;  // more than the numbers of a spectrum get longer
    for (;;) {
      const auto bytes = pattern_.match(tags_.rest(pattern_.bytes() + growth));
      if (bytes == 0) return learn_next();
      begin_spectrum();
      for (const auto& step : steps_) take(step);
      end_spectrum();
      tags_.pass(bytes);
      patterns_left_ = most_patterns;
    }
  }

  void take(const Step& step) {
    switch (step.what) {
      case Step::What::begin_array: return begin_array();
      case Step::What::end_array: return end_array();
      case Step::What::term:
        return take(step.term.accession, step.varies ? pattern_.values()[*step.varies] : step.term.value);
    }
  }

  void forget_pattern() {
    pattern_ = {};
    steps_.clear();
  }

  // The next spectrum, which is then read by its tags, becomes the pattern.
  void learn_next() {
    constexpr std::string_view end = "</spectrum>";
    constexpr std::size_t longest = 64 * 1024;
    forget_pattern();
    if (patterns_left_ == 0) return;
    const auto rest = tags_.rest(longest);
    const auto ends = rest.find(end);
    if (ends == std::string_view::npos) return;
    --patterns_left_;
    try {
      if (!learn(rest.substr(0, ends + end.size()))) forget_pattern();
    } catch (const BadInput&) {  // which the tags will tell, with their place
      forget_pattern();
    }
  }

  // False for what is no plain spectrum.
  bool learn(std::string_view text) {
    pattern_ = XmlPattern(text);
    BinaryFile element("", text);
    XmlTags tags(element);
    bool first = true;
    while (const auto* tag = tags.next()) {
      if (tag->opens && std::exchange(first, false) != (tag->name == "spectrum")) return false;
      for (const auto* other : {"referenceableParamGroup", "fileContent", "scanSettingsList", "spectrumList"})
        if (tag->name == other) return false;
      if (tag->opens) learn(*tag);
      if (tag->closes && tag->name == "binaryDataArray") steps_.push_back({Step::What::end_array});
    }
    return true;
  }

  void learn(const XmlTags::Tag& tag) {
    const bool is_term = tag.name == "cvParam";
    std::optional<std::size_t> varies;
    for (const auto& [name, value] : tag.attributes) {
      if (is_term ? name != "value" || varies : name == "ref") continue;
      const auto behind_name = static_cast<std::size_t>(value.data() - tag.name.data());
      varies = pattern_.vary(tag.at + 1 + behind_name, value.size());
    }
    if (is_term) {
      learn({accession(tag.attribute("accession")), ""}, varies);
    } else if (tag.name == "binaryDataArray") {
      steps_.push_back({Step::What::begin_array});
    } else if (tag.name == "referenceableParamGroupRef") {
      const auto group = groups_.find(tag.attribute("ref"));
      if (group == groups_.end()) return;
      for (const auto& term : group->second) learn(term, std::nullopt);
    }
  }

  void learn(const Term& term, std::optional<std::size_t> varies) {
    switch (term.accession) {
      case position_x:
      case position_y:
      case total_ion_current:
      case mz_array:
      case intensity_array:
      case zlib:
      case array_offset:
      case array_values:
      case array_bytes: break;
      default:
        if (number_type(term.accession) == ImzmlNumber::none) return;  // says nothing of a pixel
    }
    steps_.push_back({Step::What::term, term, varies});
  }

  BinaryFile& xml_;
  const BinaryFile& binary_;
  XmlTags tags_;
  ImzmlContent content_;
  std::map<std::string, std::vector<Term>, std::less<>> groups_;
  std::vector<Term>* group_ = nullptr;
  Part part_ = Part::other;
  bool in_spectra_ = false;
  ImzmlPixel pixel_;                   // of the spectrum that is open
  std::optional<std::int64_t> x_, y_;  // of it
  ArrayTerms array_;                   // of the array that is open
  WrappedOffsets mz_offsets_, intensity_offsets_;
  XmlPattern pattern_;
  std::vector<Step> steps_;  // of the pattern
  // A file whose spectra are all written differently gains nothing by more.
  static constexpr int most_patterns = 16;
  int patterns_left_ = most_patterns;
};

}  // namespace

ImzmlContent read_imzml_xml(BinaryFile& xml, const BinaryFile& binary) {
  return ImzmlXml(xml, binary).read();
}

std::string hex_digits(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c >= 'A' && c <= 'F')
      digits += static_cast<char>(c - 'A' + 'a');
    else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))
      digits += c;
  }
  return digits;
}

}  // namespace cambench::sims
