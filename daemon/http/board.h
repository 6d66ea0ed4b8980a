// The bench as last published, and the documents made of it: each is written at most once per revision, when the
// first person asks, and then shared by all who ask.
#pragma once
#include <array>
#include <memory>
#include <string>

#include "schema/status.h"

namespace cambench::http {

class Board {
 public:
  /// `boot` tells one life of the daemon from the next, so that an ETag of yesterday never matches today.
  explicit Board(std::string boot) : boot_(std::move(boot)) {}

  /// Puts up a new status under the next revision.
  void publish(Status status);

  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] std::string etag() const;

  enum class Document { status, stations, studies, metrics };
  [[nodiscard]] std::shared_ptr<const std::string> document(Document which) const;

 private:
  std::string boot_;
  Status status_;
  mutable std::array<std::shared_ptr<const std::string>, 4>
      documents_;  // of this revision; null: nobody asked
};

}  // namespace cambench::http
