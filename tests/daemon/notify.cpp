// People are told: what waits for whom with time as an argument, how a message reads, and the ways out against receivers
// of our own on the loopback.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "daemon/alarms.h"
#include "daemon/notify/message.h"
#include "daemon/notify/notifier.h"
#include "daemon/notify/outbox.h"
#include "daemon/notify/ways.h"

using namespace cambench;
using namespace cambench::notify;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

Instant at(Seconds time) { return Instant{} + std::chrono::duration_cast<Instant::duration>(time); }

status::Alarm raised(std::int64_t id, command::Severity severity = command::Severity::alarm) {
  status::Alarm one;
  one.id = id;
  one.since = WallTime{} + 1'764'093'600s;  // 2025-11-25T18:00:00Z
  one.severity = severity;
  one.cause = "pressure_low";
  one.text = "47.00 MPa, target 50.00 +- 1.00 MPa";
  one.station = "A1";
  one.run = "r000003";
  return one;
}

config::Alarms one_way(command::Severity least = command::Severity::warning) {
  config::Alarms settings;
  settings.ways.resize(1);
  settings.ways[0].least = least;
  return settings;
}

const Sender sender{"battery lab", "http://127.0.0.1:8870/"};

struct Folder {
  fs::path path;
  Folder() {
    auto pattern = (fs::temp_directory_path() / "cambench-notify-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Folder() { fs::remove_all(path); }
  [[nodiscard]] fs::path script(const std::string& name, const std::string& body) const {
    std::ofstream(path / name) << "#!/bin/sh\n" << body;
    fs::permissions(path / name, fs::perms::owner_all);
    return path / name;
  }
};

std::string contents(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Answers so many requests with a status each and keeps what came.
class Receiver {
 public:
  explicit Receiver(std::vector<int> statuses) : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{
        .sin_family = AF_INET, .sin_port = 0, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 8) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, statuses = std::move(statuses)] {
      for (const int status : statuses) answer(status);
    });
  }
  ~Receiver() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/hook"; }
  void finish() {
    thread_.join(), thread_ = std::thread([] {});
  }
  std::vector<std::string> requests;

