// The command line: `cambench VERB ...`. Verbs on files need no daemon; the others talk to its control socket.
#pragma once
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/http/client.h"
#include "schema/result.h"
#include "schema/units.h"

namespace cambench::cli {

/// What the program ends with, as printed by --help.
enum Exit : int {
  done = 0,
  refused = 1,      ///< bad input, a refused order, or an output that cannot be written: stderr says why
  usage = 2,        ///< the command line itself
  unreachable = 3,  ///< no daemon answers
  not_finished = 4  ///< watch: the run tripped, was held or aborted
};

/// What the verbs need from outside.
struct World {
  std::ostream& out;      ///< the answer
  std::ostream& err;      ///< sentences about what went wrong
  std::string user{};     ///< of this shell: who orders what nobody signs with --who
  bool terminal = false;  ///< `out` is a screen that may be redrawn
  int columns = 0;        ///< of that screen; 0: lines may be as long as they are
  int rows = 0;           ///< 0: and as many
  bool progress = false;  ///< `err` is a screen that may show a bar
  /// One request to the daemon: the address of its control socket, the method, the target, a JSON body.
  std::function<Result<http::Reply>(const http::Address&, std::string_view, std::string_view,
                                    std::string_view)>
      ask;
  std::function<void(Seconds)> wait;
  std::function<bool(Seconds)> looks_on;  ///< waits; false when the person at the screen has had enough
};

/// Carries out one command line (without the program's name).
int run(std::vector<std::string> arguments, World& world);

}  // namespace cambench::cli
