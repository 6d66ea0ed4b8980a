// Which recipe a word on the command line means.
#pragma once
#include <string>

#include "daemon/config.h"

namespace cambench::cli {

/// "./mine.toml", not "rate-test-3e".
bool names_a_file(const std::string& recipe);

/// A file, or a recipe of the bench or of the program; a Problem when there is none, or a wrong one.
Recipe recipe_called(const config::Bench& bench, const std::string& name);

}  // namespace cambench::cli
