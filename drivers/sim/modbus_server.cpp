#include "drivers/sim/modbus_server.h"

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <set>
#include <span>
#include <vector>

namespace cambench::sim {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::uint8_t gateway_target_failed = 0x0b;

std::uint16_t word_at(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

void append(Bytes& bytes, std::uint16_t word) {
  bytes.push_back(static_cast<std::uint8_t>(word >> 8));
  bytes.push_back(static_cast<std::uint8_t>(word & 0xff));
}

Bytes exception(std::uint8_t function, std::uint8_t code) {
  return {static_cast<std::uint8_t>(function | 0x80), code};
}

Bytes answer_read(RegisterDevice& device, std::span<const std::uint8_t> request) {
  const std::uint16_t count = word_at(request, 3);
  if (count == 0 || count > 125) return exception(request[0], 3);
  const auto words = device.read(word_at(request, 1), count);
  if (!words) return exception(request[0], words.error().code);
  Bytes reply{request[0], static_cast<std::uint8_t>(2 * count)};
  for (const std::uint16_t word : *words) append(reply, word);
  return reply;
}

Bytes answer_write(RegisterDevice& device, std::span<const std::uint8_t> request) {
  std::vector<std::uint16_t> words;
  if (request[0] == 6) {
    words.push_back(word_at(request, 3));
  } else {
    const std::size_t count = word_at(request, 3);
    if (request.size() < 6 || count == 0 || count > 123 || request[5] != 2 * count ||
        request.size() != 6 + 2 * count)
      return exception(request[0], 3);
    for (std::size_t i = 0; i < count; ++i) words.push_back(word_at(request, 6 + 2 * i));
  }
  const auto written = device.write(word_at(request, 1), words);
  if (!written) return exception(request[0], written.error().code);
  return {request.begin(), request.begin() + 5};
}

/// Functions 3, 4, 6 and 16. `request` is never empty.
Bytes answer(RegisterDevice& device, std::span<const std::uint8_t> request) {
  const std::uint8_t function = request[0];
  const bool reads = function == 3 || function == 4, writes = function == 6 || function == 16;
  if (!reads && !writes) return exception(function, 1);
  if (request.size() < 5 || (function != 16 && request.size() != 5)) return exception(function, 3);
  return reads ? answer_read(device, request) : answer_write(device, request);
}

}  // namespace

struct ModbusTcpServer::State {
  State(const asio::any_io_executor& executor, Units served, std::uint16_t port, NowFunction clock)
      : acceptor(executor, tcp::endpoint(asio::ip::address_v4::loopback(), port)),
        units(std::move(served)),
        now(std::move(clock)) {}

  tcp::acceptor acceptor;
  Units units;
  NowFunction now;
  std::uint64_t requests = 0;
  std::set<tcp::socket*> connected;

  [[nodiscard]] bool refuses() const {
    for (const auto& [unit, device] : units)
      if (device->trouble().refuse) return true;
    return false;
  }
  void drop() {
    boost::system::error_code ignored;
    for (tcp::socket* socket : connected) socket->close(ignored);
  }
};

namespace {

using StatePointer = std::shared_ptr<ModbusTcpServer::State>;

/// Header of the application data unit: transaction, protocol 0, length of what follows it, unit.
Bytes envelope(std::span<const std::uint8_t> header, const AnswerTrouble& trouble,
               std::span<const std::uint8_t> pdu) {
  Bytes bytes(header.begin(), header.begin() + 4);
  if (trouble.wrong_transaction) ++bytes[1];
  append(bytes, static_cast<std::uint16_t>(pdu.size() + 1));
  bytes.push_back(static_cast<std::uint8_t>(header[6] + trouble.wrong_unit));
  bytes.insert(bytes.end(), pdu.begin(), pdu.end());
  return bytes;
}

asio::awaitable<void> serve(StatePointer state, tcp::socket socket) {
  state->connected.insert(&socket);
  const std::shared_ptr<void> leave(nullptr, [&](void*) { state->connected.erase(&socket); });
  asio::steady_timer timer(socket.get_executor());
  std::deque<Bytes> recent;
  while (!state->refuses()) {
    std::array<std::uint8_t, 7> header{};
    const auto [header_error, header_size] =
        co_await asio::async_read(socket, asio::buffer(header), as_result);
    const std::uint16_t length = word_at(header, 4);
    if (header_error || word_at(header, 2) != 0 || length < 2 || length > 254) co_return;
    Bytes request(length - 1u);
    const auto [body_error, body_size] = co_await asio::async_read(socket, asio::buffer(request), as_result);
    if (body_error) co_return;
    ++state->requests;

    const auto found = state->units.find(header[6]);
    AnswerTrouble trouble;
    Bytes reply = exception(request[0], gateway_target_failed);
    if (found != state->units.end()) {
      found->second->advance(state->now());
      trouble = found->second->trouble();
      reply = trouble.exception ? exception(request[0], trouble.exception) : answer(*found->second, request);
    }
    if (trouble.refuse) co_return;
    if (trouble.stall) continue;
    recent.push_back(reply);
    if (recent.size() > 3) recent.pop_front();
    if (trouble.stale && state->requests % 2 == 0 && recent.front().size() == reply.size())
      reply = recent.front();
    const Bytes once = envelope(header, trouble, reply);
    Bytes bytes = once;
    if (trouble.duplicate) bytes.insert(bytes.end(), once.begin(), once.end());
    if (trouble.delay.count() > 0) {
      timer.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(trouble.delay));
      co_await timer.async_wait(as_result);
    }
    const auto [write_error, written] = co_await asio::async_write(socket, asio::buffer(bytes), as_result);
    if (write_error) co_return;
  }
}

asio::awaitable<void> accept_all(StatePointer state) {
  for (;;) {
    auto [error, socket] = co_await state->acceptor.async_accept(as_result);
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) co_return;
    if (error || state->refuses()) continue;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    asio::co_spawn(state->acceptor.get_executor(), serve(state, std::move(socket)), asio::detached);
  }
}

}  // namespace

ModbusTcpServer::ModbusTcpServer(const asio::any_io_executor& executor, Units units, std::uint16_t port,
                                 NowFunction now)
    : state_(std::make_shared<State>(executor, std::move(units), port, std::move(now))) {
  asio::co_spawn(executor, accept_all(state_), asio::detached);
}

ModbusTcpServer::~ModbusTcpServer() {
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
  state_->drop();
}

std::uint16_t ModbusTcpServer::port() const { return state_->acceptor.local_endpoint().port(); }

std::uint64_t ModbusTcpServer::requests() const { return state_->requests; }

void ModbusTcpServer::drop_connections() { state_->drop(); }

}  // namespace cambench::sim
