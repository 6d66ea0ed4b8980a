// The MethodSCRIPT driver against prepared answers over a real pseudo terminal or TCP connection: what bytes it sends,
// in which order, and what it makes of answers that come late, broken, or from somebody else. Answers are those of
// the maker's documents; where a real instrument's behaviour is not known, each reading has its case.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>

#include "drivers/palmsens.h"
#include "drivers/sim/host_port.h"

using namespace cambench;
using namespace std::chrono_literals;
namespace asio = boost::asio;

namespace {

constexpr auto firmware = "tes4_hr1100#Jan 28 2022 11:04:43\nR*\n";
constexpr auto capabilities = "C000000000000000000000000000003FFFFBFE8FFFFFFFFFFFFFFFFFFFFBFFFFE\n";
constexpr auto at_rest = "e\nM000B\nPja8000000i;eb8000000a;ab8387520u,10,204;ag8387520u,10,204\n*\n\n";
constexpr auto with_room = "f120 kB 65536 kB\n";
constexpr auto the_file = "fs_get cb-r000001-3-39600000.txt";
constexpr auto announcement = "TRUN r000001 3 1000 ES4HR20B0001\n";

/// "Pja...": a row of step 3 at so many seconds, 3.7 V, 0.4 mA.
std::string row(int second) {
  char time[16];
  std::snprintf(time, sizeof time, "%07X", 0x8000000 + second);
  return std::string("Pja8000003i;eb") + time +
         " ;ab8387520u,10,204;ag8387520u,10,204;ba8061A80n,10,215;db8061A80n\n";
}

enum class Over { pty, tcp };

/// The other end of the link: answers what it was told to answer, and remembers what it heard. A command is one line;
/// an upload is named by its first line and heard whole.
class Prepared {
 public:
  Prepared(asio::io_context& io, Over over) {
    const sim::HostPortEvents events{[this](std::string_view bytes) { hear(bytes); }, [](bool) {}};
    port = over == Over::tcp ? sim::open_tcp(io, events) : sim::open_pty(io, device(), events);
  }
  static std::filesystem::path device() {
    return std::filesystem::temp_directory_path() / ("cambench-prepared-" + std::to_string(::getpid()));
  }

  std::map<std::string, std::string> answers{{"t", firmware},      {"i", "iES4HR20B0001\n"},
                                             {"v", "v01.09.00\n"}, {"CM", capabilities},
                                             {"l", "l\n"},         {"r", "r\n"},
                                             {"Z", "Z!0006\n"},    {"off", "e\n\n"},
                                             {"look", at_rest},    {"fs_info /", "f!0083\n"}};  // no storage
  std::function<void(const std::string&)> also = [](const std::string&) {};  ///< called after an answer
  std::vector<std::string> heard;    ///< commands; uploads as "l", "off" and "look"
  std::vector<std::string> uploads;  ///< the scripts
  std::unique_ptr<sim::HostPort> port;

  [[nodiscard]] std::ptrdiff_t times(const std::string& command) const {
    return std::ranges::count(heard, command);
  }
  void say(std::string_view bytes) { port->send(bytes); }

 private:
  void hear(std::string_view bytes) {
    for (const char c : bytes) {
      if (c != '\n') {
        line_ += c;
        continue;
      }
      take(std::exchange(line_, {}));
    }
  }
  void take(const std::string& line) {
    if (uploading_) {
      if (!line.empty()) return void(script_ += line + '\n');
      uploading_ = false;
      uploads.push_back(script_);
      const bool looks = script_.find("meas_loop_ocp p 100m 300m") != std::string::npos;
      return answer(command_ == "l" ? "l" : looks ? "look" : "off");
    }
    if (line == "l" || line == "e") {
      uploading_ = true;
      command_ = line;
      script_.clear();
    } else if (!line.empty()) {
      answer(line);
    }
  }
  void answer(const std::string& command) {
    heard.push_back(command);
    if (const auto known = answers.find(command); known != answers.end()) say(known->second);
    also(command);
  }

  std::string line_, script_, command_;
  bool uploading_ = false;
};

struct Conversation {
  asio::io_context io;
  Prepared other;
  std::unique_ptr<Palmsens> driver;

  explicit Conversation(Over over = Over::pty, std::string port = {}, std::size_t queue = 1000,
                        Seconds abort_time = Seconds(0.3))
      : other(io, over) {
    const auto address = link::parse_address(port.empty() ? other.port->address() : port);
    REQUIRE(address);
    PalmsensSettings settings;
    settings.serial = "ES4HR20B0001";
    settings.time_scale = 1000;
    settings.reply_time = Seconds(0.3);
    settings.abort_time = abort_time;
    settings.deaf_after_error = Seconds(0.005);
    settings.silence = Seconds(0.05);
    settings.longest_queue = queue;
    driver =
        std::make_unique<Palmsens>(io.get_executor(), link::make_link(io.get_executor(), *address), settings);
  }

