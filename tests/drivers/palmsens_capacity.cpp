// Capacities by the rows that the driver delivers, against the charge that the simulated cell has really moved.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <boost/asio/io_context.hpp>

#include "drivers/palmsens.h"
#include "drivers/sim/cell.h"
#include "tests/drivers/loop.h"
#include "tests/drivers/machine_link.h"

using namespace cambench;
using namespace cambench::tests;

namespace {

constexpr double one_C_A = 1.608e-3;

/// Current by the trapezoid rule over the instrument's clock, from the start with the first row's current, as the store
/// adds it up.
AmpereHour charge_of(const std::vector<Sample>& rows) {
  double ampere_seconds = rows.front().current->value() * rows.front().step_time.count();
  for (std::size_t i = 1; i < rows.size(); ++i)
    ampere_seconds += 0.5 * (rows[i - 1].current->value() + rows[i].current->value()) *
                      (rows[i].step_time - rows[i - 1].step_time).count();
  return AmpereHour(ampere_seconds / 3600);
}

struct Bench {
  boost::asio::io_context io;
  sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
  sim::MscriptMachine machine{sim::Model::emstat4_hr, "ES4HR20B0001", 7};
  std::unique_ptr<Palmsens> driver;
  std::uint32_t next_step = 0;

  Bench() {
    machine.connect(&cell);
    auto link = std::make_unique<MachineLink>(io.get_executor(), machine);
    link->step = Seconds(1);
    driver = std::make_unique<Palmsens>(io.get_executor(), std::move(link),
                                        PalmsensSettings{.serial = "ES4HR20B0001", .time_scale = 1e6});
    REQUIRE(finish(io, driver->identify()));
  }

  struct Ran {
    double deviation = 0;  ///< of the rows' charge from the truth
    std::string text;
    Seconds last{0};
  };
  Ran run(PlannedStep step) {
    step.index = next_step++;
    const AmpereHour before = cell.charge();
    REQUIRE(finish(io, driver->start(step, {"r000001", step.index})));
    std::vector<Sample> rows;
    for (;;) {
      auto what = finish(io, driver->next());
      REQUIRE(what);
      if (auto* measured = std::get_if<heard::Measured>(&*what)) rows.push_back(measured->sample);
      if (const auto* ended = std::get_if<heard::Ended>(&*what)) {
        CHECK(ended->reason == EndReason::planned);
        const AmpereHour truth = cell.charge() - before;
        return {charge_of(rows).value() / truth.value() - 1, ended->text, rows.back().step_time};
      }
    }
  }
};

PlannedStep at_rate(double rate_C) {
  PlannedStep s;
  s.kind = PlannedStep::Kind::constant_current;
  s.current = Ampere(rate_C * one_C_A);
  s.until_voltage = rate_C > 0 ? Volt(4.01) : Volt(2.3);
  s.limit_on = LimitOn::we_vs_re;
  s.run_time = Seconds(1.3 * 3600 / std::abs(rate_C));
  s.guards = {Volt(4.2), Volt(1.5), Volt(4.5), Volt(0.5), {}};
  s.sampling = Seconds(1);
  s.record_every = Seconds(30);
  s.record_delta = Volt(0.005);
  return s;
}

}  // namespace

TEST_CASE("charge and discharge capacities are the truth within 0.1 % at every rate of the rate test") {
  Bench bench;
  for (const double rate : {0.1, 0.3, 1.0, 2.0})
    for (const double direction : {1.0, -1.0}) {
      const auto ran = bench.run(at_rate(direction * rate));
      MESSAGE(fmt::format("{} at {} C: {:+.4f} % of the charge that was moved",
                          direction > 0 ? "charge" : "discharge", rate, 100 * ran.deviation));
      CHECK(ran.text == (direction > 0 ? "END upper" : "END lower"));
      CHECK(std::abs(ran.deviation) < 1e-3);
    }
}

// What is left in the other cases is the converters' (drivers/sim/cell.h): gain, offset and noise, which counts for
// more the fewer rows there are.
TEST_CASE(
    "the rows miss nothing of the charge: with converters that make no error it is the truth to the last "
    "digits") {
  Bench bench;
  bench.machine.set_ideal(true);
  for (const auto& [rate_C, record_s] : {std::pair(1.0, 1.0), {-1.0, 10.0}, {1.0, 30.0}}) {
    PlannedStep step = at_rate(rate_C);
    step.until_voltage.reset();
    step.record_delta.reset();
    step.record_every = Seconds(record_s);
    step.run_time = Seconds(rate_C > 0 ? 1200 : 300);
    const auto ran = bench.run(step);
    MESSAGE(fmt::format("a row every {} s: {:+.5f} % of the charge that was moved", record_s,
                        100 * ran.deviation));
    CHECK(std::abs(ran.deviation) < 2e-6);
  }
}

TEST_CASE("a step that ends by its time misses no charge, however seldom the instrument measures") {
  Bench bench;
  for (const double sampling_s : {1.0, 10.0, 60.0}) {
    PlannedStep step = at_rate(1.0);
    step.until_voltage.reset();
    step.sampling = step.record_every = Seconds(sampling_s);
    step.run_time = Seconds(599.5);
    const auto ran = bench.run(step);
    MESSAGE(fmt::format("measured every {} s: {:+.4f} % of the charge that was moved", sampling_s,
                        100 * ran.deviation));
    CHECK(ran.text == "END time");
    CHECK(abs(ran.last - Seconds(599.5)) < Seconds(0.01));
    CHECK(std::abs(ran.deviation) < 1e-3);
  }
}
