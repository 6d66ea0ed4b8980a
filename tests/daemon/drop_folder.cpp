// When a copied file is complete: never early, never twice, never forgotten. Time is a variable.
#include "daemon/jobs/drop_folder.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <set>

using namespace cambench;
using namespace cambench::jobs;

namespace {

constexpr double settle_s = 2.0;

Instant at(double seconds) {
  return Instant(std::chrono::duration_cast<Instant::duration>(Seconds(seconds)));
}

DropFolder a_folder() { return DropFolder(Seconds(settle_s)); }

std::vector<std::string> paths_of(const std::vector<SeenFile>& files) {
  std::vector<std::string> paths;
  for (const auto& file : files) paths.push_back(file.path);
  return paths;
}

/// One file on its way: it appears, grows a few times, and is complete.
struct Arrival {
  std::string path;
  std::vector<std::pair<double, std::uint64_t>> growth;  // (second, bytes from then on)

  [[nodiscard]] std::optional<SeenFile> seen(double second) const {
    std::optional<SeenFile> file;
    for (const auto& [from, bytes] : growth)
      if (from <= second) file = SeenFile{path, bytes, static_cast<std::int64_t>(from * 1e9)};
    return file;
  }
  [[nodiscard]] double complete() const { return growth.back().first; }
};

/// Files in random order, each in pieces, with pauses of at most `longest_pause` anywhere in the study.
std::vector<Arrival> random_arrivals(std::mt19937& random, double longest_pause) {
  std::vector<std::string> paths;
  for (const auto* sample : {"uncoated/uncycled", "uncoated/cycled", "coated/cycled"})
    for (int i = 0; i < 8; ++i)
      paths.push_back("coatings/" + std::string(sample) + "/S (" + std::to_string(i) + ") - x.txt");
  std::ranges::shuffle(paths, random);
  std::uniform_real_distribution<double> pause(0.01, longest_pause);
  std::vector<Arrival> arrivals;
  double second = 0;
  for (const auto& path : paths) {
    Arrival arrival{path, {}};
    std::uint64_t bytes = 0;
    for (auto pieces = 1 + random() % 4; pieces > 0; --pieces) {
      second += pause(random);
      arrival.growth.emplace_back(second, bytes += 1 + random() % 1000);
    }
    arrivals.push_back(std::move(arrival));
  }
  return arrivals;
}

double last_change(const std::vector<Arrival>& arrivals) {
  double last = 0;
  for (const auto& arrival : arrivals) last = std::max(last, arrival.complete());
  return last;
}

std::vector<SeenFile> scan_of(const std::vector<Arrival>& arrivals, double second) {
  std::vector<SeenFile> scan;
  for (const auto& arrival : arrivals)
    if (auto file = arrival.seen(second)) scan.push_back(std::move(*file));
  std::ranges::sort(scan);
  return scan;
}

struct Delivered {
  double second;
  Delivery what;
};

/// Scans at random moments until long after the last change.
std::vector<Delivered> watch(const std::vector<Arrival>& arrivals, std::mt19937& random) {
  auto folder = a_folder();
  std::uniform_real_distribution<double> pause(0.01, 0.5);
  std::vector<Delivered> delivered;
  for (double second = 0; second < last_change(arrivals) + 3 * settle_s; second += pause(random)) {
    folder.saw(scan_of(arrivals, second), at(second));
    for (auto& delivery : folder.take(at(second))) delivered.push_back({second, std::move(delivery)});
  }
  return delivered;
}

}  // namespace

TEST_CASE("in 200 random orders of arrival a study is delivered exactly once, whole, and never early") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    // A scan comes at most 0.5 s late, so a pause of 1.4 s between two pieces is seen as less than 2 s.
    const auto arrivals = random_arrivals(random, 1.4);
    const auto delivered = watch(arrivals, random);
    REQUIRE(delivered.size() == 1);
    CHECK(delivered[0].second >= last_change(arrivals) + settle_s);
    CHECK(delivered[0].second <= last_change(arrivals) + settle_s + 1.0);
    CHECK(delivered[0].what.files.size() == arrivals.size());
    CHECK(std::ranges::is_sorted(delivered[0].what.files));
  }
}

TEST_CASE(
    "a copier that pauses longer makes several deliveries, each new, each of files that stood still, the "
    "last whole") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto arrivals = random_arrivals(random, 5.0);
    const auto delivered = watch(arrivals, random);
    REQUIRE_FALSE(delivered.empty());
    std::set<std::vector<SeenFile>> sets;
    for (const auto& [second, delivery] : delivered) {
      CHECK(sets.insert(delivery.files).second);
      for (const auto& file : delivery.files)
        CHECK(static_cast<double>(file.written_ns) / 1e9 <= second - settle_s + 1e-6);
    }
    CHECK(delivered.back().what.files == scan_of(arrivals, 1e9));
  }
}

