// Where requests lead, without a socket: the routes are a function.
#include "daemon/http/routes.h"

#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <limits>
#include <set>

#include "daemon/http/metrics.h"
#include "schema/json.h"
#include "tests/daemon/bench_fixture.h"

using namespace cambench;
using namespace cambench::http;

namespace {

constexpr std::string_view socket_path = "/run/cambench/control.sock";

struct Bench {
  fixture::Daemon daemon;
  fixture::Archive archive;
  House house{std::string(socket_path), true, {}};
  Traffic traffic;

  Request request(std::string_view method, std::string_view target) const {
    auto request = parse_target(target);
    REQUIRE(request.has_value());
    request->method = method;
    request->host = "127.0.0.1:8870";
    request->at = daemon.board().status().now;
    return *request;
  }
  Way way(const Request& request) const { return route(request, daemon, house, traffic); }
  Response get(std::string_view target) { return respond(request("GET", target)); }
  Response respond(const Request& request) {
    auto leads_to = way(request);
    if (auto* query = std::get_if<ArchiveQuery>(&leads_to)) return (*query)(archive);
    REQUIRE(std::holds_alternative<Response>(leads_to));
    return std::get<Response>(leads_to);
  }
  /// An order over the Unix socket.
  Way order(std::string_view target, std::string body) const {
    auto it = request("POST", target);
    it.peer = {true, 1000, 4711};
    it.host = "localhost";
    it.content_type = "application/json";
    it.body = std::move(body);
    return way(it);
  }
};

boost::json::value parsed(const Response& response) {
  return boost::json::parse(
      boost::json::string_view(response.body.bytes().data(), response.body.bytes().size()));
}

std::string detail(const Response& response) {
  CHECK(response.content_type == "application/problem+json");
  return std::string(parsed(response).at("detail").as_string());
}

}  // namespace

TEST_CASE("the status is written once a revision and shared by all who ask") {
  Bench bench;
  const auto first = bench.get("/api/v1/status"), second = bench.get("/api/v1/status");
  CHECK(first.body.bytes().data() == second.body.bytes().data());
  CHECK(first.etag == "\"boot-1\"");
  bench.daemon.publish(fixture::bench());
  const auto third = bench.get("/api/v1/status");
  CHECK(third.etag == "\"boot-2\"");
  CHECK(parsed(third).at("revision") == 2);
  CHECK(parsed(first).at("revision") == 1);  // who still sends the old one keeps it
}

TEST_CASE("who has this revision gets 304, however the tag is written") {
  Bench bench;
  for (const auto* tag : {"\"boot-1\"", "W/\"boot-1\"", "\"x\", \"boot-1\"", "*"}) {
    auto request = bench.request("GET", "/api/v1/status");
    request.if_none_match = tag;
    CHECK(bench.respond(request).status == 304);
  }
  auto request = bench.request("GET", "/api/v1/status");
  request.if_none_match = "\"boot-11\"";
  CHECK(bench.respond(request).status == 200);
}

TEST_CASE("every GET route of the table answers for the bench of the fixture") {
  Bench bench;
  for (const auto& entry : all_routes()) {
    if (!entry.starts_with("GET ")) continue;
    std::string target = entry.substr(4);
    const auto put = [&](std::string_view place, std::string_view value) {
      if (const auto at = target.find(place); at != target.npos) target.replace(at, place.size(), value);
    };
    put("{run}", "r000012");
    put("{study}", "coatings");
    put("{format}", "bdf");
    if (target == "/api/v1/events/stream") continue;  // leads to a stream
    put("{file}", entry.find("dygraphs") != entry.npos  ? "dygraph.min.js"
                  : entry.find("studies") != entry.npos ? "report.html"
                                                        : "index.html");
    if (target == "/api/v1/series" || target == "/api/v1/pressures" || target == "/api/v1/capacities")
      target += "?station=A1";
    CAPTURE(target);
    const auto response = bench.get(target);
    CHECK(response.status == 200);
    CHECK(response.body.bytes().empty() == (response.pieces != nullptr));
    if (response.content_type == "application/json") CHECK_NOTHROW(parsed(response));
  }
}

