// Materials, cells and studies as the bench knows them, and the orders that edit them.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "daemon/http/form.h"
#include "daemon/http/parameters.h"
#include "daemon/records.h"

namespace cambench::http {

namespace {

using entries::Kind;

/// A PUT holds the entry with the keys of the configuration; who and why stand beside them.
Way put(const Asked& asked, Kind kind) {
  const auto& request = asked.request;
  if (!request.content_type.starts_with("application/json"))
    return bad_form("The body must be JSON and say so: Content-Type: application/json.");
  boost::system::error_code error;
  auto body = boost::json::parse(request.body, error);
  if (error || !body.is_object()) return bad_form("The body is no JSON object.");
  auto& members = body.as_object();
  Order order = order_of(request);
  for (const auto& [key, into] : {std::pair("who", &order.who), std::pair("reason", &order.reason)})
    if (const auto* word = members.if_contains(key)) {
      if (!word->is_string() || word->as_string().size() > longest_text)
        return bad_form(fmt::format("\"{}\" must be a text of at most {} characters.", key, longest_text));
      if (!word->as_string().empty()) *into = word->as_string();
      members.erase(key);
    }
  order.what = Order::Edit{{kind, asked.places[0], boost::json::serialize(members)}};
  return order;
}

/// Why it is taken away, and by whom, stand in the query: nobody has to pass on what a DELETE carries in its body (RFC 9110,
/// 9.3.5).
Way away(const Asked& asked, Kind kind) {
  Parameters parameters(asked.request);
  const auto who = parameters.text("who").value_or(""), reason = parameters.text("reason").value_or("");
  if (auto refused = parameters.finish()) return *refused;
  if (reason.empty()) return bad_form(fmt::format("Who takes away a {} says why: ?reason=...", name(kind)));
  if (who.size() > longest_text || reason.size() > longest_text)
    return bad_form(
        fmt::format("\"who\" and \"reason\" must be texts of at most {} characters.", longest_text));
  Order order = order_of(asked.request);
  if (!who.empty()) order.who = who;
  order.reason = reason;
  order.what = Order::Edit{{kind, asked.places[0], std::nullopt}};
  return order;
}

void write(JsonWriter& json, const Material& material, bool edited) {
  json.object().field("id", material.id).field("name", material.name).field("coating", material.coating);
  json.field("amount_wt_percent", material.amount_wt_percent).field("reference", material.reference);
  json.field("edited", edited).end_object();
}

void write(JsonWriter& json, const CellSpec& cell, bool edited) {
  const auto reference = [&](auto of) { return cell.reference.transform(of); };
  json.object().field("id", cell.id).field("material", cell.material).field("electrodes", cell.electrodes);
  json.field("composite_mg", records::composite_mg(cell)).field("cam_fraction", cell.cam_fraction);
  json.field("area_cm2", cell.area_cm2).field("q_1C_mAh_g", cell.q_1C_mAh_g);
  json.field("reference_vs_li_V", reference([](const auto& it) { return it.vs_li; }));
  json.field("reference_note", reference([](const auto& it) { return it.note; }));
  json.field("one_C_A", one_C(cell)).field("edited", edited).end_object();
}

void write_list(JsonWriter& json, const std::vector<std::string>& texts) {
  json.array();
  for (const auto& text : texts) json.value(text);
  json.end_array();
}

void write(JsonWriter& json, const config::Study& study, bool edited) {
  json.object().field("id", study.id).field("title", study.title);
  write_list(json.key("materials"), study.materials);
  write_list(json.key("cells"), study.cells);
  json.field("edited", edited).end_object();
}

template <typename T>
void write_all(JsonWriter& json, const config::Bench& bench, const std::vector<T>& all, Kind kind) {
  json.array();
  const auto edited = entries::edited(bench, kind);
  for (const auto& each : all) write(json, each, std::ranges::find(edited, each.id) != edited.end());
  json.end_array();
}

template <typename T>
Response list_of(const config::Bench& bench, const std::vector<T>& all, Kind kind) {
  JsonWriter writer;
  write_all(writer, bench, all, kind);
  return json(std::move(writer));
}

}  // namespace

Way materials(const Asked& asked) {
  const auto& bench = asked.api.bench();
  return list_of(bench, bench.materials, Kind::material);
}
Way cells(const Asked& asked) {
  const auto& bench = asked.api.bench();
  return list_of(bench, bench.cells, Kind::cell);
}

// What a form that edits or starts something must know, at once. The recipes are a folder: the reader looks into it.
Way all_entries(const Asked& asked) {
  return [bench = asked.api.bench()](Archive&) {
    JsonWriter writer;
    writer.object();
    write_all(writer.key("materials"), bench, bench.materials, Kind::material);
    write_all(writer.key("cells"), bench, bench.cells, Kind::cell);
    write_all(writer.key("studies"), bench, bench.studies, Kind::study);
    write_list(writer.key("recipes"), config::recipe_names(bench));
    writer.end_object();
    return json(std::move(writer));
  };
}

Way put_material(const Asked& asked) { return put(asked, Kind::material); }
Way put_cell(const Asked& asked) { return put(asked, Kind::cell); }
Way put_study(const Asked& asked) { return put(asked, Kind::study); }
Way remove_material(const Asked& asked) { return away(asked, Kind::material); }
Way remove_cell(const Asked& asked) { return away(asked, Kind::cell); }
Way remove_study(const Asked& asked) { return away(asked, Kind::study); }

}  // namespace cambench::http
