// Tables of the configuration that are read in files of their own. Mistakes go to the Fields they belong to.
#pragma once
#include "daemon/config.h"
#include "schema/document.h"

namespace cambench::config {

/// [[interlock]]: rows of the shipped table that are changed. What contradicts itself or another row is refused.
void read_interlocks(document::Fields& top, Bench& bench);

/// [alarms], [[notify]] and [heartbeat]: how people hear of alarms, and how somebody outside hears that we live.
void read_alarms(document::Fields& top, Bench& bench);

}  // namespace cambench::config
