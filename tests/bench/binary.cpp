// How fast a region in a binary format becomes normalised values, beside a plain reading of the same bytes.
//
//   bench_binary [peaks=60] [side=256]
//
// The region is invented: peaks whose mean count is spread evenly over the decades from 0.003 to 3 a pixel, and in events
// and spectra as many ions again that belong to no peak. "read once" takes the file through memory and adds up its
// numbers; "and SHA-256" hashes it on the way, as every result needs. Beside each stands what the normalisation takes
// without and with the hash. All are processor seconds of one thread, best of five, from the page cache. An imzML is
// half XML: beside it stands what its two files take each.
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <tuple>

#include "analysis/formats/bif6.h"
#include "analysis/formats/file.h"
#include "analysis/formats/grd.h"
#include "analysis/formats/imzml.h"
#include "analysis/ion_images.h"
#include "analysis/region.h"
#include "analysis/spectra.h"
#include "schema/sha256.h"
#include "tests/analysis/bif6_writer.h"
#include "tests/analysis/grd_writer.h"
#include "tests/analysis/imzml_writer.h"
#include "tests/bench/made_study.h"
#include "tests/peak_memory.h"

using namespace cambench;
using namespace cambench::bench;
using namespace cambench::sims;

namespace {

struct Ion {
  std::string label;  ///< empty: of no peak
  double mz = 0;
  double half_width = 0;  ///< of its interval: half a peak at R = 6000, less where another ion is near
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
    Ion ion{fragment.label, fragment.mz, fragment.mz / 12000, {}};
    for (int i = 0; i < side * side; ++i) ion.counts.push_back(counts(random));
    all.push_back(std::move(ion));
  }
  for (auto& ion : all)
    for (const auto& other : all)
      if (&other != &ion) ion.half_width = std::min(ion.half_width, 0.45 * std::abs(other.mz - ion.mz));
  return all;
}

// Some that lie between the peaks, one a pixel each.
std::vector<Ion> with_others(std::vector<Ion> all) {
  std::poisson_distribution<std::uint32_t> counts(1);
  std::mt19937 random(2);
  for (std::size_t peaks = all.size(), i = 0; i < peaks; ++i) {
    Ion other{.mz = all[i].mz + 0.3};
    for (std::size_t pixel = 0; pixel < all[i].counts.size(); ++pixel) other.counts.push_back(counts(random));
    all.push_back(std::move(other));
  }
  std::ranges::sort(all, {}, &Ion::mz);
  return all;
}

void write(const fs::path& file, const std::string& bytes) { std::ofstream(file, std::ios::binary) << bytes; }

void write_peak_list(const fs::path& folder, const std::vector<Ion>& all) {
  std::string list = "Lower Mass (u)\tUpper Mass (u)\tAssignment\r\n";
  for (const auto& ion : all)
    list +=
        fmt::format("{:.6f}\t{:.6f}\t{}\r\n", ion.mz - ion.half_width, ion.mz + ion.half_width, ion.label);
  write(folder / "peaks.txt", list);
}

void write_stack(const fs::path& folder, const std::vector<Ion>& all, int side) {
  std::vector<tests::Bif6Image> images{{0, 0, 150, 300, std::vector<std::uint32_t>(all[0].counts.size(), 3)}};
  for (std::size_t k = 0; k < all.size(); ++k) {
    const auto mz = static_cast<float>(all[k].mz), half = static_cast<float>(all[k].half_width);
    images.push_back({static_cast<std::uint32_t>(k + 2), mz - half, mz, mz + half, all[k].counts});
  }
  write(folder / "region.bif6",
        tests::write_bif6(static_cast<std::uint16_t>(side), static_cast<std::uint16_t>(side), images));
  write_peak_list(folder, all);
}

// Scan by scan and pixel by pixel, as they are measured.
void write_events(const fs::path& folder, const std::vector<Ion>& all, int side) {
  constexpr std::uint32_t scans = 4;
  tests::GrdWriter events;
  const auto found = with_others(all);
  for (std::uint32_t scan = 0; scan < scans; ++scan)
    for (std::uint32_t i = 0; i < found[0].counts.size(); ++i)
      for (const auto& ion : found)
        for (std::uint32_t n = scan; n < ion.counts[i]; n += scans)
          events.ion(scan, i % static_cast<unsigned>(side), i / static_cast<unsigned>(side), ion.mz);
  write(folder / "region.itm.grd", events.events);
  write(folder / "region.properties.txt", events.properties(side));
  write_peak_list(folder, all);
}

