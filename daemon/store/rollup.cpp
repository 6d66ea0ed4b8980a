#include "daemon/store/rollup.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "daemon/store/columns.h"

namespace cambench::store {

namespace {

template <typename Q>
void add_known(Block::Extremes& extremes, const std::optional<Q>& quantity) {
  if (quantity && !std::isnan(quantity->value()))
    extremes.add(quantity->value());  // NaN is NULL in the table
}

/// One row of `samples_` and `blocks_`.
Block block_in(const Statement& row) {
  Block block;
  if (row.is_null(0)) return block;
  block.first_seq = row.integer(0), block.last_seq = row.integer(1);
  block.first_test_time_s = row.real(2), block.last_test_time_s = row.real(3);
  block.first_wall_ns = row.integer(4);
  block.we_vs_re_V = {row.maybe_real(5), row.maybe_real(6)};
  block.cell_V = {row.maybe_real(7), row.maybe_real(8)};
  block.current_A = {row.maybe_real(9), row.maybe_real(10)};
  return block;
}

Block first_row(Statement& statement) {
  statement.step();
  const Block block = block_in(statement);
  statement.reset();
  return block;
}

/// The place of a sample among the blocks of level 1 that are not written yet.
std::size_t place_of(std::int64_t seq) {
  return static_cast<std::size_t>((seq - 1) % span_of(written_level) / rollup_samples);
}

}  // namespace

void Block::Extremes::add(double value) {
  if (!min || value < *min) min = value;
  if (!max || value > *max) max = value;
}

void Block::Extremes::add(const Extremes& other) {
  if (other.min) add(*other.min);
  if (other.max) add(*other.max);
}

void Block::add(const SampleRow& row) {
  const Sample& s = row.sample;
  const double test_time_s = row.test_time.count();
  const auto wall = std::chrono::duration_cast<std::chrono::nanoseconds>(s.at.wall.time_since_epoch());
  Block part{.first_seq = row.seq,
             .last_seq = row.seq,
             .first_test_time_s = test_time_s,
             .last_test_time_s = test_time_s,
             .first_wall_ns = wall.count()};
  if (!(s.status & not_believed)) {
    add_known(part.we_vs_re_V, s.we_vs_re);
    add_known(part.cell_V, s.cell);
    add_known(part.current_A, s.current);
  }
  add(part);
}

void Block::add(const Block& part) {
  if (part.empty()) return;
  if (empty()) {
    *this = part;
    return;
  }
  first_seq = std::min(first_seq, part.first_seq), last_seq = std::max(last_seq, part.last_seq);
  first_test_time_s = std::min(first_test_time_s, part.first_test_time_s);
  last_test_time_s = std::max(last_test_time_s, part.last_test_time_s);
  first_wall_ns = std::min(first_wall_ns, part.first_wall_ns);
  we_vs_re_V.add(part.we_vs_re_V), cell_V.add(part.cell_V), current_A.add(part.current_A);
}

Rollup::Rollup(Database& db)
    : samples_(db,
               fmt::format("SELECT min(seq), max(seq), min(test_time_s), max(test_time_s), min(at_wall_ns), "
                           "min(we_vs_re_V), max(we_vs_re_V), min(cell_V), max(cell_V), min(current_A), "
                           "max(current_A) FROM (SELECT seq, test_time_s, at_wall_ns, {} FROM sample "
                           "WHERE run = ?1 AND seq BETWEEN ?2 AND ?3)",
                           believed_columns)),
      blocks_(db,
              "SELECT min(first_seq), max(last_seq), min(first_test_time_s), max(last_test_time_s), "
              "min(first_wall_ns), min(we_vs_re_min_V), max(we_vs_re_max_V), min(cell_min_V), "
              "max(cell_max_V), min(current_min_A), max(current_max_A) "
              "FROM rollup WHERE run = ?1 AND level = ?2 AND block BETWEEN ?3 AND ?4"),
      save_(db, "INSERT OR REPLACE INTO rollup VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)") {}

Rollup::Open Rollup::open_after(const std::string& run, std::int64_t seq) {
  Open open{.seq = seq, .first = {}, .above = {}, .late = {}};
  for (std::int64_t begin = written_up_to(seq); begin < seq; begin += rollup_samples)
    open.first[place_of(begin + 1)] = read_samples(run, begin + 1, begin + rollup_samples);
  std::int64_t below = seq / span_of(written_level);
  for (int level = written_level; below > 0 && level < rollup_levels; ++level, below /= rollup_blocks)
    open.above[level - written_level] =
        read_blocks(run, level, below / rollup_blocks * rollup_blocks, below - 1);
  return open;
}

void Rollup::add(Open& open, const SampleRow& row) {
  pass(row.run, open, row.seq - 1);
  open.first[place_of(row.seq)].add(row);
  pass(row.run, open, row.seq);
}

/// Every number up to `seq` is behind the run, kept or not: what is complete is written.
void Rollup::pass(const std::string& run, Open& open, std::int64_t seq) {
  std::int64_t complete = std::exchange(open.seq, seq) / span_of(written_level);
  std::int64_t now = seq / span_of(written_level);
  if (complete == now) return;
  Block closed = write(run, open, complete);
  for (int level = written_level + 1; level <= rollup_levels; ++level) {
    Block& above = open.above[level - written_level - 1];
    above.add(closed);
    complete /= rollup_blocks, now /= rollup_blocks;
    if (complete == now) return;
    closed = std::exchange(above, {});
    save(run, level, complete, closed);
  }
}

/// All that was open below a block of the written level, and the block itself.
Block Rollup::write(const std::string& run, Open& open, std::int64_t block) {
  std::vector<Block> blocks(open.first.begin(), open.first.end());
  open.first = {};
  for (int level = 1;; ++level) {
    const std::int64_t first = block * std::ssize(blocks);
    for (std::int64_t i = 0; i < std::ssize(blocks); ++i) save(run, level, first + i, blocks[i]);
    if (level == written_level) return blocks.front();
    std::vector<Block> above(blocks.size() / rollup_blocks);
    for (std::size_t i = 0; i < blocks.size(); ++i) above[i / rollup_blocks].add(blocks[i]);
    blocks = std::move(above);
  }
}

void Rollup::add_late(Open& open, const SampleRow& row) {
  for (int level = written_level + 1; level <= rollup_levels; ++level)
    if ((row.seq - 1) / span_of(level) == open.seq / span_of(level))
      open.above[level - written_level - 1].add(row);
  if (row.seq > written_up_to(open.seq))
    open.first[place_of(row.seq)].add(row);
  else
    open.late.insert((row.seq - 1) / rollup_samples);
}

void Rollup::settle(const std::string& run, Open& open) {
  std::set<std::int64_t> blocks = std::exchange(open.late, {});
  for (int level = 1; level <= rollup_levels; ++level) {
    std::set<std::int64_t> above;
    for (const std::int64_t block : blocks) {
      if (block >= open.seq / span_of(level)) continue;  // open: it has them already
      save(run, level, block, rolled_up(run, level, block));
      above.insert(block / rollup_blocks);
    }
    blocks = std::move(above);
  }
}

Block Rollup::rolled_up(const std::string& run, int level, std::int64_t block) {
  if (level == 1) return read_samples(run, block * rollup_samples + 1, (block + 1) * rollup_samples);
  return read_blocks(run, level - 1, block * rollup_blocks, (block + 1) * rollup_blocks - 1);
}

Block Rollup::read_samples(const std::string& run, std::int64_t first_seq, std::int64_t last_seq) {
  samples_.bind(1, run).bind(2, first_seq).bind(3, last_seq);
  return first_row(samples_);
}

Block Rollup::read_blocks(const std::string& run, int level, std::int64_t first, std::int64_t last) {
  blocks_.bind(1, run).bind(2, std::int64_t{level}).bind(3, first).bind(4, last);
  return first_row(blocks_);
}

void Rollup::save(const std::string& run, int level, std::int64_t block, const Block& rolled) {
  if (rolled.empty()) return;
  save_.bind(1, run).bind(2, std::int64_t{level}).bind(3, block);
  save_.bind(4, rolled.first_seq).bind(5, rolled.last_seq);
  save_.bind(6, rolled.first_test_time_s).bind(7, rolled.last_test_time_s).bind(8, rolled.first_wall_ns);
  save_.bind(9, rolled.we_vs_re_V.min).bind(10, rolled.we_vs_re_V.max);
  save_.bind(11, rolled.cell_V.min).bind(12, rolled.cell_V.max);
  save_.bind(13, rolled.current_A.min).bind(14, rolled.current_A.max).run();
}

}  // namespace cambench::store
