#include "analysis/pca.h"

#include <Eigen/SVD>
#include <algorithm>
#include <cmath>
#include <limits>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

// What cannot be used is refused under this name: the table has no file of its own.
constexpr std::string_view place = "principal component analysis";

double maximum_of(const Matrix& values, std::size_t column) {
  double largest = 0;
  for (std::size_t row = 0; row < values.rows(); ++row) largest = std::max(largest, values(row, column));
  return largest;
}

bool has_values(const Matrix& values, std::size_t column) {
  for (std::size_t row = 0; row < values.rows(); ++row)
    if (values(row, column) != 0) return true;
  return false;
}

void require_finite(const Matrix& values) {
  for (std::size_t row = 0; row < values.rows(); ++row)
    if (!std::ranges::all_of(values.row(row), [](double v) { return std::isfinite(v); }))
      throw BadInput(place, 0, "a normalised intensity is not a number", "leave that spot or fragment out");
}

// Divides; fills in used and maximum.
Eigen::MatrixXd scaled(const Matrix& values, const PcaOptions& options, Pca& pca) {
  for (std::size_t column = 0; column < values.columns(); ++column)
    if (has_values(values, column)) pca.used.push_back(column);
  if (pca.used.empty()) throw BadInput(place, 0, "no fragment has any intensity", "check what was exported");

  Eigen::MatrixXd x(values.rows(), pca.used.size());
  for (std::size_t i = 0; i < pca.used.size(); ++i) {
    const auto column = pca.used[i];
    const double own = maximum_of(values, column);
    const double maximum = !options.max_scaled       ? 1.0
                           : options.maximum.empty() ? own
                                                     : options.maximum[column];
    if (!(maximum > 0)) throw BadInput(place, 0, "a fragment has no positive intensity", "export counts");
    for (std::size_t row = 0; row < values.rows(); ++row)
      x(static_cast<Eigen::Index>(row), static_cast<Eigen::Index>(i)) = values(row, column) / maximum;
    pca.maximum.push_back(maximum);
  }
  return x;
}

// Fills in mean.
void centre(Eigen::MatrixXd& x, bool wanted, Pca& pca) {
  for (Eigen::Index column = 0; column < x.cols(); ++column) {
    const double mean = wanted ? x.col(column).mean() : 0.0;
    x.col(column).array() -= mean;
    pca.mean.push_back(mean);
  }
}

// Singular values of rounding errors are no components; `magnitude` is the norm of the table before it was centred.
std::size_t rank_of(const Eigen::VectorXd& singular, double magnitude) {
  const auto size = static_cast<double>(singular.size());
  const double smallest = magnitude * size * std::numeric_limits<double>::epsilon();
  return static_cast<std::size_t>((singular.array() > smallest).count());
}

bool largest_loading_is_negative(const Matrix& loadings, std::size_t component) {
  const auto row = loadings.row(component);
  return *std::ranges::max_element(row, {}, [](double l) { return std::abs(l); }) < 0;
}

}  // namespace

Pca principal_components(const Matrix& values, const PcaOptions& options) {
  if (values.rows() < 2) throw BadInput(place, 0, "fewer than two spots", "add measurements");
  require_finite(values);
  Pca pca;
  auto x = scaled(values, options, pca);
  const double magnitude = x.norm();
  centre(x, options.centred, pca);
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(x, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const auto& singular = svd.singularValues();
  const auto components = std::min(options.components, rank_of(singular, magnitude));

  pca.loadings = Matrix(components, pca.used.size());
  pca.scores = Matrix(values.rows(), components);
  const Eigen::MatrixXd scores = x * svd.matrixV();
  for (std::size_t k = 0; k < components; ++k) {
    const auto at = static_cast<Eigen::Index>(k);
    for (std::size_t i = 0; i < pca.used.size(); ++i)
      pca.loadings(k, i) = svd.matrixV()(static_cast<Eigen::Index>(i), at);
    for (std::size_t row = 0; row < values.rows(); ++row)
      pca.scores(row, k) = scores(static_cast<Eigen::Index>(row), at);
    pca.explained.push_back(singular[at] * singular[at] / singular.squaredNorm());
    if (largest_loading_is_negative(pca.loadings, k)) flip(pca, k);
  }
  return pca;
}

void flip(Pca& pca, std::size_t component) {
  for (auto& loading : pca.loadings.row(component)) loading = -loading;
  for (std::size_t row = 0; row < pca.scores.rows(); ++row) pca.scores(row, component) *= -1;
}

}  // namespace cambench::sims
