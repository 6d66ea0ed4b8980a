// A request as the routes see it and the response they give: plain values, no socket and no library behind them.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/http/tokens.h"
#include "schema/reading.h"

namespace cambench::http {

/// Who is at the other end. At a Unix socket the kernel tells, and the file's mode was the permission.
struct Peer {
  bool local_socket = false;
  std::uint32_t uid = 0;
  std::int32_t pid = 0;
  std::string address;  ///< over TCP
};

struct Request {
  std::string method;  ///< "GET", ...
  std::string path;    ///< percent-decoded, without query
  std::vector<std::pair<std::string, std::string>> query;
  std::string host, origin, if_none_match, content_type;
  std::string authorization, last_event_id;
  std::string body;
  Peer peer;
  std::optional<Token> token;  ///< the one that was shown, when it is known
  WallTime at{};               ///< when it came in

  [[nodiscard]] std::optional<std::string_view> asked(std::string_view name) const;  ///< a query parameter
};

/// The token of "Bearer cb_0123..."; empty for anything else.
std::string_view bearer(std::string_view authorization);

/// The token that our own page keeps in the cookie cambench_token, so that pictures and links carry it: for looking only.
std::string_view cookie_token(std::string_view cookies);

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

/// A body in pieces: the next one whenever it is called, empty at the end. Called on the reader thread; what it throws
/// breaks the response off.
using Pieces = std::function<std::string()>;

struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  Body body;
  std::string etag;  ///< with quotes; empty: none
  std::string cache = "no-cache";
  Pieces pieces;         ///< when there are: the body, made while it is sent
  bool endless = false;  ///< a stream: its length is not known, its end is the connection's
  std::vector<std::pair<std::string, std::string>> headers;  ///< further ones
};

/// The head of a response, down to its empty line: what the route said and what every response says.
std::string head(const Response& response, bool keep_alive, WallTime now);

}  // namespace cambench::http
