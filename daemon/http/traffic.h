// What went through the server, for the metrics, the log and the tests.
#pragma once
#include <cstddef>
#include <cstdint>

namespace cambench::http {

struct Traffic {
  std::uint64_t requests = 0, connections = 0, refused_connections = 0, timed_out = 0;
  std::uint64_t answered[6] = {};  ///< by the first digit of the status: [2] is 200 to 299
  std::uint64_t unknown_tokens = 0, orders = 0;
  std::size_t open = 0, streams = 0, downloads = 0;
};

}  // namespace cambench::http
