// cambench: the command line.
#include <fmt/format.h>
#include <poll.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <iostream>
#include <thread>

#include "daemon/cli/cli.h"

namespace {

using namespace cambench;

Result<http::Reply> ask(const http::Address& address, std::string_view method, std::string_view target,
                        std::string_view body) {
  return method == "GET" ? http::get(address, target) : http::order(address, method, target, body);
}

std::string user_of_this_shell() {
  const passwd* user = ::getpwuid(::getuid());
  return user ? user->pw_name : fmt::format("uid {}", ::getuid());
}

void measure(cli::World& screen) {
  winsize size{};
  if (isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return;
  screen.columns = size.ws_col;
  screen.rows = size.ws_row;
}

/// Waits for a key of the person who looks on; q, Escape and Ctrl-C are enough. The terminal is as before afterwards.
bool looks_on(Seconds patience) {
  termios before{};
  const bool keys = ::tcgetattr(STDIN_FILENO, &before) == 0;
  if (keys) {
    termios one_by_one = before;
    one_by_one.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &one_by_one);
  }
  pollfd in{STDIN_FILENO, POLLIN, 0};
  char key = 0;
  if (::poll(keys ? &in : nullptr, keys ? 1 : 0, static_cast<int>(patience.count() * 1e3)) > 0)
    if (::read(STDIN_FILENO, &key, 1) != 1) key = 'q';
  if (keys) ::tcsetattr(STDIN_FILENO, TCSANOW, &before);
  constexpr char escape = 27, ctrl_c = 3;
  return key != 'q' && key != escape && key != ctrl_c;
}

}  // namespace

int main(int count, char** words) {
  cli::World world{.out = std::cout,
                   .err = std::cerr,
                   .user = user_of_this_shell(),
                   .terminal = isatty(STDOUT_FILENO) == 1,
                   .progress = isatty(STDERR_FILENO) == 1,
                   .ask = ask,
                   .wait = [](Seconds pause) { std::this_thread::sleep_for(pause); },
                   .looks_on = {}};
  measure(world);
  world.looks_on = [&world](Seconds patience) {
    const bool more = looks_on(patience);
    measure(world);  // the window may be another one now
    return more;
  };
  return cli::run({words + 1, words + count}, world);
}
