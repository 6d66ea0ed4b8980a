// What the verbs that read the store's file share.
#pragma once
#include <filesystem>
#include <string>

#include "daemon/config.h"

namespace CLI {
class App;
}

namespace cambench::cli {

/// Where the store is: --store, the store of --config, $CAMBENCH_STORE, or the packaged place.
struct StoreOption {
  std::string file, config;
};
void add_options(CLI::App& verb, StoreOption& store);
std::filesystem::path store_of(const StoreOption& store);  ///< a Problem when there is none

}  // namespace cambench::cli
