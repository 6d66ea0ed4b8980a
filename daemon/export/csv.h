// A run as text with separators, in the words of four readers. Locale-free; numbers are as short as they can be read back
// exactly (up to 17 digits), times to the microsecond. + current charges. What the instrument marked as overloaded or bad
// leaves its fields empty and its word in the status column.
//
//   bdf, bdf_machine   Battery Data Format 1.3: preferred labels ("Voltage / V") or machine names (voltage_volt). The
//                      voltage is that of the cell's terminals; potentials against a reference electrode have columns of
//                      their own (names as proposed in the format's issue 118)
//   arbin              what cellpy's arbin_sql_csv reads: ';', Data_Point, Test_Time(s), ...; capacities begin anew with
//                      each cycle; Aux_Voltage_1 is the working electrode against the reference
//   battery_archive    the time series of Battery Archive, which BEEP reads; capacities begin anew with each cycle
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "daemon/export/run_table.h"

namespace cambench::exports {

enum class Dialect { bdf, bdf_machine, arbin, battery_archive };

/// The head and then the rows, some hundred a piece. Reader and facts must outlive it.
Pieces csv(store::Reader& reader, const RunFacts& facts, Dialect dialect);

/// Every pressure reading of the run: time, pressure, set point, and why there is none.
Pieces pressure_csv(store::Reader& reader, const RunFacts& facts);

}  // namespace cambench::exports
