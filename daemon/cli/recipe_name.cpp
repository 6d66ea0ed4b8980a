#include "daemon/cli/recipe_name.h"

#include "daemon/cli/verbs.h"

namespace cambench::cli {

bool names_a_file(const std::string& recipe) {
  return recipe.find('/') != std::string::npos || recipe.ends_with(".toml") || recipe.ends_with(".json");
}

Recipe recipe_called(const config::Bench& bench, const std::string& name) {
  const auto recipe =
      names_a_file(name) ? read_recipe(read_file(name), name) : config::find_recipe(bench, name);
  if (!recipe) throw Problem(refused, recipe.error().what);
  return *recipe;
}

}  // namespace cambench::cli
