#include "daemon/http/routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "daemon/http/handlers.h"
#include "daemon/http/metrics.h"
#include "schema/sha256.h"

namespace cambench {
std::string_view embedded_web(std::string_view file);
std::string_view embedded_dygraphs(std::string_view file);
std::string_view embedded_api(std::string_view file);
}  // namespace cambench

namespace cambench::http {

namespace {

Way status(const Asked& asked);
Way stations(const Asked& asked);
Way studies(const Asked& asked);
Way study(const Asked& asked);
Way metrics(const Asked& asked);
Way openapi(const Asked& asked);
Way healthz(const Asked& asked);
Way readyz(const Asked& asked);
Way front_page(const Asked& asked);
Way page_file(const Asked& asked);
Way dygraphs_file(const Asked& asked);

struct Route {
  std::string_view method, pattern;
  Way (*handler)(const Asked&);
  Role needed;  ///< over TCP; at the Unix socket the file's mode was the permission
};
using enum Role;

// The first pattern that fits is taken. A {place} stands for one part of the path.
constexpr Route table[] = {
    {"GET", "/api/v1/status", status, viewer},
    {"GET", "/api/v1/stations", stations, viewer},
    {"GET", "/api/v1/alarms", alarms, viewer},
    {"GET", "/api/v1/events", events, viewer},
    {"GET", "/api/v1/events/stream", event_stream, viewer},
    {"GET", "/api/v1/audit", audit, viewer},
    {"GET", "/api/v1/runs", runs, viewer},
    {"GET", "/api/v1/runs/{run}", run, viewer},
    {"GET", "/api/v1/runs/{run}/events", run_events, viewer},
    {"GET", "/api/v1/runs/{run}/trips", run_trips, viewer},
    {"GET", "/api/v1/runs/{run}/steps", run_steps, viewer},
    {"GET", "/api/v1/runs/{run}/samples", run_samples, viewer},
    {"GET", "/api/v1/runs/{run}/data.bdf.csv", run_data, viewer},
    {"GET", "/api/v1/runs/{run}/crate.zip", run_crate, viewer},
    {"GET", "/api/v1/runs/{run}/exports/{format}", run_export, viewer},
    {"GET", "/api/v1/series", series, viewer},
    {"GET", "/api/v1/pressures", pressures, viewer},
    {"GET", "/api/v1/capacities", capacities, viewer},
    {"GET", "/api/v1/studies", studies, viewer},
    {"GET", "/api/v1/studies/{study}", study, viewer},
    {"GET", "/api/v1/studies/{study}/scores", study_scores, viewer},
    {"GET", "/api/v1/studies/{study}/{file}", study_file, viewer},
    {"GET", "/api/v1/materials", materials, viewer},
    {"GET", "/api/v1/cells", cells, viewer},
    {"GET", "/api/v1/entries", all_entries, viewer},
    {"GET", "/metrics", metrics, viewer},
    {"GET", "/healthz", healthz, nobody},
    {"GET", "/readyz", readyz, nobody},
    {"GET", "/api/v1/openapi.json", openapi, nobody},
    {"POST", "/api/v1/runs", start_run, operates},
    {"POST", "/api/v1/imports", import_run, operates},
    {"POST", "/api/v1/runs/{run}/reset", reset_run, admin},
    {"POST", "/api/v1/runs/{run}/{order}", order_for_run, operates},
    {"POST", "/api/v1/alarms/{alarm}/acknowledge", acknowledge, operates},
    {"POST", "/api/v1/alarms/{alarm}/shelve", shelve, operates},
    {"POST", "/api/v1/alarms/{alarm}/unshelve", unshelve, operates},
    {"POST", "/api/v1/stations/{station}/press-test", test_press, admin},
    {"PUT", "/api/v1/materials/{material}", put_material, admin},
    {"DELETE", "/api/v1/materials/{material}", remove_material, admin},
    {"PUT", "/api/v1/cells/{cell}", put_cell, operates},
    {"DELETE", "/api/v1/cells/{cell}", remove_cell, operates},
    {"PUT", "/api/v1/studies/{study}", put_study, admin},
    {"DELETE", "/api/v1/studies/{study}", remove_study, admin},
    {"GET", "/", front_page, nobody},
    {"GET", "/{file}", page_file, nobody},
    {"GET", "/dygraphs/{file}", dygraphs_file, nobody},
};

std::optional<std::vector<std::string>> places(std::string_view pattern, std::string_view path);
bool is_for_us(const Request& request, const House& house);
std::optional<Response> refused_origin(const Request& request);
ArchiveQuery tagged(ArchiveQuery query, std::string if_none_match);
Way guarded(const Route& each, const Asked& asked, const House& house);
Response wrong_method(std::string_view path, const std::set<std::string_view>& allowed);

}  // namespace

Way route(const Request& request, const Api& api, const House& house, const Traffic& traffic) {
  if (!is_for_us(request, house))
    return problem(
        421, "Not for this host",
        fmt::format(
            "The request is for \"{}\"; this daemon answers for {}.", request.host,
            house.hosts.empty() ? "localhost" : fmt::format("localhost, {}", fmt::join(house.hosts, ", "))));
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::set<std::string_view> other_methods;
  for (const Route& each : table) {
    auto found = places(each.pattern, request.path);
    if (!found) continue;
    other_methods.insert(each.method);
    if (each.method != method) continue;
    auto way = guarded(each, {request, api, traffic, std::move(*found)}, house);
    if (auto* query = std::get_if<ArchiveQuery>(&way))
      return tagged(std::move(*query), request.if_none_match);
    return way;
  }
  if (other_methods.empty()) return not_found(request.path);
  return wrong_method(request.path, other_methods);
}

std::vector<std::string> all_routes() {
  std::vector<std::string> found;
  for (const Route& each : table) found.push_back(fmt::format("{} {}", each.method, each.pattern));
  return found;
}

Response problem(unsigned status, std::string_view title, std::string_view detail) {
  JsonWriter writer;
  writer.object().field("type", "about:blank").field("title", title).field("status", status);
  writer.field("detail", detail).end_object();
  auto response = json(std::move(writer));
  response.status = status;
  response.content_type = "application/problem+json";
  response.cache = "no-store";
  return response;
}

Response not_found(std::string_view what) {
  return problem(404, "Not found",
                 fmt::format("There is no {} here. The bench itself is at /api/v1/status.", what));
}

Response json(JsonWriter&& writer) {
  Response response;
  response.body = Body(writer.take());
  return response;
}

bool matches(std::string_view if_none_match, std::string_view etag) {
  // A list of tags or "*"; a weak tag (W/"...") matches as well (RFC 9110, 13.1.2).
  return if_none_match == "*" || if_none_match.find(etag) != if_none_match.npos;
}

Response unchanged(std::string etag) {
  Response response;
  response.status = 304;
  response.etag = std::move(etag);
  return response;
}

std::string_view content_type(std::string_view file) {
  const auto ends = [&](std::string_view suffix) { return file.ends_with(suffix); };
  if (ends(".html")) return "text/html; charset=utf-8";
  if (ends(".css")) return "text/css; charset=utf-8";
  if (ends(".js")) return "text/javascript; charset=utf-8";
  if (ends(".svg")) return "image/svg+xml";
  if (ends(".png")) return "image/png";
  if (ends(".json")) return "application/json";
  if (ends(".csv")) return "text/csv; charset=utf-8";
  if (ends(".txt") || ends(".md")) return "text/plain; charset=utf-8";
  return "application/octet-stream";
}

namespace {

// --- finding the way

std::vector<std::string_view> parts(std::string_view path) {
  std::vector<std::string_view> found;
  while (!path.empty()) {
    path.remove_prefix(1);  // the '/' before each part
    found.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(found.back().size());
  }
  return found;
}

// Ids and file names: nothing that could leave a folder or needs to be escaped.
bool is_name(std::string_view text) {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !text.empty() && text.size() <= 80 && text.front() != '.' &&
         text.find_first_not_of(allowed) == text.npos;
}

std::optional<std::vector<std::string>> places(std::string_view pattern, std::string_view path) {
  const auto wanted = parts(pattern), given = parts(path);
  if (wanted.size() != given.size()) return std::nullopt;
  std::vector<std::string> found;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const bool is_place = wanted[i].starts_with('{');
    if (is_place ? !is_name(given[i]) : wanted[i] != given[i]) return std::nullopt;
    if (is_place) found.emplace_back(given[i]);
  }
  return found;
}

// --- who may

// A web page must not reach us through a name of its own that points here (DNS rebinding): names are known ones. An
// address needs no name server, so beyond loopback any address may stand there.
bool is_for_us(const Request& request, const House& house) {
  const std::string_view host = request.host;
  if (request.peer.local_socket) return true;
  const bool bracketed = host.starts_with('[');
  const auto name = host.substr(0, host.find(':', bracketed ? std::min(host.find(']'), host.size()) : 0));
  if (name == "localhost" || name == "127.0.0.1" || name == "[::1]") return true;
  if (std::ranges::find(house.hosts, name) != house.hosts.end()) return true;
  return !house.loopback && !name.empty() &&
         (bracketed ? name.ends_with(']') : name.find_first_not_of("0123456789.") == name.npos);
}

// An order comes from our own page, or from no page at all.
std::optional<Response> refused_origin(const Request& request) {
  if (request.origin.empty()) return std::nullopt;
  const bool own = request.origin == "http://" + request.host || request.origin == "https://" + request.host;
  if (own && !request.peer.local_socket) return std::nullopt;
  return problem(403, "Not for this page",
                 fmt::format("Orders are not taken from a page of {}.", request.origin));
}

Response no_token(std::string_view detail) {
  auto response = problem(401, "A token is needed", detail);
  response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"cambench\"");
  return response;
}

