#include "analysis/formats/imzml.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numeric>
#include <pugixml.hpp>

#include "analysis/bad_input.h"
#include "analysis/formats/digest.h"
#include "analysis/formats/text.h"
#include "schema/sha256.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_again = "export the measurement again as imzML";
constexpr std::string_view copy_again = "copy or export both files again";
constexpr std::size_t longest_header = 16 << 20, longest_spectrum_element = 1 << 20;
constexpr std::uint32_t most_values = 1 << 22, most_pixels = 1 << 22;

// The accessions that matter (imzML 1.1 and PSI-MS vocabularies).
constexpr std::string_view uuid = "IMS:1000080", md5 = "IMS:1000090", sha1 = "IMS:1000091",
                           position_x = "IMS:1000050", position_y = "IMS:1000051", pixels_x = "IMS:1000042",
                           pixels_y = "IMS:1000043", array_offset = "IMS:1000102",
                           array_values = "IMS:1000103", array_bytes = "IMS:1000104", mz_array = "MS:1000514",
                           intensity_array = "MS:1000515", zlib = "MS:1000574",
                           total_ion_current = "MS:1000285";

// The text of an XML file, taken in pieces.
class Pieces {
 public:
  explicit Pieces(BinaryFile& file) : file_(file) {}

  /// From where the last piece ended up to the end of the next `mark`. Nothing when there is none within `most` bytes.
  std::optional<std::string_view> through(std::string_view mark, std::size_t most) {
    text_.erase(0, taken_);
    taken_ = 0;
    for (std::size_t from = 0;;) {
      if (const auto at = text_.find(mark, from); at != std::string::npos) {
        taken_ = at + mark.size();
        return std::string_view(text_).substr(0, taken_);
      }
      from = text_.size() - std::min(text_.size(), mark.size());
      if (text_.size() > most || !read_on()) return std::nullopt;
    }
  }

 private:
  bool read_on() {
    constexpr std::uint64_t step = 64 * 1024;
    const auto bytes = std::min(step, file_.size() - at_);
    const auto size = text_.size();
    text_.resize(size + bytes);
    file_.read(at_, std::span(text_).subspan(size), "the rest");
    at_ += bytes;
    return bytes > 0;
  }

  BinaryFile& file_;
  std::uint64_t at_ = 0;
  std::string text_;
  std::size_t taken_ = 0;
};

// cvParams: accession and value, those of the groups that an element refers to among them.
using Terms = std::vector<std::pair<std::string, std::string>>;
using Groups = std::map<std::string, Terms, std::less<>>;

const std::string* find(const Terms& terms, std::string_view accession) {
  for (const auto& [name, value] : terms)
    if (name == accession) return &value;
  return nullptr;
}

bool has(const Terms& terms, std::string_view accession) { return find(terms, accession) != nullptr; }

