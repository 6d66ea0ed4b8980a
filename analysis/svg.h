// Drawings as SVG text: the few shapes that charts need. The same calls give the same bytes on every machine: numbers
// have at most two decimals and no locale, and there are no dates and no ids. Text stays text. Colours stand in the
// shapes themselves, because slide programs do not read style sheets; a page recolours them for the dark (dark_css).
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace cambench::svg {

/// The colours a drawing may use. Series colours are those of Okabe and Ito, told apart by every kind of sight.
namespace colour {
inline constexpr std::string_view paper = "#ffffff", ink = "#1f2328", soft = "#59636e", rule = "#d1d9e0",
                                  axis = "#8c959f";
inline constexpr std::string_view series[] = {"#4d4d4d", "#0072b2", "#d55e00", "#009e73",
                                              "#cc79a7", "#e69f00", "#56b4e9"};
}  // namespace colour

/// CSS rules for a page that shows drawings on a dark background, which is its variable --paper.
[[nodiscard]] std::string dark_css();

struct Point {
  double x = 0, y = 0;
};

/// How a shape looks. An empty colour draws nothing.
struct Look {
  std::string_view fill = {}, stroke = {};
  double width = 1;            ///< of the stroke
  std::string_view dash = {};  ///< "5 3"
  double opacity = 1;          ///< of the filling
};

enum class Anchor { start, middle, end };
struct Letters {
  double size = 12;
  Anchor anchor = Anchor::start;
  std::string_view colour = colour::ink;
  bool bold = false;
};

/// Shapes that tell series apart without colour.
enum class Marker { circle, square, diamond, triangle, triangle_down, hexagon };
inline constexpr std::size_t marker_kinds = 6;

class Drawing {
 public:
  /// `title` and `description` are what a screen reader says.
  Drawing(double width, double height, std::string_view title, std::string_view description);

  void line(Point from, Point to, const Look& look);
  void rectangle(Point corner, double width, double height, const Look& look);
  void circle(Point centre, double radius, const Look& look);
  void polyline(std::span<const Point> points, const Look& look);
  void polygon(std::span<const Point> points, const Look& look);
  void marker(Point at, Marker kind, double size, const Look& look);
  /// One line. `_{x}` lowers x: "QS_{ret}".
  void text(Point at, std::string_view line, const Letters& letters = {});
  void text_upwards(Point at, std::string_view line, const Letters& letters = {});  ///< turned by 90 degrees

  /// Everything until close() is moved by `by`; `data` becomes data-name: what the group shows, for scripts.
  void open(Point by, std::string_view data = {});
  void close();

  [[nodiscard]] std::string take() &&;

 private:
  std::string text_;
};

/// For element content and attributes. Characters that XML cannot hold become U+FFFD.
[[nodiscard]] std::string escaped(std::string_view text);
/// At most `decimals` decimals, none that are zero, never "-0".
[[nodiscard]] std::string number(double value, int decimals = 2);
/// Without lowered letters: "QS_{ret}" becomes "QS_ret".
[[nodiscard]] std::string plain(std::string_view line);
/// How wide a line is about to be, in the same units as its size: to keep labels from colliding.
[[nodiscard]] double text_width(std::string_view line, double size);

}  // namespace cambench::svg
