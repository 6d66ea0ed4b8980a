// schema/openapi.json against the routes: every one of them, every parameter, every field, every role.
#include "tests/daemon/openapi.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "daemon/http/routes.h"
#include "tests/daemon/bench_fixture.h"

using namespace cambench;
using namespace cambench::http;

namespace {

struct Bench {
  fixture::Daemon daemon;
  fixture::Archive archive;
  House house{"/run/cambench/control.sock", true, {}};
  Traffic traffic;

  /// A pattern as a target that is there in the fixture.
  static std::string target_of(std::string_view route) {
    std::string target(route.substr(route.find(' ') + 1));
    const auto put = [&](std::string_view place, std::string_view value) {
      if (const auto at = target.find(place); at != target.npos) target.replace(at, place.size(), value);
    };
    put("{run}", "r000012");
    put("{study}", "coatings");
    put("{format}", "bdf");
    put("{station}", "A4");
    put("{alarm}", "41");
    put("{order}", "pause");
    put("{material}", "ncm-linbo3");
    put("{cell}", "R-LiNbO3");
    put("{file}", route.find("dygraphs") != route.npos  ? "dygraph.min.js"
                  : route.find("studies") != route.npos ? "report.html"
                                                        : "index.html");
    return target;
  }
  [[nodiscard]] Request request(std::string_view route, std::string_view query = "") const {
    auto request = *parse_target(target_of(route) + std::string(query));
    request.method = route.substr(0, route.find(' '));
    request.host = "localhost";
    request.at = daemon.board().status().now;
    request.content_type = "application/json";
    if (request.method != "GET") request.peer.local_socket = true;
    return request;
  }
  Way way(const Request& request) const { return route(request, daemon, house, traffic); }
  Order order(const Request& request) {
    auto leads_to = way(request);
    if (auto* preparation = std::get_if<Preparation>(&leads_to))
      return std::get<Order>(std::get<Preparation::Asking>(preparation->read(request))(archive));
    return std::get<Order>(std::move(leads_to));
  }
  Response respond(const Request& request) {
    auto leads_to = way(request);
    if (auto* query = std::get_if<ArchiveQuery>(&leads_to)) return (*query)(archive);
    if (auto* preparation = std::get_if<Preparation>(&leads_to))
      return std::get<Response>(preparation->read(request));
    REQUIRE(std::holds_alternative<Response>(leads_to));
    return std::get<Response>(leads_to);
  }
};

std::string detail(const Response& response) {
  return std::string(openapi::json::parse(openapi::json::string_view(response.body.bytes().data(),
                                                                     response.body.bytes().size()))
                         .at("detail")
                         .as_string());
}

void is_as_promised(const openapi::Document& document, std::string_view route, const Response& response) {
  for (const auto& complaint :
       document.complaints(route, response.status, response.content_type, response.body.bytes()))
    FAIL_CHECK(complaint);
}

/// The names after "there are " in "x is not known here; there are a, b, c."
std::set<std::string> names_in(std::string sentence) {
  const auto begin = sentence.find("there are ");
  std::set<std::string> names;
  if (begin == sentence.npos || sentence.find("no parameters") != sentence.npos) return names;
  sentence = sentence.substr(begin + 10);
  sentence.pop_back();
  for (std::size_t at = 0; at < sentence.size();) {
    const auto end = std::min(sentence.find(", ", at), sentence.size());
    names.insert(sentence.substr(at, end - at));
    at = end + 2;
  }
  return names;
}

/// What a member of an order may be.
std::string value_of(std::string_view key) {
  static const std::map<std::string_view, std::string_view> values{
      {"empty", "yes"},
      {"target_MPa", "1"},
      {"minutes", "1"},
      {"cell", "R-LiNbO3"},
      {"recipe", "rate-test-3e"},
      {"voltage_is", "we_vs_re"},
      {"file", "rate.csv"},
      {"changed", "2026-11-22T13:00:00Z"},
      {"csv", "test_time,step_time,cycle_index,step_index,current,voltage\n30,30,1,1,0.001,3.1\n"}};
  const auto found = values.find(key);
  return std::string(found == values.end() ? "anna" : found->second);
}

std::string needed_of(const openapi::json::object& operation) {
  for (const auto& each : operation.at("security").as_array())
    if (const auto* roles = each.as_object().if_contains("token"))
      return std::string(roles->as_array().at(0).as_string());
  return "nobody";
}

}  // namespace

TEST_CASE("every route is described, and nothing that is described is missing") {
  const openapi::Document document;
  auto described = document.routes(), there = all_routes();
  std::ranges::sort(described);
  std::ranges::sort(there);
  CHECK(described == there);
}

TEST_CASE("what every GET route answers for the bench of the fixture is as it is described") {
  const openapi::Document document;
  Bench bench;
  for (const auto& route : document.routes()) {
    if (!route.starts_with("GET ") || route.ends_with("/stream")) continue;
    CAPTURE(route);
    const bool of_run =
        document.operation(route).contains("parameters") &&
        openapi::json::serialize(document.operation(route)).find("\"station\"") != std::string::npos;
    const auto response = bench.respond(bench.request(route, of_run ? "?station=A1" : ""));
    CHECK(response.status == 200);
    is_as_promised(document, route, response);
  }
  const std::string series = "GET /api/v1/series";
  is_as_promised(document, series, bench.respond(bench.request(series, "?run=r000012&format=columns")));
  is_as_promised(document, series, bench.respond(bench.request(series, "?run=r000012&fields=cell_V")));
}

