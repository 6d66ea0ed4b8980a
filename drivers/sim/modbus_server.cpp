#include "drivers/sim/modbus_server.h"

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
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

bool writes(std::span<const std::uint8_t> request) { return request[0] == 6 || request[0] == 16; }

/// Functions 3, 4, 6 and 16. `request` is never empty.
Bytes answer(RegisterDevice& device, std::span<const std::uint8_t> request) {
  const std::uint8_t function = request[0];
  const bool reads = function == 3 || function == 4;
  if (!reads && !writes(request)) return exception(function, 1);
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

/// The last answers to one kind of question.
struct Answers {
  std::uint64_t count = 0;
  std::deque<Bytes> recent;

  Bytes two_before(const Bytes& reply) {
    ++count;
    recent.push_back(reply);
    if (recent.size() > 3) recent.pop_front();
    return recent.front();
  }
};

asio::awaitable<void> serve(StatePointer state, tcp::socket socket) {
  state->connected.insert(&socket);
  const std::shared_ptr<void> leave(nullptr, [&](void*) { state->connected.erase(&socket); });
  asio::steady_timer timer(socket.get_executor());
  std::map<std::size_t, Answers> answers;  // to each kind of question, told apart by their length
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
    if (trouble.stall || (trouble.mute && writes(request))) continue;
    const Bytes older = answers[reply.size()].two_before(reply);
    if (trouble.stale && answers[reply.size()].count % 2 == 0) reply = older;
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

// ---- Serial line -------------------------------------------------------------------------------------------

struct ModbusRtuServer::State {
  State(const asio::any_io_executor& executor, Units served, NowFunction clock)
      : line(executor), units(std::move(served)), now(std::move(clock)) {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0)
      throw boost::system::system_error(errno, boost::system::system_category(), "posix_openpt");
    line.assign(master);
    if (::grantpt(master) != 0 || ::unlockpt(master) != 0)
      throw boost::system::system_error(errno, boost::system::system_category(), "unlockpt");
    path = ::ptsname(master);
    // Kept open, so that a client may come and go without a hang-up on our side.
    kept_open = ::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC);
    termios raw{};
    ::tcgetattr(kept_open, &raw);
    ::cfmakeraw(&raw);
    ::tcsetattr(kept_open, TCSANOW, &raw);
  }
  ~State() { ::close(kept_open); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  asio::posix::stream_descriptor line;
  Units units;
  NowFunction now;
  std::string path;
  int kept_open = -1;
  std::uint64_t requests = 0;
};

namespace {

/// Bytes of the request that begins here; 0 while that cannot be said yet. A pseudo terminal has no pauses that
/// would mark the end of a frame.
std::size_t frame_size(std::span<const std::uint8_t> bytes) {
  if (bytes.size() < 2) return 0;
  if (bytes[1] != 15 && bytes[1] != 16) return 8;
  return bytes.size() < 7 ? 0 : 9u + bytes[6];
}

bool has_good_crc(std::span<const std::uint8_t> frame) {
  const auto sum = crc16(frame.first(frame.size() - 2));
  return frame[frame.size() - 2] == (sum & 0xff) && frame[frame.size() - 1] == sum >> 8;
}

Bytes with_crc(std::uint8_t unit, std::span<const std::uint8_t> pdu) {
  Bytes frame{unit};
  frame.insert(frame.end(), pdu.begin(), pdu.end());
  const auto sum = crc16(frame);
  frame.push_back(static_cast<std::uint8_t>(sum & 0xff));
  frame.push_back(static_cast<std::uint8_t>(sum >> 8));
  return frame;
}

using SerialPointer = std::shared_ptr<ModbusRtuServer::State>;

asio::awaitable<void> answer_frame(SerialPointer state, Bytes frame) {
  const auto found = state->units.find(frame[0]);
  if (found == state->units.end()) co_return;  // on a line the others stay silent
  ++state->requests;
  RegisterDevice& device = *found->second;
  device.advance(state->now());
  const AnswerTrouble trouble = device.trouble();
  if (trouble.stall || trouble.refuse) co_return;
  const auto request = std::span(frame).subspan(1, frame.size() - 3);
  const Bytes reply = trouble.exception ? exception(request[0], trouble.exception) : answer(device, request);
  if (trouble.mute && writes(request)) co_return;
  const Bytes once = with_crc(static_cast<std::uint8_t>(frame[0] + trouble.wrong_unit), reply);
  Bytes bytes = once;
  if (trouble.duplicate) bytes.insert(bytes.end(), once.begin(), once.end());
  if (trouble.delay.count() > 0) {
    asio::steady_timer timer(state->line.get_executor());
    timer.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(trouble.delay));
    co_await timer.async_wait(as_result);
  }
  co_await asio::async_write(state->line, asio::buffer(bytes), as_result);
}

asio::awaitable<void> serve_line(SerialPointer state) {
  Bytes waiting;
  std::array<std::uint8_t, 256> part{};
  for (;;) {
    const auto [error, count] = co_await state->line.async_read_some(asio::buffer(part), as_result);
    if (error) co_return;
    waiting.insert(waiting.end(), part.begin(), part.begin() + static_cast<std::ptrdiff_t>(count));
    for (std::size_t size = frame_size(waiting); size != 0 && size <= waiting.size();
         size = frame_size(waiting)) {
      const auto end = waiting.begin() + static_cast<std::ptrdiff_t>(size);
      Bytes frame(waiting.begin(), end);
      if (!has_good_crc(frame)) {
        waiting.erase(waiting.begin());  // look for the next frame
        continue;
      }
      waiting.erase(waiting.begin(), end);
      co_await answer_frame(state, std::move(frame));
    }
  }
}

}  // namespace

std::uint16_t crc16(std::span<const std::uint8_t> bytes) {
  unsigned sum = 0xffff;
  for (const std::uint8_t byte : bytes) {
    sum ^= byte;
    for (int bit = 0; bit < 8; ++bit) sum = sum & 1 ? sum >> 1 ^ 0xa001 : sum >> 1;
  }
  return static_cast<std::uint16_t>(sum);
}

ModbusRtuServer::ModbusRtuServer(const asio::any_io_executor& executor, Units units, NowFunction now)
    : state_(std::make_shared<State>(executor, std::move(units), std::move(now))) {
  asio::co_spawn(executor, serve_line(state_), asio::detached);
}

ModbusRtuServer::~ModbusRtuServer() {
  boost::system::error_code ignored;
  state_->line.close(ignored);
}

const std::string& ModbusRtuServer::path() const { return state_->path; }

std::uint64_t ModbusRtuServer::requests() const { return state_->requests; }

}  // namespace cambench::sim
