// A request as the routes see it and the response they give: plain values, no socket and no library behind them.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/reading.h"

namespace cambench::http {

/// Who is at the other end. Only a Unix socket tells, and only there control is allowed.
struct Peer {
  bool local_socket = false;
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
};

struct Request {
  std::string method;  ///< "GET", ...
  std::string path;    ///< percent-decoded, without query
  std::vector<std::pair<std::string, std::string>> query;
  std::string host, origin, if_none_match, content_type;
  std::string body;
  Peer peer;
  WallTime at{};  ///< when it came in

  [[nodiscard]] std::optional<std::string_view> asked(std::string_view name) const;  ///< a query parameter
};

/// Splits and decodes "/path%20x?a=1&b=2". Empty when it is malformed.
std::optional<Request> parse_target(std::string_view target);

/// Bytes that many responses may share: of a document that is kept, or of the program itself.
class Body {
 public:
  Body() = default;
  Body(std::string text) : kept_(std::make_shared<const std::string>(std::move(text))), bytes_(*kept_) {}
  Body(std::shared_ptr<const std::string> text) : kept_(std::move(text)), bytes_(*kept_) {}
  static Body of_program(std::string_view bytes) {
    Body body;
    body.bytes_ = bytes;
    return body;
  }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  std::shared_ptr<const std::string> kept_;
  std::string_view bytes_;
};

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  Body body;
  std::string etag;  ///< with quotes; empty: none
  std::string cache = "no-cache";
  std::vector<std::pair<std::string, std::string>> headers;  ///< further ones
};

/// The head of a response, down to its empty line: what the route said and what every response says.
std::string head(const Response& response, bool keep_alive, WallTime now);

}  // namespace cambench::http
