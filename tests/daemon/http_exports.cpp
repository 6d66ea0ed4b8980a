// Runs as files over HTTP: the same bytes as the command line's, in pieces, to clients that behave and clients that do not.
#include <algorithm>

#include "daemon/http/store_archive.h"
#include "tests/daemon/http_fixture.h"
#include "tests/daemon/stored_run.h"

using namespace cambench;
using namespace cambench::http;
using fixture::count, fixture::plain_get, fixture::Raw, fixture::Running;
namespace asio = boost::asio;

namespace {

struct Heard {
  std::string head, body;
  bool whole = false;  ///< its last chunk came
};

/// A chunked response (RFC 9112, 7.1), taken apart.
Heard taken_apart(std::string_view text) {
  const auto end = text.find("\r\n\r\n");
  REQUIRE(end != text.npos);
  Heard heard{.head = std::string(text.substr(0, end + 4)), .body = {}};
  text.remove_prefix(end + 4);
  while (!text.empty()) {
    const std::size_t size = std::stoul(std::string(text.substr(0, text.find("\r\n"))), nullptr, 16);
    text.remove_prefix(text.find("\r\n") + 2);
    if (text.size() < size + 2) return heard;
    heard.body += text.substr(0, size);
    text.remove_prefix(size + 2);
    heard.whole = size == 0;
  }
  return heard;
}

constexpr std::string_view last = "Connection: close\r\n";

Heard asked(const Running& running, std::string_view path) {
  Raw raw(running.port());
  raw.say(plain_get(path, last));
  return taken_apart(raw.hear_all());
}

/// A store with a run of as many samples as its name says: r000000, r000264 (two cycles), r060000.
struct Stored {
  std::filesystem::path folder = fixture::scratch();
  config::Bench bench;
  store::Store store{folder / "cambench.sqlite"};
  Stored() {
    bench.store = folder / "cambench.sqlite";
    const Recipe recipe = read_recipe(fixture::two_cycles, "two-cycles.toml").value();
    const auto run = [&](const std::string& id) {
      return fixture::run_row(id, recipe, plan(recipe, fixture::cell()).value(), fixture::cell());
    };
    fixture::keep(store, {run("r000000")});
    fixture::keep(store, fixture::two_cycle_rows("r000264"));
    std::vector<store::Row> rows{run("r060000")};
    for (std::int64_t seq = 1; seq <= 60'000; ++seq) {
      store::SampleRow row{.run = "r060000", .seq = seq, .test_time = Seconds(seq), .cycle = 1, .sample = {}};
      row.sample.step_time = row.test_time;
      row.sample.we_vs_re = Volt(3 + 1e-5 * static_cast<double>(seq));
      row.sample.current = Ampere(1.608e-3);
      row.sample.at.wall = fixture::started() + std::chrono::seconds(seq);
      rows.emplace_back(row);
    }
    fixture::keep(store, std::move(rows));
  }
  ~Stored() { std::filesystem::remove_all(folder); }

  [[nodiscard]] std::string written(const std::string& run, std::string_view format) const {
    store::Reader reader(bench.store);
    const auto facts = exports::facts_of(reader, run);
    const auto next = exports::export_run(reader, facts, exports::find_format(format)->format);
    std::string all;
    for (auto piece = next(); !piece.empty(); piece = next()) all += piece;
    return all;
  }
};

}  // namespace

TEST_CASE("a run of any length is told in every format with the bytes that the command line writes") {
  const Stored stored;
  Running running({}, open_archive(stored.bench));
  for (const auto& format : exports::formats())
    for (const auto* run : {"r000000", "r000264", "r060000"}) {
      CAPTURE(format.name);
      CAPTURE(run);
      const auto heard = asked(running, fmt::format("/api/v1/runs/{}/exports/{}", run, format.name));
      CHECK(heard.head.starts_with("HTTP/1.1 200 OK\r\n"));
      CHECK(heard.head.find(fmt::format("Content-Type: {}\r\n", format.media_type)) != heard.head.npos);
      CHECK(heard.whole);
      const auto written = stored.written(run, format.name);
      CHECK(heard.body.size() == written.size());
      CHECK((heard.body == written));
    }
  CHECK(stored.written("r060000", "bdf").size() > 4'000'000);
}