  /// Runs until something is so, for five seconds at most.
  bool until(const std::function<bool()>& so) {
    const auto end = std::chrono::steady_clock::now() + 5s;
    while (!so() && std::chrono::steady_clock::now() < end) {
      other.port->look();
      io.run_one_for(1ms);
    }
    return so();
  }
  template <typename T>
  std::shared_ptr<std::optional<Result<T>>> begin(asio::awaitable<Result<T>> conversation) {
    auto answer = std::make_shared<std::optional<Result<T>>>();
    asio::co_spawn(io, std::move(conversation), [answer](std::exception_ptr failure, Result<T> result) {
      if (failure) std::rethrow_exception(failure);
      *answer = std::move(result);
    });
    return answer;
  }
  template <typename T>
  Result<T> wait_for(asio::awaitable<Result<T>> conversation) {
    const auto answer = begin(std::move(conversation));
    REQUIRE(until([&] { return answer->has_value(); }));
    return std::move(**answer);
  }
  void identify() {
    const auto known = wait_for(driver->identify());
    REQUIRE_MESSAGE(known, known.error().what);
    other.heard.clear();
  }
  void start() {
    identify();
    const auto started = wait_for(driver->start(charge(), {"r000001", 3}));
    REQUIRE_MESSAGE(started, started.error().what);
    other.heard.clear();
    other.answers["i"] = "i!0006\n";
  }
  template <typename What>
  What hear() {
    auto what = wait_for(driver->next());
    REQUIRE(what);
    REQUIRE(std::holds_alternative<What>(*what));
    return std::get<What>(*what);
  }
  void unplug() {
    other.port->unplug();
    hear<heard::LinkLost>();
  }
  Sample hear_row() { return hear<heard::Measured>().sample; }

  static PlannedStep charge() {
    PlannedStep s;
    s.index = 3;
    s.kind = PlannedStep::Kind::constant_current;
    s.current = from_mA(0.4);
    s.until_voltage = Volt(4.2);
    s.limit_on = LimitOn::we_vs_re;
    s.run_time = Seconds(39600);
    s.run_time_is_planned = false;
    s.guards = {Volt(4.3), Volt(1.5), Volt(4.35), Volt(1.0), {}};
    return s;
  }
};

}  // namespace

// ---- who is there -------------------------------------------------------------------------------------------

TEST_CASE("an instrument is asked who it is, by device and by TCP, by number and by name") {
  std::string port;
  Over over = Over::tcp;
  SUBCASE("device") { over = Over::pty; }
  SUBCASE("TCP, by number") {}
  SUBCASE("TCP, by name") { port = "localhost"; }
  Conversation c(over);
  if (!port.empty()) {
    const std::string address = c.other.port->address();
    const auto named = link::parse_address("tcp://localhost" + address.substr(address.rfind(':')));
    c.driver = std::make_unique<Palmsens>(c.io.get_executor(), link::make_link(c.io.get_executor(), *named),
                                          PalmsensSettings{.serial = "ES4HR20B0001"});
  }
  const auto known = c.wait_for(c.driver->identify());
  REQUIRE_MESSAGE(known, known.error().what);
  CHECK(known->maker == "PalmSens");
  CHECK(known->model == "EmStat4 HR");
  CHECK(known->serial == "ES4HR20B0001");
  CHECK(known->firmware == "1100 Jan 28 2022 11:04:43, MethodSCRIPT 01.09.00");
  CHECK(known->max_current == from_mA(200));
  CHECK(c.other.heard == std::vector<std::string>{"t", "i", "v", "CM", "l"});
}

TEST_CASE("bytes may come one by one, between XON, XOFF and CR") {
  Conversation c;
  c.other.port->set_chunk(1);
  c.other.answers["t"] =
      "\x11t\x13"
      "es4_hr1100#Jan 28 2022 11:04:43\r\nR*\r\n";
  c.other.answers["i"] = "\x11\x13iES4HR20B0001\r\n";
  CHECK(c.wait_for(c.driver->identify()));
}

TEST_CASE("what an instrument says before it is asked is passed over") {
  Conversation c;
  c.other.answers["t"] = "\nboot 1.2\nhello\n" + std::string(firmware);
  CHECK(c.wait_for(c.driver->identify()));
}

TEST_CASE("a line that sends back what is sent is refused, with the mend") {
  Conversation c;
  c.other.answers["t"] = "t\n" + std::string(firmware);
  const auto known = c.wait_for(c.driver->identify());
  REQUIRE_FALSE(known);
  CHECK(known.error().what.find("echo must be switched off") != std::string::npos);
}

TEST_CASE("another serial number is refused, and nothing more is said to that instrument") {
  Conversation c;
  c.other.answers["i"] = "iES4HR20B9999\n";
  const auto known = c.wait_for(c.driver->identify());
  REQUIRE_FALSE(known);
  CHECK(known.error().kind == Fault::Kind::identity);
  CHECK(known.error().what == "serial number ES4HR20B9999 answered, ES4HR20B0001 is configured");
  CHECK(c.other.heard == std::vector<std::string>{"t", "i"});
  CHECK_FALSE(c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3})));
  CHECK(c.other.uploads.empty());
}

