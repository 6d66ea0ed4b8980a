// Samples that the store cannot take now, in a file of fixed size beside it: written over and over in its own space, so a
// full disk does not stop it. What is in it survives kill -9; a power cut may take the last seconds of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <vector>

#include "daemon/store/rows.h"

namespace cambench::store {

class Spool {
 public:
  static constexpr std::size_t row_bytes = 128;

  /// Takes its space, and finds what an earlier one left. Without space, or of 0 bytes, it takes nothing.
  Spool(std::filesystem::path file, std::size_t bytes);
  ~Spool();
  Spool(const Spool&) = delete;

  /// False when it is full, or the disk refuses.
  bool put(const SampleRow& row);
  /// The next rows in the order they were put; empty when all have been taken. They stay until clear().
  std::vector<SampleRow> take(std::size_t most);
  void clear();
  [[nodiscard]] std::size_t rows() const { return put_ - taken_; }  ///< still to be taken

 private:
  [[nodiscard]] bool write_head() const;

  int descriptor_ = -1;
  std::size_t room_ = 0, put_ = 0, taken_ = 0;  ///< records
  std::uint64_t generation_ = 1;                ///< records of an older one are none
};

}  // namespace cambench::store
