// Elements from data, and the least change that makes a page look like them: whoever reads, selects text or has the
// keyboard's focus is not disturbed by the next second.

import { clock } from "/format.js";

/** h("p", {class: "x"}, "text", child): texts and elements; null, undefined and false are left out. */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {}))
    if (value !== null && value !== undefined && value !== false)
      element.setAttribute(name, value === true ? "" : value);
  element.append(...present(children));
  return element;
}

/** Makes the children of `place` look like `wanted`. An element with data-keep is filled by its owner: it stays. */
export function show(place, ...wanted) {
  sync(place, present(wanted));
}

/** A table of texts whose rows become cards on a phone: each cell carries the name of its column. */
export function text_table(columns, rows) {
  const [first, ...others] = columns;
  return h("div", { class: "scroll" }, h("table", { class: "texts" },
    h("thead", {}, h("tr", {}, [first, ...others].map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, rows.map(([head, ...cells]) => h("tr", {}, h("th", { scope: "row" }, head),
      cells.map((cell, i) => h("td", { "data-column": others[i] }, cell)))))));
}

/** Lines of [time, what, [words ...]]; words that are not there are left out. */
function list(lines) {
  return h("ol", { class: "log" }, lines.map(([time, what, words]) =>
    h("li", {}, h("time", { datetime: time }, clock(time)), h("strong", {}, what),
      h("span", {}, words.filter(Boolean).join(" · ")))));
}

/** The newest lines, and the others on request. */
export function folded(lines) {
  const earlier = lines.slice(12);
  return [list(lines.slice(0, 12)), earlier.length
    ? h("details", {}, h("summary", {}, `${earlier.length} earlier`), list(earlier)) : null];
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function sync(place, wanted) {
  const have = [...place.childNodes];
  wanted.forEach((want, i) => {
    const is = have[i];
    if (is === undefined) place.append(want);
    else if (!alike(is, want)) is.replaceWith(want);
    else update(is, want);
  });
  have.slice(wanted.length).forEach((rest) => rest.remove());
}

function alike(is, want) {
  if (typeof want === "string" || typeof want === "number") return is.nodeType === Node.TEXT_NODE;
  if (want.nodeType === Node.TEXT_NODE) return is.nodeType === Node.TEXT_NODE;
  return is.nodeName === want.nodeName && is.dataset?.keep === want.dataset?.keep;
}

function update(is, want) {
  if (is.nodeType === Node.TEXT_NODE) {
    const text = want.nodeType === Node.TEXT_NODE ? want.data : String(want);
    if (is.data !== text) is.data = text;
    return;
  }
  if (is.dataset.keep) return;
  for (const { name } of [...is.attributes])
    if (!want.hasAttribute(name) && name !== "open") is.removeAttribute(name); // what the reader opened stays open
  for (const { name, value } of [...want.attributes])
    if (is.getAttribute(name) !== value) is.setAttribute(name, value);
  sync(is, [...want.childNodes]);
}
