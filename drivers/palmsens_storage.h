// What a PalmSens instrument keeps while nobody listens: the conversations about its files. Nothing of this is asked
// while a program runs, which the instrument would refuse.
#pragma once
#include <functional>
#include <string>

#include "drivers/palmsens_program.h"
#include "drivers/palmsens_talk.h"

namespace cambench::palmsens {

/// Whether a file of so many bytes will fit; files of older programs of ours make room for it, and no others. False
/// also when the storage is missing or cannot be understood. A Fault is a lost link.
Later<bool> make_room(Talk& talk, std::uint64_t bytes);

using TakeRow = std::function<void(Sample)>;

/// Plays a file to the program that wrote it; its rows come out marked late, in their order. False when there is no such
/// file. A file that ends in the middle of a line is as good as its whole lines.
Later<bool> replay(Talk& talk, std::string file, Program& into, TakeRow row);

}  // namespace cambench::palmsens
