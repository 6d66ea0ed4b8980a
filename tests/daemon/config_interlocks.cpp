// The interlock table and the ways to people, as the operator writes them: what is taken, and what is refused with its
// line and the mend.
#include <doctest/doctest.h>

#include <algorithm>

#include "daemon/config.h"

using namespace cambench;
using sequencer::Interlock;

namespace {

constexpr const char* bench =
    "[store]\npath = \"x.sqlite\"\n"  // lines 1, 2
    "[[station]]\nname = \"A1\"\n[station.press]\ndriver = \"modbus\"\nmap = \"generic-press\"\n"  // 3 to 7
    "port = \"tcp://127.0.0.1:1502\"\n";                                                           // 8

config::Bench read(const std::string& more) { return config::parse(bench + more, "bench.toml"); }

std::string refusal(const std::string& more) {
  try {
    static_cast<void>(read(more));
  } catch (const config::Refused& refused) {
    return refused.what();
  }
  return "it was taken";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const Interlock& row(const config::Bench& of, const std::string& cause) {
  return *sequencer::find_row(*of.interlocks, cause);
}

}  // namespace

TEST_CASE("without a word the shipped table stands: every cause once, every limit within its own range") {
  const auto plain = read("");
  const auto& table = *plain.interlocks;
  CHECK(table.size() == sequencer::shipped_interlocks().size());
  for (const Interlock& one : table) {
    CHECK(std::ranges::count(table, one.cause, &Interlock::cause) == 1);
    CHECK(one.votes <= one.of);
    CHECK(!one.meaning.empty());
    if (!one.limit_key.empty()) CHECK((one.limit >= one.least && one.limit <= one.most));
  }
  CHECK(row(plain, "over_pressure").press == sequencer::Mechanical::vent);
  CHECK(row(plain, "pressure_low").votes == 3);
}

TEST_CASE("a row is changed where it is named, and the others stay") {
  const auto changed = read(
      "[[interlock]]\ncause = \"pressure_low\"\nvotes = 4\nof = 8\nfor_s = 3\npress = \"vent\"\n"
      "[[interlock]]\ncause = \"press_stale\"\nage_s = 5\n");
  CHECK(row(changed, "pressure_low").votes == 4);
  CHECK(row(changed, "pressure_low").of == 8);
  CHECK(row(changed, "pressure_low").longest == Seconds(3));
  CHECK(row(changed, "pressure_low").press == sequencer::Mechanical::vent);
  CHECK(row(changed, "press_stale").limit == 5);
  CHECK(row(changed, "pressure_lost").votes == 2);
}

TEST_CASE("rows that contradict themselves or each other are refused with line and mend") {
  const auto lock = [](const std::string& lines) { return refusal("[[interlock]]\n" + lines); };
  CHECK(has(lock("cause = \"presure_low\"\n"), "bench.toml:10"));
  CHECK(has(lock("cause = \"presure_low\"\n"), "did you mean \"pressure_low\"?"));
  CHECK(has(lock("votes = 3\n"), "cause"));
  CHECK(has(lock("cause = \"pressure_low\"\nvotes = 6\n"), "bench.toml:11"));
  CHECK(has(lock("cause = \"pressure_low\"\nvotes = 6\n"), "votes must not be above of"));
  CHECK(has(lock("cause = \"pressure_low\"\nof = 17\n"), "16"));
  CHECK(has(lock("cause = \"pressure_low\"\nvotes = 0\n"), "bench.toml:11"));
  CHECK(has(lock("cause = \"pressure_low\"\nfor_s = 0.3\n"), "expected at least 0.4"));
  CHECK(has(lock("cause = \"sensors_disagree\"\nfor_s = 0\n"), "no trip can be switched off"));
  CHECK(has(lock("cause = \"over_pressure\"\npress = \"hold\"\n"), "leave \"vent\""));
  CHECK(has(lock("cause = \"over_pressure\"\nhard_factor = 1\n"), "bench.toml:11"));
  CHECK(has(lock("cause = \"power_cycled\"\nvotes = 2\n"), "believed at once"));
  CHECK(has(lock("cause = \"press_stale\"\nvotes = 2\n"), "an age"));
  CHECK(has(lock("cause = \"press_stale\"\nage_s = 0.2\n"), "bench.toml:11"));
  CHECK(has(lock("cause = \"pressure_low\"\nage_s = 2\n"), "age_s"));  // a key of another row
  CHECK(has(lock("cause = \"pressure_lost\"\nvotes = 4\nof = 5\n"), "must not be believed later"));
  CHECK(
      has(lock("cause = \"pressure_bad\"\nvotes = 12\nof = 16\nfor_s = 3\n"), "raise age_s or lower votes"));
  CHECK(has(refusal("[[interlock]]\ncause = \"overload\"\n[[interlock]]\ncause = \"overload\"\n"),
            "bench.toml:12"));
  CHECK(has(refusal("[[interlock]]\ncause = \"overload\"\n[[interlock]]\ncause = \"overload\"\n"),
            "given twice"));
  CHECK(has(lock("cause = \"overload\"\nenabled = false\n"), "enabled"));  // nothing can be switched off
}

TEST_CASE("the ways to people and the heartbeat are read") {
  const auto all = read(
      "[alarms]\ngroup_s = 10\nrepeat_min = 60\nlongest_shelf_min = 30\nat_most_per_hour = 12\n"
      "[[notify]]\nby = \"webhook\"\nurl = \"http://127.0.0.1:9095/hook\"\nleast = \"alarm\"\n"
      "[[notify]]\nby = \"mail\"\nto = [\"anna@lab.example\"]\nfrom = \"cambench@bench1\"\n"
      "[[notify]]\nby = \"command\"\nrun = [\"/usr/local/bin/page\", \"lab\"]\n"
      "[heartbeat]\nurl = \"https://hc.example/ping\"\nevery_s = 30\n");
  CHECK(all.alarms.group == Seconds(10));
  CHECK(all.alarms.repeat == Seconds(3600));
  CHECK(all.alarms.longest_shelf == Seconds(1800));
  CHECK(all.alarms.at_most_per_hour == 12);
  REQUIRE(all.alarms.ways.size() == 3);
  CHECK(all.alarms.ways[0].least == command::Severity::alarm);
  CHECK(all.alarms.ways[1].sendmail == "/usr/sbin/sendmail");
  CHECK(all.alarms.ways[2].run.at(1) == "lab");
  REQUIRE(all.heartbeat);
  CHECK(all.heartbeat->every == Seconds(30));
}

TEST_CASE(
    "how long an alarm waits is a row of the shipped table that the file may change; a trip waits for "
    "nothing") {
  const auto changed = read(
                           "[[alarm]]\ncause = \"potentiostat_link\"\non_s = 20\n[[alarm]]\ncause = "
                           "\"store_behind\"\noff_s = 0\n")
                           .alarms;
  CHECK(delay_of(changed.delays, "potentiostat_link").on == Seconds(20));
  CHECK(delay_of(changed.delays, "potentiostat_link").off == Seconds(30));
  CHECK(delay_of(changed.delays, "store_behind").off == Seconds(0));
  CHECK(delay_of(changed.delays, "pressure_lost").on == Seconds(0));
  CHECK(has(refusal("[[alarm]]\ncause = \"pressure_lost\"\non_s = 5\n"),
            "no alarm \"pressure_lost\" can wait"));
  CHECK(has(refusal("[[alarm]]\non_s = 5\n"), "cause"));
  CHECK(has(refusal("[[alarm]]\ncause = \"gauge_silent\"\non_s = 601\n"), "bench.toml:11"));
}

TEST_CASE("a way that cannot reach anybody is refused") {
  CHECK(has(refusal("[[notify]]\nby = \"pigeon\"\n"), "bench.toml:10"));
  CHECK(has(refusal("[[notify]]\nby = \"webhook\"\n"), "where to POST to"));
  CHECK(has(refusal("[[notify]]\nby = \"webhook\"\nurl = \"ftp://x\"\n"), "expected http:// or https://"));
  CHECK(has(refusal("[[notify]]\nby = \"command\"\nrun = [\"page\"]\n"), "absolute path"));
  CHECK(has(refusal("[[notify]]\nby = \"mail\"\nto = [\"anna lab\"]\n"), "a mail address"));
  CHECK(has(refusal("[[notify]]\nby = \"mail\"\n"), "list of mail addresses"));
  CHECK(has(refusal("[[notify]]\nby = \"mail\"\nto = [\"a@b\"]\nurl = \"http://x\"\n"), "url"));
  CHECK(has(refusal("[heartbeat]\nevery_s = 5\n"), "either url or run"));
  CHECK(has(refusal("[heartbeat]\nurl = \"http://x\"\nrun = [\"/bin/true\"]\n"), "either url or run"));
}
