// The simulated ToF-SIMS export. Format facts: SurfaceLab "Ascii (X, Y, I)" as proven by its readers and the sizes
// in screenshots of real exports; counts per pixel from the same screenshots (NiO2- at most about 9 to 25).
#include "drivers/sim/tof_sims.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

using namespace cambench::sim;
namespace fs = std::filesystem;

namespace {

class Folder {
 public:
  Folder() { fs::remove_all(path); }
  ~Folder() { fs::remove_all(path); }
  const fs::path path = fs::temp_directory_path() /
                        ("cambench-tof-sims-" + std::to_string(::getpid()) + "-" + std::to_string(next_++));

 private:
  static inline int next_ = 0;
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<double> image(const fs::path& file) {
  std::ifstream in(file);
  std::vector<double> counts;
  for (std::string line; std::getline(in, line);)
    if (!line.starts_with('#')) counts.push_back(std::stod(line.substr(line.rfind(' ') + 1)));
  return counts;
}

SimsStudy small() {
  SimsStudy study;
  study.pixels = 32;
  study.regions = 2;
  study.materials = {"ncm-uncoated"};
  return study;
}

/// By label: mean over all regions' pixels that are not empty of the fragment's share of the total.
std::map<std::string, double> shares(const fs::path& sample) {
  std::map<std::string, std::vector<double>> totals;
  std::map<std::string, double> sums, pixels;
  for (const auto& entry : fs::directory_iterator(sample)) {
    const std::string name = entry.path().filename();
    const std::string base = name.substr(0, name.find(" ("));
    const std::size_t dash = name.find(" - ") + 3;
    const std::string label = name.substr(dash, name.size() - dash - 4);
    auto& total = totals[base];
    if (total.empty()) total = image(sample / (base + " (0) - total.txt"));
    const auto counts = image(entry.path());
    for (std::size_t i = 0; i < counts.size(); ++i)
      if (total[i] > 0) {
        sums[label] += counts[i] / total[i];
        ++pixels[label];
      }
  }
  for (auto& [label, sum] : sums) sum /= pixels[label];
  return sums;
}

}  // namespace

TEST_CASE("a file is header lines with #, then X Y I with X fastest, in blanks, exponents and CRLF") {
  const Folder folder;
  write_sims_study(folder.path, small());
  const std::string text =
      text_of(folder.path / "coatings/ncm-uncoated/cycled/ncm-uncoated_cycled_01 (0) - total.txt");
  std::istringstream in(text);
  std::string line, last_header;
  std::size_t row = 0;
  while (std::getline(in, line)) {
    REQUIRE(line.ends_with('\r'));
    line.pop_back();
    if (line.starts_with('#')) {
      CHECK(row == 0);
      last_header = line;
      continue;
    }
    const std::string place = std::to_string(row % 32) + " " + std::to_string(row / 32) + " ";
    REQUIRE(line.starts_with(place));
    const std::string count = line.substr(place.size());
    REQUIRE(count.size() == std::string("5.000000e+00").size());
    REQUIRE(count.substr(8, 2) == "e+");
    ++row;
  }
  CHECK(row == 32 * 32);
  CHECK(last_header == "#");
}

TEST_CASE("names are base, id and label: total is 0, sum of rest 1, peaks from 2") {
  const Folder folder;
  const SimsWritten written = write_sims_study(folder.path, small());
  std::map<std::string, std::set<int>> ids;
  std::size_t files = 0, bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path)) {
    if (!entry.is_regular_file()) continue;
    ++files;
    bytes += entry.file_size();
    const std::string name = entry.path().filename();
    const auto open = name.find(" ("), close = name.find(") - ");
    REQUIRE(open != std::string::npos);
    REQUIRE(close != std::string::npos);
    const int id = std::stoi(name.substr(open + 2, close - open - 2));
    ids[name.substr(0, open)].insert(id);
    if (id == 0) CHECK(name.ends_with(" - total.txt"));
    if (id == 1) CHECK(name.ends_with(" - sum of rest.txt"));
    if (id == 2) CHECK(name.ends_with(" - O-.txt"));
  }
  CHECK(files == written.files);
  CHECK(bytes == written.bytes);
  CHECK(ids.size() == 4);  // two regions, uncycled and cycled
  for (const auto& [base, seen] : ids) {
    CHECK(seen.size() == sims_fragments().size() + 2);
    CHECK(*seen.rbegin() == static_cast<int>(sims_fragments().size()) + 1);
  }
}

TEST_CASE("there are 32 to 48 fragments, no two alike, with the reference ion and the paper's markers") {
  const auto labels = sims_fragments();
  CHECK(labels.size() >= 32);
  CHECK(labels.size() <= 48);
  CHECK(std::set(labels.begin(), labels.end()).size() == labels.size());
  for (const auto needed :
       {"NiO_2-", "PO_2-", "PO_3-", "SO_2-", "SO_4-", "S_4-", "LiP_2S_6-", "LiPS_6-", "Cl-"})
    CHECK(std::ranges::find(labels, needed) != labels.end());
}

