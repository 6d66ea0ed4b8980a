// Writes a conversation down as it happens, in the format that tests/replay reads, so that a lab can send its instrument
// as a file:
//
//     # who: cambenchd 0.1.0, station A1, keithley at tcp://192.168.1.30:5025
//     # when: 2026-11-25T18:33:27Z
//     # firmware: as it answers below
//     # connected
//     @ 0.004211
//     > *IDN?
//     @ 0.005817
//     < KEITHLEY INSTRUMENTS,MODEL 2450,04451117,1.7.12b
//
// "> " is a line of the host, "< " one of the instrument, "@ " the seconds since the beginning for what follows; "#" is
// said by nobody. Bytes that do not print are \x11, a backslash is \\, and a backslash at the end of a line stands for a
// line end that did not come.
//
// Recording never holds up the wire: a thread of its own writes, what it cannot take in time is left out and counted in
// the file, and a file that cannot be written ends the recording and nothing else: `say` is told. At `most_bytes` the file
// becomes NAME.1.log and a new one begins.
#pragma once
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "drivers/link/byte_link.h"

namespace cambench::link {

struct Recording {
  std::filesystem::path file;  ///< appended to; its folder is made
  std::string who;             ///< program, station, driver and port
  /// One sentence, once, when the recording ends because the file cannot be written; on the recorder's thread.
  std::function<void(const std::string&)> say{};
  std::size_t most_bytes = 64 * 1024 * 1024;
  std::size_t most_waiting = 4 * 1024 * 1024;  ///< bytes that the disk may be behind
};

/// The same link, recorded. What can go wrong with the file never reaches the link.
std::unique_ptr<ByteLink> recorded(std::unique_ptr<ByteLink> link, Recording recording);

}  // namespace cambench::link
