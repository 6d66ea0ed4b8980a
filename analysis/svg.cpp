#include "analysis/svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <numbers>
#include <vector>

namespace cambench::svg {

namespace {

void append_fill(std::string& out, const Look& look) {
  out += fmt::format(" fill=\"{}\"", look.fill.empty() ? "none" : look.fill);
  if (!look.fill.empty() && look.opacity < 1)
    out += fmt::format(" fill-opacity=\"{}\"", number(look.opacity));
}

void append_stroke(std::string& out, const Look& look) {
  if (look.stroke.empty()) return;
  out += fmt::format(" stroke=\"{}\" stroke-width=\"{}\"", look.stroke, number(look.width));
  if (!look.dash.empty()) out += fmt::format(" stroke-dasharray=\"{}\"", look.dash);
}

std::string points_text(std::span<const Point> points) {
  std::string text;
  for (const Point& p : points)
    text += fmt::format("{}{},{}", text.empty() ? "" : " ", number(p.x), number(p.y));
  return text;
}

/// A piece of a line of letters, lowered or not.
struct Piece {
  std::string_view text;
  bool lowered = false;
};

std::vector<Piece> pieces_of(std::string_view line) {
  std::vector<Piece> pieces;
  while (!line.empty()) {
    const std::size_t begin = line.find("_{");
    const std::size_t end = begin == std::string_view::npos ? begin : line.find('}', begin);
    if (end == std::string_view::npos) break;
    if (begin > 0) pieces.push_back({line.substr(0, begin)});
    pieces.push_back({line.substr(begin + 2, end - begin - 2), true});
    line.remove_prefix(end + 1);
  }
  if (!line.empty()) pieces.push_back({line});
  return pieces;
}

constexpr double lowered_size = 0.72, lowered_by = 0.22;  // of the letters' size

std::string content_of(std::string_view line, double size) {
  std::string out;
  bool was_lowered = false;
  for (const Piece& piece : pieces_of(line)) {
    if (piece.lowered)
      out += fmt::format("<tspan dy=\"{}\" font-size=\"{}\">{}</tspan>", number(size * lowered_by),
                         number(size * lowered_size), escaped(piece.text));
    else if (was_lowered)  // some programs drop a blank at the start of a span
      out += fmt::format("<tspan dy=\"{}\"{}>{}</tspan>", number(-size * lowered_by),
                         piece.text.starts_with(' ') ? " xml:space=\"preserve\"" : "", escaped(piece.text));
    else
      out += escaped(piece.text);
    was_lowered = piece.lowered;
  }
  return out;
}

std::string letters_text(const Letters& letters) {
  std::string out = fmt::format(" font-size=\"{}\" fill=\"{}\"", number(letters.size), letters.colour);
  if (letters.anchor == Anchor::middle) out += " text-anchor=\"middle\"";
  if (letters.anchor == Anchor::end) out += " text-anchor=\"end\"";
  if (letters.bold) out += " font-weight=\"bold\"";
  return out;
}

/// How many bytes the UTF-8 character at the front has; 0 when there is none that XML can hold.
std::size_t xml_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  const std::size_t length = first >= 0xF0 && first <= 0xF4   ? 4
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xC2 && first <= 0xDF ? 2
                                                              : 0;
  if (length == 0 || text.size() < length) return 0;
  std::uint32_t code = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < least[length] || code > 0x10FFFF || surrogate || code == 0xFFFE || code == 0xFFFF ? 0
                                                                                                  : length;
}

/// Widths of Helvetica's letters, in classes: close enough to place labels.
double letter_width(char c) {
  if (std::string_view("iljI.,:;'|![]() ").find(c) != std::string_view::npos) return 0.28;
  if (std::string_view("ftr-/\"").find(c) != std::string_view::npos) return 0.34;
  if (std::string_view("mwMW@%").find(c) != std::string_view::npos) return 0.87;
  if (c >= 'A' && c <= 'Z') return 0.69;
  return 0.556;
}

}  // namespace

// ---- text

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = xml_character(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      text.remove_prefix(1);
      continue;
    }
    switch (text.front()) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += text.substr(0, length);
    }
    text.remove_prefix(length);
  }
  return out;
}