TEST_CASE("the described parameters of every route without a body are those that it takes") {
  const openapi::Document document;
  Bench bench;
  for (const auto& route : document.routes()) {
    if (!route.starts_with("GET /api/v1/") && !route.starts_with("DELETE ")) continue;
    CAPTURE(route);
    std::set<std::string> described;
    const auto* parameters = document.operation(route).if_contains("parameters");
    for (const auto& each : parameters ? parameters->as_array() : openapi::json::array())
      if (each.at("in") == "query") described.emplace(each.at("name").as_string());
    if (described.empty()) continue;
    const auto refused =
        bench.respond(bench.request(route, described.contains("station") ? "?station=A1&zzz=1" : "?zzz=1"));
    CHECK(refused.status == 400);
    is_as_promised(document, route, refused);
    CHECK(names_in(detail(refused)) == described);
  }
}

TEST_CASE("the described members of every order are those that it takes, and its answers are as described") {
  const openapi::Document document;
  Bench bench;
  for (const auto& route : document.routes()) {
    if (route.starts_with("GET ")) continue;
    CAPTURE(route);
    const auto& operation = document.operation(route);
    if (!route.starts_with(
            "POST ")) {  // what an entry may hold is told by the configuration's reader (entries.cpp)
      const bool away = route.starts_with("DELETE ");
      auto request = bench.request(route, away ? "?who=anna&reason=it+broke" : "");
      request.body = away ? "" : "{}";
      const auto order = std::get<Order>(bench.way(request));
      is_as_promised(document, route, answered(order, "kept"));
      is_as_promised(document, route, answered(order, fail(Fault::Kind::refused, "no")));
      continue;
    }
    const auto& form =
        operation.at("requestBody").at("content").at("application/json").at("schema").as_object();
    std::set<std::string> described;
    openapi::json::object full;
    for (const auto& [key, schema] : form.at("properties").as_object()) {
      described.emplace(key);
      full[key] = openapi::json::string(value_of(openapi::view(key)));
    }
    auto request = bench.request(route);
    request.body = R"({"zzz":"x"})";
    const auto refused = bench.respond(request);
    CHECK(refused.status == 400);
    is_as_promised(document, route, refused);
    CHECK(names_in(detail(refused)) == described);

    request.body = openapi::json::serialize(full);
    const auto order = bench.order(request);
    is_as_promised(document, route, answered(order, "r000015"));
    for (const auto kind :
         {Fault::Kind::refused, Fault::Kind::input, Fault::Kind::storage, Fault::Kind::timeout})
      is_as_promised(document, route, answered(order, fail(kind, "no")));

    for (const auto& key : form.at("required").as_array()) {
      auto less = full;
      less.erase(key.as_string());
      request.body = openapi::json::serialize(less);
      CHECK(bench.respond(request).status == 400);
    }
  }
}

TEST_CASE("the described role of every route is the one that it asks for beyond loopback") {
  const openapi::Document document;
  Bench bench;
  bench.house.loopback = false;
  for (const auto& route : document.routes()) {
    CAPTURE(route);
    auto request = bench.request(route);
    request.peer = {};
    request.host = "192.168.1.5";
    const auto needed = needed_of(document.operation(route));
    const auto without = bench.way(request);
    const bool asked = std::holds_alternative<Response>(without) && std::get<Response>(without).status == 401;
    CHECK(asked == (needed != "nobody"));
    if (asked) is_as_promised(document, route, std::get<Response>(without));
    if (route.starts_with("GET ") || needed == "nobody") continue;
    request.authorization = "Bearer x";
    if (route.starts_with("DELETE ")) request.query = {{"reason", "it broke"}};
    request.body = R"({"station":"A4","recipe":"r","reason":"x","empty":"yes","who":"anna"})";
    const auto refused_with = [&](Role role, std::string body) {
      request.token = Token{"anna", role, {}, {}};
      request.body = std::move(body);
      const auto way = bench.way(request);
      return std::holds_alternative<Order>(way) && !std::get<Order>(way).refusal.empty();
    };
    openapi::json::object full;
    if (document.operation(route).contains("requestBody"))
      for (const auto& key : document.operation(route)
                                 .at("requestBody")
                                 .at("content")
                                 .at("application/json")
                                 .at("schema")
                                 .at("required")
                                 .as_array())
        full[key.as_string()] = key == "empty" ? "yes" : key == "minutes" ? "1" : "anna";
    const auto body = openapi::json::serialize(full);
    CHECK(refused_with(Role::viewer, body));
    CHECK(refused_with(Role::operates, body) == (needed == "admin"));
    CHECK_FALSE(refused_with(Role::admin, body));
  }
}

TEST_CASE(
    "a complaint is made of a field too many, one too few, a wrong type and a route that is not there") {
  const openapi::Document document;
  const std::string route = "GET /api/v1/audit";
  const auto complaints = [&](std::string_view body) {
    return document.complaints(route, 200, "application/json", body).size();
  };
  const std::string good =
      R"("id":5,"time":"2026-11-22T13:00:00.000Z","time_ms":1,"who":"anna","act":"reset","target":null,)"
      R"("reason":null,"outcome":"granted")";
  CHECK(complaints('[' + ('{' + good + "}]")) == 0);
  CHECK(complaints("[{" + good + R"(,"more":1}])") == 1);
  CHECK(complaints(R"([{"id":5}])") == 7);
  CHECK(complaints("[{" + good + R"(,"id":"5"}])") == 1);
  CHECK(complaints("{}") == 1);
  CHECK_FALSE(document.complaints(route, 418, "text/html", "").empty());
  CHECK_THROWS(static_cast<void>(document.operation("GET /api/v1/nothing")));
}
