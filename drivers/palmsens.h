// PalmSens instruments with a galvanostat and MethodSCRIPT: EmStat4 HR and LR, MultiEmStat4, Nexus; over USB serial
// or raw TCP. One program a step (drivers/wire/mscript_program.h) carries every limit, so that a dead host lets a
// step end harmlessly.
//
// - One coroutine reads the link for as long as it stands and never stops: its lines go to the request that waits,
//   or to the program that runs, whose rows wait in a queue for next().
// - A program is loaded (`l`) and then run (`r`): one that was cut short on its way is refused or lies there unused,
//   where one sent by `e` could be completed by the next line end and switch the cell on.
// - After any error inside a program the cell is opened by a script of ours, because the instrument does not do it by
//   itself (a runtime error does not run on_finished:). "Acknowledged" is not "open": open_cell() returns once an
//   open-circuit measurement, which the instrument refuses with the cell on, has run.
// - open_cell() does not queue: a request that waits for an answer gives up for it (Fault::Kind::cancelled).
// - Where the instrument has a storage with room, the program also writes to a file there. What nobody heard (daemon dead,
//   cable out, lines damaged) is read from it once the program is over, and is told late: in Found::kept when the end was
//   missed too, else by next() before heard::Ended. Without a storage, or a full one, a gap stays a gap.
// - A request that is not answered in time, or a silence longer than three rows and 5 s, is a lost link: LinkLost,
//   new tries with growing pauses, LinkBack.
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "drivers/instrument.h"
#include "drivers/link/byte_link.h"

namespace cambench {

struct PalmsensSettings {
  std::string serial;  ///< the instrument must answer `i` with this one
  double time_scale =
      1.0;            ///< how much faster the (simulated) instrument's clock runs; stretches no wire time
  int mains_Hz = 50;  ///< 50 or 60
  Seconds reply_time{2.0};         ///< an answer to a command
  Seconds deaf_after_error{0.15};  ///< what is sent so soon after an error reply is lost (50 to 100 ms)
  Seconds silence{3.0};            ///< a program may say nothing for three rows and this; then it is asked
  Seconds abort_time{5.0};         ///< from Z to the end of the program, beyond one pause between rows
  Seconds longest_record{
      60.0};  ///< instrument time between two rows of a program that nobody expects, until it says
  std::size_t longest_queue =
      100'000;  ///< rows that wait for next(); later ones are dropped, next() says so, and their file tells them late
};

class Palmsens final : public Potentiostat {
 public:
  Palmsens(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
           PalmsensSettings settings);
  ~Palmsens() override;

  /// While a program runs the instrument does not say its serial number: it is empty then, and reattach() takes it
  /// from the program's announcement.
  Later<Identity> identify() override;
  void expect(const PlannedStep& step, const Marker& marker, Seconds recorded) override;
  /// Listens for at most three pauses between rows of the expected program. Another serial number in the announcement is
  /// a Fault of kind identity.
  Later<Found> reattach() override;
  [[nodiscard]] Result<OnBoard> prepare(const PlannedStep& step) const override;
  Later<void> start(const PlannedStep& step, const Marker& marker) override;
  Later<Heard> next() override;
  Later<Sample> measure_rest() override;
  Later<void> open_cell() override;
  [[nodiscard]] IoHealth health() const override;

 private:
  class Conversation;
  std::shared_ptr<Conversation> talk_;  ///< shared with its own coroutines, which may end after the driver
};

}  // namespace cambench
