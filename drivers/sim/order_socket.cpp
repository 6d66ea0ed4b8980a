#include "drivers/sim/order_socket.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <stdexcept>
#include <utility>

namespace cambench::sim {

namespace asio = boost::asio;
using asio::local::stream_protocol;

namespace {
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t longest_order = 4096;
}  // namespace

struct OrderSocket::State {
  State(asio::io_context& its_io, std::filesystem::path its_path, Handlers its_handlers)
      : io(its_io), path(std::move(its_path)), handlers(std::move(its_handlers)), door(io), pool(1) {
    std::filesystem::remove(path);
    boost::system::error_code error;
    door.open();
    if (path.string().size() < 104) door.bind(path.string(), error);
    if (error || !door.local_endpoint(error).path().size())
      throw std::runtime_error(
          fmt::format("{}: cannot listen there; choose a directory with a shorter path that can "
                      "be written",
                      path.string()));
    door.listen();
  }

  static asio::awaitable<void> accept(std::shared_ptr<State> self) {
    while (!self->closed) {
      auto [error, client] = co_await self->door.async_accept(as_result);
      if (error) co_return;
      asio::co_spawn(self->io, serve(self, std::move(client)), asio::detached);
    }
  }

  static asio::awaitable<void> serve(std::shared_ptr<State> self, stream_protocol::socket client) {
    std::string input;
    while (!self->closed) {
      const auto [error, size] = co_await asio::async_read_until(
          client, asio::dynamic_buffer(input, longest_order), '\n', as_result);
      if (error || self->closed) co_return;
      const std::string line = input.substr(0, size - 1);
      input.erase(0, size);
      Result<std::string> said;
      if (self->handlers.takes_long(line))
        said = co_await elsewhere(self, line);
      else
        said = self->handlers.order(line);
      const std::string reply = said ? *said + "ok\n" : "error: " + said.error().what + "\n";
      const auto [broken, sent] = co_await asio::async_write(client, asio::buffer(reply), as_result);
      if (broken) co_return;
    }
  }

  static asio::awaitable<Result<std::string>> elsewhere(std::shared_ptr<State> self, std::string line) {
    co_await asio::post(asio::bind_executor(self->pool, asio::use_awaitable));
    Result<std::string> said = self->handlers.long_order(line);
    co_await asio::post(asio::bind_executor(self->io, asio::use_awaitable));
    co_return said;
  }

  asio::io_context& io;
  std::filesystem::path path;
  Handlers handlers;
  stream_protocol::acceptor door;
  asio::thread_pool pool;
  bool closed = false;
};

OrderSocket::OrderSocket(asio::io_context& io, const std::filesystem::path& path, Handlers handlers)
    : state_(std::make_shared<State>(io, path, std::move(handlers))) {
  asio::co_spawn(io, State::accept(state_), asio::detached);
}

OrderSocket::~OrderSocket() {
  state_->closed = true;
  boost::system::error_code ignored;
  state_->door.close(ignored);
  state_->pool.join();
  std::error_code nothing;
  std::filesystem::remove(state_->path, nothing);
}

Result<std::string> send_order(const std::filesystem::path& path, std::string_view order) {
  asio::io_context io;
  stream_protocol::socket socket(io);
  boost::system::error_code error;
  socket.connect(path.string().substr(0, 107), error);
  if (error)
    return fail(Fault::Kind::link,
                fmt::format("{}: {}; is the bench running?", path.string(), error.message()));
  asio::write(socket, asio::buffer(std::string(order) + "\n"), error);
  std::string reply;
  while (!error) {
    std::array<char, 4096> piece{};
    reply.append(piece.data(), socket.read_some(asio::buffer(piece), error));
    if (reply == "ok\n" || reply.ends_with("\nok\n")) return reply.substr(0, reply.size() - 3);
    if (reply.starts_with("error: ") && reply.ends_with('\n'))
      return fail(Fault::Kind::refused, reply.substr(7, reply.size() - 8));
  }
  return fail(Fault::Kind::link, fmt::format("{}: {}", path.string(), error.message()));
}

}  // namespace cambench::sim
