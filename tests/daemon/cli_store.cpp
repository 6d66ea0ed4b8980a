// cambench backup, verify and doctor, as a person or a script meets them.
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <fstream>

#include "daemon/store/database.h"
#include "daemon/store/reader.h"
#include "daemon/store/store.h"
#include "tests/daemon/command_line.h"
#include "tests/daemon/store_rows.h"

using namespace cambench;
using namespace cambench::tests;
using test::Folder;

namespace {

/// A store with a run of 100 samples, its daemon still there.
struct Running {
  Folder folder;
  store::Store store{folder.file()};
  Running() {
    REQUIRE(test::committed(store, {test::a_run("r000001")}));
    add(1, 100);
  }
  void add(int first, int last) {
    for (int i = first; i <= last; ++i) REQUIRE(store.append(test::a_sample("r000001", i)));
    REQUIRE(store.flush());
  }
};

std::string bench_in(const std::filesystem::path& folder, const std::string& port,
                     const std::string& address = "127.0.0.1") {
  const auto file = folder / "cambench.toml";
  std::ofstream(file) << "[bench]\nname = \"x\"\n[store]\npath = \"state/bench.sqlite\"\n[http]\n"
                         "listen = \""
                      << address
                      << ":0\"\ncontrol = \"control.sock\"\n[[station]]\nname = \"A1\"\n"
                         "[station.potentiostat]\ndriver = \"methodscript\"\nport = \""
                      << port << "\"\nserial = \"ES-1\"\nrecord = true\n";
  return file.string();
}

Said doctor(const std::string& config, const std::string& status = {}, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"doctor", "--config", config});
  return cambench_says(more, [&](cli::World& world) {
    world.ask = [status](const http::Address&, std::string_view, std::string_view,
                         std::string_view) -> Result<http::Reply> {
      if (status.empty()) return fail(Fault::Kind::link, "no such file");
      return http::Reply{.status = 200, .body = status};
    };
  });
}

}  // namespace

TEST_CASE("backup copies while the store writes, and says how much and how long") {
  Running running;
  const auto copy = running.folder.path / "copy.sqlite";
  const auto said = cambench_says({"backup", "--database", running.folder.file().string(), copy.string()});
  CHECK(said.code == 0);
  CHECK(has(said.out, "MB in "));
  CHECK(has(said.out, "checked and durable"));
  CHECK(store::Reader(copy).last_seq("r000001") == 100);
  running.add(101, 150);
  const auto json = cambench_says(
      {"--json", "backup", "--database", running.folder.file().string(), running.folder.path.string()});
  const auto document = boost::json::parse(json.out);
  const std::filesystem::path named(std::string(document.at("copy").as_string()));
  CHECK(named.parent_path() == running.folder.path);
  CHECK(store::Reader(named).last_seq("r000001") == 150);
  CHECK(document.at("bytes").to_number<std::uintmax_t>() == std::filesystem::file_size(named));
}

TEST_CASE("backup never writes onto its source, nor onto a database in use") {
  Running running;
  const auto source = running.folder.file();
  const auto link = running.folder.path / "alias.sqlite";
  std::filesystem::create_hard_link(source, link);
  for (const auto& to : {source, link, running.folder.path / "." / "bench.sqlite"}) {
    const auto said = cambench_says({"backup", "--database", source.string(), to.string()});
    CHECK(said.code == 1);
    CHECK(has(said.err, "is the database itself"));
  }
  Running other;
  const auto said = cambench_says({"backup", "--database", source.string(), other.folder.file().string()});
  CHECK(said.code == 1);
  CHECK(has(said.err, "is a database in use"));
  CHECK(store::Reader(other.folder.file()).last_seq("r000001") == 100);
  CHECK_FALSE(std::filesystem::exists(other.folder.file().string() + ".unfinished"));
}

