#include "analysis/formats/imzml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <utility>

#include "analysis/bad_input.h"
#include "analysis/formats/digest.h"
#include "analysis/formats/text.h"
#include "analysis/formats/xml_tags.h"
#include "schema/sha256.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_again = "export the measurement again as imzML";
constexpr std::string_view copy_again = "copy or export both files again";
constexpr std::uint32_t most_values = 1 << 22, most_pixels = 1 << 22;

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
               pixels_y = accession("IMS:1000043"), array_offset = accession("IMS:1000102"),
               array_values = accession("IMS:1000103"), array_bytes = accession("IMS:1000104"),
               mz_array = accession("MS:1000514"), intensity_array = accession("MS:1000515"),
               zlib = accession("MS:1000574"), total_ion_current = accession("MS:1000285");

// A whole number, also one that a spreadsheet or a script has turned into 1.156e+09.
std::optional<std::int64_t> whole_number(std::string_view text) {
  text = text::trimmed(text);
  std::int64_t value = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && stop == text.data() + text.size()) return value;
  const auto number = text::number(text);
  if (!number || std::abs(*number) > 9e15 || *number != std::floor(*number)) return std::nullopt;
  return static_cast<std::int64_t>(*number);
}

// The hexadecimal digits of a UUID or digest, without braces and dashes.
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

template <typename T>
void widen(std::string_view raw, std::vector<double>& into) {
  const char* at = raw.data();
  for (auto& value : into) value = static_cast<double>(load<T>(at)), at += sizeof(T);
}

// Peak-picked spectra may come in any order of m/z. True when something had to be moved.
bool sort_by_mz(Spectrum& spectrum) {
  if (std::ranges::is_sorted(spectrum.mz)) return false;
  std::vector<std::size_t> order(spectrum.mz.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return spectrum.mz[i]; });
  Spectrum sorted;
  for (const auto i : order) {
    sorted.mz.push_back(spectrum.mz[i]);
    sorted.intensity.push_back(spectrum.intensity[i]);
  }
  spectrum = std::move(sorted);
  return true;
}

bool usable(double value) { return value >= 0 && std::isfinite(value); }

}  // namespace

// Reads the XML into pixels.
class ImzmlReader::Xml {
 public:
  explicit Xml(ImzmlReader& reader) : reader_(reader), tags_(reader.xml_) {}

  void read() {
    bool first = true;
    while (const auto* tag = tags_.next()) {
      if (std::exchange(first, false) && tag->name != "mzML")
        refuse("does not begin as an mzML does", export_again);
      if (tag->opens) begin(*tag);
      if (tag->closes) end(tag->name);
    }
    if (!in_spectra_)
      refuse("has no list of spectra", "the file is cut short or no imzML: copy or export it again");
    if (reader_.pixels_.empty()) refuse("holds no spectrum", export_again);
    if (mz_offsets_.wrapped() || intensity_offsets_.wrapped())
      reader_.notes_.push_back("offsets beyond 2 GB had overflowed and were continued");
  }

  std::optional<std::uint32_t> width, height;
  std::string uuid_written;

 private:
  // What a term belongs to: the innermost of these elements around it.
  enum class Part { other, group, content, settings, spectrum, array };
  struct ArrayTerms {
    bool mz = false, intensity = false, zlib = false;
    Number number = Number::none;
    std::optional<std::int64_t> offset, values, bytes;
  };
  struct Term {
    std::uint32_t accession = 0;
    std::string value;
  };

  [[noreturn]] void refuse(std::string_view problem, std::string_view mend) const {
    throw BadInput(reader_.xml_.name(), 0, problem, mend);
  }
  [[noreturn]] void refuse_spectrum(std::string_view problem) const {
    refuse(fmt::format("spectrum {}: {}", reader_.pixels_.size() + 1, problem), export_again);
  }

