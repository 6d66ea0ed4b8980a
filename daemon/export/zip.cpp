#include "daemon/export/zip.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <stdexcept>

namespace cambench::exports {

namespace {

constexpr std::uint16_t needs_zip64 = 45;  // 4.4.3.2
constexpr std::uint16_t made_by_unix = 3 << 8 | needs_zip64;
constexpr std::uint16_t descriptor_follows = 1 << 3;  // 4.4.4: sizes are known after the data
constexpr std::uint16_t name_is_utf8 = 1 << 11;
constexpr std::uint16_t deflated = 8;
constexpr std::uint16_t zip64_field = 1;              // 4.5.3
constexpr std::uint32_t plain_file = 0100644u << 16;  // external attributes: rw-r--r--
constexpr std::uint32_t see_zip64 = std::numeric_limits<std::uint32_t>::max();

/// Date in the upper half, time in the lower, two seconds a step (4.4.6); UTC.
std::uint32_t dos_time(WallTime at) {
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(at - day));
  const int years = std::clamp(static_cast<int>(date.year()) - 1980, 0, 127);
  const auto packed_date = static_cast<std::uint32_t>(years) << 9 | static_cast<unsigned>(date.month()) << 5 |
                           static_cast<unsigned>(date.day());
  const auto packed_time = static_cast<std::uint32_t>(time.hours().count()) << 11 |
                           static_cast<std::uint32_t>(time.minutes().count()) << 5 |
                           static_cast<std::uint32_t>(time.seconds().count()) / 2;
  return packed_date << 16 | packed_time;
}

std::uint32_t in_32_bits(std::uint64_t value) {
  return value < see_zip64 ? static_cast<std::uint32_t>(value) : see_zip64;
}

}  // namespace

ZipWriter::~ZipWriter() {
  if (in_entry_) deflateEnd(&deflate_);
}

template <typename Integer>
void ZipWriter::put(Integer value) {
  static_assert(std::endian::native == std::endian::little);
  emit({reinterpret_cast<const char*>(&value), sizeof value});
}

void ZipWriter::emit(std::string_view bytes) {
  out_ += bytes;
  written_ += bytes.size();
}

void ZipWriter::begin(std::string_view name, WallTime changed) {
  constexpr int raw_deflate = -MAX_WBITS;
  deflate_ = {};
  if (deflateInit2(&deflate_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, raw_deflate, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("no memory to compress " + std::string(name));
  in_entry_ = true;
  entries_.push_back({.name = std::string(name), .date_and_time = dos_time(changed), .offset = written_});
  // 4.3.7: the local header. Its zip64 field says that the descriptor's sizes have 64 bits.
  put<std::uint32_t>(0x04034b50);
  put<std::uint16_t>(needs_zip64);
  put<std::uint16_t>(descriptor_follows | name_is_utf8);
  put<std::uint16_t>(deflated);
  put<std::uint32_t>(entries_.back().date_and_time);
  put<std::uint32_t>(0);  // checksum: in the descriptor
  put<std::uint32_t>(see_zip64);
  put<std::uint32_t>(see_zip64);
  put(static_cast<std::uint16_t>(name.size()));
  put<std::uint16_t>(20);
  emit(name);
  put<std::uint16_t>(zip64_field);
  put<std::uint16_t>(16);
  put<std::uint64_t>(0);
  put<std::uint64_t>(0);
}

void ZipWriter::write(std::string_view bytes) {
  Entry& entry = entries_.back();
  entry.crc = static_cast<std::uint32_t>(
      crc32_z(entry.crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
  entry.size += bytes.size();
  deflate_all(bytes, Z_NO_FLUSH);
}

void ZipWriter::deflate_all(std::string_view bytes, int flush) {
  constexpr std::size_t most = 1 << 30;  // zlib counts in 32 bits
  std::array<char, 16384> chunk;
  do {
    const auto part = bytes.substr(0, most);
    bytes.remove_prefix(part.size());
    deflate_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
    deflate_.avail_in = static_cast<uInt>(part.size());
    do {
      deflate_.next_out = reinterpret_cast<Bytef*>(chunk.data());
      deflate_.avail_out = chunk.size();
      deflate(&deflate_, bytes.empty() ? flush : Z_NO_FLUSH);
      const std::size_t made = chunk.size() - deflate_.avail_out;
      entries_.back().compressed += made;
      emit({chunk.data(), made});
    } while (deflate_.avail_out == 0);
  } while (!bytes.empty());
}

void ZipWriter::end() {
  deflate_all({}, Z_FINISH);
  deflateEnd(&deflate_);
  in_entry_ = false;
  const Entry& entry = entries_.back();  // 4.3.9: the descriptor
  put<std::uint32_t>(0x08074b50);
  put(entry.crc);
  put(entry.compressed);
  put(entry.size);
}

void ZipWriter::put_directory_entry(const Entry& entry) {  // 4.3.12
  std::vector<std::uint64_t> wide;                         // 4.5.3: only what does not fit, in this order
  for (const std::uint64_t value : {entry.size, entry.compressed, entry.offset})
    if (value >= see_zip64) wide.push_back(value);
  put<std::uint32_t>(0x02014b50);
  put(made_by_unix);
  put(needs_zip64);
  put<std::uint16_t>(descriptor_follows | name_is_utf8);
  put(deflated);
  put(entry.date_and_time);
  put(entry.crc);
  put(in_32_bits(entry.compressed));
  put(in_32_bits(entry.size));
  put(static_cast<std::uint16_t>(entry.name.size()));
  put(static_cast<std::uint16_t>(wide.empty() ? 0 : 4 + 8 * wide.size()));
  put<std::uint16_t>(0);  // comment
  put<std::uint16_t>(0);  // disk
  put<std::uint16_t>(0);  // internal attributes
  put(plain_file);
  put(in_32_bits(entry.offset));
  emit(entry.name);
  if (wide.empty()) return;
  put(zip64_field);
  put(static_cast<std::uint16_t>(8 * wide.size()));
  for (const std::uint64_t value : wide) put(value);
}

void ZipWriter::finish() {
  const std::uint64_t begin = written_, count = entries_.size();
  for (const Entry& entry : entries_) put_directory_entry(entry);
  const std::uint64_t size = written_ - begin;
  constexpr std::uint16_t many = std::numeric_limits<std::uint16_t>::max();
  if (begin >= see_zip64 || size >= see_zip64 || count >= many) {
    const std::uint64_t record = written_;
    put<std::uint32_t>(0x06064b50);  // 4.3.14
    put<std::uint64_t>(44);
    put(made_by_unix);
    put(needs_zip64);
    put<std::uint32_t>(0);
    put<std::uint32_t>(0);
    put(count);
    put(count);
    put(size);
    put(begin);
    put<std::uint32_t>(0x07064b50);  // 4.3.15
    put<std::uint32_t>(0);
    put(record);
    put<std::uint32_t>(1);
  }
  const auto few = static_cast<std::uint16_t>(std::min<std::uint64_t>(count, many));
  put<std::uint32_t>(0x06054b50);  // 4.3.16
  put<std::uint16_t>(0);
  put<std::uint16_t>(0);
  put(few);
  put(few);
  put(in_32_bits(size));
  put(in_32_bits(begin));
  put<std::uint16_t>(0);
}

}  // namespace cambench::exports
