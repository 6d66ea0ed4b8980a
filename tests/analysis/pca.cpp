#include "analysis/pca.h"

#include <doctest/doctest.h>

#include <Eigen/Eigenvalues>
#include <cmath>
#include <random>

#include "analysis/bad_input.h"
#include "analysis/formats/file.h"
#include "analysis/region.h"
#include "analysis/spot_table.h"
#include "tests/data.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

Matrix random_values(std::size_t rows, std::size_t columns, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<> uniform(0.1, 1.0);
  Matrix values(rows, columns);
  for (std::size_t row = 0; row < rows; ++row)
    for (auto& value : values.row(row)) value = uniform(random);
  return values;
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

bool close(double a, double b, double by = 1e-10) { return std::abs(a - b) < by; }

}  // namespace

TEST_CASE("the components are the eigenvectors of the covariance of the max-scaled table") {
  const auto values = random_values(12, 5, 1);
  const auto pca = principal_components(values);

  Eigen::MatrixXd x(12, 5);
  for (Eigen::Index r = 0; r < 12; ++r)
    for (Eigen::Index c = 0; c < 5; ++c)
      x(r, c) = values(static_cast<std::size_t>(r), static_cast<std::size_t>(c));
  for (Eigen::Index c = 0; c < 5; ++c) x.col(c) /= x.col(c).maxCoeff();
  x.rowwise() -= x.colwise().mean().eval();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(x.transpose() * x);

  for (std::size_t k = 0; k < 5; ++k) {
    const auto column = static_cast<Eigen::Index>(4 - k);
    CHECK(close(pca.explained[k], solver.eigenvalues()[column] / solver.eigenvalues().sum()));
    double same = 0;
    for (Eigen::Index c = 0; c < 5; ++c)
      same += pca.loadings(k, static_cast<std::size_t>(c)) * solver.eigenvectors()(c, column);
    CHECK(close(std::abs(same), 1));
  }
}

TEST_CASE("loadings are of unit length and at right angles, scores are the table times the loadings") {
  const auto values = random_values(9, 20, 2);
  const auto pca = principal_components(values);
  REQUIRE(pca.explained.size() == 8);  // nine centred rows
  double explained = 0;
  for (std::size_t k = 0; k < 8; ++k) {
    explained += pca.explained[k];
    for (std::size_t j = 0; j < 8; ++j)
      CHECK(close(dot(pca.loadings.row(k), pca.loadings.row(j)), j == k ? 1 : 0));
    for (std::size_t row = 0; row < 9; ++row) {
      double score = 0;
      for (std::size_t i = 0; i < pca.used.size(); ++i)
        score += pca.loadings(k, i) * (values(row, pca.used[i]) / pca.maximum[i] - pca.mean[i]);
      CHECK(close(score, pca.scores(row, k)));
    }
  }
  CHECK(close(explained, 1));
}

TEST_CASE("a fragment measured in another unit changes nothing, since each is divided by its maximum") {
  auto values = random_values(10, 6, 3);
  const auto before = principal_components(values);
  for (std::size_t row = 0; row < 10; ++row) values(row, 2) *= 1e-6;
  const auto after = principal_components(values);
  for (std::size_t row = 0; row < 10; ++row)
    for (std::size_t k = 0; k < 6; ++k) CHECK(close(before.scores(row, k), after.scores(row, k)));
}

TEST_CASE("signs do not depend on the order of the rows") {
  const auto values = random_values(10, 6, 4);
  Matrix turned(10, 6);
  for (std::size_t row = 0; row < 10; ++row) std::ranges::copy(values.row(9 - row), turned.row(row).begin());
  const auto a = principal_components(values), b = principal_components(turned);
  for (std::size_t k = 0; k < 6; ++k)
    for (std::size_t i = 0; i < 6; ++i) CHECK(close(a.loadings(k, i), b.loadings(k, i)));
}

