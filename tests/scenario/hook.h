// Somebody whom the daemon tells.
#pragma once
#include "tests/scenario/bench.h"

namespace cambench::scenario {

/// A web server on the loopback that keeps what it is told.
class Hook {
 public:
  explicit Hook(bool hangs = false) : folder_(make_folder()) {
    std::vector<std::string> words{"/usr/bin/python3",
                                   std::string(CAMBENCH_SOURCE) + "/tests/scenario/hook.py", kept().string()};
    if (hangs) words.emplace_back("--hang");
    process_.emplace(words, folder_ / "hook.log");
    until("the receiver listens", [&] { return fs::exists(kept().string() + ".port"); });
    url = "http://127.0.0.1:" + contents(kept().string() + ".port") + "/hook";
  }
  ~Hook() {
    process_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::vector<boost::json::value> heard() const {
    std::vector<boost::json::value> messages;
    for (const auto& line : lines_of(contents(kept()))) messages.push_back(boost::json::parse(line));
    return messages;
  }
  /// Whether somebody was told of this cause with this status.
  [[nodiscard]] bool heard_of(const std::string& cause, const std::string& status) const {
    for (const auto& message : heard())
      for (const auto& alert : message.at("alerts").as_array())
        if (alert.at("labels").at("alertname").as_string() == cause &&
            alert.at("status").as_string() == status)
          return true;
    return false;
  }
  [[nodiscard]] std::size_t beats() const { return lines_of(contents(kept().string() + ".beats")).size(); }
  std::string url;

 private:
  static fs::path make_folder() {
    std::string pattern = (fs::temp_directory_path() / "cambench-hook-XXXXXX").string();
    if (!::mkdtemp(pattern.data())) throw std::runtime_error("no folder for the receiver");
    return pattern;
  }
  [[nodiscard]] fs::path kept() const { return folder_ / "heard"; }
  fs::path folder_;
  std::optional<Process> process_;
};

inline std::string webhook(const Hook& hook) {
  return fmt::format("[[notify]]\nby = \"webhook\"\nurl = \"{}\"\n", hook.url);
}

}  // namespace cambench::scenario
