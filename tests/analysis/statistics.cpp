#include "analysis/statistics.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace cambench;
using namespace cambench::sims;

TEST_CASE("quartiles are type 7: at position (n - 1) p") {
  // 14 regions as in the paper: Q1 at index 3.25, so a quarter of the way from the fourth value to the fifth.
  std::vector<double> values;
  for (int i = 0; i < 14; ++i) values.push_back(i * i);
  const auto s = statistics_of(values);
  CHECK(s.q1 == 9 + 0.25 * (16 - 9));
  CHECK(s.median == (36 + 49) / 2.0);
  CHECK(s.q3 == 81 + 0.75 * (100 - 81));
  CHECK(s.min == 0);
  CHECK(s.max == 169);
  CHECK(s.n == 14);
}

TEST_CASE("both standard deviations are given, told apart by their divisor") {
  const auto s = statistics_of(std::vector{2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0});
  CHECK(s.mean == 5);
  CHECK(s.sd_population == 2);
  CHECK(*s.sd == doctest::Approx(std::sqrt(32.0 / 7)));
}

TEST_CASE("one value has quartiles and no sample standard deviation") {
  const auto s = statistics_of(std::vector{3.0});
  CHECK(s.q1 == 3);
  CHECK(s.q3 == 3);
  CHECK(s.sd_population == 0);
  CHECK_FALSE(s.sd);
}

TEST_CASE("statistics do not depend on the order of the values, and follow a change of unit") {
  const std::vector<double> values = {3, 1, 4, 1, 5, 9, 2, 6}, shuffled = {9, 6, 5, 4, 3, 2, 1, 1};
  std::vector<double> scaled;
  for (const double v : values) scaled.push_back(1e-3 * v);
  const auto s = statistics_of(values), t = statistics_of(shuffled), u = statistics_of(scaled);
  CHECK(s.mean == t.mean);
  CHECK(*s.sd == *t.sd);
  CHECK(s.q1 == t.q1);
  CHECK(u.mean == doctest::Approx(1e-3 * s.mean));
  CHECK(*u.sd == doctest::Approx(1e-3 * *s.sd));
  CHECK(u.q3 == doctest::Approx(1e-3 * s.q3));
}

TEST_CASE("the relative difference is in per cent of the reference's mean, and none where that is 0") {
  SpotTable table;
  table.fragments = {{"PO3-", 78.96, "POy"}, {"SO3-", 79.96, "SOy"}};
  table.spots = {{"a", State::uncycled, "1"}, {"a", State::cycled, "1"}, {"a", State::cycled, "2"}};
  table.values = Matrix(3, 2);
  table.values(0, 0) = 2;
  table.values(1, 0) = 3;
  table.values(2, 0) = 4;
  table.values(1, 1) = 1;

  const auto all = fragment_statistics(table, "a");
  REQUIRE(all.size() == 4);
  CHECK(all[0].state == State::uncycled);
  CHECK(*all[0].relative_difference_percent == 0);
  CHECK(all[2].fragment == "PO3-");
  CHECK(all[2].of.mean == 3.5);
  CHECK(*all[2].relative_difference_percent == 75);
  CHECK_FALSE(all[2].relative_difference_se_percent);  // one uncycled spot: nothing is known of its scatter
  CHECK_FALSE(all[3].relative_difference_percent);     // SO3- is 0 in the reference
  CHECK_FALSE(fragment_statistics(table, "b")[0].relative_difference_percent);
}

TEST_CASE("the relative difference carries the uncertainty of both means") {
  SpotTable table;
  table.fragments = {{"PO3-", 78.96, "POy"}};
  table.spots = {{"a", State::uncycled, "1"},
                 {"a", State::uncycled, "2"},
                 {"a", State::cycled, "1"},
                 {"a", State::cycled, "2"},
                 {"b", State::cycled, "1"}};
  table.values = Matrix(5, 1);
  for (const auto& [row, value] : {std::pair{0, 1.9}, {1, 2.1}, {2, 2.7}, {3, 3.3}, {4, 5.0}})
    table.values(static_cast<std::size_t>(row), 0) = value;
  const auto all = fragment_statistics(table, "a");
  REQUIRE(all.size() == 3);
  CHECK_FALSE(all[0].relative_difference_se_percent);  // with itself
  // Means 3 and 2 with standard errors 0.3 and 0.1: 100 x 3/2 x hypot(0.3/3, 0.1/2).
  CHECK(*all[1].relative_difference_percent == doctest::Approx(50));
  CHECK(*all[1].relative_difference_se_percent == doctest::Approx(150 * std::hypot(0.1, 0.05)));
  CHECK(*all[2].relative_difference_percent == doctest::Approx(150));
  CHECK_FALSE(all[2].relative_difference_se_percent);  // one spot
}

TEST_CASE("Student's t has the values of its table, and never fewer between whole numbers") {
  const double z = 1.959964;  // 95 %, two-sided
  for (const auto& [freedom, t] :
       {std::pair{1, 12.706}, {2, 4.303}, {3, 3.182}, {4, 2.776}, {5, 2.571}, {10, 2.228}, {30, 2.042}})
    CHECK(student(z, freedom) == doctest::Approx(t).epsilon(0.002));
  CHECK(student(z, 1e9) == doctest::Approx(z));
  CHECK(student(z, 1.7) == student(z, 1));
  CHECK(student(z, 2.9) == student(z, 2));
}
