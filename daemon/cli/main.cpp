// cambench: the command line.
#include <unistd.h>

#include <iostream>

#include "daemon/cli/cli.h"

int main(int count, char** words) {
  return cambench::cli::run({words + 1, words + count}, std::cout, std::cerr, isatty(STDOUT_FILENO) == 1);
}
