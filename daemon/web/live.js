// The places that fill themselves: charts and lists that come from the archive. Each is drawn when it appears and
// again every few seconds while its run goes on; what the reader zoomed into stays, and so does what is there when the
// daemon cannot be asked, which the place then says of itself.
import { document_at, on_event, Unanswered } from "/bench.js";
import { Chart, forget_view, pressure, pressure_options, series, series_options } from "/charts.js";
import { folded, h, show } from "/dom.js";
import { entries } from "/entries.js";
import { clock, dash, fixed, sentence } from "/format.js";
import { events, run_head, runs } from "/runs.js";

const every_ms = 5000;
const of_a_run = { series: chart(series, series_options), pressure: chart(pressure, pressure_options), capacity, events,
  "run-head": run_head };
const kinds = { ...of_a_run, history, orders, entries, runs };
const living = new Map(); // element -> { next, busy, chart }

/** Fills the places on the page that are due. */
export function keep_alive(status) {
  for (const [element, life] of living) {
    if (element.isConnected) continue;
    life.chart?.destroy();
    living.delete(element);
  }
  for (const element of document.querySelectorAll("[data-keep]")) {
    const [kind, argument] = element.dataset.keep.split(" ");
    if (!living.has(element)) living.set(element, { next: 0, busy: false, chart: null });
    refill(element, living.get(element), kinds[kind], argument, status);
  }
}

// What has just happened to a run is told at once, and not with the next look; what happens to others disturbs nothing. An
// order of this page (no event) may have changed anything.
on_event((event) => {
  for (const [element, life] of living) {
    const [kind, argument] = element.dataset.keep.split(" ");
    if (!event || argument === event.run || kind === "runs") life.next = 0;
  }
});

async function refill(element, life, fill, argument, status) {
  if (life.busy || performance.now() < life.next) return;
  life.busy = true;
  try {
    await fill(element, life, encodeURIComponent(argument));
    delete element.dataset.old;
  } catch (trouble) {
    if (!(trouble instanceof Unanswered)) throw trouble;
    element.dataset.old ??= `Could not be asked since ${clock(new Date())}.`;
  } finally {
    life.busy = false;
    life.next = performance.now() + (rests(element, argument, status) && !element.dataset.old ? 12 : 1) * every_ms;
  }
}

/** It belongs to a run that no station is at any more. */
function rests(element, argument, { stations }) {
  const kind = element.dataset.keep.split(" ")[0];
  return kind in of_a_run
    && !stations.some(({ run }) => run?.id === argument && !["finished", "aborted"].includes(run.state));
}

function chart(load, options) {
  return async (element, life, run) => {
    if (life.chart?.run !== run) {
      life.chart?.destroy();
      forget_view();
      life.chart = new Chart(element, run, load, options);
    }
    if (!(await life.chart.refresh())) empty(element, life, "Nothing was measured.");
  };
}

function empty(element, life, words) {
  if (!life.chart?.graph) element.replaceChildren(h("p", { class: "quiet" }, words));
}

// --- capacity by cycle: few numbers, so a table with bars says more than a curve

async function capacity(element, life, run) {
  const cycles = await document_at(`/api/v1/capacities?run=${run}`);
  if (!cycles?.length) return empty(element, life, "No cycle has begun.");
  const per_gram = cycles.every((cycle) => cycle.discharge_mAh_g !== null);
  const key = per_gram ? "mAh_g" : "mAh";
  const most = Math.max(...cycles.map((cycle) => Math.max(cycle[`charge_${key}`], cycle[`discharge_${key}`])));
  const bar = (value) => h("meter", { min: 0, max: most, value, "aria-hidden": "true" });
  show(element, h("div", { class: "scroll" }, h("table", { class: "capacities" },
    h("thead", {}, h("tr", {}, ["Cycle", "Rate", `Charge / ${per_gram ? "mAh g⁻¹" : "mAh"}`,
      `Discharge / ${per_gram ? "mAh g⁻¹" : "mAh"}`, "", "Efficiency"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, cycles.map((cycle) => h("tr", { class: cycle.running ? "running" : null },
      h("th", { scope: "row" }, cycle.cycle),
      h("td", {}, cycle.discharge_rate_C === null ? dash : `${Number(cycle.discharge_rate_C.toPrecision(2))} C`),
      h("td", {}, fixed(cycle[`charge_${key}`], per_gram ? 1 : 3)),
      h("td", {}, cycle.running ? "running" : fixed(cycle[`discharge_${key}`], per_gram ? 1 : 3)),
      h("td", { class: "bar" }, bar(cycle[`discharge_${key}`])),
      h("td", {}, cycle.running || cycle.coulombic_efficiency === null ? dash
        : `${fixed(100 * cycle.coulombic_efficiency, 1)} %`)))))));
}

// --- lists

async function history(element, life) {
  const rows = await document_at("/api/v1/alarms?limit=100");
  if (!rows?.length) return empty(element, life, "There never was one.");
  show(element, folded(rows.map((row) => [row.time, `${row.severity} ${row.id}`,
    [row.station, sentence(row.cause, row.text), row.acknowledged_by && `seen by ${row.acknowledged_by}`]])));
}

/** What people ordered, and what became of it. */
async function orders(element) {
  const rows = await document_at("/api/v1/audit?limit=100");
  show(element, rows.length ? folded(rows.map((row) => [row.time, `${row.act} ${row.target ?? ""}`.trim(),
    [`by ${row.who}`, row.reason && `because: ${row.reason}`, row.outcome]])) : h("p", { class: "quiet" }, "Nobody ordered anything yet."));
}
