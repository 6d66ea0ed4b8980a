#include "drivers/sim/tof_sims.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <stdexcept>

#include "drivers/sim/random.h"

namespace cambench::sim {
namespace {

enum class Category { polysulfide, soy, poy, electrolyte, cam, niobium, zirconium, other };
/// Where in the composite an ion comes from: CAM particles, electrolyte, their contact, or everywhere.
enum class Place { cam, electrolyte, contact, everywhere };

struct Fragment {
  std::string_view label;  ///< as SurfaceLab writes it
  Category category;
  Place place;
  double counts;  ///< mean per pixel, uncycled
  double gain;    ///< relative change from uncycled to uncoated cycled
};

// In order of m/z, as a peak list has them. SO_2- falls with degradation and S_4-, LiPS_6-, LiP_2S_6-, SO_4-,
// PO_2- and PO_3- rise, as the paper found (figure 8); S- and S_2- show no contrast to speak of (figure S3).
constexpr std::array fragments{Fragment{"O-", Category::other, Place::cam, 30, 0.04},
                               Fragment{"OH-", Category::other, Place::cam, 15, 0.05},
                               Fragment{"C_2-", Category::other, Place::everywhere, 3, 0.0},
                               Fragment{"S-", Category::electrolyte, Place::electrolyte, 25, -0.06},
                               Fragment{"SH-", Category::electrolyte, Place::electrolyte, 6, -0.10},
                               Fragment{"Cl-", Category::electrolyte, Place::electrolyte, 30, -0.06},
                               Fragment{"LiS-", Category::electrolyte, Place::electrolyte, 1, -0.10},
                               Fragment{"PO-", Category::poy, Place::contact, 1.0, 0.30},
                               Fragment{"SO-", Category::soy, Place::contact, 0.5, 0.30},
                               Fragment{"CO_3-", Category::other, Place::cam, 0.4, -0.20},
                               Fragment{"PO_2-", Category::poy, Place::contact, 4.0, 0.70},
                               Fragment{"S_2-", Category::electrolyte, Place::electrolyte, 8, -0.02},
                               Fragment{"SO_2-", Category::soy, Place::contact, 1.0, -0.20},
                               Fragment{"NiO-", Category::cam, Place::cam, 0.8, -0.05},
                               Fragment{"LiCl_2-", Category::electrolyte, Place::electrolyte, 2, -0.12},
                               Fragment{"PSO-", Category::other, Place::contact, 0.6, 0.50},
                               Fragment{"PO_3-", Category::poy, Place::contact, 5.0, 0.90},
                               Fragment{"S_2O-", Category::other, Place::contact, 0.5, 0.50},
                               Fragment{"SO_3-", Category::soy, Place::contact, 0.4, 0.90},
                               Fragment{"LiPO_3-", Category::poy, Place::contact, 0.2, 0.90},
                               Fragment{"MnO_2-", Category::cam, Place::cam, 0.3, -0.05},
                               Fragment{"LiSO_3-", Category::soy, Place::contact, 0.08, 1.00},
                               Fragment{"NiO_2-", Category::cam, Place::cam, 2.5, -0.03},
                               Fragment{"CoO_2-", Category::cam, Place::cam, 0.8, -0.04},
                               Fragment{"PO_4-", Category::poy, Place::contact, 0.15, 1.20},
                               Fragment{"S_3-", Category::polysulfide, Place::contact, 1.2, 0.35},
                               Fragment{"SO_4-", Category::soy, Place::contact, 0.12, 1.50},
                               Fragment{"LiNiO_2-", Category::cam, Place::cam, 0.2, -0.05},
                               Fragment{"LiPO_4-", Category::poy, Place::contact, 0.08, 1.00},
                               Fragment{"LiSO_4-", Category::soy, Place::contact, 0.08, 1.20},
                               Fragment{"ZrO_2-", Category::zirconium, Place::cam, 0.9, 0.0},
                               Fragment{"NbO_2-", Category::niobium, Place::cam, 0.6, 0.0},
                               Fragment{"PS_3-", Category::polysulfide, Place::electrolyte, 2.0, -0.05},
                               Fragment{"S_4-", Category::polysulfide, Place::contact, 0.4, 0.80},
                               Fragment{"PS_4-", Category::polysulfide, Place::electrolyte, 1.0, -0.10},
                               Fragment{"S_5-", Category::polysulfide, Place::contact, 0.15, 1.10},
                               Fragment{"PS_5-", Category::polysulfide, Place::contact, 0.20, 0.70},
                               Fragment{"S_6-", Category::polysulfide, Place::contact, 0.08, 1.40},
                               Fragment{"P_2S_5-", Category::polysulfide, Place::contact, 0.15, 0.60},
                               Fragment{"PS_6-", Category::polysulfide, Place::contact, 0.08, 1.00},
                               Fragment{"LiPS_6-", Category::polysulfide, Place::contact, 0.06, 1.20},
                               Fragment{"P_2S_6-", Category::polysulfide, Place::contact, 0.20, 0.80},
                               Fragment{"LiP_2S_6-", Category::polysulfide, Place::contact, 0.07, 1.30}};

/// How far each kind of degradation has gone: 0 uncycled, 1 uncoated and cycled. `rest` stands for the loss of
/// electrolyte and everything else that PC1 sees.
struct Sample {
  std::string_view material;
  double polysulfide, soy, poy, rest;
  // Ions of the coating itself, relative to a thick one: what leaves the surface hardly grows with thickness.
  double niobium = 0.0, zirconium = 0.0;
};
constexpr Sample uncycled{"ncm-uncoated", 0.0, 0.0, 0.0, 0.0};
// The paper's sentences, from "Detailed ToF-SIMS Analysis Results":
// - polysulfides are "actually higher" with ZrO2, and show "slight (LiNbO3) or substantial improvement (X)".
//   The caption of figure 12b says the opposite for ZrO2 and thin X: the body text is followed.
// - oxygenated sulfur is "suppressed in every coating with the highest suppression [...] in the thick X sample"
//   (caption 12c: not in thin X; again the body text).
// - oxygenated phosphorus: "the X coatings perform best, while all coatings reduce" it.
// - "in all degradation scores, the thick coatings show less degradation compared to their thin counterparts".
// - the general score is worse for both ZrO2. For LiNbO3 the body text itself says both (best beside thick X;
//   stronger degradation): nothing is done here to make it one or the other.
constexpr std::array cycled{Sample{"ncm-uncoated", 1.00, 1.00, 1.00, 1.00},
                            Sample{"ncm-linbo3", 0.80, 0.70, 0.75, 0.95, 0.8, 0.0},
                            Sample{"ncm-zro2-thin", 1.45, 0.84, 0.85, 1.60, 0.0, 0.8},
                            Sample{"ncm-zro2-thick", 1.22, 0.66, 0.68, 1.25, 0.0, 1.0},
                            Sample{"ncm-x-thin", 0.62, 0.60, 0.52, 0.65},
                            Sample{"ncm-x-thick", 0.40, 0.35, 0.32, 0.45}};

double mean_counts(const Fragment& fragment, const Sample& sample) {
  const auto degraded = [&](double how_far) { return fragment.counts * (1.0 + fragment.gain * how_far); };
  constexpr double background = 0.02;
  switch (fragment.category) {
    case Category::polysulfide: return degraded(sample.polysulfide);
    case Category::soy: return degraded(sample.soy);
    case Category::poy: return degraded(sample.poy);
    case Category::electrolyte:
    case Category::cam:
    case Category::other: return degraded(sample.rest);
    case Category::niobium: return fragment.counts * (background + sample.niobium);
    case Category::zirconium: return fragment.counts * (background + sample.zirconium);
  }
  return 0.0;
}

/// A smooth random field in [0, 1] with a mean near one half: values on a coarse lattice, blended.
std::vector<float> random_field(Random& random, int pixels, int cells) {
  const auto side = static_cast<std::size_t>(cells + 2);
  std::vector<double> lattice(side * side);
  for (double& value : lattice) value = random.uniform();
  std::vector<float> field;
  field.reserve(static_cast<std::size_t>(pixels) * static_cast<std::size_t>(pixels));
  const auto smooth = [](double t) { return t * t * (3.0 - 2.0 * t); };
  for (int y = 0; y < pixels; ++y)
    for (int x = 0; x < pixels; ++x) {
      const double u = static_cast<double>(x) * cells / pixels, v = static_cast<double>(y) * cells / pixels;
      const auto i = static_cast<std::size_t>(u), j = static_cast<std::size_t>(v);
      const double s = smooth(u - std::floor(u)), t = smooth(v - std::floor(v));
      const double* row = &lattice[j * side + i];
      field.push_back(static_cast<float>((1 - t) * ((1 - s) * row[0] + s * row[1]) +
                                         t * ((1 - s) * row[side] + s * row[side + 1])));
    }
  return field;
}

std::uint32_t poisson(Random& random, double mean) {
  if (mean <= 0.0) return 0;
  if (mean > 30.0)  // close enough to a normal distribution there
    return static_cast<std::uint32_t>(std::max(0.0, std::round(mean + std::sqrt(mean) * random.normal())));
  const double limit = std::exp(-mean);
  std::uint32_t count = 0;
  for (double product = random.uniform(); product > limit; product *= random.uniform()) ++count;
  return count;
}

/// The surface of one region: what share of the ions reaches the analyser, and how the composite lies.
struct Surface {
  Surface(Random& random, int pixels) {
    const std::vector<float> height = random_field(random, pixels, std::max(2, pixels / 8));
    const std::vector<float> cam = random_field(random, pixels, std::max(2, pixels / 6));
    std::array<double, 4> sums{};
    for (std::size_t i = 0; i < height.size(); ++i) {
      const float reaches = std::max(0.0F, (height[i] - 0.18F) * 2.5F);  // pores give nothing at all
      const std::array<float, 4> share{cam[i], 1.0F - cam[i], 4.0F * cam[i] * (1.0F - cam[i]), 1.0F};
      for (std::size_t place = 0; place < share.size(); ++place) {
        weight[place].push_back(reaches * share[place]);
        sums[place] += weight[place].back();
      }
    }
    for (std::size_t place = 0; place < weight.size(); ++place)  // mean 1 over the image
      for (float& w : weight[place])
        w *= static_cast<float>(static_cast<double>(height.size()) / sums[place]);
  }
  std::array<std::vector<float>, 4> weight;  // by Place
};

using Image = std::vector<std::uint32_t>;

/// Writes "X Y I" lines, X fastest; "%d %d %e" with CRLF, as the sizes of real exports imply.
class Exporter {
 public:
  explicit Exporter(int pixels) : pixels_(pixels) {
    for (int i = 0; i < pixels; ++i) coordinate_.push_back(std::to_string(i) + ' ');
    for (int n = 0; n < 2048; ++n) intensity_.push_back(fmt::format("{:e}\r\n", static_cast<double>(n)));
  }

