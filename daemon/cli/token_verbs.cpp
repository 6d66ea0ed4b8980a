// cambench token add | list | remove: who may give orders over TCP. Works on the file; a running daemon sees the change
// with the next request.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "daemon/cli/verbs.h"
#include "daemon/config.h"
#include "daemon/http/tokens.h"
#include "schema/json.h"

namespace cambench::cli {
namespace {

struct Options {
  std::string file, config = "/etc/cambench/cambench.toml", name, role = "viewer";
};

std::filesystem::path file_of(const Options& options) {
  return options.file.empty() ? config::read(options.config).http.tokens
                              : std::filesystem::path(options.file);
}

template <typename T>
T must(Result<T> result) {
  if (!result) throw Problem(refused, result.error().what);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

void add(Session& session, const Options& options) {
  const auto token = must(http::add_token(file_of(options), options.name, *http::role_called(options.role)));
  if (session.json) {
    JsonWriter json;
    json.object().field("name", options.name).field("role", options.role).field("token", token);
    session.out << json.end_object().text() << '\n';
    return;
  }
  session.out << token << '\n';
  session.world.err << fmt::format(
      "This is shown once; only its hash is kept. {} sends it as \"Authorization: Bearer {}...\".\n"
      "It crosses the network as it is: beyond this machine put a web server with TLS in front.\n",
      options.name, token.substr(0, 7));
}

void list(Session& session, const Options& options) {
  const auto tokens = must(http::read_tokens(file_of(options)));
  if (session.json) {
    JsonWriter json;
    json.array();
    for (const auto& token : tokens)
      json.object().field("name", token.name).field("role", name(token.role)).end_object();
    session.out << json.end_array().text() << '\n';
    return;
  }
  using Align = TextTable::Align;
  TextTable table({{"name", Align::left}, {"role", Align::left}});
  for (const auto& token : tokens) table.add({token.name, std::string(name(token.role))});
  if (table.empty())
    session.out << "nobody has a token\n";
  else
    table.print(session.out);
}

}  // namespace

void add_token_verbs(CLI::App& app, Session& session) {
  const auto options = std::make_shared<Options>();
  auto* group =
      app.add_subcommand("token", "Who may give orders over TCP: bearer tokens, kept as salted hashes")
          ->require_subcommand(1);
  const auto verb = [&](const char* word, const char* help, void (*act)(Session&, const Options&)) {
    auto* sub = group->add_subcommand(word, help);
    sub->add_option("--config", options->config, "configuration of the bench: it names the file")
        ->capture_default_str();
    sub->add_option("--file", options->file, "the token file itself");
    sub->callback(
        [&session, options, act] { session.action = [&session, options, act] { act(session, *options); }; });
    return sub;
  };
  auto* adding = verb("add", "Make a token and print it, once", add);
  adding->add_option("name", options->name, "the person or the program it is for")->required();
  adding
      ->add_option("--role", options->role,
                   "viewer looks; operator starts, pauses, aborts, acknowledges; admin also resets trips")
      ->check(CLI::IsMember({"viewer", "operator", "admin"}))
      ->capture_default_str();
  verb("list", "Who has one", list);
  verb("remove", "Take one away: it is not known from the next request on",
       [](Session&, const Options& o) { must(http::remove_token(file_of(o), o.name)); })
      ->add_option("name", options->name, "whose")
      ->required();
}

}  // namespace cambench::cli
