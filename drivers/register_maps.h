// Register maps by name: those that come with the program, and a lab's own.
#pragma once
#include <string>

#include "drivers/wire/register_map.h"

namespace cambench {

/// A built-in map (drivers/maps/<name>.toml) or the file of that path, read and checked.
Result<wire::modbus::RegisterMap> find_register_map(const std::string& name_or_path);

}  // namespace cambench
