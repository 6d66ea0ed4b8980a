// The server over its two doors, against clients that behave and clients that do not.
#include "daemon/http/server.h"

#include <doctest/doctest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <fstream>

#include "daemon/http/tokens.h"
#include "tests/daemon/http_fixture.h"

using namespace cambench;
using namespace cambench::http;
using fixture::count, fixture::host, fixture::plain_get, fixture::Raw, fixture::Running, fixture::scratch;
namespace asio = boost::asio;

TEST_CASE("for people who work on the page: serves a bench until it is killed" * doctest::skip()) {
  asio::io_context io;
  fixture::Daemon daemon;
  const auto* port = std::getenv("CAMBENCH_PORT");
  const Server server(io, {"127.0.0.1", static_cast<std::uint16_t>(port ? std::atoi(port) : 8870), {}}, {},
                      daemon, std::make_unique<fixture::Archive>());
  fmt::print("http://127.0.0.1:{}/\n", server.port());
  for (;;) {
    fixture::moment() = std::chrono::system_clock::now();
    daemon.publish(fixture::bench());
    io.run_for(std::chrono::milliseconds(500));
  }
}

TEST_CASE("both doors show the bench, and every response says what a browser may do with it") {
  Running running;
  for (const auto& address : {running.tcp(), running.local()}) {
    const auto reply = get(address, "/api/v1/status");
    REQUIRE(reply.has_value());
    CHECK(reply->status == 200);
    CHECK(reply->content_type == "application/json");
    CHECK((reply->body == to_json(running.daemon.board().status())));
  }
  Raw raw(running.port());
  raw.say(plain_get("/", "Connection: close\r\n"));
  const auto page = raw.hear_all();
  CHECK(page.find("Content-Security-Policy: default-src 'none'; script-src 'self'") != page.npos);
  CHECK(page.find("X-Content-Type-Options: nosniff") != page.npos);
}

TEST_CASE("an unchanged status costs its reader 304 and no body, until the bench changes") {
  Running running;
  const auto first = get(running.tcp(), "/api/v1/status");
  REQUIRE(first.has_value());
  REQUIRE_FALSE(first->etag.empty());
  const auto again = [&] {
    Raw raw(running.port());
    raw.say(plain_get("/api/v1/status", "Connection: close\r\nIf-None-Match: " + first->etag + "\r\n"));
    return raw.hear_all();
  };
  const auto same = again();
  CHECK(same.starts_with("HTTP/1.1 304 Not Modified\r\n"));
  CHECK(same.ends_with("\r\n\r\n"));
  running.on_deciding_thread([&] { running.daemon.publish(fixture::bench()); });
  CHECK(again().starts_with("HTTP/1.1 200 OK\r\n"));
}

TEST_CASE("requests sent together over one connection are answered in order") {
  Running running;
  Raw raw(running.port());
  raw.say(plain_get("/healthz") + plain_get("/nothing/here") + plain_get("/readyz", "Connection: close\r\n"));
  const auto heard = raw.hear_all();
  CHECK(count(heard, "HTTP/1.1 ") == 3);
  CHECK(heard.find("503 ") < heard.find("404 "));  // the fixture's clock stands: its health is bad
  CHECK(heard.find("404 ") < heard.find("200 "));
  CHECK(running.traffic().connections == 1);
}

TEST_CASE("HEAD gives the length and not the bytes") {
  Running running;
  Raw raw(running.port());
  raw.say(fmt::format("HEAD /api/v1/status HTTP/1.1\r\n{}Connection: close\r\n\r\n", host));
  const auto heard = raw.hear_all();
  const auto size = running.daemon.board().document(Board::Document::status)->size();
  CHECK(heard.find(fmt::format("Content-Length: {}\r\n", size)) != heard.npos);
  CHECK(heard.ends_with("\r\n\r\n"));
}