TEST_CASE("the BDF file and the crate have names of their own, and say how they would be saved") {
  const Stored stored;
  Running running({}, open_archive(stored.bench));
  const auto data = asked(running, "/api/v1/runs/r000264/data.bdf.csv");
  CHECK(data.head.find("Content-Disposition: attachment; "
                       "filename=\"cambench__R-017__20261122_r000264.bdf.csv\"\r\n") != data.head.npos);
  CHECK((data.body == stored.written("r000264", "bdf")));
  CHECK(count(data.body, "\n") == 265);
  CHECK((asked(running, "/api/v1/runs/r000264/data.bdf.csv?header=machine").body ==
         stored.written("r000264", "bdf-machine")));
  const auto crate = asked(running, "/api/v1/runs/r000264/crate.zip?licence=CC-BY-4.0");
  CHECK(crate.body.starts_with("PK"));
  CHECK(crate.body != stored.written("r000264", "crate"));  // the licence is in it
  for (const auto& [path, status] : std::initializer_list<std::pair<std::string_view, std::string_view>>{
           {"/api/v1/runs/r000264/data.bdf.csv?header=german", "HTTP/1.1 400 "},
           {"/api/v1/runs/r000999/crate.zip", "HTTP/1.1 404 "},
           {"/api/v1/runs/r000264/exports/excel", "HTTP/1.1 404 "}}) {
    Raw raw(running.port());
    raw.say(plain_get(path, last));
    CHECK(raw.hear_all().starts_with(status));
  }
}

TEST_CASE("a download leaves its connection as it was, and HEAD makes none") {
  Running running;
  Raw raw(running.port());
  raw.say(fmt::format("HEAD /api/v1/runs/r000012/crate.zip HTTP/1.1\r\n{}\r\n", fixture::host));
  raw.say(plain_get("/api/v1/runs/r000012/data.bdf.csv"));
  raw.say(plain_get("/healthz", last));
  const auto heard = raw.hear_all();
  CHECK(count(heard, "HTTP/1.1 ") == 3);
  CHECK(count(heard, "Transfer-Encoding: chunked\r\n") == 2);
  CHECK(count(heard, std::string(1000, 'x')) == 3);
  CHECK(heard.find("\r\n0\r\n\r\nHTTP/1.1 ") != heard.npos);
}

TEST_CASE("to HTTP/1.0, which knows no chunks, a download ends with its connection") {
  Running running;
  Raw raw(running.port());
  raw.say("GET /api/v1/runs/r000012/data.bdf.csv HTTP/1.0\r\nHost: localhost\r\n\r\n");
  const auto heard = raw.hear_all();
  CHECK(heard.find("Transfer-Encoding") == heard.npos);
  CHECK(heard.find("Connection: close\r\n") != heard.npos);
  CHECK(heard.ends_with("\r\n\r\n" + std::string(3000, 'x')));
}

TEST_CASE("a download that breaks off has no end, so that nobody takes it for the whole") {
  Running running;
  running.archive->breaks_at = 1;
  Raw raw(running.port());
  raw.say(plain_get("/api/v1/runs/r000012/data.bdf.csv"));
  const auto heard = taken_apart(raw.hear_all());
  CHECK(heard.body.size() == 2000);
  CHECK_FALSE(heard.whole);
}

TEST_CASE("to HTTP/1.0 a download that breaks off ends with a reset") {
  Running running({.response = std::chrono::milliseconds(200)});
  Raw raw(running.port());
  const auto question = "GET /api/v1/runs/r000012/data.bdf.csv HTTP/1.0\r\nHost: localhost\r\n\r\n";
  SUBCASE("because the next piece cannot be made") {
    running.archive->breaks_at = 1;
    raw.say(question);
  }
  SUBCASE("because it is not taken in time") {
    running.archive->pieces_of = 10'000'000;
    raw.socket().set_option(asio::socket_base::receive_buffer_size(4096));
    raw.say(question);
    while (running.traffic().downloads == 0) std::this_thread::yield();
    while (running.traffic().downloads > 0) std::this_thread::yield();
  }
  boost::system::error_code end;
  std::string part;
  asio::read(raw.socket(), asio::dynamic_buffer(part), end);
  CHECK(end == asio::error::connection_reset);
}

TEST_CASE("a run that cannot be said in a format is refused before its first byte") {
  Running running;
  const auto reply = get(running.tcp(), "/api/v1/runs/r000012/exports/pybamm");
  REQUIRE(reply.has_value());
  CHECK(reply->status == 409);
  CHECK(complaint(*reply) == "a press has no PyBaMM sentence.");
}

TEST_CASE("downloads have a limit of their own, and one that is not read is cut and holds nobody") {
  Running running({.downloads = 1, .response = std::chrono::milliseconds(200)});
  running.archive->pieces_of = 1'000'000;
  Raw slow(running.port());
  slow.socket().set_option(asio::socket_base::receive_buffer_size(4096));
  slow.say(plain_get("/api/v1/runs/r000012/data.bdf.csv"));
  while (running.traffic().downloads == 0) std::this_thread::yield();
  const auto is_full = [&] {
    Raw second(running.port());
    second.say(plain_get("/api/v1/runs/r000012/crate.zip", last));
    second.socket().set_option(asio::socket_base::receive_buffer_size(4096));
    std::string heard(12, '\0');
    asio::read(second.socket(), asio::buffer(heard));
    return heard == "HTTP/1.1 503";
  };
  CHECK(is_full());
  CHECK(get(running.tcp(), "/api/v1/runs").value().status == 200);    // the reader is free between two pieces
  while (running.traffic().downloads > 0) std::this_thread::yield();  // it is cut, or this never ends
}
