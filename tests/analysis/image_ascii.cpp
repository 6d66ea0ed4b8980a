// No real SurfaceLab image export is public. These files are built from what three independent readers of the format
// agree on: '#' lines, then "%d %d %e" with CRLF, X fastest, every pixel there.
#include "analysis/formats/image_ascii.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "analysis/bad_input.h"

using namespace cambench;
using namespace cambench::sims;

namespace {

const std::string header = "# Image: PO_3-\r\n# Scans: 218\r\n\r\n";

std::string line(int x, int y, double counts) { return fmt::format("{} {} {:.6e}\r\n", x, y, counts); }

std::string lines(int width, int height, const std::vector<double>& counts) {
  std::string text;
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) text += line(x, y, counts[static_cast<std::size_t>(y * width + x)]);
  return text;
}

std::vector<double> random_counts(int pixels, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::vector<double> counts;
  for (int i = 0; i < pixels; ++i) counts.push_back(random() % 3 == 0 ? 0.25 * (random() % 400) : 0.0);
  return counts;
}

// Pixels, or the sentence of a refusal: what is seen through a window of so many bytes.
struct Seen {
  std::vector<double> counts;
  std::string refusal = "accepted";
  friend bool operator==(const Seen&, const Seen&) = default;
};
Seen seen(const std::string& text, std::size_t window) try {
  Image image;
  BinaryFile file("i.txt", text);
  const auto add = [&](std::span<const PixelCounts> run) {
    for (const auto& [pixel, counts] : run) {
      image.counts.resize(std::max<std::size_t>(image.counts.size(), pixel + 1));
      image.counts[pixel] += counts;
    }
  };
  image.shape = read_image_ascii(file, add, nullptr, window);
  image.counts.resize(image.shape.pixels());
  return {std::move(image.counts)};
} catch (const BadInput& problem) {
  return {{}, problem.what()};
}

std::string refusal(const std::string& text) {
  const auto whole = seen(text, text.size());
  for (const std::size_t window : {1, 7, 30, 100}) CHECK(seen(text, window) == whole);
  return whole.refusal;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

}  // namespace

TEST_CASE("an image is read back as it was written, square or not, small or with four-digit indices") {
  for (const auto& [width, height] :
       {std::pair{1, 1}, {7, 3}, {3, 7}, {64, 64}, {1203, 2}, {2, 1203}, {1203, 1101}}) {
    const auto counts = random_counts(width * height);
    const auto image = parse_image_ascii(header + lines(width, height, counts), "i.txt");
    CHECK(image.shape.width == static_cast<unsigned>(width));
    CHECK(image.shape.height == static_cast<unsigned>(height));
    CHECK(image.counts == counts);
  }
}

TEST_CASE("every intensity that \"%e\" prints is read as strtod reads it") {
  std::mt19937 random(3);
  std::string text;
  std::vector<double> counts;
  for (int i = 0; i < 200 * 100; ++i) {
    const auto printed = fmt::format("{}.{:06}e{}{:02}", random() % 10, random() % 1000000,
                                     random() % 4 ? '+' : '-', random() % 3 ? random() % 10 : random() % 100);
    text += fmt::format("{} {} {}\r\n", i % 200, i / 200, printed);
    counts.push_back(std::strtod(printed.c_str(), nullptr));
  }
  CHECK(parse_image_ascii(text, "i.txt").counts == counts);
}

TEST_CASE("line ends, number forms, blanks and headers make no difference") {
  const auto counts = random_counts(12 * 5);
  const auto text = header + lines(12, 5, counts);
  const auto same = [&](const std::string& other) {
    return parse_image_ascii(other, "i.txt").counts == counts;
  };
  CHECK(same(replaced(text, "\r\n", "\n")));
  CHECK(same(replaced(text, ".", ",")));
  CHECK(same(header + replaced(lines(12, 5, counts), " ", "\t")));
  CHECK(same(replaced(text, "e+0", "e+00")));
  CHECK(same(replaced(text, "0.000000e+00", "0")));
  CHECK(same(lines(12, 5, counts)));
  CHECK(same("# only one\n#\n" + lines(12, 5, counts)));
  CHECK(same("X Y I\r\n" + lines(12, 5, counts)));
  CHECK(same(text + "\r\n"));
  CHECK(same(text + std::string(1, '\0')));
  CHECK(same(header + replaced(lines(12, 5, counts), "\r\n", "\r\n# a remark\r\n")));
}

