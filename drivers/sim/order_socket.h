// The socket by which a simulated bench takes orders: one line in, its answer and a line "ok" or "error: ..." out.
// On the io_context's thread, except for orders that take long: those run on one thread of their own, one at a time.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "schema/result.h"

namespace boost::asio {
class io_context;
}

namespace cambench::sim {

class OrderSocket {
 public:
  struct Handlers {
    std::function<Result<std::string>(std::string_view line)> order;
    std::function<bool(std::string_view line)> takes_long;
    std::function<Result<std::string>(std::string_view line)> long_order;  ///< called on the other thread
  };
  /// Throws std::runtime_error naming the path when it cannot listen there. An old socket is replaced.
  OrderSocket(boost::asio::io_context& io, const std::filesystem::path& path, Handlers handlers);
  ~OrderSocket();  ///< waits for a long order to end; removes the socket
  OrderSocket(const OrderSocket&) = delete;
  OrderSocket& operator=(const OrderSocket&) = delete;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Gives one order to whoever listens at `path`, and waits for the answer.
Result<std::string> send_order(const std::filesystem::path& path, std::string_view order);

}  // namespace cambench::sim
