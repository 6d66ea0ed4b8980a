// A conversation is written down as it happens, and what was written down says the same to a driver again.
#include "drivers/link/recorder.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <fstream>

#include "drivers/keithley.h"
#include "drivers/palmsens.h"
#include "tests/drivers/loop.h"
#include "tests/drivers/machine_link.h"
#include "tests/drivers/scpi_link.h"
#include "tests/drivers/steps.h"
#include "tests/replay/replay_link.h"

using namespace cambench;
using namespace cambench::tests;
namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / fmt::format("cambench-recorder-{}", ::getpid());
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

PlannedStep charge() { return tests::charge_of_one_potential(Seconds(5), Seconds(30)); }

std::string sentence(const Heard& what) {
  if (const auto* measured = std::get_if<heard::Measured>(&what)) {
    const Sample& s = measured->sample;
    return fmt::format("step {} at {:.9g} s: {:.9g} V, {:.9g} V, {:.9g} A, status {}", s.step,
                       s.step_time.count(), s.we_vs_re.value_or(Volt(-99)).value(),
                       s.cell.value_or(Volt(-99)).value(), s.current.value_or(Ampere(-99)).value(), s.status);
  }
  if (const auto* ended = std::get_if<heard::Ended>(&what))
    return fmt::format("ended {} {}: {} {}", ended->marker.run, ended->marker.step,
                       static_cast<int>(ended->reason), ended->text);
  return std::holds_alternative<heard::LinkLost>(what) ? "lost" : "back";
}

/// Who is there, its potential at rest, one charge to its end, the cell open: all that was heard, one sentence each.
std::vector<std::string> one_charge(asio::io_context& io, Potentiostat& driver) {
  const auto who = finish(io, driver.identify());
  REQUIRE_MESSAGE(who, who.error().what);
  std::vector<std::string> heard{who->model + ' ' + who->serial};
  const auto rest = finish(io, driver.measure_rest());
  REQUIRE_MESSAGE(rest, rest.error().what);
  heard.push_back(sentence(heard::Measured{{}, *rest}));
  const auto started = finish(io, driver.start(charge(), {"r000001", 3}));
  REQUIRE_MESSAGE(started, started.error().what);
  while (!heard.back().starts_with("ended") && heard.back() != "lost") {
    const auto what = finish(io, driver.next());
    REQUIRE_MESSAGE(what, what.error().what);
    heard.push_back(sentence(*what));
  }
  const auto opened = finish(io, driver.open_cell());
  REQUIRE_MESSAGE(opened, opened.error().what);
  return heard;
}

std::unique_ptr<Potentiostat> keithley(asio::io_context& io, std::unique_ptr<link::ByteLink> link) {
  KeithleySettings settings{.serial = "04451117", .time_scale = 1000};
  settings.sense = LimitOn::we_vs_re;
  return std::make_unique<Keithley>(io.get_executor(), std::move(link), nullptr, settings);
}

std::unique_ptr<Potentiostat> palmsens(asio::io_context& io, std::unique_ptr<link::ByteLink> link) {
  return std::make_unique<Palmsens>(io.get_executor(), std::move(link),
                                    PalmsensSettings{.serial = "ES4HR20B0001", .time_scale = 1000});
}

using Maker = std::unique_ptr<Potentiostat> (*)(asio::io_context&, std::unique_ptr<link::ByteLink>);

/// What a driver hears from the instrument, and what another hears from the file that the first one's link left.
void check_replay(Maker make, auto&& simulated_link, const fs::path& file) {
  std::vector<std::string> live, again;
  {
    asio::io_context io;
    const auto driver = make(io, link::recorded(simulated_link(io), {.file = file, .who = "a test"}));
    live = one_charge(io, *driver);
  }
  CHECK(live.size() > 20);
  CHECK(live.back().starts_with("ended r000001 3: 0"));
  asio::io_context io;
  auto replay = std::make_unique<ReplayLink>(io.get_executor(), text_of(file));
  const ReplayLink& played = *replay;
  const auto driver = make(io, std::move(replay));
  again = one_charge(io, *driver);
  CHECK_MESSAGE(played.unexpected.empty(), played.unexpected);
  CHECK(again == live);
}

/// Says what it is told to, and takes everything.
class Script final : public link::ByteLink {
 public:
  explicit Script(std::string says) : says_(std::move(says)) {}
  Later<void> open() override {
    open_ = true;
    co_return Result<void>{};
  }
  Later<std::size_t> read_some(std::span<char> buffer) override {
    const std::size_t count = std::min(says_.size(), buffer.size());
    std::copy_n(says_.begin(), count, buffer.begin());
    says_.erase(0, count);
    if (count == 0) co_return fail(Fault::Kind::link, "it is over");
    co_return count;
  }
  Later<void> write(std::string_view) override { co_return Result<void>{}; }
  void close() override { open_ = false; }
  [[nodiscard]] bool is_open() const override { return open_; }

