// The HTTP/1.1 server: a TCP listener, on loopback if nothing else is wanted, and a Unix socket.
//
// Everything runs on the given io_context, the deciding thread, but for the questions to the archive, which one
// reader thread of the server answers, and imports, which one importer thread reads. Nobody can hold the deciding thread or grow without bound: connections,
// header, body, waiting questions and every wait for the other end have a limit. Requests of one connection are
// answered one after the other.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/http/api.h"
#include "daemon/http/traffic.h"

namespace boost::asio {
class io_context;
}

namespace cambench::http {

struct Limits {
  std::size_t connections = 200;  ///< over TCP; well below 1024 descriptors, which libmodbus cannot pass
  std::size_t control_connections = 16;  ///< over the Unix socket, apart: an order must get through a crowd
  std::size_t header_bytes = 8 << 10;
  std::size_t body_bytes = 64 << 10;
  std::size_t questions = 32;                  ///< that may wait for the reader thread
  std::size_t downloads = 4;                   ///< of runs that may be made and sent at a time
  std::size_t streams = 40;                    ///< of the connections that may be told of every event
  std::chrono::milliseconds idle{30'000};      ///< between two requests of a connection
  std::chrono::milliseconds request{5'000};    ///< from the first byte of a request to its last
  std::chrono::milliseconds response{20'000};  ///< to take a response
  std::chrono::milliseconds order{10'000};     ///< until an order is recorded
  std::size_t import_bytes = 32 << 20;         ///< of a rate test that is brought; one at a time
  std::chrono::milliseconds import{60'000};    ///< to bring it, and until it is recorded
  std::chrono::milliseconds news{1'000};       ///< between two looks of a stream for what is new
};

struct Listen {
  std::string host = "127.0.0.1";  ///< any other than a loopback address needs a token in `tokens`
  std::uint16_t port = 8870;       ///< 0: a free one
  std::filesystem::path control;   ///< Unix socket, made with mode 0660; empty: none
  std::filesystem::path tokens;    ///< of those who may give orders over TCP; empty or not there: nobody
  std::vector<std::string> hosts;  ///< names we answer to beside localhost and addresses
};

/// Throws std::runtime_error with a sentence when nobody could be told from anybody: other machines can reach the
/// address, and there is no token. The Server asks it too; here it can be asked before anything is opened.
void require_tokens(const Listen& listen);

/// False while this machine does not have the address: a Server listens there all the same, and is reached once it has.
bool is_here(const Listen& listen);

struct Serving;

class Server {
 public:
  /// Listens at once; throws std::runtime_error with a sentence when an address cannot be taken. `api` must outlive
  /// the io_context's run, `archive` goes to the reader thread.
  Server(boost::asio::io_context& io, const Listen& listen, const Limits& limits, Api& api,
         std::unique_ptr<Archive> archive);
  ~Server();  ///< stops listening, cuts every connection, waits for its threads
  Server(const Server&) = delete;

  [[nodiscard]] std::uint16_t port() const;
  [[nodiscard]] Traffic traffic() const;

 private:
  std::shared_ptr<Serving> serving_;
};

}  // namespace cambench::http
