#include "analysis/formats/file.h"

#include <algorithm>
#include <fstream>

#include "analysis/bad_input.h"

namespace cambench {
namespace {

// A file name without folder: a sentence about an input names it as the person who exported it knows it.
[[noreturn]] void refuse(const std::filesystem::path& file, std::string_view problem, std::string_view mend) {
  throw BadInput(file.filename().string(), 0, problem, mend);
}

}  // namespace

std::string_view FileReader::read(const std::filesystem::path& file) {
  std::error_code error;
  const auto size = std::filesystem::file_size(file, error);
  if (error)
    refuse(file, "cannot be opened (" + error.message() + ")", "check that it exists and may be read");
  if (size > largest) refuse(file, "is larger than 1 GB", "export the summed image or a coarser spectrum");
  const auto text = peek(file, size);
  if (text.size() != size) refuse(file, "changed while it was read", "wait until the copy is complete");
  return text;
}

std::string_view FileReader::peek(const std::filesystem::path& file, std::size_t size) {
  std::ifstream in;
  in.rdbuf()->pubsetbuf(nullptr, 0);  // straight into our buffer
  in.open(file, std::ios::binary);
  if (!in) refuse(file, "cannot be opened", "check that it exists and may be read");
  if (buffer_.size() < size) buffer_.resize(size);
  in.read(buffer_.data(), static_cast<std::streamsize>(size));
  return {buffer_.data(), static_cast<std::size_t>(in.gcount())};
}

}  // namespace cambench
