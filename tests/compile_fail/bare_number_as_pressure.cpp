// A bare 5.0 is not a pressure.
#include "schema/units.h"
using namespace cambench;
MegaPascal fine{50.0};
#ifdef MISTAKE
MegaPascal wrong = 5.0;
#endif
