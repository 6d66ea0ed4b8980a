// The body of an order: a JSON object of texts.
#pragma once
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

#include "daemon/http/handlers.h"

namespace cambench::http {

inline constexpr std::size_t longest_text = 500;  ///< characters of a member, but for a few

/// The members of a JSON body, all of them texts; or why it is none.
struct Form {
  std::map<std::string, std::string, std::less<>> members;
  std::string trouble;

  /// A file of megabytes may be among them: nothing is copied.
  [[nodiscard]] const std::string& operator[](std::string_view key) const {
    static const std::string nothing;
    const auto found = members.find(key);
    return found == members.end() ? nothing : found->second;
  }
};

/// No member is longer than `longest_text`, but for the `long_ones`.
Form read_form(const Request& request, std::initializer_list<std::string_view> known,
               std::initializer_list<std::string_view> long_ones = {});

Response bad_form(std::string_view trouble);

/// Who gives the order and why, as the request and the form tell.
Order order_of(const Request& request, const Form& form);

}  // namespace cambench::http