TEST_CASE("what is not there is told with its path, and a wrong method with the right ones") {
  Bench bench;
  for (const auto* target :
       {"/api/v1/nothing", "/api/v1/runs/", "/api/v1/runs/x/y/z", "//", "/api/v1/status/", "/nothing.html",
        "/dygraphs/..", "/api/v1/studies/coatings/.hidden", "/api/v1/studies/coatings/..%2f..%2fetc%2fpasswd",
        "/api/v1/runs/unknown", "/api/v1/studies/other/report.html", "/api/v1/studies/other"}) {
    CAPTURE(target);
    CHECK(bench.get(target).status == 404);
  }
  const auto wrong = bench.respond(bench.request("DELETE", "/api/v1/runs"));
  CHECK(wrong.status == 405);
  CHECK(wrong.headers[0] == std::pair<std::string, std::string>("Allow", "GET, POST"));
}

TEST_CASE("the page's cookie is found among others") {
  CHECK(cookie_token("cambench_token=cb_1") == "cb_1");
  CHECK(cookie_token("a=b; cambench_token=cb_1; c=d") == "cb_1");
  CHECK(cookie_token("a=b;  cambench_token=cb_1") == "cb_1");
  for (const auto* other :
       {"", ";", "; ;", "xcambench_token=cb_1", "cambench_token", "a=cambench_token=cb_1"})
    CHECK(cookie_token(other).empty());
}

TEST_CASE("targets are decoded, and broken ones are none") {
  const auto request = parse_target("/a%20b?x=1+2&y=%C2%B5&z&&=e#part");
  REQUIRE(request.has_value());
  CHECK(request->path == "/a b");
  CHECK(request->asked("x") == "1 2");
  CHECK(request->asked("y") == "µ");
  CHECK(request->asked("z") == "");
  CHECK_FALSE(request->asked("w").has_value());
  for (const auto* broken : {"", "x", "http://localhost/", "/%", "/%4", "/%zz", "/%00", "/?a=%"}) {
    CAPTURE(broken);
    CHECK_FALSE(parse_target(broken).has_value());
  }
}

TEST_CASE("a page that reached us under a foreign name is sent away") {
  Bench bench;
  for (const auto* name : {"evil.example", "evil.example:8870", "127.0.0.1.evil.example", "localhost.evil",
                           "", "[::2]", "[::1].evil"}) {
    CAPTURE(name);
    auto request = bench.request("GET", "/api/v1/status");
    request.host = name;
    CHECK(bench.respond(request).status == 421);
  }
  for (const auto* name : {"localhost", "localhost:1", "127.0.0.1", "[::1]:8870", "[::1]"}) {
    auto request = bench.request("GET", "/api/v1/status");
    request.host = name;
    CHECK(bench.respond(request).status == 200);
  }
}

TEST_CASE("over TCP nothing is ordered without a token, and at the socket nothing from a web page") {
  Bench bench;
  const auto over_tcp = bench.respond(bench.request("POST", "/api/v1/runs"));
  CHECK(over_tcp.status == 401);
  CHECK(over_tcp.headers[0] ==
        std::pair<std::string, std::string>("WWW-Authenticate", "Bearer realm=\"cambench\""));
  CHECK(detail(over_tcp).find(socket_path) != std::string::npos);
  auto from_page = bench.request("POST", "/api/v1/runs/r000012/abort");
  from_page.peer.local_socket = true;
  from_page.origin = "http://127.0.0.1:8870";
  CHECK(bench.respond(from_page).status == 403);
}

TEST_CASE(
    "each role over TCP may do what the one before it may, and what it may not is recorded as refused") {
  Bench bench;
  struct Act {
    std::string_view target;
    std::string body;
    Role needed;
  };
  const std::vector<Act> acts = {
      {"/api/v1/runs", R"({"station":"A4","recipe":"rate-test-3e"})", Role::operates},
      {"/api/v1/runs/r000012/pause", "{}", Role::operates},
      {"/api/v1/alarms/41/acknowledge", "{}", Role::operates},
      {"/api/v1/runs/r000012/reset", R"({"reason":"the leak is mended"})", Role::admin},
      {"/api/v1/stations/A4/press-test", R"({"empty":"yes"})", Role::admin}};
  for (const auto& [target, body, needed] : acts)
    for (const Role role : {Role::viewer, Role::operates, Role::admin}) {
      CAPTURE(target);
      CAPTURE(name(role));
      auto request = bench.request("POST", target);
      request.peer.address = "10.0.0.7";
      request.authorization = "Bearer cb_1";
      request.token = Token{"anna", role, {}, {}};
      request.content_type = "application/json";
      request.body = body;
      const auto order = std::get<Order>(bench.way(request));
      CHECK(order.who == "anna");
      CHECK(order.peer == fmt::format("token anna, {}, 10.0.0.7", name(role)));
      CHECK(order.refusal.empty() == (role >= needed));
      if (role < needed) {
        CHECK(order.refusal == fmt::format("the token of anna has the role {}, and this needs the role {}",
                                           name(role), name(needed)));
        CHECK(answered(order, fail(Fault::Kind::refused, order.refusal)).status == 403);
      }
    }
}

