// Any bytes as a request: its target with the query, its body as an order, its tokens. The first line is the target, the
// second the method, the rest the body.
#include <algorithm>
#include <boost/json.hpp>
#include <cstdint>
#include <string>

#include "daemon/http/client.h"
#include "daemon/http/routes.h"
#include "daemon/http/tokens.h"
#include "tests/daemon/bench_fixture.h"
#include "tests/fuzz/must.h"

using namespace cambench;
using namespace cambench::http;

namespace {

/// The fixture's, whose charts have few points: a thousand of them say nothing that eight do not.
struct Archive : fixture::Archive {
  using fixture::Archive::series;
  std::vector<store::SeriesPoint> series(const std::string& run, double from_s, double to_s,
                                         std::size_t max_points) override {
    return fixture::Archive::series(run, from_s, to_s, std::min<std::size_t>(max_points, 8));
  }
  std::vector<store::PressurePoint> pressures_of_run(const std::string& run, std::size_t max_points,
                                                     store::Reader::Sensor sensor) override {
    auto points = fixture::Archive::pressures_of_run(run, max_points, sensor);
    points.resize(8);
    return points;
  }
};

void is_sound(const Response& response) {
  must(response.status >= 200 && response.status < 600);
  const auto text = head(response, true, fixture::noon());
  must(text.ends_with("\r\n\r\n") &&
       text.find("\r\n\r\n") == text.size() - 4);  // nobody can end the head early
  if (!response.content_type.ends_with("json") || response.status == 304 || response.pieces) return;
  const auto bytes = response.body.bytes();
  boost::system::error_code error;
  boost::json::parse(boost::json::string_view(bytes.data(), bytes.size()), error);
  must(!error);
}

void follow(const Request& request, const House& house) {
  static const fixture::Daemon daemon;
  static Archive archive;
  auto way = route(request, daemon, house, Traffic{});
  if (const auto* preparation = std::get_if<Preparation>(&way)) {
    auto asking = preparation->read(request);
    if (auto* refused = std::get_if<Response>(&asking)) return is_sound(*refused);
    auto read = std::get<Preparation::Asking>(asking)(archive);
    if (auto* refused = std::get_if<Response>(&read)) return is_sound(*refused);
    way = std::get<Order>(std::move(read));
  }
  if (const auto* response = std::get_if<Response>(&way)) is_sound(*response);
  if (const auto* query = std::get_if<ArchiveQuery>(&way)) is_sound((*query)(archive));
  if (const auto* order = std::get_if<Order>(&way)) {
    must(request.peer.local_socket || request.token);  // nobody else gave it
    must(!order->who.empty());
    is_sound(answered(*order, fail(Fault::Kind::refused, order->reason)));
    is_sound(answered(*order, std::string("r000001")));
  }
}

void ask(const std::string& target, const std::string& method, const std::string& body) {
  auto request = parse_target(target);
  if (!request) return;
  request->method = method;
  request->host = "localhost";
  request->content_type = "application/json";
  request->body = body;
  request->at = fixture::noon();
  House house{"/run/cambench/control.sock", true, {}};
  follow(*request, house);  // without a token
  request->peer.local_socket = true;
  follow(*request, house);
  request->peer.local_socket = false;
  house.loopback = false;
  request->host = request->authorization = request->last_event_id = body.substr(0, 80);
  follow(*request, house);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(data, data + size);
  const auto first = text.find('\n'), second = text.find('\n', first == text.npos ? first : first + 1);
  const auto body = second == text.npos ? std::string() : text.substr(second + 1);
  const auto method = first == text.npos ? std::string("GET") : text.substr(first + 1, second - first - 1);
  ask(text.substr(0, first), method, body);
  must(bearer(text).find(' ') == std::string_view::npos);
  must(cookie_token(text).size() <= text.size());
  if (const auto tokens = parse_tokens(text, "tokens")) {
    for (const auto& token : *tokens) must(token.role != Role::nobody && token.hash.size() == 64);
    must(!find_token(*tokens, text));
  }
  (void)parse_reply(text);
  (void)parse_address(text);
  return 0;
}