TEST_CASE("verify counts what is there, and ends with 1 when a promise is broken") {
  Running running;
  const auto good = cambench_says({"verify", running.folder.file().string()});
  CHECK_MESSAGE(good.code == 0, good.err);
  CHECK(has(good.out, "sample            100"));
  CHECK(has(good.out, "good: structure"));
  const auto copy = running.folder.path / "copy.sqlite";
  (void)cambench_says({"backup", "--database", running.folder.file().string(), copy.string()});
  store::Database(copy, store::Database::Mode::read_write)
      .run("DELETE FROM sample WHERE seq BETWEEN 40 AND 41");
  const auto bad = cambench_says({"verify", copy.string()});
  CHECK(bad.code == 1);
  CHECK(has(bad.out, "run r000001: samples 40 to 41 are missing"));
  CHECK(has(bad.err, "is not as it must be"));
  const auto json = boost::json::parse(cambench_says({"--json", "verify", copy.string()}).out);
  CHECK(json.at("missing_samples").to_number<int>() == 2);
  CHECK(json.at("breaches").as_array().size() >= 1);
}

TEST_CASE("doctor tells a port that is not there and what to do, and ends with 1") {
  Folder folder;
  const auto said = doctor(bench_in(folder.path, "/dev/serial/by-id/absent"));
  CHECK(said.code == 1);
  CHECK(has(said.out, "good  configuration: "));
  CHECK(has(said.out, "BAD  port of the potentiostat of A1: /dev/serial/by-id/absent is not there"));
  CHECK(has(said.out, "-> plug it in, or correct the port"));
  CHECK(has(said.out, "note  cambenchd: does not run; the instruments are asked directly"));
  CHECK(has(said.out, "BAD  potentiostat of A1: "));
  CHECK(has(said.out, "free space: "));
  CHECK(has(said.err, "to be mended"));
  CHECK_FALSE(std::filesystem::exists(folder.path / "state"));
}

TEST_CASE("doctor notes that nobody reaches an address that this machine does not have") {
  Folder folder;
  const std::string port = "/dev/serial/by-id/absent";
  CHECK(has(doctor(bench_in(folder.path, port)).out, "good  address: 127.0.0.1 is one of this machine"));
  const auto elsewhere = bench_in(folder.path, port, "192.0.2.1");  // RFC 5737: nobody's
  CHECK(has(doctor(elsewhere).out, "note  address: 192.0.2.1 is no address of this machine now"));
}

TEST_CASE("doctor notes that what root may do proves nothing for the service") {
  Folder folder;
  const auto said = doctor(bench_in(folder.path, "/dev/serial/by-id/absent"));
  CHECK(has(said.out, "note  user: root looks") == (::geteuid() == 0));
}

TEST_CASE("doctor leaves the instruments of a daemon alone that runs and does not answer") {
  Folder folder;
  std::filesystem::create_directory(folder.path / "state");
  const store::Store of_a_daemon(folder.path / "state" / "bench.sqlite");
  const auto said = doctor(bench_in(folder.path, "/dev/serial/by-id/absent"));
  CHECK(has(said.out, "BAD  cambenchd: does not answer, and a cambenchd runs with "));
  CHECK_FALSE(has(said.out, "asked directly"));
  CHECK_FALSE(has(said.out, "BAD  potentiostat of A1: "));
}

