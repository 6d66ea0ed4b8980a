// One run of a compiled MethodSCRIPT program: the interpreter. It says when its next command is due and carries it
// out when told to; it keeps no clock of its own and talks to nobody but through Surroundings.
#pragma once
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/sim/mscript_errors.h"
#include "drivers/sim/mscript_front_end.h"
#include "drivers/sim/mscript_models.h"
#include "drivers/sim/mscript_script.h"

namespace cambench::sim {

/// The instrument's storage. It survives a power cycle.
struct Storage {
  std::map<std::string, std::string> files;
  std::size_t capacity = 64 * 1024 * 1024;  ///< our own figure
  bool present = true;                      ///< the card is in
  std::string written;                      ///< the file that was opened last
  [[nodiscard]] std::size_t used() const;
  [[nodiscard]] bool takes(std::size_t bytes) const { return present && used() + bytes <= capacity; }
};
constexpr std::size_t most_files = 1000;
constexpr std::string_view methodscript_version = "v01.09.00";

class ScriptRun {
 public:
  struct Surroundings {
    FrontEnd& front;
    Storage& storage;
    const Unsettled& unsettled;
    std::function<void(std::string_view line)> say;     ///< to the host
    std::function<void(Error error, int line)> raised;  ///< a runtime error
  };
  ScriptRun(const script::Script& script, Surroundings around, double now_s);

  static constexpr double never = std::numeric_limits<double>::infinity();
  /// When step() has something to do; never while halted or after the end.
  [[nodiscard]] double due_s() const;
  /// Carries out what is due: one command, or an abort. The next command comes `command_s` later.
  void step(double now_s, double command_s);
  [[nodiscard]] bool ended() const { return ended_; }
  [[nodiscard]] bool ended_in_error() const { return error_; }

  // What a host can do to it.
  void abort(double from_s);       ///< Z: loops end, on_finished: runs
  void abort_loop(double from_s);  ///< Y: the measurement loop ends, the script goes on
  void halt(double now_s);         ///< h: nothing more, the cell stays polarised
  void resume(double now_s);       ///< H: everything it waits for comes that much later

 private:
  struct Loop {
    bool measuring = false;
    int end = 0;  // pc of its loop_end or meas_end
  };

  bool dispatch(const script::Instruction& now);
  bool check(Error error);
  bool failed(Error error);
  bool jump(int target);
  void jump_to_finish();
  void close_loops();
  void abort_now();
  void abort_loop_now();
  [[nodiscard]] double stop_s(double from_s) const;
  [[nodiscard]] bool in_measurement() const;
  void put(const std::string& line);
  void put_into_file(const std::string& line);

  script::Value* place(const script::Operand& operand);
  std::optional<script::Value> value(const script::Operand& operand);
  double number(const script::Operand& operand);
  [[nodiscard]] script::Value elapsed(double since_s) const;
  bool give(const script::Operand& into, const script::Value& what);
  bool assign(const script::Operand& from, const script::Operand& into, script::Type as);
  bool arithmetic(const script::Instruction& i);
  bool retype(const script::Instruction& i);
  bool mean(const script::Instruction& i);

  bool jump_unless(const script::Instruction& i);
  bool enter_loop();
  bool leave_loop(const script::Instruction& i);
  bool wait(double seconds);
  bool await_interval();

  std::string text(const std::vector<script::Piece>& pieces);
  bool script_output(double to);
  bool open_file(const script::Instruction& i);
  Error choose_file(std::string name, double mode);
  bool start_packet(const script::Instruction& i);
  bool add_to_packet(const script::Instruction& i);
  bool end_packet();

  bool measure_once(const script::Instruction& i);
  script::Value read(script::Type what);
  bool begin_measuring(const script::Instruction& i);
  Error may_measure(const script::Instruction& i, double interval_s, double run_s) const;
  bool next_point(const script::Instruction& i);
  bool take_point(const script::Instruction& i, bool late);

  script::Script script_;
  Surroundings around_;
  std::size_t pc_ = 0;
  double now_s_ = 0.0, ready_s_ = 0.0;  // the next command is carried out then
  double halted_s_ = never, abort_s_ = never, abort_loop_s_ = never;
  bool finishing_ = false, ended_ = false, error_ = false;
  bool waited_ = false;  // the command at pc_ has waited already

  std::vector<script::Value> variables_;
  std::vector<std::vector<script::Value>> arrays_;
  std::vector<Loop> loops_;
  double timer_s_ = 0.0, interval_s_ = 0.0, interval_due_s_ = 0.0;
  double loop_begin_s_ = 0.0, loop_interval_s_ = 0.0, loop_end_s_ = 0.0;  // of the measurement loop
  double points_ = 0.0, points_done_ = 0.0;

  std::optional<std::string> packet_;
  std::size_t in_packet_ = 0;
  bool metadata_ = true;
  int output_to_ = 1;  // bit 0 the host, bit 1 the file
  std::string* file_ = nullptr;
};

}  // namespace cambench::sim
