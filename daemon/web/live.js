// The places that fill themselves: charts and lists that come from the archive. Each is drawn when it appears and
// again every few seconds while its run goes on; what the reader zoomed into stays.
import { document_at } from "/bench.js";
import { h, show } from "/dom.js";
import { clock, dash, fixed } from "/format.js";

const every_ms = 5000;
const kinds = { series, pressure, capacity, events, history };
const living = new Map(); // element -> { next, busy, chart }

/** Fills the places on the page that are due. */
export function keep_alive(status) {
  for (const element of living.keys()) if (!element.isConnected) living.delete(element);
  for (const element of document.querySelectorAll("[data-keep]")) {
    const [kind, argument] = element.dataset.keep.split(" ");
    if (!living.has(element)) living.set(element, { next: 0, busy: false, chart: null });
    refill(element, living.get(element), kinds[kind], argument, status);
  }
}

async function refill(element, life, fill, argument, status) {
  if (life.busy || performance.now() < life.next) return;
  life.busy = true;
  await fill(element, life, encodeURIComponent(argument));
  life.busy = false;
  const over = status.stations.some((it) => it.run?.id === argument && ["finished", "aborted"].includes(it.run.state));
  life.next = performance.now() + (over ? 12 : 1) * every_ms;
}

// --- charts

function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  return { working: named("--blue"), cell: named("--green"), current: named("--orange"), ink: named("--quiet"),
    grid: named("--line") };
}

function draw(element, life, rows, options) {
  const ink = colours();
  const common = {
    file: rows,
    axisLineColor: ink.grid, gridLineColor: ink.grid, strokeWidth: 1.6, connectSeparatedPoints: false,
    labelsSeparateLines: false, legend: "follow", highlightCircleSize: 3, rightGap: 12, axisLabelFontSize: 12,
    xlabel: "Test time / h",
  };
  const { axes, ...rest } = options(ink);
  if (life.chart) return life.chart.updateOptions({ file: rows });
  const frame = h("div", {});
  element.replaceChildren(frame);
  life.chart = new Dygraph(frame, rows, { ...common, ...rest, axes: { x: { axisLabelWidth: 60 }, ...axes } });
}

// The extremes of a thinned point are two points at the same time, so that the line shows both.
function rows_of(columns) {
  const names = ["we_vs_re", "cell", "current"];
  const unit = { we_vs_re: "V", cell: "V", current: "A" };
  const scale = { we_vs_re: 1, cell: 1, current: 1000 };
  const at = (name, end, i) => {
    const value = columns[`${name}_${end}_${unit[name]}`][i];
    return value === null ? null : value * scale[name];
  };
  return columns.test_time_s.flatMap((time_s, i) => {
    const row = (end) => [time_s / 3600, ...names.map((name) => at(name, end, i))];
    const [low, high] = [row("min"), row("max")];
    return low.every((value, j) => value === high[j]) ? [low] : [low, high];
  });
}

async function series(element, life, run) {
  const points = Math.max(200, Math.min(2000, Math.round(element.clientWidth)));
  const columns = await document_at(`/api/v1/series?run=${run}&format=columns&max_points=${points}`);
  if (!columns?.test_time_s.length) return empty(element, life, "No sample yet.");
  draw(element, life, rows_of(columns), (ink) => ({
    labels: ["h", "WE vs RE / V", "Cell / V", "Current / mA"],
    colors: [ink.working, ink.cell, ink.current], rightGap: 24,
    ylabel: "Potential / V", y2label: "Current / mA",
    series: {
      "Current / mA": { axis: "y2", strokeWidth: 1, stepPlot: true },
      "Cell / V": { strokePattern: [6, 3] },
    },
    axes: { y: { valueFormatter: (v) => fixed(v, 4), axisLabelWidth: 44 }, y2: { independentTicks: true,
      drawGrid: false, valueFormatter: (v) => fixed(v, 4), axisLabelWidth: 44 } },
  }));
}

async function pressure(element, life, run) {
  const points = await document_at(`/api/v1/pressures?run=${run}&max_points=800`);
  const timed = points?.filter((point) => point.test_time_s !== null) ?? [];
  if (!timed.length) return empty(element, life, "No pressure was read yet.");
  const rows = timed.map((p) => [p.test_time_s / 3600,
    p.pressure_MPa === null ? [null, null, null]
      : [p.pressure_min_MPa ?? p.pressure_MPa, p.pressure_MPa, p.pressure_max_MPa ?? p.pressure_MPa],
    [p.pressure_target_MPa, p.pressure_target_MPa, p.pressure_target_MPa]]);
  draw(element, life, rows, (ink) => ({
    labels: ["h", "Pressure / MPa", "Set point / MPa"],
    colors: [ink.working, ink.ink], customBars: true, includeZero: false,
    ylabel: "Pressure / MPa",
    series: { "Set point / MPa": { strokePattern: [4, 4], strokeWidth: 1 } },
    axes: { y: { valueFormatter: (v) => fixed(v, 2), axisLabelWidth: 44 } },
  }));
}

function empty(element, life, words) {
  if (!life.chart) element.replaceChildren(h("p", { class: "quiet" }, words));
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

async function events(element, life, run) {
  const rows = await document_at(`/api/v1/runs/${run}/events`);
  if (!rows?.length) return empty(element, life, "Nothing yet.");
  list(element, rows.slice(-200).reverse().map((row) => [row.time, row.kind.replaceAll("_", " "),
    [row.step === null ? null : `step ${row.step + 1}`, row.reason, row.cause, row.text, row.who && `by ${row.who}`]]));
}

async function history(element, life) {
  const rows = await document_at("/api/v1/alarms?limit=100");
  if (!rows?.length) return empty(element, life, "There never was one.");
  list(element, rows.map((row) => [row.time, `${row.severity} ${row.id}`,
    [row.station, row.text, row.acknowledged_by && `seen by ${row.acknowledged_by}`]]));
}

function list(element, rows) {
  show(element, h("ol", { class: "log" }, rows.map(([time, what, words]) =>
    h("li", {}, h("time", { datetime: time }, clock(time)), h("strong", {}, what),
      h("span", {}, words.filter(Boolean).join(" · "))))));
}

// A chart takes its colours when it is made: when day turns to night it is made again.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const life of living.values()) {
    life.chart?.destroy();
    life.chart = null;
    life.next = 0;
  }
});
