// Where a request leads. Pure: no socket, no thread, no clock; the server carries the way out.
//
//     route(request, api) --> Response           known at once: the status, a page, a refusal
//                         --> ArchiveQuery       to be called on the reader thread
//                         --> Order              to be carried out; answered() makes the response of its result
//
// HTTP over TCP is read-only. Control is for the Unix socket, whose file mode is the permission.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/http/api.h"
#include "daemon/http/message.h"

namespace cambench::http {

using ArchiveQuery = std::function<Response(Archive&)>;
using Way = std::variant<Response, ArchiveQuery, Order>;

/// `control_socket` is named in the sentence of those who try to control over TCP. HEAD leads where GET leads.
Way route(const Request& request, const Api& api, std::string_view control_socket);

/// The response to an order that was carried out or refused.
Response answered(const Order& order, const Result<std::string>& result);

/// An error as RFC 9457 describes it: application/problem+json.
Response problem(unsigned status, std::string_view title, std::string_view detail);

/// Every route as "GET /api/v1/runs/{id}", in the order of the table.
std::vector<std::string> all_routes();

}  // namespace cambench::http
