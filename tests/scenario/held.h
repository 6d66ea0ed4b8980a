// One thread of the daemon that stands still in the middle of its work, as a hung system call leaves it.
#pragma once
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "tests/scenario/bench.h"

namespace cambench::scenario {

/// A thread of the daemon, by its name, held in one of these system calls of its work (where it has no lock that others
/// need) by a debugger's stop, which no other thread feels; goes on at the end.
class Held {
 public:
  Held(pid_t daemon, const std::string& name, std::vector<long> calls) : calls_(std::move(calls)) {
    until("the thread " + name + " is at work", [&] { return hold(daemon, name); });
  }
  ~Held() { ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr); }
  Held(const Held&) = delete;

 private:
  bool hold(pid_t daemon, const std::string& name) {
    for (const auto& task : fs::directory_iterator(fmt::format("/proc/{}/task", daemon))) {
      if (contents(task.path() / "comm") != name + '\n') continue;
      thread_ = std::stoi(task.path().filename());
      for (int i = 0; i < 1000; ++i)
        if (stop(task.path() / "syscall")) return true;
    }
    return false;
  }
  bool stop(const fs::path& where) const {
    const auto ask = [this](auto what) { return ::ptrace(what, thread_, nullptr, nullptr) == 0; };
    if (!ask(PTRACE_SEIZE) || !ask(PTRACE_INTERRUPT) || ::waitpid(thread_, nullptr, __WALL) != thread_)
      throw std::runtime_error("a thread of the daemon cannot be stopped");
    const auto text = contents(where);
    const auto call = number_in(text.substr(0, text.find(' ')));
    if (call && std::ranges::count(calls_, static_cast<long>(*call)) > 0) return true;
    ask(PTRACE_DETACH);
    return false;
  }
  std::vector<long> calls_;
  pid_t thread_ = 0;
};

/// Some hosts forbid it to everybody.
inline bool debugging_is_allowed(const fs::path& output) {
  const Process child({"/bin/sleep", "60"}, output);
  if (::ptrace(PTRACE_SEIZE, child.id(), nullptr, nullptr) != 0) return false;
  const bool shows_calls = !contents(fmt::format("/proc/{}/syscall", child.id())).empty();
  ::ptrace(PTRACE_DETACH, child.id(), nullptr, nullptr);
  return shows_calls;
}

}  // namespace cambench::scenario