TEST_CASE("a study that moves does not hold up another one") {
  auto folder = a_folder();
  for (int i = 0; i <= 30; ++i) {
    folder.saw({{"still/a/cycled/x.txt", 10, 0}, {"moving/a/cycled/x.txt", std::uint64_t(i), 0}},
               at(0.1 * i));
    const auto due = folder.take(at(0.1 * i));
    if (i < 20) CHECK(due.empty());
    if (i == 20) {
      REQUIRE(due.size() == 1);
      CHECK(due[0].study == "still");
    }
  }
  CHECK(folder.arriving(at(3)).at("moving") == std::vector<std::string>{"moving/a/cycled/x.txt"});
  CHECK_FALSE(folder.arriving(at(3)).contains("still"));
}

TEST_CASE("a study that cannot be read keeps what was seen of it, waits, and holds up no other") {
  auto drop = a_folder();
  const SeenFile mine{"mine/ncm/cycled/a.txt", 1}, locked{"locked/ncm/cycled/a.txt", 1};
  drop.saw({mine, locked}, at(0));
  CHECK(drop.take(at(2)).size() == 2);
  const SeenFile more{"mine/ncm/cycled/b.txt", 1};
  for (const double second : {3.0, 5.0, 7.0}) {
    drop.saw({mine, more}, at(second), {}, {"locked"});
    for (const auto& delivery : drop.take(at(second))) CHECK(delivery.study == "mine");
  }
  drop.saw({mine, more, locked}, at(9));
  CHECK(drop.take(at(12)).empty());  // both as they were delivered
}

TEST_CASE("next() says when the study will have settled, and nothing once it was delivered") {
  auto folder = a_folder();
  CHECK_FALSE(folder.next());
  folder.saw({{"s/a/cycled/x.txt", 10, 0}}, at(5));
  REQUIRE(folder.next());
  CHECK(*folder.next() == at(7));
  CHECK(folder.take(at(6.99)).empty());
  CHECK(folder.take(at(7)).size() == 1);
  CHECK_FALSE(folder.next());
}

TEST_CASE("a file that is written again, or replaced by one of the same size, makes the study due again") {
  auto folder = a_folder();
  folder.saw({{"s/a/cycled/x.txt", 10, 1}}, at(0));
  CHECK(folder.take(at(2)).size() == 1);
  folder.saw({{"s/a/cycled/x.txt", 10, 2}}, at(10));
  CHECK(folder.take(at(11)).empty());
  CHECK(folder.take(at(12)).size() == 1);
  folder.saw({{"s/a/cycled/x.txt", 10, 2, 13}}, at(20));  // its copier gave it the time of the one before
  CHECK(folder.take(at(21)).empty());
  CHECK(folder.take(at(22)).size() == 1);
}

TEST_CASE(
    "a file that had its size from the start is delivered again after every pause of its writer, last when "
    "whole") {
  for (unsigned seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    auto arrivals = random_arrivals(random, 5.0);  // pauses that are longer than the settling time
    for (auto& arrival : arrivals)
      for (auto& [second, bytes] : arrival.growth) bytes = 1'000'000;
    const auto delivered = watch(arrivals, random);
    REQUIRE_FALSE(delivered.empty());
    for (std::size_t i = 1; i < delivered.size(); ++i)
      CHECK(delivered[i].what.files != delivered[i - 1].what.files);
    CHECK(delivered.back().what.files == scan_of(arrivals, 1e9));
    CHECK(delivered.back().second >= last_change(arrivals) + settle_s);
  }
}

TEST_CASE("a file that somebody has open moves for as long, and settles when it is closed") {
  auto folder = a_folder();
  const SeenFile file{"s/a/cycled/x.txt", 10, 1};
  for (int second = 0; second < 100; ++second) {
    folder.saw({file}, at(second), {file.path});
    CHECK(folder.take(at(second)).empty());
    CHECK(folder.arriving(at(second)).at("s") == std::vector{file.path});
  }
  folder.saw({file}, at(100));
  CHECK(folder.take(at(100.9)).empty());
  CHECK(folder.take(at(101)).size() == 1);  // two seconds after it was open last
}

TEST_CASE("a file that is never closed settles when it has looked the same for five minutes") {
  auto folder = a_folder();
  for (int second = 0; second < 1000; ++second) {
    const std::uint64_t bytes = second < 100 ? 10 : 20;  // written to once more, after 100 s
    folder.saw({{"s/a/cycled/x.txt", bytes, 1}}, at(second), {"s/a/cycled/x.txt"});
    CHECK(folder.take(at(second)).size() == (second == 100 + 299 + 2 ? 1 : 0));
  }
}

