#include "daemon/http/message.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>

namespace cambench::http {

namespace {

// Percent-decoding; '+' is a space in a query only. Empty when a '%' is not followed by two hexadecimal digits.
std::optional<std::string> decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '%') {
      const auto digits = text.substr(at + 1, 2);
      unsigned char value = 0;
      const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value, 16);
      if (digits.size() != 2 || error != std::errc() || end != digits.end() || value == 0)
        return std::nullopt;
      out += static_cast<char>(value);
      at += 2;
    } else {
      out += c == '+' && plus_is_space ? ' ' : c;
    }
  }
  return out;
}

std::string_view reason(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 304: return "Not Modified";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Unknown";
  }
}

// A page may load what this daemon serves and nothing else, and nobody may frame it.
constexpr std::string_view page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

bool has_policy(const Response& response) {
  return std::ranges::any_of(response.headers,
                             [](const auto& header) { return header.first == "Content-Security-Policy"; });
}

}  // namespace

std::optional<std::string_view> Request::asked(std::string_view name) const {
  for (const auto& [key, value] : query)
    if (key == name) return value;
  return std::nullopt;
}

std::string_view bearer(std::string_view authorization) {
  constexpr std::string_view scheme = "bearer ";  // in any case (RFC 9110, 11.1)
  if (authorization.size() <= scheme.size()) return {};
  for (std::size_t i = 0; i < scheme.size(); ++i)
    if ((authorization[i] | 0x20) != scheme[i]) return {};
  const auto begin = authorization.find_first_not_of(' ', scheme.size());
  const auto token = begin == authorization.npos ? std::string_view() : authorization.substr(begin);
  return token.find(' ') == token.npos ? token : std::string_view();
}

std::string_view cookie_token(std::string_view cookies) {
  constexpr std::string_view name = "cambench_token=";
  while (!cookies.empty()) {
    const auto pair = cookies.substr(0, cookies.find(';'));
    if (pair.starts_with(name)) return pair.substr(name.size());
    cookies.remove_prefix(std::min(cookies.size(), pair.size() + 1));
    cookies.remove_prefix(std::min(cookies.size(), cookies.find_first_not_of(' ')));
  }
  return {};
}

std::optional<Request> parse_target(std::string_view target) {
  target = target.substr(0, target.find('#'));
  if (target.empty() || target.front() != '/') return std::nullopt;
  const auto question = target.find('?');
  auto path = decode(target.substr(0, question), false);
  if (!path) return std::nullopt;
  Request request;
  request.path = std::move(*path);
  auto rest = question == target.npos ? std::string_view() : target.substr(question + 1);
  while (!rest.empty()) {
    const auto pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    auto key = decode(pair.substr(0, equals), true);
    auto value = decode(equals == pair.npos ? "" : pair.substr(equals + 1), true);
    if (!key || !value) return std::nullopt;
    request.query.emplace_back(std::move(*key), std::move(*value));
  }
  return request;
}

std::string head(const Response& response, bool keep_alive, WallTime now) {
  std::string text;
  const auto add = [&](std::string_view name, const auto& value) {
    fmt::format_to(std::back_inserter(text), "{}: {}\r\n", name, value);
  };
  fmt::format_to(std::back_inserter(text), "HTTP/1.1 {} {}\r\n", response.status, reason(response.status));
  add("Date", fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(WallTime::clock::to_time_t(now))));
  add("Connection", keep_alive ? "keep-alive" : "close");
  if (response.status != 304) {
    add("Content-Type", response.content_type);
    if (response.pieces && !response.endless)
      add("Transfer-Encoding", "chunked");
    else if (!response.endless)
      add("Content-Length", response.body.bytes().size());
  }
  add("Cache-Control", response.cache);
  if (!response.etag.empty()) add("ETag", response.etag);
  if (!has_policy(response)) add("Content-Security-Policy", page_policy);
  add("X-Content-Type-Options", "nosniff");
  add("Referrer-Policy", "no-referrer");
  add("Cross-Origin-Resource-Policy", "same-origin");
  for (const auto& [name, value] : response.headers) add(name, value);
  return text + "\r\n";
}

}  // namespace cambench::http
