// A rate test that was made elsewhere, brought over HTTP: read on the importer's thread, looked for in the store on the
// reader thread, kept by the daemon in groups.
#include <fmt/format.h>

#include "analysis/bad_input.h"
#include "daemon/http/form.h"
#include "daemon/http/parameters.h"

namespace cambench::http {

namespace {

using Decided = std::variant<Response, Order>;
using Read = std::variant<Response, Preparation::Asking>;

/// What was measured and with what; a Problem document says why nobody can tell.
std::variant<Response, exports::ImportOrder> import_order(const Form& form, const config::Bench& bench,
                                                          const Request& request) {
  for (const auto* key : {"file", "csv", "cell"})
    if (form[key].empty()) return bad_form(fmt::format("\"{}\" is missing.", key));
  const CellSpec* cell = bench.cell(form["cell"]);
  if (!cell)
    return problem(422, "The import is refused",
                   fmt::format("There is no cell \"{}\": add what was measured as a cell, with its masses.",
                               form["cell"]));
  exports::ImportOrder order{.file = form["file"], .cell = *cell};
  if (const auto& recipe = form["recipe"]; !recipe.empty()) {
    auto found = recipe.starts_with('{') ? read_recipe(recipe, "recipe") : config::find_recipe(bench, recipe);
    if (!found) return problem(422, "The import is refused", found.error().what + '.');
    order.recipe = std::move(*found);
  }
  if (const auto& is = form["voltage_is"]; !is.empty() && is != "cell" && is != "we_vs_re")
    return bad_form(fmt::format("\"voltage_is\" must be cell or we_vs_re, found \"{}\".", is));
  order.voltage_is_we_vs_re = form["voltage_is"] == "we_vs_re";
  order.at = order.file_changed = request.at;
  if (const auto& changed = form["changed"]; !changed.empty()) {
    const auto time = parse_time(changed);
    if (!time)
      return bad_form(
          fmt::format("\"changed\" must be a time like 2026-11-22T13:00:00Z, found \"{}\".", changed));
    order.file_changed = *time;
  }
  return order;
}

std::shared_ptr<exports::Import> imported(const Form& form, exports::ImportOrder what, const Order& order) {
  what.who = order.who;
  auto import = std::make_shared<exports::Import>(exports::import_csv(form["csv"], what));
  std::erase_if(import->rows,
                [](const store::Row& row) { return std::holds_alternative<store::AuditRow>(row); });
  return import;  // without its act: the order is in the audit trail
}

Decided looked_for(const std::shared_ptr<exports::Import>& import, Order order, Archive& archive) {
  if (const auto known = archive.run(import->run)) {
    if (known->phase == "finished")
      return problem(409, "The file is here already",
                     fmt::format("This file is in the store already: run {}, cell {}, brought by {}.",
                                 import->run, known->cell.value_or(""), known->who));
    exports::leave_out_kept(*import,
                            archive.last_seq(import->run));  // the daemon was stopped while it was kept
  }
  order.what = Order::Import{import};
  return order;
}

Read read(const Request& request, const config::Bench& bench) {
  const auto form =
      read_form(request, {"file", "csv", "cell", "recipe", "voltage_is", "changed", "who", "reason"},
                {"csv", "recipe"});
  if (!form.trouble.empty()) return bad_form(form.trouble);
  auto what = import_order(form, bench, request);
  if (auto* refused = std::get_if<Response>(&what)) return std::move(*refused);
  const auto order = order_of(request, form);
  try {
    auto import = imported(form, std::get<exports::ImportOrder>(std::move(what)), order);
    return
        [import = std::move(import), order](Archive& archive) { return looked_for(import, order, archive); };
  } catch (const std::runtime_error& trouble) {  // BadInput too: the file, the line and the mend
    return problem(422, "The file cannot be used", trouble.what() + std::string("."));
  }
}

}  // namespace

Way import_run(const Asked& asked) {
  return Preparation{[bench = asked.api.bench()](const Request& request) { return read(request, bench); }};
}

}  // namespace cambench::http
