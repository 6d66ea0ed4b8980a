// One connection: requests, and what the routes say to them.
#include <fmt/format.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include "daemon/http/serving.h"

namespace cambench::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;

namespace {

using Parser = beast::http::request_parser<beast::http::string_body>;

// --- reading

// Waits for the first byte of a request. An idle connection may wait longer than a started request.
Task<bool> request_begins(Connection& connection) {
  if (connection.buffer.size() > 0) co_return true;  // the next one came with the last
  connection.stream.expires_after(connection.serving->limits.idle);
  const auto [error, size] =
      co_await connection.stream.async_read_some(connection.buffer.prepare(2048), as_result);
  if (error) co_return false;
  connection.buffer.commit(size);
  co_return true;
}

template <typename Name>
std::string text_of(const Parser::value_type& message, Name field) {
  const auto value = message[field];
  return {value.data(), value.size()};
}

Request request_of(Parser::value_type&& message, Request target, const Peer& peer) {
  using beast::http::field;
  target.method = std::string(message.method_string());
  target.host = text_of(message, field::host);
  target.origin = text_of(message, field::origin);
  target.if_none_match = text_of(message, field::if_none_match);
  target.content_type = text_of(message, field::content_type);
  target.authorization = text_of(message, field::authorization);
  const bool looks = target.method == "GET" || target.method == "HEAD";
  if (const auto cookies = text_of(message, field::cookie); looks && target.authorization.empty())
    if (const auto token = cookie_token(cookies); !token.empty())
      target.authorization = fmt::format("Bearer {}", token);
  target.last_event_id = text_of(message, "Last-Event-ID");
  target.body = std::move(message.body());
  target.peer = peer;
  target.at = std::chrono::system_clock::now();
  return target;
}

Response unreadable(const error_code& why) {
  using beast::http::error;
  if (why == error::header_limit || why == error::buffer_overflow)
    return problem(431, "Header too large", "The header of the request is longer than this daemon reads.");
  if (why == error::body_limit)
    return problem(413, "Body too large", "The body of the request is longer than this daemon reads.");
  return problem(400, "Not HTTP", "The request cannot be read: " + why.message() + ".");
}

// Runs on the reader thread.
Task<Response> ask(std::shared_ptr<Serving> serving, ArchiveQuery query) {
  if (serving->stopped) co_return Response();  // nobody is left to read it
  try {
    co_return query(*serving->archive);
  } catch (const std::exception& trouble) {
    co_return problem(503, "The archive does not answer", trouble.what());
  }
}

// Runs on the importer's thread.
Task<std::variant<Response, Preparation::Asking>> read_order(std::shared_ptr<Serving> serving,
                                                             Preparation preparation, Request request) {
  if (serving->stopped) co_return Response();
  try {
    co_return preparation.read(request);
  } catch (const std::exception& trouble) {
    co_return problem(503, "The order cannot be read", trouble.what());
  }
}

// Runs on the reader thread.
Task<std::variant<Response, Order>> decide(std::shared_ptr<Serving> serving, Preparation::Asking asking) {
  if (serving->stopped) co_return Response();
  try {
    co_return asking(*serving->archive);
  } catch (const std::exception& trouble) {
    co_return problem(503, "The archive does not answer", trouble.what());
  }
}

Task<Response> from_archive(std::shared_ptr<Serving> serving, ArchiveQuery query) {
  if (serving->questions >= serving->limits.questions)
    co_return problem(503, "Too many questions", "The archive is busy; ask again in a moment.");
  ++serving->questions;
  const ForReader given(*serving);
  auto response =
      co_await asio::co_spawn(serving->reader, ask(serving, std::move(query)), asio::use_awaitable);
  --serving->questions;
  co_return response;
}

Task<std::variant<Response, Order>> prepared(std::shared_ptr<Serving> serving, Preparation preparation,
                                             Request request) {
  serving->importing.handed_over();
  ++serving->imports;
  auto asking = co_await asio::co_spawn(serving->importer,
                                        read_order(serving, std::move(preparation), std::move(request)),
                                        asio::use_awaitable);
  --serving->imports > 0 ? serving->importing.advanced() : serving->importing.rests();
  if (auto* refused = std::get_if<Response>(&asking)) co_return std::move(*refused);
  const ForReader given(*serving);
  co_return co_await asio::co_spawn(serving->reader,
                                    decide(serving, std::get<Preparation::Asking>(std::move(asking))),
                                    asio::use_awaitable);
}

// An order under way: the timer ends when the daemon calls back, or when it did not in time.
struct UnderWay {
  explicit UnderWay(asio::io_context& io) : timer(io) {}
  asio::steady_timer timer;
  std::optional<Result<std::string>> result;
};

Task<Response> carried_out(std::shared_ptr<Serving> serving, Order order) {
  const auto under_way = std::make_shared<UnderWay>(serving->io);
  const bool is_import = std::holds_alternative<Order::Import>(order.what);
  under_way->timer.expires_after(is_import ? serving->limits.import : serving->limits.order);
  // Whoever keeps the callback for long must not keep the server or a timer with it.
  serving->api.carry_out(order, [server = std::weak_ptr(serving),
                                 waiting = std::weak_ptr(under_way)](Result<std::string> result) {
    const auto alive = server.lock();
    if (!alive) return;
    asio::post(alive->io, [waiting, result = std::move(result)]() mutable {
      const auto order_of = waiting.lock();
      if (!order_of) return;  // it came too late
      order_of->result = std::move(result);
      order_of->timer.cancel();
    });
  });
  co_await under_way->timer.async_wait(as_result);
  auto response =
      under_way->result
          ? answered(order, *under_way->result)
          : problem(504, "Not confirmed",
                    "The order was given but not recorded in time; the status shows whether it took effect.");
  // Half a million rows are thrown away where nobody waits for it.
  if (is_import) asio::post(serving->importer, [gone = std::move(order)] {});
  co_return response;
}

/// Whose token the request shows; false: it is not known, or not any more.
bool is_known(Serving& serving, Request& request) {
  if (request.peer.local_socket || request.authorization.empty()) return true;
  request.token = serving.tokens.find(bearer(request.authorization));
  return request.token.has_value();
}

Way way_of(Serving& serving, Request& request) {
  if (!is_known(serving, request)) ++serving.traffic.unknown_tokens;
  return route(request, serving.api, serving.house, traffic_of(serving));
}

Task<Response> answer(std::shared_ptr<Serving> serving, Way way, Request request) {
  if (auto* query = std::get_if<ArchiveQuery>(&way))
    co_return co_await from_archive(serving, std::move(*query));
  if (auto* preparation = std::get_if<Preparation>(&way)) {
    auto read = co_await prepared(serving, std::move(*preparation), std::move(request));
    if (auto* refused = std::get_if<Response>(&read)) co_return std::move(*refused);
    way = std::get<Order>(std::move(read));
  }
  if (auto* order = std::get_if<Order>(&way)) {
    ++serving->traffic.orders;
    co_return co_await carried_out(serving, std::move(*order));
  }
  co_return std::get<Response>(std::move(way));
}

Task<bool> send(Connection& connection, const Response& response, bool keep_alive, bool with_body) {
  ++connection.serving->traffic.answered[std::min(5u, response.status / 100)];
  const auto first = head(response, keep_alive, std::chrono::system_clock::now());
  const auto body = with_body ? response.body.bytes() : std::string_view();
  const std::array<asio::const_buffer, 2> bytes = {asio::buffer(first), asio::buffer(body)};
  connection.stream.expires_after(connection.serving->limits.response);
  const auto [error, size] = co_await asio::async_write(connection.stream, bytes, as_result);
  co_return !error;
}

Task<bool> send_text(Connection& connection, std::string_view text) {
  connection.stream.expires_after(connection.serving->limits.response);
  const auto [error, size] = co_await asio::async_write(connection.stream, asio::buffer(text), as_result);
  co_return !error;
}

// --- what is made while it is sent

/// Counted for as long as it lives.
struct Counted {
  explicit Counted(std::size_t& of) : number(of) { ++number; }
  ~Counted() { --number; }
  Counted(const Counted&) = delete;
  std::size_t& number;
};

// Runs on the reader thread, which other questions share between two pieces. Nothing: it broke off.
Task<std::optional<std::string>> make(std::shared_ptr<Serving> serving,
                                      std::shared_ptr<const Response> response) {
  if (serving->stopped) co_return std::nullopt;
  try {
    co_return response->pieces();
  } catch (const std::exception&) {
    co_return std::nullopt;
  }
}

Task<std::optional<std::string>> made(std::shared_ptr<Serving> serving,
                                      std::shared_ptr<const Response> response) {
  const ForReader given(*serving);
  co_return co_await asio::co_spawn(serving->reader, make(serving, response), asio::use_awaitable);
}

/// Whether the connection, however it ends, ends with a reset.
void end_with_reset(Connection& connection, bool reset) {
  error_code ignored;
  connection.stream.socket().set_option(asio::socket_base::linger(reset, 0), ignored);
}

/// Sends a response in pieces, one in memory at a time: the next is made when the client has taken the last. The empty
/// one is the last chunk (RFC 9112, 7.1); what breaks off ends the connection without it. To HTTP/1.0, which knows no
/// chunks, what breaks off ends with a reset. So nobody takes a part for the whole.
Task<bool> send_pieces(Connection& connection, std::shared_ptr<const Response> response, bool keep_alive) {
  const auto serving = connection.serving;
  const Counted counted(serving->traffic.downloads);
  if (response->endless) end_with_reset(connection, true);
  bool there = co_await send(connection, *response, keep_alive, false);
  for (bool more = true; there && more;) {
    const std::optional<std::string> piece = co_await made(serving, response);
    if (!piece) {
      if (response->endless) connection.stream.close();
      co_return false;
    }
    more = !piece->empty();
    const std::string bytes =
        response->endless ? *piece : fmt::format("{:x}\r\n{}\r\n", piece->size(), *piece);
    there = co_await send_text(connection, bytes);
  }
  if (there && response->endless) end_with_reset(connection, false);
  co_return there&& keep_alive;
}

// --- server-sent events

Response stream_head() {
  Response response;
  response.content_type = "text/event-stream";
  response.cache = "no-store";
  response.endless = true;
  return response;
}

/// The status as one event, when it is another than `told`; a comment otherwise, so that a client that has gone is
/// noticed and one that listens knows that we are there.
std::string status_news(const Board& board, std::string& told) {
  auto tag = board.etag();
  if (tag == told) return ": still here\n\n";
  told = std::move(tag);
  return fmt::format("event: status\ndata: {}\n\n", *board.document(Board::Document::status));
}

/// Whoever may be told at first need not be for ever: tokens are removed.
bool may_be_told(Serving& serving, Request& request) {
  (void)is_known(serving, request);
  const Way way = route(request, serving.api, serving.house, traffic_of(serving));
  return std::holds_alternative<Stream>(way);
}

/// Tells what is new until the client goes, does not take it in time, or may not be told any more. Only the newest status
/// is ever told, and events are read when there is room for them: a slow client costs nothing but its connection.
Task<void> tell(Connection& connection, Stream stream, Request request) {
  const auto serving = connection.serving;
  const Counted counted(serving->traffic.streams);
  const auto since = std::make_shared<std::int64_t>(stream.since.value_or(-1));
  std::string told;
  bool there = co_await send(connection, stream_head(), false, false);
  while (there && !serving->stopped && may_be_told(*serving, request)) {
    const Response events = co_await from_archive(serving, news_after(since));
    const bool more = events.status == 200 && !events.body.bytes().empty();
    if (more) there = co_await send_text(connection, events.body.bytes());
    if (there && !more) {
      const std::string news = stream.status ? status_news(serving->api.board(), told) : ": still here\n\n";
      there = co_await send_text(connection, news);
    }
    if (more) continue;  // there may be a backlog
    asio::steady_timer timer(serving->io, serving->limits.news);
    co_await timer.async_wait(as_result);
    there = there && connection.stream.socket().is_open();
  }
}

/// A rate test is longer than an order. What stands in the buffer is the beginning of the request; one that comes in
/// smaller pieces than that has the limits of an order.
bool brings_import(const Connection& connection) {
  const auto begin = connection.buffer.data();
  const std::string_view text(static_cast<const char*>(begin.data()), begin.size());
  return text.starts_with("POST /api/v1/imports ");
}

// One request and its response; false ends the connection.
Task<bool> exchange(Connection& connection) {
  auto& serving = connection.serving;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(serving->limits.header_bytes));
  std::optional<Counted> upload;
  if (brings_import(connection) && serving->uploads == 0) upload.emplace(serving->uploads);
  parser.body_limit(upload ? serving->limits.import_bytes : serving->limits.body_bytes);
  connection.stream.expires_after(upload ? serving->limits.import : serving->limits.request);
  const auto [error, size] =
      co_await beast::http::async_read(connection.stream, connection.buffer, parser, as_result);
  if (error == beast::error::timeout) ++serving->traffic.timed_out;
  if (!connection.stream.socket().is_open() || error == beast::http::error::end_of_stream) co_return false;
  ++serving->traffic.requests;
  auto message = parser.release();
  auto target = parse_target({message.target().data(), message.target().size()});
  if (error || !target || (message.version() >= 11 && message.count(beast::http::field::host) != 1)) {
    const auto refusal =
        error ? unreadable(error) : problem(400, "Not HTTP", "Its target or its host cannot be read.");
    co_await send(connection, refusal, false, true);
    co_return false;
  }
  const bool knows_chunks = message.version() >= 11;
  const bool keep_alive = message.keep_alive(), with_body = message.method() != beast::http::verb::head;
  auto request = request_of(std::move(message), std::move(*target), connection.peer);
  auto way = way_of(*serving, request);
  if (const auto* stream = std::get_if<Stream>(&way)) {
    if (serving->traffic.streams < serving->limits.streams && with_body) {
      co_await tell(connection, *stream, std::move(request));
      co_return false;
    }
    way = with_body ? problem(503, "Too many streams", "Ask again in a moment, or ask for /api/v1/events.")
                    : stream_head();
  }
  auto response = co_await answer(serving, std::move(way), std::move(request));
  if (response.pieces && serving->traffic.downloads >= serving->limits.downloads)
    response = problem(503, "Too many downloads", "Ask again when one of them has ended.");
  if (response.pieces && with_body) {
    response.endless = !knows_chunks;  // its end is the connection's
    const auto shared = std::make_shared<const Response>(std::move(response));
    co_return co_await send_pieces(connection, shared, keep_alive && knows_chunks);
  }
  const bool sent = co_await send(connection, response, keep_alive, with_body && response.status != 304);
  co_return sent&& keep_alive;
}

// A close with unread bytes would reset the connection and take the last response with it.
Task<void> part(Connection& connection) {
  error_code ignored;
  connection.stream.socket().shutdown(asio::socket_base::shutdown_send, ignored);
  connection.stream.expires_after(std::chrono::seconds(1));
  std::array<char, 4096> rest{};
  for (int i = 0; i < 64; ++i) {
    const auto [error, size] = co_await connection.stream.async_read_some(asio::buffer(rest), as_result);
    if (error) co_return;
  }
}

}  // namespace

Task<void> serve(std::unique_ptr<Connection> connection) {
  bool more = true;
  while (more && !connection->serving->stopped) {
    more = co_await request_begins(*connection);
    if (more) more = co_await exchange(*connection);
  }
  if (connection->stream.socket().is_open()) co_await part(*connection);
}

}  // namespace cambench::http
