// Principal component analysis of a SpotTable as Hertle et al. do it (section "Principal Component Analysis"): each
// fragment divided by its maximum, columns centred, not scaled to unit variance, singular value decomposition.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "analysis/matrix.h"

namespace cambench::sims {

struct PcaOptions {
  bool max_scaled = true;  ///< divide each column by its maximum over the rows
  std::vector<double>
      maximum;  ///< of each column, to divide by instead of the rows' own; empty: the rows' own
  bool centred = true;
  std::size_t components =
      8;  ///< at most; never more than the rank: rows that are all equal have no component
};

struct Pca {
  std::vector<std::size_t> used;  ///< columns of the input that entered; the others are zero in every row
  std::vector<double> maximum;    ///< M_f, per used column (1 when not max-scaled)
  std::vector<double> mean;       ///< mu_f of the scaled values, per used column (0 when not centred)
  Matrix loadings;                ///< components x used columns, each row of unit length
  Matrix scores;                  ///< rows x components: (value / M_f - mu_f) . loading
  std::vector<double> explained;  ///< share of the variance, per component
};

/// Signs: the largest absolute loading of every component is positive; the caller may flip a component.
/// Throws BadInput for fewer than two rows, for no column with values, and for values that are not finite.
[[nodiscard]] Pca principal_components(const Matrix& values, const PcaOptions& options = {});

/// Turns a component round: loadings and scores change their sign.
void flip(Pca& pca, std::size_t component);

}  // namespace cambench::sims
