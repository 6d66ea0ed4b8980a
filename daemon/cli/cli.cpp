#include "daemon/cli/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <optional>

#include "daemon/cli/verbs.h"

namespace cambench::cli {
namespace {

constexpr const char* about =
    "cambench: cycles solid-state cells under pressure, and scores their cathode coatings.\n"
    "Verbs on files need no daemon; the others speak to cambenchd through its control socket.";

constexpr const char* exits =
    "Exit codes: 0 done, 1 refused input or order, 2 usage, 3 no daemon answers,\n"
    "            4 (watch) a run did not finish by itself.";

/// The first word that should lead to a verb and does not; CLI11 would only say that a verb is missing.
std::optional<std::string> no_verb(const CLI::App& app, const std::vector<std::string>& arguments) {
  const CLI::App* at = &app;
  for (const auto& word : arguments) {
    if (at->get_require_subcommand_min() == 0) break;
    if (word.starts_with('-')) continue;
    const auto verbs = at->get_subcommands([&](const CLI::App* verb) { return verb->check_name(word); });
    if (verbs.empty()) return word;
    at = verbs.front();
  }
  return std::nullopt;
}

/// Whether the answer reached its file, which only a flush can tell.
Exit written(World& world) {
  if (world.out.flush()) return done;
  world.err << "done, but what it says could not be written: is the disk full?\n";
  return refused;
}

}  // namespace

int run(std::vector<std::string> arguments, World& world) {
  CLI::App app{about, "cambench"};
  Session session{.world = world, .out = world.out};
  app.require_subcommand(1);
  app.footer(exits);
  app.set_version_flag("--version", "cambench " CAMBENCH_VERSION);
  app.add_flag("--json", session.json, "print JSON instead of text");
  app.fallthrough();  // --json may stand anywhere
  add_recipe_verbs(app, session);
  add_config_verbs(app, session);
  add_status_verbs(app, session);
  add_control_verbs(app, session);
  add_press_verbs(app, session);
  add_export_verbs(app, session);
  add_token_verbs(app, session);
  add_import_verb(app, session);
  add_entry_verbs(app, session);
  add_scores_verb(app, session);
  add_score_verbs(app, session);
  add_capacity_verbs(app, session);
  add_ion_verbs(app, session);
  add_manual_verbs(app, session);
  add_store_verbs(app, session);
  add_doctor_verb(app, session);
  if (const auto word = no_verb(app, arguments)) {
    world.err << fmt::format("there is no verb \"{}\"; cambench --help lists them\n", *word);
    return usage;
  }
  try {
    std::ranges::reverse(arguments);  // CLI11 takes them from the back
    app.parse(std::move(arguments));
    session.action();
    return written(world);
  } catch (const CLI::ParseError& error) {
    const bool asked = error.get_exit_code() == 0;  // --help, --version
    app.exit(error, world.out, world.err);
    return asked ? written(world) : usage;
  } catch (const Problem& problem) {
    world.err << problem.what() << '\n';
    return problem.code;
  } catch (const std::exception& error) {
    world.err << "cambench: " << error.what() << '\n';
    return refused;
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::error_code ignored;
  std::ifstream in(path, std::ios::binary);
  if (!in || std::filesystem::is_directory(path, ignored))
    throw Problem(refused, fmt::format("{}: cannot be read: expected a file", path.string()));
  return {std::istreambuf_iterator<char>(in), {}};
}

void TextTable::print(std::ostream& out, std::string_view indent) const {
  // Width in characters, not bytes: a continuation byte of UTF-8 has no width.
  const auto width = [](std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
  };
  std::vector<std::size_t> widths;
  for (const auto& [title, align] : columns_) widths.push_back(width(title));
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));

  const auto line = [&](const auto& cell) {
    std::string text{indent};
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const std::string padding(widths[i] - width(cell(i)), ' ');
      if (i > 0) text += "  ";
      text += columns_[i].second == Align::right ? padding + std::string(cell(i))
                                                 : std::string(cell(i)) + padding;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out << text << '\n';
  };
  line([&](std::size_t i) -> std::string_view { return columns_[i].first; });
  for (const auto& row : rows_)
    line([&](std::size_t i) -> std::string_view { return i < row.size() ? std::string_view(row[i]) : ""; });
}

std::string duration_words(double seconds) {
  if (seconds < 60) return fmt::format("{:g} s", std::round(seconds * 10) / 10);
  const auto minutes = static_cast<long>(std::round(seconds / 60));
  const auto two = [](long large, const char* large_unit, long small, const char* small_unit) {
    return small == 0 ? fmt::format("{} {}", large, large_unit)
                      : fmt::format("{} {} {} {}", large, large_unit, small, small_unit);
  };
  if (minutes < 60) return fmt::format("{} min", minutes);
  if (minutes < 48 * 60) return two(minutes / 60, "h", minutes % 60, "min");
  const long hours = (minutes + 30) / 60;
  return two(hours / 24, "d", hours % 24, "h");
}

}  // namespace cambench::cli
