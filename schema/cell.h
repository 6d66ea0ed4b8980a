// What is tested: a cathode active material with its coating, and a cell made of it. The numbers come from
// the configuration; nothing here is a bare number of milliamperes, because 1 C follows from what was
// weighed.
#pragma once
#include <optional>
#include <string>

#include "schema/units.h"

namespace cambench {

/// A cathode active material (CAM) with its coating: one row of Table 1 of the paper.
struct Material {
  std::string id;       ///< [a-zA-Z0-9._-]{1,40}; also the folder name of its spectra
  std::string name;     ///< for people
  std::string coating;  ///< e.g. "LiNbO3"; "none" for the uncoated reference
  double amount_wt_percent = 0.0;
  bool reference = false;  ///< the uncoated material that scores are relative to
};

/// The potential of a cell's reference electrode and how we know it.
struct ReferenceElectrode {
  Volt vs_li{0};     ///< offset to Li+/Li: E vs Li+/Li = E vs RE + vs_li
  std::string note;  ///< material and provenance, e.g. "lithiated gold, assumed"
};

/// A cell as it was built.
struct CellSpec {
  std::string id;
  std::string material;     ///< Material::id
  int electrodes = 2;       ///< 2, or 3 with a reference electrode
  Gram composite{0};        ///< mass of the cathode composite
  double cam_fraction = 0;  ///< mass of CAM, coating included, per mass of composite
  double area_cm2 = 0;
  double q_1C_mAh_g = 200;  ///< specific capacity that defines 1 C (the paper: 1.92 mA for 9.6 mg)
  std::optional<ReferenceElectrode> reference;  ///< three electrodes only
};

/// Mass of the cathode active material.
inline Gram cam_mass(const CellSpec& cell) { return cell.cam_fraction * cell.composite; }

/// I_1C = q_1C x m_composite x w_CAM.
inline Ampere one_C(const CellSpec& cell) { return from_mA(cell.q_1C_mAh_g * cam_mass(cell).value()); }

/// The charge that one hour at 1 C moves.
inline AmpereHour nominal_capacity(const CellSpec& cell) { return AmpereHour(one_C(cell).value()); }

}  // namespace cambench
