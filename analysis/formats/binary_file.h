// A binary file that is read in pieces. Every place is checked against the file's size before it is read, so a lying
// offset or length is a sentence and takes no memory. Numbers are little-endian, as all instruments here write them.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cambench {

static_assert(std::endian::native == std::endian::little);

class BinaryFile {
 public:
  /// Throws BadInput when it cannot be opened.
  explicit BinaryFile(const std::filesystem::path& file);
  /// Bytes in memory, which must outlive the object.
  BinaryFile(std::string name, std::string_view bytes);
  BinaryFile(BinaryFile&& other) noexcept;
  ~BinaryFile();

  [[nodiscard]] const std::string& name() const { return name_; }  ///< without folder
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// Whether `bytes` bytes from `offset` lie inside the file.
  [[nodiscard]] bool holds(std::uint64_t offset, std::uint64_t bytes) const {
    return offset <= size_ && bytes <= size_ - offset;
  }

  /// Fills `into` from `offset`. Throws BadInput; `what` is what should be there ("the pixel's spectrum").
  void read(std::uint64_t offset, std::span<char> into, std::string_view what);
  template <typename T>
  [[nodiscard]] T read(std::uint64_t offset, std::string_view what) {
    char bytes[sizeof(T)];
    read(offset, bytes, what);
    return std::bit_cast<T>(bytes);
  }

  /// The same without a copy of its own: the bytes live until the next call. Calls that follow each other in the file are
  /// served from 256 KiB read ahead; a place further off costs no more than itself.
  [[nodiscard]] std::string_view view(std::uint64_t offset, std::uint64_t bytes, std::string_view what);

  /// The file from `from` to its end, in pieces of at most 256 KiB, each a multiple of `unit` bytes but the last.
  void each_piece(const std::function<void(std::string_view)>& sink, std::size_t unit = 1,
                  std::uint64_t from = 0);

 private:
  void require(std::uint64_t offset, std::uint64_t bytes, std::string_view what) const;

  std::string name_;
  std::uint64_t size_ = 0;
  int descriptor_ = -1;                         // below 0: in memory
  std::string_view memory_;                     // then
  std::string ahead_;                           // what view() has read,
  std::uint64_t ahead_at_ = 0, viewed_to_ = 0;  // from where, and where its last call ended
};

/// The bytes of numbers, to be read into.
template <typename T>
[[nodiscard]] std::span<char> as_bytes_of(std::vector<T>& numbers) {
  return {reinterpret_cast<char*>(numbers.data()), numbers.size() * sizeof(T)};
}

/// The number whose bytes stand at `at`.
template <typename T>
[[nodiscard]] T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

/// Inflates a zlib stream into `into`. False when it is damaged or does not fill it exactly.
[[nodiscard]] bool inflate_exactly(std::string_view packed, std::span<char> into);

/// Whether a zlib stream of so many bytes can hold so many: it never packs more tightly than 1032 to 1. Asked before
/// memory is taken for what a file promises.
[[nodiscard]] constexpr bool may_inflate(std::uint64_t packed, std::uint64_t bytes) {
  return bytes / 1032 <= packed;
}

/// A zlib stream that is fed in pieces, and hands on what it holds in pieces of at most 64 KiB, each a multiple of four
/// bytes but the last.
class Inflation {
 public:
  explicit Inflation(const std::function<void(std::string_view)>& sink);
  ~Inflation();
  Inflation(const Inflation&) = delete;

  /// False when the stream is damaged.
  [[nodiscard]] bool add(std::string_view packed);
  [[nodiscard]] bool ended() const;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

}  // namespace cambench
