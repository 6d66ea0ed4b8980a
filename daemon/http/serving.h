// What the server and its conversations share: one TCP and one Unix listener, one reader thread, one importer thread, one
// set of open connections. Everything here belongs to the deciding thread, but what says otherwise.
#pragma once
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <set>

#include "daemon/http/routes.h"
#include "daemon/http/server.h"
#include "drivers/pulse.h"

namespace cambench::http {

template <typename T>
using Task = boost::asio::awaitable<T>;
inline constexpr auto as_result = boost::asio::as_tuple(boost::asio::use_awaitable);

using Tcp = boost::asio::ip::tcp;
using Local = boost::asio::local::stream_protocol;
// One type for both kinds of sockets, so that a conversation is compiled once.
using Wire = boost::beast::basic_stream<boost::asio::generic::stream_protocol>;

// Kept alive by every coroutine, so that a connection may outlast the Server by its last step.
struct Serving {
  Serving(boost::asio::io_context& context, const Listen& at, const Limits& allowed, Api& daemon,
          std::unique_ptr<Archive> memory)
      : io(context), listen(at), limits(allowed), api(daemon), archive(std::move(memory)) {}

  boost::asio::io_context& io;
  const Listen listen;
  const Limits limits;
  Api& api;
  House house;
  Tokens tokens{listen.tokens};
  std::unique_ptr<Archive> archive;  // touched on the reader thread only
  boost::asio::thread_pool reader{1};
  std::size_t questions = 0;  // that wait for the reader thread
  std::size_t given = 0;      // to the reader thread: questions, and pieces of what is sent in pieces
  Pulse pulse{"the thread that reads the store for HTTP", Seconds{30}};
  boost::asio::thread_pool importer{1};  // reads what is long to read: the questions do not wait for it
  Pulse importing{"the thread that reads what is imported", Seconds{60}, Pulse::Role::beside};
  std::size_t imports = 0;  // that wait for it
  std::size_t uploads = 0;  // of imports: one at a time, so that nobody fills the memory
  Tcp::acceptor tcp{io};
  Local::acceptor local{io};
  std::set<Wire*> streams;  // of the open connections
  std::size_t open_tcp = 0, open_local = 0;
  Traffic traffic;
  std::atomic<bool> stopped = false;  // read on the reader thread too
};
Traffic traffic_of(const Serving& serving);

// Work for the reader thread, from when it is given until its result is here.
class ForReader {
 public:
  explicit ForReader(Serving& serving) : serving_(serving) {
    ++serving_.given;
    serving_.pulse.handed_over();
  }
  ~ForReader() { --serving_.given > 0 ? serving_.pulse.advanced() : serving_.pulse.rests(); }
  ForReader(const ForReader&) = delete;

 private:
  Serving& serving_;
};

// An open connection; counted, and known to the server, for as long as it lives.
struct Connection {
  Connection(std::shared_ptr<Serving> server, boost::asio::generic::stream_protocol::socket&& socket,
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
  boost::beast::flat_buffer buffer;
  Peer peer;
};

/// Requests and responses, until either end has had enough (conversation.cpp).
Task<void> serve(std::unique_ptr<Connection> connection);

}  // namespace cambench::http
