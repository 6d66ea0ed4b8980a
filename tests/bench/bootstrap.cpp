// How long the intervals and the ranking of a study of the paper's size take.
//
//   bench_bootstrap [samples=7] [spots=14] [fragments=120] [resamples=2000]
//
// Made spots: every fragment grows with degradation in its own way and scatters by 10 %. Every time is the best of three.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <functional>

#include "analysis/bootstrap.h"
#include "analysis/random.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

SpotTable made(std::size_t samples, std::size_t spots, std::size_t fragments) {
  SplitMix64 random(1);
  const auto uniform = [&] { return static_cast<double>(random() >> 11) * 0x1p-53; };
  constexpr const char* categories[] = {"polysulfide", "SOy", "POy", "other"};
  SpotTable table;
  std::vector<double> growth;
  for (std::size_t f = 0; f < fragments; ++f) {
    table.fragments.push_back({fmt::format("f{}", f), static_cast<double>(f), categories[f % 4]});
    growth.push_back(3 * uniform() - 1);
  }
  for (std::size_t s = 0; s < samples; ++s)
    for (std::size_t i = 0; i < spots; ++i)
      table.spots.push_back({fmt::format("m{:02}", s == 0 ? 0 : s - 1),
                             s == 0 ? State::uncycled : State::cycled, fmt::format("{:02}", i)});
  table.values = Matrix(table.spots.size(), fragments);
  for (std::size_t row = 0; row < table.spots.size(); ++row) {
    const auto s = row / spots;
    const double degree = s == 0 ? 0 : 1.15 - 0.15 * static_cast<double>(s);
    for (std::size_t f = 0; f < fragments; ++f)
      table.values(row, f) = (2 + degree * growth[f]) * (0.8 + 0.4 * uniform());
  }
  return table;
}

double best_of_three(const std::function<void()>& work) {
  double best = 1e9;
  for (int i = 0; i < 3; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const auto argument = [&](int i, std::size_t otherwise) {
    return argc > i ? std::strtoul(argv[i], nullptr, 10) : otherwise;
  };
  const auto samples = argument(1, 7), spots = argument(2, 14), fragments = argument(3, 120),
             resamples = argument(4, 2000);
  const auto table = made(samples, spots, fragments);
  DegradationOptions options;
  options.reference = "m00";
  const auto result = degradation_scores(table, options);
  const double once = best_of_three([&] { (void)degradation_scores(table, options); });
  fmt::print("{} samples x {} spots x {} fragments, PC1 explains {:.1f} %\n", samples, spots, fragments,
             100 * result.pca.explained[0]);
  fmt::print("scores once, with the whole decomposition          {:8.2f} ms\n", 1e3 * once);
  using Loadings = BootstrapOptions::Loadings;
  for (const auto loadings : {Loadings::redone, Loadings::kept}) {
    const double time = best_of_three(
        [&] { (void)bootstrap(table, result, {.resamples = resamples, .loadings = loadings}); });
    fmt::print(
        "{} resamples, loadings {}                    {:8.2f} ms   {:6.1f} us each, {:.0f} x faster than "
        "anew\n",
        resamples, loadings == Loadings::redone ? "redone" : "kept  ", 1e3 * time,
        1e6 * time / static_cast<double>(resamples), once * static_cast<double>(resamples) / time);
  }
}
