// What comes before and beside a score, on files: which ions to look for, and two parts of one region.
//
//   cambench masses PEAKS     peaks of a high-resolution analyser -> ions, pairs a ToF cannot separate, mass intervals
//   cambench parts FOLDER     inner against outer part of a region of ion images
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <fstream>
#include <memory>

#include "analysis/bad_input.h"
#include "analysis/formats/spectrum_ascii.h"
#include "analysis/fragments.h"
#include "analysis/ion_overlay.h"
#include "analysis/isotope_check.h"
#include "analysis/mass_calibration.h"
#include "analysis/mass_list.h"
#include "analysis/region.h"
#include "analysis/regions_compare.h"
#include "analysis/spectra.h"
#include "analysis/study_figures.h"
#include "daemon/cli/verbs.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

namespace fs = std::filesystem;
using Align = TextTable::Align;

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw Problem(refused, fmt::format("{}: cannot be written", path.string()));
}

// --- masses -------------------------------------------------------------------------------------------------

struct MassOptions {
  std::string peaks, out, spectrum;
  std::vector<std::string> known = {"O-", "OH-", "S-", "SH-", "Cl-", "S2-", "PO2-", "PO3-"};
  sims::AssignOptions assign;
  sims::IntervalOptions intervals;
};

std::string alternatives(const sims::Assignment& assignment) {
  std::vector<std::string> labels;
  for (const auto& candidate : assignment.candidates)
    if (&candidate != assignment.ion())
      labels.push_back(fmt::format("{} {:+.1f}", candidate.label, candidate.ppm));
  const std::size_t all = labels.size(), shown = 3;
  labels.resize(std::min(all, shown));
  return fmt::format("{}{}", fmt::join(labels, ", "),
                     all > shown ? fmt::format(" and {} more", all - shown) : "");
}

void print_assignments(Session& session, const std::vector<sims::Assignment>& assignments) {
  TextTable table({{"m/z", Align::right},
                   {"intensity", Align::right},
                   {"ion", Align::left},
                   {"ppm", Align::right},
                   {"other ions that fit", Align::left}});
  for (const auto& assignment : assignments) {
    const auto* ion = assignment.ion();
    const std::string none = assignment.candidates.empty() ? "unknown" : "ambiguous";
    table.add({fmt::format("{:.5f}", assignment.peak.mz), fmt::format("{:g}", assignment.peak.intensity),
               ion ? ion->label : none, ion ? fmt::format("{:+.1f}", ion->ppm) : "",
               alternatives(assignment)});
  }
  table.print(session.out);
}

void print_overlaps(Session& session, const std::vector<sims::Overlap>& pairs, double resolution) {
  if (pairs.empty()) {
    session.out << fmt::format("R = {:g} separates all of them\n", resolution);
    return;
  }
  session.out << fmt::format("not separated by R = {:g}:\n", resolution);
  TextTable table({{"ions", Align::left}, {"apart / mDa", Align::right}, {"needs R", Align::right}});
  for (const auto& pair : pairs)
    table.add({pair.a.label + " " + pair.b.label, fmt::format("{:.1f}", 1e3 * (pair.b.mz - pair.a.mz)),
               fmt::format("{:.0f}", pair.needs_resolution)});
  table.print(session.out, "  ");
}

void print_isotopes(Session& session, const std::vector<sims::IsotopeCheck>& checks) {
  TextTable table({{"ion", Align::left},
                   {"heavier", Align::left},
                   {"m/z", Align::right},
                   {"expected", Align::right},
                   {"found", Align::right},
                   {"", Align::left}});
  for (const auto& check : checks)
    if (check.verdict != sims::IsotopeCheck::Verdict::too_weak)
      table.add(
          {check.ion, check.heavy, fmt::format("{:.5f}", check.mz), fmt::format("{:.4f}", check.expected),
           check.found ? fmt::format("{:.4f}", *check.found) : "-", std::string(to_string(check.verdict))});
  if (table.empty()) return;
  session.out << "heavier isotopes, over the intensity of the ion:\n";
  table.print(session.out, "  ");
}

void print_calibration(Session& session, const sims::Calibration& calibration) {
  TextTable table({{"known ion", Align::left},
                   {"m/z", Align::right},
                   {"found", Align::right},
                   {"ppm", Align::right},
                   {"ppm corrected", Align::right}});
  for (const auto& point : calibration.points)
    table.add({point.label, fmt::format("{:.5f}", point.expected), fmt::format("{:.5f}", point.found),
               fmt::format("{:+.1f}", point.ppm_before), fmt::format("{:+.1f}", point.ppm_after)});
  table.print(session.out);
  session.out << fmt::format(
      "mass scale: {:.1f} ppm off (rms), {:.1f} ppm once corrected: sqrt(m) = {:.9f} sqrt(shown) {:+.3e}\n",
      calibration.rms_ppm_before, calibration.rms_ppm_after, calibration.a, calibration.b);
  if (!calibration.left_out.empty())
    session.out << fmt::format("left out, since their nearest peaks lie elsewhere: {}\n",
                               sims::deviations(calibration.left_out));
  if (!calibration.not_found.empty())
    session.out << fmt::format("no clear peak of {}\n", fmt::join(calibration.not_found, ", "));
}

