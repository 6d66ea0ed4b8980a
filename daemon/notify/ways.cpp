#include "daemon/notify/ways.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <memory>
#include <thread>

extern char** environ;

namespace cambench::notify {

namespace {

using Clock = std::chrono::steady_clock;

struct Descriptor {
  int number = -1;
  ~Descriptor() { close(); }
  void close() {
    if (number >= 0) ::close(std::exchange(number, -1));
  }
};

Fault failed(const std::vector<std::string>& words, std::string_view what) {
  return {Fault::Kind::link, fmt::format("{}: {}", words.front(), what)};
}

/// Starts it in a process group of its own, so that all it starts can be ended; what it prints is nobody's.
Result<pid_t> start(const std::vector<std::string>& words, int input) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&how);
  ::posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  sigset_t none, pipe;
  ::sigemptyset(&none);
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);  // we ignore it; the program must not inherit that
  ::posix_spawnattr_setsigmask(&how, &none);
  ::posix_spawnattr_setsigdefault(&how, &pipe);
  ::posix_spawnattr_setpgroup(&how, 0);
  ::posix_spawnattr_setflags(&how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<char*> argv;
  for (const auto& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[0], &files, &how, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  ::posix_spawnattr_destroy(&how);
  if (error != 0) return fail(failed(words, std::strerror(error)));
  return child;
}

/// A program that does not read, or reads slowly, must not keep us.
void feed(int out, std::string_view input, Clock::time_point deadline) {
  while (!input.empty() && Clock::now() < deadline) {
    pollfd wait{out, POLLOUT, 0};
    if (::poll(&wait, 1, 100) < 0 && errno != EINTR) return;
    if (wait.revents & (POLLERR | POLLHUP | POLLNVAL)) return;
    if (!(wait.revents & POLLOUT)) continue;
    const ssize_t written = ::write(out, input.data(), input.size());
    if (written < 0 && errno != EAGAIN && errno != EINTR) return;
    if (written > 0) input.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

Result<void> run_program(const std::vector<std::string>& words, std::string_view input,
                         std::chrono::milliseconds patience) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail(failed(words, std::strerror(errno)));
  Descriptor in{ends[0]}, out{ends[1]};
  const auto child = start(words, in.number);
  if (!child) return fail(child.error());
  in.close();
  ::fcntl(out.number, F_SETFL, O_NONBLOCK);
  const auto deadline = Clock::now() + patience;
  feed(out.number, input, deadline);
  out.close();
  int status = 0;
  pid_t ended = 0;
  while ((ended = ::waitpid(*child, &status, WNOHANG)) == 0 && Clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  if (ended == 0) {
    ::kill(-*child, SIGKILL);
    ::waitpid(*child, &status, 0);
    return fail(
        failed(words, fmt::format("was ended after {} s: it takes too long", patience.count() / 1000.0)));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (WIFSIGNALED(status))
    return fail(failed(words, fmt::format("was ended by signal {}", WTERMSIG(status))));
  return fail(failed(words, fmt::format("failed with exit code {}", WEXITSTATUS(status))));
}

Result<void> call(const std::string& url, std::string_view json, std::chrono::milliseconds patience) {
  static const CURLcode ready = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&::curl_easy_cleanup)> curl(
      ready == CURLE_OK ? ::curl_easy_init() : nullptr, &::curl_easy_cleanup);
  if (!curl) return fail(Fault::Kind::link, url + ": libcurl cannot be used");
  const std::unique_ptr<curl_slist, decltype(&::curl_slist_free_all)> headers(
      ::curl_slist_append(nullptr, "Content-Type: application/json"), &::curl_slist_free_all);
  const auto swallow = +[](char*, std::size_t size, std::size_t count, void*) { return size * count; };
  ::curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  ::curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  ::curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);  // this is one thread of several
  ::curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(patience.count()));
  ::curl_easy_setopt(curl.get(), CURLOPT_USERAGENT, "cambench/" CAMBENCH_VERSION);
  ::curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, swallow);
  if (!json.empty()) {
    ::curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
    ::curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(json.size()));
    ::curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, json.data());
  }
  const CURLcode done = ::curl_easy_perform(curl.get());
  if (done != CURLE_OK)
    return fail(Fault::Kind::link, fmt::format("{}: {}", url, ::curl_easy_strerror(done)));
  long code = 0;
  ::curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &code);
  if (code < 200 || code > 299) return fail(Fault::Kind::link, fmt::format("{}: answered {}", url, code));
  return {};
}

}  // namespace cambench::notify
