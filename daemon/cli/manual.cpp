// cambench completion | manual: what shells and man(1) know of the command line, written from the definitions of the verbs
// themselves, so that it cannot say anything else than they do.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <functional>
#include <memory>

#include "daemon/cli/verbs.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

/// A verb, or a group of them, with the words that lead there: "" is cambench itself, " recipe check" a verb.
struct Place {
  std::string words;
  const CLI::App* app;
};

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
  auto verbs = app.get_subcommands([](const CLI::App*) { return true; });
  std::erase_if(verbs, [](const CLI::App* verb) { return verb->get_name().empty(); });
  return verbs;
}

/// Those of its option groups too: CLI11 keeps them as nameless verbs.
std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  auto options = app.get_options();
  for (const CLI::App* group :
       app.get_subcommands([](const CLI::App* verb) { return verb->get_name().empty(); }))
    for (const CLI::Option* option : group->get_options()) options.push_back(option);
  return options;
}

void add_places(std::vector<Place>& places, const std::string& words, const CLI::App& app) {
  places.push_back({words, &app});
  for (const CLI::App* verb : verbs_of(app)) add_places(places, words + ' ' + verb->get_name(), *verb);
}

std::vector<Place> places_of(const CLI::App& app) {
  std::vector<Place> places;
  add_places(places, "", app);
  return places;
}

struct Flag {
  std::string name;  ///< "--cell", "-h"
  const CLI::Option* option;
};

std::vector<Flag> flags_of(const CLI::App& app) {
  std::vector<Flag> flags;
  for (const CLI::Option* option : options_of(app)) {
    for (const auto& name : option->get_lnames()) flags.push_back({"--" + name, option});
    for (const auto& name : option->get_snames()) flags.push_back({"-" + name, option});
  }
  return flags;
}

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// --- shells -------------------------------------------------------------------------------------------------

std::string quoted(std::string text, char quote) {
  std::string safe;
  for (const char c : text) {
    if (c == quote) safe += quote == '\'' ? "'\\'" : "\\";
    safe += c;
  }
  return safe;
}

/// The places as patterns of a shell's case: which words so far lead on.
std::string leads_on(const std::vector<Place>& places) {
  std::vector<std::string> patterns;
  for (const Place& place : places)
    if (!place.words.empty()) patterns.push_back('"' + place.words + '"');
  return fmt::format("{}", fmt::join(patterns, "|"));
}

std::string bash(const CLI::App& app) {
  const auto places = places_of(app);
  std::string text =
      "# bash completion of cambench; written by `cambench completion bash`.\n_cambench() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} at= i words=\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n    case \"$at ${COMP_WORDS[i]}\" in\n";
  text += fmt::format("      {}) at=\"$at ${{COMP_WORDS[i]}}\" ;;\n    esac\n  done\n  case \"$at\" in\n",
                      leads_on(places));
  for (const Place& place : places) {
    std::vector<std::string> words;
    for (const CLI::App* verb : verbs_of(*place.app)) words.push_back(verb->get_name());
    for (const Flag& flag : flags_of(*place.app)) words.push_back(flag.name);
    text += fmt::format("    \"{}\") words='{}' ;;\n", place.words, fmt::join(words, " "));
  }
  return text +
         "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\n"
         "complete -o default -F _cambench cambench\n";  // files where no word fits
}

