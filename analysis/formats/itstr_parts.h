// What SurfaceLab keeps in its container beside the data: peaks, raster, mass scale and properties, each where version 6
// or version 7 puts it. No file is public; sources: pySPM for version 6, probes of files of version 7 by others.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "analysis/formats/image_ascii.h"
#include "analysis/formats/interval_list.h"
#include "analysis/formats/itstr.h"
#include "analysis/formats/mass_scale.h"

namespace cambench::sims {

struct ItPeak {
  std::uint32_t id = 0;
  std::string description;  ///< `total`, `sum of rest`, or what the operator wrote
  std::string serial;       ///< by which version 7 finds its images; may be empty
  MassInterval interval;    ///< its label: the assignment, or the mass
};
/// `MassIntervalList`, or version 7's `Options/massintervals` with its groups. Throws BadInput for a peak that lacks its
/// bounds; empty where the file has no list.
[[nodiscard]] std::vector<ItPeak> it_peaks(ItStr& blocks);

/// `Meta/SI Image`, else the raster's resolution. Throws BadInput where there is neither, or one that cannot be.
[[nodiscard]] ImageShape it_shape(ItStr& blocks);

/// The width of the image in m: `Meta/SI Image`, else the property. Nothing where there is none.
[[nodiscard]] std::optional<double> it_field_of_view(ItStr& blocks);

/// Of the spectrum's `IMassScaleSFK0`, else `MassScale`, else the properties. Nothing where there is none.
[[nodiscard]] std::optional<MassScale> it_mass_scale(ItStr& blocks);

/// A property by its key, as it was at the end of the measurement, else at its start.
struct ItProperty {
  std::int64_t whole = 0;
  double number = 0;
  std::string text;
};
[[nodiscard]] std::optional<ItProperty> it_property(ItStr& blocks, std::string_view key);

}  // namespace cambench::sims