TEST_CASE("an instrument without galvanostat is refused") {
  Conversation c;
  SUBCASE("the Pico") { c.other.answers["t"] = "tespico1304#Oct 22 2021 14:38:26\nR*\n"; }
  SUBCASE("the Sensit") { c.other.answers["t"] = "tsenswb1304#Oct 22 2021 14:38:26\nR*\n"; }
  SUBCASE("capability bit 67 is not set") { c.other.answers["CM"].at(1 + 63 - 67 / 4) = '7'; }
  SUBCASE("capability bit 68 is not set") { c.other.answers["CM"].at(1 + 63 - 68 / 4) = 'E'; }
  SUBCASE("the capabilities cannot be read") { c.other.answers["CM"] = "C12\n"; }
  const auto known = c.wait_for(c.driver->identify());
  REQUIRE_FALSE(known);
  CHECK(known.error().kind == Fault::Kind::refused);
  CHECK(known.error().what.find("it cannot cycle a cell") != std::string::npos);
}

TEST_CASE("a firmware that cannot measure both potentials at once is refused") {
  Conversation c;
  c.other.answers["l"] = "l!4008: Line 14, Col 33\n";
  const auto known = c.wait_for(c.driver->identify());
  REQUIRE_FALSE(known);
  CHECK(known.error().what.find("4008: the optional argument is not known (Line 14, Col 33)") !=
        std::string::npos);
}

TEST_CASE("a device that is no instrument is refused by what it said") {
  Conversation c;
  SUBCASE("an unknown type") { c.other.answers["t"] = "tespbl_0100#\nR*\n"; }
  SUBCASE("noise") { c.other.answers["t"] = "trash\n*\n"; }
  CHECK_FALSE(c.wait_for(c.driver->identify()));
}

TEST_CASE("no answer is a time-out, and the next try may succeed") {
  Conversation c;
  c.other.answers.erase("t");
  const auto silent = c.wait_for(c.driver->identify());
  REQUIRE_FALSE(silent);
  CHECK(silent.error().kind == Fault::Kind::timeout);
  c.other.answers["t"] = firmware;
  CHECK(c.wait_for(c.driver->identify()));
}

TEST_CASE("a port that is not there is a fault of the link that names it") {
  asio::io_context io;
  Conversation c(Over::pty, "/dev/cambench-no-such-device");
  const auto known = c.wait_for(c.driver->identify());
  REQUIRE_FALSE(known);
  CHECK(known.error().kind == Fault::Kind::link);
  CHECK(known.error().what.find("/dev/cambench-no-such-device") != std::string::npos);
}

TEST_CASE("a device has one owner") {
  Conversation c;
  c.identify();
  const auto second = link::make_link(c.io.get_executor(), *link::parse_address(c.other.port->address()));
  const auto opened = c.wait_for(second->open());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().kind == Fault::Kind::link);
}

// ---- running a program --------------------------------------------------------------------------------------

TEST_CASE("a program is loaded, then run; its first row may come in one piece with the acknowledgement") {
  Conversation c;
  c.identify();
  c.other.answers["r"] = "r\n" + std::string(announcement) + "M000A\n" + announcement + row(0) + row(1);
  REQUIRE(c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3})));
  CHECK(c.other.heard == std::vector<std::string>{"fs_info /", "l", "r"});
  CHECK(c.other.uploads.back().find("meas_loop_cp p c 400u 1 39600") != std::string::npos);
  const Sample first = c.hear_row();
  CHECK(first.step_time == Seconds(0));
  CHECK(first.we_vs_re == Volt(3.7));
  CHECK(first.current == from_mA(0.4));
  CHECK(c.hear_row().step_time == Seconds(1));
}

TEST_CASE("a program that the instrument refuses is never run") {
  Conversation c;
  c.identify();
  c.other.answers["l"] = "l!4001: Line 27, Col 16\n";
  const auto started = c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3}));
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == Fault::Kind::instrument);
  CHECK(started.error().what.find("the script command is unknown (Line 27, Col 16)") != std::string::npos);
  CHECK(c.other.times("r") == 0);
}

TEST_CASE("an overload whose announcement was lost opens the cell and starts nothing") {
  Conversation c;
  c.other.answers["fs_info /"] = with_room;
  c.identify();
  c.other.answers["r"] = "r\nM000A\n!0032: Line 41\n";
  REQUIRE(c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3})));
  const auto ended = c.hear<heard::Ended>();
  CHECK(ended.marker == Marker{"r000001", 3});
  CHECK(ended.reason == EndReason::error);
  CHECK(c.other.heard == std::vector<std::string>{"fs_info /", "l", "r", "Z", "off", "look"});
}

