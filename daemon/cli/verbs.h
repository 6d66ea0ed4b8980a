// What the verb groups share: each registers its subcommands and leaves the action to be run in Session::action.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/cli.h"
#include "schema/result.h"

namespace CLI {
class App;
}

namespace cambench::cli {

/// Ends a verb: the sentence goes to stderr, the code to the shell.
struct Problem : std::runtime_error {
  Problem(Exit exit, const std::string& sentence) : std::runtime_error(sentence), code(exit) {}
  Exit code;
};

struct Session {
  World& world;
  std::ostream& out;
  bool json = false;
  std::function<void()> action;  ///< what the parsed command line asks for
};

void add_recipe_verbs(CLI::App& app, Session& session);
void add_config_verbs(CLI::App& app, Session& session);
void add_status_verbs(CLI::App& app, Session& session);
void add_control_verbs(CLI::App& app, Session& session);
void add_press_verbs(CLI::App& app, Session& session);
void add_export_verbs(CLI::App& app, Session& session);
void add_token_verbs(CLI::App& app, Session& session);
void add_import_verb(CLI::App& app, Session& session);
void add_entry_verbs(CLI::App& app, Session& session);
void add_manual_verbs(CLI::App& app, Session& session);
void add_scores_verb(CLI::App& app, Session& session);
void add_score_verbs(CLI::App& app, Session& session);
void add_capacity_verbs(CLI::App& app, Session& session);
void add_ion_verbs(CLI::App& app, Session& session);
void add_store_verbs(CLI::App& app, Session& session);
void add_doctor_verb(CLI::App& app, Session& session);

/// The whole file; a Problem when it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// A table of text: columns as wide as their widest cell, numbers to the right.
class TextTable {
 public:
  enum class Align { left, right };
  explicit TextTable(std::vector<std::pair<std::string, Align>> columns) : columns_(std::move(columns)) {}
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  void print(std::ostream& out, std::string_view indent = "") const;

 private:
  std::vector<std::pair<std::string, Align>> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// "2 h", "12 h 30 min", "45 min", "3 d 18 h", "20 s"
std::string duration_words(double seconds);

}  // namespace cambench::cli
