// Files as a bad disk, a broken copy or an editor leaves them: whatever comes in, a reader answers with values that hold
// what its header promises, or with a refusal that names the file and the mend.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>

#include "analysis/bad_input.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/fragments.h"
#include "analysis/region_json.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

std::string image() {
  std::string text = "# header\r\n\r\n";
  for (int i = 0; i < 30; ++i) text += fmt::format("{} {} {:e}\r\n", i % 6, i / 6, i % 4 * 1.5);
  return text;
}

const std::string spectrum =
    "# Binning: 200 channels\r\n# Deadtime Correction: on\r\nChannel\tm/z\tIntensity\r\n100\t0.000274\t0\r\n"
    "300\t0.000510\t50\r\n500\t0.000817\t4\r\n700\t1,5\t1e2\r\n";
const std::string peak_list =
    "No.\tCenter Mass (u)\tLower Mass (u)\tUpper Mass "
    "(u)\tAssignment\tDescription\r\n1\t\tnan\tnan\t(null)\ttotal\r\n"
    "2\t78.9591\t78.93\t78.99\tPO_3-\t\r\n3\t96,9601\t96,93\t96,99\t(null)\t\r\n";
const std::string fragments = "formula,mz,category\nPO3-,78.959,POy\n^13CC_7H-,,\nLiCO3-,,other\n";

std::string damaged(std::string text, std::mt19937& random) {
  const std::string favourites("\0\r\n\t ,.-+eE0123456789#_^()NaInf\xff", 33);
  for (auto times = 1 + random() % 3; times > 0; --times) {
    const auto at = text.empty() ? 0 : random() % text.size();
    const auto size = std::min<std::size_t>(text.size() - at, random() % 40);
    switch (random() % 5) {
      case 0: text.insert(at, 1, favourites[random() % favourites.size()]); break;
      case 1: text.erase(at, 1 + random() % 3); break;
      case 2: text.resize(at); break;
      case 3: text.insert(at, text.substr(at, size)); break;
      case 4:
        if (!text.empty()) text[at] = favourites[random() % favourites.size()];
        break;
    }
  }
  return text;
}

// How many damaged files were accepted and how many refused; both must happen, or the test shows nothing.
void try_damaged(const std::string& good, const std::function<void(const std::string&)>& read_and_check) {
  std::mt19937 random(1);
  int accepted = 0, refused = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto text = damaged(good, random);
    try {
      read_and_check(text);
      ++accepted;
    } catch (const BadInput& problem) {
      ++refused;
      const std::string sentence = problem.what();
      REQUIRE(sentence.starts_with("f.txt"));
      REQUIRE(sentence.find("; ") != std::string::npos);
    }
  }
  CHECK(accepted > 0);
  CHECK(refused > 0);
}

}  // namespace

TEST_CASE(
    "a text that has its size but is not written to its end is refused, and a NUL byte behind one is "
    "nothing") {
  CHECK(parse_image_ascii(image() + '\0', "f.txt").shape.height == 5);
  const auto accepted = [](const std::string& good, const std::function<void(const std::string&)>& read) {
    read(good);
    int times = 0;
    for (std::size_t written = 0; written + 8 <= good.size(); ++written) try {
        read(good.substr(0, written) + std::string(good.size() - written, '\0'));
        ++times;
      } catch (const BadInput&) {
      }
    return times;
  };
  CHECK(accepted(image(), [](auto& text) { (void)parse_image_ascii(text, "f.txt"); }) == 0);
  CHECK(accepted(spectrum, [](auto& text) { (void)parse_spectrum_ascii(text, "f.txt"); }) == 0);
  CHECK(accepted(peak_list, [](auto& text) { (void)parse_interval_list(text, "f.txt"); }) == 0);
  CHECK(accepted(fragments, [](auto& text) { (void)FragmentTable::parse(text, "f.txt"); }) == 0);
}

TEST_CASE("a damaged image is refused or an image of counts") {
  try_damaged(image(), [](const std::string& text) {
    const auto read = parse_image_ascii(text, "f.txt");
    REQUIRE(read.counts.size() == read.shape.pixels());
    REQUIRE(std::ranges::all_of(read.counts, [](double n) { return std::isfinite(n) && n >= 0; }));
  });
}

TEST_CASE("a damaged spectrum is refused or a spectrum in order") {
  try_damaged(spectrum, [](const std::string& text) {
    const auto read = parse_spectrum_ascii(text, "f.txt");
    REQUIRE(read.mz.size() == read.intensity.size());
    REQUIRE(std::ranges::is_sorted(read.mz));
    REQUIRE(std::ranges::all_of(read.intensity, [](double n) { return std::isfinite(n) && n >= 0; }));
  });
}

TEST_CASE("a damaged peak list is refused or a list of intervals") {
  try_damaged(peak_list, [](const std::string& text) {
    for (const auto& interval : parse_interval_list(text, "f.txt")) {
      REQUIRE(interval.lower < interval.upper);
      REQUIRE_FALSE(interval.label.empty());
    }
  });
}

TEST_CASE("a damaged fragment table is refused or a table of fragments") {
  try_damaged(fragments, [](const std::string& text) {
    const auto table = FragmentTable::parse(text, "f.txt");
    for (const auto& fragment : table.fragments()) REQUIRE(table.describe(fragment.label).mz == fragment.mz);
  });
}

TEST_CASE("a damaged kept region is refused or a region") {
  Region region{.name = "a", .peaks = {{.label = "PO_3-", .counts = 7}}, .files = {{"a.txt", "00", 12}}};
  try_damaged(to_json(region), [](const std::string& text) {
    for (const auto& peak : region_from_json(text, "f.txt").peaks) REQUIRE(std::isfinite(peak.by_total));
  });
}