TEST_CASE("a storage that refuses is done without only once the cell is known to be open") {
  Conversation c;
  c.other.answers["fs_info /"] = with_room;
  c.identify();
  c.other.answers["r"] = "r\n!0026: Line 40\n";
  bool open = true;
  SUBCASE("it is open") {}
  SUBCASE("it is not") {
    c.other.answers["look"] = "e\n!0014: Line 13\n\n";
    open = false;
  }
  c.other.also = [&](const std::string& command) {
    if (command == "look") c.other.answers["r"] = "r\n" + std::string(announcement);
  };
  const auto started = c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3}));
  CHECK(started.has_value() == open);
  std::vector<std::string> said{"fs_info /", "l", "r", "Z", "off", "look"};
  if (open) said.insert(said.end(), {"l", "r"});
  CHECK(c.other.heard == said);
}

TEST_CASE("a name of a run that could not stand in a script is refused before anything is sent") {
  Conversation c;
  c.identify();
  for (const auto* name : {"", "r0123456789abcdef", "r1\"\ncell_on", "R1"})
    CHECK_FALSE(c.wait_for(c.driver->start(Conversation::charge(), {name, 3})));
  CHECK(c.other.heard.empty());
}

TEST_CASE("the end of a program is told with its own words, whatever order they come in") {
  Conversation c;
  c.start();
  std::string end = "TEND upper\n*\n" + std::string(announcement) + row(3) + "\n";
  EndReason reason = EndReason::planned;
  std::string text = "END upper";
  SUBCASE("as planned") {}
  SUBCASE("the end of the loop is lost") { end = "TEND upper\n" + row(3) + "\n"; }
  SUBCASE("a guard") {
    end = "TGUARD cell_max\n*\n" + row(3) + "\n";
    reason = EndReason::guard;
    text = "GUARD cell_max";
  }
  SUBCASE("a time-out") {
    end = "*\nTTIMEOUT\n" + row(3) + "\n";
    reason = EndReason::timeout;
    text = "TIMEOUT";
  }
  SUBCASE("no word at all") {
    end = "*\n" + row(3) + "\n";
    reason = EndReason::unknown;
    text = "the program ended without a word";
  }
  c.other.say("M000A\n" + row(0) + row(3) + end);
  CHECK(c.hear_row().step_time == Seconds(0));
  CHECK(c.hear_row().step_time == Seconds(3));  // once: the last row comes again after the cell is off
  const auto ended = c.hear<heard::Ended>();
  CHECK(ended.marker == Marker{"r000001", 3});
  CHECK(ended.reason == reason);
  CHECK(ended.text == text);
}

TEST_CASE("an empty line that answers one of ours does not end a program") {
  Conversation c;
  c.start();
  c.other.say("M000A\n" + row(0) + "\n\n" + row(1) + "TEND upper\n*\n\n");
  c.hear_row();
  c.hear_row();
  CHECK(c.hear<heard::Ended>().reason == EndReason::planned);
}

TEST_CASE("a row that was damaged on its way is told as bad, with no number of it") {
  Conversation c;
  c.start();
  std::string damaged = row(1);
  SUBCASE("a digit") { damaged[16] = 'x'; }
  SUBCASE("half of it is missing") { damaged = damaged.substr(0, 30) + "\n"; }
  SUBCASE("its line end is missing") { damaged = row(1).substr(0, row(1).size() - 1) + row(2); }
  c.other.say("M000A\n" + row(0) + damaged + row(3));
  CHECK(c.hear_row().status == reading_status::ok);
  const Sample bad = c.hear_row();
  CHECK(bad.status == reading_status::bad);
  CHECK(bad.step == 3);
  CHECK_FALSE(bad.we_vs_re);
  CHECK_FALSE(bad.current);
  CHECK(c.hear_row().step_time == Seconds(3));
}

TEST_CASE("rows of another step, and rows that came already, are not told") {
  Conversation c;
  c.start();
  std::string other_step = row(2);
  other_step[9] = '7';  // step 7
  c.other.say("M000A\n" + row(0) + row(1) + row(0) + other_step + row(1) + row(2));
  for (const int second : {0, 1, 2}) CHECK(c.hear_row().step_time == Seconds(second));
}

TEST_CASE("rows that nobody takes are dropped at last and counted, the end is not") {
  Conversation c(Over::pty, {}, 10);
  c.start();
  std::string many = "M000A\n";
  for (int second = 0; second < 50; ++second) many += row(second);
  c.other.say(many + "TEND upper\n*\n\n");
  c.until([&] { return false || c.other.port->unsent() == 0; });
  c.other.answers["i"] = "iES4HR20B0001\n";
  REQUIRE(c.wait_for(c.driver->measure_rest()));  // everything before it has been read
  const auto lost = c.wait_for(c.driver->next());
  REQUIRE_FALSE(lost);
  CHECK(lost.error().kind == Fault::Kind::storage);  // which becomes a gap row
  CHECK(lost.error().what == "40 rows were lost because nobody took them");
  for (int second = 0; second < 10; ++second) CHECK(c.hear_row().step_time == Seconds(second));
  CHECK(c.hear<heard::Ended>().reason == EndReason::planned);
}

