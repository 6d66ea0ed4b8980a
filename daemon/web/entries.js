// What the bench knows of materials, cells and studies, and the buttons that edit it. What the operator wrote into the
// configuration is changed there: it has none.
import { button } from "/acts.js";
import { document_at } from "/bench.js";
import { h, show, text_table } from "/dom.js";
import { dash, fixed } from "/format.js";

/** Fills a place with the three tables. */
export async function entries(element) {
  const all = await document_at("/api/v1/entries");
  show(element,
    table("material", "Materials", ["Name", "Coating", "wt%", "Role"], all.materials, (it) => [it.name, it.coating,
      it.amount_wt_percent ? String(it.amount_wt_percent) : dash, it.reference ? "uncoated reference" : ""]),
    table("cell", "Cells", ["Material", "Electrodes", "Composite / mg", "1 C / mA", "Reference vs Li⁺/Li / V"], all.cells,
      (it) => [it.material, String(it.electrodes), fixed(it.composite_mg, 2), fixed(1e3 * it.one_C_A, 3),
        it.reference_vs_li_V === null ? dash : `${fixed(it.reference_vs_li_V, 3)} (${it.reference_note})`]),
    table("study", "Studies", ["Title", "Materials", "Cells"], all.studies,
      (it) => [it.title, it.materials.join(", "), it.cells.join(", ") || dash]));
}

function table(kind, title, columns, rows, cells_of) {
  return h("section", {},
    h("div", { class: "head" }, h("h2", {}, title), button(kind)),
    rows.length ? text_table(["Id", ...columns, ""], rows.map((it) => [it.id, ...cells_of(it), it.edited
      ? h("div", { class: "buttons few" }, button(kind, it.id, "Edit"), button(`remove-${kind}`, it.id))
      : h("small", {}, "in the configuration")]))
      : h("p", { class: "quiet" }, "None yet."));
}