void print_areas(Session& session, const sims::Spectrum& spectrum,
                 const std::vector<sims::MassInterval>& intervals) {
  const auto areas = sims::interval_areas(spectrum, intervals);
  const double total = sims::total_counts(spectrum);
  TextTable table({{"interval", Align::left},
                   {"from", Align::right},
                   {"to", Align::right},
                   {"counts", Align::right},
                   {"share of all ions", Align::right}});
  for (std::size_t i = 0; i < areas.size(); ++i)
    table.add({intervals[i].label, fmt::format("{:.4f}", intervals[i].lower),
               fmt::format("{:.4f}", intervals[i].upper), fmt::format("{:.0f}", areas[i]),
               fmt::format("{:.3e}", total > 0 ? areas[i] / total : 0)});
  table.print(session.out);
}

void masses(Session& session, const MassOptions& options) {
  const auto peaks = sims::parse_peak_list(read_file(options.peaks), options.peaks);
  const auto assignments = sims::assign(peaks, sims::FragmentTable::built_in(), options.assign);
  const auto named = sims::ions(assignments);
  const auto intervals = sims::intervals_for(named, options.intervals);
  print_assignments(session, assignments);
  print_isotopes(session, sims::check_isotopes(assignments, {.ppm = options.assign.ppm}));
  print_overlaps(session, sims::overlaps(named, options.intervals.resolution), options.intervals.resolution);
  if (!options.spectrum.empty()) {
    const auto spectrum = sims::parse_spectrum_ascii(read_file(options.spectrum), options.spectrum);
    const auto calibration = sims::calibrate(spectrum, options.known);
    print_calibration(session, calibration);
    print_areas(session, sims::recalibrated(spectrum, calibration), intervals);
  }
  if (options.out.empty()) return;
  write_file(options.out, sims::interval_list_text(intervals));
  session.out << fmt::format("{} intervals of {} ions: {}\n", intervals.size(), named.size(), options.out);
}

// --- parts --------------------------------------------------------------------------------------------------

struct PartOptions {
  std::string folder, region, mask, out;
  std::vector<double> circle, polygon;
  std::vector<std::string> overlay;  ///< up to three ions
  std::optional<double> field_of_view_um;
  sims::CompareOptions compare;
};

sims::RegionFiles region_of(const PartOptions& options) {
  if (!fs::is_directory(options.folder)) throw Problem(refused, options.folder + ": is no folder");
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(options.folder))
    if (entry.is_regular_file()) files.push_back(entry.path());
  const auto found = sims::find_regions(files);
  std::vector<std::string> names;
  for (const auto& region : found.regions) {
    if (region.name == options.region) return region;
    names.push_back(region.name);
  }
  if (names.size() == 1 && options.region.empty()) return found.regions.front();
  if (names.empty()) {
    auto why = options.folder + ": no region can be read here";
    for (const auto& left_out : found.refused) why += "\n" + left_out.why;
    throw Problem(refused, why);
  }
  throw Problem(refused, fmt::format("{} has {} regions; choose one with --region: {}", options.folder,
                                     names.size(), fmt::join(names, ", ")));
}

sims::Mask inner_of(const PartOptions& options, const sims::ImageShape& shape) {
  if (!options.circle.empty())
    return sims::circle_mask(shape, {options.circle[0], options.circle[1]}, options.circle[2]);
  if (!options.mask.empty()) return sims::png_mask(read_file(options.mask), options.mask, shape);
  if (options.polygon.size() % 2 != 0) throw Problem(usage, "--polygon wants X,Y,X,Y,...");
  std::vector<sims::Place> corners;
  for (std::size_t i = 0; i < options.polygon.size(); i += 2)
    corners.push_back({options.polygon[i], options.polygon[i + 1]});
  return sims::polygon_mask(shape, corners);
}

void write_pictures(const PartOptions& options, const sims::RegionImages& images, const sims::Image& total,
                    const sims::Mask& inner, const std::vector<sims::Contrast>& contrasts) {
  const fs::path out = options.out;
  fs::create_directories(out);
  write_file(out / "contrasts.csv", sims::contrasts_csv(contrasts));
  write_file(out / "mask.png", sims::png_of(inner));
  for (std::size_t i = 0; i < images.labels.size(); ++i) {
    const auto name = fmt::format("{}.png", study::file_part(images.labels[i]));
    write_file(out / name, sims::png_of(sims::normalised(images.peak(i, total.shape), total)));
  }
}

/// The picture of up to three ions over each other.
void write_overlay(const PartOptions& options, const sims::RegionImages& images, const sims::Image& total,
                   std::string_view region) {
  std::vector<sims::Image> shares;
  for (const auto& ion : options.overlay) {
    const auto i = images.find(ion);
    if (i == images.labels.size()) throw Problem(refused, fmt::format("{}: has no image of {}", region, ion));
    shares.push_back(sims::normalised(images.peak(i, total.shape), total));
  }
  write_file(
      fs::path(options.out) / "overlay.png",
      sims::overlay_png(shares, {.field_of_view_um = options.field_of_view_um ? options.field_of_view_um
                                                                              : images.field_of_view_um}));
}