// ---- opening the cell ---------------------------------------------------------------------------------------

TEST_CASE("a cell is open when an open-circuit measurement has run") {
  Conversation c;
  c.identify();
  CHECK(c.wait_for(c.driver->open_cell()));
  CHECK(c.other.heard == std::vector<std::string>{"Z", "off", "look"});
  CHECK(*(c.other.uploads.end() - 2) == "set_pgstat_chan 0\ncell_off\n");
}

TEST_CASE("a cell whose open-circuit measurement is refused is not open, whatever was acknowledged") {
  Conversation c;
  c.identify();
  c.other.answers["look"] = "e\n!0014: Line 13\n\n";
  const auto opened = c.wait_for(c.driver->open_cell());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().what.find("0014: open-circuit measurement with the cell on") != std::string::npos);
  CHECK(c.other.times("off") == 2);
}

TEST_CASE("an acknowledged abort is not the end: the program's end is waited for") {
  Conversation c;
  c.start();
  c.other.say("M000A\n" + row(0));
  c.hear_row();
  c.other.answers["Z"] = "Z\n";
  std::string end = "*\n" + row(1) + "\n";
  SUBCASE("with its last row and its empty line") {}
  SUBCASE("an empty line answers ours before") { c.other.answers["Z"] = "\nZ\n"; }
  const auto opening = c.begin(c.driver->open_cell());
  REQUIRE(c.until([&] { return c.other.times("Z") == 1; }));
  for (int i = 0; i < 20; ++i) c.io.run_one_for(1ms);
  CHECK(c.other.times("off") == 0);
  c.other.say(end);
  REQUIRE(c.until([&] { return opening->has_value(); }));
  CHECK(opening->value());
  CHECK(c.other.heard == std::vector<std::string>{"Z", "off", "look"});
  CHECK(c.hear_row().step_time == Seconds(1));
  CHECK(c.hear<heard::Ended>().reason == EndReason::aborted);
}

TEST_CASE("a program that does not end after Z is switched off all the same") {
  Conversation c;
  c.start();
  SUBCASE("Z is acknowledged") { c.other.answers["Z"] = "Z\n"; }
  SUBCASE("Z is not even heard") { c.other.answers.erase("Z"); }
  CHECK(c.wait_for(c.driver->open_cell()));
  CHECK(c.other.heard == std::vector<std::string>{"Z", "off", "look"});
}

TEST_CASE("after an error in a program the cell is opened first, then the end is told") {
  Conversation c;
  c.start();
  std::string error = "!0032: Line 41\n";
  SUBCASE("with an empty line after it") { error += "\n"; }
  SUBCASE("without") {}
  SUBCASE("the instrument finishes the script by itself") { error += row(1) + "\n"; }
  c.other.say("M000A\n" + row(0) + error);
  CHECK(c.hear_row().step_time == Seconds(0));
  const auto ended = c.hear<heard::Ended>();
  CHECK(ended.reason == EndReason::error);
  CHECK(ended.text == "0032: critical overload of the cell; the measurement was aborted (Line 41)");
  CHECK(ended.marker == Marker{"r000001", 3});
  CHECK(c.other.heard == std::vector<std::string>{"Z", "off", "look"});
}

TEST_CASE("an error after which the cell does not open says so") {
  Conversation c;
  c.start();
  c.other.answers["look"] = "e\n!0014: Line 13\n\n";
  c.other.say("!0032: Line 41\n");
  CHECK(c.hear<heard::Ended>().text.find("the cell could not be opened") != std::string::npos);
}

TEST_CASE("opening the cell waits for nobody: a request that waits gives up") {
  Conversation c;
  c.identify();
  c.other.answers.erase("look");
  const auto resting = c.begin(c.driver->measure_rest());
  REQUIRE(c.until([&] { return c.other.times("look") == 1; }));
  c.other.answers["look"] = at_rest;
  const auto opening = c.begin(c.driver->open_cell());
  REQUIRE(c.until([&] { return resting->has_value(); }));
  CHECK(resting->value().error().kind == Fault::Kind::cancelled);
  REQUIRE(c.until([&] { return opening->has_value(); }));
  CHECK(opening->value());
}

TEST_CASE(
    "opening the cell during a look waits for the look's end, and not for the longest that a program may "
    "take") {
  Conversation c(Over::pty, {}, 1000, Seconds(3600));
  c.identify();
  c.other.answers["look"] = "e\nM000B\n";
  SUBCASE("nothing was measured yet") {}
  SUBCASE("its first row is there") { c.other.answers["look"] += row(0); }
  const auto resting = c.begin(c.driver->measure_rest());
  REQUIRE(c.until([&] { return c.other.times("look") == 1; }));
  c.other.answers["look"] = at_rest;
  c.other.answers["Z"] = "Z\n*\n\n";
  const auto opening = c.begin(c.driver->open_cell());
  REQUIRE(c.until([&] { return opening->has_value(); }));
  CHECK(opening->value());
  CHECK(c.other.heard == std::vector<std::string>{"look", "Z", "off", "look"});
}