TEST_CASE("an order over TCP comes from our own page or from no page") {
  Bench bench;
  const auto status_from = [&](std::string origin) {
    auto request = bench.request("POST", "/api/v1/runs/r000012/pause");
    request.authorization = "Bearer cb_1";
    request.token = Token{"anna", Role::admin, {}, {}};
    request.origin = std::move(origin);
    request.content_type = "application/json";
    request.body = "{}";
    const auto way = bench.way(request);
    return std::holds_alternative<Order>(way) ? 200u : std::get<Response>(way).status;
  };
  CHECK(status_from("") == 200);
  CHECK(status_from("http://127.0.0.1:8870") == 200);
  CHECK(status_from("https://127.0.0.1:8870") == 200);  // a web server in front speaks TLS
  CHECK(status_from("http://127.0.0.1:8871") == 403);
  CHECK(status_from("http://evil.example") == 403);
  CHECK(status_from("null") == 403);
}

TEST_CASE("beyond loopback every look at the bench needs a token, and the page that asks for it does not") {
  Bench bench;
  bench.house.loopback = false;
  const auto status = [&](std::string_view target, std::optional<Role> role) {
    auto request = bench.request("GET", target);
    request.host = "192.168.1.5:8870";
    if (role) {
      request.authorization = "Bearer cb_1";
      if (*role != Role::nobody) request.token = Token{"wall", *role, {}, {}};
    }
    return bench.respond(request).status;
  };
  for (const auto* shown : {"/api/v1/status", "/metrics", "/api/v1/runs", "/api/v1/audit"}) {
    CHECK(status(shown, std::nullopt) == 401);
    CHECK(status(shown, Role::nobody) == 401);  // a token that is not known
    CHECK(status(shown, Role::viewer) == 200);
  }
  for (const auto* open : {"/", "/app.js", "/healthz", "/readyz", "/api/v1/openapi.json"})
    CHECK(status(open, std::nullopt) != 401);
}

TEST_CASE("beyond loopback an address is answered, and of names only those that are configured") {
  Bench bench;
  bench.house.loopback = false;
  bench.house.hosts = {"bench.lab.example"};
  const auto status = [&](std::string host) {
    auto request = bench.request("GET", "/healthz");
    request.host = std::move(host);
    return bench.respond(request).status;
  };
  for (const auto* host : {"192.168.1.5:8870", "[fd00::7]:8870", "bench.lab.example", "localhost:8870"})
    CHECK(status(host) == 200);
  for (const auto* host : {"evil.example", "192.168.1.5.evil.example", "[fd00::7].evil", "[fd00", "",
                           "bench.lab.example.evil.example"})
    CHECK(status(host) == 421);
}

TEST_CASE("a bearer token is read from its header, and nothing else is taken for one") {
  CHECK(bearer("Bearer cb_0123") == "cb_0123");
  CHECK(bearer("bearer   cb_0123") == "cb_0123");
  for (const auto* other : {"", "Bearer", "Bearer ", "Bearer    ", "Basic YTpi", "cb_0123", "Bearer a b"})
    CHECK(bearer(other).empty());
}

TEST_CASE("an order carries who gave it, as they say and as the kernel says") {
  Bench bench;
  const auto start = std::get<Order>(bench.order(
      "/api/v1/runs", R"({"station":"A4","cell":"R-1","recipe":"rate-test-3e","who":"anna","reason":"go"})"));
  const auto& run = std::get<Order::StartRun>(start.what);
  CHECK(run.station == "A4");
  CHECK(run.cell == "R-1");
  CHECK(run.recipe == "rate-test-3e");
  CHECK(start.who == "anna");
  CHECK(start.peer == "uid 1000, pid 4711");
  CHECK(start.reason == "go");

  const auto pause = std::get<Order>(bench.order("/api/v1/runs/r000012/pause", "{}"));
  CHECK(std::get<Order::ForRun>(pause.what).run == "r000012");
  CHECK(std::get<Order::ForRun>(pause.what).what == event::Ordered::What::pause);
  CHECK(pause.who == "uid 1000");

  const auto seen = std::get<Order>(bench.order("/api/v1/alarms/41/acknowledge", R"({"who":"anna"})"));
  CHECK(std::get<Order::Acknowledge>(seen.what).alarm == 41);
}

