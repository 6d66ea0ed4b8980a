#include "analysis/report_html.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>
#include <utility>

#include "analysis/svg.h"

namespace cambench::study {

using svg::escaped;

namespace {

// RFC 4648.
std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const auto part = bytes.substr(at, 3);
    std::uint32_t three = 0;
    for (std::size_t i = 0; i < 3; ++i)
      three = three << 8 | (i < part.size() ? static_cast<unsigned char>(part[i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) text += i <= part.size() ? digits[three >> (18 - 6 * i) & 63] : '=';
  }
  return text;
}

}  // namespace

std::string lowered(std::string_view label) {
  std::string html = escaped(label);
  for (std::size_t at; (at = html.find("_{")) != std::string::npos;) {
    const std::size_t end = html.find('}', at);
    if (end == std::string::npos) break;
    html.replace(end, 1, "</sub>");
    html.replace(at, 2, "<sub>");
  }
  return html;
}

std::string maybe(const std::optional<double>& value, int decimals, double factor) {
  return value ? fmt::format("{:.{}f}", *value * factor, decimals) : std::string("–");
}

std::string paragraph(std::string_view text) { return fmt::format("<p>{}</p>\n", escaped(text)); }

std::string interval_text(const sims::Interval& interval, int decimals) {
  const auto number = [&](double value) {
    return fmt::format("{}{:.{}f}", value < 0 ? "−" : "", std::abs(value), decimals);
  };
  return fmt::format("<span class=\"sd\">[{}, {}]</span>", number(interval.low), number(interval.high));
}

std::string png_element(std::string_view png, std::string_view alt) {
  return fmt::format("<img alt=\"{}\" src=\"data:image/png;base64,{}\"/>", escaped(alt), base64(png));
}

Table::Table(std::string_view caption) {
  html_ = "<div class=\"wide\"><table>\n";
  if (!caption.empty()) html_ += fmt::format("<caption>{}</caption>\n", escaped(caption));
}

void Table::head(std::initializer_list<std::string_view> cells) {
  begin_head();
  for (const auto cell : cells) head_cell(cell);
  end_head();
}

void Table::begin_head() { html_ += "<thead><tr>"; }

void Table::head_cell(std::string_view html, bool number) {
  html_ += fmt::format("<th scope=\"col\"{}>{}</th>", number ? " class=\"n\"" : "", html);
}

void Table::end_head() { html_ += "</tr></thead>\n<tbody>\n"; }

void Table::row(std::string_view first) {
  html_ += fmt::format("{}<tr><th scope=\"row\">{}</th>", end_row(), first);
}

void Table::cell(std::string_view html) { html_ += fmt::format("<td>{}</td>", html); }

void Table::number(std::string_view html, std::string_view kind) {
  html_ += fmt::format("<td class=\"n{}{}\">{}</td>", kind.empty() ? "" : " ", kind, html);
}

std::string Table::take() { return html_ + end_row() + "</tbody></table></div>\n"; }

std::string Table::end_row() { return std::exchange(in_row_, true) ? "</tr>\n" : ""; }

}  // namespace cambench::study