TEST_CASE("two orders to open are both carried out, one after the other") {
  Conversation c;
  c.identify();
  const auto first = c.begin(c.driver->open_cell()), second = c.begin(c.driver->open_cell());
  REQUIRE(c.until([&] { return first->has_value() && second->has_value(); }));
  CHECK(first->value());
  CHECK(second->value());
  CHECK(c.other.times("look") == 2);
}

TEST_CASE("an order to open a cell reaches a link that was closed, but not somebody else's instrument") {
  Conversation c;
  SUBCASE("ours, never identified before") { CHECK(c.wait_for(c.driver->open_cell())); }
  SUBCASE("another one") {
    c.other.answers["i"] = "iES4HR20B9999\n";
    const auto opened = c.wait_for(c.driver->open_cell());
    REQUIRE_FALSE(opened);
    CHECK(opened.error().kind == Fault::Kind::identity);
    CHECK(c.other.times("off") == 0);
    CHECK(c.other.times("Z") == 0);
  }
}

// ---- files that are not read to their end --------------------------------------------------------------------

namespace {

const std::string first_half = announcement + row(0) + row(1);
const std::string second_half =
    announcement + row(2) + announcement + row(3) + "TEND upper\n*\n" + announcement + row(4) + "\n\x1c\n";

/// A program whose second row was damaged on its way is over, and its file has been read to its middle.
void read_half(Conversation& c) {
  c.other.answers["fs_info /"] = with_room;
  c.start();
  c.other.answers["i"] = "iES4HR20B0001\n";
  c.other.answers[the_file] = "f" + first_half;
  c.other.say("M000A\n" + row(0) + row(1).substr(0, 30) + "\n" + row(3) + "TEND upper\n*\n" + row(4) + "\n");
  for (int heard = 0; heard < 4; ++heard) CHECK((c.hear_row().status & reading_status::late) == 0);
  for (const int second : {0, 1}) {
    const Sample row = c.hear_row();
    CHECK(row.step_time == Seconds(second));
    CHECK(row.status == reading_status::late);
  }
}

}  // namespace

TEST_CASE(
    "an order to open in the middle of a file tells no row of it as live, and the rows are fetched "
    "afterwards") {
  Conversation c;
  read_half(c);
  c.other.answers["Z"] = second_half + "Z!0006\n";
  c.other.answers[the_file] = "f" + first_half + second_half;
  CHECK(c.wait_for(c.driver->open_cell()));
  for (const int second : {0, 1, 2, 3, 4}) {
    const Sample row = c.hear_row();
    CHECK(row.step_time == Seconds(second));
    CHECK(row.status == reading_status::late);
  }
  CHECK(c.hear<heard::Ended>().reason == EndReason::planned);
  CHECK(c.other.heard == std::vector<std::string>{the_file, "Z", "off", "look", the_file});
}

TEST_CASE("the rest of a file that comes on the next link is no program that runs") {
  Conversation c;
  read_half(c);
  c.unplug();
  c.other.answers["t"] = second_half + firmware;
  c.other.answers[the_file] = "f" + first_half + second_half;
  c.other.port->plug();
  c.hear<heard::LinkBack>();
  c.driver->expect(Conversation::charge(), {"r000001", 3}, Seconds(0));
  const auto found = c.wait_for(c.driver->reattach());
  REQUIRE(found);
  CHECK(found->state == Found::State::ended);
  REQUIRE(found->kept.size() == 4);
  CHECK(found->kept.back().step_time == Seconds(4));
  REQUIRE(c.wait_for(c.driver->start(Conversation::charge(), {"r000002", 3})));
  c.other.say("M000A\n" + row(0));
  CHECK(c.hear_row().status == reading_status::ok);
}

// ---- lost links ---------------------------------------------------------------------------------------------

namespace {

/// The link is lost after two rows of a program and comes back; the driver is asked what runs there.
auto begin_search(Conversation& c) {
  c.start();
  c.other.say("M000A\n" + row(0) + row(1));
  c.hear_row();
  c.hear_row();
  c.unplug();
  c.other.port->plug();
  c.hear<heard::LinkBack>();
  return c.begin(c.driver->reattach());
}

}  // namespace

