#include "daemon/http/server.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <array>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <set>
#include <stdexcept>

#include "daemon/http/routes.h"

namespace cambench::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;

namespace {

template <typename T>
using Task = asio::awaitable<T>;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr int send_buffer = 256 << 10;  // bytes: a status of 64 stations at once

// One type for both kinds of sockets, so that everything below is compiled once.
using Wire = beast::basic_stream<asio::generic::stream_protocol>;
using Parser = beast::http::request_parser<beast::http::string_body>;

}  // namespace

// Kept alive by every coroutine, so that a connection may outlast the Server by its last step.
struct Serving {
  Serving(asio::io_context& context, const Listen& at, const Limits& allowed, Api& daemon,
          std::unique_ptr<Archive> memory)
      : io(context), listen(at), limits(allowed), api(daemon), archive(std::move(memory)) {}

  asio::io_context& io;
  const Listen listen;
  const Limits limits;
  Api& api;
  House house;
  Tokens tokens{listen.tokens};
  std::unique_ptr<Archive> archive;  // touched on the reader thread only
  asio::thread_pool reader{1};
  std::size_t questions = 0;  // that wait for the reader thread
  Tcp::acceptor tcp{io};
  Local::acceptor local{io};
  std::set<Wire*> streams;  // of the open connections
  std::size_t open_tcp = 0, open_local = 0;
  Traffic traffic;
  std::atomic<bool> stopped = false;  // read on the reader thread too
};

namespace {

// An open connection; counted, and known to the server, for as long as it lives.
struct Connection {
  Connection(std::shared_ptr<Serving> server, asio::generic::stream_protocol::socket&& socket,
             const Peer& who)
      : serving(std::move(server)),
        stream(std::move(socket)),
        buffer(serving->limits.header_bytes + serving->limits.body_bytes),
        peer(who) {
    serving->streams.insert(&stream);
    ++open();
  }
  ~Connection() {
    serving->streams.erase(&stream);
    --open();
  }
  Connection(const Connection&) = delete;
  [[nodiscard]] std::size_t& open() const {
    return peer.local_socket ? serving->open_local : serving->open_tcp;
  }

  std::shared_ptr<Serving> serving;
  Wire stream;
  beast::flat_buffer buffer;
  Peer peer;
};

asio::ip::address address_of(const Listen& listen);
Traffic traffic_of(const Serving& serving);
void listen_on_tcp(Serving& serving);
void listen_on_socket(Serving& serving);
Task<void> accept_tcp(std::shared_ptr<Serving> serving);
Task<void> accept_local(std::shared_ptr<Serving> serving);

}  // namespace

Server::Server(asio::io_context& io, const Listen& listen, const Limits& limits, Api& api,
               std::unique_ptr<Archive> archive)
    : serving_(std::make_shared<Serving>(io, listen, limits, api, std::move(archive))) {
  listen_on_tcp(*serving_);
  asio::co_spawn(io, accept_tcp(serving_), asio::detached);
  if (listen.control.empty()) return;
  listen_on_socket(*serving_);
  asio::co_spawn(io, accept_local(serving_), asio::detached);
}

Server::~Server() {
  serving_->stopped = true;
  error_code ignored;
  serving_->tcp.close(ignored);
  if (serving_->local.is_open()) {
    serving_->local.close(ignored);
    std::error_code gone;
    std::filesystem::remove(serving_->listen.control, gone);
  }
  for (auto* stream : serving_->streams) stream->close();
  serving_->reader.join();
}

std::uint16_t Server::port() const { return serving_->tcp.local_endpoint().port(); }

Traffic Server::traffic() const { return traffic_of(*serving_); }

void require_tokens(const Listen& listen) {
  if (address_of(listen).is_loopback()) return;
  Tokens tokens(listen.tokens);
  if (!tokens.empty()) return;
  throw std::runtime_error(
      tokens.trouble().empty()
          ? fmt::format("http: {} can be reached from other machines, and nobody has a token: make one with "
                        "`cambench token add NAME --role viewer`, or listen on 127.0.0.1",
                        listen.host)
          : "http: " + tokens.trouble());
}

