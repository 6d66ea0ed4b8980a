// The steps that tests of drivers are about: of the paper's rate test, and small enough to be read.
#pragma once
#include "schema/plan.h"

namespace cambench::tests {

/// Of a cell with a reference electrode that is charged at 1 C (1.608 mA), as the rate test says it.
inline PlannedStep charge_at_1C() {
  PlannedStep s;
  s.index = 3;
  s.label = "charge 1 C";
  s.kind = PlannedStep::Kind::constant_current;
  s.current = from_mA(1.608);
  s.until_voltage = Volt(4.01);
  s.limit_on = LimitOn::we_vs_re;
  s.run_time = Seconds(5760);
  s.run_time_is_planned = false;
  s.guards = {Volt(4.11), Volt(1.5), Volt(4.3), Volt(1.2), {}};
  s.sampling = Seconds(1);
  s.record_every = Seconds(30);
  s.record_delta = Volt(0.005);
  return s;
}

/// For a source-measure unit whose sense leads are on the reference electrode.
inline PlannedStep charge_of_one_potential(Seconds sampling, Seconds record_every) {
  PlannedStep s;
  s.index = 3;
  s.kind = PlannedStep::Kind::constant_current;
  s.current = from_mA(1.6);
  s.until_voltage = Volt(3.6);
  s.limit_on = LimitOn::we_vs_re;
  s.run_time = Seconds(5760);
  s.run_time_is_planned = false;
  s.guards = {Volt(3.7), Volt(1.2), Volt(4.3), Volt(0.8), {}};
  s.sampling = sampling;
  s.record_every = record_every;
  return s;
}

inline PlannedStep rest_of(double seconds) {
  PlannedStep s;
  s.index = 4;
  s.run_time = Seconds(seconds);
  s.sampling = Seconds(10);
  s.record_every = Seconds(60);
  return s;
}

}  // namespace cambench::tests
