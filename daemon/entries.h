// Materials, cells and studies that people edit while the bench runs: beside those of the configuration, with the same
// keys and the same checks, in a file of their own (entries.json beside the store) that the next start reads too. What the
// operator wrote into the configuration is changed there and nowhere else.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config.h"
#include "schema/result.h"

namespace cambench::entries {

enum class Kind { material, cell, study };
std::string_view name(Kind kind);

/// An entry put in the place of the one with its id, or taken away.
struct Edit {
  Kind kind = Kind::cell;
  std::string id;
  std::optional<std::string>
      json;  ///< an object with the keys of the configuration but without "id"; none: away with it
};

/// The bench with an edit, and the text of the file that makes it so.
struct Proposal {
  std::shared_ptr<const config::Bench> bench;
  std::string text;
};

/// Checks the whole bench with the edit in it. Refused with the configuration's sentences, or because the entry stands in
/// the configuration itself. Changes nothing.
Result<Proposal> propose(const config::Bench& bench, const Edit& edit);

/// The ids of the entries that came from the file of edits.
std::vector<std::string> edited(const config::Bench& bench, Kind kind);

/// Writes the file, whole or not at all, and waits for the disk.
Result<void> keep(const std::filesystem::path& file, const std::string& text);

}  // namespace cambench::entries
