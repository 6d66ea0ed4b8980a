// The disk below the store of a running bench, on a real file system: it fills up, it is full, it stands still. What a disk
// may do beside that: disk.cpp.
#include <sys/mount.h>
#include <sys/statvfs.h>

#include <future>

#include "daemon/http/tokens.h"
#include "tests/scenario/charging.h"
#include "tests/scenario/held.h"
#include "tests/scenario/hook.h"

using namespace cambench;
using namespace cambench::scenario;

namespace {

constexpr std::uint64_t MB = 1'000'000;

/// A file system of its own for the store, in memory, whose free space is as the test says. Only root may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(const Bench& bench) : at_(bench.folder() / "state") {
    fs::create_directory(at_);
    is_there_ =
        ::mount("none", at_.c_str(), "tmpfs", 0, "size=4g") == 0;  // takes no memory before it is written
    if (!is_there_) MESSAGE("skipped: nobody but root may mount a small disk");
  }
  ~SmallDisk() {
    if (is_there_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;

  [[nodiscard]] bool is_there() const { return is_there_; }
  void leave_free(std::uint64_t bytes) const {
    struct statvfs now {};
    REQUIRE(::statvfs(at_.c_str(), &now) == 0);
    const std::uint64_t used = (now.f_blocks - now.f_bfree) * now.f_frsize;
    const std::string size = fmt::format("size={}", used + bytes);
    REQUIRE(::mount("none", at_.c_str(), "tmpfs", MS_REMOUNT, size.c_str()) == 0);
  }

 private:
  fs::path at_;
  bool is_there_ = false;
};

/// Somebody weighs a new cell and enters it over TCP; the answer, once there is one.
std::string put_cell(const Bench& bench, const std::string& token) {
  const auto out = (bench.folder() / "answer").string();
  const auto command = fmt::format(
      "curl -s -i -o '{}' --max-time 20 -X PUT -H 'Content-Type: application/json' -H 'Authorization: Bearer "
      "{}' -d "
      "'{}' http://{}/api/v1/cells/R-new",
      out, token,
      R"({"material":"ncm-uncoated","electrodes":3,"composite_mg":12,"cam_fraction":0.67,"area_cm2":0.7854,)"
      R"("reference_vs_li_V":0.31,"reference_note":"assumed"})",
      bench.tcp_place());
  return std::system(command.c_str()) == 0 ? contents(out) : "no answer";
}

}  // namespace

TEST_CASE(
    "a disk that fills up is told, then nothing new begins, then the cell is opened and the reason kept") {
  const Hook hook;
  Bench bench({.stations = 2, .time_scale = scale, .extra = "[alarms]\ngroup_s = 0\n" + webhook(hook)});
  const SmallDisk disk(bench);
  if (!disk.is_there()) return;
  bench.recipe("long", short_recipe(1800, 300));
  bench.start();
  const std::string run = bench.run("long");
  bench.until_step(0);
  bench.sim("mount A2 rate ncm-uncoated");

  disk.leave_free(700 * MB);
  until(
      "people are told", [&] { return hook.heard_of("store_behind", "firing"); },
      [&] { return bench.log(); });
  CHECK(bench.log().find("MB are free where the store lies") != std::string::npos);
  CHECK(bench.status().at("ready").as_bool());

  disk.leave_free(100 * MB);
  std::string refusal;
  until("nothing new may begin",
        [&] { return !(refusal = bench.refusal("long", "A2")).empty() || bench.where("A2").state != ""; });
  CHECK(refusal == "the disk of the store is nearly full: make room before anything new is started.");
  CHECK(bench.cell_is_on("A1"));
  CHECK(bench.where("A1").state == "running");
  CHECK(bench.alarms() == std::vector<std::string>{"store_behind"});

  const auto before = bench.samples(run);
  const auto began = std::chrono::steady_clock::now();
  disk.leave_free(0);
  until(
      "the cell is open", [&] { return !bench.cell_is_on("A1"); }, [&] { return bench.log(); });
  const Seconds took = std::chrono::steady_clock::now() - began;
  bench.until_state("tripped");  // the store has it too: the ballast was given back
  CHECK_MESSAGE(bench.happened(run, "tripped store_failed"), bench.where().why);
  MESSAGE("| store_failed | disk full | ", took.count() * 1e3, " ms | ", bench.where().why);
  until("people are told", [&] { return hook.heard_of("store_failed", "firing"); });
  CHECK(bench.truth_with_cell_off("A1").back().switches == 2);

  disk.leave_free(2000 * MB);
  CHECK(bench.daemon().end(SIGTERM) == 0);
  bench.start();
  CHECK(bench.where().state == "tripped");
  const auto after = bench.samples(run);  // and those that waited in the spool
  REQUIRE(after.size() >= before.size());
  for (std::size_t i = 1; i < after.size(); ++i) CHECK(after[i].seq == after[i - 1].seq + 1);
}

TEST_CASE("a store that stands still acknowledges nothing, and opens the cell while it does") {
  if (!debugging_is_allowed("/dev/null")) {
    MESSAGE("skipped: this host lets nobody stop a thread");
    return;
  }
  Charging bench(2.5);
  const auto anna = *http::add_token(bench.folder() / "state" / "tokens", "anna", http::Role::operates);
  std::optional<Held> held;
  held.emplace(bench.daemon().id(), "store", std::vector<long>{SYS_fdatasync, SYS_pwrite64});
  const auto began = std::chrono::steady_clock::now();
  auto edit = std::async(std::launch::async, [&] { return put_cell(bench, anna); });
  until(
      "the cell is open", [&] { return !bench.cell_is_on(); }, [&] { return bench.log(); });
  const Seconds took = std::chrono::steady_clock::now() - began;
  MESSAGE("| store_failed | nothing is written | ", took.count() * 1e3, " ms, 5 s are allowed to pass |");
  CHECK(edit.wait_for(0s) == std::future_status::timeout);  // who edits is not told of what is not durable
  CHECK(bench.status().at("stations").as_array().size() == 1);  // who looks is answered
  held.reset();
  const std::string reply = edit.get();
  CHECK_MESSAGE(reply.starts_with("HTTP/1.1 200"), reply);  // as soon as it is durable
  CHECK(bench.get("/api/v1/cells").body.find("\"id\":\"R-new\"") != std::string::npos);
  bench.until_state("tripped");
  CHECK_MESSAGE(bench.happened(bench.run_id, "tripped store_failed"), bench.where().why);
  bench.open_for_good();
}
