// The handlers behind the table of routes.cpp, by the place that answers: the published status and the files of the
// program (routes.cpp), the archive (queries.cpp, series.cpp, exports.cpp), the daemon itself (orders.cpp).
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/routes.h"
#include "schema/json.h"

namespace cambench::http {

/// What a handler gets: the request, the daemon, and what stood in the path's {places}, which are all names.
struct Asked {
  const Request& request;
  const Api& api;
  const Traffic& traffic;
  std::vector<std::string> places;
};

// queries.cpp
Way alarms(const Asked&);
Way events(const Asked&);
Way event_stream(const Asked&);
Way runs(const Asked&);
Way run(const Asked&);
Way run_events(const Asked&);
Way run_trips(const Asked&);
Way run_steps(const Asked&);
Way run_samples(const Asked&);
Way audit(const Asked&);
Way study_scores(const Asked&);
Way study_file(const Asked&);

// series.cpp
Way series(const Asked&);
Way pressures(const Asked&);
Way capacities(const Asked&);

// exports.cpp
Way run_data(const Asked&);
Way run_crate(const Asked&);
Way run_export(const Asked&);

// orders.cpp
Way start_run(const Asked&);
Way order_for_run(const Asked&);
Way reset_run(const Asked&);
Way acknowledge(const Asked&);
Way shelve(const Asked&);
Way unshelve(const Asked&);
Way test_press(const Asked&);
Order order_of(const Request& request);  ///< who gives it, as far as the request itself tells

// imports.cpp
Way import_run(const Asked&);

// edits.cpp
Way materials(const Asked&);
Way cells(const Asked&);
Way all_entries(const Asked&);
Way put_material(const Asked&);
Way put_cell(const Asked&);
Way put_study(const Asked&);
Way remove_material(const Asked&);
Way remove_cell(const Asked&);
Way remove_study(const Asked&);

Response no_such_run(const std::string& id);

// routes.cpp
Response json(JsonWriter&& writer);
std::string_view content_type(std::string_view file);
Response not_found(std::string_view what);
bool matches(std::string_view if_none_match, std::string_view etag);
Response unchanged(std::string etag);

/// Rows as a root array, which Grafana's Infinity takes without a selector.
template <typename T>
Response array_of(const std::vector<T>& rows, void (*write)(JsonWriter&, const T&)) {
  JsonWriter writer;
  writer.array();
  for (const auto& row : rows) write(writer, row);
  writer.end_array();
  return json(std::move(writer));
}

}  // namespace cambench::http