std::string number(double value, int decimals) {
  if (!std::isfinite(value)) return "0";
  std::string text = fmt::format("{:.{}f}", value, decimals);
  if (text.find('.') != std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

std::string plain(std::string_view line) {
  std::string out;
  for (const Piece& piece : pieces_of(line)) out += (piece.lowered ? "_" : "") + std::string(piece.text);
  return out;
}

double text_width(std::string_view line, double size) {
  double width = 0;
  for (const Piece& piece : pieces_of(line))
    for (const char c : piece.text)
      if ((static_cast<unsigned char>(c) & 0xC0) != 0x80)  // not the inside of a character
        width += letter_width(c) * (piece.lowered ? lowered_size : 1);
  return width * size;
}

std::string dark_css() {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> dark{{
      {colour::ink, "#e6edf3"},
      {colour::soft, "#9da7b1"},
      {colour::rule, "#343b44"},
      {colour::axis, "#6e7781"},
      {colour::series[0], "#b1bac4"},
      {colour::series[1], "#4aa8e0"},
      {colour::series[2], "#f0803a"},
      {colour::series[3], "#2fc79a"},
      {colour::series[4], "#e09cc4"},
      {colour::series[5], "#f2b632"},
      {colour::series[6], "#8fd3f7"},
  }};
  std::string css = fmt::format("svg [fill=\"{}\"]{{fill:var(--paper)}}\n", colour::paper);
  for (const auto& [light, there] : dark)
    css += fmt::format("svg [fill=\"{0}\"]{{fill:{1}}} svg [stroke=\"{0}\"]{{stroke:{1}}}\n", light, there);
  return css;
}

// ---- shapes

Drawing::Drawing(double width, double height, std::string_view title, std::string_view description) {
  text_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" "
      "font-family=\"Helvetica, Arial, Liberation Sans, sans-serif\">\n<title>{}</title>\n<desc>{}</desc>\n",
      number(width), number(height), escaped(plain(title)), escaped(plain(description)));
  rectangle({0, 0}, width, height, {.fill = colour::paper});
}

void Drawing::line(Point from, Point to, const Look& look) {
  text_ += fmt::format("<line x1=\"{}\" y1=\"{}\" x2=\"{}\" y2=\"{}\"", number(from.x), number(from.y),
                       number(to.x), number(to.y));
  append_stroke(text_, look);
  text_ += "/>\n";
}

void Drawing::rectangle(Point corner, double width, double height, const Look& look) {
  text_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", number(corner.x),
                       number(corner.y), number(width), number(height));
  append_fill(text_, look);
  append_stroke(text_, look);
  text_ += "/>\n";
}

void Drawing::circle(Point centre, double radius, const Look& look) {
  text_ +=
      fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"", number(centre.x), number(centre.y), number(radius));
  append_fill(text_, look);
  append_stroke(text_, look);
  text_ += "/>\n";
}

void Drawing::polyline(std::span<const Point> points, const Look& look) {
  text_ += fmt::format("<polyline points=\"{}\"", points_text(points));
  append_fill(text_, look);
  append_stroke(text_, look);
  text_ += " stroke-linejoin=\"round\"/>\n";
}

void Drawing::polygon(std::span<const Point> points, const Look& look) {
  text_ += fmt::format("<polygon points=\"{}\"", points_text(points));
  append_fill(text_, look);
  append_stroke(text_, look);
  text_ += " stroke-linejoin=\"round\"/>\n";
}

void Drawing::marker(Point at, Marker kind, double size, const Look& look) {
  const auto around = [&](std::size_t corners, double first_degrees, double radius) {
    std::vector<Point> points;
    for (std::size_t i = 0; i < corners; ++i) {
      const double angle = (first_degrees + 360.0 * static_cast<double>(i) / static_cast<double>(corners)) *
                           std::numbers::pi / 180;
      points.push_back({at.x + radius * std::cos(angle), at.y + radius * std::sin(angle)});
    }
    return points;
  };
  switch (kind) {
    case Marker::circle: circle(at, size, look); break;
    case Marker::square: polygon(around(4, 45, 1.3 * size), look); break;
    case Marker::diamond: polygon(around(4, 0, 1.4 * size), look); break;
    case Marker::triangle: polygon(around(3, -90, 1.4 * size), look); break;
    case Marker::triangle_down: polygon(around(3, 90, 1.4 * size), look); break;
    case Marker::hexagon: polygon(around(6, 0, 1.2 * size), look); break;
  }
}

void Drawing::text(Point at, std::string_view line, const Letters& letters) {
  text_ += fmt::format("<text x=\"{}\" y=\"{}\"{}>{}</text>\n", number(at.x), number(at.y),
                       letters_text(letters), content_of(line, letters.size));
}

void Drawing::text_upwards(Point at, std::string_view line, const Letters& letters) {
  text_ += fmt::format("<text transform=\"translate({} {}) rotate(-90)\"{}>{}</text>\n", number(at.x),
                       number(at.y), letters_text(letters), content_of(line, letters.size));
}

void Drawing::open(Point by, std::string_view data) {
  text_ += "<g";
  if (by.x != 0 || by.y != 0)
    text_ += fmt::format(" transform=\"translate({} {})\"", number(by.x), number(by.y));
  if (!data.empty()) text_ += fmt::format(" data-name=\"{}\"", escaped(data));
  text_ += ">\n";
}

void Drawing::close() { text_ += "</g>\n"; }

std::string Drawing::take() && { return std::move(text_) + "</svg>\n"; }

}  // namespace cambench::svg
