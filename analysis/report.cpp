// The report of a study: one page that can be printed, mailed and retraced. Scores first, then pictures, then everything
// they rest on.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "analysis/plots.h"
#include "analysis/report_html.h"
#include "analysis/study.h"
#include "analysis/study_figures.h"
#include "analysis/svg.h"
#include "schema/counted.h"
#include "schema/sha256.h"

namespace cambench::study {

namespace {

using svg::escaped;

constexpr std::string_view styles = R"css(
:root{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--soft:#59636e;--rule:#d1d9e0;--shade:#f6f8fa;--better:#00694d;--worse:#a44600;--mark:#fff4d6}
@media screen and (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#e6edf3;--soft:#9da7b1;--rule:#343b44;--shade:#161b22;--better:#3fcf9f;--worse:#f39a5c;--mark:#3a2f12}
DARK}
*{box-sizing:border-box}
body{margin:0 auto;padding:2rem 1.5rem 4rem;max-width:72rem;background:var(--paper);color:var(--ink);font:16px/1.5 "Segoe UI",Roboto,"Helvetica Neue",Helvetica,Arial,sans-serif}
h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem}
h2{font-size:1.3rem;margin:2.8rem 0 .8rem;padding-top:.6rem;border-top:1px solid var(--rule)}
h3{font-size:1.05rem;margin:1.8rem 0 .5rem}
p{margin:.4rem 0;max-width:52rem}
.soft,figcaption,caption{color:var(--soft)}
a{color:inherit}
.mark{background:var(--mark);border-left:4px solid var(--worse);padding:.6rem .9rem;margin:1rem 0;max-width:none}
.wide{overflow-x:auto}
table{border-collapse:collapse;margin:.6rem 0;font-size:.92rem;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:.2rem 0;font-size:.9rem}
th,td{padding:.38rem .75rem;text-align:left;vertical-align:top;border-bottom:1px solid var(--rule)}
thead th{border-bottom:2px solid var(--ink);vertical-align:bottom}
tbody th{font-weight:600}
td.n,th.n{text-align:right}td.n,.name{white-space:nowrap}th .sd{font-weight:normal}
.better{color:var(--better)}.worse{color:var(--worse)}
.sd{color:var(--soft);font-size:.85em}
figure{margin:1.4rem 0;break-inside:avoid}
figure svg{display:block;width:100%;height:auto;border:1px solid var(--rule);border-radius:6px}
figure.half svg{max-width:47rem}
.pictures{display:flex;flex-wrap:wrap;gap:.8rem;margin:1rem 0}
.pictures figure{margin:0}.pictures img{display:block;max-width:100%;border-radius:4px}
.pictures .large img{width:32rem}.pictures .small img{width:15.6rem;image-rendering:pixelated}
.red,.green,.blue{font-weight:600;padding:0 .3em;border-radius:3px;background:#000}
.red{color:#ff5a4d}.green{color:#3ddc5b}.blue{color:#7a9cff}
figcaption{font-size:.9rem;padding:.4rem .1rem}
details{margin:.25rem 0}
summary{cursor:pointer}
code{font:0.86em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
ul{padding-left:1.2rem;max-width:60rem}
li{margin:.25rem 0}
@media print{body{max-width:none;padding:0;font-size:10.5pt}h2{break-after:avoid}table{break-inside:auto}tr{break-inside:avoid}.wide{overflow:visible}figure svg{border:0}}
)css";

std::string style_sheet() {
  std::string css(styles);
  const std::size_t at = css.find("DARK");
  return css.replace(at, 4, svg::dark_css());
}

// ---- scores

/// A score with its spread, and whether it is better or worse than uncoated, in a sign as well as in colour.
void score_cell(Table& table, const status::Score& score, const std::optional<sims::Interval>& interval,
                bool higher_is_better, bool reference, std::vector<std::string>& reasons) {
  if (!score.value) {
    auto known = std::ranges::find(reasons, score.why_not);
    if (known == reasons.end()) known = reasons.insert(reasons.end(), score.why_not);
    table.number(fmt::format("none <sup>{}</sup>", known - reasons.begin() + 1));
    return;
  }
  const int decimals = plots::score_decimals(score.sd);
  std::string text = fmt::format("{:.{}f}", *score.value, decimals);
  if (score.sd) text += fmt::format(" <span class=\"sd\">± {:.{}f}</span>", *score.sd, decimals);
  if (interval) text += " " + interval_text(*interval, decimals);
  const double difference = *score.value - 1;
  const auto sign = [&](std::string_view kind, std::string_view meaning, std::string_view glyph) {
    table.number(fmt::format("{} <span role=\"img\" aria-label=\"{}\">{}</span>", text, meaning, glyph),
                 kind);
  };
  if (reference || std::abs(difference) < 0.005) return sign({}, "equal", "=");
  if (!interval && !score.sd) return table.number(text);
  const bool unclear =
      interval ? interval->low <= 1 && 1 <= interval->high : std::abs(difference) < *score.sd;
  if (unclear) return sign({}, "no clear difference", "≈");
  if ((difference > 0) == higher_is_better) return sign("better", "better", "▲");
  sign("worse", "worse", "▼");
}

std::string score_table(const StudyResult& result) {
  Table table;
  table.begin_head();
  table.head_cell("Material");
  for (const status::Axis& axis : result.axes) {
    const std::string sign = lowered(symbol(axis.key));
    const bool same = axis.key.starts_with("DS_");
    table.head_cell(fmt::format("{}<br/><span class=\"sd\">{}<br/>{} is better</span>", sign,
                                same ? "degradation score" : escaped(axis.label),
                                axis.higher_is_better ? "higher" : "lower"),
                    true);
  }
  table.end_head();
  std::vector<std::string> reasons;
  for (const status::ScoredMaterial& material : result.materials) {
    table.row(fmt::format("<span class=\"name\">{}</span><br/><span class=\"sd\">{}</span>",
                          escaped(material.name), escaped(coating_of(material))));
    for (std::size_t i = 0; i < result.axes.size(); ++i)
      score_cell(table, material.scores[i], interval_of(result, material.id, result.axes[i].key),
                 result.axes[i].higher_is_better, material.reference, reasons);
  }
  std::string html = table.take();
  for (std::size_t i = 0; i < reasons.size(); ++i)
    html += fmt::format("<p class=\"soft\"><sup>{}</sup> {}</p>\n", i + 1, escaped(reasons[i]));
  html +=
      "<p class=\"soft\">▲ better and ▼ worse than the uncoated, cycled sample, which is 1 everywhere; ≈ "
      "within one "
      "standard deviation of it; without a sign, nothing is known of its scatter. The uncycled sample has "
      "degradation score 0. ± is one standard deviation: "
      "of the spots "
      "for degradation scores, from the replicate cells for the others." +
      (result.bootstrap ? fmt::format(" In brackets: the {:g} % confidence interval of the score.",
                                      100 * result.bootstrap->options.confidence) +
                              " Where there is one, ≈ means that it holds 1."
                        : std::string()) +
      "</p>\n";
  return html;
}

std::string in_brief(const StudyResult& result, std::string_view program) {
  std::size_t spots = 0;
  if (result.input.degradation && !result.input.degradation->sets.empty())
    for (const auto& sample : result.input.degradation->sets.front().samples) spots += sample.spots;
  return fmt::format(
      "<p class=\"soft\">Study {} · {} · {} · {} · "
      "<a href=\"#inputs\">{}</a> · <a href=\"#caveats\">{}</a> · <a href=\"#problems\">{}</a> · "
      "{}</p>\n",
      escaped(result.input.id), counted(result.materials.size(), "material"),
      counted(spots, "measurement spot"), counted(result.cells.cells.size(), "rate-test cell"),
      counted(result.input.inputs.size(), "input"), counted(result.caveats.size(), "caveat"),
      counted(result.input.problems.size(), "problem"), escaped(program));
}

// ---- ranking

std::size_t resamples_of(const StudyResult& result, const sims::BootstrapSet& set) {
  return result.bootstrap->options.resamples - set.without_score;
}

/// So many resamples cannot show a probability closer to 0 or 1 than one of them; nobody asks below a thousandth.
std::string probability_text(std::optional<double> known, std::size_t resamples) {
  if (!known) return "–";
  const double share = *known;
  const std::size_t least_in_10000 = std::max<std::size_t>(10, (9999 + resamples) / resamples);
  const double least = static_cast<double>(least_in_10000) / 10000;
  if (share > 1 - least) return fmt::format("> {:.4g}", 1 - least);
  if (share < least) return fmt::format("< {:.4g}", least);
  return fmt::format("{:.{}f}", share, share > 0.99 || share < 0.01 ? 3 : 2);
}

std::string rank_table(const StudyResult& result, const sims::BootstrapSet& set) {
  const sims::Ranking& ranking = set.ranking;
  const auto uncoated = static_cast<std::size_t>(
      std::ranges::find(ranking.materials, result.options.cells.reference) - ranking.materials.begin());
  const std::string key = "DS_" + set.category;
  const auto probability = [&](std::size_t of, std::size_t over) {
    return escaped(probability_text(ranking.probability(of, over), resamples_of(result, set)));
  };
  Table table;
  table.begin_head();
  table.head_cell("Rank", true);
  table.head_cell("Material");
  table.head_cell("Score", true);
  table.head_cell(fmt::format("{:g} % interval", 100 * result.bootstrap->options.confidence), true);
  table.head_cell("Beats uncoated<br/>with probability", true);
  table.head_cell("Beats the next one");
  table.end_head();
  for (std::size_t i = 0; i < ranking.materials.size(); ++i) {
    const std::string name = escaped(name_of(result, ranking.materials[i]));
    table.row(fmt::format("{}", i + 1));
    table.cell(fmt::format("<span class=\"name\">{}</span>", name));
    table.number(fmt::format("{:.2f}", ranking.scores[i]));
    const auto interval = interval_of(result, ranking.materials[i], key);
    table.number(interval ? interval_text(*interval, 2) : "–");
    table.number(i == uncoated || uncoated >= ranking.materials.size() ? std::string("–")
                                                                       : probability(i, uncoated));
    table.cell(i + 1 < ranking.materials.size() && ranking.probability(i, i + 1)
                   ? fmt::format("{} beats {} with probability {}", name,
                                 escaped(name_of(result, ranking.materials[i + 1])), probability(i, i + 1))
                   : std::string());
  }
  return table.take();
}

std::string pair_table(const StudyResult& result, const sims::BootstrapSet& set) {
  const sims::Ranking& ranking = set.ranking;
  Table table("Probability that the material of the row beats that of the column.");
  table.begin_head();
  table.head_cell("");
  for (const std::string& material : ranking.materials)
    table.head_cell(escaped(name_of(result, material)), true);
  table.end_head();
  for (std::size_t i = 0; i < ranking.materials.size(); ++i) {
    table.row(escaped(name_of(result, ranking.materials[i])));
    for (std::size_t j = 0; j < ranking.materials.size(); ++j)
      table.number(i == j ? std::string("–")
                          : escaped(probability_text(ranking.probability(i, j), resamples_of(result, set))));
  }
  return table.take();
}

std::string ranking_section(const StudyResult& result) {
  if (!result.bootstrap)
    return paragraph("There is no ranking: " + std::string(result.input.degradation
                                                               ? "the spots were not resampled."
                                                               : "no degradation was scored."));
  std::string html = fmt::format(
      "<p>A material beats another when its degradation score is lower. The probability is the share of {} "
      "resamplings of the measured spots in which it is: near 1 the order is settled by these spots, near "
      "0.5 it is "
      "open. Of one spot there is none. It speaks of the samples that were measured; whether another cell of "
      "the same kind would rank "
      "alike, "
      "only more cells can tell.</p>\n",
      result.bootstrap->options.resamples);
  for (const sims::BootstrapSet& set : result.bootstrap->sets) {
    html += fmt::format("<h3>{}</h3>\n", set.category == "general" ? "General degradation"
                                                                   : lowered(symbol("DS_" + set.category)));
    if (set.ranking.materials.empty()) {
      html += paragraph("No ranking: " + set.samples.front().why_not + ".");
      continue;
    }
    if (set.without_score > 0)
      html += paragraph(
          fmt::format("{} resamplings had equal anchors and count for nothing.", set.without_score));
    html += rank_table(result, set);
    html += fmt::format("<details><summary>Every pair</summary>{}</details>\n", pair_table(result, set));
  }
  return html;
}

// ---- figures

std::string figure_element(const Figure& figure) {
  const bool narrow = figure.file == "pca_variance.svg" || figure.file == "pca_loadings.svg";
  return fmt::format(
      "<figure{}>\n{}<figcaption>{} <span class=\"soft\">({})</span></figcaption>\n</figure>\n",
      narrow ? " class=\"half\"" : "", figure.svg, escaped(figure.caption), escaped(figure.file));
}

std::string figure_section(const StudyResult& result) {
  std::string html, boxes;
  for (const Figure& figure : figures(result)) html += figure_element(figure);
  for (const Figure& figure : box_figures(result)) boxes += figure_element(figure);
  if (!boxes.empty())
    html += fmt::format("<details><summary>Box plots of every fragment</summary>{}</details>\n", boxes);
  return html;
}

// ---- rate tests

std::string choices_table(const StudyResult& result) {
  Table table("QS_0 and QS_ret by every choice of cycle. The chosen one is in the table of scores.");
  table.begin_head();
  table.head_cell("Material");
  for (const std::string symbol_text : {"QS_{0}", "QS_{ret}"})
    for (const rate::CycleChoice choice : rate::cycle_choices)
      table.head_cell(
          fmt::format("{}<br/><span class=\"sd\">{}</span>", lowered(symbol_text), to_string(choice)), true);
  table.end_head();
  for (std::size_t i = 0; i < result.materials.size(); ++i) {
    table.row(escaped(result.materials[i].name));
    for (const auto& value : result.cells.materials[i].initial_by_choice) table.number(maybe(value, 3));
    for (const auto& value : result.cells.materials[i].retention_by_choice) table.number(maybe(value, 3));
  }
  return table.take();
}

std::string cells_table(const StudyResult& result) {
  Table table("What was built and run.");
  table.head({"Cell", "Material", "Run", "CAM / mg", "1 C / mA", "Electrodes",
              "E(RE) vs Li<sup>+</sup>/Li / V", "Protocol", "Remarks"});
  for (const rate::CellValues& cell : result.cells.cells) {
    const rate::CellTest& test = cell.test;
    table.row(escaped(test.cell));
    table.cell(escaped(test.material));
    table.cell(escaped(test.run));
    table.number(fmt::format("{:.3f}", test.cam_g * 1e3));
    table.number(fmt::format("{:.4f}", test.one_C_A * 1e3));
    table.number(fmt::format("{}", test.electrodes));
    table.number(maybe(test.reference_vs_li_V, 3));
    table.cell(fmt::format("<code title=\"{0}\">{1}</code>", escaped(test.protocol_hash),
                           escaped(std::string_view(test.protocol_hash).substr(0, 12))));
    std::string remarks = test.simulated ? "simulated" : "";
    for (const Setting& fact : test.facts)
      remarks += fmt::format("{}{}: {}", remarks.empty() ? "" : "; ", fact.name, fact.value);
    if (!cell.undefined.empty())
      remarks += fmt::format("{}not scored: {}", remarks.empty() ? "" : "; ", cell.undefined);
    table.cell(escaped(remarks));
  }
  return table.take();
}

std::string cycles_table(const rate::CellValues& cell) {
  Table table;
  table.begin_head();
  table.head_cell("Cycle");
  for (const std::string_view name :
       {"Rate", "Charge<br/>mAh/g", "Discharge<br/>mAh/g", "Discharge / charge<br/>%",
        "Counter<br/>deviation / %", "Mean E charge<br/>V", "Mean E discharge<br/>V", "Overpotential<br/>mV",
        "iR after charge<br/>Ω cm²", "Retention<br/>%"})
    table.head_cell(name, true);
  table.end_head();
  for (const rate::RatePoint& rate : cell.rates)
    for (const rate::CycleValues& cycle : rate.cycles) {
      table.row(fmt::format("{}", cycle.cycle));
      table.number(fmt::format("{} C", rate.rate_C));
      table.number(maybe(cycle.charge_mAh_g, 2));
      table.number(maybe(cycle.discharge_mAh_g, 2));
      table.number(maybe(cycle.efficiency, 2, 100));
      table.number(maybe(cycle.counter_deviation, 3, 100));
      table.number(maybe(cycle.mean_charge_V, 4));
      table.number(maybe(cycle.mean_discharge_V, 4));
      table.number(maybe(cycle.overpotential_V, 1, 1e3));
      table.number(maybe(cycle.resistance_ohm_cm2, 1));
      table.number(&cycle == &rate.cycles.front() ? maybe(rate.retention, 2, 100) : std::string());
    }
  return table.take();
}

std::string rate_section(const StudyResult& result) {
  if (result.cells.cells.empty()) return paragraph("No rate test entered this study.");
  std::string html = choices_table(result) + cells_table(result);
  html +=
      "<p class=\"soft\">The first cycle at a new rate has a low efficiency by construction: its charge "
      "starts where "
      "the slower cycle left off. It is not degradation.</p>\n";
  for (const rate::CellValues& cell : result.cells.cells)
    html += fmt::format("<details open=\"open\"><summary>Cycles of cell {} ({})</summary>\n{}</details>\n",
                        escaped(cell.test.cell), escaped(cell.test.material), cycles_table(cell));
  return html;
}

// ---- degradation

std::string degradation_section(const StudyResult& result) {
  if (!result.input.degradation)
    return paragraph(result.input.no_degradation.empty() ? "No ToF-SIMS data entered this study."
                                                         : result.input.no_degradation);
  const sims::DegradationResult& degradation = *result.input.degradation;
  Table anchors(
      "Eq. 1 before scaling. A score is undefined where the anchors are closer than their spots scatter.");
  anchors.head({"Score", "Fragments", "Uncycled", "Uncoated, cycled", "Pooled SD of their spots",
                "Fragments that entered"});
  for (const sims::ScoreSet& set : degradation.sets) {
    anchors.row(lowered(symbol("DS_" + set.category)));
    anchors.number(fmt::format("{}", set.fragments.size()));
    anchors.number(fmt::format("{:.5g}", set.raw_uncycled));
    anchors.number(fmt::format("{:.5g}", set.raw_uncoated));
    anchors.number(fmt::format("{:.3g}", set.anchor_spot_sd));
    std::string list;
    for (const std::string& fragment : set.fragments) list += (list.empty() ? "" : ", ") + fragment;
    anchors.cell(set.category == "general"
                     ? fmt::format("<details><summary>all</summary>{}</details>", escaped(list))
                     : escaped(list));
  }
  return anchors.take();
}

// ---- what it rests on

std::string settings_table(const StudyResult& result) {
  Table table;
  table.head({"Setting", "Used", "Why"});
  for (const Setting& setting : result.settings) {
    table.row(escaped(setting.name));
    table.cell(escaped(setting.value));
    table.cell(escaped(setting.why));
  }
  return table.take();
}

std::string readings_table() {
  Table table;
  table.head({"About", "The paper says", "Read here as"});
  for (const Reading& reading : readings_of_the_paper()) {
    table.row(escaped(reading.about));
    table.cell(escaped(reading.paper));
    table.cell(escaped(reading.reading));
  }
  return table.take();
}

std::string list_of(const std::vector<std::string>& texts, std::string_view none) {
  if (texts.empty()) return paragraph(none);
  std::string html = "<ul>\n";
  for (const std::string& text : texts) html += fmt::format("<li>{}</li>\n", escaped(text));
  return html + "</ul>\n";
}

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} bytes", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

/// Thousands of files fold into one line a sample or run, with a digest of their own.
std::string input_list(const StudyInput& input) {
  std::vector<std::string> order;
  std::map<std::string, std::vector<const InputUsed*>> by_what;
  for (const InputUsed& used : input.inputs) {
    auto& group = by_what[used.what];
    if (group.empty()) order.push_back(used.what);
    group.push_back(&used);
  }
  std::string html;
  for (const std::string& what : order) {
    std::string sums, lines;
    std::uint64_t bytes = 0;
    for (const InputUsed* used : by_what[what]) {
      sums += fmt::format("{}  {}\n", used->sha256, used->name);
      lines += fmt::format("<br/><code>{}</code> {} <span class=\"soft\">{}</span>", escaped(used->sha256),
                           escaped(used->name), bytes_text(used->bytes));
      bytes += used->bytes;
    }
    const std::size_t n = by_what[what].size();
    html += fmt::format("<details><summary>{}: {} {}, {}, <code>{}</code></summary><p>{}</p></details>\n",
                        escaped(what), n, n == 1 ? "input" : "inputs", bytes_text(bytes),
                        n == 1 ? escaped(by_what[what].front()->sha256) : sha256_hex(sums), lines.substr(5));
  }
  return html;
}

std::string section(std::string_view id, std::string_view title, std::string_view html) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", id, escaped(title), html);
}

}  // namespace

std::string report_html(const StudyResult& result, std::string_view program) {
  std::string html = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{}</title>\n"
      "<meta name=\"generator\" content=\"{}\"/>\n<style>{}</style>\n</head>\n<body>\n",
      escaped(result.input.title), escaped(program), style_sheet());
  html += fmt::format("<header>\n<h1>{}</h1>\n", escaped(result.input.title));
  html += in_brief(result, program);
  if (std::ranges::any_of(result.cells.cells, [](const auto& cell) { return cell.test.simulated; }))
    html +=
        "<p class=\"mark\"><strong>Simulated.</strong> Rate tests in this study come from instruments made "
        "of code, "
        "tuned to the paper's prose. They say nothing about real coatings.</p>\n";
  html += "</header>\n";
  html += section("scores", "Scores", score_table(result));
  html += section("ranking", "Ranking by degradation", ranking_section(result));
  html += section("figures", "Figures", figure_section(result));
  if (!result.input.parts.empty())
    html += section("parts", "Inner against outer part", parts_section(result));
  html += section("rates", "Rate tests", rate_section(result));
  html += section("degradation", "Degradation", degradation_section(result));
  html += section("caveats", "Caveats", list_of(result.caveats, "None."));
  html += section("problems", "Files not used, or with a reservation",
                  list_of(result.input.problems, "Every file found was used."));
  html += section("settings", "Settings", settings_table(result));
  html += section("readings", "Where the paper contradicts itself or is silent",
                  "<p>Hertle et al., Benchmarking of Coatings for Cathode Active Materials in Solid-State "
                  "Batteries Using "
                  "Surface Analysis and Reference Electrodes.</p>\n" +
                      readings_table());
  html += section(
      "inputs", "Inputs",
      fmt::format(
          "<p>SHA-256 of every file and run. Where one line stands for several, its digest is that of "
          "the list below it in the format of <code>sha256sum</code>.</p>\n{}"
          "<p>All inputs and settings together: <code>{}</code></p>\n<p class=\"soft\">{}</p>\n",
          input_list(result.input), escaped(result.inputs_hash), escaped(program)));
  return html + "</body>\n</html>\n";
}

}  // namespace cambench::study
