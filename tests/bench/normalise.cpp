// How fast a study of SurfaceLab images becomes scores, beside what the machine can do with the same bytes.
//
//   bench_normalise [regions=8] [peaks=60] [side=256]
//
// The defaults are the 488 files and 676 MB that the published scripts were timed with. Files are invented: the total
// ion image, a sparse reference ion, and peaks (made_study.h). They are written once, so all readings come from the page
// cache; every time is the best of three, and ratios are of processor seconds, which other programs on the machine disturb
// least. What plain Python takes is measured once, for one region (line_by_line.py).
#include <fast_float/fast_float.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "analysis/degradation.h"
#include "analysis/formats/file.h"
#include "analysis/formats/image_ascii.h"
#include "analysis/fragments.h"
#include "analysis/normalise.h"
#include "analysis/statistics.h"
#include "schema/sha256.h"
#include "tests/bench/made_study.h"

using namespace cambench;
using namespace cambench::bench;
using namespace cambench::sims;

namespace {

std::vector<fs::path> write_study(const Folder& folder, int regions, int peaks, int side) {
  MadeStudy made(folder.path / "pool", peaks, side);
  std::vector<fs::path> files;
  for (int region = 0; region < regions; ++region)
    (void)made.land(folder.path / "study", fmt::format("region {:03}", region), region);
  for (const auto& entry : fs::directory_iterator(folder.path / "study")) files.push_back(entry.path());
  std::ranges::sort(files);
  return files;
}

struct Took {
  double wall = 1e9, processor = 1e9;  ///< s; the latter of all threads
};

double now(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

Took best_of_three(const std::function<void()>& work) {
  Took best;
  for (int i = 0; i < 3; ++i) {
    const double wall = now(CLOCK_MONOTONIC), processor = now(CLOCK_PROCESS_CPUTIME_ID);
    work();
    best.wall = std::min(best.wall, now(CLOCK_MONOTONIC) - wall);
    best.processor = std::min(best.processor, now(CLOCK_PROCESS_CPUTIME_ID) - processor);
  }
  return best;
}

volatile double kept = 0;  // so that no work is optimised away

void read_plainly(const std::vector<fs::path>& files) {
  FileReader reader;
  for (const auto& file : files) kept = kept + reader.read(file).back();
}

void hash(const std::vector<fs::path>& files) {
  FileReader reader;
  for (const auto& file : files) kept = kept + sha256_hex(reader.read(file)).front();
}

// What anybody would write first: digits by hand, intensities by fast_float, into an image; nothing is checked.
void read_and_parse_plainly(const std::vector<fs::path>& files, int side) {
  FileReader reader;
  std::vector<float> pixels(static_cast<std::size_t>(side) * static_cast<std::size_t>(side));
  for (const auto& file : files) {
    const auto text = reader.read(file);
    const char* at = text.data();
    const char* end = at + text.size();
    const auto skip_line = [&] {
      while (*at++ != '\n') {
      }
    };
    const auto index = [&] {
      std::size_t value = 0;
      while (*at != ' ') value = value * 10 + static_cast<std::size_t>(*at++ - '0');
      ++at;
      return value;
    };
    while (at < end) {
      if (*at == '#' || *at == '\r') {
        skip_line();
        continue;
      }
      const auto x = index(), y = index();
      float value = 0;
      at = fast_float::from_chars(at, end, value).ptr;
      pixels[y * static_cast<std::size_t>(side) + x] = value;
      skip_line();
    }
    kept = kept + pixels[0];
  }
}

// The pixel-by-pixel normalisation alone, for what hashing and the rest of a region cost beside it.
void read_and_normalise(const std::vector<RegionFiles>& found, std::size_t first, std::size_t step) {
  FileReader reader;
  const auto whole = [&](const fs::path& file) {
    return parse_image_ascii(reader.read(file), file.native());
  };
  const auto labelled = [](const fs::path& file, std::string_view label) {
    return parse_image_file_name(file.filename().native())->label == label;
  };
  double sum = 0;
  for (std::size_t i = first; i < found.size(); i += step) {
    const auto& region = found[i];
    const auto find = [&](std::string_view label) {
      return *std::ranges::find_if(region.files, [&](const fs::path& file) { return labelled(file, label); });
    };
    const auto total = whole(find("total")), reference = whole(find("NiO2-"));
    const auto weights = weigh(total, &reference, {});
    for (const auto& file : region.files) {
      PeakSums sums(weights);
      read_image_ascii(reader.read(file), file.native(),
                       [&](std::span<const PixelCounts> run) { sums.add(run); });
      sum += sums.peak("").by_reference;
    }
  }
  kept = sum;
}

void read_regions(const std::vector<RegionFiles>& found, std::vector<Region>& regions, std::size_t first,
                  std::size_t step) {
  for (std::size_t i = first; i < found.size(); i += step) regions[i] = read_region(found[i]);
}

// Regions dealt out to two materials, uncycled and cycled.
DegradationResult score(const std::vector<Region>& regions) {
  std::vector<SpotRegion> spots;
  for (std::size_t i = 0; i < regions.size(); ++i)
    spots.push_back(
        {i % 4 == 3 ? "coated" : "bare", i % 4 == 0 ? State::uncycled : State::cycled, &regions[i]});
  const auto table = tabulate(spots, FragmentTable::built_in());
  kept = kept + fragment_statistics(table, "bare").front().of.mean;
  return degradation_scores(table, {.reference = "bare"});
}

/// Processor seconds that plain Python takes for all regions, by what it takes for the first.
double line_by_line(const std::vector<RegionFiles>& found) {
  auto command =
      fmt::format("python3 '{}'", (fs::path(CAMBENCH_SOURCE) / "tests/bench/line_by_line.py").string());
  std::string peaks;
  for (const std::string label : {"total", "NiO2-", ""})
    for (const auto& file : found.front().files) {
      const auto name = parse_image_file_name(file.filename().native())->label;
      if (label.empty() ? name != "total" : name == label) command += fmt::format(" '{}'", file.string());
    }
  std::FILE* said = ::popen(command.c_str(), "r");
  double one = 0;
  if (!said || std::fscanf(said, "%lf", &one) != 1) one = 0;
  if (said) ::pclose(said);
  return one * static_cast<double>(found.size());
}

void say(std::string_view what, const Took& took, double bytes, const Took& than) {
  fmt::print("{:42} {:8.3f} s {:8.3f} s {:8.0f} MB/s {:6.2f} x\n", what, took.wall, took.processor,
             bytes / took.processor / 1e6, took.processor / than.processor);
}

/// Regions dealt out to two threads: work(first, step).
template <typename Work>
void on_two_threads(Work work) {
  const std::jthread other([&] { work(1, 2); });
  work(0, 2);
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::max(1, std::atoi(argv[i])) : otherwise;
  };
  const int regions = std::max(4, argument(1, 8)), peaks = argument(2, 60), side = argument(3, 256);
  const Folder folder;
  const auto files = write_study(folder, regions, peaks, side);
  double bytes = 0;
  for (const auto& file : files) bytes += static_cast<double>(fs::file_size(file));
  fmt::print("{} files, {:.0f} MB, {} regions of {} x {} pixels\n", files.size(), bytes / 1e6, regions, side,
             side);

  const auto found = find_regions(files).regions;
  std::vector<Region> read(found.size());
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);

