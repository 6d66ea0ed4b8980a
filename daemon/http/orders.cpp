#include <fmt/format.h>

#include <charconv>

#include "daemon/http/form.h"

namespace cambench::http {

namespace {

std::optional<event::Ordered::What> order_called(std::string_view word) {
  using What = event::Ordered::What;
  if (word == "pause") return What::pause;
  if (word == "resume") return What::resume;
  if (word == "abort") return What::abort;
  if (word == "next-step") return What::next_step;
  return std::nullopt;
}

std::optional<std::int64_t> whole(const std::string& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

unsigned status_of(Fault::Kind kind) {
  switch (kind) {
    case Fault::Kind::input: return 422;
    case Fault::Kind::refused: return 409;
    case Fault::Kind::timeout: return 504;
    case Fault::Kind::link:
    case Fault::Kind::protocol:
    case Fault::Kind::instrument:
    case Fault::Kind::identity:
    case Fault::Kind::bad_value: return 502;
    case Fault::Kind::storage:
    case Fault::Kind::cancelled: return 503;
  }
  return 500;
}

}  // namespace

Response bad_form(std::string_view trouble) { return problem(400, "The order cannot be read", trouble); }

Order order_of(const Request& request, const Form& form) {
  Order order = order_of(request);
  if (!form["who"].empty()) order.who = form["who"];
  order.reason = form["reason"];
  return order;
}

Order order_of(const Request& request) {
  Order order;
  const auto& peer = request.peer;
  const auto& token = request.token;
  order.peer = token ? fmt::format("token {}, {}, {}", token->name, name(token->role), peer.address)
                     : fmt::format("uid {}, pid {}", peer.uid, peer.pid);
  order.who = token ? token->name : fmt::format("uid {}", peer.uid);
  return order;
}

Way start_run(const Asked& asked) {
  const auto form = read_form(asked.request, {"station", "cell", "recipe", "who", "reason"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  for (const auto* key : {"station", "recipe"})
    if (form[key].empty()) return bad_form(fmt::format("\"{}\" is missing.", key));
  auto order = order_of(asked.request, form);
  order.what = Order::StartRun{form["station"], form["cell"], form["recipe"]};
  return order;
}

Way order_for_run(const Asked& asked) {
  const auto what = order_called(asked.places[1]);
  if (!what)
    return not_found(
        fmt::format("order called {} (there are pause, resume, abort, reset, next-step)", asked.places[1]));
  const auto form = read_form(asked.request, {"who", "reason"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  auto order = order_of(asked.request, form);
  order.what = Order::ForRun{asked.places[0], *what};
  return order;
}

Way reset_run(const Asked& asked) {
  const auto form = read_form(asked.request, {"who", "reason"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  const bool named = asked.request.token || !form["who"].empty();
  if (!named || form["reason"].empty())
    return bad_form("A reset is a named person's act: it needs \"who\" and \"reason\".");
  auto order = order_of(asked.request, form);
  order.what = Order::ForRun{asked.places[0], event::Ordered::What::reset};
  return order;
}

Way acknowledge(const Asked& asked) {
  const auto alarm = whole(asked.places[0]);
  if (!alarm) return not_found("alarm numbered " + asked.places[0]);
  const auto form = read_form(asked.request, {"who", "reason"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  auto order = order_of(asked.request, form);
  order.what = Order::Acknowledge{*alarm};
  return order;
}

Way shelve(const Asked& asked) {
  const auto alarm = whole(asked.places[0]);
  if (!alarm) return not_found("alarm numbered " + asked.places[0]);
  const auto form = read_form(asked.request, {"who", "reason", "minutes"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  const bool named = asked.request.token || !form["who"].empty();
  const auto minutes = whole(form["minutes"]);
  if (!named || form["reason"].empty() || !minutes || *minutes < 1)
    return bad_form(
        "A shelving is a named person's act with an end: it needs \"who\", \"reason\" and \"minutes\".");
  auto order = order_of(asked.request, form);
  order.what = Order::Shelve{*alarm, Seconds(60.0 * static_cast<double>(*minutes))};
  return order;
}

Way unshelve(const Asked& asked) {
  const auto alarm = whole(asked.places[0]);
  if (!alarm) return not_found("alarm numbered " + asked.places[0]);
  const auto form = read_form(asked.request, {"who", "reason"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  auto order = order_of(asked.request, form);
  order.what = Order::Unshelve{*alarm};
  return order;
}

// The order is the person's word that the press is empty; without it the answer says what would move.
Way test_press(const Asked& asked) {
  const auto form = read_form(asked.request, {"who", "reason", "target_MPa", "empty"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  if (form["who"].empty() && !asked.request.token)
    return bad_form("A press moves on a named person's word: it needs \"who\".");
  const std::string target = form["target_MPa"].empty() ? "1" : form["target_MPa"];
  double target_MPa = 0;
  const auto [end, error] = std::from_chars(target.data(), target.data() + target.size(), target_MPa);
  if (error != std::errc() || end != target.data() + target.size() || !(target_MPa > 0 && target_MPa < 1e4))
    return bad_form(fmt::format("\"target_MPa\" must be a pressure above 0, found \"{}\".", target));
  if (form["empty"] != "yes")
    return bad_form(
        fmt::format("The press of {} would move to {:g} MPa, hold, be left alone until its own watchdog "
                    "acts, and vent. \"empty\": \"yes\" says that somebody has looked: nothing is in "
                    "it, and nobody's hand is near.",
                    asked.places[0], target_MPa));
  auto order = order_of(asked.request, form);
  order.what = Order::TestPress{asked.places[0], MegaPascal(target_MPa)};
  return order;
}

Response answered(const Order& order, const Result<std::string>& result) {
  if (!order.refusal.empty()) return problem(403, "Not allowed", order.refusal + '.');
  if (!result)
    return problem(status_of(result.error().kind), "The order was not carried out",
                   result.error().what + '.');
  JsonWriter writer;
  writer.object();
  const auto* for_run = std::get_if<Order::ForRun>(&order.what);
  const auto* import = std::get_if<Order::Import>(&order.what);
  const bool started = std::holds_alternative<Order::StartRun>(order.what) || import != nullptr;
  if (started) writer.field("run", *result);
  if (for_run != nullptr) writer.field("run", for_run->run);
  if (const auto* of_alarm = std::get_if<Order::Acknowledge>(&order.what))
    writer.field("alarm", of_alarm->alarm);
  if (const auto* shelved = std::get_if<Order::Shelve>(&order.what)) writer.field("alarm", shelved->alarm);
  if (const auto* back = std::get_if<Order::Unshelve>(&order.what)) writer.field("alarm", back->alarm);
  const auto* test = std::get_if<Order::TestPress>(&order.what);
  if (const auto* edit = std::get_if<Order::Edit>(&order.what)) writer.field(name(edit->kind), edit->id);
  if (test != nullptr) writer.field("station", test->station).field("warning", *result);
  if (import != nullptr && import->read)
    writer.field("samples", import->read->samples)
        .field("cycles", import->read->cycles)
        .field("remark", import->read->remark);
  writer.field("who", order.who).end_object();
  auto response = json(std::move(writer));
  response.cache = "no-store";
  if (test != nullptr) response.status = 202;  // it takes a minute; the status shows how far it is
  if (started) {
    response.status = 201;
    response.headers.emplace_back("Location", "/api/v1/runs/" + *result);
  }
  return response;
}

}  // namespace cambench::http
