// The host below a bench: files, rights, clock.
#include <fmt/format.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/cli/doctor.h"
#include "daemon/clock.h"
#include "daemon/http/server.h"
#include "daemon/store/database.h"
#include "daemon/store/reader.h"

namespace cambench::cli {
namespace {

namespace fs = std::filesystem;
using enum Diagnosis::Verdict;

constexpr double little_GB = 5, too_little_GB = 0.5;  // 64 channels at 1 Hz fill 1 GB in about 30 h
constexpr rlim_t descriptors_of_a_station = 6, descriptors_beside = 128;

/// The folder that is there, of a path that may not be yet.
fs::path existing(fs::path path) {
  std::error_code absent;
  while (!path.empty() && !fs::exists(path, absent)) {
    if (!path.has_parent_path() || path == path.parent_path()) return ".";
    path = path.parent_path();
  }
  return path.empty() ? fs::path(".") : path;
}

void look_at_folder(const char* about, const fs::path& folder, int right, std::vector<Diagnosis>& told) {
  const fs::path there = existing(folder);
  const bool usable = ::access(there.c_str(), right | X_OK) == 0;
  const bool read_only_disk = !usable && errno == EROFS;
  const char* what = right & W_OK ? "written" : "read";
  if (read_only_disk)
    told.push_back({bad, about, fmt::format("{} lies on a file system that is read-only", there.string()),
                    "look at the disk (dmesg tells) and mount it for writing; a service may also lack it in "
                    "ReadWritePaths="});
  else if (!usable)
    told.push_back(
        {bad, about, fmt::format("{} cannot be {} by this user", there.string(), what),
         fmt::format("give the user that cambenchd runs as the right: chown or chmod {}", there.string())});
  else
    told.push_back({good,
                    about,
                    there == folder ? fmt::format("{} can be {}", folder.string(), what)
                                    : fmt::format("{} will be made", folder.string()),
                    {}});
}

void look_at_room(const fs::path& folder, std::vector<Diagnosis>& told) {
  std::error_code unknown;
  const auto space = fs::space(existing(folder), unknown);
  if (unknown) return;
  const double free_GB = static_cast<double>(space.available) / 1e9;
  const auto verdict = free_GB < too_little_GB ? bad : free_GB < little_GB ? note : good;
  told.push_back(
      {verdict, "free space", fmt::format("{:.1f} GB on the disk of the database", free_GB),
       verdict == good
           ? ""
           : "make room, or move [store] path to a larger disk and name its folder in ReadWritePaths="});
}

void look_at_database(const fs::path& file, std::vector<Diagnosis>& told) {
  std::error_code absent;
  if (!fs::exists(file, absent)) {
    told.push_back({good, "database", fmt::format("{} will be made", file.string()), {}});
    return;
  }
  try {
    store::Reader reader(file);
    const auto runs = reader.last_run_number();
    told.push_back({good,
                    "database",
                    fmt::format("{}, {:.1f} MB, {} runs; `cambench verify` reads it whole", file.string(),
                                static_cast<double>(fs::file_size(file)) / 1e6, runs),
                    {}});
  } catch (const store::StoreError& error) {
    told.push_back({bad, "database", error.what(),
                    error.tells_damage()
                        ? "keep the file, and put the newest backup in its place, without -wal and -shm"
                        : ""});
  }
  const auto log = fs::file_size(file.string() + "-wal", absent);
  if (!absent && log > 256'000'000)
    told.push_back({note, "database", fmt::format("its log has grown to {} MB", log / 1'000'000),
                    "end the program that reads the database and never closes it"});
}

std::string group_of(const struct stat& seen) {
  const group* known = ::getgrgid(seen.st_gid);
  return known ? known->gr_name : std::to_string(seen.st_gid);
}

void look_at_port(const std::string& about, const std::string& device, bool simulated,
                  std::vector<Diagnosis>& told) {
  struct stat seen {};
  if (::stat(device.c_str(), &seen) != 0) {
    told.push_back({bad, about, fmt::format("{} is not there", device), "plug it in, or correct the port"});
    return;
  }
  if (!S_ISCHR(seen.st_mode)) {
    told.push_back({bad, about, fmt::format("{} is no serial port", device), "correct the port"});
    return;
  }
  if (::access(device.c_str(), R_OK | W_OK) != 0) {
    told.push_back({bad, about, fmt::format("{} may not be opened by this user", device),
                    fmt::format("add the user that cambenchd runs as to the group: usermod -aG {} cambench",
                                group_of(seen))});
    return;
  }
  if (!simulated && !device.starts_with("/dev/serial/by-") && !device.starts_with("/dev/cambench"))
    told.push_back({note, about, fmt::format("{} may name another instrument after the next start", device),
                    "use its name in /dev/serial/by-id"});
  else
    told.push_back({good, about, fmt::format("{} can be opened", device), {}});
}

void look_at_address(const config::Http& http, std::vector<Diagnosis>& told) {
  if (http::is_here({http.host, http.port, {}, {}, {}}))
    told.push_back({good, "address", fmt::format("{} is one of this machine", http.host), {}});
  else
    told.push_back(
        {note, "address", fmt::format("{} is no address of this machine now", http.host),
         "look at the network, or correct listen in [http]; cambenchd is reached once it is there"});
}

void look_at_clock(std::vector<Diagnosis>& told) {
  timex now{};
  const int state = ::adjtimex(&now);
  if (state == -1 && read_clocks().synchronised)
    told.push_back({good, "clock", "kept right by systemd-timesyncd", {}});
  else if (state == -1)  // ProtectClock= forbids the question
    told.push_back({note, "clock", "nobody may ask whether it is kept right: no reboot's length is known",
                    "start systemd-timesyncd, or see systemd/README.md for chrony"});
  else if (state == TIME_ERROR || (now.status & STA_UNSYNC))
    told.push_back({note, "clock", "the system clock is not synchronised; times of rows may be off",
                    "install and start chrony or systemd-timesyncd"});
  else
    told.push_back(
        {good,
         "clock",
         fmt::format("synchronised, off by at most {:.0f} ms", static_cast<double>(now.maxerror) / 1e3),
         {}});
}

void look_at_descriptors(const config::Bench& bench, std::vector<Diagnosis>& told) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const rlim_t needed = descriptors_beside + descriptors_of_a_station * bench.stations.size();
  if (limit.rlim_cur < needed)
    told.push_back({bad, "open files",
                    fmt::format("{} are allowed, {} may be needed", limit.rlim_cur, needed),
                    fmt::format("LimitNOFILE={} in the service, or ulimit -n", 2 * needed)});
  else
    told.push_back(
        {good, "open files", fmt::format("{} are allowed, at most {} needed", limit.rlim_cur, needed), {}});
}

}  // namespace

