// The bench as Prometheus text, format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): base units, one
// family after the other. A number that is not good leaves its line out, so that a stale one cannot linger; runs and
// cells appear in one info line a station only, because labels must not grow without bound.
#pragma once
#include <string>

#include "daemon/http/traffic.h"
#include "schema/status.h"

namespace cambench::http {

std::string to_metrics(const Status& status);

/// The server's own families.
std::string to_metrics(const Traffic& traffic);

}  // namespace cambench::http
