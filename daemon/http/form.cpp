#include "daemon/http/form.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json.hpp>

namespace cambench::http {

namespace {

void read_member(Form& form, const boost::json::key_value_pair& member,
                 std::initializer_list<std::string_view> known,
                 std::initializer_list<std::string_view> long_ones) {
  const std::string_view key(member.key().data(), member.key().size());
  if (std::ranges::find(known, key) == known.end())
    form.trouble = fmt::format("\"{}\" is not known here; there are {}.", key, fmt::join(known, ", "));
  else if (!member.value().is_string())
    form.trouble = fmt::format("\"{}\" must be a text.", key);
  else if (std::ranges::find(long_ones, key) == long_ones.end() &&
           member.value().as_string().size() > longest_text)
    form.trouble = fmt::format("\"{}\" is longer than {} characters.", key, longest_text);
  else
    form.members.emplace(key, std::string(member.value().as_string()));
}

}  // namespace

// A form of a browser cannot send application/json to another origin without asking first.
Form read_form(const Request& request, std::initializer_list<std::string_view> known,
               std::initializer_list<std::string_view> long_ones) {
  Form form;
  if (!request.content_type.starts_with("application/json")) {
    form.trouble = "The body must be JSON and say so: Content-Type: application/json.";
    return form;
  }
  boost::system::error_code error;
  const auto body = boost::json::parse(request.body, error);
  if (error || !body.is_object()) {
    form.trouble =
        "The body is no JSON object: " + (error ? error.message() : "something else stands there") + ".";
    return form;
  }
  for (const auto& member : body.as_object())
    if (form.trouble.empty()) read_member(form, member, known, long_ones);
  return form;
}

}  // namespace cambench::http
