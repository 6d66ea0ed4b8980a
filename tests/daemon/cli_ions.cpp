#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/analysis/folder.h"
#include "tests/daemon/command_line.h"

using namespace cambench;
using tests::cambench_says, tests::Folder, tests::has;
namespace fs = std::filesystem;

namespace {

std::string image(double inside, double outside) {
  std::string text = "# Ascii (X, Y, I)\r\n";
  for (int y = 0; y < 64; ++y)
    for (int x = 0; x < 64; ++x)
      text += fmt::format("{} {} {:e}\r\n", x, y, (x < 32 ? inside : outside) + (x * 7 + y * 5) % 3);
  return text;
}

}  // namespace

TEST_CASE(
    "masses names ions, tells what R = 6000 cannot separate, and writes a list that can be read again") {
  const Folder folder;
  // NiS- and Zr- with their masses by AME2020, PO3- and an unknown peak.
  const auto peaks =
      folder.write("peaks.csv", "m/z,Intensity\n78.959054,900\n89.907961,50\n89.905247,60\n5.5,1\n");
  const auto list = (folder.path / "intervals.txt").string();
  const auto said = cambench_says({"masses", peaks, "--out", list});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(has(said.out, "PO3-"));
  CHECK(has(said.out, "unknown"));
  CHECK(has(said.out, "not separated by R = 6000"));
  CHECK(has(said.out, "2 intervals of 3 ions"));
  std::ifstream file(list, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  CHECK(std::ranges::count(text, '\n') == 3);
  CHECK(has(cambench_says({"masses", peaks, "--resolution", "50000"}).out, "separates all of them"));
}

TEST_CASE("masses refuses a table without masses by its line") {
  const Folder folder;
  const auto said = cambench_says({"masses", folder.write("peaks.csv", "a,b\n1,2\n")});
  CHECK(said.code == cli::refused);
  CHECK(has(said.err, "has no column of masses; name it m/z"));
}

TEST_CASE("parts compares the inner part with the rest, and writes its table, mask and pictures") {
  const Folder folder;
  (void)folder.write("spot (0) - total.txt", image(200, 200));
  (void)folder.write("spot (2) - PO_3-.txt", image(12, 6));
  (void)folder.write("spot (3) - S-.txt", image(20, 20));
  const auto out = (folder.path / "out").string();
  const auto said = cambench_says(
      {"parts", folder.path.string(), "--polygon", "-1,-1,31.5,-1,31.5,64,-1,64", "--out", out});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(has(said.out, "2048 pixels inside, 2048 outside"));
  CHECK(said.out.find("PO_3-") < said.out.find("S-  "));  // the larger contrast first
  for (const char* name : {"contrasts.csv", "mask.png", "PO_3-.png", "S-.png"})
    CHECK_MESSAGE(fs::file_size(folder.path / "out" / name) > 60, name);
  const auto by_mask = cambench_says({"parts", folder.path.string(), "--mask", out + "/mask.png"});
  CHECK(by_mask.out == said.out.substr(0, said.out.find("table and pictures")));
}

TEST_CASE("parts draws up to three ions over each other") {
  const Folder folder;
  (void)folder.write("spot (0) - total.txt", image(200, 200));
  (void)folder.write("spot (2) - PO_3-.txt", image(12, 6));
  (void)folder.write("spot (3) - S-.txt", image(20, 20));
  const auto out = (folder.path / "out").string();
  const auto said = cambench_says({"parts", folder.path.string(), "--circle", "32,32,9", "--out", out,
                                   "--overlay", "PO3-,S-", "--field-of-view", "150"});
  REQUIRE_MESSAGE(said.code == cli::done, said.err);
  CHECK(has(said.out, "overlay.png: PO3- red, S- green, each over the total ion count"));
  CHECK(fs::file_size(folder.path / "out" / "overlay.png") > 500);
  const auto unknown =
      cambench_says({"parts", folder.path.string(), "--circle", "32,32,9", "--out", out, "--overlay", "P-"});
  CHECK(unknown.code == cli::refused);
  CHECK(has(unknown.err, "spot: has no image of P-"));
}

TEST_CASE("parts wants one inner part, one region, and an image of its size") {
  const Folder folder;
  CHECK(cambench_says({"parts", folder.path.string()}).code == cli::usage);
  std::ofstream(folder.path / "notes.txt") << "hello\n";
  CHECK(has(cambench_says({"parts", folder.path.string(), "--circle", "1,1,5"}).err,
            "no region can be read here\nnotes.txt: neither"));
  CHECK(cambench_says({"parts", folder.path.string(), "--circle", "1,1"}).code == cli::usage);
}
