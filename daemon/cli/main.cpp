// cambench: the command line.
#include <unistd.h>

#include <iostream>
#include <thread>

#include "daemon/cli/cli.h"

namespace {

using namespace cambench;

Result<http::Reply> ask(const http::Address& address, std::string_view method, std::string_view target,
                        std::string_view body) {
  return method == "GET" ? http::get(address, target) : http::post(address, target, body);
}

}  // namespace

int main(int count, char** words) {
  cli::World world{.out = std::cout,
                   .err = std::cerr,
                   .terminal = isatty(STDOUT_FILENO) == 1,
                   .progress = isatty(STDERR_FILENO) == 1,
                   .ask = ask,
                   .wait = [](Seconds pause) { std::this_thread::sleep_for(pause); }};
  return cli::run({words + 1, words + count}, world);
}
