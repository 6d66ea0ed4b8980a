// `cambench doctor`: what a person would look at before leaving a bench alone for a weekend. Each check says what it saw
// and, where something is to be done, what.
#pragma once
#include <string>
#include <vector>

#include "daemon/config.h"

namespace cambench::cli {

struct Diagnosis {
  enum class Verdict { good, note, bad } verdict{};  ///< a note may stay as it is, for somebody who knows why
  std::string about, seen;
  std::string mend;  ///< empty when nothing is to be done
};

/// The folders and the database: there, writable, of this version, with room.
void look_at_storage(const config::Bench& bench, std::vector<Diagnosis>& told);
/// What the operating system gives: rights on serial ports, clock synchronisation, file descriptors.
void look_at_host(const config::Bench& bench, std::vector<Diagnosis>& told);
/// The register maps, and every instrument asked who it is, all at once; for when no daemon owns them. Nothing moves.
void look_at_instruments(const config::Bench& bench, std::vector<Diagnosis>& told);

}  // namespace cambench::cli