TEST_CASE("a file that is taken away makes the study due again, and an empty study is said once") {
  auto folder = a_folder();
  folder.saw({{"s/a/cycled/x.txt", 10, 1}, {"s/a/cycled/y.txt", 10, 1}}, at(0));
  CHECK(folder.take(at(2)).size() == 1);
  folder.saw({{"s/a/cycled/x.txt", 10, 1}}, at(3));
  auto due = folder.take(at(5));
  REQUIRE(due.size() == 1);
  CHECK(paths_of(due[0].files) == std::vector<std::string>{"s/a/cycled/x.txt"});
  folder.saw({}, at(6));
  due = folder.take(at(8));
  REQUIRE(due.size() == 1);
  CHECK(due[0].files.empty());
  CHECK(folder.take(at(20)).empty());
}

TEST_CASE("a file that comes and goes while nobody looks changes nothing") {
  auto folder = a_folder();
  folder.saw({{"s/a/cycled/x.txt", 10, 1}}, at(0));
  CHECK(folder.take(at(2)).size() == 1);
  folder.saw({{"s/a/cycled/x.txt", 10, 1}, {"s/a/cycled/x.txt.part", 3, 1}}, at(3));
  folder.saw({{"s/a/cycled/x.txt", 10, 1}}, at(4));
  CHECK(folder.take(at(10)).empty());
}

TEST_CASE(
    "copies under an unfinished name are arriving however long they stand still, and are never delivered") {
  auto folder = a_folder();
  folder.saw({{"s/a/cycled/x.txt.part", 10, 1}, {"s/a/cycled/y.txt", 10, 1}}, at(0));
  const auto due = folder.take(at(100));
  REQUIRE(due.size() == 1);
  CHECK(paths_of(due[0].files) == std::vector<std::string>{"s/a/cycled/y.txt"});
  CHECK(folder.arriving(at(100)).at("s") == std::vector<std::string>{"s/a/cycled/x.txt.part"});
}

TEST_CASE("what file managers leave behind is nobody's, and a file beside the studies is a stray") {
  auto folder = a_folder();
  folder.saw({{"s/a/.DS_Store", 10, 1}, {"s/Thumbs.db", 10, 1}, {"notes.txt", 10, 1}}, at(0));
  CHECK(folder.take(at(10)).empty());
  CHECK(folder.strays() == std::vector<std::string>{"notes.txt"});
}

TEST_CASE("ten thousand files at once are one delivery") {
  auto folder = a_folder();
  std::vector<SeenFile> scan;
  for (int i = 0; i < 10'000; ++i) scan.push_back({"s/a/cycled/" + std::to_string(i), 1000, 1});
  folder.saw(scan, at(0));
  folder.saw(scan, at(1));
  const auto due = folder.take(at(2));
  REQUIRE(due.size() == 1);
  CHECK(due[0].files.size() == 10'000);
}

TEST_CASE(
    "what has settled of a study that still arrives is told ahead, each file once, with what still moves") {
  auto folder = a_folder();
  const SeenFile list{"s/peaks.txt", 5, 1}, one{"s/a/cycled/1.txt", 10, 1}, two{"s/a/cycled/2.txt", 10, 1},
      other{"s/b/cycled/1.txt", 10, 1};
  const auto scan = [&](double second) {
    std::vector<SeenFile> seen{one, list};
    if (second >= 1) seen.push_back(two);
    if (second >= 2) seen.push_back(other);
    seen.push_back({"s/z/cycled/moving.txt", static_cast<std::uint64_t>(100 * second), 1});
    folder.saw(seen, at(second));
    CHECK(folder.take(at(second)).empty());
    return folder.take_ahead(at(second));
  };
  CHECK(scan(0).empty());
  CHECK(scan(1).empty());
  auto ahead = scan(2.5);
  REQUIRE(ahead.size() == 1);
  CHECK(ahead[0].study == "s");
  CHECK(paths_of(ahead[0].files) == std::vector<std::string>{"s/a/cycled/1.txt", "s/peaks.txt"});
  CHECK(ahead[0].moving ==
        std::vector<std::string>{"s/a/cycled/2.txt", "s/b/cycled/1.txt", "s/z/cycled/moving.txt"});
  CHECK(scan(2.9).empty());
  ahead = scan(3.5);
  REQUIRE(ahead.size() == 1);
  CHECK(paths_of(ahead[0].files) ==
        std::vector<std::string>{"s/a/cycled/1.txt", "s/a/cycled/2.txt", "s/peaks.txt"});
  ahead = scan(4.6);
  REQUIRE(ahead.size() == 1);  // the folder where something settled, and the peak list that serves all
  CHECK(paths_of(ahead[0].files) == std::vector<std::string>{"s/b/cycled/1.txt", "s/peaks.txt"});
  CHECK(ahead[0].moving == std::vector<std::string>{"s/z/cycled/moving.txt"});
}

TEST_CASE("a study that is due is delivered, and nothing of it is told ahead") {
  auto folder = a_folder();
  folder.saw({{"s/a/cycled/x.txt", 10, 1}}, at(0));
  CHECK(folder.take_ahead(at(1)).empty());
  CHECK(folder.take(at(2)).size() == 1);
  CHECK(folder.take_ahead(at(2)).empty());
}
