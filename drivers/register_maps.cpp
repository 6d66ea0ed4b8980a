#include "drivers/register_maps.h"

#include <fmt/core.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace cambench {

std::string_view embedded_maps(std::string_view file);  // drivers/maps, by CMake

Result<wire::modbus::RegisterMap> find_register_map(const std::string& name_or_path) {
  const std::string built_in = name_or_path + ".toml";
  if (const auto text = embedded_maps(built_in); !text.empty())
    return wire::modbus::read_register_map(text, built_in);
  std::ifstream file(name_or_path, std::ios::binary);
  std::error_code ignored;
  if (!file || !std::filesystem::is_regular_file(name_or_path, ignored))
    return fail(Fault::Kind::input,
                fmt::format("there is neither a built-in register map \"{0}\" nor a file {0} that "
                            "can be read; a map of your own is given by its path, ending in .toml",
                            name_or_path));
  return wire::modbus::read_register_map(std::string(std::istreambuf_iterator<char>(file), {}), name_or_path);
}

}  // namespace cambench
