// Where a request leads. Pure: no socket, no thread, no clock; the server carries the way out.
//
//     route(request, api) --> Response           known at once: the status, a page, a refusal
//                         --> ArchiveQuery       to be called on the reader thread
//                         --> Preparation        to be read on the importer's thread, then asked of the archive; the order
//                                                that comes of it is to be carried out
//                         --> Order              to be carried out; answered() makes the response of its result
//                         --> Stream             to be told what happens from now on, until the client goes
//
// At the Unix socket everything is allowed: its file mode is the permission. Over TCP who listens on loopback may look;
// an order, and on any other address every look at the bench, needs a bearer token of the right role.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "daemon/http/api.h"
#include "daemon/http/message.h"
#include "daemon/http/traffic.h"

namespace cambench::http {

using ArchiveQuery = std::function<Response(Archive&)>;

/// An order that is long to read. `read` has a thread to itself, so that no question waits for it; what it gives is called on
/// the reader thread. Either may refuse.
struct Preparation {
  using Asking = std::function<std::variant<Response, Order>(Archive&)>;
  std::function<std::variant<Response, Asking>(const Request&)> read;
};

/// Server-sent events: everything that is recorded after `since`, and the status at most once a second.
struct Stream {
  std::optional<std::int64_t> since;  ///< none: what happens from now on
  bool status = true;                 ///< the status document too
};

using Way = std::variant<Response, ArchiveQuery, Preparation, Order, Stream>;

/// What is the same for every request.
struct House {
  std::string control_socket;      ///< named to those who may not give orders over TCP
  bool loopback = true;            ///< nobody but this machine can reach us: looking needs no token
  std::vector<std::string> hosts;  ///< names we answer to beside localhost: those of a web server in front
};

/// HEAD leads where GET leads.
Way route(const Request& request, const Api& api, const House& house, const Traffic& traffic);

/// The events of a stream after `*since`, as its text; moves `*since` on. Negative: the newest one there is, no text.
ArchiveQuery news_after(std::shared_ptr<std::int64_t> since);

/// The response to an order that was carried out or refused.
Response answered(const Order& order, const Result<std::string>& result);

/// An error as RFC 9457 describes it: application/problem+json.
Response problem(unsigned status, std::string_view title, std::string_view detail);

/// Every route as "GET /api/v1/runs/{id}", in the order of the table.
std::vector<std::string> all_routes();

}  // namespace cambench::http