void write_spectra(const fs::path& folder, const std::vector<Ion>& all, int side) {
  tests::ImzmlWriter file;
  file.width = file.height = side;
  file.number = 'd';
  const auto found = with_others(all);
  for (int i = 0; i < side * side; ++i) {
    tests::ImzmlPixel pixel{1 + i % side, 1 + i / side, {}, {}};
    for (const auto& ion : found) {
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

// ---- the normalisation alone

fs::path one_of(const RegionFiles& region, std::string_view ending) {
  return *std::ranges::find_if(region.files,
                               [&](const fs::path& file) { return file.native().ends_with(ending); });
}

Region of_stack(const RegionFiles& found, const std::vector<MassInterval>& intervals) {
  Bif6Reader reader{BinaryFile(found.files[0])};
  const auto& images = reader.images();  // the total, then the peaks
  const auto read = [&](std::uint32_t i, const ImageSink& sink) {
    reader.read(i == all_ions ? images[0] : images[i + 1], sink);
  };
  return normalise_images(read, reader.shape(), intervals, "region");
}

Region of_events(const RegionFiles& found, const std::vector<MassInterval>& intervals) {
  FileReader files;
  const auto properties = parse_grd_properties(files.read(one_of(found, ".txt")), "properties");
  GrdReader reader(BinaryFile(one_of(found, ".grd")), properties);
  const ChannelIntervals by_channel(properties.scale, intervals, "region");
  const auto pass = [&](const RawIonSink& sink) { (void)reader.each_ion(sink); };
  return normalise_ions(pass, reader.shape(), by_channel, intervals, "region");
}

Region of_spectra(const RegionFiles& found, const std::vector<MassInterval>& intervals) {
  ImzmlReader reader{BinaryFile(one_of(found, ".imzML")), BinaryFile(one_of(found, ".ibd"))};
  IntervalAreas areas(intervals, SpectrumArea::sum);
  const auto pass = [&](const SpectrumSink& sink) {
    reader.each_pixel([&](auto, double total, const Spectrum& spectrum) { sink(total, areas.of(spectrum)); });
  };
  return normalise_spectra(pass, reader.shape(), intervals, "region");
}

// ---- timing

double processor_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double best_of_five(const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const double start = processor_seconds();
    work();
    best = std::min(best, processor_seconds() - start);
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

// What the XML takes and what the spectra take, beside reading either file once.
void print_halves(const RegionFiles& region, double alone) {
  const auto open = [&] {
    return ImzmlReader{BinaryFile(one_of(region, ".imzML")), BinaryFile(one_of(region, ".ibd"))};
  };
  const double xml = best_of_five([&] { kept = kept + open().shape().pixels(); });
  for (const auto& [ending, took] : {std::pair{".imzML", xml}, {".ibd", alone - xml}}) {
    const auto file = one_of(region, ending);
    const double once = best_of_five([&] { read_once({.name = "", .files = {file}}, false); });
    fmt::print("  {:6} {:6.0f} {:8.4f} s {:8.4f} s {:6.2f} x\n", ending,
               static_cast<double>(fs::file_size(file)) / 1e6, once, took, took / once);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::max(1, std::atoi(argv[i])) : otherwise;
  };
  const int peaks = argument(1, 60), side = argument(2, 256);
  const auto all = ions(peaks, side);
  fmt::print("one region of {} x {} pixels and {} peaks\n", side, side, peaks);
  fmt::print("{:8} {:>6} {:>10} {:>20} {:>14} {:>20} {:>11}\n", "format", "MB", "read once", "normalised",
             "and SHA-256", "read_region", "memory");
  const Folder folder;
  using Writer = void (*)(const fs::path&, const std::vector<Ion>&, int);
  using Normalise = Region (*)(const RegionFiles&, const std::vector<MassInterval>&);
  const std::tuple<const char*, Writer, Normalise> formats[] = {{"BIF6", write_stack, of_stack},
                                                                {"GRD", write_events, of_events},
                                                                {"imzML", write_spectra, of_spectra}};
  for (const auto& [name, writer, normalise] : formats) {
    const auto below = folder.path / name;
    fs::create_directories(below);
    writer(below, all, side);
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(below)) files.push_back(entry.path());
    const auto region = find_regions(files).regions.at(0);
    double bytes = 0;
    for (const auto& file : region.files) bytes += static_cast<double>(fs::file_size(file));
    FileReader lists;
    const auto intervals = parse_interval_list(lists.read(*region.interval_list), "peaks");
    ::malloc_trim(0);
    (void)tests::peak_memory();
    const double before = tests::peak_memory();
    const double whole = best_of_five([&] { kept = kept + read_region(region).peaks.size(); });
    const double memory = tests::peak_memory() - before;
    const double once = best_of_five([&] { read_once(region, false); });
    const double hashed = best_of_five([&] { read_once(region, true); });
    const double alone = best_of_five([&] { kept = kept + normalise(region, intervals).peaks.size(); });
    fmt::print("{:8} {:6.0f} {:8.4f} s {:8.4f} s {:6.2f} x {:12.4f} s {:8.4f} s {:6.2f} x {:8.0f} MB\n", name,
               bytes / 1e6, once, alone, alone / once, hashed, whole, whole / hashed, memory);
    if (region.format == RegionFiles::Format::imzml) print_halves(region, alone);
  }
  return 0;
}
