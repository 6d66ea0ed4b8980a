// The alarms that stand: raised once, shown until somebody has acknowledged them. Deciding thread only.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/store/rows.h"
#include "schema/command.h"
#include "schema/status.h"

namespace cambench {

class Alarms {
 public:
  /// `standing`: what a stopped daemon left unacknowledged; `last_id`: the highest number ever given.
  void load(std::vector<status::Alarm> standing, std::int64_t last_id);

  /// The row to keep, or nothing when this very alarm stands already or is only for the log (severity info).
  std::optional<store::AlarmRow> raise(const std::string& station, const std::string& run,
                                       const command::Raise& raised, WallTime at);

  /// The row to keep; refused when no such alarm stands.
  Result<store::AcknowledgeRow> acknowledge(std::int64_t id, const std::string& who, WallTime at);

  [[nodiscard]] const std::vector<status::Alarm>& standing() const { return standing_; }  ///< oldest first

 private:
  std::vector<status::Alarm> standing_;
  std::int64_t last_id_ = 0;
};

}  // namespace cambench
