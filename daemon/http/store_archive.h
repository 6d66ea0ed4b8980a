// The archive of a real bench: the store's file, opened for reading, and the results folder.
#pragma once
#include <memory>

#include "daemon/config.h"
#include "daemon/http/api.h"

namespace cambench::http {

/// The store must have been opened by its writer before; throws store::StoreError.
std::unique_ptr<Archive> open_archive(const config::Bench& bench);

}  // namespace cambench::http
