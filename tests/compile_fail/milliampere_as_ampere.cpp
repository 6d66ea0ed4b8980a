// A bare number of milliamperes cannot be handed over where a current is asked for.
#include "schema/units.h"
using namespace cambench;
inline double drive(Ampere current) { return current.value(); }
double fine = drive(from_mA(0.4));
#ifdef MISTAKE
double wrong = drive(0.4);
#endif
