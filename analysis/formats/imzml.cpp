#include "analysis/formats/imzml.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "analysis/bad_input.h"
#include "analysis/formats/digest.h"
#include "schema/sha256.h"

namespace cambench::sims {
namespace {

constexpr std::string_view copy_again = "copy or export both files again";

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

// All are numbers from 0. Seen as whole numbers: below 0 the first bit is set, beyond every number a little more sets it.
bool usable(const std::vector<double>& values) {
  constexpr std::uint64_t first_bit = std::uint64_t{1} << 63, little = std::uint64_t{1} << 52;
  std::uint64_t bits = 0;
  for (const double value : values) {
    const auto of_value = std::bit_cast<std::uint64_t>(value);
    bits |= of_value | (of_value + little);
  }
  return (bits & first_bit) == 0 ||  // or there is a -0
         std::ranges::all_of(values, [](double value) { return value >= 0 && std::isfinite(value); });
}

// In four sums side by side: an addition need not wait for the one before.
double sum_of(const std::vector<double>& values) {
  double sums[4] = {};
  const auto in_fours = values.size() & ~std::size_t{3};
  for (std::size_t i = 0; i < in_fours; i += 4)
    for (std::size_t k = 0; k < 4; ++k) sums[k] += values[i + k];
  for (std::size_t i = in_fours; i < values.size(); ++i) sums[0] += values[i];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

}  // namespace

ImzmlReader::ImzmlReader(BinaryFile xml, BinaryFile binary)
    : xml_(std::move(xml)), binary_(std::move(binary)) {
  content_ = read_imzml_xml(xml_, binary_);
  if (content_.offsets_wrapped) notes_.push_back("offsets beyond 2 GB had overflowed and were continued");
  check_uuid();
  place_pixels();
  const auto given =
      std::ranges::count_if(content_.pixels, [](const ImzmlPixel& p) { return !std::isnan(p.total); });
  totals_given_ = static_cast<std::size_t>(given) == content_.pixels.size();
  if (given > 0 && !totals_given_)
    notes_.push_back("not every pixel has a total ion current, so the sums of the spectra are taken");
}

void ImzmlReader::check_uuid() {
  char bytes[16];
  binary_.read(0, bytes, "its UUID");
  std::string found;
  for (const char byte : bytes) found += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  if (content_.uuid.empty())
    notes_.push_back("gives no UUID, so nothing proves that its binary file belongs to it");
  else if (hex_digits(content_.uuid) != found)
    throw BadInput(binary_.name(), 0,
                   fmt::format("its UUID is {}, that of {} is {}: they do not belong together", found,
                               xml_.name(), hex_digits(content_.uuid)),
                   copy_again);
}

void ImzmlReader::place_pixels() {
  // Positions count from 1; some writers count from 0, some from the corner of a larger stage map.
  const auto place = [&](std::int32_t ImzmlPixel::*axis, std::optional<std::uint32_t> count, char name) {
    const auto [low, high] = std::ranges::minmax(content_.pixels, {}, axis);
    const std::int32_t first = low.*axis, last = high.*axis;
    const bool shifted = first == 0 || (count && std::uint32_t(last) > *count);
    const auto needed = std::uint32_t(last) - (shifted ? std::uint32_t(first) - 1 : 0);
    if (shifted) {
      notes_.push_back(fmt::format("{} counts from {}; it was made to count from 1", name, first));
      for (auto& pixel : content_.pixels) pixel.*axis -= first - 1;
    }
    if (count && needed > *count)
      throw BadInput(
          xml_.name(), 0,
          fmt::format("{} goes from {} to {}, but the file says {} pixels", name, first, last, *count),
          "export the measurement again as imzML");
    return count.value_or(needed);
  };
  shape_.width = place(&ImzmlPixel::x, content_.width, 'X');
  shape_.height = place(&ImzmlPixel::y, content_.height, 'Y');
  if (shape_.pixels() > most_imzml_pixels)
    throw BadInput(xml_.name(), 0,
                   fmt::format("an image of {} x {} pixels is too large", shape_.width, shape_.height),
                   "export a smaller area");

  std::vector<bool> seen(shape_.pixels());
  for (const auto& pixel : content_.pixels) {
    const auto at = std::size_t(pixel.y - 1) * shape_.width + std::size_t(pixel.x - 1);
    if (seen[at])
      throw BadInput(xml_.name(), 0, fmt::format("pixel X {} Y {} is there twice", pixel.x, pixel.y),
                     "export each pixel once, and one layer only");
    seen[at] = true;
  }
}

std::optional<double> ImzmlReader::field_of_view_um() const {
  if (!content_.pixel_um) return std::nullopt;
  return *content_.pixel_um * shape_.width;
}

ImzmlReader::Sha256OfFiles ImzmlReader::verify() {
  Sha256 of_xml, of_binary;
  Digest by_sha1(Digest::Kind::sha1), by_md5(Digest::Kind::md5);
  const auto digest_too = [&](std::string_view piece) {
    if (!content_.sha1.empty()) by_sha1.update(piece);
    if (!content_.md5.empty()) by_md5.update(piece);
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
  check(content_.sha1, by_sha1, "SHA-1");
  check(content_.md5, by_md5, "MD5");
  return {of_xml.hex(), of_binary.hex()};
}

void ImzmlReader::each_pixel(const Sink& sink) {
  Spectrum spectrum;
  ImzmlArray axis;
  for (const auto& pixel : content_.pixels) {
    const auto refuse = [&](std::string_view problem) {
      throw BadInput(binary_.name(), 0,
                     fmt::format("the spectrum of pixel X {} Y {} {}", pixel.x, pixel.y, problem),
                     copy_again);
    };
    if (pixel.mz != axis || spectrum.mz.size() != pixel.mz.values) {
      if (!read_array(pixel.mz, spectrum.mz)) refuse("cannot be inflated to its length");
      if (!usable(spectrum.mz)) refuse("has an m/z that is negative or no number");
      axis = pixel.mz;
    }
    if (!read_array(pixel.intensity, spectrum.intensity)) refuse("cannot be inflated to its length");
    if (!usable(spectrum.intensity)) refuse("has an intensity that is negative or no number");
    if (sort_by_mz(spectrum)) axis = {};
    sink(std::uint32_t(pixel.y - 1) * shape_.width + std::uint32_t(pixel.x - 1),
         totals_given_ ? pixel.total : sum_of(spectrum.intensity), spectrum);
  }
}

std::vector<double> ImzmlReader::shared_axis() {
  std::vector<double> axis;
  const auto& first = content_.pixels.front().mz;
  if (content_.pixels.size() > 1 &&
      std::ranges::all_of(content_.pixels, [&](const ImzmlPixel& p) { return p.mz == first; }) &&
      read_array(first, axis))
    std::ranges::sort(axis);
  return axis;
}

bool ImzmlReader::read_array(const ImzmlArray& array, std::vector<double>& into) {
  auto raw = binary_.view(array.offset, array.bytes, "an array");
  if (array.zlib) {
    inflated_.resize(array.values * size_of(array.number));
    if (!inflate_exactly(raw, inflated_)) return false;
    raw = {inflated_.data(), inflated_.size()};
  }
  into.resize(array.values);
  switch (array.number) {
    case ImzmlNumber::float32: widen<float>(raw, into); break;
    case ImzmlNumber::float64: widen<double>(raw, into); break;
    case ImzmlNumber::int32: widen<std::int32_t>(raw, into); break;
    case ImzmlNumber::int64: widen<std::int64_t>(raw, into); break;
    case ImzmlNumber::none: break;
  }
  return true;
}

bool looks_like_imzml(std::string_view start) {
  return start.find("<mzML") != std::string_view::npos && start.find("<?xml") != std::string_view::npos;
}

}  // namespace cambench::sims
