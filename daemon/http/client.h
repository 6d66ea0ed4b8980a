// A small blocking HTTP client for the command line: one request a connection, over the daemon's Unix socket or over
// TCP. Plain sockets; no Asio.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace cambench::http {

/// Where a daemon answers: exactly one of `socket` and `host` is filled.
struct Address {
  std::string socket;  ///< path of a Unix socket
  std::string host;
  std::uint16_t port = 0;
};

/// "unix:/run/cambench/control.sock", a bare path, "http://127.0.0.1:8870" or "127.0.0.1:8870".
Result<Address> parse_address(std::string_view text);

struct Reply {
  unsigned status = 0;
  std::string content_type, etag, body;
  [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

/// A Fault is a failed conversation; a refusal of the daemon is a Reply with its status.
Result<Reply> get(const Address& address, std::string_view target,
                  std::chrono::milliseconds patience = std::chrono::seconds(10));
Result<Reply> post(const Address& address, std::string_view target, std::string_view json,
                   std::chrono::milliseconds patience = std::chrono::seconds(15));

/// Any other method: PUT, DELETE.
Result<Reply> order(const Address& address, std::string_view method, std::string_view target,
                    std::string_view json, std::chrono::milliseconds patience = std::chrono::seconds(15));

/// A value for a query (RFC 3986, 2.3: what is not unreserved is encoded).
std::string percent_encoded(std::string_view text);

/// What went wrong, for a person: the detail of a problem document, else its status.
std::string complaint(const Reply& reply);

/// Reads one whole response from its bytes; separate, so that it can be tested with bad ones.
Result<Reply> parse_reply(std::string_view bytes);

}  // namespace cambench::http
