#include "daemon/http/routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "daemon/http/handlers.h"
#include "schema/sha256.h"

namespace cambench {
std::string_view embedded_web(std::string_view file);
std::string_view embedded_dygraphs(std::string_view file);
}  // namespace cambench

namespace cambench::http {

namespace {

Way status(const Asked& asked);
Way stations(const Asked& asked);
Way studies(const Asked& asked);
Way study(const Asked& asked);
Way metrics(const Asked& asked);
Way healthz(const Asked& asked);
Way readyz(const Asked& asked);
Way front_page(const Asked& asked);
Way page_file(const Asked& asked);
Way dygraphs_file(const Asked& asked);

struct Route {
  std::string_view method, pattern;
  Way (*handler)(const Asked&);
};

// The first pattern that fits is taken. A {place} stands for one part of the path.
constexpr Route table[] = {
    {"GET", "/api/v1/status", status},
    {"GET", "/api/v1/stations", stations},
    {"GET", "/api/v1/alarms", alarms},
    {"GET", "/api/v1/events", events},
    {"GET", "/api/v1/runs", runs},
    {"GET", "/api/v1/runs/{run}", run},
    {"GET", "/api/v1/runs/{run}/events", run_events},
    {"GET", "/api/v1/runs/{run}/steps", run_steps},
    {"GET", "/api/v1/series", series},
    {"GET", "/api/v1/pressures", pressures},
    {"GET", "/api/v1/capacities", capacities},
    {"GET", "/api/v1/studies", studies},
    {"GET", "/api/v1/studies/{study}", study},
    {"GET", "/api/v1/studies/{study}/scores", study_scores},
    {"GET", "/api/v1/studies/{study}/{file}", study_file},
    {"GET", "/metrics", metrics},
    {"GET", "/healthz", healthz},
    {"GET", "/readyz", readyz},
    {"POST", "/api/v1/runs", start_run},
    {"POST", "/api/v1/runs/{run}/{order}", order_for_run},
    {"POST", "/api/v1/alarms/{alarm}/acknowledge", acknowledge},
    {"POST", "/api/v1/stations/{station}/press-test", test_press},
    {"GET", "/", front_page},
    {"GET", "/{file}", page_file},
    {"GET", "/dygraphs/{file}", dygraphs_file},
};

std::optional<std::vector<std::string>> places(std::string_view pattern, std::string_view path);
bool is_loopback(std::string_view host);
std::optional<Response> refused_control(const Request& request, std::string_view control_socket);
Response wrong_method(std::string_view path, const std::set<std::string_view>& allowed);

}  // namespace

Way route(const Request& request, const Api& api, std::string_view control_socket) {
  if (!request.peer.local_socket && !is_loopback(request.host))
    return problem(
        421, "Not for this host",
        fmt::format("The request is for \"{}\"; this daemon answers for localhost.", request.host));
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::set<std::string_view> other_methods;
  for (const auto& [wanted, pattern, handler] : table) {
    auto found = places(pattern, request.path);
    if (!found) continue;
    other_methods.insert(wanted);
    if (wanted != method) continue;
    if (method != "GET")
      if (auto refused = refused_control(request, control_socket)) return *refused;
    return handler({request, api, std::move(*found)});
  }
  if (other_methods.empty()) return not_found(request.path);
  return wrong_method(request.path, other_methods);
}

std::vector<std::string> all_routes() {
  std::vector<std::string> found;
  for (const auto& [method, pattern, handler] : table) found.push_back(fmt::format("{} {}", method, pattern));
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

// A web page must not reach us through a name of its own that points here (DNS rebinding).
bool is_loopback(std::string_view host) {
  if (host == "[::1]" || host.starts_with("[::1]:")) return true;
  const auto name = host.substr(0, host.find(':'));
  return name == "localhost" || name == "127.0.0.1";
}

std::optional<Response> refused_control(const Request& request, std::string_view control_socket) {
  if (!request.origin.empty())
    return problem(403, "Not for web pages",
                   "Orders are not taken from a page in a browser; use the cambench command.");
  if (!request.peer.local_socket)
    return problem(
        403, "Read-only here",
        fmt::format("HTTP over TCP only shows. Orders go to the Unix socket {0}: use the cambench command, "
                    "or curl --unix-socket {0}.",
                    control_socket));
  return std::nullopt;
}

Response wrong_method(std::string_view path, const std::set<std::string_view>& allowed) {
  auto response =
      problem(405, "Method not allowed", fmt::format("{} takes {}.", path, fmt::join(allowed, " and ")));
  response.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  return response;
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
Way metrics(const Asked& asked) {
  return published(asked, Board::Document::metrics, "text/plain; version=0.0.4; charset=utf-8");
}

Way study(const Asked& asked) {
  for (const auto& each : asked.api.board().status().studies)
    if (each.id == asked.places[0]) {
      Response response;
      response.body = Body(to_json(each));
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

Way front_page(const Asked& asked) { return of_program(asked, "index.html", embedded_web("index.html")); }
Way page_file(const Asked& asked) {
  return of_program(asked, asked.places[0], embedded_web(asked.places[0]));
}
Way dygraphs_file(const Asked& asked) {
  return of_program(asked, asked.places[0], embedded_dygraphs(asked.places[0]));
}

}  // namespace
}  // namespace cambench::http
