#include "daemon/cli/conversation.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <boost/json.hpp>
#include <cstdlib>

#include "daemon/config.h"

namespace cambench::cli {

namespace {

std::string socket_of(const Daemon& daemon) {
  if (!daemon.socket.empty()) return daemon.socket;
  if (!daemon.config.empty()) return config::read(daemon.config).http.control.string();
  const char* set = std::getenv("CAMBENCH_SOCKET");
  return set ? set : "/run/cambench/control.sock";
}

}  // namespace

void add_options(CLI::App& verb, Daemon& daemon) {
  verb.add_option("--socket", daemon.socket, "the daemon's control socket (also: CAMBENCH_SOCKET)");
  verb.add_option("--config", daemon.config, "configuration of the bench: it names the socket");
}

std::string ask(Session& session, const Daemon& daemon, std::string_view method, std::string_view target,
                std::string_view body) {
  const std::string at = socket_of(daemon);
  const auto address = http::parse_address(at);
  if (!address) throw Problem(usage, address.error().what);
  const auto reply = session.world.ask(*address, method, target, body);
  if (!reply)
    throw Problem(unreachable,
                  reply.error().what + "; is cambenchd running? --socket or --config names another one");
  if (!reply->ok()) throw Problem(refused, http::complaint(*reply));
  return reply->body;
}

boost::json::value parse_reply(const std::string& body) {
  boost::json::error_code error;
  auto value = boost::json::parse(body, error);
  if (error)
    throw Problem(unreachable, "what answers at the control socket is no cambenchd: it sent no JSON");
  return value;
}

boost::json::value ask_json(Session& session, const Daemon& daemon, std::string_view target) {
  return parse_reply(ask(session, daemon, "GET", target));
}

const std::string& signature(const Session& session, const std::string& who) {
  return who.empty() ? session.world.user : who;
}

bool is_plain(const std::string& id) {
  return !id.empty() &&
         id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string::npos;
}

std::string with_unit(View number, double factor, const char* unit, int digits) {
  const auto value = number.number();
  if (!value) return "-";
  auto text = fmt::format("{:.{}f}", *value * factor, digits);
  if (text.find_first_of("123456789") == text.npos && text.starts_with('-')) text.erase(0, 1);
  return fmt::format("{} {}", text, unit);
}

}  // namespace cambench::cli
