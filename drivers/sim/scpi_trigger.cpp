#include "drivers/sim/scpi_trigger.h"

#include <fmt/core.h>

#include <algorithm>

namespace cambench::sim::scpi {

namespace {

constexpr std::size_t most_blocks = 255;
constexpr int most_blocks_at_once = 10'000;  // a model that loops without waiting is ended

}  // namespace

void Buffer::keep(const Reading& reading) {
  if (readings.size() >= capacity) {
    if (!overwrites) return;
    readings.pop_front();
    ++first;
  }
  readings.push_back(reading);
}

void Buffer::clear() {
  readings.clear();
  first = 1;
}

// ---- running ----------------------------------------------------------------------------------------------

void TriggerModel::load_empty() {
  blocks_.clear();
  stop();
  aborted_ = false;
  last_block_ = 0;
}

void TriggerModel::initiate(Seconds now) {
  if (running_) return events_.error(-213, "Init ignored");
  if (blocks_.empty()) return events_.error(-221, "Settings conflict");
  for (Block& block : blocks_) block.passed = 0, block.last.reset();
  running_ = true;
  aborted_ = command_came_ = false;
  at_ = 1;
  wake_ = now;
  run(now, now);
}

void TriggerModel::abort() {
  aborted_ = aborted_ || running_;
  stop();
}

void TriggerModel::run(Seconds& now, Seconds to) {
  for (int at_once = 0; running_;) {
    if (now < wake_) {
      if (now >= to) return;
      const Seconds until = std::min(to, wake_), time = until - now;
      now = until;
      if (!output_.age(time)) return stop();
      at_once = 0;
      continue;
    }
    if (measuring_)
      end_measurement(now);
    else
      run_block(now);
    if (++at_once > most_blocks_at_once) stop();
  }
}

void TriggerModel::end_measurement(Seconds now) {
  measuring_ = false;
  Block& block = blocks_[at_ - 1];
  const Reading made = output_.read(now);
  block.last = made.reading;
  if (const auto buffer = buffers_.find(block.text); buffer != buffers_.end()) buffer->second.keep(made);
  ++at_;
}

void TriggerModel::run_block(Seconds now) {
  if (at_ == 0 || at_ > blocks_.size()) return stop();
  Block& block = blocks_[at_ - 1];
  last_block_ = at_;
  const auto branch = [&](bool taken) { at_ = taken ? block.to : at_ + 1; };
  switch (block.kind) {
    case Block::Kind::none: break;
    case Block::Kind::log: events_.info(block.text); break;
    case Block::Kind::clear:
      if (const auto buffer = buffers_.find(block.text); buffer != buffers_.end()) buffer->second.clear();
      break;
    case Block::Kind::source: output_.switch_to(block.on); break;
    case Block::Kind::delay: wake_ = now + Seconds(block.a); break;
    case Block::Kind::measure:
      measuring_ = true;
      wake_ = now + settings_.measuring_time() *
                        (1 + faults_.slow_meter + (settings_.reads_back() ? faults_.readback : 0));
      return;
    case Block::Kind::limit: return branch(holds(block));
    case Block::Kind::event: return branch(happened(block));
    case Block::Kind::counter: {
      const bool again = ++block.passed < block.count;
      if (!again) block.passed = 0;
      return branch(again);
    }
    case Block::Kind::always:
      if (block.to == 0) return stop();
      return branch(true);
  }
  ++at_;
}

bool TriggerModel::holds(const Block& block) const {
  if (block.of == 0 || block.of > blocks_.size() || !blocks_[block.of - 1].last) return false;
  const double x = *blocks_[block.of - 1].last;
  double a = block.a, b = block.b;
  if (a > b && !faults_.limits_not_swapped) std::swap(a, b);
  if (block.text.starts_with("BEL")) return x < a;
  if (block.text.starts_with("ABOV")) return x > b;
  const bool inside = x >= std::min(a, b) && x <= std::max(a, b);
  return block.text.starts_with("INS") ? inside : !inside;
}

bool TriggerModel::happened(const Block& block) {
  if (block.text.starts_with("SLIM")) return output_.limited();
  return block.text.starts_with("COMM") && std::exchange(command_came_, false);
}

// ---- what it answers --------------------------------------------------------------------------------------

std::string TriggerModel::state() const {
  const std::string word = running_ ? "RUNNING" : blocks_.empty() ? "EMPTY" : aborted_ ? "ABORTED" : "IDLE";
  return fmt::format("{};{};{}", word, word, running_ ? at_ : last_block_);
}

std::vector<std::string> TriggerModel::list() const {
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    lines.push_back(blocks_[i].kind == Block::Kind::measure
                        ? fmt::format("{}) MEASURE  BUFFER: {}  COUNT: 1", i + 1, blocks_[i].text)
                        : fmt::format("{}) BLOCK", i + 1));
  return lines;
}

// ---- defining ---------------------------------------------------------------------------------------------

void TriggerModel::define(const std::string& header, const Words& arguments) {
  const auto named = [&](std::string_view pattern) { return matches(pattern, header); };
  using Kind = Block::Kind;
  if (named("TRIGger:BLOCk:BUFFer:CLEar") || named("TRIGger:BLOCk:MEASure")) {
    const Kind kind = named("TRIGger:BLOCk:MEASure") ? Kind::measure : Kind::clear;
    if (Block* block = block_at(arguments, 2)) block->kind = kind, block->text = buffer_named(arguments[1]);
  } else if (named("TRIGger:BLOCk:SOURce:STATe")) {
    if (Block* block = block_at(arguments, 2))
      block->kind = Kind::source, block->on = upper(arguments[1]) == "ON" || arguments[1] == "1";
  } else if (named("TRIGger:BLOCk:DELay:CONStant")) {
    if (Block* block = block_at(arguments, 2))
      block->kind = Kind::delay, block->a = bounded(arguments[1], 167e-9, 1e4);
  } else if (named("TRIGger:BLOCk:LOG:EVENt")) {
    if (Block* block = block_at(arguments, 3)) block->kind = Kind::log, block->text = unquoted(arguments[2]);
  } else {
    define_branch(header, arguments);
  }
}

void TriggerModel::define_branch(const std::string& header, const Words& arguments) {
  const auto named = [&](std::string_view pattern) { return matches(pattern, header); };
  using Kind = Block::Kind;
  if (named("TRIGger:BLOCk:BRANch:ALWays")) {
    if (Block* block = block_at(arguments, 2))
      block->kind = Kind::always, block->to = block_number(arguments[1]);
  } else if (named("TRIGger:BLOCk:BRANch:COUNter")) {
    if (Block* block = block_at(arguments, 3)) {
      block->kind = Kind::counter;
      block->count = static_cast<std::size_t>(bounded(arguments[1], 1, 268'435'455));
      block->to = block_number(arguments[2]);
    }
  } else if (named("TRIGger:BLOCk:BRANch:EVENt")) {
    if (Block* block = block_at(arguments, 3))
      block->kind = Kind::event, block->text = upper(arguments[1]), block->to = block_number(arguments[2]);
  } else if (named("TRIGger:BLOCk:BRANch:LIMit:CONStant")) {
    if (Block* block = block_at(arguments, 6)) {
      block->kind = Kind::limit;
      block->text = upper(arguments[1]);
      block->a = bounded(arguments[2], -1e6, 1e6);
      block->b = bounded(arguments[3], -1e6, 1e6);
      block->to = block_number(arguments[4]);
      block->of = block_number(arguments[5]);
    }
  } else {
    events_.error(-113, "Undefined header");
  }
}

TriggerModel::Block* TriggerModel::block_at(const Words& arguments, std::size_t count) {
  const auto n = arguments.size() == count ? number(arguments[0]) : std::nullopt;
  if (!n) return events_.error(-109, "Missing parameter"), nullptr;
  if (running_) return events_.error(-221, "Settings conflict"), nullptr;
  if (*n < 1 || *n > static_cast<double>(std::min(blocks_.size() + 1, most_blocks)))
    return events_.error(-222, "Parameter data out of range"), nullptr;
  const auto index = static_cast<std::size_t>(*n);
  if (index > blocks_.size()) blocks_.emplace_back();
  blocks_[index - 1] = {};
  return &blocks_[index - 1];
}

std::size_t TriggerModel::block_number(const std::string& text) {
  const auto n = number(text);
  if (n && *n >= 0 && *n <= most_blocks) return static_cast<std::size_t>(*n);
  events_.error(-222, "Parameter data out of range");
  return 0;
}

double TriggerModel::bounded(const std::string& text, double least, double most) {
  const auto given = number(text);
  if (given && *given >= least && *given <= most) return *given;
  events_.error(-222, "Parameter data out of range");
  return least;
}

std::string TriggerModel::buffer_named(const std::string& quoted) {
  std::string name = unquoted(quoted);
  if (!buffers_.contains(name)) events_.error(-224, "Illegal parameter value");
  return name;
}

}  // namespace cambench::sim::scpi
