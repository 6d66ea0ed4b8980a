// How a message reads. Pure.
#pragma once
#include <string>
#include <vector>

#include "daemon/config.h"
#include "schema/status.h"

namespace cambench::notify {

/// What every message says of where it comes from.
struct Sender {
  std::string bench;  ///< its name
  std::string page;   ///< "http://127.0.0.1:8870/"
};

/// "ALARM on A1: the pressure left its band (r000003)", or for several "3 alarms on battery lab"; one line.
std::string summary(const Sender& sender, const std::vector<status::Alarm>& alarms);

/// The JSON that Alertmanager posts to a webhook (version 4), so that whatever takes that takes this.
std::string alertmanager_json(const Sender& sender, const std::vector<status::Alarm>& alarms,
                              std::string_view receiver);

/// A whole mail with its header, as `sendmail -t` takes it; no line of an alarm can become a header.
std::string mail(const Sender& sender, const std::vector<status::Alarm>& alarms, const config::Notify& way,
                 WallTime now);

}  // namespace cambench::notify
