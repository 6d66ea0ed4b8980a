#include "drivers/palmsens_storage.h"

#include <fmt/core.h>

#include <utility>

#include "drivers/wire/mscript_files.h"

namespace cambench::palmsens {

namespace mscript = wire::mscript;

namespace {

/// Nothing when the instrument will not or cannot say.
Later<std::optional<std::uint64_t>> free_bytes(Talk& talk) {
  const auto answer = co_await talk.ask("fs_info /");
  if (!answer) co_return fail(answer.error());
  co_return mscript::parse_free_bytes(*answer);
}

Later<std::vector<std::string>> files_of_ours(Talk& talk) {
  const auto listing = co_await talk.ask_lines("fs_dir /");
  if (!listing) co_return fail(listing.error());
  std::vector<std::string> files;
  for (const std::string& line : *listing)
    if (auto file = mscript::parse_file_entry(line); file && mscript::is_ours(*file))
      files.push_back(std::move(*file));
  co_return files;
}

}  // namespace

Later<bool> make_room(Talk& talk, std::uint64_t bytes) {
  const auto at_first = co_await free_bytes(talk);
  if (!at_first) co_return fail(at_first.error());
  if (!*at_first) co_return false;
  if (**at_first >= bytes) co_return true;
  const auto files = co_await files_of_ours(talk);
  if (!files) co_return fail(files.error());
  for (const std::string& file : *files) {
    const auto deleted = co_await talk.ask("fs_del " + file);
    if (!deleted) co_return fail(deleted.error());
  }
  const auto now = co_await free_bytes(talk);
  if (!now) co_return fail(now.error());
  co_return *now&&** now >= bytes;
}

Later<bool> replay(Talk& talk, std::string file, Program& into, TakeRow row) {
  const std::function<void(const std::string&)> take = [&](const std::string& line) {
    for (auto& measured : into.hear(line, now_stamp()).rows) {
      if (measured.sample.status & reading_status::bad && !measured.sample.current &&
          !measured.sample.we_vs_re)
        continue;  // half a line
      measured.sample.status |= reading_status::late;
      row(std::move(measured.sample));
    }
  };
  const auto there = co_await talk.read_file(std::move(file), take);
  if (!there) co_return fail(there.error());
  co_return *there;
}

}  // namespace cambench::palmsens