std::string what_is_needed(Role needed, const House& house) {
  if (needed == viewer)
    return "Who looks from another machine needs a token: cambench token add NAME --role viewer.";
  return fmt::format(
      "An order over TCP needs a token of the role {}: cambench token add NAME --role {}. At the Unix "
      "socket {} none is needed.",
      name(needed), name(needed), house.control_socket);
}

// An order that somebody may not give is an act all the same: it goes into the audit trail.
Way not_allowed(const Route& each, const Asked& asked) {
  const auto words =
      fmt::format("the token of {} has the role {}, and this needs the role {}", asked.request.token->name,
                  name(asked.request.token->role), name(each.needed));
  if (each.method == "GET") return problem(403, "Not allowed", words + '.');
  auto way = each.handler(asked);
  if (std::holds_alternative<Preparation>(way)) {  // nobody reads what they may not bring
    way = order_of(asked.request);
    std::get<Order>(way).what = Order::Import{};
  }
  if (auto* order = std::get_if<Order>(&way)) order->refusal = words;
  return way;
}

Way guarded(const Route& each, const Asked& asked, const House& house) {
  const auto& request = asked.request;
  if (each.method != "GET")
    if (auto refused = refused_origin(request)) return *refused;
  const bool open =
      request.peer.local_socket || each.needed == nobody || (each.needed == viewer && house.loopback);
  if (open) return each.handler(asked);
  if (request.authorization.empty()) return no_token(what_is_needed(each.needed, house));
  if (!request.token) return no_token("This token is not known, or not any more.");
  if (request.token->role < each.needed) return not_allowed(each, asked);
  return each.handler(asked);
}