 private:
  std::string says_;
  bool open_ = false;
};

/// The lines of a recording but for its times.
std::string without_times(const std::string& text) {
  std::string lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with('@')) lines += line + '\n';
  return lines;
}

}  // namespace

TEST_CASE("a recorded charge of a source-measure unit replays to the same events") {
  const Folder folder;
  sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
  sim::ScpiMachine machine{"2450", "04451117", 1};
  machine.connect(&cell);
  check_replay(
      keithley, [&](asio::io_context& io) { return std::make_unique<ScpiLink>(io.get_executor(), machine); },
      folder.path / "wire" / "A1.log");
}

TEST_CASE("a recorded charge of a MethodSCRIPT instrument replays to the same events") {
  const Folder folder;
  sim::Cell cell{*sim::cell_kind("rate", "ncm-uncoated")};
  sim::MscriptMachine machine{sim::Model::emstat4_hr, "ES4HR20B0001", 1};
  machine.connect(&cell);
  check_replay(
      palmsens,
      [&](asio::io_context& io) { return std::make_unique<MachineLink>(io.get_executor(), machine); },
      folder.path / "A1.log");
}

TEST_CASE("both directions stand in the file with their times, and bytes that do not print by their names") {
  const Folder folder;
  const fs::path file = folder.path / "A1.log";
  {
    asio::io_context io;
    const auto link =
        link::recorded(std::make_unique<Script>("\x11t\\es4_hr\r\n\nR*\nhalf"), {file, "a test"});
    REQUIRE(finish(io, link->open()));
    REQUIRE(finish(io, link->write("t\n")));
    std::array<char, 64> buffer{};
    REQUIRE(finish(io, link->read_some(buffer)));
    link->close();
  }
  const std::string text = text_of(file);
  const std::string said = without_times(text);
  CHECK(said.starts_with("# who: a test\n# when: 20"));
  CHECK(said.substr(said.find("# connected")) ==
        "# connected\n> t\n< \\x11t\\\\es4_hr\n<\n< R*\n< half\\\n# closed\n");
  CHECK(text.find("@ 0.0") != std::string::npos);
}

TEST_CASE("a recording is bounded, and goes on in a new file") {
  const Folder folder;
  const fs::path file = folder.path / "A1.log";
  for (int i = 0; i < 20; ++i) {
    asio::io_context io;
    const auto link =
        link::recorded(std::make_unique<Script>(""), {.file = file, .who = "a test", .most_bytes = 1000});
    REQUIRE(finish(io, link->open()));
    REQUIRE(finish(io, link->write(std::string(50, 'x') + "\n")));
  }
  CHECK(fs::file_size(file) <= 1200);
  CHECK(fs::file_size(folder.path / "A1.1.log") <= 1200);
  CHECK(text_of(file).starts_with("# who: "));
}

TEST_CASE("a disk that is too slow or full costs lines of the recording and none of the conversation") {
  const Folder folder;
  asio::io_context io;
  std::string conversation;
  for (int i = 0; i < 1000; ++i) conversation += fmt::format("line {}\n", i);
  const auto hear_all = [&](link::Recording recording) {
    const auto link = link::recorded(std::make_unique<Script>(conversation), std::move(recording));
    REQUIRE(finish(io, link->open()));
    std::string heard;
    std::array<char, 64> buffer{};
    for (auto got = finish(io, link->read_some(buffer)); got; got = finish(io, link->read_some(buffer)))
      heard.append(buffer.data(), *got);
    CHECK(heard == conversation);
  };
  SUBCASE("too slow") {
    hear_all({.file = folder.path / "A1.log", .who = "a test", .most_waiting = 10});
    CHECK(text_of(folder.path / "A1.log").find("lines were left out") != std::string::npos);
  }
  std::vector<std::string> said;
  const auto say = [&](const std::string& text) { said.push_back(text); };
  SUBCASE("full: the recording ends, which is said once") {
    hear_all({.file = "/dev/full", .who = "a test", .say = say});
    CHECK(said == std::vector<std::string>{
                      "the recording /dev/full cannot be written, and ends: No space left on device"});
  }
  SUBCASE("not there: a recording that cannot be written is said once") {
    hear_all({.file = "/proc/nowhere/A1.log", .who = "a test", .say = say});
    CHECK(said == std::vector<std::string>{"the recording /proc/nowhere/A1.log cannot be written, and ends: "
                                           "No such file or directory"});
  }
}