TEST_CASE("a lost link comes back to its running program, and nothing is told twice") {
  Over over = Over::pty;
  SUBCASE("device") {}
  SUBCASE("TCP") { over = Over::tcp; }
  Conversation c(over);
  const auto reattaching = begin_search(c);
  c.other.say(row(0) + row(1) + row(2) + announcement +
              row(3));  // late rows, and one from before the announcement
  REQUIRE(c.until([&] { return reattaching->has_value(); }));
  REQUIRE(reattaching->value());
  CHECK(reattaching->value()->state == Found::State::running);
  CHECK(reattaching->value()->marker == Marker{"r000001", 3});
  CHECK(c.hear_row().step_time == Seconds(2));
  CHECK(c.hear_row().step_time == Seconds(3));
  c.other.say("TEND upper\n*\n\n");
  CHECK(c.hear<heard::Ended>().reason == EndReason::planned);
}

TEST_CASE("a program that ended while nobody listened is found idle, also when its last rows come late") {
  Conversation c;
  c.start();
  c.other.say("M000A\n" + row(0));
  c.hear_row();
  c.unplug();
  c.other.answers["i"] = "iES4HR20B0001\n";
  c.other.port->plug();
  c.hear<heard::LinkBack>();
  SUBCASE("idle") {}
  SUBCASE("late rows") { c.other.say(row(1) + row(2)); }
  const auto found = c.wait_for(c.driver->reattach());
  REQUIRE(found);
  CHECK(found->state == Found::State::idle);
  CHECK(c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3})));
}

TEST_CASE("a program that never says whose it is stays unknown") {
  Conversation c;
  c.other.answers["i"] = "i!0006\n";
  const auto known = c.wait_for(c.driver->identify());
  REQUIRE(known);
  CHECK(known->serial.empty());
  const auto reattaching = c.begin(c.driver->reattach());
  c.other.say("Pda7F85F3Fu;ba48D503Dp,10,288\n");
  REQUIRE(c.until([&] { return reattaching->has_value(); }));
  REQUIRE(reattaching->value());
  CHECK(reattaching->value()->state == Found::State::unknown);
  CHECK_FALSE(c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3})));
  CHECK(c.other.times("r") == 0);
}

TEST_CASE("a restarted daemon knows its program by the announcement, and takes the rows before it too") {
  Conversation c;
  c.other.answers["i"] = "i!0006\n";
  REQUIRE(c.wait_for(c.driver->identify()));
  const auto reattaching = c.begin(c.driver->reattach());
  c.other.say(row(41) + announcement + row(42));
  REQUIRE(c.until([&] { return reattaching->has_value(); }));
  CHECK(reattaching->value()->marker == Marker{"r000001", 3});
  CHECK(c.hear_row().step_time == Seconds(41));
  CHECK(c.hear_row().step_time == Seconds(42));
}

TEST_CASE("a daemon that comes back to a step with a row every ten minutes waits for its name") {
  Conversation c;
  c.other.answers["i"] = "i!0006\n";
  REQUIRE(c.wait_for(c.driver->identify()));
  PlannedStep step = Conversation::charge();
  step.record_every = Seconds(600);
  c.driver->expect(step, {"r000001", 3}, Seconds(0));
  const auto reattaching = c.begin(c.driver->reattach());
  asio::steady_timer ten_minutes(c.io, 600ms);  // on the instrument's clock
  ten_minutes.async_wait([&](boost::system::error_code) { c.other.say(announcement + row(600)); });
  REQUIRE(c.until([&] { return reattaching->has_value(); }));
  REQUIRE(reattaching->value());
  CHECK(reattaching->value()->state == Found::State::running);
  CHECK(reattaching->value()->marker == Marker{"r000001", 3});
}

TEST_CASE("an error before the name does not leave a run unasked") {
  Conversation c;
  c.other.answers["i"] = "i!0006\n";
  REQUIRE(c.wait_for(c.driver->identify()));
  c.other.answers["i"] = "iES4HR20B0001\n";
  c.driver->expect(Conversation::charge(), {"r000001", 3}, Seconds(0));
  const auto reattaching = c.begin(c.driver->reattach());
  c.other.say("!0032: Line 41\n");
  REQUIRE(c.until([&] { return reattaching->has_value(); }));
  REQUIRE_FALSE(reattaching->value());
  CHECK(c.hear<heard::Ended>().reason == EndReason::error);
  c.hear<heard::LinkBack>();  // who hears this asks
  CHECK(c.wait_for(c.driver->reattach())->state == Found::State::idle);
}

TEST_CASE("a program that was written for another instrument is not ours") {
  Conversation c;
  c.other.answers["i"] = "i!0006\n";
  REQUIRE(c.wait_for(c.driver->identify()));
  const auto reattaching = c.begin(c.driver->reattach());
  c.other.say("TRUN r000001 3 1000 ES4HR20B9999\n");
  REQUIRE(c.until([&] { return reattaching->has_value(); }));
  REQUIRE_FALSE(reattaching->value());
  CHECK(reattaching->value().error().kind == Fault::Kind::identity);
}

TEST_CASE("another instrument on the same port after a lost link is told, not used") {
  Conversation c;
  c.start();
  c.unplug();
  c.other.answers["i"] = "iES4HR20B9999\n";
  c.other.port->plug();
  CHECK(c.hear<heard::LinkLost>().why.kind == Fault::Kind::identity);
  c.other.answers["i"] = "iES4HR20B0001\n";
  c.hear<heard::LinkBack>();
}

