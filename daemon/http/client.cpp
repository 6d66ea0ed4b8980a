#include "daemon/http/client.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>

namespace cambench::http {

namespace {

using Deadline = std::chrono::steady_clock::time_point;
constexpr std::size_t longest_reply = 64 << 20;

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  [[nodiscard]] int get() const { return descriptor_; }

 private:
  int descriptor_;
};

std::string place(const Address& address) {
  return address.socket.empty() ? fmt::format("{}:{}", address.host, address.port) : address.socket;
}

std::unexpected<Fault> unreachable(const Address& address, int error) {
  return fail(Fault::Kind::link,
              fmt::format("no daemon answers on {} ({})", place(address), std::strerror(error)));
}

Result<void> wait_for(int descriptor, short what, Deadline deadline) {
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  pollfd poll_for{descriptor, what, 0};
  const int ready = poll(&poll_for, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
  if (ready > 0 || (ready < 0 && errno == EINTR)) return {};
  return fail(Fault::Kind::timeout, "the daemon took too long");
}

Result<Socket> connect_to(const Address& address, const sockaddr* to, socklen_t size, Deadline deadline) {
  Socket made(socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (made.get() < 0) return unreachable(address, errno);
  if (connect(made.get(), to, size) == 0) return made;
  if (errno != EINPROGRESS) return unreachable(address, errno);
  if (auto waited = wait_for(made.get(), POLLOUT, deadline); !waited) return fail(waited.error());
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(made.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return unreachable(address, error);
  return made;
}

Result<Socket> connect_local(const Address& address, Deadline deadline) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.socket.size() >= sizeof to.sun_path)
    return fail(Fault::Kind::input, fmt::format("{} is too long for a socket's path", address.socket));
  address.socket.copy(to.sun_path, sizeof to.sun_path - 1);
  return connect_to(address, reinterpret_cast<const sockaddr*>(&to), sizeof to, deadline);
}

Result<Socket> connect_tcp(const Address& address, Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int error =
          getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &list))
    return fail(Fault::Kind::link, fmt::format("{}: {}", place(address), gai_strerror(error)));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(list, freeaddrinfo);
  Result<Socket> last = unreachable(address, ECONNREFUSED);
  for (const auto* to = list; to != nullptr && !last; to = to->ai_next) {
    auto made = connect_to(address, to->ai_addr, to->ai_addrlen, deadline);
    if (made) return made;
    last = fail(made.error());
  }
  return last;
}

Result<void> send_all(const Socket& socket, std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (auto ready = wait_for(socket.get(), POLLOUT, deadline); !ready) return ready;
    const auto sent = send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0)
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno == EPIPE || errno == ECONNRESET)
      return {};  // it may have refused early: its answer is still to be read
    else if (errno != EAGAIN && errno != EINTR)
      return fail(Fault::Kind::link, fmt::format("the daemon hung up ({})", std::strerror(errno)));
  }
  return {};
}

Result<std::string> read_all(const Socket& socket, Deadline deadline) {
  std::string bytes;
  std::array<char, 16384> piece{};
  while (bytes.size() < longest_reply) {
    if (auto ready = wait_for(socket.get(), POLLIN, deadline); !ready) return fail(ready.error());
    const auto got = recv(socket.get(), piece.data(), piece.size(), 0);
    if (got == 0) return bytes;
    if (got > 0)
      bytes.append(piece.data(), static_cast<std::size_t>(got));
    else if (errno == ECONNRESET && !bytes.empty())
      return bytes;
    else if (errno != EAGAIN && errno != EINTR)
      return fail(Fault::Kind::link, fmt::format("the daemon hung up ({})", std::strerror(errno)));
  }
  return fail(Fault::Kind::protocol, "the daemon's answer does not end");
}