TEST_CASE("an order that cannot be read says what is wrong with it") {
  Bench bench;
  const auto refused = [&](std::string_view target, std::string body) {
    const auto way = bench.order(target, std::move(body));
    REQUIRE(std::holds_alternative<Response>(way));
    CHECK(std::get<Response>(way).status == 400);
    return detail(std::get<Response>(way));
  };
  CHECK(refused("/api/v1/runs", R"({"station":"A4"})") == "\"recipe\" is missing.");
  CHECK(refused("/api/v1/runs", R"({"station":4})") == "\"station\" must be a text.");
  CHECK(refused("/api/v1/runs", R"({"statoin":"A4"})") ==
        "\"statoin\" is not known here; there are station, cell, recipe, who, reason.");
  CHECK(refused("/api/v1/runs", "[]").starts_with("The body is no JSON object"));
  CHECK(refused("/api/v1/runs", "{").starts_with("The body is no JSON object"));
  CHECK(refused("/api/v1/runs", std::string(60'000, '[')).starts_with("The body is no JSON object"));
  CHECK(refused("/api/v1/runs/r1/reset", R"({"who":"anna"})") ==
        "A reset is a named person's act: it needs \"who\" and \"reason\".");
  CHECK(refused("/api/v1/runs/r1/abort", R"({"reason":")" + std::string(501, 'x') + "\"}") ==
        "\"reason\" is longer than 500 characters.");
  CHECK(std::get<Response>(bench.order("/api/v1/runs/r1/explode", "{}")).status == 404);
  CHECK(refused("/api/v1/runs/r1/reset", R"({"reason":"mended"})").find("\"who\"") != std::string::npos);
  CHECK(std::get<Response>(bench.order("/api/v1/alarms/x1/acknowledge", "{}")).status == 404);
  auto form = bench.request("POST", "/api/v1/runs/r1/abort");
  form.peer.local_socket = true;
  form.content_type = "application/x-www-form-urlencoded";
  CHECK(bench.respond(form).status == 400);
}

TEST_CASE("what is taken away is taken away for a reason, which the order carries") {
  Bench bench;
  auto request = bench.request("DELETE", "/api/v1/cells/R-LiNbO3");
  request.peer.local_socket = true;
  CHECK(detail(bench.respond(request)) == "Who takes away a cell says why: ?reason=...");
  request.query = {{"reason", "the wire broke"}, {"who", "anna"}};
  const auto order = std::get<Order>(bench.way(request));
  CHECK(order.who == "anna");
  CHECK(order.reason == "the wire broke");
  CHECK_FALSE(std::get<Order::Edit>(order.what).json);
  request.query = {{"reason", std::string(501, 'x')}};
  CHECK(bench.respond(request).status == 400);
}

TEST_CASE("an order's result is told: done, refused, impossible, not kept") {
  Order order;
  order.who = "anna";
  order.what = Order::StartRun{"A4", "R-1", "rate-test-3e"};
  const auto started = answered(order, "r000015");
  CHECK(started.status == 201);
  CHECK(started.headers[0].second == "/api/v1/runs/r000015");
  const auto told = [&](Fault::Kind kind) { return answered(order, fail(kind, "another run is on A4")); };
  CHECK(told(Fault::Kind::refused).status == 409);
  CHECK(detail(told(Fault::Kind::refused)) == "another run is on A4.");
  CHECK(told(Fault::Kind::input).status == 422);
  CHECK(told(Fault::Kind::instrument).status == 502);
  CHECK(told(Fault::Kind::storage).status == 503);
  CHECK(told(Fault::Kind::timeout).status == 504);
  order.what = Order::ForRun{"r000012", event::Ordered::What::abort};
  CHECK(answered(order, "").status == 200);
}

TEST_CASE("a series takes what Grafana sends, in test time of the run") {
  Bench bench;
  const auto start = fixture::noon() - std::chrono::hours(61);
  bench.get("/api/v1/series?run=r000012&from=" + std::to_string(unix_ms(start + std::chrono::hours(1))) +
            "&to=2026-11-20T02:00:00.500Z&max_points=50");
  CHECK(bench.archive.asked_from_s == doctest::Approx(3600));
  CHECK(bench.archive.asked_to_s == doctest::Approx(7200.5));
  bench.get("/api/v1/series?run=r000012&from=2026-11-20T02:00:00Z");  // until now, and what is to come
  CHECK(bench.archive.asked_to_s > 100 * 365 * 86400.0);
  bench.get("/api/v1/series?run=r000012&to=2026-11-20T02:00:00Z");
  CHECK(bench.archive.asked_from_s < -50 * 365 * 86400.0);
  bench.get("/api/v1/series?station=A1&from_s=10&to_s=20");
  CHECK(bench.archive.asked_from_s == 10);
  CHECK(bench.archive.asked_to_s == 20);
}

TEST_CASE("pressures are those of the press, or of the second sensor where it is asked for") {
  using Sensor = store::Reader::Sensor;
  Bench bench;
  CHECK(bench.get("/api/v1/pressures?run=r000012&sensor=second").status == 200);
  CHECK(bench.archive.asked_sensor == Sensor::second);
  CHECK(bench.get("/api/v1/pressures?run=r000012&max_points=50").status == 200);
  CHECK(bench.archive.asked_sensor == Sensor::press);
  const auto unknown = bench.get("/api/v1/pressures?run=r000012&sensor=third");
  CHECK(unknown.status == 400);
  CHECK(unknown.body.bytes().find("sensor=third is not known; there are press and second.") !=
        std::string::npos);
}

TEST_CASE("a thinned point becomes two rows, its lowest and its highest, and nothing in between is made up") {
  Bench bench;
  // The fixture's discharge points have 4 mV between their extremes, its charge points none.
  const auto rows =
      parsed(bench.get("/api/v1/series?run=r000012&from_s=20000&to_s=21000&max_points=2")).as_array();
  REQUIRE(rows.size() == 4);
  CHECK(rows[0].at("time_ms") == rows[1].at("time_ms"));
  CHECK(rows[1].at("we_vs_re_V").as_double() - rows[0].at("we_vs_re_V").as_double() ==
        doctest::Approx(0.004));
  CHECK(parsed(bench.get("/api/v1/series?run=r000012&from_s=0&to_s=100&max_points=2")).as_array().size() ==
        2);
  const auto numbers =
      parsed(bench.get("/api/v1/series?run=r000012&fields=cell_V&max_points=2")).at(0).as_object();
  CHECK(numbers.size() == 3);  // time, time_ms, cell_V
}

TEST_CASE("a station between two times gives every run that was on it") {
  Bench bench;
  const auto rows =
      parsed(bench.get(
                 "/api/v1/series?station=A1&from=2026-11-20T00:00:00Z&to=2026-11-20T01:00:00Z&max_points=8"))
          .as_array();
  REQUIRE(rows.size() == 8);
  CHECK(rows.front().at("run") == "r000012");
  CHECK(rows.back().at("run") == "r000015");
}

TEST_CASE("capacities are per gram of active material of the cell as it was, with the rate as measured") {
  Bench bench;
  // 12 mg x 0.67 = 8.04 mg; the fixture discharges 152.1 mAh/g at 0.1 C, then 104.2 mAh/g at 1 C in cycle 5.
  const auto rows = parsed(bench.get("/api/v1/capacities?run=r000012")).as_array();
  REQUIRE(rows.size() == 6);
  CHECK(rows[0].at("discharge_mAh_g").to_number<double>() == doctest::Approx(152.1));
  CHECK(rows[0].at("discharge_mAh").to_number<double>() == doctest::Approx(1.222884));
  CHECK(rows[0].at("coulombic_efficiency").to_number<double>() == doctest::Approx(0.79));
  CHECK(rows[4].at("discharge_rate_C").to_number<double>() == doctest::Approx(1));
  CHECK(rows[4].at("running") == false);
  CHECK(rows[5].at("running") == true);
  CHECK(rows[5].at("discharge_rate_C").is_null());
  CHECK(rows[5].at("coulombic_efficiency").is_null());  // it has not been discharged
}

TEST_CASE("a series in columns has one length") {
  Bench bench;
  const auto columns = parsed(bench.get("/api/v1/series?run=r000012&format=columns&max_points=100"));
  for (const auto* name : {"test_time_s", "we_vs_re_min_V", "we_vs_re_max_V", "cell_min_V", "current_max_A"})
    CHECK(columns.at(name).as_array().size() == 100);
}

TEST_CASE("a question that cannot be read says what is wrong with it") {
  Bench bench;
  const auto refused = [&](std::string_view target) {
    const auto response = bench.get(target);
    CHECK(response.status == 400);
    return detail(response);
  };
  CHECK(refused("/api/v1/series") ==
        "Say which run: run=r000001, or station=A1 for the one that is there now.");
  CHECK(refused("/api/v1/series?station=B9") == "There is no run on a station called B9.");
  CHECK(refused("/api/v1/series?station=A4") == "There is no run on a station called A4.");
  for (const auto* time : {"1013-11-20T02:00:00Z", "2262-04-12T00:00:00Z", "-200-11-20T02:00:00Z", "-1"})
    CHECK(refused(std::string("/api/v1/series?run=r1&from=") + time)
              .ends_with("nor like 2026-11-22T13:00:00Z."));
  CHECK(refused("/api/v1/series?run=r1&max_points=1") ==
        "max_points=1 is not a whole number from 2 to 20000.");
  CHECK(refused("/api/v1/series?run=r1&max_points=1e3").starts_with("max_points=1e3 is not"));
  CHECK(refused("/api/v1/series?run=r1&from=yesterday") ==
        "from=yesterday is neither milliseconds since 1970 nor like 2026-11-22T13:00:00Z.");
  CHECK(refused("/api/v1/series?run=r1&from=2026-13-22T13:00:00Z").starts_with("from="));
  CHECK(refused("/api/v1/series?run=r1&from=99999999999999").starts_with("from="));
  CHECK(refused("/api/v1/series?run=r1&from_s=nan") == "from_s=nan is not a number.");
  CHECK(refused("/api/v1/series?run=r1&fields=volts").starts_with("fields=volts is not known"));
  CHECK(refused("/api/v1/series?run=r1&format=xml") ==
        "format=xml is not known; there are rows and columns.");
  CHECK(refused("/api/v1/events?since=-1").starts_with("since=-1 is not a whole number"));
  CHECK(refused("/api/v1/runs?page=2") == "page is not known here; there are before, limit.");
}

TEST_CASE("events are read by a cursor") {
  Bench bench;
  const auto rows = parsed(bench.get("/api/v1/events?since=3&limit=2")).as_array();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].at("seq") == 4);
  CHECK(rows[1].at("seq") == 5);
  CHECK(parsed(bench.get("/api/v1/events?since=7")).as_array().empty());
}

TEST_CASE("a list that goes on says where its next page begins, and the pages together are the list") {
  Bench bench;
  const auto next = [](const Response& page) {
    for (const auto& [name, value] : page.headers)
      if (name == "Link") return value.substr(1, value.find('>') - 1);
    return std::string();
  };
  const auto seqs = [&](std::string target, std::string_view key) {
    std::vector<std::string> found;
    for (int pages = 0; !target.empty() && pages < 20; ++pages) {
      const auto page = bench.get(target);
      const auto rows = parsed(page);
      for (const auto& row : rows.as_array()) found.push_back(boost::json::serialize(row.at(key)));
      target = next(page);
    }
    return found;
  };
  CHECK(seqs("/api/v1/events?limit=3", "seq") == std::vector<std::string>{"1", "2", "3", "4", "5", "6", "7"});
  CHECK(seqs("/api/v1/runs?limit=2", "run") ==
        std::vector<std::string>{"\"r000014\"", "\"r000013\"", "\"r000012\""});
  CHECK(seqs("/api/v1/runs/r000012/samples?limit=4", "seq").size() == 9);
  CHECK(seqs("/api/v1/runs/r000012/events?limit=2", "seq") == seqs("/api/v1/events?limit=3", "seq"));
  CHECK(seqs("/api/v1/alarms?limit=1", "id") == std::vector<std::string>{"41"});
  CHECK(seqs("/api/v1/audit?limit=1", "id") == std::vector<std::string>{"5"});
}

TEST_CASE("what the archive says is tagged by its bytes: who has them is not sent them again") {
  Bench bench;
  auto request = bench.request("GET", "/api/v1/runs");
  const auto first = bench.respond(request);
  REQUIRE(first.etag.size() == 18);
  request.if_none_match = first.etag;
  CHECK(bench.respond(request).status == 304);
  request.if_none_match = "\"0123456789abcdef\"";
  CHECK(bench.respond(request).status == 200);
  CHECK(bench.get("/api/v1/runs?limit=1").etag != first.etag);
}

TEST_CASE("a stream begins now, or after what its client has seen last") {
  Bench bench;
  const auto since = [&](std::string_view target, std::string last = "") {
    auto request = bench.request("GET", target);
    request.last_event_id = std::move(last);
    return std::get<Stream>(bench.way(request)).since;
  };
  CHECK(since("/api/v1/events/stream") == std::nullopt);
  CHECK(since("/api/v1/events/stream?since=4") == 4);
  CHECK(since("/api/v1/events/stream?since=4", "6") == 6);  // it came back
  CHECK(since("/api/v1/events/stream?since=4", "x") == 4);
  CHECK(bench.get("/api/v1/events/stream?since=-1").status == 400);

  const auto cursor = std::make_shared<std::int64_t>(5);
  const auto news = std::string(news_after(cursor)(bench.archive).body.bytes());
  CHECK(*cursor == 7);
  CHECK(news.starts_with("id: 6\ndata: {\"seq\":6,"));
  CHECK(news.find("\n\nid: 7\n") != news.npos);
  CHECK(news_after(cursor)(bench.archive).body.bytes().empty());
  *cursor = -1;
  CHECK(news_after(cursor)(bench.archive).body.bytes().empty());
  CHECK(*cursor == 7);
}

TEST_CASE("health says when the daemon stopped looking at its bench, readiness why no run can start") {
  Bench bench;
  auto request = bench.request("GET", "/healthz");
  request.at = bench.daemon.board().status().now + std::chrono::seconds(9);
  CHECK(bench.respond(request).status == 200);
  request.at += std::chrono::seconds(3);
  CHECK(bench.respond(request).status == 503);
  CHECK(bench.respond(request).body.bytes() == "the bench was last looked at 12 s ago\n");
  auto status = fixture::bench();
  status.ready = false;
  status.not_ready = "the store takes no rows: disk full";
  bench.daemon.publish(status);
  CHECK(bench.get("/readyz").status == 503);
  CHECK(bench.get("/readyz").body.bytes() == "the store takes no rows: disk full\n");
}

TEST_CASE("a report may show its own styles and run nothing") {
  Bench bench;
  const auto report = bench.get("/api/v1/studies/coatings/report.html");
  CHECK(report.content_type == "text/html; charset=utf-8");
  CHECK(head(report, true, fixture::noon())
            .find("Content-Security-Policy: default-src 'none'; style-src "
                  "'unsafe-inline'; img-src data:; sandbox\r\n") != std::string::npos);
  CHECK(head(report, true, fixture::noon()).find("script-src") == std::string::npos);
  const auto chart = bench.get("/api/v1/studies/coatings/radar_ncm-linbo3.svg");
  CHECK(chart.content_type == "image/svg+xml");
}

TEST_CASE("the head of a response is HTTP to the letter") {
  Response response;
  response.status = 404;
  response.body = Body("gone");
  response.content_type = "text/plain";
  response.etag = "\"7\"";
  const auto text = head(response, false, fixture::noon());
  CHECK(text.starts_with(
      "HTTP/1.1 404 Not Found\r\nDate: Sun, 22 Nov 2026 13:00:00 GMT\r\nConnection: close\r\n"
      "Content-Type: text/plain\r\nContent-Length: 4\r\nCache-Control: no-cache\r\nETag: \"7\"\r\n"));
  CHECK(text.ends_with("\r\n\r\n"));
}

TEST_CASE("metrics keep Prometheus's format: every family has one help and one type, every line a number") {
  const auto text = to_metrics(fixture::bench()) + to_metrics(Traffic{});
  CHECK(text.ends_with('\n'));
  std::string family;
  std::set<std::string> seen;
  for (std::size_t at = 0; at < text.size();) {
    const auto line = text.substr(at, text.find('\n', at) - at);
    at += line.size() + 1;
    CAPTURE(line);
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      CHECK(seen.insert(family).second);
    } else if (line.starts_with("# TYPE ")) {
      CHECK((line == "# TYPE " + family + " gauge" || line == "# TYPE " + family + " counter" ||
             line == "# TYPE " + family + " histogram"));
      CHECK(line.ends_with("counter") == family.ends_with("_total"));
    } else {
      CHECK((line.starts_with(family + "{") || line.starts_with(family + " ") ||
             line.starts_with(family + "_bucket{") || line.starts_with(family + "_sum ") ||
             line.starts_with(family + "_count ")));
      CHECK_NOTHROW(static_cast<void>(std::stod(line.substr(line.rfind(' ') + 1))));
    }
  }
}

