#include "analysis/fragments.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>

#include "analysis/bad_input.h"

using namespace cambench;
using namespace cambench::sims;

TEST_CASE("labels mean a composition, whatever the order of their elements") {
  CHECK(parse_formula("CO_3Li-") == parse_formula("LiCO_3-"));  // both occur in published peak lists
  CHECK(parse_formula("PO_3-") == parse_formula("PO3-"));
  CHECK(parse_formula("C_6^13C-") == parse_formula("^13CC_6-"));
  CHECK(parse_formula("^58NiO_2-") == parse_formula("NiO_2-"));  // 58Ni is the most abundant isotope
  CHECK(parse_formula("^60NiO_2-") != parse_formula("NiO_2-"));
  CHECK(parse_formula("Li+") != parse_formula("Li-"));
  CHECK(parse_formula("CoO-") != parse_formula("CO_2-"));
  CHECK(fragment_key("CO_3Li-") == fragment_key("LiCO3-"));

  const auto formula = parse_formula("^13CC_7H-");
  REQUIRE(formula);
  CHECK(formula->count("C") == 8);
  CHECK(formula->count("H") == 1);
}

TEST_CASE("what is no formula is no formula") {
  for (const auto* label : {"", "-", "total", "sum of rest", "m/z 178", "PO3", "Ma-", "^-", "^13-", "C_-",
                            "C_0-", "C_1000-", "C_99999999999999999999-", "(PO3)2-", "PO_3--", "C_999C-"})
    CHECK_FALSE(parse_formula(label));
}

TEST_CASE("an ion weighs its isotopes and one electron more for its negative charge") {
  // The paper quotes 31.989830 for O2 and 31.972072 for S: the neutral masses. The ions weigh an electron more.
  CHECK(*ion_mass(*parse_formula("O2-")) == doctest::Approx(31.990378).epsilon(1e-8));
  CHECK(*ion_mass(*parse_formula("S-")) == doctest::Approx(31.972620).epsilon(1e-8));
  CHECK(*ion_mass(*parse_formula("NiO2-")) == doctest::Approx(89.925719).epsilon(1e-8));
  CHECK(*ion_mass(*parse_formula("^60NiO2-")) == doctest::Approx(91.921163).epsilon(1e-8));
  CHECK(*ion_mass(*parse_formula("Li+")) < *ion_mass(*parse_formula("Li-")));
  CHECK_FALSE(ion_mass(*parse_formula("Xe-")));
  CHECK_FALSE(ion_mass(*parse_formula("^99C-")));
}

TEST_CASE("the built-in table agrees with the masses and the rules") {
  const auto& table = FragmentTable::built_in();
  REQUIRE(table.fragments().size() == 128);
  std::map<std::string, int> count;
  for (const auto& fragment : table.fragments()) {
    INFO(fragment.label);
    const auto formula = parse_formula(fragment.label);
    REQUIRE(formula);
    CHECK(std::abs(*ion_mass(*formula) - fragment.mz) < 0.51e-6);  // the table has six decimals
    CHECK(category_by_rule(*formula) == fragment.category);
    ++count[fragment.category];
  }
  CHECK(count["polysulfide"] == 31);
  CHECK(count["SOy"] == 8);
  CHECK(count["POy"] == 8);
  CHECK(count["SE"] == 10);
  CHECK(count["CAM"] == 13);
  CHECK(count["coating"] == 11);
  CHECK(count["other"] == 47);
}

TEST_CASE("the categories follow the types that the paper names") {
  const auto category = [](const char* label) { return category_by_rule(*parse_formula(label)); };
  CHECK(category("LiSO_3-") == "SOy");
  CHECK(category("Li_2SO_3-") == "other");
  CHECK(category("S_2O_3-") == "other");
  CHECK(category("PO_2-") == "POy");
  CHECK(category("PS_2O-") == "other");
  CHECK(category("LiP_2S_6-") == "polysulfide");
  CHECK(category("S_3-") == "polysulfide");
  CHECK(category("S_2-") == "SE");
  CHECK(category("Li_2Cl_3-") == "SE");
  CHECK(category("LiNiO_2-") == "CAM");
  CHECK(category("NiS-") == "other");
  CHECK(category("LiNbO_3-") == "coating");
  CHECK(category("OH-") == "other");
  CHECK(category("SO_3+") == "other");
}

TEST_CASE("a user's table overrules the rule, and its blanks are filled") {
  const auto table =
      FragmentTable::parse("formula,mz,category\r\nPS_4-,,SE\r\nPO3-,78.9,\r\n# a comment\r\n\r\n", "my.csv");
  CHECK(table.describe("PS4-").category == "SE");
  CHECK(table.describe("PS4-").mz == doctest::Approx(158.862595).epsilon(1e-8));
  CHECK(table.describe("PO_3-").category == "POy");
  CHECK(table.describe("PO_3-").mz == 78.9);
  CHECK(table.describe("PO_3-").label == "PO3-");
  CHECK(table.describe("S_5-").category == "polysulfide");  // not listed: by rule
  CHECK(table.describe("m/z 178").mz == 178);
  CHECK(table.describe("m/z 178").category == "other");
}

TEST_CASE("a table that cannot be used is refused with its line") {
  const auto refusal = [](const char* text) -> std::string {
    try {
      (void)FragmentTable::parse(text, "my.csv");
    } catch (const BadInput& problem) {
      return problem.what();
    }
    return "accepted";
  };
  CHECK(refusal("") == "my.csv: the first line is not \"formula,mz,category\"; put that line first");
  CHECK(refusal("formula,mz,category\nPO3-,,\nLiCO3-,,\nO3P-,,\n") ==
        "my.csv, line 4: O3P- is listed twice; remove one of the two lines");
  CHECK(refusal("formula,mz,category\nPO3,78,POy\n")
            .starts_with("my.csv, line 2: \"PO3,78,POy\" is no fragment"));
  CHECK(refusal("formula,mz,category\nPO3-,x,POy\n").starts_with("my.csv, line 2: \"x\" is no m/z"));
  CHECK(refusal("formula,mz,category\nPO3-,-1,POy\n").starts_with("my.csv, line 2: \"-1\" is no m/z"));
  CHECK(refusal("formula,mz,category\nPO3-,nan,POy\n").starts_with("my.csv, line 2: \"nan\" is no m/z"));
}
