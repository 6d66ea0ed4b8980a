// Minimum and maximum over blocks of a run's samples, which charts read instead of the samples: a week draws as fast as an
// hour, and no extreme is lost.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "daemon/store/database.h"
#include "daemon/store/rows.h"

namespace cambench::store {

/// A block of level 1 spans so many numbers of samples; a block of each further level so many of the one below. The top
/// level spans 131,072: a week at 1 Hz is 5 of its blocks.
inline constexpr std::int64_t rollup_samples = 32, rollup_blocks = 4;
inline constexpr int rollup_levels = 7;
/// A block of this level is written together with those below it: 21 rows on three pages of the file, where one row at a
/// time would touch a page for each. Until then what they span, up to 511 samples, is read as samples.
inline constexpr int written_level = 3;

/// How many numbers one block of a level spans; level 0 is the samples themselves.
constexpr std::int64_t span_of(int level) {
  std::int64_t span = level == 0 ? 1 : rollup_samples;
  for (int l = 1; l < level; ++l) span *= rollup_blocks;
  return span;
}

/// What is kept of a block. Samples and parts may be added in any order. Numbers that are overloaded or bad are no extremes;
/// blocks of older programs may count them.
struct Block {
  struct Extremes {
    std::optional<double> min, max;  ///< none: no number was there
    void add(double value);
    void add(const Extremes& other);
  };
  std::int64_t first_seq = 0, last_seq = 0;  ///< 0: it is empty
  double first_test_time_s = 0, last_test_time_s = 0;
  std::int64_t first_wall_ns = 0;
  Extremes we_vs_re_V, cell_V, current_A;

  void add(const SampleRow& row);
  void add(const Block& part);
  [[nodiscard]] bool empty() const { return first_seq == 0; }
};

/// Of a run whose last sample has this number, the samples up to which every complete block is in the table.
constexpr std::int64_t written_up_to(std::int64_t last_seq) {
  return last_seq / span_of(written_level) * span_of(written_level);
}

/// Writes blocks inside the caller's transaction. Those of a run that are not written yet are summed in memory, and taken up
/// from the tables once.
class Rollup {
 public:
  explicit Rollup(Database& database);

  /// What is not written yet of a run.
  struct Open {
    std::int64_t seq = 0;                                              ///< the run's last number
    std::array<Block, span_of(written_level) / rollup_samples> first;  ///< level 1
    std::array<Block, rollup_levels - written_level> above;            ///< one a level
    std::set<std::int64_t> late;  ///< written blocks of level 1 that got a sample since
  };
  /// As the tables have it, which hold the run's samples up to `seq`.
  Open open_after(const std::string& run, std::int64_t seq);
  /// A sample with a number beyond the last one.
  void add(Open& open, const SampleRow& row);
  /// A sample with a number before the last one, which is in the table already.
  void add_late(Open& open, const SampleRow& row);
  /// Rolls up again what late samples changed, from the tables: at the latest before COMMIT.
  void settle(const std::string& run, Open& open);

 private:
  void pass(const std::string& run, Open& open, std::int64_t seq);
  Block write(const std::string& run, Open& open, std::int64_t block);
  Block rolled_up(const std::string& run, int level, std::int64_t block);
  Block read_samples(const std::string& run, std::int64_t first_seq, std::int64_t last_seq);
  Block read_blocks(const std::string& run, int level, std::int64_t first, std::int64_t last);
  void save(const std::string& run, int level, std::int64_t block, const Block& rolled);

  Statement samples_, blocks_, save_;
};

}  // namespace cambench::store
