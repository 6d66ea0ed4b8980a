#include "daemon/http/board.h"

#include <fmt/format.h>

#include "daemon/http/metrics.h"

namespace cambench::http {

namespace {

std::string write(Board::Document which, const Status& status) {
  switch (which) {
    case Board::Document::status: return to_json(status);
    case Board::Document::stations: return stations_json(status);
    case Board::Document::studies: return studies_json(status);
    case Board::Document::metrics: return to_metrics(status);
  }
  return {};
}

}  // namespace

void Board::publish(Status status) {
  status.revision = status_.revision + 1;
  status_ = std::move(status);
  documents_ = {};
}

std::string Board::etag() const { return fmt::format("\"{}-{}\"", boot_, status_.revision); }

std::shared_ptr<const std::string> Board::document(Document which) const {
  auto& document = documents_[static_cast<std::size_t>(which)];
  if (!document) document = std::make_shared<const std::string>(write(which, status_));
  return document;
}

}  // namespace cambench::http