TEST_CASE("pixels in another order are read as well, each once") {
  const auto counts = random_counts(9 * 4);
  std::vector<std::string> all;
  for (int x = 0; x < 9; ++x)
    for (int y = 0; y < 4; ++y) all.push_back(line(x, y, counts[static_cast<std::size_t>(y * 9 + x)]));
  const auto joined = [](const std::vector<std::string>& parts) {
    std::string text;
    for (const auto& part : parts) text += part;
    return text;
  };
  CHECK(parse_image_ascii(joined(all), "i.txt").counts == counts);  // Y fastest
  std::shuffle(all.begin(), all.end() - 1, std::mt19937(2));        // any order that ends with the last pixel
  CHECK(parse_image_ascii(joined(all), "i.txt").counts == counts);
  std::swap(all[3], all[4]);
  all[3] = all[4];
  CHECK(refusal(joined(all)).find("is there twice") != std::string::npos);
}

TEST_CASE("the scans of a scan-resolved image are summed") {
  std::string text = "#\r\n";
  std::vector<double> sum(6, 0.0);
  for (int scan = 0; scan < 5; ++scan) {
    const auto counts = random_counts(6, static_cast<unsigned>(scan + 1));
    for (int i = 0; i < 6; ++i) {
      text += fmt::format("{} {} {} {:e}\r\n", i % 3, i / 3, scan, counts[static_cast<std::size_t>(i)]);
      sum[static_cast<std::size_t>(i)] += counts[static_cast<std::size_t>(i)];
    }
  }
  const auto image = parse_image_ascii(text, "i.txt");
  CHECK(image.shape.scans == 5);
  CHECK(image.counts == sum);
}

TEST_CASE("an image cut anywhere is refused") {
  const auto text = header + lines(6, 4, random_counts(24));
  for (std::size_t size = 0; size < text.size(); ++size) {
    const auto answer = refusal(text.substr(0, size));
    // Cut behind a full row it looks like a smaller image; the region refuses it, since its total image is larger.
    const auto data_lines =
        std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), '\n') - 3;
    if (size > 0 && text[size - 1] == '\n' && data_lines > 0 && data_lines % 6 == 0)
      CHECK(answer == "accepted");
    else if (size > 0 && text[size - 1] == '\n' && data_lines > 0 && data_lines < 6)
      CHECK(answer == "accepted");  // one row
    else
      CHECK(answer != "accepted");
  }
}

TEST_CASE("an image is the same however little of it is in memory at once") {
  const std::string title = "X Y Intensity\r\n", remark = "# a remark in the middle\r\n\r\n";
  std::string scans;
  for (int scan = 0; scan < 3; ++scan)
    for (int i = 0; i < 12; ++i)
      scans += fmt::format("{} {} {} {:e}\r\n", i % 4, i / 4, scan, i * scan * 0.5);
  const auto counts = random_counts(60);
  const auto ordered = lines(10, 6, counts);
  for (const auto& text :
       {header + ordered, title + ordered, header + title + scans, ordered + std::string(7, '\0'),
        remark + ordered + remark,
        ordered.substr(0, ordered.find("0 3 ")) + remark + ordered.substr(ordered.find("0 3 ")),
        line(1, 0, 2) + line(0, 0, 1) + line(0, 1, 4) + line(1, 1, 3)}) {
    const auto whole = seen(text, text.size());
    CHECK(whole.refusal == "accepted");
    for (std::size_t window = 1; window < 200; ++window) CHECK(seen(text, window) == whole);
  }
}

TEST_CASE("an image of another shape than its region's total is refused before any of its pixels is used") {
  const ImageShape expected{6, 4};
  bool called = false;
  CHECK_THROWS_WITH_AS(
      read_image_ascii(
          lines(6, 3, random_counts(18)), "i.txt", [&](auto) { called = true; }, &expected),
      "i.txt: is 6 x 3 pixels, its region's total ion image 6 x 4; the file is cut short, or exported "
      "with another binning: export all images of a region alike",
      BadInput);
  CHECK_FALSE(called);
}

