#include "daemon/jobs/drop_folder.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

namespace cambench::jobs {

namespace {

std::string_view name_of(std::string_view path) { return path.substr(path.rfind('/') + 1); }
std::string_view folder_of(std::string_view path) { return path.substr(0, path.rfind('/')); }

template <typename Map, typename Keys>
bool erase_all_but(Map& map, const Keys& keys) {
  return std::erase_if(map, [&](const auto& entry) { return !keys.contains(entry.first); }) > 0;
}

}  // namespace

void DropFolder::saw(std::vector<SeenFile> scan, Instant now, const std::set<std::string>& being_written,
                     const std::set<std::string>& unreadable) {
  strays_.clear();
  const auto longest = std::chrono::duration_cast<Instant::duration>(longest_pause);
  std::map<std::string, std::set<std::string>> present;
  for (auto& [name, study] : studies_) present[name];
  for (SeenFile& file : scan) {
    if (is_ignored_name(file.path)) continue;
    const auto slash = file.path.find('/');
    if (slash == std::string::npos) {
      strays_.push_back(file.path);
      continue;
    }
    const std::string study_name = file.path.substr(0, slash);
    present[study_name].insert(file.path);
    Study& study =
        studies_.try_emplace(study_name, Study{.files = {}, .changed = now, .delivered = {}}).first->second;
    Watched& watched = study.files.try_emplace(file.path, Watched{{}, now, now}).first->second;
    const bool open = being_written.contains(file.path);
    if (watched.file != file)
      watched = {std::move(file), now, now};
    else if (open && now < watched.same_since + longest)
      watched.still_since = now;
    else
      continue;
    study.changed = now;
  }
  for (auto& [name, study] : studies_)
    if (unreadable.contains(name) || erase_all_but(study.files, present[name])) study.changed = now;
  std::ranges::sort(strays_);
}

std::vector<Delivery> DropFolder::take(Instant now) {
  std::vector<Delivery> due;
  for (auto& [name, study] : studies_) {
    if (now < settled_at(study)) continue;
    auto files = usable(study);
    if (study.delivered ? *study.delivered == files : files.empty()) continue;
    study.delivered = files;
    due.push_back({name, std::move(files)});
  }
  std::erase_if(studies_, [&](const auto& entry) {
    return entry.second.files.empty() && now >= settled_at(entry.second);
  });
  return due;
}

std::vector<Ahead> DropFolder::take_ahead(Instant now) {
  std::vector<Ahead> all;
  for (auto& [name, study] : studies_)
    if (now < settled_at(study))
      if (auto ahead = ahead_of(name, study, now); !ahead.files.empty()) all.push_back(std::move(ahead));
  return all;
}

Ahead DropFolder::ahead_of(const std::string& name, Study& study, Instant now) const {
  const auto settle = std::chrono::duration_cast<Instant::duration>(settle_);
  const auto moves = [&](const auto& entry) {
    return is_unfinished_name(entry.first) || now < entry.second.still_since + settle;
  };
  std::set<std::string_view> folders;  // in which a file has settled since the last time
  for (auto& entry : study.files)
    if (!moves(entry) && !std::exchange(entry.second.told, true)) folders.insert(folder_of(entry.first));
  Ahead ahead{name, {}, {}};
  if (folders.empty()) return ahead;
  folders.insert(name);  // a peak list that lies there serves all of them
  const auto last =
      std::ranges::max_element(study.files, {}, [](const auto& entry) { return entry.second.still_since; });
  for (const auto& entry : study.files) {
    const bool moving = moves(entry);
    if (!moving && folders.contains(folder_of(entry.first))) ahead.files.push_back(entry.second.file);
    if (moving || entry.first == last->first) ahead.moving.push_back(entry.first);
  }
  return ahead;
}

std::optional<Instant> DropFolder::next() const {
  std::optional<Instant> soonest;
  for (const auto& [name, study] : studies_) {
    if (study.delivered && *study.delivered == usable(study)) continue;
    const Instant at = settled_at(study);
    if (!soonest || at < *soonest) soonest = at;
  }
  return soonest;
}

std::map<std::string, std::vector<std::string>> DropFolder::arriving(Instant now) const {
  std::map<std::string, std::vector<std::string>> moving;
  const auto settle = std::chrono::duration_cast<Instant::duration>(settle_);
  for (const auto& [name, study] : studies_)
    for (const auto& [path, watched] : study.files)
      if (is_unfinished_name(path) || now < watched.still_since + settle) moving[name].push_back(path);
  return moving;
}

Instant DropFolder::settled_at(const Study& study) const {
  return study.changed + std::chrono::duration_cast<Instant::duration>(settle_);
}

std::vector<SeenFile> DropFolder::usable(const Study& study) {
  std::vector<SeenFile> files;
  for (const auto& [path, watched] : study.files)
    if (!is_unfinished_name(path)) files.push_back(watched.file);
  return files;
}

bool is_unfinished_name(std::string_view path) {
  constexpr std::array<std::string_view, 6> endings{".part",       ".partial", ".filepart",
                                                    ".crdownload", ".tmp",     ".!sync"};
  const auto name = name_of(path);
  return std::ranges::any_of(endings, [&](auto ending) { return name.ends_with(ending); });
}

bool is_ignored_name(std::string_view path) {
  const auto name = name_of(path);
  return name.starts_with('.') || name.starts_with("~$") || name == "Thumbs.db" || name == "desktop.ini";
}

}  // namespace cambench::jobs