TEST_CASE("doctor asks a running daemon for its instruments instead of talking to them") {
  Folder folder;
  const auto config = bench_in(folder.path, "tcp://127.0.0.1:9");
  const std::string up =
      R"({"version":"0.1","started":"today","ready":true,"alarms":[],"store":{"up":true,"warning":""},)"
      R"("stations":[{"name":"A1","potentiostat":{"up":true,"maker":"PalmSens","model":"EmStat4",)"
      R"("serial":"ES-1","firmware":"1.3"}}]})";
  const auto good = doctor(config, up);
  CHECK_MESSAGE(good.code == 0, good.out);
  CHECK(has(good.out, "good  potentiostat of A1: PalmSens EmStat4, serial ES-1, firmware 1.3"));
  const std::string down =
      R"({"version":"0.1","started":"today","ready":true,"alarms":[1],"store":{"up":false,"trouble":"disk I/O error"},)"
      R"("stations":[{"name":"A1","potentiostat":{"up":false,"trouble":"serial ES-2 answered"},"press":null,)"
      R"("gauge":{"up":false,"trouble":"no answer within 0.3 s"}}]})";
  const auto bad = doctor(config, down);
  CHECK(bad.code == 1);
  CHECK(has(bad.out, "BAD  potentiostat of A1: serial ES-2 answered"));
  CHECK(has(bad.out, "BAD  gauge of A1: no answer within 0.3 s"));
  CHECK_FALSE(has(bad.out, "press of A1"));
  CHECK(has(bad.out, "BAD  store: disk I/O error"));
  CHECK(has(bad.out, "note  alarms: 1 stand"));
  CHECK(has(bad.err, "3 to be mended"));

  const auto json = boost::json::parse(doctor(config, down, {"--json"}).out).as_array();
  const auto gauge =
      std::ranges::find_if(json, [](const auto& one) { return one.at("about") == "gauge of A1"; });
  REQUIRE(gauge != json.end());
  CHECK(gauge->at("verdict") == "BAD");
  CHECK(gauge->at("seen") == "no answer within 0.3 s");
  CHECK(gauge->at("mend") == "look at power, cable and port");
}

TEST_CASE("doctor tells every mistake of a configuration and looks no further") {
  Folder folder;
  const auto file = folder.path / "wrong.toml";
  std::ofstream(file) << "[bench]\nname = \"x\"\nspeed = 3\n";
  const auto said = doctor(file.string());
  CHECK(said.code == 1);
  CHECK(has(said.out, "BAD  configuration: "));
  CHECK(has(said.out, "wrong.toml:3"));
  CHECK_FALSE(has(said.out, "free space"));
}

TEST_CASE("doctor tells a database of another program and a file in place of a port") {
  Folder folder;
  std::filesystem::create_directory(folder.path / "state");
  store::Database(folder.path / "state" / "bench.sqlite", store::Database::Mode::read_write)
      .run("CREATE TABLE theirs (a)");
  std::ofstream(folder.path / "port") << "";
  const auto said = doctor(bench_in(folder.path, (folder.path / "port").string()));
  CHECK(said.code == 1);
  CHECK(has(said.out, "BAD  database: "));
  CHECK(has(said.out, "another program"));
  CHECK(has(said.out, "is no serial port"));
}

TEST_CASE("doctor says what to do with a database of a newer version, and with a damaged one") {
  Folder folder;
  const auto file = folder.path / "state" / "bench.sqlite";
  { store::Store store(file); }
  const std::string newer = "use the newer cambench that wrote it",
                    restore = "put the newest backup in its place";
  SUBCASE("newer") {
    store::Database(file, store::Database::Mode::read_write).run("PRAGMA user_version = 99");
    const auto said = doctor(bench_in(folder.path, "/dev/serial/by-id/absent"));
    CHECK(has(said.out, "BAD  database: "));
    CHECK(has(said.out, newer));
    CHECK_FALSE(has(said.out, restore));
  }
  SUBCASE("damaged") {
    std::fstream(file, std::ios::binary | std::ios::in | std::ios::out).seekp(100)
        << std::string(2000, '\xA5');
    const auto said = doctor(bench_in(folder.path, "/dev/serial/by-id/absent"));
    CHECK(has(said.out, "BAD  database: "));
    CHECK(has(said.out, restore));
  }
}

TEST_CASE("doctor passes on what the store of a running daemon warns of, and advises nothing else") {
  Folder folder;
  const std::string status =
      R"({"version":"0.1","started":"today","ready":true,"alarms":[],"stations":[],)"
      R"("store":{"up":true,"warning":"only 700 MB are free where the store lies (x); make room"}})";
  const auto said = doctor(bench_in(folder.path, "tcp://127.0.0.1:9"), status);
  CHECK(has(said.out, "note  store: only 700 MB are free where the store lies (x); make room"));
  CHECK_FALSE(has(said.out, "end the program that reads"));
}
