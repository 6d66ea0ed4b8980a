// Materials, cells and studies as forms: the keys are those of the configuration, and the daemon checks them as it would
// check the configuration.
const says = "It is checked as a whole with the rest of the bench, kept beside the configuration, and holds at the next start too.";
const name_of = { name: "id", label: "Id", required: true, maxlength: 40, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*",
  note: "letters, digits and . _ -; it stays what it is" };
const the = (entries, kind, id) => entries[kind].find((entry) => entry.id === id) ?? {};
const words = ({ id, name, title }) => [id, name && name !== id ? `${id} · ${name}` : title && title !== id ? `${id} · ${title}` : id];

const shapes = {
  material: {
    kind: "materials",
    fields: (it) => [
      { name: "name", label: "Name", value: it.name },
      { name: "coating", label: "Coating", value: it.coating, placeholder: "none" },
      { name: "amount_wt_percent", label: "Amount / wt%", kind: "number", min: 0, max: 100, value: it.amount_wt_percent },
      { name: "reference", label: "Uncoated reference: scores are relative to it", kind: "flag", value: it.reference },
    ],
  },
  cell: {
    kind: "cells",
    fields: (it, entries) => [
      { name: "material", label: "Material", kind: "one", required: true, value: it.material, options: entries.materials.map(words) },
      { name: "electrodes", label: "Electrodes", kind: "one", numeric: true, value: it.electrodes ?? 3,
        options: [[3, "3: with a reference electrode"], [2, "2"]] },
      { name: "composite_mg", label: "Cathode composite / mg, as weighed", kind: "number", required: true, min: 0, value: it.composite_mg },
      { name: "cam_fraction", label: "Share of active material in it", kind: "number", required: true, min: 0, max: 1, value: it.cam_fraction },
      { name: "area_cm2", label: "Area / cm²", kind: "number", required: true, min: 0, value: it.area_cm2 },
      { name: "q_1C_mAh_g", label: "1 C stands for / mAh g⁻¹", kind: "number", min: 10, value: it.q_1C_mAh_g, placeholder: "200" },
      { name: "reference_vs_li_V", label: "Reference electrode vs Li⁺/Li / V", kind: "number", min: -1, max: 5, value: it.reference_vs_li_V },
      { name: "reference_note", label: "What it is, and how that is known", value: it.reference_note, placeholder: "lithiated gold, assumed" },
    ],
  },
  study: {
    kind: "studies",
    fields: (it, entries) => [
      { name: "title", label: "Title", value: it.title },
      { name: "materials", label: "Materials, the uncoated reference among them", kind: "some", value: it.materials, options: entries.materials.map(words) },
      { name: "cells", label: "Cells whose rate tests are scored", kind: "some", value: it.cells,
        options: entries.cells.map(({ id, material }) => [id, `${id} · ${material}`]) },
    ],
  },
};

export const entry_acts = Object.fromEntries(Object.entries(shapes).flatMap(([word, { kind, fields }]) => {
  const path = (id) => `/api/v1/${kind}/${encodeURIComponent(id)}`;
  return [
    [word, { title: (id) => (id ? `Edit ${word} ${id}` : `Add a ${word}`), button: `Add a ${word}`, says, path, method: "PUT",
      answer: "Keep", fields: (id, entries) => [...(id ? [] : [name_of]), ...fields(the(entries, kind, id), entries)] }],
    [`remove-${word}`, { title: (id) => `Remove ${word} ${id}`, button: "Remove", path, method: "DELETE", grave: true, reason: true,
      says: "It is taken out of the bench. What was measured with it keeps its own copy." }],
  ];
}));
