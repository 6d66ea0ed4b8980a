// Keithley source-measure units 2450, 2460 and 2461 by SCPI over raw TCP (port 5025) or USB (/dev/usbtmcN). One trigger model a step
// (drivers/wire/scpi_program.h) carries the cutoff and the time limit and switches the output off. How questions are
// asked: drivers/keithley_talk.h.
//
// - The instrument keeps every row in a buffer that is named after the run and the step, so nobody has to listen: rows
//   are fetched by index while next() waits, and a host that was away finds all of them, and the end, in their place.
// - That a trigger model has ended says nothing about why: the last row, the protections, the error queue and the event
//   log decide, and what they do not explain is EndReason::unknown.
// - The time limit on board counts measurements, which may take longer than counted: a host that listens ends a step
//   that is late by the times of its rows, as the time limit would have.
// - "Off" is always high impedance, set before the output goes off: NORMAL would discharge the cell.
// - open_cell() lets the question that is under way be answered; whatever else waits gives up (Fault::Kind::cancelled).
#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "drivers/instrument.h"
#include "drivers/link/byte_link.h"
#include "drivers/wire/scpi_program.h"

namespace cambench {

struct KeithleySettings {
  std::string serial;  ///< the instrument must answer *IDN? with this one
  double time_scale =
      1.0;           ///< how much faster the (simulated) instrument's clock runs; stretches no wire time
  int polarity = 1;  ///< -1: WE on the low leads
  std::optional<LimitOn> sense;  ///< what the sense leads are on; empty: a cell of two electrodes
  wire::scpi::Method charge = wire::scpi::Method::voltage_source,
                     discharge = wire::scpi::Method::voltage_source;
  Seconds reply_time{2.0};      ///< from a question, or the last piece of its answer, to the next piece
  Seconds reconnect_time{0.2};  ///< before the first new try; doubles up to 5 s
};

class Keithley final : public Potentiostat {
 public:
  /// `dead_socket` leads to the port that closes a hung session when it is opened (5030); may be empty.
  Keithley(boost::asio::any_io_executor executor, std::unique_ptr<link::ByteLink> link,
           std::unique_ptr<link::ByteLink> dead_socket, KeithleySettings settings);
  ~Keithley() override;

  Later<Identity> identify() override;
  void expect(const PlannedStep& step, const Marker& marker, Seconds recorded) override;
  Later<Found> reattach() override;
  [[nodiscard]] Result<OnBoard> prepare(const PlannedStep& step) const override;
  Later<void> start(const PlannedStep& step, const Marker& marker) override;
  Later<Heard> next() override;
  /// 0 A sourced in the smallest range. Refused where the potential says that the leads are swapped or open.
  Later<Sample> measure_rest() override;
  Later<void> open_cell() override;
  [[nodiscard]] IoHealth health() const override;

 private:
  struct Asked;
  class Conversation;
  std::shared_ptr<Conversation> talk_;  ///< shared with its own coroutines, which may end after the driver
};

}  // namespace cambench
