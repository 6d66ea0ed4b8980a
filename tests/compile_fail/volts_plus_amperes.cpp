// Volts and amperes cannot be added.
#include "schema/units.h"
using namespace cambench;
auto fine = Volt(4.2) + Volt(0.1);
#ifdef MISTAKE
auto wrong = Volt(4.2) + Ampere(0.1);
#endif
