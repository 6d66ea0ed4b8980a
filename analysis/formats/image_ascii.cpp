#include "analysis/formats/image_ascii.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"

namespace cambench::sims {
namespace {

constexpr std::string_view export_again = "export the image again as \"Ascii (X, Y, I)\"";
constexpr std::uint32_t longest_side = 65'536, most_scans = 1'000'000;

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool take_index(const char*& at, const char* end, std::uint32_t& index) {
  const auto [stop, error] = std::from_chars(at, end, index);
  if (error != std::errc{}) return false;
  at = stop;
  return true;
}

bool take_blanks(const char*& at, const char* end) {
  const char* start = at;
  while (at != end && is_blank(*at)) ++at;
  return at != start;
}

bool take_line_end(const char*& at, const char* end) {
  while (at != end && (is_blank(*at) || *at == '\r')) ++at;
  return at != end && *at++ == '\n';
}

struct PixelLine {
  std::uint32_t x = 0, y = 0, scan = 0;
  double counts = 0;
};

// `X Y I` or `X Y Scan I` and the end of the line.
bool take_pixel(const char*& at, const char* end, bool with_scan, PixelLine& line) {
  return take_index(at, end, line.x) && take_blanks(at, end) && take_index(at, end, line.y) &&
         take_blanks(at, end) && (!with_scan || (take_index(at, end, line.scan) && take_blanks(at, end))) &&
         text::take_number(at, end, line.counts) && take_line_end(at, end);
}

std::size_t fields_in(std::string_view line) {
  std::size_t fields = 0;
  bool inside = false;
  for (const char c : line) {
    const bool blank = is_blank(c) || c == '\r';
    fields += !blank && !inside;
    inside = !blank;
  }
  return fields;
}

bool is_header(std::string_view line) { return text::trimmed(line).empty() || line.starts_with('#'); }

// Behind the header: '#' lines, empty ones, and one title line in words, which some exports may have.
std::string_view without_header(std::string_view text, bool& title_seen) {
  text::Lines lines(text);
  for (;;) {
    const auto rest = lines.rest();
    const auto line = lines.next();
    if (!line) return {};
    const bool title =
        !title_seen && !is_header(*line) && std::isalpha(static_cast<unsigned char>(line->front()));
    if (!is_header(*line) && !title) return rest;
    title_seen |= title;
  }
}

// The last line with a pixel, and what stands behind it.
std::string_view last_line(std::string_view text) {
  while (!text.empty()) {
    const auto start = text.size() < 2 ? std::string_view::npos : text.rfind('\n', text.size() - 2);
    const auto last = text.substr(start == std::string_view::npos ? 0 : start + 1);
    if (!is_header(last)) return last;
    text.remove_suffix(last.size());
  }
  return {};
}

std::uint64_t load8(const char* from) {
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

// Up to eight characters in one word, first one lowest (as load8 reads on the little-endian machines we run on), so
// that the start of a line is compared at one go.
struct Spelled {
  std::uint64_t bytes = 0;
  unsigned size = 0;  ///< above 8: did not fit, equals nothing

  void append(std::uint32_t number) {
    char digits[10];
    const char* stop = std::to_chars(digits, digits + sizeof digits, number).ptr;
    for (const char* at = digits; at != stop; ++at) append(*at);
  }
  void append(char c) {
    if (size < 8) bytes |= std::uint64_t{static_cast<unsigned char>(c)} << 8 * size;
    ++size;
  }
  void append(const Spelled& other) {
    if (size < 8) bytes |= other.bytes << 8 * size;
    size += other.size;
  }
  [[nodiscard]] bool starts(const char* text) const {
    return size <= 8 && ((load8(text) ^ bytes) << 8 * (8 - size)) == 0;
  }
};
static_assert(std::endian::native == std::endian::little);

// `d.dddddde+0d` CR LF, as "%e" prints counts: fourteen bytes, taken as two words that overlap. The digits become a
// number without a loop (Lemire, "Quickly parsing eight digits", 2018), and one division is correctly rounded.
constexpr std::ptrdiff_t printed_e_size = 14;
bool take_printed_e(const char* text, double& value) {
  const std::uint64_t front = load8(text), back = load8(text + 6);  // "d.dddddd", "dde+0d\r\n"
  if ((front & 0xff00) != 0x2e00 || (back & 0xffff00ffffff0000) != 0x0a0d00302b650000) return false;
  const std::uint64_t digits = (front & ~std::uint64_t{0xffff}) | (front & 0xff) << 8 | '0';  // "0ddddddd"
  std::uint64_t v = digits - 0x3030303030303030;
  if (((digits + 0x4646464646464646) | v) & 0x8080808080808080) return false;  // one is not from 0 to 9
  const unsigned exponent = static_cast<unsigned>(back >> 40 & 0xff) - '0';
  if (exponent > 9) return false;

  constexpr std::uint64_t every_fourth = 0x000000ff000000ff;
  v = v * 10 + (v >> 8);
  v = ((v & every_fourth) * 0x000f424000000064 + (v >> 16 & every_fourth) * 0x0000271000000001) >> 32;
  constexpr double powers_of_ten[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6};
  const auto mantissa = static_cast<double>(static_cast<std::uint32_t>(v));
  value = exponent <= 6 ? mantissa / powers_of_ten[6 - exponent] : mantissa * powers_of_ten[exponent - 6];
  return true;
}

class ImageReader {
 public:
  ImageReader(BinaryFile& file, std::size_t window, const PixelSink& sink)
      : file_(file), name_(file.name()), sink_(sink), window_size_(window), data_bytes_(file.size()) {
    while (data_bytes_ > 0) {  // without the NUL bytes behind it
      const auto bytes = std::min<std::uint64_t>(data_bytes_, 4096);
      auto tail = file_.view(data_bytes_ - bytes, bytes, "the end");
      text::refuse_unwritten(tail, name_);
      while (tail.ends_with('\0')) tail.remove_suffix(1);
      data_bytes_ -= bytes - tail.size();
      if (!tail.empty()) break;
    }
  }

  ImageShape read(const ImageShape* expected) {
    find_shape();
    if (expected && (expected->width != shape_.width || expected->height != shape_.height))
      throw BadInput(
          name_, 0,
          fmt::format("is {} x {} pixels, its region's total ion image {} x {}", shape_.width, shape_.height,
                      expected->width, expected->height),
          "the file is cut short, or exported with another binning: export all images of a region alike");
    run_.resize(shape_.width);
    spell_columns();
    begin();
    for (std::uint32_t scan = 0; scan < shape_.scans; ++scan)
      for (std::uint32_t y = 0; y < shape_.height; ++y) read_row(y, scan);
    read_stragglers();
    if (read_ != wanted_) refuse_missing();
    return shape_;
  }

 private:
  // ---- the window on the file

  // To the first line behind the header.
  void begin() {
    window_ = {};
    window_begins_ = 0;
    at_ = end_ = window_.data();
    for (bool title_seen = false; has_line();) {
      const auto lines = window_.substr(0, window_.rfind('\n') + 1);
      const auto rest = without_header(lines, title_seen);
      at_ += lines.size() - rest.size();
      if (!rest.empty()) return;
    }
  }

  // Whether a whole line stands at `at_`; reads on for it.
  bool has_line() {
    while (std::string_view(at_, static_cast<std::size_t>(end_ - at_)).find('\n') == std::string_view::npos)
      if (!read_on()) return false;
    return true;
  }

  // Forgets what is taken. False at the end of the file.
  bool read_on() {
    const auto left = static_cast<std::size_t>(end_ - at_);
    window_begins_ = byte_of(at_);
    const auto bytes =
        std::min<std::uint64_t>(std::max(window_size_, 2 * left), data_bytes_ - window_begins_);
    if (bytes == left) return false;
    window_ = file_.view(window_begins_, bytes, "the rest");
    at_ = window_.data();
    end_ = at_ + window_.size();
    return true;
  }

  [[nodiscard]] std::uint64_t byte_of(const char* at) const {
    return window_begins_ + static_cast<std::uint64_t>(at - window_.data());
  }

  [[noreturn]] void refuse(std::uint64_t byte, std::string_view problem, std::string_view mend) const {
    std::size_t line = 1;
    constexpr std::uint64_t step = 1 << 16;
    for (std::uint64_t from = 0; from < byte; from += step) {
      const auto piece = file_.view(from, std::min(step, byte - from), "a line");
      line += static_cast<std::size_t>(std::ranges::count(piece, '\n'));
    }
    throw BadInput(name_, line, problem, mend);
  }

  // The last line holds the largest index of each axis.
  void find_shape() {
    constexpr std::uint64_t longest_line = 1 << 16;
    const auto bytes = std::min(data_bytes_, longest_line), from = data_bytes_ - bytes;
    const auto tail = file_.view(from, bytes, "the last line");
    const auto last = last_line(tail);
    if (last.empty()) throw BadInput(name_, 0, "holds no pixel", export_again);
    const auto byte = from + static_cast<std::uint64_t>(last.data() - tail.data());
    if (tail.back() != '\n')
      refuse(byte, "the last line is not ended: the file is cut short", "copy or export it again");
    const auto fields = fields_in(last.substr(0, last.find('\n')));
    with_scan_ = fields == 4;
    const char* at = last.data();
    PixelLine line;
    if ((fields != 3 && fields != 4) || !take_pixel(at, tail.data() + tail.size(), with_scan_, line))
      refuse_line(byte);
    if (line.x >= longest_side || line.y >= longest_side || line.scan >= most_scans)
      refuse(byte, "no image is as large as its last line says", export_again);
    shape_ = {line.x + 1, line.y + 1, line.scan + 1};
    wanted_ = shape_.pixels() * shape_.scans;
    // A pixel takes six bytes at least ("0 0 1\n"): a lying last line must not make us take memory.
    if (wanted_ > data_bytes_ / 6 + 1) refuse_missing();
  }

  // One row in the order in which SurfaceLab writes it, or as much of it as keeps that order.
  void read_row(std::uint32_t y, std::uint32_t scan) {
    Spelled tail;  // what stands behind X in every line of the row
    tail.append(' ');
    tail.append(y);
    tail.append(' ');
    if (with_scan_) {
      tail.append(scan);
      tail.append(' ');
    }
    const auto first = static_cast<std::uint32_t>(std::size_t{y} * shape_.width);
    for (std::uint32_t x = 0; x < shape_.width && in_order_; ++x) {
      double counts = 0;
      if (take_expected(x, tail, counts)) {
        // Written always, kept when not zero: a branch on the data would be guessed wrong all the time.
        run_[run_size_] = {first + x, counts};
        run_size_ += counts != 0;
        ++read_;
      } else if (!take_in_order(x, y, scan)) {
        break;
      }
    }
    hand_on();
  }

  // The same line in another form: other numbers or blanks, perhaps a remark before it.
  bool take_in_order(std::uint32_t x, std::uint32_t y, std::uint32_t scan) {
    PixelLine line;
    if (!take_data_line(line)) return false;
    if (line.x != x || line.y != y || line.scan != scan) {
      at_ = line_;
      leave_order();
      return false;
    }
    keep(std::size_t{y} * shape_.width + x, line.counts);
    return true;
  }

  // Lines in any other order: each pixel is then ticked off.
  void read_stragglers() {
    PixelLine line;
    while (!in_order_ && take_data_line(line)) {
      if (line.x >= shape_.width || line.y >= shape_.height || line.scan >= shape_.scans) refuse_missing();
      const auto pixel = std::size_t{line.y} * shape_.width + line.x;
      const auto place = line.scan * shape_.pixels() + pixel;
      if (seen_[place])
        refuse(byte_of(line_), fmt::format("pixel {} {} is there twice", line.x, line.y), export_again);
      seen_[place] = true;
      keep(pixel, line.counts);
      if (run_size_ == run_.size()) hand_on();
    }
    hand_on();
    if (in_order_ && take_data_line(line)) refuse_missing();  // more lines than the last one admits
  }

  // The next line with a pixel, which then begins at `line_`; false at the end of the file.
  bool take_data_line(PixelLine& line) {
    while (has_line()) {
      line_ = at_;
      if (take_pixel(at_, end_, with_scan_, line)) return true;
      const auto stop =
          static_cast<const char*>(std::memchr(line_, '\n', static_cast<std::size_t>(end_ - line_)));
      if (!is_header({line_, static_cast<std::size_t>(stop - line_)})) refuse_line(byte_of(line_));
      at_ = stop + 1;
    }
    return false;
  }

  // Every x of a row, spelled once.
  void spell_columns() {
    columns_.resize(shape_.width);
    for (std::uint32_t x = 0; x < shape_.width; ++x) columns_[x].append(x);
  }

  // Nearly every line: the pixel that we wait for, printed with "%d %d %e".
  bool take_expected(std::uint32_t x, const Spelled& tail, double& counts) {
    Spelled start = columns_[x];
    start.append(tail);
    if (end_ - at_ < 8 + printed_e_size || !start.starts(at_)) return false;
    if (!take_printed_e(at_ + start.size, counts)) return false;
    at_ += start.size + printed_e_size;
    return true;
  }

  void keep(std::size_t pixel, double counts) {
    if (!std::isfinite(counts)) refuse(byte_of(line_), "the intensity is not a number", export_again);
    if (counts < 0) refuse(byte_of(line_), "the intensity is negative", "export counts");
    ++read_;
    if (counts != 0) run_[run_size_++] = {static_cast<std::uint32_t>(pixel), counts};
  }

  void hand_on() {
    if (run_size_ > 0) sink_({run_.data(), run_size_});
    run_size_ = 0;
  }

  // The lines so far were the first `read_` pixels in order.
  void leave_order() {
    in_order_ = false;
    seen_.assign(wanted_, false);
    std::fill_n(seen_.begin(), read_, true);
  }

  [[noreturn]] void refuse_line(std::uint64_t byte) const {
    refuse(byte, with_scan_ ? "is not \"X Y Scan I\"" : "is not \"X Y I\"", export_again);
  }

  // What is there, in numbers, however the file ends.
  [[noreturn]] void refuse_missing() {
    std::uint64_t lines = 0;
    std::uint32_t x_most = 0, y_most = 0;
    begin();
    for (PixelLine line; has_line() && take_pixel(at_, end_, with_scan_, line); ++lines) {
      x_most = std::max(x_most, line.x);
      y_most = std::max(y_most, line.y);
    }
    throw BadInput(
        name_, 0,
        fmt::format("has {} lines of pixels up to X {} Y {}, and ends at X {} Y {}: pixels are missing",
                    lines, x_most, y_most, shape_.width - 1, shape_.height - 1),
        "the file is cut short or edited: copy or export it again");
  }

  BinaryFile& file_;
  const std::string& name_;
  const PixelSink& sink_;
  std::size_t window_size_ = 0;
  std::uint64_t data_bytes_ = 0;
  std::string_view window_;
  std::uint64_t window_begins_ = 0;  // in the file
  const char* at_ = nullptr;         // in the window, which ends
  const char* end_ = nullptr;        // here
  const char* line_ = nullptr;       // the line that was taken last
  ImageShape shape_;
  bool with_scan_ = false;
  std::size_t wanted_ = 0, read_ = 0;  // lines
  std::vector<Spelled> columns_;
  std::vector<PixelCounts> run_;  // the first run_size_ are to be handed on
  std::size_t run_size_ = 0;
  bool in_order_ = true;
  std::vector<bool> seen_;  // once the order is left
};

}  // namespace

ImageShape read_image_ascii(BinaryFile& file, const PixelSink& sink, const ImageShape* expected,
                            std::size_t window) {
  return ImageReader(file, window, sink).read(expected);
}

ImageShape read_image_ascii(std::string_view text, std::string_view name, const PixelSink& sink,
                            const ImageShape* expected) {
  BinaryFile file(std::string(name), text);
  return ImageReader(file, text.size(), sink).read(expected);
}

Image parse_image_ascii(BinaryFile& file, const ImageShape* expected) {
  // The shape is known only at the end of the read; the last pixel that is not zero is enough until then.
  Image image;
  const auto place = [&](std::span<const PixelCounts> run) {
    for (const auto& [pixel, counts] : run) {
      if (pixel >= image.counts.size())
        image.counts.resize(std::max<std::size_t>(pixel + 1, 2 * image.counts.size()));
      image.counts[pixel] += counts;
    }
  };
  image.shape = read_image_ascii(file, place, expected);
  image.counts.resize(image.shape.pixels());
  return image;
}

Image parse_image_ascii(std::string_view text, std::string_view name, const ImageShape* expected) {
  BinaryFile file(std::string(name), text);
  return parse_image_ascii(file, expected);
}

bool looks_like_image_ascii(std::string_view start) {
  bool title_seen = false;
  const auto data = without_header(start, title_seen);
  const auto line = data.substr(0, data.find('\n'));
  const auto fields = fields_in(line);
  PixelLine pixel;
  const char* at = data.data();
  return (fields == 3 || fields == 4) && take_pixel(at, at + data.size(), fields == 4, pixel);
}

std::optional<ImageFileName> parse_image_file_name(std::string_view name) {
  constexpr std::string_view extension = ".txt", between = ") - ";
  if (!name.ends_with(extension)) return std::nullopt;
  name.remove_suffix(extension.size());
  for (auto close = name.rfind(between); close != std::string_view::npos && close > 0;
       close = name.rfind(between, close - 1)) {
    const auto open = name.rfind(" (", close);
    if (open == std::string_view::npos) return std::nullopt;
    const auto digits = name.substr(open + 2, close - open - 2);
    const auto label = name.substr(close + between.size());
    int id = 0;
    const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), id);
    const bool number = error == std::errc{} && stop == digits.data() + digits.size() && id >= 0 &&
                        std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
    if (number && !label.empty())
      return ImageFileName{std::string(name.substr(0, open)), std::string(label), id};
  }
  return std::nullopt;
}

}  // namespace cambench::sims
