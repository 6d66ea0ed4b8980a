// A rate test that is brought over HTTP: what may be long, what is refused, and what the daemon gets to keep.
#include "daemon/http/store_archive.h"
#include "schema/json.h"
#include "tests/daemon/http_fixture.h"
#include "tests/daemon/stored_run.h"

using namespace cambench;
using namespace cambench::http;
using fixture::Running;

namespace {

/// A cell of two electrodes that is charged for so many rows.
std::string csv_of(int rows) {
  std::string text = "test_time,step_time,cycle_index,step_index,current,voltage\n";
  for (int i = 1; i <= rows; ++i) text += fmt::format("{0},{0},1,1,0.001,{1:.6f}\n", 10 * i, 3 + 1e-5 * i);
  return text;
}

std::string form(const std::string& csv, std::string_view cell = "H-1") {
  JsonWriter json;
  json.object().field("file", "rate.csv").field("csv", csv).field("cell", cell).field("who", "anna");
  return json.end_object().take();
}

void add_half_cell(Running& running) {
  running.on_deciding_thread([&] {
    CellSpec cell = running.daemon.configured.cells.at(0);
    cell.id = "H-1";
    cell.electrodes = 2;
    cell.reference.reset();
    running.daemon.configured.cells.push_back(cell);
  });
}

Reply brought(const Running& running, const std::string& body, std::string_view target = "/api/v1/imports") {
  const auto reply = post(running.local(), target, body);
  REQUIRE_MESSAGE(reply.has_value(), reply.error().what);
  return *reply;
}

const exports::Import& import_of(const Order& order) { return *std::get<Order::Import>(order.what).read; }

struct Stored {
  std::filesystem::path folder = fixture::scratch();
  config::Bench bench;
  store::Store store{folder / "cambench.sqlite"};
  Stored() { bench.store = folder / "cambench.sqlite"; }
  ~Stored() { std::filesystem::remove_all(folder); }
};

/// Whose first question takes as long as the test wants.
struct BusyArchive : fixture::Archive {
  std::promise<void> asked, go_on;
  std::optional<store::StoredRun> run(const std::string& id) override {
    asked.set_value();
    go_on.get_future().wait();
    return fixture::Archive::run(id);
  }
};

}  // namespace

TEST_CASE("a rate test may be longer than any order, and the daemon gets it read") {
  Running running;
  add_half_cell(running);
  const auto csv = csv_of(20'000);
  REQUIRE(csv.size() > 6 * Limits{}.body_bytes);
  const auto reply = brought(running, form(csv));
  CHECK_MESSAGE(reply.status == 201, reply.body);
  CHECK(reply.body.find("\"samples\":20000,\"cycles\":1,") != std::string::npos);
  REQUIRE(running.daemon.orders.size() == 1);
  const auto& order = running.daemon.orders[0];
  CHECK(order.who == "anna");
  CHECK(import_of(order).run.starts_with("i"));
  CHECK(import_of(order).rows.size() ==
        20'000 + 5);  // the run, three events, its end; the act is the order's
  CHECK(brought(running, form(csv), "/api/v1/runs").status == 413);
}

TEST_CASE("a rate test is read beside the archive: neither waits for the other") {
  auto made = std::make_unique<BusyArchive>();
  BusyArchive& archive = *made;
  Running running({}, std::move(made));
  add_half_cell(running);
  auto question =
      std::async(std::launch::async, [&] { return get(running.local(), "/api/v1/runs/r000012"); });
  archive.asked.get_future().wait();  // and the reader thread has no end of it
  CHECK(brought(running, form("test_time,current\n1,2\n")).status == 422);
  archive.go_on.set_value();
  CHECK(question.get()->status == 200);
}

TEST_CASE("a file that cannot be used is refused with its line, and nothing is ordered") {
  Running running;
  add_half_cell(running);
  const auto said = [&](const std::string& body, unsigned status) {
    const auto reply = brought(running, body);
    CHECK(reply.status == status);
    return complaint(reply);
  };
  CHECK(said(form("test_time,current\n1,2\n"), 422).find("rate.csv") != std::string::npos);
  CHECK(said(form(csv_of(1), "R-LiNbO3"), 422).find("reference electrode") != std::string::npos);
  CHECK(said(form(csv_of(1), "H-2"), 422).starts_with("There is no cell \"H-2\""));
  CHECK(said(R"({"file":"x","csv":"y"})", 400) == "\"cell\" is missing.");
  CHECK(said(R"({"file":"x","csv":"y","cell":"H-1","changed":"yesterday"})", 400).find("2026-11-22T") !=
        std::string::npos);
  CHECK(running.daemon.orders.empty());
}

TEST_CASE("a file that is kept is refused, and one whose keeping was interrupted goes on where it was") {
  const auto csv = csv_of(2000);
  Stored stored;
  Running running({}, open_archive(stored.bench));
  add_half_cell(running);
  REQUIRE(brought(running, form(csv)).status == 201);
  auto rows = import_of(running.daemon.orders.at(0)).rows;
  const std::vector<store::Row> first(rows.begin(), rows.begin() + 503);  // the run, two events, 500 samples
  fixture::keep(stored.store, first);
  CHECK(store::Reader(stored.bench.store).run(import_of(running.daemon.orders[0]).run)->phase == "aborted");

  REQUIRE(brought(running, form(csv)).status == 201);
  const auto& rest = import_of(running.daemon.orders.at(1));
  CHECK(rest.rows.size() == rows.size() - 503);
  CHECK(std::get<store::SampleRow>(rest.rows.at(0)).seq == 501);
  fixture::keep(stored.store, rest.rows);
  store::Reader reader(stored.bench.store);
  CHECK(reader.run(rest.run)->phase == "finished");
  CHECK(reader.last_seq(rest.run) == 2000);
  CHECK(reader.samples(rest.run).size() == 2000);
  const auto cycles = get(running.local(), "/api/v1/capacities?run=" + rest.run);
  CHECK(cycles->body.find("\"running\":false") !=
        std::string::npos);  // no event ends a step that was imported
  CHECK(cycles->body.find("\"running\":true") == std::string::npos);

  const auto again = brought(running, form(csv));
  CHECK(again.status == 409);
  CHECK(complaint(again).starts_with("This file is in the store already: run i"));
}
