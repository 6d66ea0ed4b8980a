// The command line: `cambench VERB ...`. Verbs on files need no daemon; the others talk to its control socket.
#pragma once
#include <iosfwd>
#include <string>
#include <vector>

namespace cambench::cli {

/// What the program ends with, as printed by --help.
enum Exit : int {
  done = 0,
  refused = 1,      ///< bad input, or the daemon refused the order: one sentence on stderr says why
  usage = 2,        ///< the command line itself
  unreachable = 3,  ///< no daemon answers
  not_finished = 4  ///< watch: the run tripped, was held or aborted
};

/// Carries out one command line (without the program's name). Writes the answer to `out`, sentences about what went
/// wrong to `err`. `terminal`: out is a screen that may be redrawn.
int run(std::vector<std::string> arguments, std::ostream& out, std::ostream& err, bool terminal = false);

}  // namespace cambench::cli
