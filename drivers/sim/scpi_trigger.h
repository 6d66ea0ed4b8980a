// The trigger model of a simulated source-measure unit: blocks that run one after the other without a host, and the
// buffers that their readings go into.
#pragma once
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "drivers/sim/scpi_events.h"
#include "drivers/sim/scpi_faults.h"
#include "drivers/sim/scpi_output.h"

namespace cambench::sim::scpi {

struct Buffer {
  std::size_t capacity = 100'000;
  bool overwrites = false;  ///< CONT; ONCE throws new readings away when full
  std::deque<Reading> readings;
  std::size_t first = 1;  ///< index of the oldest one

  void keep(const Reading& reading);
  void clear();
};
using Buffers = std::map<std::string, Buffer>;

class TriggerModel {
 public:
  TriggerModel(const Settings& settings, const ScpiFaults& faults, Output& output, Buffers& buffers,
               Events& events)
      : settings_(settings), faults_(faults), output_(output), buffers_(buffers), events_(events) {}

  void load_empty();
  /// A command below TRIGger:BLOCk; what is wrong with it goes into the events.
  void define(const std::string& header, const Words& arguments);
  void initiate(Seconds now);
  void abort();
  void stop() { running_ = measuring_ = false; }
  void triggered() { command_came_ = running_; }  ///< *TRG

  /// Runs until `to`; `now` goes with it, and the cell ages on the way. The rest of the time is the caller's.
  void run(Seconds& now, Seconds to);

  [[nodiscard]] bool running() const { return running_; }
  [[nodiscard]] std::string state() const;              ///< as :TRIG:STAT? answers
  [[nodiscard]] std::vector<std::string> list() const;  ///< as :TRIG:BLOC:LIST? does, line by line

 private:
  struct Block {
    enum class Kind {
      none,
      clear,
      source,
      delay,
      measure,
      limit,
      counter,
      event,
      always,
      log
    } kind = Kind::none;
    std::string text;  ///< buffer, message, comparison or event
    bool on = false;
    double a = 0, b = 0;
    std::size_t count = 0, passed = 0, to = 0, of = 0;
    std::optional<double> last;  ///< of a measure block
  };

  Block* block_at(const Words& arguments, std::size_t count);
  std::size_t block_number(const std::string& text);
  double bounded(const std::string& text, double least, double most);
  std::string buffer_named(const std::string& quoted);
  void define_branch(const std::string& header, const Words& arguments);
  void run_block(Seconds now);
  void end_measurement(Seconds now);
  [[nodiscard]] bool holds(const Block& block) const;
  [[nodiscard]] bool happened(const Block& block);

  const Settings& settings_;
  const ScpiFaults& faults_;
  Output& output_;
  Buffers& buffers_;
  Events& events_;
  std::vector<Block> blocks_;
  bool running_ = false, aborted_ = false, measuring_ = false, command_came_ = false;
  std::size_t at_ = 0, last_block_ = 0;
  Seconds wake_{0};
};

}  // namespace cambench::sim::scpi
