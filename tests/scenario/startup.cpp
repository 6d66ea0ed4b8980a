// What refuses a start, and what does not: when it is refused nothing moves, and one sentence says why.
#include "tests/scenario/bench.h"

#include <fcntl.h>
#include <sys/file.h>

#include "daemon/http/tokens.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

struct Refusal {
  int code;
  std::string said;
};
Refusal start_with(const Bench& bench, const fs::path& configuration) {
  const fs::path output = bench.folder() / "refused.err";
  Process daemon({Bench::program("cambenchd"), "--config", configuration.string()}, output);
  const int code = daemon.wait();
  return {code, contents(output)};
}

}  // namespace

TEST_CASE("a second daemon on the same store is refused in a sentence, and the first is undisturbed") {
  Bench bench;
  bench.recipe("long", short_recipe(1800, 300));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  const auto refusal = start_with(bench, bench.configuration());
  CHECK(refusal.code == 1);
  CHECK_MESSAGE(refusal.said.find("another cambenchd owns this database") != std::string::npos, refusal.said);
  CHECK(lines_of(refusal.said).size() == 1);
  const auto so_far = static_cast<int>(bench.samples(run).size());
  bench.until_step(0, "A1", so_far + 3);
  CHECK(bench.cell_is_on());
  CHECK(bench.truth().back().switches == 1);
}

TEST_CASE("a serial port that another program owns is refused and said to be so") {
  Bench bench;
  const int port = ::open((bench.folder() / "A1.tty").c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  REQUIRE(port >= 0);
  REQUIRE(::flock(port, LOCK_EX | LOCK_NB) == 0);
  bench.start();
  const auto trouble = [&] {
    const auto shown = bench.station().at("potentiostat").at("trouble");
    return shown.is_string() ? std::string(shown.as_string()) : std::string();
  };
  CHECK_MESSAGE(trouble().find("another program owns this device") != std::string::npos, trouble());
  bench.sim("mount A1 rate ncm-uncoated");
  bench.recipe("short", short_recipe(600, 300));
  const auto reply =
      bench.post("/api/v1/runs", {{"station", "A1"}, {"cell", "R-A1"}, {"recipe", "short"}, {"who", "anna"}});
  CHECK(reply.status == 409);
  CHECK(http::complaint(reply).find("another program owns this device") != std::string::npos);
  ::close(port);
  until("it is met once it is free", [&] { return trouble().empty(); });
}

TEST_CASE("a bench that other machines can reach, and nobody has a token: refused, and nothing is created") {
  Bench bench;
  const fs::path file = bench.folder() / "open.toml";
  auto text = contents(bench.configuration());
  const std::string loopback = "127.0.0.1:0", state = "state/cambench.sqlite";
  text.replace(text.find(loopback), loopback.size(), "0.0.0.0:0");
  text.replace(text.find(state), state.size(), "open/cambench.sqlite");
  std::ofstream(file) << text;
  const auto refusal = start_with(bench, file);
  CHECK(refusal.code == 1);
  CHECK_MESSAGE(refusal.said.find("cambench token add NAME --role viewer") != std::string::npos,
                refusal.said);
  CHECK_FALSE(fs::exists(bench.folder() / "open"));
}

TEST_CASE("mistakes of the configuration are all told with file and line, and nothing is created") {
  Bench bench;
  const fs::path file = bench.folder() / "wrong.toml";
  std::ofstream(file) << "[bench]\nname = \"x\"\ntime_scale = 10\n[store]\npath = \"elsewhere/x.sqlite\"\n"
                         "[http]\nlisten = \"everywhere:8870\"\ncontrol = \"elsewhere/control.sock\"\n"
                         "[log]\nfile = \"elsewhere/x.log\"\nlevle = \"info\"\n"
                         "[[station]]\nname = \"A1\"\n[station.potentiostat]\ndriver = \"telepathy\"\n"
                         "port = \"/dev/null\"\nserial = \"X\"\n";
  const auto refusal = start_with(bench, file);
  CHECK(refusal.code == 1);
  for (const char* place : {"wrong.toml:3", "wrong.toml:7", "wrong.toml:11", "wrong.toml:15"})
    CHECK_MESSAGE(refusal.said.find(place) != std::string::npos, place, "\n", refusal.said);
  CHECK_FALSE(fs::exists(bench.folder() / "elsewhere"));
  CHECK_FALSE(fs::exists(bench.folder() / "state"));
}

TEST_CASE(
    "a daemon whose drop folder cannot be made and whose address does not exist yet takes up its run, says "
    "so, and watches once the folder can be made") {
  Bench bench({.extra = "[drop]\npath = \"share/drop\"\nsettle_s = 0.1\npoll_s = 0.1\n"
                        "[[study]]\nid = \"coatings\"\nmaterials = [\"ncm-uncoated\"]\n"});
  bench.recipe("long", short_recipe(1800, 300));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.kill();

  const fs::path share = bench.folder() / "share";
  fs::remove_all(share);
  std::ofstream(share) << "no folder can be made in a file";
  REQUIRE(http::add_token(bench.folder() / "state" / "tokens", "anna", http::Role::operates));
  auto text = contents(bench.configuration());
  const std::string loopback = "127.0.0.1:0", of_nobody = "192.0.2.1:0";  // RFC 5737
  text.replace(text.find(loopback), loopback.size(), of_nobody);
  std::ofstream(bench.configuration()) << text;
  bench.start();
  bench.until_step(0);
  CHECK(bench.where().run == run);
  const auto study = [&] { return std::string(bench.status().at("studies").at(0).at("text").as_string()); };
  until(
      "the study says what is wrong with its folder",
      [&] { return study().find("the drop folder cannot be read") != std::string::npos; }, study);
  CHECK(bench.log().find("192.0.2.1 is no address of this machine yet") != std::string::npos);
  CHECK(bench.log().find("the drop folder: cannot be read: ") != std::string::npos);

  fs::remove(share);
  until("the folder is made", [&] { return fs::is_directory(share / "drop"); });
  until(
      "the study is free of it", [&] { return study().find("cannot be read") == std::string::npos; }, study);
}

TEST_CASE(
    "a log file that cannot be written refuses no start: it is said on standard error, with all the rest") {
  Bench bench;
  std::ofstream(bench.folder() / "blocked") << "no folder can be made in a file";
  auto text = contents(bench.configuration());
  const std::string log = "state/cambench.log";
  text.replace(text.find(log), log.size(), "blocked/x.log");
  std::ofstream(bench.configuration()) << text;
  bench.start();
  const auto said = lines_of(contents(bench.folder() / "daemon.err"));
  REQUIRE(said.size() > 1);
  CHECK_MESSAGE(said[0].find("blocked/x.log cannot be written, and goes to standard error: ") != said[0].npos,
                said[0]);
  CHECK(said[1].find("starts with") != said[1].npos);
}