std::string zsh(const CLI::App& app) {
  const auto places = places_of(app);
  const auto described = [](const std::string& name, const std::string& about) {
    std::string safe = name + ':';
    for (const char c : quoted(first_line(about), '\''))
      safe += c == ':' ? std::string("\\:") : std::string(1, c);
    return '\'' + safe + '\'';
  };
  std::string text =
      "#compdef cambench\n# zsh completion of cambench; written by `cambench completion zsh`.\n_cambench() "
      "{\n"
      "  local at= word\n  local -a found\n  for word in ${words[2,CURRENT-1]}; do\n    case \"$at $word\" "
      "in\n";
  text +=
      fmt::format("      {}) at=\"$at $word\" ;;\n    esac\n  done\n  case \"$at\" in\n", leads_on(places));
  for (const Place& place : places) {
    std::vector<std::string> found;
    for (const CLI::App* verb : verbs_of(*place.app))
      found.push_back(described(verb->get_name(), verb->get_description()));
    for (const Flag& flag : flags_of(*place.app))
      found.push_back(described(flag.name, flag.option->get_description()));
    text += fmt::format("    \"{}\") found=({}) ;;\n", place.words, fmt::join(found, " "));
  }
  return text + "  esac\n  _describe cambench found\n  _files\n}\n_cambench \"$@\"\n";
}

std::string fish(const CLI::App& app) {
  const auto places = places_of(app);
  std::string text =
      "# fish completion of cambench; written by `cambench completion fish`.\nfunction __cambench_at\n"
      "  set -l at ''\n  for word in (commandline -opc)[2..]\n    switch \"$at $word\"\n      case ";
  std::vector<std::string> patterns;
  for (const Place& place : places)
    if (!place.words.empty()) patterns.push_back('\'' + place.words + '\'');
  text +=
      fmt::format("{}\n        set at \"$at $word\"\n    end\n  end\n  test \"$at\" = \"$argv[1]\"\nend\n",
                  fmt::join(patterns, " "));
  for (const Place& place : places) {
    const std::string here = fmt::format("complete -c cambench -n \"__cambench_at '{}'\"", place.words);
    for (const CLI::App* verb : verbs_of(*place.app))
      text += fmt::format("{} -f -a {} -d '{}'\n", here, verb->get_name(),
                          quoted(first_line(verb->get_description()), '\''));
    for (const Flag& flag : flags_of(*place.app))
      text += fmt::format("{} {} {}{} -d '{}'\n", here, flag.name.starts_with("--") ? "-l" : "-s",
                          flag.name.substr(flag.name.starts_with("--") ? 2 : 1),
                          takes_value(*flag.option) ? " -r" : "",
                          quoted(first_line(flag.option->get_description()), '\''));
  }
  return text;
}

// --- man(1) -------------------------------------------------------------------------------------------------

/// As roff reads it: a hyphen that stays one, no letter that is a request.
std::string roff(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (safe.empty() || safe.back() == '\n')) safe += "\\&";
    if (c == '\\')
      safe += "\\e";
    else if (c == '-')
      safe += "\\-";
    else
      safe += c;
  }
  return safe;
}

std::string names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) names.push_back("\\fB\\-" + roff(name) + "\\fR");
  for (const auto& name : option.get_lnames()) names.push_back("\\fB\\-\\-" + roff(name) + "\\fR");
  std::string text = fmt::format("{}", fmt::join(names, ", "));
  if (takes_value(option)) text += " \\fI" + roff(option.get_type_name()) + "\\fR";
  return text;
}

std::string options_in_roff(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : options_of(app)) {
    const bool positional = option->get_lnames().empty() && option->get_snames().empty();
    if (!positional && option->get_lnames() == std::vector<std::string>{"help"}) continue;
    text += fmt::format(".TP\n{}\n{}{}\n",
                        positional ? "\\fI" + roff(option->get_name()) + "\\fR" : names_of(*option),
                        roff(option->get_description()), option->get_required() ? " (needed)" : "");
    if (!option->get_default_str().empty()) text += roff("Default: " + option->get_default_str()) + ".\n";
  }
  return text;
}

std::string usage_of(const Place& place) {
  std::string usage = "\\fBcambench" + roff(place.words) + "\\fR [\\fIoptions\\fR]";
  for (const CLI::Option* option : options_of(*place.app))
    if (option->get_lnames().empty() && option->get_snames().empty()) {
      const std::string name = "\\fI" + roff(option->get_name()) + "\\fR";
      usage += option->get_required() ? ' ' + name : " [" + name + ']';
    }
  return usage;
}

