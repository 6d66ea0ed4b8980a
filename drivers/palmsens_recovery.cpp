#include <utility>

#include "drivers/palmsens_conversation.h"
#include "drivers/palmsens_storage.h"

namespace cambench {

namespace asio = boost::asio;
namespace mscript = wire::mscript;
using palmsens::Clock;
using palmsens::Program;
using palmsens::ticks;

// ---- what the instrument kept ---------------------------------------------------------------------------------

namespace {

constexpr auto breaks_off =
    "its record in the instrument breaks off: the supply was lost, or the program failed";

}  // namespace

/// The program that was expected is over: its file has the rows that nobody heard, and how it ended; without one there is
/// what was heard of it since the link came back.
Later<Found> Palmsens::Conversation::recall() {
  Found found{Found::State::idle, {}, {}, {}, {}};
  if (!expected_) co_return found;
  if (!can_) {  // met while the program ran
    const auto idle = co_await confirm_idle();
    if (!idle) co_return fail(idle.error());
    const auto able = co_await check_abilities();
    if (!able) co_return fail(able.error());
  }
  Result<bool> in_file = false;
  if (mscript::can_store(*can_)) in_file = co_await recall_file(found);
  if (!in_file) co_return fail(in_file.error());
  recall_queue(found, *in_file);
  if (!found.ended) co_return found;
  found.marker = expected_->marker;
  found.state = Found::State::ended;
  co_return found;
}

/// What was heard and waits for next(): it is told here. The rows are in the file too, where there is one.
void Palmsens::Conversation::recall_queue(Found& found, bool in_file) {
  std::erase_if(queue_, [&](const Heard& what) {
    const auto* row = std::get_if<heard::Measured>(&what);
    const auto* end = std::get_if<heard::Ended>(&what);
    if (row && row->marker != expected_->marker) return false;
    if (row && !in_file) found.kept.push_back(row->sample);
    const bool unknown = !found.ended || found.ended->reason == EndReason::unknown;
    if (end && end->marker == expected_->marker && unknown) found.ended = *end;
    return row || end;
  });
}

/// False when there is no file. One that has words and not the last ones was cut off; by what, nobody knows.
Later<bool> Palmsens::Conversation::recall_file(Found& found) {
  Program kept(expected_->marker, settings_.serial, settings_.longest_record);
  std::vector<Sample> rows;
  const palmsens::TakeRow take = [&](Sample row) {
    if (row.step_time > expected_->recorded) rows.push_back(std::move(row));
  };
  const auto there = co_await palmsens::replay(*talk_, expected_->file, kept, take);
  if (!there) co_return fail(there.error());
  if (!*there) co_return false;
  found.kept = std::move(rows);
  if (kept.has_said_its_end()) {
    found.ended = kept.ending();
  } else if (kept.announced()) {
    found.ended = {expected_->marker, EndReason::unknown, breaks_off};
  }
  co_return true;
}

/// Tells the rows that were missed, then the end. When the link is lost on the way nothing is told: whoever comes back
/// finds the program over and recalls it. After an order to open, which goes before, the file is read anew.
asio::awaitable<void> Palmsens::Conversation::conclude(Program over, std::string otherwise) {
  const auto alive = shared_from_this();
  const auto recalled_before = programs_recalled_;
  std::string file;  // one that cannot store has none
  if (expected_ && expected_->marker == over.marker()) file = expected_->file;
  heard::Ended ended = over.ending();
  if (ended.reason == EndReason::unknown) ended.text = std::move(otherwise);
  const palmsens::TakeRow take = [this, &over](Sample row) {
    tell(heard::Measured{over.marker(), std::move(row), false});
  };
  for (bool read = false; !read;) {
    const auto turn = co_await turns_.for_request();
    if (recalled_before != programs_recalled_) co_return;  // reattach() has told it
    if (file.empty() || program_) break;
    Program kept(over.marker(), settings_.serial, over.pause());
    const auto there = co_await palmsens::replay(*talk_, file, kept, take);
    read = there.has_value();
    if (!read && (there.error().kind != Fault::Kind::cancelled || talk_->ended())) co_return;
    if (!over.has_said_its_end() && kept.has_said_its_end()) ended = kept.ending();
  }
  tell(std::move(ended));
}

// ---- opening the cell ---------------------------------------------------------------------------------------

/// Z, then the end of the program: its acknowledgement says only that it was heard. What ends may be a look that gave way:
/// its last lines then look like those of a program that was met.
Later<void> Palmsens::Conversation::stop_program() {
  if (program_) program_->stop_asked();
  talk_->forget_replies();
  const auto sent = co_await talk_->send("\nZ\n");
  if (!sent) co_return fail(sent.error());
  const auto over_before = programs_over_;
  const bool known = program_.has_value();  // its lines go to it; else the empty line comes as a reply
  const auto deadline =
      Clock::now() + ticks(settings_.abort_time + (program_ ? wire(program_->pause()) : Seconds{0}));
  const auto generation = talk_->generation();
  for (bool acknowledged = false, ended = known;;) {
    while (const auto line = talk_->next_reply()) {
      if (acknowledged && line->empty()) ended = true;
      if (!line->starts_with('Z')) continue;
      if (mscript::parse_error(*line)) {  // nothing runs
        program_.reset();
        co_await talk_->pause_after_error();
        co_return Result<void>{};
      }
      acknowledged = true;
    }
    const bool any_ended = ended || programs_over_ != over_before;
    if (acknowledged && any_ended && !program_) co_return Result<void>{};
    if (auto why = talk_->why_not_wait(generation)) co_return fail(std::move(*why));
    if (Clock::now() >= deadline) co_return fail(Fault::Kind::timeout, "the program did not end after Z");
    co_await talk_->replied().wait_until(deadline);
  }
}

/// The potentials at rest. An answer proves that the cell is off.
Later<Sample> Palmsens::Conversation::look() {
  const auto lines =
      co_await talk_->run_short(mscript::look_script(model_.value_or(*mscript::model_of("es4_lr"))));
  if (!lines) co_return fail(lines.error().kind, "open-circuit measurement: " + lines.error().what);
  std::optional<Sample> seen;
  for (const std::string& line : *lines)
    if (auto row = mscript::read_row(line)) seen = std::move(*row);
  if (!seen)
    co_return fail(Fault::Kind::protocol, "open-circuit measurement: the instrument sent no reading");
  seen->at = now_stamp();
  co_return std::move(*seen);
}

Later<void> Palmsens::Conversation::open_and_verify() {
  const auto stopped = co_await stop_program();
  if (!stopped && stopped.error().kind == Fault::Kind::link) co_return fail(stopped.error());
  const auto off = co_await talk_->run_short(mscript::off_script());  // tried, whatever came of the stop
  const auto looked = co_await look();
  if (looked) {
    program_.reset();  // a look would have been refused while it ran
    co_return Result<void>{};
  }
  if (!stopped) co_return fail(stopped.error().kind, stopped.error().what + "; " + looked.error().what);
  co_return fail(off ? looked.error() : off.error());
}

/// Opens a closed link, and makes sure that it is not somebody else's instrument whose cell would be opened. A program
/// that ran on an earlier link proves nothing; one that runs now keeps the instrument from saying who it is, and is
/// stopped unless it said that it was written for another.
Later<void> Palmsens::Conversation::connect_to_open() {
  const auto connected = co_await connect();
  if (!connected) co_return fail(connected.error());
  const bool our_program = program_ && program_->known() && program_->serial() == settings_.serial;
  if (verified_ || our_program) co_return Result<void>{};
  const auto ours = co_await refuse_stranger();
  if (!ours && ours.error().kind == Fault::Kind::identity) co_return fail(ours.error());
  if (auto other = runs_for_another()) {
    program_->forget_name();  // should it have been misheard, its next row says so
    co_return fail(std::move(*other));
  }
  co_return Result<void>{};  // whatever else it said: opening is tried
}

/// Nothing is said to another instrument, and nothing of what it says counts.
Later<void> Palmsens::Conversation::refuse_stranger() {
  const auto idle = co_await confirm_idle();
  if (!idle && idle.error().kind == Fault::Kind::identity) disconnect();
  co_return idle;
}

/// A runtime error leaves the cell as it was: it is opened from here, at once, and only then is the end told.
asio::awaitable<void> Palmsens::Conversation::make_safe_after_error(Marker marker, std::string text) {
  const auto alive = shared_from_this();
  co_await talk_->pause_after_error();
  const auto opened = co_await open_cell();
  if (!opened) text += "; the cell could not be opened: " + opened.error().what;
  tell(heard::Ended{std::move(marker), EndReason::error, std::move(text)});
}

}  // namespace cambench