TEST_CASE("in metrics a stale number has no line, its device is down, and pressures are pascals") {
  const auto text = to_metrics(fixture::bench());
  CHECK(text.find("cambench_press_pressure_pascals{station=\"A1\"} 50020000\n") != text.npos);
  CHECK(text.find("cambench_electrode_potential_volts{station=\"A1\"} 3.6123\n") != text.npos);
  CHECK(text.find("cambench_electrode_potential_volts{station=\"A3\"}") == text.npos);
  CHECK(text.find("cambench_device_up{station=\"A3\",device=\"potentiostat\"} 0\n") != text.npos);
  CHECK(text.find("cambench_station_state{station=\"A2\",state=\"tripped\"} 1\n") != text.npos);
  CHECK(text.find("cambench_station_state{station=\"A2\",state=\"running\"} 0\n") != text.npos);
}

TEST_CASE(
    "a press is tested on a named person's word that it is empty, and the answer says what would move") {
  Bench bench;
  const std::string target = "/api/v1/stations/A4/press-test";
  const auto order =
      std::get<Order>(bench.order(target, R"({"who":"anna","empty":"yes","target_MPa":"2.5"})"));
  CHECK(std::get<Order::TestPress>(order.what).station == "A4");
  CHECK(std::get<Order::TestPress>(order.what).target == MegaPascal(2.5));
  CHECK(answered(order, std::string("it will move")).status == 202);
  CHECK(answered(order, fail(Fault::Kind::refused, "r1 is on A4")).status == 409);
  const auto by_default = std::get<Order>(bench.order(target, R"({"who":"anna","empty":"yes"})"));
  CHECK(std::get<Order::TestPress>(by_default.what).target == MegaPascal(1));

  const auto refused = [&](std::string body) {
    return detail(std::get<Response>(bench.order(target, std::move(body))));
  };
  CHECK(refused(R"({"who":"anna"})").starts_with("The press of A4 would move to 1 MPa, hold,"));
  CHECK(refused(R"({"empty":"yes"})").find("a named person's word") != std::string::npos);
  for (const auto* number : {"0", "-1", "nan", "inf", "1e9", "1 MPa", "x"})
    CHECK(refused(fmt::format(R"({{"who":"anna","empty":"yes","target_MPa":"{}"}})", number))
              .find("must be a pressure") != std::string::npos);
}