void look_at_storage(const config::Bench& bench, std::vector<Diagnosis>& told) {
  if (::geteuid() == 0)
    told.push_back({note, "user", "root looks, who may read and write everything; the service may not",
                    "systemctl start cambench-check, then journalctl -u cambench-check"});
  look_at_folder("store", bench.store.parent_path(), W_OK, told);
  look_at_database(bench.store, told);
  look_at_room(bench.store, told);
  if (!bench.log.file.empty()) look_at_folder("log", bench.log.file.parent_path(), W_OK, told);
  look_at_folder("control socket", bench.http.control.parent_path(), W_OK, told);
  if (bench.recipes) look_at_folder("recipes", *bench.recipes, R_OK, told);
  if (!bench.drop) return;
  look_at_folder("drop folder", bench.drop->path, R_OK, told);
  look_at_folder("results", bench.drop->results, W_OK, told);
}

void look_at_host(const config::Bench& bench, std::vector<Diagnosis>& told) {
  for (const auto& station : bench.stations) {
    const auto& p = station.potentiostat;
    if (p && !p->port.device.empty())
      look_at_port(fmt::format("port of the potentiostat of {}", station.name), p->port.device, p->simulated,
                   told);
    for (const auto& [what, press] : {std::pair("press", &station.press), std::pair("gauge", &station.gauge)})
      if (*press && !(*press)->port.device.empty())
        look_at_port(fmt::format("port of the {} of {}", what, station.name), (*press)->port.device,
                     (*press)->simulated, told);
  }
  look_at_address(bench.http, told);
  look_at_clock(told);
  look_at_descriptors(bench, told);
}

}  // namespace cambench::cli