namespace {

Traffic traffic_of(const Serving& serving) {
  auto traffic = serving.traffic;
  traffic.open = serving.open_tcp + serving.open_local;
  return traffic;
}

// --- one connection

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

Task<Response> from_archive(std::shared_ptr<Serving> serving, ArchiveQuery query) {
  if (serving->questions >= serving->limits.questions)
    co_return problem(503, "Too many questions", "The archive is busy; ask again in a moment.");
  ++serving->questions;
  auto response =
      co_await asio::co_spawn(serving->reader, ask(serving, std::move(query)), asio::use_awaitable);
  --serving->questions;
  co_return response;
}

// An order under way: the timer ends when the daemon calls back, or when it did not in time.
struct UnderWay {
  explicit UnderWay(asio::io_context& io) : timer(io) {}
  asio::steady_timer timer;
  std::optional<Result<std::string>> result;
};

Task<Response> carried_out(std::shared_ptr<Serving> serving, Order order) {
  const auto under_way = std::make_shared<UnderWay>(serving->io);
  under_way->timer.expires_after(serving->limits.order);
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
  if (under_way->result) co_return answered(order, *under_way->result);
  co_return problem(504, "Not confirmed",
                    "The order was given but not recorded in time; the status shows whether it took effect.");
}

Way way_of(Serving& serving, Request& request) {
  if (!request.peer.local_socket && !request.authorization.empty()) {
    request.token = serving.tokens.find(bearer(request.authorization));
    if (!request.token) ++serving.traffic.unknown_tokens;
  }
  return route(request, serving.api, serving.house, traffic_of(serving));
}

Task<Response> answer(std::shared_ptr<Serving> serving, Way way) {
  if (auto* query = std::get_if<ArchiveQuery>(&way))
    co_return co_await from_archive(serving, std::move(*query));
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

// --- server-sent events

/// Counted for as long as it lives.
struct Telling {
  explicit Telling(Serving& server) : serving(server) { ++serving.traffic.streams; }
  ~Telling() { --serving.traffic.streams; }
  Telling(const Telling&) = delete;
  Serving& serving;
};

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

/// Tells what is new until the client goes or does not take it in time. Only the newest status is ever told, and
/// events are read when there is room for them: a slow client costs nothing but its connection.
Task<void> tell(Connection& connection, Stream stream) {
  const auto serving = connection.serving;
  const Telling counted(*serving);
  const auto since = std::make_shared<std::int64_t>(stream.since.value_or(-1));
  std::string told;
  bool there = co_await send(connection, stream_head(), false, false);
  while (there && !serving->stopped) {
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

// One request and its response; false ends the connection.
Task<bool> exchange(Connection& connection) {
  auto& serving = connection.serving;
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(serving->limits.header_bytes));
  parser.body_limit(serving->limits.body_bytes);
  connection.stream.expires_after(serving->limits.request);
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
  const bool keep_alive = message.keep_alive(), with_body = message.method() != beast::http::verb::head;
  auto request = request_of(std::move(message), std::move(*target), connection.peer);
  auto way = way_of(*serving, request);
  if (const auto* stream = std::get_if<Stream>(&way)) {
    if (serving->traffic.streams < serving->limits.streams && with_body) {
      co_await tell(connection, *stream);
      co_return false;
    }
    way = with_body ? problem(503, "Too many streams", "Ask again in a moment, or ask for /api/v1/events.")
                    : stream_head();
  }
  const auto response = co_await answer(serving, std::move(way));
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

Task<void> serve(std::unique_ptr<Connection> connection) {
  bool more = true;
  while (more && !connection->serving->stopped) {
    more = co_await request_begins(*connection);
    if (more) more = co_await exchange(*connection);
  }
  if (connection->stream.socket().is_open()) co_await part(*connection);
}

// --- the two doors

// Best effort, without waiting: a crowd must not cost anything.
void turn_away(asio::generic::stream_protocol::socket socket) {
  const auto full = problem(503, "Too many connections", "This daemon has all the connections it takes.");
  const auto text = head(full, false, std::chrono::system_clock::now()) + std::string(full.body.bytes());
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.send(asio::buffer(text), 0, ignored);
  socket.shutdown(asio::socket_base::shutdown_send, ignored);
}

void begin(const std::shared_ptr<Serving>& serving, asio::generic::stream_protocol::socket socket,
           const Peer& peer) {
  ++serving->traffic.connections;
  const bool full = peer.local_socket ? serving->open_local >= serving->limits.control_connections
                                      : serving->open_tcp >= serving->limits.connections;
  if (full) {
    ++serving->traffic.refused_connections;
    turn_away(std::move(socket));
    return;
  }
  auto connection = std::make_unique<Connection>(serving, std::move(socket), peer);
  asio::co_spawn(serving->io, serve(std::move(connection)), asio::detached);
}

// No descriptor is left, most likely: the next moment may have one.
Task<void> breathe(Serving& serving) {
  asio::steady_timer timer(serving.io, std::chrono::milliseconds(100));
  co_await timer.async_wait(as_result);
}

Task<void> accept_tcp(std::shared_ptr<Serving> serving) {
  while (serving->tcp.is_open()) {
    auto [error, socket] = co_await serving->tcp.async_accept(as_result);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      co_await breathe(*serving);
      continue;
    }
    error_code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    // What a slow client may keep in the kernel is bounded too: left alone it grows to megabytes each.
    socket.set_option(asio::socket_base::send_buffer_size(send_buffer), ignored);
    Peer peer;
    peer.address = socket.remote_endpoint(ignored).address().to_string();
    begin(serving, std::move(socket), peer);
  }
}

Peer peer_of(Local::socket& socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  Peer peer;
  peer.local_socket = getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
  peer.uid = credentials.uid;
  peer.pid = credentials.pid;
  return peer;
}

Task<void> accept_local(std::shared_ptr<Serving> serving) {
  while (serving->local.is_open()) {
    auto [error, socket] = co_await serving->local.async_accept(as_result);
    if (error == asio::error::operation_aborted) co_return;
    if (error) {
      co_await breathe(*serving);
      continue;
    }
    const auto peer = peer_of(socket);
    if (peer.local_socket) begin(serving, std::move(socket), peer);
  }
}

asio::ip::address address_of(const Listen& listen) {
  error_code error;
  const auto address = asio::ip::make_address(listen.host == "localhost" ? "127.0.0.1" : listen.host, error);
  if (error) throw std::runtime_error(fmt::format("http: {} is no address", listen.host));
  return address;
}

void listen_on_tcp(Serving& serving) {
  const auto& listen = serving.listen;
  require_tokens(listen);
  const auto address = address_of(listen);
  serving.house = {listen.control.string(), address.is_loopback(), listen.hosts};
  try {
    const Tcp::endpoint endpoint(address, listen.port);
    serving.tcp.open(endpoint.protocol());
    serving.tcp.set_option(asio::socket_base::reuse_address(true));
    serving.tcp.bind(endpoint);
    serving.tcp.listen();
  } catch (const boost::system::system_error& trouble) {
    throw std::runtime_error(fmt::format("http: {} port {}: {}; is another daemon running?", listen.host,
                                         listen.port, trouble.code().message()));
  }
}

// A socket that a killed daemon left is removed; one that somebody answers on is not.
void clear_way(asio::io_context& io, const std::filesystem::path& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return;
  if (!S_ISSOCK(info.st_mode))
    throw std::runtime_error(
        fmt::format("http: {} is there and no socket; remove it or name another", path.string()));
  error_code error;
  Local::socket(io).connect(Local::endpoint(path.string()), error);
  if (!error) throw std::runtime_error(fmt::format("http: another daemon answers on {}", path.string()));
  std::filesystem::remove(path);
}

void listen_on_socket(Serving& serving) {
  const auto& path = serving.listen.control;
  try {
    clear_way(serving.io, path);
    serving.local.open();
    const auto before = umask(0117);  // never, not for a moment, open to others
    error_code error;
    serving.local.bind(Local::endpoint(path.string()), error);
    umask(before);
    if (error) throw boost::system::system_error(error);
    serving.local.listen();
  } catch (const boost::system::system_error& trouble) {
    throw std::runtime_error(fmt::format("http: socket {}: {}", path.string(), trouble.code().message()));
  }
}

}  // namespace
}  // namespace cambench::http
