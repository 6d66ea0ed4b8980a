// What schema/openapi.json promises, and whether a response keeps it: the part of JSON Schema 2020-12 that the document
// uses. A keyword that is not known here is a complaint, so that nothing is passed over in silence.
#pragma once
#include <fmt/format.h>

#include <boost/json.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "schema/json.h"

namespace cambench::openapi {

namespace json = boost::json;

inline std::string_view view(const json::string& text) { return {text.data(), text.size()}; }
inline std::string_view view(json::string_view text) { return {text.data(), text.size()}; }

class Document {
 public:
  explicit Document(const std::string& file = CAMBENCH_SOURCE "/schema/openapi.json") {
    std::ifstream in(file);
    root_ = json::parse(std::string(std::istreambuf_iterator<char>(in), {}));
  }

  [[nodiscard]] const json::object& root() const { return root_.as_object(); }

  /// "GET /api/v1/runs/{run}", ...
  [[nodiscard]] std::vector<std::string> routes() const {
    std::vector<std::string> found;
    for (const auto& [path, item] : root_.at("paths").as_object())
      for (const auto& [method, operation] : item.as_object())
        found.push_back(fmt::format("{} {}", method == "get" ? "GET" : upper(view(method)), view(path)));
    return found;
  }

  [[nodiscard]] const json::object& operation(std::string_view route) const {
    const auto space = route.find(' ');
    std::string method(route.substr(0, space));
    for (char& c : method) c = static_cast<char>(c | 0x20);
    return root_.at("paths").as_object().at(text(route.substr(space + 1))).as_object().at(method).as_object();
  }

  /// What is wrong with a response; empty when it is as promised.
  [[nodiscard]] std::vector<std::string> complaints(std::string_view route, unsigned status,
                                                    std::string_view content_type,
                                                    std::string_view body) const {
    const auto& responses = operation(route).at("responses").as_object();
    const auto* response = responses.if_contains(std::to_string(status));
    if (response == nullptr) response = status >= 400 ? responses.if_contains("default") : nullptr;
    if (response == nullptr) return {fmt::format("{}: {} is not described", route, status)};
    if (status == 304) return {};
    const auto& content = resolved(*response).at("content").as_object();
    const std::string kind(content_type.substr(0, content_type.find(';')));
    const auto* media = content.if_contains(kind);
    if (media == nullptr) media = content.if_contains("*/*");
    if (media == nullptr) return {fmt::format("{}: {} is not described", route, kind)};
    const auto* schema = media->as_object().if_contains("schema");
    if (schema == nullptr || !kind.ends_with("json")) return {};
    std::vector<std::string> found;
    validate(*schema, json::parse(json::string_view(body.data(), body.size())), std::string(route), found);
    return found;
  }

  void validate(const json::value& schema, const json::value& value, const std::string& at,
                std::vector<std::string>& found) const {
    const auto& rules = resolved(schema);
    for (const auto& [keyword, rule] : rules) check(view(keyword), rule, rules, value, at, found);
  }

 private:
  static json::string_view text(std::string_view it) { return {it.data(), it.size()}; }
  static std::string upper(std::string_view word) {
    std::string big(word);
    for (char& c : big) c = static_cast<char>(c & ~0x20);
    return big;
  }

  /// Follows "#/components/...".
  [[nodiscard]] const json::object& resolved(const json::value& it) const {
    const auto* reference = it.as_object().if_contains("$ref");
    if (reference == nullptr) return it.as_object();
    const auto path = view(reference->as_string());
    json::error_code error;
    const auto* found = root_.find_pointer(text(path.substr(1)), error);
    if (found == nullptr) throw std::runtime_error(fmt::format("{} leads nowhere", path));
    return resolved(*found);
  }

  static bool is(std::string_view type, const json::value& value) {
    if (type == "null") return value.is_null();
    if (type == "boolean") return value.is_bool();
    if (type == "string") return value.is_string();
    if (type == "array") return value.is_array();
    if (type == "object") return value.is_object();
    if (type == "number") return value.is_number();
    return type == "integer" && (value.is_int64() || value.is_uint64());
  }

  void check(std::string_view keyword, const json::value& rule, const json::object& rules,
             const json::value& value, const std::string& at, std::vector<std::string>& found) const {
    const auto complain = [&](const std::string& what) { found.push_back(at + ": " + what); };
    if (keyword == "description" || keyword == "default") return;
    if (keyword == "type") {
      bool fits = rule.is_string() && is(view(rule.as_string()), value);
      if (rule.is_array())
        for (const auto& each : rule.as_array()) fits = fits || is(view(each.as_string()), value);
      if (!fits) complain(fmt::format("{} is no {}", json::serialize(value), json::serialize(rule)));
    } else if (keyword == "enum") {
      if (std::ranges::find(rule.as_array(), value) == rule.as_array().end())
        complain(fmt::format("{} is none of {}", json::serialize(value), json::serialize(rule)));
    } else if (keyword == "const") {
      if (value != rule) complain(fmt::format("{} is not {}", json::serialize(value), json::serialize(rule)));
    } else if (keyword == "minimum") {
      if (value.is_number() && value.to_number<double>() < rule.to_number<double>()) complain("is too small");
    } else if (keyword == "maximum") {
      if (value.is_number() && value.to_number<double>() > rule.to_number<double>()) complain("is too large");
    } else if (keyword == "format") {
      if (value.is_string() && !is_date_time(view(value.as_string()))) complain("is no date and time");
    } else if (keyword == "required") {
      for (const auto& key : rule.as_array())
        if (value.is_object() && !value.as_object().contains(key.as_string()))
          complain(fmt::format("{} is missing", view(key.as_string())));
    } else if (keyword == "properties") {
      if (!value.is_object()) return;
      for (const auto& [key, schema] : rule.as_object())
        if (const auto* member = value.as_object().if_contains(key))
          validate(schema, *member, fmt::format("{}.{}", at, view(key)), found);
    } else if (keyword == "additionalProperties") {
      const auto* known = rules.if_contains("properties");
      if (!value.is_object()) return;
      for (const auto& [key, member] : value.as_object()) {
        if (known != nullptr && known->as_object().contains(key)) continue;
        const auto place = fmt::format("{}.{}", at, view(key));
        if (rule.is_object())
          validate(rule, member, place, found);
        else if (!rule.as_bool())
          found.push_back(place + ": is not described");
      }
    } else if (keyword == "items") {
      if (!value.is_array()) return;
      for (std::size_t i = 0; i < value.as_array().size(); ++i)
        validate(rule, value.as_array()[i], fmt::format("{}[{}]", at, i), found);
    } else if (keyword == "anyOf") {
      std::vector<std::string> least;
      for (const auto& each : rule.as_array()) {
        std::vector<std::string> of_this;
        validate(each, value, at, of_this);
        if (of_this.empty()) return;
        if (least.empty() || of_this.size() < least.size()) least = std::move(of_this);
      }
      found.insert(found.end(), least.begin(), least.end());
    } else {
      complain(fmt::format("the keyword {} is not known to this test", keyword));
    }
  }

  /// "2026-11-22T13:00:00.000Z", the one way in which the daemon writes it.
  static bool is_date_time(std::string_view it) {
    constexpr std::string_view pattern = "0000-00-00T00:00:00.000Z";
    if (it.size() != pattern.size()) return false;
    for (std::size_t i = 0; i < it.size(); ++i)
      if (pattern[i] == '0' ? it[i] < '0' || it[i] > '9' : it[i] != pattern[i]) return false;
    return true;
  }

  json::value root_;
};

}  // namespace cambench::openapi
