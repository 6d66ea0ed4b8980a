#include "analysis/formats/binary_file.h"

#include <doctest/doctest.h>

#include <random>

#include "analysis/bad_input.h"
#include "tests/analysis/folder.h"

using namespace cambench;
using namespace cambench::tests;

namespace {

std::string random_bytes(std::size_t size) {
  std::mt19937 random(1);
  std::string bytes;
  while (bytes.size() < size) bytes += static_cast<char>(random());
  return bytes;
}

}  // namespace

TEST_CASE(
    "a view gives the bytes of its place, whether it goes on, goes back or reaches over what was read "
    "ahead") {
  const auto bytes = random_bytes(900'000);
  Folder folder;
  folder.write("b", bytes);
  BinaryFile on_disk(folder.path / "b"), in_memory("b", bytes);
  std::mt19937 random(2);
  std::uint64_t at = 0;
  for (int i = 0; i < 2'000; ++i) {
    const std::uint64_t size = random() % (i % 50 == 0 ? 400'000 : 700);
    if (i % 20 == 7) at = random() % bytes.size();  // elsewhere
    if (at + size > bytes.size()) at = 0;
    for (auto* file : {&on_disk, &in_memory})
      CHECK(file->view(at, size, "it") == std::string_view(bytes).substr(at, size));
    at += size;
  }
}

TEST_CASE("a view beyond the end is refused with the place") {
  Folder folder;
  folder.write("b", "12345678");
  BinaryFile on_disk(folder.path / "b"), in_memory("b", "12345678");
  for (auto* file : {&on_disk, &in_memory}) {
    CHECK(file->view(4, 4, "it") == "5678");
    CHECK(file->view(8, 0, "it").empty());
    for (const auto& [offset, size] :
         {std::pair<std::uint64_t, std::uint64_t>{5, 4}, {9, 0}, {UINT64_MAX, 2}})
      CHECK(refusal([&, offset, size] {
              return file->view(offset, size, "it");
            }).find("b: ends at byte 8, but it") == 0);
  }
}