  std::size_t write(const std::filesystem::path& folder, const std::string& base, int id,
                    std::string_view label, const Image& image) {
    text_.clear();
    text_ += fmt::format(
        "# Ascii (X, Y, I)\r\n# File: {}\r\n# Interval: {}\r\n# Image size: {} x {} pixel\r\n#\r\n", base,
        label, pixels_, pixels_);
    auto count = image.begin();
    for (const std::string& y : coordinate_)
      for (const std::string& x : coordinate_) {
        text_ += x;
        text_ += y;
        text_ += intensity(*count++);
      }
    const auto path = folder / fmt::format("{} ({}) - {}.txt", base, id, label);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "wb"), std::fclose);
    if (!file || std::fwrite(text_.data(), 1, text_.size(), file.get()) != text_.size() ||
        std::fflush(file.get()) != 0)
      throw std::runtime_error(
          fmt::format("{}: cannot be written; check free space and permissions", path.string()));
    return text_.size();
  }

 private:
  const std::string& intensity(std::uint32_t count) {
    if (count < intensity_.size()) return intensity_[count];
    return large_ = fmt::format("{:e}\r\n", static_cast<double>(count));
  }

  int pixels_;
  std::vector<std::string> coordinate_, intensity_;
  std::string text_, large_;
};

constexpr double dose_scatter = 0.06, category_scatter = 0.025, fragment_scatter = 0.015, rest_counts = 20.0;