std::string manual_page(const CLI::App& app) {
  std::string text =
      ".TH CAMBENCH 1 \"\" \"cambench " CAMBENCH_VERSION "\" \"User Commands\"\n.SH NAME\ncambench \\- " +
      roff("cycles solid-state cells under pressure, and scores their cathode coatings") +
      "\n.SH SYNOPSIS\n\\fBcambench\\fR [\\fB\\-\\-json\\fR] \\fIverb\\fR [\\fIoptions\\fR]\n"
      ".SH DESCRIPTION\n" +
      roff(
          "Verbs on files need no daemon; the others speak to cambenchd through its control socket. "
          "runs, export and import use the store's file. A bar shows how far a long verb is on a screen, and "
          "nothing is drawn in a pipe.\n");
  text += ".SH OPTIONS\n" + options_in_roff(app) + ".SH VERBS\n";
  for (const Place& place : places_of(app)) {
    if (!verbs_of(*place.app).empty()) continue;
    text += fmt::format(".SS {}\n{}\n.PP\n{}.\n", roff("cambench" + place.words), usage_of(place),
                        roff(place.app->get_description()));
    text += options_in_roff(*place.app);
    if (const auto footer = place.app->get_footer(); !footer.empty() && place.words == " export")
      text += ".PP\n.nf\n" + roff(footer) + ".fi\n";
  }
  return text +
         ".SH EXIT STATUS\n.TP\n0\ndone\n.TP\n1\nthe input or the order was refused, or the output "
         "could not be written: one sentence on standard error\n"
         ".TP\n2\nthe command line itself\n.TP\n3\nno daemon answers\n.TP\n4\nwatch: a run did not finish by "
         "itself\n"
         ".SH ENVIRONMENT\n.TP\n\\fBCAMBENCH_SOCKET\\fR\nthe daemon's control socket\n"
         ".TP\n\\fBCAMBENCH_STORE\\fR\nthe store's file\n"
         ".SH FILES\n.TP\n/etc/cambench/cambench.toml\nthe configuration of the bench\n"
         ".TP\n/run/cambench/control.sock\nwhere orders go: who may open this file may give them\n"
         ".TP\n/var/lib/cambench/cambench.sqlite\nthe store\n.SH SEE ALSO\n\\fBcambenchd\\fR(8)\n";
}

// --- for programs -------------------------------------------------------------------------------------------

std::string manual_json(const CLI::App& app) {
  JsonWriter json;
  json.object().field("program", "cambench").field("version", CAMBENCH_VERSION).key("verbs").array();
  for (const Place& place : places_of(app)) {
    if (!verbs_of(*place.app).empty()) continue;
    json.object().field("verb", place.words.substr(1)).field("about", place.app->get_description());
    json.key("options").array();
    for (const CLI::Option* option : options_of(*place.app))
      json.object()
          .field("name", option->get_name())
          .field("about", option->get_description())
          .field("takes_value", takes_value(*option))
          .field("needed", option->get_required())
          .end_object();
    json.end_array().end_object();
  }
  return json.end_array().end_object().take();
}

}  // namespace

void add_manual_verbs(CLI::App& app, Session& session) {
  const auto shell = std::make_shared<std::string>();
  auto* completion = app.add_subcommand("completion", "What a shell needs to complete the words of cambench");
  completion->add_option("shell", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  completion->callback([&app, &session, shell] {
    session.action = [&app, &session, shell] {
      const std::string script = *shell == "bash" ? bash(app) : *shell == "zsh" ? zsh(app) : fish(app);
      if (session.json)
        session.out
            << JsonWriter().object().field("shell", *shell).field("script", script).end_object().text()
            << '\n';
      else
        session.out << script;
    };
  });
  auto* manual = app.add_subcommand("manual", "The manual page, for man(1)");
  manual->callback([&app, &session] {
    session.action = [&app, &session] {
      session.out << (session.json ? manual_json(app) + '\n' : manual_page(app));
    };
  });
}

}  // namespace cambench::cli