 private:
  void answer(int status) {
    const int peer = ::accept(listener_, nullptr, nullptr);
    if (peer < 0) return;
    std::string text;
    char bytes[4096];
    for (;;) {
      const auto head = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (head != text.npos &&
          (length == text.npos || text.size() >= head + 4 + std::stoul(text.substr(length + 16))))
        break;
      const auto count = ::recv(peer, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      text.append(bytes, static_cast<std::size_t>(count));
    }
    requests.push_back(text);
    const std::string reply =
        "HTTP/1.1 " + std::to_string(status) + " x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    (void)::send(peer, reply.data(), reply.size(), MSG_NOSIGNAL);
    ::close(peer);
  }
  int listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace

TEST_CASE("what comes within the grouping time is one message, oldest first") {
  Outbox outbox(one_way());
  outbox.changed(raised(2), at(0s));
  outbox.changed(raised(1), at(3s));
  CHECK(outbox.due(at(4.9s)).empty());
  const auto due = outbox.due(at(5s));
  REQUIRE(due.size() == 1);
  REQUIRE(due[0].alarms.size() == 2);
  CHECK(due[0].alarms[0].id == 1);
  outbox.sent(due[0], at(5s));
  CHECK(outbox.due(at(20s)).empty());
}

TEST_CASE("a way that wants alarms only is not told of warnings") {
  Outbox outbox(one_way(command::Severity::alarm));
  outbox.changed(raised(1, command::Severity::warning), at(0s));
  CHECK(outbox.due(at(60s)).empty());
}

TEST_CASE(
    "a way that fails is tried again after 5, 10, 20 s and at most every five minutes, and then told "
    "everything") {
  Outbox outbox(one_way());
  outbox.changed(raised(1), at(0s));
  Seconds now = 5s;
  for (const Seconds pause : {5s, 10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    const auto due = outbox.due(at(now));
    REQUIRE(due.size() == 1);
    outbox.failed(due[0], at(now));
    CHECK(outbox.due(at(now + pause - 1s)).empty());
    now += pause;
  }
  outbox.changed(raised(2), at(now));
  const auto due = outbox.due(at(now));
  REQUIRE(due.size() == 1);
  CHECK(due[0].alarms.size() == 2);
  outbox.sent(due[0], at(now));
  CHECK_FALSE(outbox.due(at(now + 60s)).size());
}

TEST_CASE("nobody is told more often than so many times an hour, and what was held back comes together") {
  auto settings = one_way();
  settings.at_most_per_hour = 3;
  Outbox outbox(settings);
  int told = 0;
  std::size_t most = 0;
  for (int second = 0; second < 3600; second += 10) {
    outbox.changed(raised(second + 1, command::Severity::warning), at(Seconds(second)));
    for (const auto& message : outbox.due(at(Seconds(second + 6)))) {
      ++told;
      outbox.sent(message, at(Seconds(second + 6)));
    }
  }
  CHECK(told == 3);
  for (const auto& message : outbox.due(at(3610s))) most = message.alarms.size();
  CHECK(most > 300);
}

TEST_CASE("chattering warnings do not hold back a trip") {
  auto settings = one_way();
  settings.at_most_per_hour = 3;
  Outbox outbox(settings);
  const auto tell = [&](Seconds now) {
    std::vector<status::Alarm> told;
    for (const auto& message : outbox.due(at(now))) told = message.alarms, outbox.sent(message, at(now));
    return told;
  };
  for (int i = 0; i < 10; ++i) {
    outbox.changed(raised(i, command::Severity::warning), at(Seconds(10 * i)));
    tell(Seconds(10 * i + 6));
  }
  CHECK(outbox.next() == at(3606s));
  outbox.changed(raised(10), at(1800s));
  CHECK(outbox.next() <= at(1805s));
  CHECK(tell(1805s).size() == 8);  // what was held back comes along
  outbox.changed(raised(11, command::Severity::warning), at(1900s));
  CHECK(tell(3000s).empty());
  auto gone = raised(10);
  gone.cleared = WallTime{};
  outbox.changed(gone, at(3001s));
  CHECK(tell(3006s).size() == 2);
}

TEST_CASE("that nobody has seen an alarm is told again no more often than so many times an hour") {
  auto settings = one_way();
  settings.at_most_per_hour = 3;
  settings.repeat = 20min;
  Outbox outbox(settings);
  for (int i = 0; i < 3; ++i) {
    outbox.changed(raised(i), at(Seconds(10 * i)));
    for (const auto& message : outbox.due(at(Seconds(10 * i + 6))))
      outbox.sent(message, at(Seconds(10 * i + 6)));
  }
  CHECK(outbox.due(at(30min)).empty());
  CHECK(outbox.due(at(3606s)).size() == 1);
}

TEST_CASE("what nobody acknowledges is told again, what somebody has seen is not") {
  Outbox outbox(one_way());
  const auto tell = [&](Seconds now) {
    int messages = 0;
    for (const auto& message : outbox.due(at(now))) outbox.sent(message, at(now)), ++messages;
    return messages;
  };
  outbox.changed(raised(1), at(0s));
  CHECK(tell(10s) == 1);
  CHECK(tell(3h) == 0);
  CHECK(tell(4h) + tell(4h + 10s) == 1);
  auto seen = raised(1);
  seen.acknowledged = WallTime{};
  outbox.changed(seen, at(5h));
  CHECK(tell(5h + 10s) == 1);  // those who were called hear that somebody cares
  CHECK(tell(30h) == 0);
  CHECK_FALSE(outbox.next());
}

namespace {

/// The alarms of a bench and the people who are told of them on one way.
struct Told {
  Alarms alarms;
  Outbox outbox;
  Seconds now{0};
  explicit Told(Seconds repeat = 4h)
      : outbox([&] {
          auto settings = one_way();
          settings.group = 0s;
          settings.repeat = repeat;
          return settings;
        }()) {
    alarms.on_change = [this](const status::Alarm& alarm) { outbox.changed(alarm, at(now)); };
  }
  [[nodiscard]] Stamp stamp() const {
    return {at(now), WallTime{} + std::chrono::round<WallTime::duration>(now)};
  }
  /// What people hear until `then`, looked at once a minute: the number of each alarm, negative when it is over.
  std::vector<std::int64_t> until(Seconds then) {
    std::vector<std::int64_t> heard;
    for (; now <= then; now += 1min) {
      alarms.pass(at(now));
      for (const auto& message : outbox.due(at(now))) {
        for (const auto& alarm : message.alarms) heard.push_back(alarm.cleared ? -alarm.id : alarm.id);
        outbox.sent(message, at(now));
      }
    }
    return heard;
  }
  void trip() {
    REQUIRE(alarms.raise("A1", "r1", {command::Severity::alarm, "pressure_low", "47 MPa"}, stamp().wall));
  }
  void mend() { REQUIRE(alarms.clear("A1", "r1", "", stamp().wall).size() == 1); }
  void shelve(Seconds time) { REQUIRE(alarms.shelve(1, time, "anna", "repair", stamp())); }
  void see() { REQUIRE(alarms.acknowledge(1, "anna", stamp().wall)); }
};
using Numbers = std::vector<std::int64_t>;

}  // namespace

TEST_CASE("an alarm that was told, shelved, mended and seen is never told again as standing") {
  Told told;
  told.trip();
  CHECK(told.until(10min) == Numbers{1});
  told.shelve(1h);
  SUBCASE("mended, then seen") {
    told.mend();
    CHECK(told.until(20min) == Numbers{-1});
    told.see();
  }
  SUBCASE("seen, then mended") {
    told.see();
    told.mend();
    CHECK(told.until(20min) == Numbers{-1});
  }
  CHECK(told.until(24h) == Numbers{});
  CHECK_FALSE(told.outbox.next());
}

TEST_CASE("what is on a shelf is not told again, however often it would be, until it is off the shelf") {
  Told told(15min);
  told.trip();
  CHECK(told.until(10min) == Numbers{1});
  told.shelve(62min);
  CHECK(told.until(69min) == Numbers{});
  SUBCASE("by itself") { CHECK(told.until(80min) == Numbers{1}); }
  SUBCASE("by a person, who names an older alarm of this cause") {
    told.mend();
    told.trip();
    CHECK(told.until(70min) == Numbers{-1});
    REQUIRE(told.alarms.unshelve(1, "ben", "done", told.stamp()));
    CHECK(told.until(80min) == Numbers{2});
  }
}

TEST_CASE("of an alarm that nobody was told of, nobody hears that it is over") {
  Told told;
  told.trip();
  told.shelve(1h);
  told.mend();
  CHECK(told.until(24h) == Numbers{});
}

TEST_CASE("a webhook gets Alertmanager's JSON") {
  auto gone = raised(8, command::Severity::warning);
  gone.cleared = gone.since + 90s;
  const auto json = boost::json::parse(alertmanager_json(sender, {raised(7), gone}, "webhook"));
  CHECK(json.at("version") == "4");
  CHECK(json.at("status") == "firing");
  CHECK(json.at("receiver") == "webhook");
  CHECK(json.at("externalURL") == "http://127.0.0.1:8870/");
  for (const char* key : {"groupKey", "truncatedAlerts", "groupLabels", "commonLabels", "commonAnnotations"})
    CHECK(json.as_object().contains(key));
  const auto& alerts = json.at("alerts").as_array();
  REQUIRE(alerts.size() == 2);
  CHECK(alerts[0].at("status") == "firing");
  CHECK(alerts[0].at("labels").at("alertname") == "pressure_low");
  CHECK(alerts[0].at("labels").at("severity") == "critical");
  CHECK(alerts[0].at("labels").at("station") == "A1");
  CHECK(alerts[0].at("startsAt").as_string().starts_with("2025-11-25T18:00:00"));
  CHECK(alerts[0].at("endsAt") == "0001-01-01T00:00:00Z");
  CHECK(alerts[1].at("status") == "resolved");
  CHECK(alerts[1].at("endsAt").as_string().starts_with("2025-11-25T18:01:30"));
  CHECK(alerts[0].at("fingerprint") != alerts[1].at("fingerprint"));
}

TEST_CASE("a mail has a header that no alarm can write into") {
  config::Notify way;
  way.to = {"anna@lab.example", "ben@lab.example"};
  way.from = "cambench@bench1";
  auto evil = raised(1);
  evil.text = "47 MPa\nBcc: everybody@example.org\r\n\r\nhello";
  const std::string text = mail(sender, {evil}, way, WallTime{} + 1'764'093'600s);
  const std::string header = text.substr(0, text.find("\n\n"));
  CHECK(header.find("To: anna@lab.example, ben@lab.example\n") != std::string::npos);
  CHECK(header.find("Date: Tue, 25 Nov 2025 18:00:00 +0000") != std::string::npos);
  CHECK(header.find("Subject: [battery lab] ALARM on A1: 47 MPa Bcc: ") != std::string::npos);
  CHECK(header.find("\nBcc:") == std::string::npos);
  auto german = raised(2);
  german.text = "Überdruck über 62 MPa, Presse entlüftet und Zelle geöffnet, bitte kommen";
  const std::string other = mail(sender, {german}, way, WallTime{});
  for (const char c : other.substr(0, other.find("\n\n"))) CHECK(static_cast<unsigned char>(c) < 0x80);
  CHECK(other.find("=?UTF-8?B?") != std::string::npos);
  CHECK(other.find("Überdruck") > other.find("\n\n"));
}

TEST_CASE("a program gets the message on its input, and one that fails or hangs is said to") {
  const Folder folder;
  const auto keeps = folder.script("keeps", "cat > \"$0.got\"\n");
  CHECK(run_program({keeps.string()}, "hello", 5s));
  CHECK(contents(keeps.string() + ".got") == "hello");
  const auto fails = run_program({folder.script("fails", "exit 3\n").string()}, "x", 5s);
  REQUIRE_FALSE(fails);
  CHECK(fails.error().what.find("exit code 3") != std::string::npos);
  const auto hangs = run_program({folder.script("hangs", "sleep 60 & sleep 60\n").string()},
                                 std::string(1 << 20, 'x'), 200ms);
  REQUIRE_FALSE(hangs);
  CHECK(hangs.error().what.find("takes too long") != std::string::npos);
  CHECK_FALSE(run_program({(folder.path / "absent").string()}, "", 1s));
}

TEST_CASE("a web server that answers 2xx has heard it, any other has not") {
  Receiver receiver({200, 503});
  CHECK(call(receiver.url(), R"({"a":1})", 5s));
  const auto refused = call(receiver.url(), R"({"a":2})", 5s);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().what.find("503") != std::string::npos);
  receiver.finish();
  REQUIRE(receiver.requests.size() == 2);
  CHECK(receiver.requests[0].starts_with("POST /hook HTTP/1.1\r\n"));
  CHECK(receiver.requests[0].find("Content-Type: application/json") != std::string::npos);
  CHECK(receiver.requests[0].ends_with(R"({"a":1})"));
  CHECK_FALSE(call("http://127.0.0.1:1/", "{}", 1s));
  CHECK_FALSE(call("file:///etc/passwd", "", 1s));  // http and https only
}

TEST_CASE(
    "the notifier tells on every way, takes nobody's time, and its heartbeat stops with the deciding "
    "thread") {
  const Folder folder;
  Receiver hook({500, 200});  // it fails once; the alarm is told again
  config::Alarms settings = one_way();
  settings.group = 0s;
  settings.ways = {
      {.by = config::Notify::By::webhook, .url = hook.url()},
      {.by = config::Notify::By::mail,
       .to = {"anna@lab.example"},
       .from = "cambench@bench1",
       .sendmail = folder.script("sendmail", "echo \"$@\" > \"$0.args\"; cat > \"$0.got\"\n")},
      {.by = config::Notify::By::command, .run = {folder.script("hangs", "sleep 1\n").string()}}};
  config::Heartbeat heartbeat{
      .url = {}, .run = {folder.script("beat", "echo beat >> \"$0.got\"\n").string()}, .every = 0.05s};
  std::vector<std::string> said;
  {
    Notifier notifier(settings, heartbeat, sender, [&](const std::string& text) { said.push_back(text); });
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < 5000; ++i) notifier.tell(raised(i));  // more than it keeps
    CHECK(std::chrono::steady_clock::now() - began < 1s);
    notifier.alive(std::chrono::steady_clock::now());
    while (!fs::exists(folder.path / "beat.got")) std::this_thread::sleep_for(5ms);
  }  // says what waits once more
  hook.finish();
  REQUIRE(hook.requests.size() == 2);
  CHECK(hook.requests[1].find("pressure_low") != std::string::npos);
  REQUIRE(!said.empty());
  CHECK(said[0].find("people could not be told: " + hook.url()) != std::string::npos);
  CHECK(contents(folder.path / "sendmail.args") == "-t -oi -f cambench@bench1\n");
  CHECK(contents(folder.path / "sendmail.got").find("To: anna@lab.example") != std::string::npos);
}

TEST_CASE("without a sign of life from the deciding thread no heartbeat goes out") {
  const Folder folder;
  config::Heartbeat heartbeat{
      .url = {}, .run = {folder.script("beat", "echo beat >> \"$0.got\"\n").string()}, .every = 0.02s};
  {
    Notifier notifier({}, heartbeat, sender, [](const std::string&) {});
    notifier.tell(raised(1));
    std::this_thread::sleep_for(200ms);
  }
  CHECK_FALSE(fs::exists(folder.path / "beat.got"));
}