void parts(Session& session, const PartOptions& options) {
  const auto region = region_of(options);
  const auto images = sims::images_of(region);
  const auto total = images.total();
  const auto inner = inner_of(options, total.shape);
  auto contrasts = sims::compare_parts(images, total, inner, inner.outside(), options.compare);
  std::ranges::stable_sort(contrasts, std::ranges::greater{},
                           [](const auto& c) { return std::abs(c.deviations.value_or(0)); });
  TextTable table({{"fragment", Align::left},
                   {"inner / outer", Align::right},
                   {"95 % interval", Align::left},
                   {"deviations", Align::right},
                   {"", Align::left}});
  for (const auto& c : contrasts)
    table.add({c.label, c.ratio ? fmt::format("{:.3f}", *c.ratio) : "-",
               c.interval ? fmt::format("{:.3f} to {:.3f}", c.interval->low, c.interval->high) : "-",
               c.deviations ? fmt::format("{:+.1f}", *c.deviations) : "-", c.why_not});
  table.print(session.out);
  session.out << fmt::format(
      "{}: {} pixels inside, {} outside. Of {} fragments about {:.0f} exceed 1.96 deviations by chance.\n",
      region.name, inner.pixels(), inner.outside().pixels(), contrasts.size(),
      0.05 * static_cast<double>(contrasts.size()));
  if (options.out.empty()) return;
  write_pictures(options, images, total, inner, contrasts);
  if (!options.overlay.empty()) {
    write_overlay(options, images, total, region.name);
    constexpr std::array colours{"red", "green", "blue"};
    for (std::size_t i = 0; i < options.overlay.size(); ++i)
      session.out << fmt::format("{}{} {}", i ? ", " : "overlay.png: ", options.overlay[i], colours.at(i));
    session.out << ", each over the total ion count\n";
  }
  session.out << "table and pictures: " << options.out << '\n';
}

// A refusal of the analysis is a refusal of the order.
template <typename Work>
void refusing(Work work) {
  try {
    work();
  } catch (const BadInput& bad) {
    throw Problem(refused, bad.what());
  }
}

}  // namespace

void add_ion_verbs(CLI::App& app, Session& session) {
  auto mass = std::make_shared<MassOptions>();
  auto* masses_verb =
      app.add_subcommand("masses", "From high-resolution peaks to ions and mass intervals for ToF spectra");
  masses_verb->add_option("peaks", mass->peaks, "table with a column m/z, and Intensity if known")
      ->required();
  masses_verb->add_option("--ppm", mass->assign.ppm, "window to both sides (default 3)")
      ->check(CLI::Range(0.01, 1000.0));
  masses_verb
      ->add_option("--resolution", mass->intervals.resolution, "m/dm of the ToF analyser (default 6000)")
      ->check(CLI::Range(10.0, 1e6));
  masses_verb->add_option("--out", mass->out,
                          "the intervals go to this file, for score --intervals and SurfaceLab");
  masses_verb->add_option("--spectrum", mass->spectrum,
                          "ToF spectrum: its mass scale is checked, its intervals counted");
  masses_verb->add_option("--known", mass->known, "ions that the mass scale is checked with")->delimiter(',');
  masses_verb->callback(
      [&session, mass] { session.action = [&session, mass] { refusing([&] { masses(session, *mass); }); }; });

  auto part = std::make_shared<PartOptions>();
  auto* parts_verb = app.add_subcommand("parts", "Inner against outer part of a region of ion images");
  parts_verb->add_option("folder", part->folder, "folder of ion images, raw events or imzML")->required();
  parts_verb->add_option("--region", part->region, "one of several in the folder");
  auto* inner = parts_verb->add_option_group("inner part", "in pixels");
  inner->add_option("--circle", part->circle, "X,Y,RADIUS")->delimiter(',')->expected(3);
  inner->add_option("--polygon", part->polygon, "X,Y,X,Y,...")->delimiter(',');
  inner->add_option("--mask", part->mask, "PNG of the image's size, white inside");
  inner->require_option(1);
  parts_verb
      ->add_option("--tile", part->compare.tile, "side of the tiles that errors are taken from (default 16)")
      ->check(CLI::Range(1, 4096));
  auto* out = parts_verb->add_option("--out", part->out, "table and pictures go to this folder");
  parts_verb
      ->add_option("--overlay", part->overlay, "up to three ions, drawn over each other: PO3-,S4-,NiO2-")
      ->delimiter(',')
      ->expected(1, 3)
      ->needs(out);
  parts_verb
      ->add_option("--field-of-view", part->field_of_view_um,
                   "width of the image in um, for the scale bar; default: as the files give it")
      ->check(CLI::PositiveNumber);
  parts_verb->callback(
      [&session, part] { session.action = [&session, part] { refusing([&] { parts(session, *part); }); }; });
}

}  // namespace cambench::cli
