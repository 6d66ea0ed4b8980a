// The fields of a dialog, as data: what each is called, what it takes, and what it gives to the daemon.
import { h } from "/dom.js";

/**
 * A field: { name, label, kind, required, value, ...attributes of the input }. Kinds: text, number, flag, word (that
 * must be given: "yes"), one (of `options`: [value, words]), some (of `options`). `id` marks the one that names the entry.
 */
export function inputs_of(fields) {
  return fields.map((field) => makers[field.kind ?? "text"](field));
}

/** { name: value } of what was filled in; a field that was left empty is not there. */
export function values_of(form, fields) {
  const found = {};
  for (const field of fields) {
    const value = readers[field.kind ?? "text"](form, field);
    if (value !== null) found[field.name] = value;
  }
  return found;
}

const input = (type) => ({ label, kind, note, ...attributes }) =>
  h("label", {}, label, h("input", { type, autocomplete: "off", ...attributes }), note ? h("small", {}, note) : null);

const makers = {
  text: input("text"),
  number: (field) => input("number")({ step: "any", inputmode: "decimal", ...field }),
  flag: ({ name, label, value }) => h("label", { class: "check" }, h("input", { name, type: "checkbox", checked: !!value }), label),
  word: ({ name, label }) => h("label", { class: "check" }, h("input", { name, type: "checkbox", required: true }), label),
  one: ({ name, label, value, options, required }) => h("label", {}, label,
    h("select", { name, required }, options.map(([is, words]) =>
      h("option", { value: is, selected: String(is) === String(value ?? "") }, words)))),
  some: ({ name, label, value, options }) => h("fieldset", {}, h("legend", {}, label), options.map(([is, words]) =>
    h("label", { class: "check" }, h("input", { name, type: "checkbox", value: is, checked: !!value?.includes(is) }), words))),
};

const text_in = (form, { name }) => form.elements[name].value.trim() || null;
const number_in = (form, field) => {
  const text = text_in(form, field);
  return text === null ? null : Number(text);
};
const readers = {
  text: text_in,
  number: number_in,
  flag: (form, { name }) => form.elements[name].checked,
  word: (form, { name }) => (form.elements[name].checked ? "yes" : null),
  one: (form, field) => (field.numeric ? number_in : text_in)(form, field),
  some: (form, { name }) => [...form.querySelectorAll(`[name="${name}"]:checked`)].map(({ value }) => value),
};
