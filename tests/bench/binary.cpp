// How fast a region in a binary format becomes normalised values, beside a plain reading of the same bytes.
//
//   bench_binary [peaks=60] [side=256]
//
// The region is invented: peaks whose mean count is spread evenly over the decades from 0.003 to 3 a pixel. "read once"
// takes the file through memory and adds up its numbers; "and SHA-256" hashes it on the way, as every result needs.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "analysis/formats/binary_file.h"
#include "analysis/region.h"
#include "schema/sha256.h"
#include "tests/analysis/bif6_writer.h"
#include "tests/analysis/grd_writer.h"
#include "tests/analysis/imzml_writer.h"
#include "tests/bench/made_study.h"

using namespace cambench;
using namespace cambench::bench;
using namespace cambench::sims;
using Clock = std::chrono::steady_clock;

namespace {

struct Ion {
  std::string label;
  double mz = 0;
  std::vector<std::uint32_t> counts;
};

std::vector<Ion> ions(int peaks, int side) {
  std::mt19937 random(1);
  std::vector<Ion> all;
  const auto& fragments = FragmentTable::built_in().fragments();
  for (int peak = 0; peak < peaks; ++peak) {
    const auto& fragment = fragments[static_cast<std::size_t>(peak + 20) % fragments.size()];
    const double mean = fragment.label == "NiO2-" ? 2.5 : 0.003 * std::pow(10, 3.0 * peak / peaks);
    std::poisson_distribution<std::uint32_t> counts(mean);
    Ion ion{fragment.label, fragment.mz, {}};
    for (int i = 0; i < side * side; ++i) ion.counts.push_back(counts(random));
    all.push_back(std::move(ion));
  }
  return all;
}

void write(const fs::path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

void write_peak_list(const fs::path& folder, const std::vector<Ion>& all) {
  std::string list = "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n";
  for (const auto& ion : all)
    list += fmt::format("{:.6f}\t{:.6f}\t{}\r\n", ion.mz - 0.001, ion.mz + 0.001, ion.label);
  write(folder / "peaks.txt", list);
}

void write_stack(const fs::path& folder, const std::vector<Ion>& all, int side) {
  std::vector<tests::Bif6Image> images{{0, 0, 150, 300, std::vector<std::uint32_t>(all[0].counts.size(), 3)}};
  for (std::size_t k = 0; k < all.size(); ++k) {
    const auto mz = static_cast<float>(all[k].mz);
    images.push_back({static_cast<std::uint32_t>(k + 2), mz - 0.001F, mz, mz + 0.001F, all[k].counts});
  }
  write(folder / "region.bif6",
        tests::write_bif6(static_cast<std::uint16_t>(side), static_cast<std::uint16_t>(side), images));
  write_peak_list(folder, all);
}

void write_events(const fs::path& folder, const std::vector<Ion>& all, int side) {
  tests::GrdWriter events;
  for (const auto& ion : all)
    for (std::uint32_t i = 0; i < ion.counts.size(); ++i)
      for (std::uint32_t n = 0; n < ion.counts[i]; ++n)
        events.ion(0, i % static_cast<unsigned>(side), i / static_cast<unsigned>(side), ion.mz);
  write(folder / "region.itm.grd", events.events);
  write(folder / "region.properties.txt", events.properties(side));
  write_peak_list(folder, all);
}

void write_spectra(const fs::path& folder, const std::vector<Ion>& all, int side) {
  tests::ImzmlWriter file;
  file.width = file.height = side;
  file.number = 'd';
  auto sorted = all;
  std::ranges::sort(sorted, {}, &Ion::mz);
  for (int i = 0; i < side * side; ++i) {
    tests::ImzmlPixel pixel{1 + i % side, 1 + i / side, {}, {}};
    for (const auto& ion : sorted) {
      if (ion.counts[static_cast<std::size_t>(i)] == 0) continue;
      pixel.mz.push_back(ion.mz);
      pixel.intensity.push_back(ion.counts[static_cast<std::size_t>(i)]);
    }
    file.pixels.push_back(std::move(pixel));
  }
  file.write();
  write(folder / "region.imzML", file.xml);
  write(folder / "region.ibd", file.binary);
  write_peak_list(folder, all);
}

double best_of_three(const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto start = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

volatile std::uint64_t kept = 0;  // so that no work is optimised away

void read_once(const RegionFiles& region, bool hashed) {
  for (const auto& path : region.files) {
    BinaryFile file(path);
    Sha256 hash;
    std::uint64_t sum = 0;
    file.each_piece([&](std::string_view piece) {
      for (std::size_t i = 0; i + 4 <= piece.size(); i += 4) sum += load<std::uint32_t>(&piece[i]);
      if (hashed) hash.update(piece);
    });
    kept = kept + sum;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::max(1, std::atoi(argv[i])) : otherwise;
  };
  const int peaks = argument(1, 60), side = argument(2, 256);
  const auto all = ions(peaks, side);
  fmt::print("one region of {} x {} pixels and {} peaks, one thread\n", side, side, peaks);
  fmt::print("{:8} {:>8} {:>12} {:>14} {:>24}\n", "format", "MB", "read once", "and SHA-256",
             "read_region (of the first)");
  const Folder folder;
  using Writer = void (*)(const fs::path&, const std::vector<Ion>&, int);
  for (const auto& [name, writer] : {std::pair<const char*, Writer>{"BIF6", write_stack},
                                     {"GRD", write_events},
                                     {"imzML", write_spectra}}) {
    const auto below = folder.path / name;
    fs::create_directories(below);
    writer(below, all, side);
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(below)) files.push_back(entry.path());
    const auto region = find_regions(files).regions.at(0);
    double bytes = 0;
    for (const auto& file : region.files) bytes += static_cast<double>(fs::file_size(file));
    const double once = best_of_three([&] { read_once(region, false); });
    const double hashed = best_of_three([&] { read_once(region, true); });
    const double whole = best_of_three([&] { kept = kept + read_region(region).peaks.size(); });
    fmt::print("{:8} {:8.0f} {:10.3f} s {:12.3f} s {:12.3f} s {:8.2f} x\n", name, bytes / 1e6, once, hashed,
               whole, whole / once);
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  fmt::print("peak memory {} MB, with the invented data\n", used.ru_maxrss / 1024);
  return 0;
}