SimsWritten write_region(Exporter& exporter, const std::filesystem::path& folder, const std::string& base,
                         const Sample& sample, int pixels, std::uint64_t seed) {
  Random random(seed);
  const Surface surface(random, pixels);
  const double dose = std::exp(dose_scatter * random.normal());
  std::array<double, 8> spot{};  // by Category
  for (double& factor : spot) factor = std::exp(category_scatter * random.normal());

  const auto draw = [&](Place place, double mean) {
    const auto& weight = surface.weight[static_cast<std::size_t>(place)];
    Image image(weight.size());
    std::ranges::transform(weight, image.begin(), [&](float w) { return poisson(random, mean * w); });
    return image;
  };
  SimsWritten written;
  const auto write = [&](int id, std::string_view label, const Image& image) {
    written.bytes += exporter.write(folder, base, id, label, image);
    ++written.files;
  };

  const Image rest = draw(Place::everywhere, rest_counts * dose);
  Image total = rest;
  int id = 2;
  for (const Fragment& fragment : fragments) {
    const double scatter =
        spot[static_cast<std::size_t>(fragment.category)] * std::exp(fragment_scatter * random.normal());
    const Image image = draw(fragment.place, mean_counts(fragment, sample) * dose * scatter);
    std::ranges::transform(total, image, total.begin(), std::plus<>());
    write(id++, fragment.label, image);
  }
  write(1, "sum of rest", rest);
  write(0, "total", total);
  return written;
}

}  // namespace

