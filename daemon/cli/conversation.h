// What the verbs that need a running daemon share: where it is, one question, and the answer as a tree.
#pragma once
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/verbs.h"

namespace cambench::cli {

/// Where the daemon answers: --socket, the socket of --config, $CAMBENCH_SOCKET, or the packaged place.
struct Daemon {
  std::string socket, config;
};
void add_options(CLI::App& verb, Daemon& daemon);

/// The body of the reply. A Problem when nobody answers, or when the daemon refuses: with its own sentence.
std::string ask(Session& session, const Daemon& daemon, std::string_view method, std::string_view target,
                std::string_view body = {});
boost::json::value parse_reply(const std::string& body);
boost::json::value ask_json(Session& session, const Daemon& daemon, std::string_view target);

/// Who signs an order: as --who says, else the user of this shell.
const std::string& signature(const Session& session, const std::string& who);

/// A part of a JSON document; what is not there reads as nothing.
class View {
 public:
  explicit View(const boost::json::value* value = nullptr) : value_(value) {}

  View operator[](std::string_view key) const {
    const auto* object = value_ ? value_->if_object() : nullptr;
    return View(object ? object->if_contains({key.data(), key.size()}) : nullptr);
  }
  [[nodiscard]] bool there() const { return value_ && !value_->is_null(); }
  [[nodiscard]] std::string text() const {
    const auto* text = value_ ? value_->if_string() : nullptr;
    return text ? std::string(*text) : std::string();
  }
  [[nodiscard]] std::optional<double> number() const {
    if (!value_ || !value_->is_number()) return std::nullopt;
    return value_->to_number<double>();
  }
  [[nodiscard]] std::string json() const { return value_ ? boost::json::serialize(*value_) : "null"; }
  [[nodiscard]] bool flag() const { return value_ && value_->is_bool() && value_->get_bool(); }
  [[nodiscard]] std::vector<View> list() const {
    std::vector<View> views;
    if (const auto* array = value_ ? value_->if_array() : nullptr)
      for (const auto& element : *array) views.emplace_back(&element);
    return views;
  }

 private:
  const boost::json::value* value_;
};

/// An id or a number that may stand in a target as it is.
bool is_plain(const std::string& id);

/// "3.612 V": the number times `factor`; "-" when it is not there. What rounds to nothing has no sign.
std::string with_unit(View number, double factor, const char* unit, int digits);

}  // namespace cambench::cli