TEST_CASE("another instrument in place of the one whose program ran is not opened, and confirms nothing") {
  Conversation c;
  c.start();
  c.other.say("M000A\n" + row(0));
  c.hear_row();
  c.unplug();
  c.other.answers["i"] = "iES4HR20B9999\n";
  c.other.port->plug();
  CHECK(c.hear<heard::LinkLost>().why.kind == Fault::Kind::identity);
  const auto opened = c.wait_for(c.driver->open_cell());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().kind == Fault::Kind::identity);
  CHECK(c.other.times("off") == 0);
  CHECK(c.other.times("Z") == 0);
}

TEST_CASE("another instrument that runs a program of its own, and is stopped, confirms nothing") {
  Conversation c;
  c.start();
  c.unplug();
  c.other.also = [&](const std::string& command) {
    if (command == "Z") c.other.answers["i"] = "iES4HR20B9999\n";  // only now can it say who it is
  };
  const auto opening = c.begin(c.driver->open_cell());
  c.other.port->plug();
  REQUIRE(c.until([&] { return opening->has_value(); }));
  REQUIRE_FALSE(opening->value());
  CHECK(opening->value().error().kind == Fault::Kind::identity);
}

TEST_CASE(
    "a program written for another instrument gives no row and is not stopped, whatever comes in one piece") {
  Conversation c;
  const auto reattaching = begin_search(c);
  std::string says = "TRUN r000001 3 1000 ES4HR20B9999\n";
  SUBCASE("its announcement and its row") { says += row(7); }
  SUBCASE("a row from before as well") { says = row(6) + says + row(7); }
  SUBCASE("its end") { says += "TEND upper\n"; }
  c.other.say(says);
  REQUIRE(c.until([&] { return reattaching->has_value(); }));
  CHECK(reattaching->value().error().kind == Fault::Kind::identity);
  CHECK(c.hear<heard::LinkLost>().why.kind == Fault::Kind::identity);  // and no row before it
  const auto opened = c.wait_for(c.driver->open_cell());
  REQUIRE_FALSE(opened);
  CHECK(opened.error().kind == Fault::Kind::identity);
  CHECK(c.other.times("Z") == 0);
  c.hear<heard::LinkBack>();
  c.other.say(announcement + row(2));  // ours again
  CHECK(c.hear_row().step_time == Seconds(2));
  c.other.also = [&](const std::string& command) {
    if (command == "Z") c.other.answers["i"] = "iES4HR20B0001\n";
  };
  CHECK(c.wait_for(c.driver->open_cell()));
}

TEST_CASE("a silent program is asked: an answer keeps the link, none loses it") {
  Conversation c;
  c.start();
  c.other.say("M000A\n" + row(0));
  c.hear_row();
  REQUIRE(c.until([&] { return c.other.times("t") >= 2; }));
  c.other.say(row(1));
  CHECK(c.hear_row().step_time == Seconds(1));
  c.other.answers.erase("t");
  CHECK(c.hear<heard::LinkLost>().why.kind == Fault::Kind::timeout);
}

TEST_CASE("a request without an answer is a lost link, although the connection stands") {
  Conversation c;
  c.identify();
  c.other.answers.erase("l");
  const auto started = c.wait_for(c.driver->start(Conversation::charge(), {"r000001", 3}));
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == Fault::Kind::timeout);
  c.hear<heard::LinkLost>();
  c.other.answers["l"] = "l\n";
  c.hear<heard::LinkBack>();
}

TEST_CASE("a driver may end while everything waits") {
  Conversation c;
  c.start();
  const auto listening = c.begin(c.driver->next());
  c.other.answers.erase("t");
  const auto asking = c.begin(c.driver->reattach());
  c.driver.reset();
  REQUIRE(c.until([&] { return listening->has_value() && asking->has_value(); }));
  CHECK(listening->value().error().kind == Fault::Kind::cancelled);
}

// ---- addresses ----------------------------------------------------------------------------------------------

TEST_CASE("an address is a device or tcp://host:port, and nothing else") {
  CHECK(link::parse_address("/dev/serial/by-id/usb-EmStat4")->device == "/dev/serial/by-id/usb-EmStat4");
  const auto tcp = link::parse_address("tcp://nexus.lab:49152");
  REQUIRE(tcp);
  CHECK(tcp->host == "nexus.lab");
  CHECK(tcp->port == 49152);
  CHECK(tcp->tcp());
  for (const auto* text : {"", "nexus:49152", "tcp://", "tcp://nexus", "tcp://:49152", "tcp://nexus:0",
                           "tcp://nexus:70000", "tcp://nexus:49152x", "udp://nexus:1", "ttyACM0"}) {
    const auto refused = link::parse_address(text);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().what.find("tcp://host:port") != std::string::npos);
  }
}