  const auto measured = [&](std::string_view what, const Took& than, const std::function<void()>& work) {
    const auto took = best_of_three(work);
    say(what, took, bytes, than.processor < 1e9 ? than : took);
    return took;
  };
  const auto normalise = [&](std::size_t first, std::size_t step) { read_and_normalise(found, first, step); };
  const auto regions_by = [&](std::size_t first, std::size_t step) {
    read_regions(found, read, first, step);
  };

  fmt::print("{:42} {:>10} {:>10} {:>13} {:>8}\n", "", "wall", "processor", "rate", "of parse");
  const auto parse = measured("plain read and parse", {}, [&] { read_and_parse_plainly(files, side); });
  measured("plain read", parse, [&] { read_plainly(files); });
  measured("plain read and SHA-256", parse, [&] { hash(files); });
  measured("find regions", parse, [&] { kept = static_cast<double>(find_regions(files).regions.size()); });
  const auto one = measured("read and normalise, one thread", parse, [&] { normalise(0, 1); });
  const auto two = measured("read and normalise, two threads", parse, [&] { on_two_threads(normalise); });
  const auto one_hashed = measured("the same with SHA-256, one thread", parse, [&] { regions_by(0, 1); });
  const auto two_hashed =
      measured("the same with SHA-256, two threads", parse, [&] { on_two_threads(regions_by); });
  measured("table, statistics, PCA and scores", parse, [&] { kept = score(read).pca.explained[0]; });
  getrusage(RUSAGE_SELF, &after);
  fmt::print("two threads scale {:.2f} x, with SHA-256 {:.2f} x; peak memory {} MB\n", one.wall / two.wall,
             one_hashed.wall / two_hashed.wall, after.ru_maxrss / 1024);
  if (const double python = line_by_line(found); python > 0)
    fmt::print(
        "plain Python, line by line, without SHA-256: {:.1f} s on one core: {:.0f} x one thread of ours, "
        "{:.0f} x "
        "with SHA-256; {:.0f} x and {:.0f} x the wall time of two threads\n",
        python, python / one.processor, python / one_hashed.processor, python / two.wall,
        python / two_hashed.wall);
  return 0;
}
