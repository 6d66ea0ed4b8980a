// Where the results of a study are put for people and for the page.
#pragma once
#include <filesystem>
#include <map>
#include <string>

namespace cambench::jobs {

/// Where `named` is: absolute, without links and without a separator at its end.
[[nodiscard]] std::filesystem::path results_folder(const std::filesystem::path& named);

/// Puts the files into `folder` so that whoever looks finds either all of the old ones or all of the new ones, also after
/// a power cut. Nothing is written when they are there already. Throws BadInput, and changes nothing, when it holds
/// anything else than results; std::runtime_error when it cannot be written.
void replace_folder(const std::filesystem::path& folder, const std::map<std::string, std::string>& results);

}  // namespace cambench::jobs
