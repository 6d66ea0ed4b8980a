// What the sections of a study's report are written with. Not for other rooms.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "analysis/bootstrap.h"
#include "analysis/study.h"

namespace cambench::study {

/// "QS_{0}" with a lowered 0.
[[nodiscard]] std::string lowered(std::string_view label);
[[nodiscard]] std::string paragraph(std::string_view text);
/// A number, or a dash.
[[nodiscard]] std::string maybe(const std::optional<double>& value, int decimals, double factor = 1);
/// "[0.81, 1.02]", small.
[[nodiscard]] std::string interval_text(const sims::Interval& interval, int decimals);
/// A picture that is part of the page.
[[nodiscard]] std::string png_element(std::string_view png, std::string_view alt);

/// A table being written row by row.
class Table {
 public:
  explicit Table(std::string_view caption = {});
  void head(std::initializer_list<std::string_view> cells);
  void begin_head();
  void head_cell(std::string_view html, bool number = false);
  void end_head();
  void row(std::string_view first);
  void cell(std::string_view html);
  void number(std::string_view html, std::string_view kind = {});
  [[nodiscard]] std::string take();

 private:
  std::string end_row();
  std::string html_;
  bool in_row_ = false;
};

/// Inner against outer part of the regions where that was asked for.
[[nodiscard]] std::string parts_section(const StudyResult& result);

}  // namespace cambench::study
