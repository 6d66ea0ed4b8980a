// What people order: runs, edits, imports, alarms. Each order, granted or refused, is in the audit trail before its answer.
#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "daemon/records.h"
#include "daemon/runner.h"
#include "schema/overloaded.h"

namespace cambench {

namespace asio = boost::asio;

namespace {

std::string run_id(std::int64_t number) { return fmt::format("r{:06}", number); }

}  // namespace

void Runner::carry_out(http::Order order, Done done) {
  auto audited = [this, order, done = std::move(done)](Result<std::string> outcome) {
    audit(order, outcome, [this, outcome, done] {
      board_.publish(now());  // who ordered it and looks at once must see it
      done(outcome);
    });
  };
  if (!order.refusal.empty()) return audited(fail(Fault::Kind::refused, order.refusal));
  if (order.who.empty())
    return audited(fail(Fault::Kind::input, "an order needs the name of a person (\"who\")"));
  if (const auto* what = std::get_if<http::Order::StartRun>(&order.what))
    return start_run(*what, order.who, std::move(audited));
  if (const auto* what = std::get_if<http::Order::ForRun>(&order.what))
    return order_run(*what, order, std::move(audited));
  if (const auto* what = std::get_if<http::Order::TestPress>(&order.what))
    return test_press(*what, order.who, std::move(audited));
  if (const auto* what = std::get_if<http::Order::Edit>(&order.what)) return edit(*what, std::move(audited));
  if (const auto* what = std::get_if<http::Order::Import>(&order.what))
    return begin_import(what->read, std::move(audited));
  if (std::holds_alternative<http::Order::Shelve>(order.what) ||
      std::holds_alternative<http::Order::Unshelve>(order.what))
    return shelve(order, std::move(audited));
  acknowledge(std::get<http::Order::Acknowledge>(order.what).alarm, order.who, std::move(audited));
}

Result<RunInfo> Runner::prepare(const http::Order::StartRun& what, const Recipe& recipe) const {
  RunInfo info;
  info.recipe = what.recipe;
  info.recipe_text = to_json(recipe);
  const CellSpec* cell = what.cell.empty() ? nullptr : edited_->cell(what.cell);
  if (!what.cell.empty() && !cell)
    return fail(Fault::Kind::refused, fmt::format("there is no cell \"{}\" in the configuration", what.cell));
  auto planned = plan(recipe, cell ? std::optional(*cell) : std::nullopt);
  if (!planned) return fail(planned.error());
  info.plan = std::make_shared<const Plan>(std::move(*planned));
  if (cell) {
    info.cell = cell->id;
    info.material = cell->material;
    info.cell_json = records::to_json(*cell);
  }
  return info;
}

void Runner::start_run(const http::Order::StartRun& what, const std::string& who, Done done) {
  Station* on = station(what.station);
  if (!on) return done(fail(Fault::Kind::refused, fmt::format("there is no station \"{}\"", what.station)));
  if (!what.cell.empty())
    for (const auto& other : stations_)
      if (other.get() != on && other->busy() && other->cell_id() == what.cell)
        return done(
            fail(Fault::Kind::refused, fmt::format("cell {} is in station {}", what.cell, other->name())));
  const store::Health health = store_.health();
  if (!health.trouble.empty())
    return done(fail(Fault::Kind::storage, "nothing that is measured can be kept: " + health.trouble));
  if (health.scarce)
    return done(fail(Fault::Kind::refused,
                     "the disk of the store is nearly full: make room before anything new is started"));
  const auto recipe = config::find_recipe(bench_, what.recipe);
  if (!recipe) return done(fail(recipe.error()));
  auto info = prepare(what, *recipe);
  if (!info) return done(fail(info.error()));
  info->id = run_id(++last_run_);
  info->who = who;
  info->started = std::chrono::system_clock::now();
  const std::string id = info->id;
  on->begin(std::move(*info), [id, done = std::move(done)](Result<void> begun) {
    if (!begun) return done(fail(begun.error()));
    done(id);
  });
}

void Runner::order_run(const http::Order::ForRun& what, const http::Order& order, Done done) {
  Station* on = station_of_run(what.run);
  if (!on) return done(fail(Fault::Kind::refused, fmt::format("run {} is on no station", what.run)));
  const auto granted = on->order({what.what, order.who, order.reason});
  if (!granted) return done(fail(granted.error()));
  done(what.run);
}

void Runner::test_press(const http::Order::TestPress& what, const std::string& who, Done done) {
  Station* on = station(what.station);
  if (!on) return done(fail(Fault::Kind::refused, fmt::format("there is no station \"{}\"", what.station)));
  done(on->test_press(what.target, who));
}

void Runner::acknowledge(std::int64_t alarm, const std::string& who, Done done) {
  auto row = alarms_.acknowledge(alarm, who, std::chrono::system_clock::now());
  if (!row) return done(fail(row.error()));
  store_.commit({std::move(*row)}, [done = std::move(done), this](Result<void> kept) {
    asio::post(io_, [done, kept] { kept ? done(std::string("acknowledged")) : done(fail(kept.error())); });
  });
}

/// A run is taken up again with the cell that it was started with: that cell stays as it is until the run is over.
void Runner::edit(const http::Order::Edit& what, Done done) {
  if (is_keeping_)
    return done(fail(Fault::Kind::refused, "another edit is being kept; try again in a moment"));
  for (const auto& s : stations_)
    if (what.kind == entries::Kind::cell && s->busy() && s->cell_id() == what.id)
      return done(fail(Fault::Kind::refused,
                       fmt::format("cell {} is in station {}, and its run is not over", what.id, s->name())));
  auto proposed = entries::propose(*edited_, what);
  if (!proposed) return done(fail(proposed.error()));
  is_keeping_ = true;
  keeping_pulse_.handed_over();
  keeping_ = std::jthread([this, made = std::move(*proposed), done = std::move(done)] {
    const auto kept = entries::keep(config::entries_file(bench_), made.text);
    asio::post(io_, [this, made, kept, done] {
      is_keeping_ = false;
      keeping_pulse_.rests();
      if (!kept) return done(fail(kept.error()));
      edited_ = made.bench;
      if (on_edited) on_edited(edited_);
      done(std::string("kept"));
    });
  });
}

/// The same file may have been read twice before either was kept.
void Runner::begin_import(const std::shared_ptr<const exports::Import>& import, Done done) {
  if (is_importing_)
    return done(fail(Fault::Kind::refused, "another import is being kept; try again in a moment"));
  if (!imported_.insert(import->run).second)
    return done(
        fail(Fault::Kind::refused, fmt::format("this file is in the store already: run {}", import->run)));
  is_importing_ = true;
  keep_import(import, 0, std::move(done));
}

/// In groups: what has to be recorded meanwhile, a trip above all, waits for one of them at most.
void Runner::keep_import(const std::shared_ptr<const exports::Import>& import, std::size_t from, Done done) {
  constexpr std::size_t group = 500;
  const auto end = std::min(from + group, import->rows.size());
  const auto at = [&](std::size_t i) { return import->rows.begin() + static_cast<std::ptrdiff_t>(i); };
  store_.commit({at(from), at(end)}, [this, import, end, done = std::move(done)](Result<void> kept) {
    asio::post(io_, [this, import, end, done, kept] {
      if (kept && end < import->rows.size()) return keep_import(import, end, done);
      is_importing_ = false;
      if (!kept) {
        imported_.erase(import->run);
        return done(fail(kept.error()));
      }
      if (on_finished) on_finished(import->run);
      done(import->run);
    });
  });
}

void Runner::shelve(const http::Order& order, Done done) {
  const Stamp at = now_stamp();
  Result<store::ShelfRow> row;
  if (const auto* what = std::get_if<http::Order::Shelve>(&order.what))
    row = alarms_.shelve(what->alarm, what->time, order.who, order.reason, at);
  else
    row = alarms_.unshelve(std::get<http::Order::Unshelve>(order.what).alarm, order.who, order.reason, at);
  if (!row) return done(fail(row.error()));
  store_.commit({std::move(*row)}, [done = std::move(done), this](Result<void> kept) {
    asio::post(io_, [done, kept] { kept ? done(std::string("shelved")) : done(fail(kept.error())); });
  });
}

namespace {

struct Act {
  std::string act, target;  ///< "edit cell", "R-017"
};

std::string_view word(event::Ordered::What what) {
  switch (what) {
    case event::Ordered::What::pause: return "pause";
    case event::Ordered::What::resume: return "resume";
    case event::Ordered::What::abort: return "abort";
    case event::Ordered::What::reset: return "reset";
    case event::Ordered::What::next_step: return "next step";
  }
  return "unknown";
}

/// An order in the words of the audit trail.
Act in_words(const http::Order& order) {
  using Order = http::Order;
  return std::visit(
      Overloaded{
          [](const Order::StartRun& it) {
            return Act{"start " + it.recipe, fmt::format("{} {}", it.station, it.cell)};
          },
          [](const Order::ForRun& it) {
            return Act{std::string(word(it.what)), it.run};
          },
          [](const Order::Acknowledge& it) {
            return Act{"acknowledge", std::to_string(it.alarm)};
          },
          [](const Order::TestPress& it) {
            return Act{fmt::format("press test to {:g} MPa", it.target.value()), it.station};
          },
          [](const Order::Edit& it) {
            return Act{fmt::format("{} {}", it.json ? "edit" : "remove", name(it.kind)), it.id};
          },
          [](const Order::Shelve& it) {
            return Act{fmt::format("shelve for {:g} min", it.time.count() / 60), std::to_string(it.alarm)};
          },
          [](const Order::Unshelve& it) {
            return Act{"unshelve", std::to_string(it.alarm)};
          },
          [](const Order::Import& it) {
            return Act{"import", it.read ? it.read->run : ""};
          }},
      order.what);
}

}  // namespace

/// `then` is called once the act, and everything that it brought about, is durable; or the store told that nothing is.
void Runner::audit(const http::Order& order, const Result<std::string>& outcome, std::function<void()> then) {
  Act said = in_words(order);
  if (!outcome)
    journal_.warning("", "", fmt::format("{}: {} refused: {}", order.who, said.act, outcome.error().what));
  store::AuditRow row{.who = fmt::format("{} ({})", order.who, order.peer),
                      .act = std::move(said.act),
                      .target = std::move(said.target),
                      .reason = {},
                      .outcome = outcome ? "granted" : "refused: " + outcome.error().what,
                      .at = std::chrono::system_clock::now()};
  if (!order.reason.empty()) row.reason = order.reason;
  store_.commit({std::move(row)}, [this, then = std::move(then)](Result<void> kept) {
    asio::post(io_, [this, then, kept] {
      if (!kept) journal_.alarm("", "", "the audit trail could not be kept: " + kept.error().what);
      then();
    });
  });
}

}  // namespace cambench