SimsWritten write_sims_study(const std::filesystem::path& directory, const SimsStudy& study) {
  if (study.regions < 1 || study.regions > 1000 || study.pixels < 4 || study.pixels > 2048)
    throw std::runtime_error("a SIMS study has 1 to 1000 regions of 4 to 2048 pixels a side");
  struct Folder {
    const Sample* sample;
    std::string_view state;
  };
  std::vector<Folder> folders;
  if (study.uncycled) folders.push_back({&uncycled, "uncycled"});
  for (const Sample& sample : cycled)
    if (study.materials.empty() ||
        std::ranges::find(study.materials, sample.material) != study.materials.end())
      folders.push_back({&sample, "cycled"});
  for (const std::string& wanted : study.materials)
    if (std::ranges::find(cycled, wanted, &Sample::material) == cycled.end())
      throw std::runtime_error(fmt::format(
          "no material \"{}\"; there are ncm-uncoated, ncm-linbo3, ncm-zro2-thin, ncm-zro2-thick, "
          "ncm-x-thin, ncm-x-thick",
          wanted));

  Exporter exporter(study.pixels);
  SimsWritten written;
  for (const Folder& folder : folders) {
    const auto path = directory / study.id / folder.sample->material / folder.state;
    std::filesystem::create_directories(path);
    for (int region = 1; region <= study.regions; ++region) {
      const std::string base = fmt::format("{}_{}_{:02}", folder.sample->material, folder.state, region);
      const SimsWritten one = write_region(exporter, path, base, *folder.sample, study.pixels,
                                           seed_for(study.seed, study.id + "/" + base));
      written.files += one.files;
      written.bytes += one.bytes;
    }
  }
  return written;
}

std::vector<std::string_view> sims_fragments() {
  std::vector<std::string_view> labels;
  for (const Fragment& fragment : fragments) labels.push_back(fragment.label);
  return labels;
}

}  // namespace cambench::sim