  void begin(const XmlTags::Tag& tag) {
    if (tag.name == "cvParam") {
      take(accession(tag.attribute("accession")), tag.attribute("value"));
    } else if (tag.name == "referenceableParamGroupRef") {
      const auto group = groups_.find(tag.attribute("ref"));
      if (group == groups_.end() || part_ == Part::group) return;
      for (const auto& [name, value] : group->second) take(name, value);
    } else if (tag.name == "referenceableParamGroup") {
      part_ = Part::group;
      group_ = &groups_[std::string(tag.attribute("id"))];
    } else if (tag.name == "fileContent") {
      part_ = Part::content;
    } else if (tag.name == "scanSettingsList") {
      part_ = Part::settings;
    } else if (tag.name == "spectrumList") {
      in_spectra_ = true;
    } else if (tag.name == "spectrum") {
      begin_spectrum();
    } else if (tag.name == "binaryDataArray" && part_ == Part::spectrum) {
      part_ = Part::array;
      array_ = {};
    }
  }

  void end(std::string_view name) {
    if (name == "binaryDataArray" && part_ == Part::array) {
      part_ = Part::spectrum;
      add_array();
    } else if (name == "spectrum" && part_ == Part::spectrum) {
      part_ = Part::other;
      add_spectrum();
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
    if (name == uuid) uuid_written = value;
    if (name == sha1) reader_.sha1_ = hex_digits(value);
    if (name == md5) reader_.md5_ = hex_digits(value);
  }

  void take_setting(std::uint32_t name, std::string_view value) {
    if (name != pixels_x && name != pixels_y) return;
    const auto count = whole_number(value);
    if (!count || *count < 1 || *count > most_pixels)
      refuse(fmt::format("{} is no number of pixels", text::quoted(value)), export_again);
    (name == pixels_x ? width : height) = static_cast<std::uint32_t>(*count);
  }

  void take_of_spectrum(std::uint32_t name, std::string_view value) {
    if (name == position_x) x_ = whole_number(value);
    if (name == position_y) y_ = whole_number(value);
    if (name != total_ion_current) return;
    const auto total = text::number(value);
    if (!total || !usable(*total))
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
    if (const auto number = number_type(name); number != Number::none) array_.number = number;
  }

  static Number number_type(std::uint32_t name) {
    switch (name) {
      case accession("MS:1000521"): return Number::float32;
      case accession("MS:1000523"): return Number::float64;
      case accession("IMS:1000141"):
      case accession("MS:1000519"): return Number::int32;
      case accession("IMS:1000142"):
      case accession("MS:1000522"): return Number::int64;
      default: return Number::none;
    }
  }

  void begin_spectrum() {
    if (reader_.pixels_.size() == most_pixels)
      refuse(fmt::format("has more than {} spectra", most_pixels), "export a smaller area");
    if (part_ != Part::other) refuse_spectrum("lies inside another element");
    part_ = Part::spectrum;
    pixel_ = {};
    x_ = y_ = std::nullopt;
  }

  void add_spectrum() {
    pixel_.x = position(x_, "X");
    pixel_.y = position(y_, "Y");
    if (pixel_.mz.number == Number::none || pixel_.intensity.number == Number::none)
      refuse_spectrum("lacks its m/z or its intensity array");
    if (pixel_.mz.values != pixel_.intensity.values)
      refuse_spectrum(
          fmt::format("has {} values of m/z and {} of intensity", pixel_.mz.values, pixel_.intensity.values));
    reader_.pixels_.push_back(pixel_);
  }

  std::int32_t position(const std::optional<std::int64_t>& value, std::string_view axis) const {
    if (!value || *value < 0 || *value > INT32_MAX)
      refuse_spectrum(fmt::format("its position {} is missing or no number from 0", axis));
    return static_cast<std::int32_t>(*value);
  }

  void add_array() {
    if (!array_.mz && !array_.intensity) return;  // others may be there
    Array& array = array_.mz ? pixel_.mz : pixel_.intensity;
    const auto name = array_.mz ? "m/z" : "intensity";
    if (array.number != Number::none) refuse_spectrum(fmt::format("has two {} arrays", name));
    array.number = array_.number;
    array.zlib = array_.zlib;
    if (array.number == Number::none)
      refuse_spectrum(fmt::format("does not say what numbers its {} array has", name));
    check_place(array);
  }

  void check_place(Array& array) {
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
    if (offset < 0 || !reader_.binary_.holds(static_cast<std::uint64_t>(offset), array.bytes))
      refuse_spectrum(fmt::format("an array of {} bytes from byte {} lies outside {}, which has {} bytes",
                                  bytes, offset, reader_.binary_.name(), reader_.binary_.size()));
    array.offset = static_cast<std::uint64_t>(offset);
  }

  ImzmlReader& reader_;
  XmlTags tags_;
  std::map<std::string, std::vector<Term>, std::less<>> groups_;
  std::vector<Term>* group_ = nullptr;
  Part part_ = Part::other;
  bool in_spectra_ = false;
  Pixel pixel_;                        // of the spectrum that is open
  std::optional<std::int64_t> x_, y_;  // of it
  ArrayTerms array_;                   // of the array that is open
  WrappedOffsets mz_offsets_, intensity_offsets_;
};

std::size_t ImzmlReader::size_of(Number number) {
  return number == Number::float32 || number == Number::int32 ? 4 : 8;
}

ImzmlReader::ImzmlReader(BinaryFile xml, BinaryFile binary)
    : xml_(std::move(xml)), binary_(std::move(binary)) {
  Xml content(*this);
  content.read();
  check_uuid(content.uuid_written);
  place_pixels(content.width, content.height);
  const auto given = std::ranges::count_if(pixels_, [](const Pixel& p) { return !std::isnan(p.total); });
  totals_given_ = static_cast<std::size_t>(given) == pixels_.size();
  if (given > 0 && !totals_given_)
    notes_.push_back("not every pixel has a total ion current, so the sums of the spectra are taken");
}

void ImzmlReader::check_uuid(const std::string& written) {
  char bytes[16];
  binary_.read(0, bytes, "its UUID");
  std::string found;
  for (const char byte : bytes) found += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  if (written.empty())
    notes_.push_back("gives no UUID, so nothing proves that its binary file belongs to it");
  else if (hex_digits(written) != found)
    throw BadInput(binary_.name(), 0,
                   fmt::format("its UUID is {}, that of {} is {}: they do not belong together", found,
                               xml_.name(), hex_digits(written)),
                   copy_again);
}

void ImzmlReader::place_pixels(std::optional<std::uint32_t> width, std::optional<std::uint32_t> height) {
  // Positions count from 1; some writers count from 0, some from the corner of a larger stage map.
  const auto place = [&](std::int32_t Pixel::*axis, std::optional<std::uint32_t> count, char name) {
    const auto [low, high] = std::ranges::minmax(pixels_, {}, axis);
    const std::int32_t first = low.*axis, last = high.*axis;
    const bool shifted = first == 0 || (count && std::uint32_t(last) > *count);
    const auto needed = std::uint32_t(last) - (shifted ? std::uint32_t(first) - 1 : 0);
    if (shifted) {
      notes_.push_back(fmt::format("{} counts from {}; it was made to count from 1", name, first));
      for (auto& pixel : pixels_) pixel.*axis -= first - 1;
    }
    if (count && needed > *count)
      throw BadInput(
          xml_.name(), 0,
          fmt::format("{} goes from {} to {}, but the file says {} pixels", name, first, last, *count),
          export_again);
    return count.value_or(needed);
  };
  shape_.width = place(&Pixel::x, width, 'X');
  shape_.height = place(&Pixel::y, height, 'Y');
  if (shape_.pixels() > most_pixels)
    throw BadInput(xml_.name(), 0,
                   fmt::format("an image of {} x {} pixels is too large", shape_.width, shape_.height),
                   "export a smaller area");

  std::vector<bool> seen(shape_.pixels());
  for (const auto& pixel : pixels_) {
    const auto at = std::size_t(pixel.y - 1) * shape_.width + std::size_t(pixel.x - 1);
    if (seen[at])
      throw BadInput(xml_.name(), 0, fmt::format("pixel X {} Y {} is there twice", pixel.x, pixel.y),
                     "export each pixel once, and one layer only");
    seen[at] = true;
  }
}

ImzmlReader::Sha256OfFiles ImzmlReader::verify() {
  Sha256 of_xml, of_binary;
  Digest by_sha1(Digest::Kind::sha1), by_md5(Digest::Kind::md5);
  const auto digest_too = [&](std::string_view piece) {
    if (!sha1_.empty()) by_sha1.update(piece);
    if (!md5_.empty()) by_md5.update(piece);
  };
  // Two at a time, as far as both go: that takes little longer than one.
  constexpr std::uint64_t step = 64 * 1024;
  const auto both = std::min(xml_.size(), binary_.size()) / step * step;
  for (std::uint64_t at = 0; at < both; at += step) {
    const auto of_both = binary_.view(at, step, "the rest");
    Sha256::update_both(of_xml, xml_.view(at, step, "the rest"), of_binary, of_both);
    digest_too(of_both);
  }
  xml_.each_piece([&](std::string_view piece) { of_xml.update(piece); }, 1, both);
  binary_.each_piece(
      [&](std::string_view piece) {
        of_binary.update(piece);
        digest_too(piece);
      },
      1, both);
  const auto check = [&](const std::string& written, Digest& digest, std::string_view name) {
    if (written.empty()) return;
    if (const auto found = digest.hex(); found != written)
      throw BadInput(binary_.name(), 0,
                     fmt::format("its {} is {}, {} says {}: it is damaged or another one", name, found,
                                 xml_.name(), written),
                     copy_again);
  };
  check(sha1_, by_sha1, "SHA-1");
  check(md5_, by_md5, "MD5");
  return {of_xml.hex(), of_binary.hex()};
}

void ImzmlReader::each_pixel(const Sink& sink) {
  Spectrum spectrum;
  Array axis;
  for (const auto& pixel : pixels_) {
    const auto refuse = [&](std::string_view problem) {
      throw BadInput(binary_.name(), 0,
                     fmt::format("the spectrum of pixel X {} Y {} {}", pixel.x, pixel.y, problem),
                     copy_again);
    };
    if (pixel.mz != axis || spectrum.mz.size() != pixel.mz.values) {
      if (!read_array(pixel.mz, spectrum.mz)) refuse("cannot be inflated to its length");
      if (!std::ranges::all_of(spectrum.mz, usable)) refuse("has an m/z that is negative or no number");
      axis = pixel.mz;
    }
    if (!read_array(pixel.intensity, spectrum.intensity)) refuse("cannot be inflated to its length");
    if (!std::ranges::all_of(spectrum.intensity, usable))
      refuse("has an intensity that is negative or no number");
    if (sort_by_mz(spectrum)) axis = {};
    sink(std::uint32_t(pixel.y - 1) * shape_.width + std::uint32_t(pixel.x - 1),
         totals_given_ ? pixel.total
                       : std::accumulate(spectrum.intensity.begin(), spectrum.intensity.end(), 0.0),
         spectrum);
  }
}

std::vector<double> ImzmlReader::shared_axis() {
  std::vector<double> axis;
  const auto& first = pixels_.front().mz;
  if (pixels_.size() > 1 && std::ranges::all_of(pixels_, [&](const Pixel& p) { return p.mz == first; }) &&
      read_array(first, axis))
    std::ranges::sort(axis);
  return axis;
}

bool ImzmlReader::read_array(const Array& array, std::vector<double>& into) {
  auto raw = binary_.view(array.offset, array.bytes, "an array");
  if (array.zlib) {
    inflated_.resize(array.values * size_of(array.number));
    if (!inflate_exactly(raw, inflated_)) return false;
    raw = {inflated_.data(), inflated_.size()};
  }
  into.resize(array.values);
  switch (array.number) {
    case Number::float32: widen<float>(raw, into); break;
    case Number::float64: widen<double>(raw, into); break;
    case Number::int32: widen<std::int32_t>(raw, into); break;
    case Number::int64: widen<std::int64_t>(raw, into); break;
    case Number::none: break;
  }
  return true;
}

bool looks_like_imzml(std::string_view start) {
  return start.find("<mzML") != std::string_view::npos && start.find("<?xml") != std::string_view::npos;
}

}  // namespace cambench::sims
