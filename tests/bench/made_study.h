// Studies of SurfaceLab images made of code, at the sizes of the published ones:
//
//   2 samples x 4 regions x 60 peaks        the 488 files and 676 MB that the published scripts were timed with
//   7 samples x 14 regions x 120 peaks      the paper's own study: 11,858 files, 16.5 GB
//
// Counts are invented: the total ion image, a sparse reference ion, and peaks whose mean count is spread evenly over the
// decades from 0.003 to 30 a pixel. Each peak has a few images of different degradation, which the regions share as hard
// links, so that the paper's study takes 0.9 GB of disk; its files are read like any others.
#pragma once
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "analysis/fragments.h"

namespace cambench::bench {

namespace fs = std::filesystem;

/// A folder that is gone at the end.
struct Folder {
  fs::path path;
  Folder() {
    auto name = (fs::temp_directory_path() / "cambench-bench-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  Folder(const Folder&) = delete;
};

class MadeStudy {
 public:
  MadeStudy(fs::path pool, int peaks, int side) : pool_(std::move(pool)), peaks_(peaks), side_(side) {
    fs::create_directories(pool_);
    for (int peak = 0; peak < peaks_; ++peak)
      for (int grade = 0; grade < grades; ++grade)
        write(pool_ / pooled(peak, grade), mean_of(peak) * (1 + 0.2 * grade * gain_of(peak)));
  }

  static constexpr int grades = 4;  ///< of degradation: 0 uncycled, 3 the worst

  /// One region's files, complete at once; their number. `grade` may be of any size. As copies they leave all others as
  /// they are: a link more is a change of every region that shares the file.
  enum class As { links, copies };
  int land(const fs::path& folder, const std::string& base, int grade, As as = As::links) {
    fs::create_directories(folder);
    const auto name = [&](int id, std::string_view label) {
      return folder / fmt::format("{} ({}) - {}.txt", base, id, label);
    };
    const fs::path total = pool_ / "total";  // each region's own: no two regions are the same measurement
    write(total, 80);
    fs::rename(total, name(0, "total"));
    for (int peak = 0; peak < peaks_; ++peak) {
      const auto from = pool_ / pooled(peak, (grade + peak % 2) % grades),
                 to = name(peak + 2, label_of(peak));
      as == As::links ? fs::create_hard_link(from, to) : fs::copy(from, to);
    }
    return peaks_ + 1;
  }

  [[nodiscard]] std::string label_of(int peak) const {
    const auto& fragments = sims::FragmentTable::built_in().fragments();
    return fragments[static_cast<std::size_t>(peak + 20) % fragments.size()].label;
  }

 private:
  [[nodiscard]] std::string pooled(int peak, int grade) const { return fmt::format("{}-{}", peak, grade); }
  [[nodiscard]] double mean_of(int peak) const {
    return label_of(peak) == "NiO2-" ? 2.5 : 0.003 * std::pow(10, 4.0 * peak / peaks_);
  }
  [[nodiscard]] double gain_of(int peak) const { return peak % 3 == 0 ? -0.3 : 1.0; }

  void write(const fs::path& file, double mean) {
    std::poisson_distribution<> counts(mean);
    text_ = "# Image\r\n\r\n";
    for (int y = 0; y < side_; ++y)
      for (int x = 0; x < side_; ++x)
        fmt::format_to(std::back_inserter(text_), "{} {} {:.6e}\r\n", x, y,
                       static_cast<double>(counts(random_)));
    std::ofstream(file, std::ios::binary) << text_;
  }

  fs::path pool_;
  int peaks_, side_;
  std::mt19937 random_{1};
  std::string text_;
};

}  // namespace cambench::bench
