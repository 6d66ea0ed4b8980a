#include "drivers/link/address.h"

#include <fmt/core.h>

#include <charconv>

namespace cambench::link {

Result<Address> parse_address(std::string_view text) {
  constexpr std::string_view scheme = "tcp://";
  const auto refuse = [&] {
    return fail(Fault::Kind::input,
                fmt::format("\"{}\" is no address; expected \"tcp://host:port\" or a device such as "
                            "\"/dev/serial/by-id/...\"",
                            text));
  };
  if (!text.starts_with(scheme)) {
    if (!text.starts_with('/')) return refuse();
    return Address{std::string(text), "", 0, std::string(text)};
  }
  const std::string_view rest = text.substr(scheme.size());
  const auto colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon == 0) return refuse();
  const std::string_view digits = rest.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc{} || end != digits.data() + digits.size() || port == 0) return refuse();
  return Address{std::string(text), std::string(rest.substr(0, colon)), port, ""};
}

}  // namespace cambench::link