TEST_CASE("the total is the sum of all, some pixels are empty, and the reference ion is sparse") {
  const Folder folder;
  write_sims_study(folder.path, small());
  const fs::path sample = folder.path / "coatings/ncm-uncoated/uncycled";
  const std::string base = "ncm-uncoated_uncycled_01 (";
  std::vector<double> sum(32 * 32, 0.0), total, reference;
  for (const auto& entry : fs::directory_iterator(sample)) {
    const std::string name = entry.path().filename();
    if (!name.starts_with(base)) continue;
    const auto counts = image(entry.path());
    if (name.ends_with(" - total.txt")) {
      total = counts;
    } else {
      std::ranges::transform(sum, counts, sum.begin(), std::plus<>());
    }
    if (name.ends_with(" - NiO_2-.txt")) reference = counts;
  }
  CHECK(sum == total);
  const auto empty = std::ranges::count(total, 0.0);
  CHECK(empty > 32 * 32 / 200);
  CHECK(empty < 32 * 32 / 4);
  CHECK(std::ranges::count(reference, 0.0) > empty);
  CHECK(*std::ranges::max_element(reference) >= 4);
  CHECK(*std::ranges::max_element(reference) <= 30);
}

TEST_CASE("equal seeds give equal bytes, another seed or region other counts") {
  const Folder a, b;
  SimsStudy study = small();
  write_sims_study(a.path, study);
  write_sims_study(b.path, study);
  const std::string name = "coatings/ncm-uncoated/cycled/ncm-uncoated_cycled_0";
  const std::string first = text_of(a.path / (name + "1 (0) - total.txt"));
  CHECK(!first.empty());
  CHECK(first == text_of(b.path / (name + "1 (0) - total.txt")));
  CHECK(first != text_of(a.path / (name + "2 (0) - total.txt")));
  study.seed = 2;
  write_sims_study(b.path, study);
  CHECK(first != text_of(b.path / (name + "1 (0) - total.txt")));
}

TEST_CASE("one more region leaves the others as they were") {
  const Folder a, b;
  SimsStudy study = small();
  write_sims_study(a.path, study);
  study.regions = 3;
  write_sims_study(b.path, study);
  const std::string name = "coatings/ncm-uncoated/cycled/ncm-uncoated_cycled_02 (0) - total.txt";
  CHECK(text_of(a.path / name) == text_of(b.path / name));
}

// The body text of the paper: polysulfide fragments rise with ZrO2 and fall with X; oxygenated sulfur and phosphorus
// fall with every coating, most with thick X; SO2- is inverse; thick is below thin. Ratios to the uncycled sample.
TEST_CASE("the contrasts follow the paper's body text") {
  const Folder folder;
  SimsStudy study;
  study.pixels = 32;
  study.regions = 4;
  write_sims_study(folder.path, study);
  const auto anchor = shares(folder.path / "coatings/ncm-uncoated/uncycled");
  std::map<std::string, std::map<std::string, double>> cycled;
  for (const std::string material :
       {"ncm-uncoated", "ncm-linbo3", "ncm-zro2-thin", "ncm-zro2-thick", "ncm-x-thin", "ncm-x-thick"})
    cycled[material] = shares(folder.path / "coatings" / material / "cycled");
  const auto rise = [&](const std::string& material, const std::vector<std::string>& labels) {
    double mean = 0.0;
    for (const auto& label : labels) mean += cycled.at(material).at(label) / anchor.at(label);
    return mean / static_cast<double>(labels.size()) - 1.0;
  };
  const std::vector<std::string> polysulfide{"S_4-", "S_5-", "S_6-", "PS_5-", "PS_6-", "P_2S_6-"};
  const std::vector<std::string> soy{"SO_3-", "SO_4-", "LiSO_3-"}, poy{"PO_2-", "PO_3-", "LiPO_3-"};
  const std::vector<std::string> coated{"ncm-linbo3", "ncm-zro2-thin", "ncm-zro2-thick", "ncm-x-thin",
                                        "ncm-x-thick"};

  CHECK(rise("ncm-uncoated", polysulfide) > 0.5);
  CHECK(rise("ncm-uncoated", {"SO_2-"}) < -0.1);
  CHECK(rise("ncm-zro2-thin", polysulfide) > rise("ncm-uncoated", polysulfide));
  CHECK(rise("ncm-zro2-thick", polysulfide) > rise("ncm-uncoated", polysulfide));
  CHECK(rise("ncm-linbo3", polysulfide) < rise("ncm-uncoated", polysulfide));
  CHECK(rise("ncm-x-thin", polysulfide) < rise("ncm-linbo3", polysulfide));
  for (const auto& labels : {soy, poy})
    for (const auto& material : coated) {
      CHECK(rise(material, labels) < rise("ncm-uncoated", labels));
      CHECK(rise(material, labels) >= rise("ncm-x-thick", labels));
    }
  for (const auto& labels : {polysulfide, soy, poy}) {
    CHECK(rise("ncm-zro2-thick", labels) < rise("ncm-zro2-thin", labels));
    CHECK(rise("ncm-x-thick", labels) < rise("ncm-x-thin", labels));
  }
  CHECK(cycled["ncm-zro2-thick"]["ZrO_2-"] > 10 * cycled["ncm-linbo3"]["ZrO_2-"]);
}

TEST_CASE(
    "an unknown material, a senseless size and a place that cannot be written are refused with a sentence") {
  const Folder folder;
  SimsStudy study = small();
  study.materials = {"lco"};
  CHECK_THROWS_WITH_AS(write_sims_study(folder.path, study), doctest::Contains("ncm-x-thick"),
                       std::runtime_error);
  study = small();
  study.regions = 0;
  CHECK_THROWS_AS(write_sims_study(folder.path, study), std::runtime_error);
  fs::create_directories(folder.path);
  std::ofstream(folder.path / "coatings") << "a file where a folder should be";
  CHECK_THROWS_AS(write_sims_study(folder.path, small()), std::runtime_error);
}
