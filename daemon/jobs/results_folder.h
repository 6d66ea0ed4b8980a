// Where the results of a study are put for people and for the page.
#pragma once
#include <filesystem>
#include <map>
#include <string>

namespace cambench::jobs {

/// Puts the files into `folder` so that whoever looks finds either all of the old ones or all of the new ones, also after
/// a power cut. Nothing is written when they are there already. Throws std::runtime_error.
void replace_folder(const std::filesystem::path& folder, const std::map<std::string, std::string>& files);

}  // namespace cambench::jobs
