// The files that programs leave in a MethodSCRIPT instrument: their names, how much they take, and what the instrument
// says of its storage.
//
// The formats of fs_info and fs_dir are documented by their last line alone; what else stands there is read with
// tolerance, and what is not understood has no value: the storage is then not used.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/wire/mscript.h"
#include "schema/plan.h"

namespace cambench::wire::mscript {

/// Bits of CM: file_open, file_close, set_script_output.
inline constexpr unsigned can_file_open = 50, can_file_close = 51, can_script_output = 52;
bool can_store(const Capabilities& can);

/// "cb-r000001-12-39600000.txt": run, step and time limit in ms, which tells the parts of a resumed step apart.
std::string file_name(const PlannedStep& step, const Marker& marker);
/// Whether a file is one of ours: all others are left alone.
bool is_ours(std::string_view file);

/// The most that the program of a step writes.
std::uint64_t largest_file(const PlannedStep& step);

/// "f120 kB 65536 kB": used and all, of the answer to fs_info.
std::optional<std::uint64_t> parse_free_bytes(std::string_view line);

/// "2026-01-01 00:00:00;FIL;1024;name": the name of a file in the answer to fs_dir, nothing for any other line.
std::optional<std::string> parse_file_entry(std::string_view line);

}  // namespace cambench::wire::mscript