TEST_CASE("an image that cannot be used is refused with file, place and mend") {
  const auto again = "; export the image again as \"Ascii (X, Y, I)\"";
  CHECK(refusal("") == std::string("i.txt: holds no pixel") + again);
  CHECK(refusal(header) == std::string("i.txt: holds no pixel") + again);
  CHECK(
      refusal(header + line(0, 0, 1) + std::string(5000, '\0')) ==
      "i.txt: has its size, but is not written to its end; wait for its writer, or copy or export it again");
  CHECK(refusal(header + line(0, 0, 1) + "1 0 5.0") ==
        "i.txt, line 5: the last line is not ended: the file is cut short; copy or export it again");
  CHECK(refusal(header + line(0, 0, 1) + "1 x 5.0\r\n" + line(2, 0, 1)) ==
        std::string("i.txt, line 5: is not \"X Y I\"") + again);
  for (const auto* no_number : {"5.000000e+0:", "5.000000e+0/", "5.00000/e+00", "5.0000:0e+00",
                                ":.000000e+00", "5x000000e+00", "5.000000f+00", "5.000000e+00x"})
    CHECK(refusal(header + line(0, 0, 1) + "1 0 " + no_number + "\r\n" + line(2, 0, 1))
              .starts_with("i.txt, line 5: is not \"X Y I\""));
  CHECK(refusal(header + line(0, 0, 1) + "1 0 -5.0\r\n") ==
        "i.txt, line 5: the intensity is negative; export counts");
  CHECK(refusal(header + line(0, 0, 1) + "1 0 nan\r\n")
            .starts_with("i.txt, line 5: the intensity is not a number"));
  CHECK(refusal(line(0, 0, 1) + line(1, 1, 1)) ==
        "i.txt: has 2 lines of pixels up to X 1 Y 1, and ends at X 1 Y 1: pixels are missing; the file is "
        "cut short or "
        "edited: copy or export it again");
  CHECK(refusal(line(0, 0, 1) + line(1, 0, 1) + line(0, 0, 1)).find("pixels are missing") !=
        std::string::npos);
}

TEST_CASE("a last line that lies takes no memory") {
  for (const auto* last : {"65535 65535 1\n", "65536 0 1\n", "4294967295 4294967295 1\n", "99999999999 0 1\n",
                           "65535 65535 4294967295 1\n", "0 0 4294967295 1\n", "0 0 999999 1\n"})
    for (const auto* first : {"0 0 0\n", "0 0 0 0\n"})
      CHECK(refusal(std::string(first) + last) != "accepted");
}

TEST_CASE("a file name is read from the right, since a base may hold anything") {
  const auto name = parse_image_file_name("NCM (3) - uncoated (b) (12) - PO_3-.txt");
  REQUIRE(name);
  CHECK(name->base == "NCM (3) - uncoated (b)");
  CHECK(name->id == 12);
  CHECK(name->label == "PO_3-");
  CHECK(parse_image_file_name("a (0) - total.txt")->label == "total");
  for (const auto* not_one :
       {"", ".txt", "a.txt", "a (0) - .txt", "a (x) - PO_3-.txt", "a(0) - PO_3-.txt", "a (0) - PO_3-",
        "a (99999999999999) - O-.txt", "a () - O-.txt", ") - .txt", "a (-1) - O-.txt"})
    CHECK_FALSE(parse_image_file_name(not_one));
}

TEST_CASE("the first bytes tell an image from other text") {
  CHECK(looks_like_image_ascii(header + line(0, 0, 1)));
  CHECK(looks_like_image_ascii("0 0 0 1.5\r\n"));
  CHECK_FALSE(looks_like_image_ascii("hello world\n"));
  CHECK_FALSE(looks_like_image_ascii("100\t0.000274\t0\r\n"));
  CHECK_FALSE(looks_like_image_ascii(""));
}
