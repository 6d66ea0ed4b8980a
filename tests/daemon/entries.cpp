// Materials, cells and studies that people edit: the configuration's own checks, and a file that the next start reads.
#include "daemon/entries.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "tests/analysis/folder.h"
#include "tests/daemon/least_bench.h"
#include "tests/daemon/openapi.h"

using namespace cambench;
using entries::Kind, entries::propose;

namespace {

const std::string text = tests::least_bench + R"([[cell]]
id = "R-1"
material = "ncm-uncoated"
electrodes = 2
composite_mg = 12.0
cam_fraction = 0.67
area_cm2 = 0.7854
)";

const std::string cell = R"({"material":"ncm-uncoated","electrodes":3,"composite_mg":24,"cam_fraction":0.67,)"
                         R"("area_cm2":0.7854,"reference_vs_li_V":0.31,"reference_note":"lithiated gold"})";

config::Bench bench() { return config::parse(text, "cambench.toml"); }

std::string refusal(const config::Bench& of, Kind kind, const std::string& id,
                    std::optional<std::string> json) {
  const auto proposed = propose(of, {kind, id, std::move(json)});
  return proposed ? "accepted" : proposed.error().what;
}

}  // namespace

TEST_CASE("a cell that is put is as one that was configured, and 1 C follows from what was weighed") {
  const auto proposed = propose(bench(), {Kind::cell, "R-2", cell});
  REQUIRE(proposed.has_value());
  const auto* put = proposed->bench->cell("R-2");
  REQUIRE(put != nullptr);
  CHECK(one_C(*put).value() == doctest::Approx(3.216e-3));  // 200 mAh/g x 24 mg x 0.67
  CHECK(put->reference->vs_li == Volt(0.31));
  CHECK(proposed->bench->cell("R-1") != nullptr);
  CHECK(entries::edited(*proposed->bench, Kind::cell) == std::vector<std::string>{"R-2"});
  CHECK(bench().cell("R-2") == nullptr);  // nothing was changed yet
}

TEST_CASE("an entry is replaced and taken away, and what needs it keeps it") {
  auto with_material =
      propose(bench(), {Kind::material, "ncm-x", R"({"coating":"X","amount_wt_percent":1})"});
  REQUIRE(with_material.has_value());
  auto with_study =
      propose(*with_material->bench,
              {Kind::study, "coatings", R"({"materials":["ncm-uncoated","ncm-x"],"cells":["R-1"]})"});
  REQUIRE(with_study.has_value());
  const auto& now = *with_study->bench;
  CHECK(now.study("coatings")->materials.size() == 2);
  const auto replaced = propose(now, {Kind::material, "ncm-x", R"({"coating":"Y","amount_wt_percent":5})"});
  REQUIRE(replaced.has_value());
  CHECK(replaced->bench->material("ncm-x")->coating == "Y");
  CHECK(replaced->bench->materials.size() == 2);
  CHECK(refusal(now, Kind::material, "ncm-x", std::nullopt).find("there is no material \"ncm-x\"") !=
        std::string::npos);
  const auto without = propose(now, {Kind::study, "coatings", std::nullopt});
  REQUIRE(without.has_value());
  CHECK(without->bench->studies.empty());
  CHECK(propose(*without->bench, {Kind::material, "ncm-x", std::nullopt}).has_value());
}

TEST_CASE("what stands in the configuration is changed there, and a mistake is told as there") {
  CHECK(refusal(bench(), Kind::cell, "R-1", cell) ==
        "the cell R-1 is written in cambench.toml: change it there and restart");
  CHECK(refusal(bench(), Kind::cell, "R-1", std::nullopt).find("is written in cambench.toml") !=
        std::string::npos);
  CHECK(refusal(bench(), Kind::cell, "R-9", std::nullopt) == "there is no cell \"R-9\"");
  CHECK(refusal(bench(), Kind::cell, "R-2", "[]") == "the entry is no JSON object");
  CHECK(refusal(bench(), Kind::cell, "R-2", "{") == "the entry is no JSON object");
  for (const auto& [json, sentence] : std::vector<std::pair<std::string, std::string>>{
           {R"({"material":"ncm-uncoated"})", "electrodes is missing"},
           {R"({"material":"ncm-uncoatd"})", "did you mean \"ncm-uncoated\"?"},
           {R"({"mass":12})", "mass"}})
    CHECK_MESSAGE(refusal(bench(), Kind::cell, "R-2", json).find(sentence) != std::string::npos,
                  refusal(bench(), Kind::cell, "R-2", json));
  CHECK(refusal(bench(), Kind::cell, "no id", cell).find("expected 1 to 40 of") != std::string::npos);
}

TEST_CASE("the file that is kept is read with the configuration, and a broken one is told by its name") {
  const tests::Folder folder;
  const auto file = folder.write("cambench.toml", text);
  std::filesystem::create_directories(folder.path / "state");
  const auto proposed = propose(config::read(file), {Kind::cell, "R-2", cell});
  REQUIRE(proposed.has_value());
  const auto kept = config::entries_file(*proposed->bench);
  REQUIRE(entries::keep(kept, proposed->text).has_value());
  CHECK(config::read(file).cell("R-2") != nullptr);
  std::ofstream(kept) << "{\"cell\":[{\"id\":\"R-1\"}]}";
  CHECK_THROWS_WITH_AS(config::read(file), doctest::Contains("entries.json:1"), config::Refused);
  std::ofstream(kept) << "{\"station\":[]}";
  CHECK_THROWS_AS(config::read(file), config::Refused);  // nothing but materials, cells and studies is edited
  CHECK_FALSE(entries::keep("/nowhere/entries.json", "{}").has_value());
}

TEST_CASE("the described members of an entry are those that the configuration knows") {
  const openapi::Document document;
  const auto full_of = [&](std::string_view route) {
    openapi::json::object full;
    const auto& form = document.operation(route)
                           .at("requestBody")
                           .at("content")
                           .at("application/json")
                           .at("schema")
                           .as_object();
    for (const auto& [key, schema] : form.at("properties").as_object()) {
      if (key == "who" || key == "reason") continue;
      const auto& type = schema.at("type").as_string();
      full[key] = type == "boolean"  ? openapi::json::value(false)
                  : type == "array"  ? openapi::json::value(openapi::json::array())
                  : type == "string" ? openapi::json::value("ncm-uncoated")
                                     : openapi::json::value(1);
    }
    return full;
  };
  const auto known = [&](Kind kind, std::string_view route) {
    const auto said = refusal(bench(), kind, "new", openapi::json::serialize(full_of(route)));
    return said.find("unknown") == std::string::npos && said.find("not known") == std::string::npos;
  };
  CHECK(known(Kind::material, "PUT /api/v1/materials/{material}"));
  CHECK(known(Kind::cell, "PUT /api/v1/cells/{cell}"));
  CHECK(known(Kind::study, "PUT /api/v1/studies/{study}"));
  CHECK(refusal(bench(), Kind::study, "new", R"({"materials":["ncm-uncoated"],"zzz":1})").find("zzz") !=
        std::string::npos);
}
