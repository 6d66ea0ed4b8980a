// How soon scores follow the last file of a study that lands in the drop folder, and a change of its settings.
//
//   bench_trigger [samples=7] [regions=14] [peaks=120] [side=256]
//
// The defaults are the paper's study. Its regions land one by one, as an instrument makes them; every time begins when
// the last file has been still for the settling time, and ends when the new scores are in the store, in the results
// folder and in the status. The reference is a plain read and parse of the last region's files.
#include <fmt/format.h>

#include <condition_variable>
#include <mutex>

#include "analysis/formats/file.h"
#include "analysis/formats/image_ascii.h"
#include "daemon/jobs/jobs.h"
#include "tests/bench/made_study.h"

using namespace cambench;
using namespace cambench::bench;
using Clock = std::chrono::steady_clock;

namespace {

constexpr double settle_s = 1;

struct Size {
  int samples, regions, peaks, side;
};

std::string material(int sample) { return sample < 2 ? "bare" : fmt::format("coated-{}", sample - 1); }

config::Bench bench_of(const fs::path& folder, const Size& size) {
  std::string text = fmt::format(
      "[bench]\nname = \"trigger\"\n[store]\npath = \"state/cambench.sqlite\"\n[http]\nlisten = "
      "\"127.0.0.1:8870\"\ncontrol = \"control.sock\"\n[drop]\npath = \"drop\"\nsettle_s = {}\npoll_s = 2\n"
      "results = \"results\"\n[[station]]\nname = \"A1\"\n[station.press]\ndriver = \"modbus\"\n"
      "port = \"tcp://127.0.0.1:1502\"\nmap = \"generic-press\"\nsimulated = true\n",
      settle_s);
  std::string ids;
  for (int sample = 1; sample < size.samples; ++sample) {
    const auto id = material(sample);
    ids += (ids.empty() ? "\"" : ", \"") + id + '"';
    text += fmt::format("[[material]]\nid = \"{}\"\nname = \"{}\"\ncoating = \"{}\"\nreference = {}\n", id,
                        id, sample == 1 ? "none" : "X", sample == 1);
  }
  text += fmt::format("[[study]]\nid = \"study\"\nmaterials = [{}]\ncells = []\n", ids);
  return config::parse(text, folder / "bench.toml");
}

/// What the jobs show, and when.
class Board {
 public:
  jobs::Jobs::Show show() {
    return [this](jobs::Seen seen) {
      const std::lock_guard guard(mutex_);
      seen_ = std::move(seen);
      changed_.notify_all();
    };
  }
  /// The moment at which the study was shown in this version, scored.
  Clock::time_point scored(std::int64_t version) {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] {
      return !seen_.studies.empty() && seen_.studies.front().version >= version &&
             seen_.studies.front().state == "scored";
    });
    return Clock::now();
  }
  void says(const std::string& words) {
    std::unique_lock guard(mutex_);
    changed_.wait(guard, [&] { return seen_.studies.front().text.find(words) != std::string::npos; });
  }
  std::int64_t version() {
    const std::lock_guard guard(mutex_);
    return seen_.studies.front().version;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  jobs::Seen seen_;
};

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// Reads and parses the files of one folder whose names begin so; and their bytes.
std::pair<double, double> read_and_parse(const fs::path& folder, const std::string& base) {
  FileReader reader;
  double bytes = 0, counts = 0;
  const auto start = Clock::now();
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (!name.starts_with(base)) continue;
    const auto text = reader.read(entry.path());
    bytes += static_cast<double>(text.size());
    sims::read_image_ascii(text, name, [&](std::span<const sims::PixelCounts> run) {
      for (const auto& pixel : run) counts += pixel.counts;
    });
  }
  if (counts < 0) fmt::print("never\n");
  return {seconds(Clock::now() - start), bytes};
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, int otherwise) {
    return argc > i ? std::max(1, std::atoi(argv[i])) : otherwise;
  };
  const Size size{std::max(3, argument(1, 7)), argument(2, 14), argument(3, 120), argument(4, 256)};
  const Folder folder;
  const auto bench = bench_of(folder.path, size);
  const auto study = folder.path / "drop" / "study";
  fs::create_directories(folder.path / "state");
  MadeStudy made(folder.path / "pool", size.peaks, size.side);
  const auto base_of = [](int region) { return fmt::format("region {:03}", region); };
  const auto folder_of = [&](int sample) {
    return study / material(sample) / (sample == 0 ? "uncycled" : "cycled");
  };

  store::Store store(bench.store);
  Board board;
  auto jobs = std::make_unique<jobs::Jobs>(bench, store, board.show());
  int files = 0;
  for (int sample = 0; sample < size.samples; ++sample)
    for (int region = 0; region < size.regions; ++region)
      if (sample + 1 < size.samples || region + 1 < size.regions)
        files += made.land(folder_of(sample), base_of(region),
                           sample == 0   ? 0
                           : sample == 1 ? 3
                                         : 1 + sample % 2);
  auto start = Clock::now();
  board.scored(1);
  const double all = seconds(Clock::now() - start) - settle_s;

  const auto last_folder = folder_of(size.samples - 1);
  const auto last = base_of(size.regions - 1);
  const auto settled = [&] {
    return Clock::now() + std::chrono::duration_cast<Clock::duration>(Seconds(settle_s));
  };
  files += made.land(last_folder, last, 2, MadeStudy::As::copies);
  auto from = settled();
  const double follows = seconds(board.scored(board.version() + 1) - from);
  const auto [plain, bytes] = read_and_parse(last_folder, last);

  std::ofstream(study / "study.toml") << "[scoring.degradation]\nspots = \"anchors\"\n";
  from = settled();
  const double rescored = seconds(board.scored(board.version() + 1) - from);

  jobs.reset();
  start = Clock::now();
  jobs = std::make_unique<jobs::Jobs>(bench, store, board.show());
  board.says("nothing new");
  const double restarted = seconds(Clock::now() - start) - settle_s;
  jobs.reset();

  fmt::print("{} samples x {} regions x {} peaks, {} x {} pixels: {} files, {:.1f} GB\n", size.samples,
             size.regions, size.peaks, size.side, size.side, files,
             bytes * size.samples * size.regions / 1e9);
  fmt::print("plain read and parse of one region            {:6.3f} s  {:.0f} MB\n", plain, bytes / 1e6);
  fmt::print("all but the last region, from the last landed {:6.3f} s\n", all);
  fmt::print("last region landed and settled -> scores      {:6.3f} s  {:5.2f} x plain   goal < 1 s\n",
             follows, follows / plain);
  fmt::print("settings changed and settled -> scores        {:6.3f} s                 goal < 1 s\n",
             rescored);
  fmt::print("restart, settled -> the same scores           {:6.3f} s\n", restarted);
  return follows < 1 && rescored < 1 ? 0 : 1;
}
