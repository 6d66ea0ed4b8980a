#include "daemon/first_out.h"

#include <utility>

namespace cambench {

std::optional<store::Row> FirstOut::heard(const Sample& sample) {
  store::TripReadingRow reading;
  reading.what = "sample";
  reading.we_vs_re = sample.we_vs_re;
  reading.cell = sample.cell;
  reading.current = sample.current;
  reading.status = sample.status;
  return note(sample.at.steady, std::move(reading));
}

std::optional<store::Row> FirstOut::heard(const PressureSample& sample) {
  store::TripReadingRow reading;
  reading.what = "pressure";
  reading.pressure = sample.pressure;
  reading.target = sample.target;
  if (!sample.trouble.empty()) reading.text = sample.trouble;
  return note(sample.at.steady, std::move(reading));
}

std::optional<store::Row> FirstOut::happened(std::string text, Instant at) {
  store::TripReadingRow reading;
  reading.what = "event";
  reading.text = std::move(text);
  return note(at, std::move(reading));
}

std::optional<store::Row> FirstOut::note(Instant at, store::TripReadingRow reading) {
  before_.push_back({at, std::move(reading)});
  while (at - before_.front().at > span) before_.pop_front();
  if (!trip_ || at - trip_->at.steady > span) return std::nullopt;
  return of_trip(before_.back());
}

std::vector<store::Row> FirstOut::tripped(store::TripRow trip) {
  trip_ = trip;
  seq_ = 0;
  std::vector<store::Row> rows{std::move(trip)};
  for (const Remembered& one : before_)
    if (trip_->at.steady - one.at <= span) rows.push_back(of_trip(one));
  return rows;
}

store::Row FirstOut::of_trip(const Remembered& one) {
  store::TripReadingRow row = one.reading;
  row.run = trip_->run;
  row.number = trip_->number;
  row.seq = ++seq_;
  row.offset = one.at - trip_->at.steady;
  return row;
}

}  // namespace cambench
