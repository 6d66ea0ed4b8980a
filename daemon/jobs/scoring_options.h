// How a study is scored: every decision of the evaluation, with its default, as the `[scoring]` table of the bench's
// configuration (for all studies) and of a study's own study.toml (which has the last word).
//
//   [scoring]
//   normalisation = "total_ion"          # or "reference_ion": what the principal component analysis starts from
//   reference_ion = "NiO2-"              # "": none
//   empty_reference = "half"             # or "skip", "min_counts": pixels without a reference ion
//   min_counts = 1.0                     # of the reference ion, for "min_counts"
//   spectrum_area = "sum"                # or "trapezoid"
//   missing_peaks = "leave_out"          # or "refuse": a fragment that some spots lack
//   fragments = "fragments.csv"          # table formula,mz,category in place of the built-in one
//     [scoring.masses]                   # of spectra and raw events that are counted by a peak list
//     check = "named"                    # or "corrected", "nothing"
//     known_ions = ["O-", "OH-", "S-", "SH-", "Cl-", "S2-", "PO2-", "PO3-"]
//     tolerance_ppm = 50
//     [scoring.degradation]
//     values = "max_scaled"              # or "plain"
//     maximum = "pca_spots"              # or "all_spots"
//     spots = "uncycled_and_all_cycled"  # or "anchors": rows of the analysis
//     columns = "centred"                # or "uncentred"
//     category_scale = "own"             # or "general"
//     negative_loadings = "keep"         # or "leave_out"
//     no_score = "below_spot_sd"         # or "only_zero"
//     categories = ["polysulfide", "SOy", "POy"]
//     [scoring.bootstrap]
//     resamples = 2000                   # 0: no intervals
//     seed = 1
//     confidence = 0.95
//     loadings = "redone"                # or "kept"
//     [scoring.rate]
//     low_C = 0.1
//     high_C = 2.0
//     cycle = "first"                    # or "second", "mean", "max"
//     charge = "trapezoid"               # or "counter": runs of this bench have none
//     gram = "coated"                    # or "uncoated"
//     overpotential = "mean"             # or "half_charge", "current_step", "relaxation"
//     overpotential_cycle = "second"     # or "first"
//     [[scoring.radar]]
//     axis = "QS_0"                      # QS_0, QS_ret, DS_general, DS_<category>
//     span = 0.25                        # distance from 1 that reaches the rim
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "analysis/degradation.h"
#include "analysis/fragments.h"
#include "analysis/region.h"
#include "analysis/spot_table.h"
#include "analysis/study.h"
#include "schema/document.h"

namespace cambench::jobs {

/// A lab's own table of fragments, and the file that it was read from.
struct FragmentFile {
  sims::FragmentTable table;
  sims::FileUsed file;
};

struct ScoringOptions {
  sims::NormaliseOptions normalise;
  sims::TableOptions table{.missing_peaks = sims::TableOptions::MissingPeaks::leave_out};
  std::shared_ptr<const FragmentFile> fragments;  ///< null: the built-in table
  sims::DegradationOptions degradation;           ///< `reference` is filled in from the materials
  study::StudyOptions study;
};

/// Takes what the table says into `options` and leaves the rest. Mistakes go where those of `scoring` go, also a table of
/// fragments that cannot be used; its path is relative to `folder`.
void read_scoring(document::Fields& scoring, const std::filesystem::path& folder, ScoringOptions& options);

}  // namespace cambench::jobs