TEST_CASE("flipping a component turns its loadings and scores, and twice is not at all") {
  const auto before = principal_components(random_values(6, 4, 5));
  auto pca = before;
  flip(pca, 1);
  CHECK(pca.loadings(1, 2) == -before.loadings(1, 2));
  CHECK(pca.scores(3, 1) == -before.scores(3, 1));
  CHECK(pca.scores(3, 0) == before.scores(3, 0));
  flip(pca, 1);
  CHECK(pca.loadings == before.loadings);
}

TEST_CASE("a fragment that is zero everywhere is left out, and named by the columns that are used") {
  auto values = random_values(6, 4, 6);
  for (std::size_t row = 0; row < 6; ++row) values(row, 1) = 0;
  CHECK(principal_components(values).used == std::vector<std::size_t>{0, 2, 3});
}

TEST_CASE("rows that are all equal have no component, whatever rounding leaves") {
  Matrix values(7, 3);
  for (std::size_t row = 0; row < 7; ++row) {
    values(row, 0) = 0.1;
    values(row, 1) = 0.7;
    values(row, 2) = 1e-9;
  }
  CHECK(principal_components(values).explained.empty());
  values(3, 1) = 0.7000001;
  CHECK(principal_components(values).explained.size() == 1);
}

TEST_CASE("a table that cannot be analysed is refused") {
  CHECK_THROWS_AS((void)principal_components(Matrix(1, 3)), BadInput);
  CHECK_THROWS_AS((void)principal_components(Matrix(0, 0)), BadInput);
  CHECK_THROWS_AS((void)principal_components(Matrix(4, 3)), BadInput);
  auto values = random_values(4, 3, 7);
  values(2, 1) = std::nan("");
  CHECK_THROWS_AS((void)principal_components(values), BadInput);
}

// Real spectra (Oscar-Laurent/ToF-SIMS_Article, N_Ru-Pt and N_Ru-Pd, Bi3, five spots each), and the answer that an
// independent computation with the published conventions gave: nominal masses 1 to 300, counts summed within half a unit
// to both sides, divided by all counts of the spectrum, max-scaled, centred.
TEST_CASE("ten real spectra give the known variances and scores") {
  const auto data = tests::real_data("spectra");
  if (!data) return;
  std::vector<Region> regions;
  for (const auto* sample : {"Ru-Pt", "Ru-Pd"}) {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(*data / sample))
      files.push_back(entry.path());
    const auto found = find_regions(files);
    CHECK(found.refused.empty());
    for (const auto& files_of_region : found.regions) regions.push_back(read_region(files_of_region));
  }
  std::vector<SpotRegion> spots;
  for (const auto& region : regions)
    spots.push_back(
        {"Ru", region.name.find("Pt") != std::string::npos ? State::uncycled : State::cycled, &region});
  const auto table = tabulate(spots, FragmentTable::built_in());
  REQUIRE(table.values.rows() == 10);
  REQUIRE(table.values.columns() == 300);
  CHECK(table.fragments[177].label == "m/z 178");

  auto pca = principal_components(table.values);
  if (pca.scores(0, 0) > 0) flip(pca, 0);  // oriented so that Ru-Pd is positive, as the known scores are

  const double explained[] = {0.736136, 0.109025, 0.069852, 0.051282};
  for (std::size_t k = 0; k < 4; ++k) CHECK(close(pca.explained[k], explained[k], 0.5e-6));
  const double scores[] = {-2.125834, -4.067584, -3.538305, -3.912855, -2.547472,
                           3.076837,  3.140393,  3.353934,  3.318506,  3.302381};
  for (std::size_t row = 0; row < 10; ++row) CHECK(close(pca.scores(row, 0), scores[row], 0.5e-6));
  CHECK(close(pca.loadings(0, 177), 0.13607, 0.5e-5));
  CHECK(close(pca.loadings(0, 256), -0.10682, 0.5e-5));
}