TEST_CASE("metrics tell how every instrument's conversations went") {
  auto bench = fixture::bench();
  auto& press = *bench.stations[0].press;
  press.ok = 4711;
  press.errors = 3;
  press.last_io = Seconds(0.002);
  press.longest_io = Seconds(0.5);
  const auto text = to_metrics(bench);
  const std::string labels = "{station=\"A1\",device=\"press\"} ";
  CHECK(text.find("cambench_device_answers_total" + labels + "4711\n") != text.npos);
  CHECK(text.find("cambench_device_errors_total" + labels + "3\n") != text.npos);
  CHECK(text.find("cambench_device_last_io_seconds" + labels + "0.002\n") != text.npos);
  CHECK(text.find("cambench_device_longest_io_seconds" + labels + "0.5\n") != text.npos);
}

TEST_CASE("lateness is a histogram: its buckets grow, the last one holds all, the sum is the sum") {
  status::Lateness late;
  for (const double each_s : {0.0001, 0.0005, 0.0006, 0.02, 3.0}) late.note(Seconds(each_s));
  CHECK(late.longest == Seconds(3));
  auto bench = fixture::bench();
  bench.io.lateness = late;
  const auto text = to_metrics(bench);
  const auto has = [&](std::string_view line) { return text.find(line) != text.npos; };
  CHECK(has("# TYPE cambench_loop_lateness_seconds histogram\n"));
  CHECK(has("cambench_loop_lateness_seconds_bucket{le=\"0.0005\"} 2\n"));  // a bound belongs to its bucket
  CHECK(has("cambench_loop_lateness_seconds_bucket{le=\"0.001\"} 3\n"));
  CHECK(has("cambench_loop_lateness_seconds_bucket{le=\"0.025\"} 4\n"));
  CHECK(has("cambench_loop_lateness_seconds_bucket{le=\"1\"} 4\n"));
  CHECK(has("cambench_loop_lateness_seconds_bucket{le=\"+Inf\"} 5\n"));
  CHECK(has("cambench_loop_lateness_seconds_count 5\n"));
  CHECK(has("cambench_loop_lateness_seconds_sum 3.0212\n"));
}

TEST_CASE("a label's value is escaped") {
  auto bench = fixture::bench();
  bench.bench = "a\\b\"c\nd";
  CHECK(to_metrics(bench).find(R"(bench="a\\b\"c\nd")") != std::string::npos);
}
