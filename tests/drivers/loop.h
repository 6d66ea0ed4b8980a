// Runs one conversation to its end on an io_context that also serves the simulated instrument.
#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <optional>
#include <utility>

namespace cambench::tests {

template <typename T>
T finish(boost::asio::io_context& io, boost::asio::awaitable<T> conversation) {
  std::optional<T> result;
  std::exception_ptr thrown;
  boost::asio::co_spawn(io, std::move(conversation), [&](std::exception_ptr error, T value) {
    thrown = error;
    result.emplace(std::move(value));
    io.stop();
  });
  io.restart();
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  return std::move(result.value());
}

}  // namespace cambench::tests