TEST_CASE("a question to the archive is answered by the reader, and its trouble is told") {
  Running running;
  const auto reply = get(running.tcp(), "/api/v1/runs");
  REQUIRE(reply.has_value());
  CHECK(reply->status == 200);
  CHECK(reply->body.find("r000012") != reply->body.npos);
  running.archive->broken = true;
  const auto refused = get(running.tcp(), "/api/v1/runs/r000012");
  REQUIRE(refused.has_value());
  CHECK(refused->status == 503);
  CHECK(complaint(*refused) == "the store's file cannot be read: disk I/O error");
}

TEST_CASE("an order over TCP needs a token, and at the Unix socket carries the credentials of who gave it") {
  Running running;
  const auto body = R"({"station":"A4","cell":"R-uncoated","recipe":"rate-test-3e","who":"anna"})";
  const auto refused = post(running.tcp(), "/api/v1/runs", body);
  REQUIRE(refused.has_value());
  CHECK(refused->status == 401);
  CHECK(complaint(*refused).find(running.socket().string()) != std::string::npos);
  CHECK(running.daemon.orders.empty());

  const auto reply = post(running.local(), "/api/v1/runs", body);
  REQUIRE(reply.has_value());
  CHECK(reply->status == 201);
  CHECK(reply->body == R"({"run":"r000015","who":"anna"})");
  REQUIRE(running.daemon.orders.size() == 1);
  CHECK(running.daemon.orders[0].peer == fmt::format("uid {}, pid {}", getuid(), getpid()));
}

