#include "analysis/formats/binary_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "analysis/bad_input.h"

namespace cambench {

BinaryFile::BinaryFile(const std::filesystem::path& file)
    : name_(file.filename().string()), descriptor_(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
  struct stat now {};
  const bool plain = descriptor_ >= 0 && ::fstat(descriptor_, &now) == 0 && S_ISREG(now.st_mode);
  if (!plain) {
    if (descriptor_ >= 0) ::close(descriptor_);
    throw BadInput(name_, 0, "cannot be opened", "check that it exists and may be read");
  }
  size_ = static_cast<std::uint64_t>(now.st_size);
}

BinaryFile::BinaryFile(std::string name, std::string_view bytes)
    : name_(std::move(name)), size_(bytes.size()), memory_(bytes) {}

BinaryFile::BinaryFile(BinaryFile&& other) noexcept
    : name_(std::move(other.name_)),
      size_(other.size_),
      descriptor_(std::exchange(other.descriptor_, -1)),
      memory_(other.memory_),
      ahead_(std::move(other.ahead_)),
      ahead_at_(other.ahead_at_),
      viewed_to_(other.viewed_to_) {}

BinaryFile::~BinaryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void BinaryFile::require(std::uint64_t offset, std::uint64_t bytes, std::string_view what) const {
  if (!holds(offset, bytes))
    throw BadInput(name_, 0,
                   fmt::format("ends at byte {}, but {} should stand at byte {} and take {}", size_, what,
                               offset, bytes),
                   "the file is cut short or damaged: copy or export it again");
}

void BinaryFile::read(std::uint64_t offset, std::span<char> into, std::string_view what) {
  require(offset, into.size(), what);
  if (descriptor_ < 0) {
    memory_.copy(into.data(), into.size(), offset);
    return;
  }
  for (std::size_t got = 0; got < into.size();) {
    const auto more =
        ::pread(descriptor_, into.data() + got, into.size() - got, static_cast<off_t>(offset + got));
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) throw BadInput(name_, 0, "changed while it was read", "wait until the copy is complete");
    got += static_cast<std::size_t>(more);
  }
}

std::string_view BinaryFile::view(std::uint64_t offset, std::uint64_t bytes, std::string_view what) {
  constexpr std::uint64_t read_ahead = 256 * 1024;
  require(offset, bytes, what);
  if (descriptor_ < 0) return memory_.substr(offset, bytes);
  const bool goes_on = offset == viewed_to_;
  if (offset < ahead_at_ || offset - ahead_at_ > ahead_.size() ||
      ahead_.size() - (offset - ahead_at_) < bytes) {
    const bool has_more = goes_on && holds(offset, read_ahead);
    ahead_.resize(has_more ? std::max(bytes, read_ahead) : bytes);
    ahead_at_ = offset;
    read(offset, ahead_, what);
  }
  viewed_to_ = offset + bytes;
  return std::string_view(ahead_).substr(offset - ahead_at_, bytes);
}

void BinaryFile::each_piece(const std::function<void(std::string_view)>& sink, std::size_t unit,
                            std::uint64_t from) {
  if (from >= size_) return;
  constexpr std::size_t largest_piece = 256 * 1024;
  const auto step = std::max(largest_piece / unit, std::size_t{1}) * unit;
  std::string piece(std::min<std::uint64_t>(step, size_ - from), '\0');
  for (std::uint64_t at = from; at < size_; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece.size(), size_ - at));
    read(at, piece, "the rest");
    sink(piece);
  }
}

bool inflate_exactly(std::string_view packed, std::span<char> into) {
  z_stream stream{};
  if (packed.size() > UINT32_MAX || into.size() > UINT32_MAX || inflateInit(&stream) != Z_OK) return false;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // zlib does not write there
  stream.avail_in = static_cast<uInt>(packed.size());
  char none = 0;  // an empty span has no address, which zlib refuses
  stream.next_out = reinterpret_cast<Bytef*>(into.empty() ? &none : into.data());
  stream.avail_out = static_cast<uInt>(into.size());
  const int end = inflate(&stream, Z_FINISH);
  const bool whole = end == Z_STREAM_END && stream.total_out == into.size();
  inflateEnd(&stream);
  return whole;
}

struct Inflation::Stream {
  explicit Stream(const std::function<void(std::string_view)>& to) : sink(to), out(64 * 1024, '\0') {
    begun = inflateInit(&z) == Z_OK;
  }
  ~Stream() {
    if (begun) inflateEnd(&z);
  }
  void hand_on() {
    if (filled > 0) sink({out.data(), filled});
    filled = 0;
  }

  const std::function<void(std::string_view)>& sink;
  std::string out;
  std::size_t filled = 0;  // of `out`
  z_stream z{};
  bool begun = false, at_end = false;
};

Inflation::Inflation(const std::function<void(std::string_view)>& sink)
    : stream_(std::make_unique<Stream>(sink)) {}
Inflation::~Inflation() = default;

bool Inflation::add(std::string_view packed) {
  Stream& s = *stream_;
  if (!s.begun || s.at_end) return false;
  s.z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));  // zlib does not write there
  s.z.avail_in = static_cast<uInt>(packed.size());
  while (!s.at_end) {
    s.z.next_out = reinterpret_cast<Bytef*>(s.out.data() + s.filled);
    s.z.avail_out = static_cast<uInt>(s.out.size() - s.filled);
    const int state = inflate(&s.z, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) return false;
    s.filled = s.out.size() - s.z.avail_out;
    s.at_end = state == Z_STREAM_END;
    if (s.filled == s.out.size() || s.at_end)
      s.hand_on();
    else if (s.z.avail_in == 0)
      return true;  // the rest comes with the next piece
    else if (state == Z_BUF_ERROR)
      return false;
  }
  return s.z.avail_in == 0;
}

bool Inflation::ended() const { return stream_->at_end; }

}  // namespace cambench
