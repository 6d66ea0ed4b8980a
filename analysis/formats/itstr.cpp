#include "analysis/formats/itstr.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "analysis/bad_input.h"

namespace cambench::sims {
namespace {

constexpr std::string_view magic = "ITStrF01", copy_again = "copy or export it again";
constexpr std::uint64_t header_size = 25, entries_at = 41, entry_size = 33;
constexpr std::uint8_t folder = 0x01, folder_continued = 0x03, leaf = 0x00, packed_leaf = 0x80;
constexpr std::size_t most_children = 100'000, longest_name = 1000, longest_text = 4096,
                      piece_size = 64 * 1024;

}  // namespace

ItStr::ItStr(BinaryFile file) : file_(std::move(file)) {
  std::string start(magic.size(), '\0');
  file_.read(0, start, "its mark");
  if (start != magic) throw BadInput(file_.name(), 0, "does not begin with ITStrF01", copy_again);
}

std::optional<ItStr::Block> ItStr::find(std::string_view path) {
  std::optional<Block> block = Block{"", 0, magic.size()};
  while (block && !path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    block = child(*block, path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return block;
}

std::optional<ItStr::Block> ItStr::child(const Block& parent, std::string_view name) {
  const auto all = children(parent);
  const auto place = std::ranges::find(all, name, &Block::name);
  return place == all.end() ? std::nullopt : std::optional(*place);
}

std::vector<ItStr::Block> ItStr::children(const Block& parent) {
  std::vector<Block> found;
  each_child(parent, [&](const Block& block) {
    if (found.size() == most_children)
      throw BadInput(file_.name(), 0,
                     fmt::format("the folder at byte {} has too many children", parent.offset), copy_again);
    found.push_back(block);
  });
  return found;
}

// A folder's list of children is cut into parts, each with the place of the next one.
void ItStr::each_child(const Block& parent, const std::function<void(const Block&)>& sink) {
  std::set<std::uint64_t> seen;
  std::string entries;
  for (std::uint64_t at = parent.offset; at != 0;) {
    const auto refuse = [&](std::string_view problem) {
      throw BadInput(file_.name(), 0, fmt::format("the folder at byte {} {}", at, problem), copy_again);
    };
    const auto header = header_at(at);
    if (header.type != folder && header.type != folder_continued) return;
    if (!seen.insert(at).second) refuse("is its own continuation");
    if (header.bytes < entries_at || header.children > (header.bytes - entries_at) / entry_size)
      refuse(fmt::format("has {} children in {} bytes", header.children, header.bytes));
    entries.resize(header.children * entry_size);
    file_.read(header.value + entries_at, entries, "a folder");
    for (const char* entry = entries.data(); entry != entries.data() + entries.size(); entry += entry_size) {
      const auto name_at = load<std::uint32_t>(entry + 1), name_size = load<std::uint32_t>(entry + 5);
      if (name_size > longest_name || name_at > header.bytes || name_size > header.bytes - name_at)
        refuse("has a name that lies outside of it");
      Block block{std::string(name_size, '\0'), load<std::uint32_t>(entry + 9),
                  load<std::uint64_t>(entry + 25)};
      file_.read(header.value + name_at, block.name, "a name");
      sink(block);
    }
    at = file_.read<std::uint64_t>(header.value + 33, "a folder");
  }
}

void ItStr::read(const Block& block, std::span<char> into) {
  const auto header = header_at(block.offset);
  const auto refuse = [&](std::string_view problem) {
    throw BadInput(file_.name(), 0, fmt::format("{} at byte {} {}", block.name, block.offset, problem),
                   copy_again);
  };
  if (header.type == leaf) {
    if (header.bytes != into.size()) refuse(fmt::format("has {} bytes, not {}", header.bytes, into.size()));
    file_.read(header.value, into, block.name);
  } else if (header.type == packed_leaf) {
    if (header.bytes > 2 * into.size() + 1024) refuse("is larger than what it holds");
    std::string packed(header.bytes, '\0');
    file_.read(header.value, packed, block.name);
    if (!inflate_exactly(packed, into)) refuse(fmt::format("cannot be inflated to {} bytes", into.size()));
  } else {
    refuse("is a folder, not a value");
  }
}

std::string ItStr::value(const Block& block, std::size_t bytes) {
  const auto header = header_at(block.offset);
  if (!may_inflate(header.bytes, bytes))
    throw BadInput(
        file_.name(), 0,
        fmt::format("{} at byte {} cannot be inflated to {} bytes", block.name, block.offset, bytes),
        copy_again);
  std::string whole(bytes, '\0');
  read(block, whole);
  return whole;
}

void ItStr::read(const Block& block, const std::function<void(std::string_view)>& sink) {
  const auto header = header_at(block.offset);
  const auto refuse = [&](std::string_view problem) {
    throw BadInput(file_.name(), 0, fmt::format("{} at byte {} {}", block.name, block.offset, problem),
                   copy_again);
  };
  if (header.type != leaf && header.type != packed_leaf) refuse("is a folder, not a value");
  Inflation inflation(sink);
  std::string piece;
  for (std::uint64_t at = 0; at < header.bytes; at += piece.size()) {
    piece.resize(std::min<std::uint64_t>(piece_size, header.bytes - at));
    file_.read(header.value + at, piece, block.name);
    if (header.type == leaf)
      sink(piece);
    else if (!inflation.add(piece))
      refuse("cannot be inflated");
  }
  if (header.type == packed_leaf && !inflation.ended()) refuse("is packed, and cut short");
}

std::string ItStr::small_value(const Block& block) {
  const auto header = header_at(block.offset);
  if (header.type != leaf || header.bytes > piece_size) return {};
  std::string bytes(header.bytes, '\0');
  file_.read(header.value, bytes, block.name);
  return bytes;
}

std::string ItStr::text(const Block& block) {
  const auto bytes = header_at(block.offset).bytes;
  if (bytes > longest_text || bytes % 2 != 0)
    throw BadInput(file_.name(), 0, fmt::format("{} at byte {} is no text", block.name, block.offset),
                   copy_again);
  std::string wide(bytes, '\0'), narrow;
  read(block, wide);
  for (std::size_t i = 0; i < wide.size(); i += 2) {
    const auto letter = load<std::uint16_t>(&wide[i]);
    if (letter != 0) narrow += letter >= ' ' && letter <= '~' ? static_cast<char>(letter) : '?';
  }
  return narrow;
}

ItStr::Header ItStr::header_at(std::uint64_t offset) {
  char bytes[header_size];
  file_.read(offset, bytes, "a block");
  const auto name_size = load<std::uint32_t>(bytes + 5);
  Header header{static_cast<std::uint8_t>(bytes[0]), load<std::uint32_t>(bytes + 9),
                load<std::uint32_t>(bytes + 13), offset + header_size + name_size,
                load<std::uint32_t>(bytes + 17)};
  if (load<std::uint32_t>(bytes + 1) != header_size || name_size > longest_name ||
      !file_.holds(header.value, header.bytes))
    throw BadInput(file_.name(), 0, fmt::format("there is no whole block at byte {}", offset), copy_again);
  return header;
}

bool looks_like_itstr(std::string_view start) { return start.starts_with(magic); }

}  // namespace cambench::sims
