#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "drivers/keithley_conversation.h"

namespace cambench {

namespace asio = boost::asio;
namespace scpi = wire::scpi;
using keithley::Clock;

// ---- the link -----------------------------------------------------------------------------------------------

void Keithley::Conversation::link_lost(const Fault& why) {
  verified_ = false;
  lost_ = why;
  stirred_.notify();
}

asio::awaitable<void> Keithley::Conversation::come_back() {
  const auto known = co_await identify();
  if (known) {
    told_lost_ = asked_in_vain_ = false;
    back_at_ = Clock::now();
    queue_.emplace_back(heard::LinkBack{});
    co_return;
  }
  reconnect_wait_ = std::min<Clock::duration>(2 * reconnect_wait_, last_reconnect);
  if (known.error().kind == Fault::Kind::identity) queue_.emplace_back(heard::LinkLost{known.error()});
}

/// Who is there. The power-on bit is read before anything could clear it.
Later<Identity> Keithley::Conversation::meet() {
  const auto connected = co_await talk_->connect();
  if (!connected) co_return fail(connected.error());
  auto identity = co_await ask_who();
  if (!identity) {
    // Nothing is said to an instrument that is not known.
    if (identity.error().kind == Fault::Kind::identity) talk_->lose(identity.error());
    co_return fail(identity.error());
  }
  const auto cycled = co_await ask_power_cycled();
  if (!cycled) co_return fail(cycled.error());
  if (*cycled) {
    power_cycled_ = true;
    running_.reset();
  }
  if (running_) {
    running_->host_was_away();
  } else {
    const auto tidied = co_await tidy();
    if (!tidied) co_return fail(tidied.error());
  }
  known_ = verified_ = true;
  talk_->met();
  lost_.reset();
  co_return std::move(*identity);
}

// ---- who is there -------------------------------------------------------------------------------------------

namespace {

Result<Identity> identity_of(const std::string& reply, const std::string& serial) {
  const auto who = scpi::parse_identity(reply);
  if (!who) return fail(who.error());
  const auto model = scpi::model_of(who->model);
  if (!model || !who->maker.starts_with("KEITHLEY"))
    return fail(Fault::Kind::identity,
                fmt::format("\"{} {}\" is no instrument we know", who->maker, who->model));
  if (who->serial != serial)
    return fail(Fault::Kind::identity,
                fmt::format("instrument {} answers, {} is configured", who->serial, serial));
  Identity identity{"Keithley", who->model, who->serial, who->firmware};
  identity.galvanostat = identity.stores_on_board = true;
  identity.max_current = model->max_current;
  identity.max_potential = model->max_potential;
  return identity;
}

}  // namespace

Later<Identity> Keithley::Conversation::ask_who() {
  const auto reply = co_await talk_->ask("*IDN?");
  if (!reply) co_return fail(reply.error());
  auto identity = identity_of(*reply, settings_.serial);
  if (!identity) co_return fail(identity.error());
  const auto language = co_await talk_->ask("*LANG?");
  if (!language) co_return fail(language.error());
  if (*language != "SCPI")
    co_return fail(Fault::Kind::identity,
                   fmt::format("the instrument speaks {}; send *LANG SCPI and restart it", *language));
  model_ = scpi::model_of(identity->model);
  co_return std::move(*identity);
}

Later<bool> Keithley::Conversation::ask_power_cycled() {
  const auto reply = co_await talk_->ask("*ESR?");
  if (!reply) co_return fail(reply.error());
  const auto status = scpi::parse_event_status(*reply);
  if (!status) co_return fail(status.error());
  co_return (*status & scpi::power_on_bit) != 0;
}

/// The output-off state is NORMAL after a power-up or *RST, and NORMAL discharges the cell: high impedance at once, where
/// nothing runs. Old errors are nobody's any more, unless a program is on board whose end they may explain.
Later<void> Keithley::Conversation::tidy() {
  const auto state = co_await trigger_state();
  if (!state) co_return fail(state.error());
  if (*state == scpi::TriggerState::running) co_return Result<void>{};
  const auto open = co_await talk_->tell_all(scpi::high_impedance_lines());
  if (!open) co_return fail(open.error());
  if (*state != scpi::TriggerState::empty) co_return Result<void>{};
  const auto drained = co_await talk_->drain_errors();
  if (!drained) co_return fail(drained.error());
  co_return Result<void>{};
}

}  // namespace cambench