// Of the element itself and of those below it that are no binary arrays.
void collect(const pugi::xml_node& node, const Groups& groups, Terms& terms) {
  for (const auto& child : node.children()) {
    const std::string_view name = child.name();
    if (name == "cvParam") {
      terms.emplace_back(child.attribute("accession").value(), child.attribute("value").value());
    } else if (name == "referenceableParamGroupRef") {
      const auto group = groups.find(std::string_view(child.attribute("ref").value()));
      if (group != groups.end()) terms.insert(terms.end(), group->second.begin(), group->second.end());
    } else if (name != "binaryDataArrayList") {
      collect(child, groups, terms);
    }
  }
}

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
void widen(const std::vector<char>& raw, std::vector<double>& into) {
  for (std::size_t i = 0; i < into.size(); ++i)
    into[i] = static_cast<double>(load<T>(raw.data() + i * sizeof(T)));
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
  explicit Xml(ImzmlReader& reader) : reader_(reader), pieces_(reader.xml_) {}

  void read() {
    read_header();
    while (const auto element = pieces_.through("</spectrum>", longest_spectrum_element))
      add_spectrum(*element);
    if (!pieces_.through("</spectrumList>", longest_spectrum_element) ||
        !pieces_.through("</mzML>", longest_header))
      refuse(fmt::format("the list of spectra does not end after spectrum {}", reader_.pixels_.size()),
             "the file is cut short: copy or export it again");
    if (reader_.pixels_.empty()) refuse("holds no spectrum", export_again);
    if (mz_offsets_.wrapped() || intensity_offsets_.wrapped())
      reader_.notes_.push_back("offsets beyond 2 GB had overflowed and were continued");
  }

  std::optional<std::uint32_t> width, height;
  std::string uuid_written;

 private:
  [[noreturn]] void refuse(std::string_view problem, std::string_view mend) const {
    throw BadInput(reader_.xml_.name(), 0, problem, mend);
  }
  [[noreturn]] void refuse_spectrum(std::string_view problem) const {
    refuse(fmt::format("spectrum {}: {}", reader_.pixels_.size() + 1, problem), export_again);
  }

  void read_header() {
    const auto text = pieces_.through("<spectrumList", longest_header);
    if (!text) refuse("has no list of spectra", "the file is cut short or no imzML: copy or export it again");
    const auto header = std::string(text->substr(0, text->rfind("<run"))) + "</mzML>";
    pugi::xml_document document;
    const auto parsed = document.load_buffer(header.data(), header.size());
    const auto root = document.child("mzML");
    if (!parsed || !root)
      refuse(fmt::format("its header is not the XML of an mzML ({})", parsed.description()), export_again);

    for (const auto& group : root.child("referenceableParamGroupList").children("referenceableParamGroup"))
      collect(group, {}, groups_[group.attribute("id").value()]);
    Terms content, settings;
    collect(root.child("fileDescription").child("fileContent"), groups_, content);
    collect(root.child("scanSettingsList"), groups_, settings);
    if (const auto* value = find(content, uuid)) uuid_written = *value;
    if (const auto* value = find(content, sha1)) reader_.sha1_ = hex_digits(*value);
    if (const auto* value = find(content, md5)) reader_.md5_ = hex_digits(*value);
    width = pixel_count(settings, pixels_x);
    height = pixel_count(settings, pixels_y);
  }

  std::optional<std::uint32_t> pixel_count(const Terms& settings, std::string_view accession) const {
    const auto* value = find(settings, accession);
    if (!value) return std::nullopt;
    const auto count = whole_number(*value);
    if (!count || *count < 1 || *count > most_pixels)
      refuse(fmt::format("{} is no number of pixels", text::quoted(*value)), export_again);
    return static_cast<std::uint32_t>(*count);
  }

  void add_spectrum(std::string_view text) {
    if (reader_.pixels_.size() == most_pixels)
      refuse(fmt::format("has more than {} spectra", most_pixels), "export a smaller area");
    const auto start = text.find("<spectrum");
    pugi::xml_document document;
    if (start == std::string_view::npos) refuse_spectrum("has an end but no beginning");
    text.remove_prefix(start);
    const auto parsed = document.load_buffer(text.data(), text.size());
    const auto spectrum = document.child("spectrum");
    if (!parsed || !spectrum) refuse_spectrum(fmt::format("is no XML ({})", parsed.description()));

    Terms terms;
    collect(spectrum, groups_, terms);
    Pixel pixel;
    pixel.x = position(terms, position_x, "X");
    pixel.y = position(terms, position_y, "Y");
    if (const auto* written = find(terms, total_ion_current)) {
      const auto total = text::number(*written);
      if (!total || !usable(*total))
        refuse_spectrum(fmt::format("{} is no total ion current", text::quoted(*written)));
      pixel.total = *total;
    }
    for (const auto& array : spectrum.child("binaryDataArrayList").children("binaryDataArray"))
      add_array(array, pixel);
    if (pixel.mz.number == Number::none || pixel.intensity.number == Number::none)
      refuse_spectrum("lacks its m/z or its intensity array");
    if (pixel.mz.values != pixel.intensity.values)
      refuse_spectrum(
          fmt::format("has {} values of m/z and {} of intensity", pixel.mz.values, pixel.intensity.values));
    reader_.pixels_.push_back(pixel);
  }

  std::int32_t position(const Terms& terms, std::string_view accession, std::string_view axis) const {
    const auto* written = find(terms, accession);
    const auto value = written ? whole_number(*written) : std::nullopt;
    if (!value || *value < 0 || *value > INT32_MAX)
      refuse_spectrum(fmt::format("its position {} is missing or no number from 0", axis));
    return static_cast<std::int32_t>(*value);
  }

  void add_array(const pugi::xml_node& node, Pixel& pixel) {
    Terms terms;
    collect(node, groups_, terms);
    const bool is_mz = has(terms, mz_array);
    if (!is_mz && !has(terms, intensity_array)) return;  // others may be there
    Array& array = is_mz ? pixel.mz : pixel.intensity;
    const auto name = is_mz ? "m/z" : "intensity";
    if (array.number != Number::none) refuse_spectrum(fmt::format("has two {} arrays", name));
    array.number = number_of(terms);
    array.zlib = has(terms, zlib);
    if (array.number == Number::none)
      refuse_spectrum(fmt::format("does not say what numbers its {} array has", name));
    check_place(terms, is_mz, array);
  }

  void check_place(const Terms& terms, bool is_mz, Array& array) {
    const auto given = [&](std::string_view accession) {
      const auto* written = find(terms, accession);
      return written ? whole_number(*written) : std::nullopt;
    };
    const auto written = given(array_offset), values = given(array_values);
    if (!written || !values)
      refuse_spectrum("an array lacks its offset or its length, or they are no whole numbers");
    if (*values < 0 || *values > most_values)
      refuse_spectrum(fmt::format("an array of {} values cannot be ({} at most)", *values, most_values));
    array.values = static_cast<std::uint32_t>(*values);
    const auto plain = static_cast<std::int64_t>(array.values * size_of(array.number));
    const auto bytes = given(array_bytes).value_or(array.zlib ? -1 : plain);
    if (bytes < 0 || bytes > 2 * plain + 1024 || (!array.zlib && bytes != plain))
      refuse_spectrum(fmt::format("{} bytes cannot hold an array of {} values", bytes, array.values));
    array.bytes = static_cast<std::uint32_t>(bytes);
    const auto offset = (is_mz ? mz_offsets_ : intensity_offsets_).next(*written);
    if (offset < 0 || !reader_.binary_.holds(static_cast<std::uint64_t>(offset), array.bytes))
      refuse_spectrum(fmt::format("an array of {} bytes from byte {} lies outside {}, which has {} bytes",
                                  bytes, offset, reader_.binary_.name(), reader_.binary_.size()));
    array.offset = static_cast<std::uint64_t>(offset);
  }

  static Number number_of(const Terms& terms) {
    constexpr std::pair<std::string_view, Number> types[] = {
        {"MS:1000521", Number::float32}, {"MS:1000523", Number::float64}, {"IMS:1000141", Number::int32},
        {"MS:1000519", Number::int32},   {"IMS:1000142", Number::int64},  {"MS:1000522", Number::int64}};
    for (const auto& [accession, number] : types)
      if (has(terms, accession)) return number;
    return Number::none;
  }

  ImzmlReader& reader_;
  Pieces pieces_;
  Groups groups_;
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
  xml_.each_piece([&](std::string_view piece) { of_xml.update(piece); });
  binary_.each_piece([&](std::string_view piece) {
    of_binary.update(piece);
    if (!sha1_.empty()) by_sha1.update(piece);
    if (!md5_.empty()) by_md5.update(piece);
  });
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
  raw_.resize(array.values * size_of(array.number));
  if (array.zlib) {
    packed_.resize(array.bytes);
    binary_.read(array.offset, packed_, "an array");
    if (!inflate_exactly({packed_.data(), packed_.size()}, raw_)) return false;
  } else {
    binary_.read(array.offset, raw_, "an array");
  }
  into.resize(array.values);
  switch (array.number) {
    case Number::float32: widen<float>(raw_, into); break;
    case Number::float64: widen<double>(raw_, into); break;
    case Number::int32: widen<std::int32_t>(raw_, into); break;
    case Number::int64: widen<std::int64_t>(raw_, into); break;
    case Number::none: break;
  }
  return true;
}

bool looks_like_imzml(std::string_view start) {
  return start.find("<mzML") != std::string_view::npos && start.find("<?xml") != std::string_view::npos;
}

}  // namespace cambench::sims