TEST_CASE("a token that was added is known at once, and one that was removed is not known any more") {
  Running running;
  const auto pause = [&](const std::string& token) {
    Raw raw(running.port());
    raw.say(
        fmt::format("POST /api/v1/runs/r000012/pause HTTP/1.1\r\n{}Connection: close\r\nContent-Type: "
                    "application/json\r\nContent-Length: 2\r\nAuthorization: Bearer {}\r\n\r\n{{}}",
                    host, token));
    return raw.hear_all();
  };
  CHECK(pause("cb_" + std::string(64, '0')).starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  const auto token = add_token(running.tokens(), "anna", Role::operates);
  REQUIRE(token.has_value());
  CHECK(pause(*token).starts_with("HTTP/1.1 200 OK\r\n"));
  REQUIRE(running.daemon.orders.size() == 1);
  CHECK(running.daemon.orders[0].who == "anna");
  CHECK(running.daemon.orders[0].peer == "token anna, operator, 127.0.0.1");
  REQUIRE(remove_token(running.tokens(), "anna").has_value());
  CHECK(pause(*token).starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  CHECK(running.traffic().unknown_tokens == 2);
  CHECK(running.daemon.orders.size() == 1);
}

TEST_CASE("the stream of a token that was removed ends") {
  asio::io_context io{1};
  fixture::Daemon daemon;
  const auto folder = scratch();
  const auto token = add_token(folder / "tokens", "anna", Role::viewer);
  REQUIRE(token.has_value());
  std::optional<Server> server;
  server.emplace(io, Listen{"0.0.0.0", 0, {}, folder / "tokens", {}},
                 Limits{.news = std::chrono::milliseconds(1)}, daemon, std::make_unique<fixture::Archive>());
  Raw raw(server->port());
  raw.say(plain_get("/api/v1/events/stream", fmt::format("Authorization: Bearer {}\r\n", *token)));
  while (server->traffic().streams == 0) io.run_one();
  for (int i = 0; i < 100; ++i) io.run_one();
  CHECK(server->traffic().streams == 1);
  REQUIRE(remove_token(folder / "tokens", "anna").has_value());
  for (int i = 0; i < 100 && server->traffic().streams > 0; ++i) io.run_one();
  CHECK(server->traffic().streams == 0);
  CHECK(server->traffic().unknown_tokens == 0);
  server.reset();
  io.run();
  std::filesystem::remove_all(folder);
}

TEST_CASE("the page's cookie shows the bench and orders nothing") {
  Running running;
  const auto token = add_token(running.tokens(), "anna", Role::admin);
  REQUIRE(token.has_value());
  Raw raw(running.port());
  raw.say(
      fmt::format("POST /api/v1/runs/r000012/pause HTTP/1.1\r\n{}Connection: close\r\nContent-Type: "
                  "application/json\r\nContent-Length: 2\r\nCookie: cambench_token={}\r\n\r\n{{}}",
                  host, *token));
  CHECK(raw.hear_all().starts_with("HTTP/1.1 401 Unauthorized\r\n"));
  CHECK(running.daemon.orders.empty());
  Raw looking(running.port());
  looking.say(plain_get("/api/v1/status", "Connection: close\r\nCookie: cambench_token=cb_0\r\n"));
  CHECK(looking.hear_all().starts_with("HTTP/1.1 200 OK\r\n"));  // on loopback all may look
  CHECK(running.traffic().unknown_tokens == 1);
}

TEST_CASE(
    "a stream tells the events after the last one seen and every new status, and ends with its client") {
  Running running({.news = std::chrono::milliseconds(5)});
  Raw raw(running.port());
  raw.say(plain_get("/api/v1/events/stream?since=5"));
  std::string heard;
  const auto hear_until = [&](std::string_view what) {
    boost::system::error_code end;
    std::array<char, 4096> piece{};
    while (heard.find(what) == heard.npos && !end)
      heard.append(piece.data(), raw.socket().read_some(asio::buffer(piece), end));
    return !end;
  };
  REQUIRE(hear_until("id: 7\n"));
  CHECK(heard.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(heard.find("Content-Type: text/event-stream\r\n") != heard.npos);
  CHECK(heard.find("Content-Length") == heard.npos);
  CHECK(heard.find("id: 5\n") == heard.npos);
  REQUIRE(hear_until("\"revision\":1,"));
  CHECK(heard.find("\nevent: status\ndata: {\"revision\":1,") != heard.npos);
  running.on_deciding_thread([&] { running.daemon.publish(fixture::bench()); });
  REQUIRE(hear_until("\"revision\":2,"));
  CHECK(count(heard, "\"revision\":1,") == 1);  // the same one is not told twice
  CHECK(running.traffic().streams == 1);
  raw.socket().close();
  while (running.traffic().streams > 0) std::this_thread::yield();
}

TEST_CASE("streams have a limit of their own, and one that is not read is cut") {
  Running running(
      {.streams = 1, .response = std::chrono::milliseconds(50), .news = std::chrono::milliseconds(1)});
  Raw slow(running.port());
  slow.socket().set_option(asio::socket_base::receive_buffer_size(4096));
  slow.say(plain_get("/api/v1/events/stream"));
  while (running.traffic().streams == 0) std::this_thread::yield();
  Raw second(running.port());
  second.say(plain_get("/api/v1/events/stream", "Connection: close\r\n"));
  CHECK(second.hear_all().starts_with("HTTP/1.1 503 "));
  while (running.traffic().streams > 0)  // new statuses fill what it does not read, or this never ends
    running.on_deciding_thread([&] { running.daemon.publish(fixture::bench()); });
}

TEST_CASE("an order that the daemon does not confirm in time is answered so") {
  Running running({.order = std::chrono::milliseconds(20)});
  running.daemon.silent = true;
  const auto reply = post(running.local(), "/api/v1/runs/r000012/pause", "{}");
  REQUIRE(reply.has_value());
  CHECK(reply->status == 504);
  running.daemon.kept("r000012");  // comes late: nobody waits any more
}

TEST_CASE("the control socket is closed to others, and a socket that a killed daemon left is taken over") {
  Running running;
  struct stat info {};
  REQUIRE(stat(running.socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0660);

  asio::io_context io;
  fixture::Daemon daemon;
  const auto another = [&](const std::filesystem::path& socket) {
    const Server server(io, {"127.0.0.1", 0, socket}, {}, daemon, std::make_unique<fixture::Archive>());
  };
  CHECK_THROWS_WITH(another(running.socket()),
                    fmt::format("http: another daemon answers on {}", running.socket().string()).c_str());
  const auto folder = scratch();
  { asio::local::stream_protocol::acceptor left(io, (folder / "left.sock").string()); }
  CHECK(std::filesystem::exists(folder / "left.sock"));
  CHECK_NOTHROW(another(folder / "left.sock"));
  CHECK_FALSE(std::filesystem::exists(folder / "left.sock"));
  std::ofstream(folder / "file") << "no socket";
  CHECK_THROWS(another(folder / "file"));
  CHECK(std::filesystem::exists(folder / "file"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("a listener that is not on loopback, or whose port is taken, is refused with a sentence") {
  Running running;
  asio::io_context io;
  fixture::Daemon daemon;
  const auto listen = [&](std::string address, std::uint16_t port) {
    const Server server(io, {std::move(address), port, {}}, {}, daemon, std::make_unique<fixture::Archive>());
  };
  CHECK_THROWS_WITH(listen("0.0.0.0", 0),
                    "http: 0.0.0.0 can be reached from other machines, and nobody has a token: make one with "
                    "`cambench token add NAME --role viewer`, or listen on 127.0.0.1");
  CHECK_THROWS_WITH(listen("127.0.0.1", running.port()),
                    fmt::format("http: 127.0.0.1 port {}: Address already in use; is another daemon running?",
                                running.port())
                        .c_str());
}

namespace {

void bring_loopback_up() {
  const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq loopback{};
  loopback.ifr_name[0] = 'l', loopback.ifr_name[1] = 'o';
  loopback.ifr_flags = IFF_UP;
  CHECK(::ioctl(any, SIOCSIFFLAGS, &loopback) == 0);
  ::close(any);
}

/// On a thread that may be in a network of its own.
void listen_ahead(const std::string& address) {
  if (::unshare(CLONE_NEWNET) != 0) {
    MESSAGE("skipped: this user may make no network");
    return;
  }
  const Listen listen{address, 0, {}, {}, {}};
  if (is_here(listen)) {
    MESSAGE("skipped: no IPv6 here");
    return;
  }
  asio::io_context io;
  fixture::Daemon daemon;
  const Server server(io, listen, {}, daemon, std::make_unique<fixture::Archive>());
  bring_loopback_up();
  CHECK(is_here(listen));
  asio::ip::tcp::socket client(io);
  boost::system::error_code error;
  client.connect({asio::ip::make_address(address), server.port()}, error);
  CHECK_MESSAGE(!error, error.message());
}

}  // namespace

TEST_CASE("an address that this machine does not have yet is listened on, and answers once it is there") {
  for (const char* address : {"127.0.0.1", "::1"}) std::jthread(listen_ahead, address).join();
}

TEST_CASE("what is no HTTP is answered with a reason and the connection ends") {
  Running running;
  for (const std::string bytes :
       {"hello\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        "POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    CAPTURE(bytes);
    Raw raw(running.port());
    raw.say(bytes);
    const auto heard = raw.hear_all();
    CHECK(heard.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    CHECK(heard.find("application/problem+json") != heard.npos);
  }
}

TEST_CASE("header and body have a limit") {
  Running running({.header_bytes = 1024, .body_bytes = 2048});
  Raw header(running.port());
  header.say(plain_get("/", "X-Long: " + std::string(5000, 'x') + "\r\n"));
  CHECK(header.hear_all().starts_with("HTTP/1.1 431 "));
  Raw body(running.port());
  body.say(fmt::format("POST /api/v1/runs HTTP/1.1\r\n{}Content-Length: 100000\r\n\r\n{}", host,
                       std::string(100'000, 'x')));
  CHECK(body.hear_all().starts_with("HTTP/1.1 413 "));
  Raw chunks(running.port());
  chunks.say(
      fmt::format("POST /api/v1/runs HTTP/1.1\r\n{}Transfer-Encoding: chunked\r\n\r\n1000\r\n{}\r\n0\r\n\r\n",
                  host, std::string(4096, 'x')));
  CHECK(chunks.hear_all().starts_with("HTTP/1.1 413 "));
}

TEST_CASE("a request that comes byte by byte, or not at all, ends with its time") {
  Running running({.idle = std::chrono::milliseconds(300), .request = std::chrono::milliseconds(30)});
  Raw silent(running.port()), started(running.port());
  started.say("GET /api/v1/st");
  CHECK(started.hear_all().empty());
  CHECK(silent.hear_all().empty());
  while (running.traffic().open > 0) std::this_thread::yield();  // the server's last step may come after ours
  CHECK(running.traffic().timed_out == 1);
}

TEST_CASE("a client that asks and never reads loses its connection, and holds nobody") {
  Running running({.response = std::chrono::milliseconds(50)});
  Raw greedy(running.port());
  greedy.socket().set_option(asio::socket_base::receive_buffer_size(4096));
  greedy.socket().non_blocking(true);
  std::string many;
  for (int i = 0; i < 2000; ++i) many += plain_get("/dygraphs/dygraph.min.js");
  boost::system::error_code full;
  greedy.socket().write_some(asio::buffer(many), full);
  while (running.traffic().requests == 0) std::this_thread::yield();
  CHECK(get(running.tcp(), "/readyz").has_value());  // while the greedy one blocks its own connection
  while (running.traffic().open > 0) std::this_thread::yield();  // it is cut, or this never ends
}

TEST_CASE("more connections than allowed are turned away, and the control socket stays open") {
  Running running({.connections = 2});
  Raw first(running.port()), second(running.port());
  first.say(plain_get("/readyz"));
  second.say(plain_get("/readyz"));
  while (running.traffic().requests < 2) std::this_thread::yield();
  Raw third(running.port());
  const auto heard = third.hear_all();
  CHECK(heard.starts_with("HTTP/1.1 503 Service Unavailable\r\n"));
  CHECK(heard.find("Too many connections") != heard.npos);
  CHECK(get(running.local(), "/readyz")->status == 200);
  CHECK(running.traffic().refused_connections == 1);
}

TEST_CASE("a server that ends cuts its connections and leaves no socket behind") {
  asio::io_context io{1};
  fixture::Daemon daemon;
  const auto folder = scratch();
  std::optional<Server> server;
  server.emplace(io, Listen{"127.0.0.1", 0, folder / "control.sock"}, Limits{}, daemon,
                 std::make_unique<fixture::Archive>());
  Raw open(server->port());
  open.say(plain_get("/readyz"));
  while (server->traffic().requests == 0) io.run_one();
  server.reset();
  io.run();
  CHECK(open.hear_all().starts_with("HTTP/1.1 200 OK"));
  CHECK_FALSE(std::filesystem::exists(folder / "control.sock"));
  std::filesystem::remove_all(folder);
}

TEST_CASE("the client says who did not answer, and does not believe half an answer") {
  const auto nobody = get({"/nowhere/control.sock", {}, 0}, "/healthz");
  REQUIRE_FALSE(nobody.has_value());
  CHECK(nobody.error().what == "no daemon answers on /nowhere/control.sock (No such file or directory)");

  CHECK(parse_reply("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nETag: \"7\"\r\n\r\nok")->etag == "\"7\"");
  CHECK_FALSE(parse_reply("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok").has_value());
  CHECK_FALSE(parse_reply("HTTP/1.1 200 OK\r\nContent-Length").has_value());
  CHECK_FALSE(parse_reply("SSH-2.0-OpenSSH\r\n\r\n").has_value());
  CHECK_FALSE(parse_reply("").has_value());
  CHECK_FALSE(parse_reply("HTTP/1.1 abc nonsense\r\n\r\n").has_value());

  CHECK(parse_address("unix:/run/x.sock")->socket == "/run/x.sock");
  CHECK(parse_address("state/control.sock")->socket == "state/control.sock");
  CHECK(parse_address("http://127.0.0.1:8870/")->port == 8870);
  CHECK(parse_address("[::1]:8870")->host == "::1");
  CHECK_FALSE(parse_address("localhost").has_value());
  CHECK_FALSE(parse_address("localhost:99999").has_value());
}
