#include "daemon/store/spool.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <type_traits>

namespace cambench::store {

namespace {

/// One sample at rest. The file is read by the machine that wrote it.
struct Record {
  std::uint64_t check = 0;  ///< over the rest
  std::uint64_t generation = 0;
  std::array<char, 24> run{};
  std::int64_t seq = 0, wall_ns = 0, steady_ns = 0;
  double test_time_s = 0, step_time_s = 0;
  std::array<double, 4> value{};
  std::uint32_t cycle = 0, step = 0;
  std::uint16_t status = 0;
  std::uint16_t has = 0;  ///< bit n: value n is known
  std::uint32_t unused = 0;
};
static_assert(std::is_trivially_copyable_v<Record> && sizeof(Record) == Spool::row_bytes);

struct Head {
  std::array<char, 16> magic{'c', 'a', 'm', 'b', 'e', 'n', 'c', 'h', ' ', 's', 'p', 'o', 'o', 'l', '1', '\0'};
  std::uint64_t generation = 0;
};

constexpr off_t head_bytes = 4096;
off_t place(std::size_t record) { return head_bytes + static_cast<off_t>(record * sizeof(Record)); }

/// FNV-1a: against torn and old records, not against malice.
std::uint64_t check_of(const Record& record) {
  const auto bytes = std::bit_cast<std::array<unsigned char, sizeof(Record)>>(record);
  std::uint64_t sum = 14695981039346656037ULL;
  for (std::size_t i = sizeof record.check; i < bytes.size(); ++i) sum = (sum ^ bytes[i]) * 1099511628211ULL;
  return sum;
}

template <typename Time>
std::int64_t nanoseconds(Time time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

template <typename Q>
void put_value(Record& record, std::size_t place, const std::optional<Q>& quantity) {
  if (!quantity) return;
  record.value[place] = quantity->value();
  record.has = static_cast<std::uint16_t>(record.has | 1U << place);
}

template <typename Q>
std::optional<Q> value(const Record& record, std::size_t place) {
  if (!(record.has >> place & 1U)) return std::nullopt;
  return Q(record.value[place]);
}

Record record_of(const SampleRow& row, std::uint64_t generation) {
  Record record;
  record.generation = generation;
  std::memcpy(record.run.data(), row.run.data(), row.run.size());
  record.seq = row.seq;
  record.wall_ns = nanoseconds(row.sample.at.wall);
  record.steady_ns = nanoseconds(row.sample.at.steady);
  record.test_time_s = row.test_time.count();
  record.step_time_s = row.sample.step_time.count();
  record.cycle = row.cycle;
  record.step = row.sample.step;
  record.status = row.sample.status;
  put_value(record, 0, row.sample.we_vs_re);
  put_value(record, 1, row.sample.cell);
  put_value(record, 2, row.sample.current);
  put_value(record, 3, row.sample.current_set);
  record.check = check_of(record);
  return record;
}

SampleRow row_of(const Record& record) {
  const std::chrono::nanoseconds wall(record.wall_ns), steady(record.steady_ns);
  SampleRow row{.run = record.run.data(),
                .seq = record.seq,
                .test_time = Seconds(record.test_time_s),
                .cycle = record.cycle,
                .sample = {}};
  row.sample.step = record.step;
  row.sample.step_time = Seconds(record.step_time_s);
  row.sample.we_vs_re = value<Volt>(record, 0);
  row.sample.cell = value<Volt>(record, 1);
  row.sample.current = value<Ampere>(record, 2);
  row.sample.current_set = value<Ampere>(record, 3);
  row.sample.status = record.status;
  row.sample.at = {Instant(steady), WallTime(std::chrono::duration_cast<WallTime::duration>(wall))};
  return row;
}

template <typename T>
bool read_at(int descriptor, off_t where, T& into) {
  return ::pread(descriptor, &into, sizeof into, where) == static_cast<ssize_t>(sizeof into);
}

template <typename T>
bool write_at(int descriptor, off_t where, const T& from) {
  return ::pwrite(descriptor, &from, sizeof from, where) == static_cast<ssize_t>(sizeof from);
}

bool is_good(const Record& record, std::uint64_t generation) {
  return record.generation == generation && record.run.back() == '\0' && record.check == check_of(record);
}

}  // namespace

Spool::Spool(std::filesystem::path file, std::size_t bytes) {
  if (bytes < static_cast<std::size_t>(head_bytes) + sizeof(Record)) return;
  const std::size_t records = (bytes - head_bytes) / sizeof(Record);
  descriptor_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (descriptor_ < 0) return;
  if (::posix_fallocate(descriptor_, 0, place(records)) == 0) room_ = records;
  Head head;
  const auto magic = head.magic;
  if (read_at(descriptor_, 0, head) && head.magic == magic)
    generation_ = head.generation;
  else if (!write_head())
    room_ = 0;
  for (Record record; read_at(descriptor_, place(put_), record) && is_good(record, generation_);) ++put_;
}

Spool::~Spool() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool Spool::write_head() const {
  Head head;
  head.generation = generation_;
  return write_at(descriptor_, 0, head);
}

bool Spool::put(const SampleRow& row) {
  if (put_ >= room_ || row.run.size() >= Record{}.run.size()) return false;
  if (!write_at(descriptor_, place(put_), record_of(row, generation_))) return false;
  ++put_;
  return true;
}

std::vector<SampleRow> Spool::take(std::size_t most) {
  std::vector<SampleRow> rows;
  for (Record record; rows.size() < most && taken_ < put_; ++taken_)
    if (read_at(descriptor_, place(taken_), record) && is_good(record, generation_))
      rows.push_back(row_of(record));
  return rows;
}

void Spool::clear() {
  if (put_ == 0) return;
  ++generation_;
  put_ = taken_ = 0;
  if (!write_head()) room_ = 0;  // its rows would be met again: harmless, but nothing new is put behind them
}

}  // namespace cambench::store
