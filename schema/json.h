// JSON text, written straight into one string: no tree in between, numbers as short as they can be read back
// (3.612, where Boost.JSON prints 3.612E0), never a NaN. Times are RFC 3339 in UTC with milliseconds.
#pragma once
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/units.h"

namespace cambench {

class JsonWriter {
 public:
  JsonWriter& object() { return open('{'); }
  JsonWriter& end_object() { return close('}'); }
  JsonWriter& array() { return open('['); }
  JsonWriter& end_array() { return close(']'); }
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(double number);  ///< null when it is not finite
  JsonWriter& value(bool flag) { return raw(flag ? "true" : "false"); }
  template <std::integral T>
  requires(!std::same_as<T, bool>) JsonWriter& value(T number) { return raw(std::to_string(number)); }
  JsonWriter& value(std::chrono::system_clock::time_point at);
  JsonWriter& value(Seconds duration) { return value(duration.count()); }
  template <typename Tag>
  JsonWriter& value(Quantity<Tag> quantity) {
    return value(quantity.value());
  }
  template <typename T>
  JsonWriter& value(const std::optional<T>& maybe) {
    return maybe ? value(*maybe) : null();
  }
  JsonWriter& null() { return raw("null"); }
  JsonWriter& raw(std::string_view json);  ///< already JSON, or a word of it

  template <typename T>
  JsonWriter& field(std::string_view name, const T& what) {
    return key(name).value(what);
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();

  std::string text_;
  bool first_ = true;  // nothing stands yet in the innermost bracket
};

/// "2026-11-22T13:00:00.000Z"
std::string rfc3339(std::chrono::system_clock::time_point at);
std::int64_t unix_ms(std::chrono::system_clock::time_point at);
std::chrono::system_clock::time_point from_unix_ms(std::int64_t milliseconds);

}  // namespace cambench
