#include "analysis/formats/interval_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "analysis/bad_input.h"
#include "analysis/formats/text.h"
#include "analysis/fragments.h"

namespace cambench::sims {
namespace {

struct Columns {
  std::size_t lower = 0, upper = 0, assignment = 0;
  std::optional<std::size_t> centre, description;
};

std::optional<Columns> columns_of(std::string_view title) {
  const auto titles = text::split(title, '\t');
  const auto position = [&](std::string_view wanted) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < titles.size(); ++i)
      if (text::trimmed(titles[i]) == wanted) return i;
    return std::nullopt;
  };
  const auto lower = position("Lower Mass (u)"), upper = position("Upper Mass (u)"),
             assignment = position("Assignment");
  if (!lower || !upper || !assignment) return std::nullopt;
  return Columns{*lower, *upper, *assignment, position("Center Mass (u)"), position("Description")};
}

// Assigned peaks carry their formula; the others are told apart by their mass.
std::string label_of(std::string_view assignment, std::string_view centre, double lower, double upper) {
  if (!assignment.empty() && assignment != "(null)") return std::string(assignment);
  return fmt::format("m/z {:.4f}", text::number(centre).value_or((lower + upper) / 2));
}

}  // namespace

std::vector<MassInterval> parse_interval_list(std::string_view text, std::string_view name) {
  text::refuse_unwritten(text, name);
  text::Lines lines(text);
  const auto title = lines.next();
  const auto columns = title ? columns_of(*title) : std::nullopt;
  if (!columns)
    throw BadInput(name, 1, "no title line with Lower Mass (u), Upper Mass (u) and Assignment",
                   "export the peak list as ASCII from SurfaceLab");

  std::vector<MassInterval> intervals;
  std::map<std::string, std::size_t> line_of;
  while (const auto line = lines.next()) {
    if (text::trimmed(*line).empty()) continue;
    const auto fields = text::split(*line, '\t');
    const auto field = [&](std::optional<std::size_t> i) {
      return i && *i < fields.size() ? text::trimmed(fields[*i]) : std::string_view();
    };
    if (field(columns->description) == "total" || field(columns->assignment) == "total") continue;
    const auto lower = text::number(field(columns->lower)), upper = text::number(field(columns->upper));
    if (!lower || !upper || !std::isfinite(*lower) || !std::isfinite(*upper) || *lower < 0 ||
        *lower >= *upper)
      throw BadInput(name, lines.number(),
                     fmt::format("{} to {} is no mass interval", text::quoted(field(columns->lower)),
                                 text::quoted(field(columns->upper))),
                     "the lower mass must be a number below the upper mass");
    MassInterval interval{label_of(field(columns->assignment), field(columns->centre), *lower, *upper),
                          *lower, *upper};
    if (!std::ranges::all_of(interval.label, [](char c) { return c >= ' ' && c <= '~'; }))
      throw BadInput(name, lines.number(), fmt::format("{} is no assignment", text::quoted(interval.label)),
                     "assign a formula such as PO_3-, or nothing");
    const auto [earlier, fresh] = line_of.emplace(fragment_key(interval.label), lines.number());
    if (!fresh)
      throw BadInput(name, lines.number(),
                     fmt::format("{} is in line {} already", text::quoted(interval.label), earlier->second),
                     "keep one interval for each ion");
    intervals.push_back(std::move(interval));
  }
  if (intervals.empty()) throw BadInput(name, 0, "holds no interval", "export the peak list again");
  return intervals;
}

bool looks_like_interval_list(std::string_view start) {
  const auto title = text::Lines(start).next();
  return title && columns_of(*title).has_value();
}

std::vector<MassInterval> nominal_intervals(int first, int last) {
  std::vector<MassInterval> intervals;
  for (int mass = first; mass <= last; ++mass)
    intervals.push_back({fmt::format("m/z {}", mass), mass - 0.5, mass + 0.5});
  return intervals;
}

}  // namespace cambench::sims
