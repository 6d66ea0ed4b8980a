#include "daemon/http/server.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <stdexcept>

#include "daemon/http/serving.h"

namespace cambench::http {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr int send_buffer = 256 << 10;  // bytes: a status of 64 stations at once

asio::ip::address address_of(const Listen& listen);
void listen_on_tcp(Serving& serving);
void listen_on_socket(Serving& serving);
Task<void> accept_tcp(std::shared_ptr<Serving> serving);
Task<void> accept_local(std::shared_ptr<Serving> serving);

}  // namespace

Server::Server(asio::io_context& io, const Listen& listen, const Limits& limits, Api& api,
               std::unique_ptr<Archive> archive)
    : serving_(std::make_shared<Serving>(io, listen, limits, api, std::move(archive))) {
  asio::post(serving_->reader, [] { name_this_thread("http-reader"); });
  asio::post(serving_->importer, [] { name_this_thread("http-importer"); });
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
  serving_->importer.join();  // what it reads may still be asked of the archive
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

bool is_here(const Listen& listen) {
  asio::io_context io;
  error_code error;
  const Tcp::endpoint any_port(address_of(listen), 0);
  Tcp::socket probe(io);
  probe.open(any_port.protocol(), error);
  if (!error) probe.bind(any_port, error);
  return error != boost::system::errc::address_not_available;
}

Traffic traffic_of(const Serving& serving) {
  auto traffic = serving.traffic;
  traffic.open = serving.open_tcp + serving.open_local;
  return traffic;
}

namespace {

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

// The address may come later than we do (DHCP, a cable), and the bench does not wait for it.
void bind_even_ahead(Tcp::acceptor& acceptor, const Tcp::endpoint& endpoint) {
  const bool four = endpoint.protocol() == Tcp::v4();
  const int yes = 1;
  (void)::setsockopt(acceptor.native_handle(), four ? IPPROTO_IP : IPPROTO_IPV6,
                     four ? IP_FREEBIND : IPV6_FREEBIND, &yes, sizeof yes);
  acceptor.bind(endpoint);
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
    bind_even_ahead(serving.tcp, endpoint);
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