Result<Reply> converse(const Address& address, std::string_view request, std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  auto socket = address.socket.empty() ? connect_tcp(address, deadline) : connect_local(address, deadline);
  if (!socket) return fail(socket.error());
  if (auto sent = send_all(*socket, request, deadline); !sent) return fail(sent.error());
  const auto bytes = read_all(*socket, deadline);
  if (!bytes) return fail(bytes.error());
  return parse_reply(*bytes);
}

std::string head_of(const Address& address, std::string_view method, std::string_view target) {
  const auto host = address.socket.empty() ? fmt::format("{}:{}", address.host, address.port) : "localhost";
  return fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAccept: application/json\r\n",
                     method, target, host);
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <typename T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Result<Address> parse_address(std::string_view text) {
  if (text.starts_with("unix:")) return Address{std::string(text.substr(5)), {}, 0};
  if (text.find('/') != text.npos && !text.starts_with("http://")) return Address{std::string(text), {}, 0};
  auto rest = text.starts_with("http://") ? text.substr(7) : text;
  rest = rest.substr(0, rest.find('/'));
  const auto colon = rest.rfind(':');
  const auto port = colon == rest.npos ? std::nullopt : number<std::uint16_t>(rest.substr(colon + 1));
  if (!port || colon == 0)
    return fail(Fault::Kind::input,
                fmt::format("\"{}\" is no address of a daemon; write unix:/path/of/control.sock or "
                            "http://127.0.0.1:8870",
                            text));
  auto host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return Address{{}, std::string(host), *port};
}

Result<Reply> get(const Address& address, std::string_view target, std::chrono::milliseconds patience) {
  return converse(address, head_of(address, "GET", target) + "\r\n", patience);
}

Result<Reply> post(const Address& address, std::string_view target, std::string_view json,
                   std::chrono::milliseconds patience) {
  return order(address, "POST", target, json, patience);
}

Result<Reply> order(const Address& address, std::string_view method, std::string_view target,
                    std::string_view json, std::chrono::milliseconds patience) {
  return converse(
      address,
      head_of(address, method, target) +
          fmt::format("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", json.size(), json),
      patience);
}

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    encoded += plain || std::string_view("-._~").contains(c)
                   ? std::string(1, c)
                   : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

std::string complaint(const Reply& reply) {
  boost::system::error_code error;
  const auto document = boost::json::parse(reply.body, error);
  if (!error && document.is_object())
    if (const auto* detail = document.as_object().if_contains("detail");
        detail != nullptr && detail->is_string())
      return std::string(detail->as_string());
  return fmt::format("the daemon answered with status {}", reply.status);
}

Result<Reply> parse_reply(std::string_view bytes) {
  const auto broken = [](std::string_view how) {
    return fail(Fault::Kind::protocol, fmt::format("the daemon's answer is no HTTP: {}", how));
  };
  const auto head_end = bytes.find("\r\n\r\n");
  if (head_end == bytes.npos) return broken("its head does not end");
  auto head = bytes.substr(0, head_end + 2);
  const auto status =
      head.size() > 13 && head.starts_with("HTTP/1.") ? number<unsigned>(head.substr(9, 3)) : std::nullopt;
  if (!status) return broken("it has no status");
  Reply reply;
  reply.status = *status;
  std::optional<std::size_t> length;
  for (head.remove_prefix(head.find("\r\n") + 2); !head.empty(); head.remove_prefix(head.find("\r\n") + 2)) {
    const auto line = head.substr(0, head.find("\r\n"));
    const auto name = line.substr(0, line.find(':'));
    const auto value = trimmed(line.substr(std::min(line.size(), name.size() + 1)));
    if (equal_but_for_case(name, "content-type")) reply.content_type = value;
    if (equal_but_for_case(name, "etag")) reply.etag = value;
    if (equal_but_for_case(name, "content-length")) length = number<std::size_t>(value);
  }
  const auto body = bytes.substr(head_end + 4);
  if (length && body.size() < *length) return broken("it ends early");
  reply.body = body.substr(0, length.value_or(body.size()));
  return reply;
}

}  // namespace cambench::http