Response wrong_method(std::string_view path, const std::set<std::string_view>& allowed) {
  auto response =
      problem(405, "Method not allowed", fmt::format("{} takes {}.", path, fmt::join(allowed, " and ")));
  response.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  return response;
}

// What the archive says is tagged by its bytes: who has them already is not sent them again.
ArchiveQuery tagged(ArchiveQuery query, std::string if_none_match) {
  return [query = std::move(query), if_none_match = std::move(if_none_match)](Archive& archive) {
    auto response = query(archive);
    if (response.status != 200 || response.pieces || !response.etag.empty()) return response;
    response.etag = '"' + sha256_hex(response.body.bytes()).substr(0, 16) + '"';
    return matches(if_none_match, response.etag) ? unchanged(std::move(response.etag)) : response;
  };
}

// --- what the board shows

Response published(const Asked& asked, Board::Document which, std::string type = "application/json") {
  const auto& board = asked.api.board();
  auto etag = board.etag();
  if (matches(asked.request.if_none_match, etag)) return unchanged(std::move(etag));
  Response response;
  response.content_type = std::move(type);
  response.body = board.document(which);
  response.etag = std::move(etag);
  return response;
}

Way status(const Asked& asked) { return published(asked, Board::Document::status); }
Way stations(const Asked& asked) { return published(asked, Board::Document::stations); }
Way studies(const Asked& asked) { return published(asked, Board::Document::studies); }

// The server's own numbers change with every request: this document has no tag.
Way metrics(const Asked& asked) {
  Response response;
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  response.body = Body(*asked.api.board().document(Board::Document::metrics) + to_metrics(asked.traffic));
  return response;
}

Way study(const Asked& asked) {
  const auto& board = asked.api.board();
  for (const auto& each : board.status().studies) {
    if (each.id != asked.places[0]) continue;
    auto etag = board.etag();
    if (matches(asked.request.if_none_match, etag)) return unchanged(std::move(etag));
    Response response;
    response.body = Body(to_json(each));
    response.etag = std::move(etag);
    return response;
  }
  return not_found("study called " + asked.places[0]);
}

Response text(unsigned status, std::string what) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = Body(std::move(what));
  response.cache = "no-store";
  return response;
}

// The daemon publishes several times a second: nothing new for so long means that its loop stands.
constexpr Seconds frozen_after{10};

Way healthz(const Asked& asked) {
  const Seconds age = asked.request.at - asked.api.board().status().now;
  if (age > frozen_after)
    return text(503, fmt::format("the bench was last looked at {:.0f} s ago\n", age.count()));
  return text(200, "ok\n");
}

Way readyz(const Asked& asked) {
  const auto& bench = asked.api.board().status();
  return bench.ready ? text(200, "ok\n") : text(503, bench.not_ready + '\n');
}

// --- the page

Way of_program(const Asked& asked, std::string_view file, std::string_view bytes) {
  if (bytes.empty()) return not_found(fmt::format("page called {}", file));
  auto etag = '"' + sha256_hex(bytes).substr(0, 16) + '"';
  if (matches(asked.request.if_none_match, etag)) return unchanged(std::move(etag));
  Response response;
  response.content_type = content_type(file);
  response.body = Body::of_program(bytes);
  response.etag = std::move(etag);
  return response;
}

Way openapi(const Asked& asked) { return of_program(asked, "openapi.json", embedded_api("openapi.json")); }
Way front_page(const Asked& asked) { return of_program(asked, "index.html", embedded_web("index.html")); }
Way page_file(const Asked& asked) {
  return of_program(asked, asked.places[0], embedded_web(asked.places[0]));
}
Way dygraphs_file(const Asked& asked) {
  return of_program(asked, asked.places[0], embedded_dygraphs(asked.places[0]));
}

}  // namespace
}  // namespace cambench::http
