// Charts over the time of a run. Each holds the whole run, thinned, and what is in view in as many points as the screen
// can show: zooming and panning draw at once what is there, and the finer points follow. All charts of a page show the
// same stretch of time.
import { document_at, Unanswered } from "/bench.js";
import { h } from "/dom.js";
import { fixed, scale_mark } from "/format.js";

const settle_ms = 120; // after the last movement
const alive = new Set();
let view = null; // [from, to] in hours; null: the whole run
let follow_h = null; // the last so many hours, wherever the end is

function colours() {
  const style = getComputedStyle(document.documentElement);
  const named = (name) => style.getPropertyValue(name).trim();
  return { working: named("--blue"), cell: named("--green"), current: named("--orange"), ink: named("--quiet"),
    grid: named("--line"), band: named("--band") };
}

export class Chart {
  /** `load(run, from_s, to_s, points)` gives rows [[hours, ...], ...], `options(colours)` what dygraphs is told. */
  constructor(place, run, load, options) {
    Object.assign(this, { place, run, load, options, whole: [], fine: null, graph: null, timer: 0, asked: [0, 0] });
    alive.add(this);
  }

  destroy() {
    clearTimeout(this.timer);
    this.graph?.destroy();
    this.graph = null;
    alive.delete(this);
  }

  /** Draws the run as it is now; false while there is nothing to draw. */
  async refresh() {
    const rows = await this.load(this.run, null, null, this.points());
    if (!rows?.length) return this.graph !== null;
    this.whole = rows;
    if (!alive.has(this)) return true;
    if (!this.graph) this.begin();
    if (follow_h !== null) view = last_hours(extent(), follow_h);
    this.show();
    if (view) this.refine(true);
    return true;
  }

  points() {
    return Math.max(200, Math.min(2000, Math.round(this.place.clientWidth)));
  }

  begin() {
    const ink = colours();
    const frame = h("div", { class: "frame" });
    const readout = h("p", { class: "readout", "aria-hidden": "true" });
    this.place.replaceChildren(readout, frame);
    const { axes, ...rest } = this.options(ink);
    this.graph = new Dygraph(frame, this.whole, {
      axisLineColor: ink.grid, gridLineColor: ink.grid, strokeWidth: 1.6, connectSeparatedPoints: false,
      highlightCircleSize: 3, rightGap: 12, axisLabelFontSize: 12,
      xlabel: "Test time / h", animatedZooms: false, panEdgeFraction: 0.02, dateWindow: view ?? extent(),
      showRangeSelector: true, rangeSelectorHeight: 26, rangeSelectorPlotLineWidth: 1,
      rangeSelectorPlotStrokeColor: ink.ink, rangeSelectorPlotFillColor: ink.band, rangeSelectorPlotFillGradientColor: ink.band,
      rangeSelectorForegroundStrokeColor: ink.ink, rangeSelectorForegroundLineWidth: 1,
      rangeSelectorBackgroundStrokeColor: ink.grid, interactionModel: pointer, ...rest,
      axes: { x: { axisLabelWidth: 44, pixelsPerLabel: 34, axisLabelFormatter: scale_mark, valueFormatter: (hours) => `${fixed(hours, 3)} h` }, ...axes },
      drawCallback: () => this.moved(),
      highlightCallback: (event, hours, points) => { readout.textContent = words_of(hours, points); },
      unhighlightCallback: () => { readout.textContent = ""; },
    });
  }

  /** Somebody moved the view of this chart: the others follow, and finer points are asked for. */
  moved() {
    if (this.showing || !this.graph) return;
    const [from, to] = this.graph.xAxisRange();
    const [begin, end] = extent();
    const whole = from <= begin && to >= end;
    if (view && !whole && Math.abs(view[0] - from) + Math.abs(view[1] - to) < 1e-9) return;
    look_at(whole ? null : [from, to], this);
  }

  show() {
    this.showing = true;
    this.graph.updateOptions({ file: this.rows(), dateWindow: view ?? extent() });
    this.showing = false;
  }

  rows() {
    return view && this.fine?.length ? joined(this.whole, this.fine) : this.whole;
  }

  /** What was asked for last is as fine as this view wants it, and reaches beyond it on either side. */
  has([from, to]) {
    const [begin, end] = this.asked;
    const width = to - from;
    return Math.abs((end - begin) / (2 * width) - 1) < 0.1 && from - width / 4 >= begin && to + width / 4 <= end;
  }

  refine(again = false) {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (!view || (!again && this.has(view))) return;
      const margin = (view[1] - view[0]) / 2; // on either side: the next movement is drawn before it is asked for
      const asked = (this.asked = [view[0] - margin, view[1] + margin]);
      const fine = await this.load(this.run, asked[0] * 3600, asked[1] * 3600, 2 * this.points()).catch(unanswered);
      if (!fine || this.asked !== asked || !this.graph) return;
      this.fine = fine;
      this.show();
    }, again ? 0 : settle_ms);
  }
}

// dygraphs' own legend writes styles into its tags, which the policy of this page forbids: ours is one line of text.
if (globalThis.Dygraph) Dygraph.PLUGINS = Dygraph.PLUGINS.filter((plugin) => plugin !== Dygraph.Plugins.Legend);

/** "12.345 h · WE vs RE 3.6123 V · ..." of what the pointer is on. */
function words_of(hours, points) {
  const said = points.filter(({ yval }) => yval !== null && !Number.isNaN(yval)).map(({ name, yval }) => {
    const [what, unit] = name.split(" / ");
    return `${what} ${fixed(yval, 4)} ${unit}`;
  });
  return [`${fixed(hours, 3)} h`, ...said].join(" · ");
}

/** The time that the charts of the page span together. */
function extent() {
  const filled = [...alive].filter((chart) => chart.whole.length);
  return [Math.min(...filled.map(({ whole }) => whole[0][0])), Math.max(...filled.map(({ whole }) => whole.at(-1)[0]))];
}

function look_at(range, mover) {
  view = range;
  if (mover) follow_h = null;
  for (const chart of alive) {
    if (!chart.graph) continue;
    if (!view) chart.fine = null;
    if (chart !== mover) chart.show();
    if (view) chart.refine();
  }
}

/** Where the finer points cannot be had, those that are there stay. */
function unanswered(trouble) {
  if (!(trouble instanceof Unanswered)) throw trouble;
  return null;
}

function last_hours([begin, end], hours) {
  return end - begin <= hours ? null : [end - hours, end];
}

// Dragging pans, as on every map; the wheel and two fingers zoom; the band below shows where one is.
const pointer = {
  ...(globalThis.Dygraph?.defaultInteractionModel ?? {}),
  mousedown(event, graph, context) {
    context.initializeMouseDown(event, graph, context);
    Dygraph.startPan(event, graph, context);
  },
  mousemove(event, graph, context) {
    if (context.isPanning) Dygraph.movePan(event, graph, context);
  },
  mouseup(event, graph, context) {
    if (context.isPanning) Dygraph.endPan(event, graph, context);
  },
  wheel(event, graph) {
    if (!event.ctrlKey && !event.shiftKey) return; // the page scrolls
    event.preventDefault();
    const [from, to] = graph.xAxisRange();
    const at = from + ((event.offsetX - graph.getArea().x) / graph.getArea().w) * (to - from);
    const factor = event.deltaY > 0 ? 1.25 : 0.8;
    graph.updateOptions({ dateWindow: [at - (at - from) * factor, at + (to - at) * factor] });
  },
  dblclick: () => look_at(null, null),
};

// --- by keyboard and by finger

/** What the buttons above the charts do: data-look="all", "24", "1", "earlier", "later". */
export function look(what) {
  const chart = [...alive].find((each) => each.graph);
  if (!chart) return;
  const [begin, end] = extent();
  const hours = Number(what);
  follow_h = hours > 0 ? hours : null;
  if (what === "all") return look_at(null, null);
  if (hours > 0) return look_at(last_hours([begin, end], hours), null);
  const [from, to] = view ?? [begin, end];
  const half = ((to - from) / 2) * (what === "later" ? 1 : -1);
  const shift = Math.max(begin - from, Math.min(end - to, half));
  look_at(view ? [from + shift, to + shift] : null, null);
}

document.addEventListener("click", ({ target }) => {
  const pressed = target.closest?.("[data-look]");
  if (pressed) look(pressed.dataset.look);
});

/** A chart takes its colours when it is made: when day turns to night it is made again. */
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const chart of alive) {
    chart.graph?.destroy();
    chart.graph = null;
    if (chart.whole.length) chart.begin();
  }
});

/** Another run: whatever was in view of the last one says nothing about this one. */
export function forget_view() {
  view = null;
  follow_h = null;
}

// --- what is drawn

const lines = [["we_vs_re", "V", 1], ["cell", "V", 1], ["current", "A", 1000]];

/** The extremes of a thinned point, which lie between it and the next one, are two rows: the one that the line comes from
 * first, so that a curve that falls is drawn as one that falls. In a pause nothing was measured: the line is interrupted. */
export function rows_of(columns, pauses_s = []) {
  const times = columns.test_time_s;
  const breaks = new Set(pauses_s.map((pause_s) => break_in(pause_s, times)));
  const of = lines.map(([name, unit, scale]) => extremes(columns[`${name}_min_${unit}`], columns[`${name}_max_${unit}`], scale));
  return times.flatMap((time_s, i) => {
    const rows = [[time_s / 3600, ...of.map((line) => line[i][0])]];
    const room = Math.min(times[i + 1] - time_s || 0, time_s - times[i - 1] || Infinity);
    if (!of.every((line) => line[i][0] === line[i][1]))
      rows.push([(time_s + room / 2) / 3600, ...of.map((line) => line[i][1])]);
    return breaks.has(i) ? [...rows, [rows.at(-1)[0], null, null, null]] : rows;
  });
}

/** The fine points, the thinned ones around them, and between the two an interruption where there is one. */
export function joined(whole, fine) {
  const [from, to] = [fine[0][0], fine.at(-1)[0]];
  const after = whole.filter(([x]) => x > to);
  const [, ...last] = whole.at(-1 - after.length) ?? [];
  const seam = is_break(last) ? [[to, ...last]] : [];
  return [...whole.filter(([x]) => x < from), ...fine, ...seam, ...after];
}

/** [from, to] in test time: from a stop to the step that goes on, and before a gap, which is told at its end. */
export function pauses_of(events) {
  const told = events.filter(({ test_time_s }) => test_time_s !== null);
  return told.flatMap(({ kind, test_time_s }, i) => {
    if (kind === "gap") return [[told[i - 1]?.test_time_s ?? 0, test_time_s]];
    const goes_on = ["held", "tripped"].includes(kind) && told.slice(i).find((later) => later.kind === "step_began");
    return goes_on ? [[test_time_s, goes_on.test_time_s]] : [];
  });
}

/** After which point: the space that the pause fills most, because the clocks of host and instrument differ a little. */
function break_in([from_s, to_s], times) {
  const filled = times.map((time_s, i) => Math.min(times[i + 1] ?? time_s, to_s) - Math.max(time_s, from_s));
  const most = filled.reduce((a, b) => Math.max(a, b), 0);
  return most > 0 ? filled.indexOf(most) : null;
}

function is_break(values) {
  return values.length > 0 && values.every((value) => value === null);
}

/** [[first, second], ...] of one line. */
function extremes(low, high, scale) {
  const middle = (i) => (low[i] === null || low[i] === undefined ? null : (low[i] + high[i]) / 2);
  return low.map((least, i) => {
    if (least === null) return [null, null];
    const both = [least * scale, high[i] * scale];
    return (middle(i - 1) ?? middle(i)) > (middle(i + 1) ?? middle(i)) ? both.reverse() : both;
  });
}

let pauses_s = []; // of the run that is shown

export async function series(run, from_s, to_s, points) {
  const part = from_s === null ? "" : `&from_s=${from_s}&to_s=${to_s}`;
  const [columns, events] = await Promise.all([
    document_at(`/api/v1/series?run=${run}&format=columns&max_points=${points}${part}`),
    from_s === null ? document_at(`/api/v1/runs/${run}/events?limit=10000`) : null]);
  if (events) pauses_s = pauses_of(events);
  return columns && rows_of(columns, pauses_s);
}

export const series_options = (ink) => ({
  labels: ["h", "WE vs RE / V", "Cell / V", "Current / mA"],
  colors: [ink.working, ink.cell, ink.current], rightGap: 24,
  ylabel: "Potential / V", y2label: "Current / mA",
  series: {
    "Current / mA": { axis: "y2", strokeWidth: 1, stepPlot: true },
    "Cell / V": { strokePattern: [6, 3] },
  },
  axes: { y: { valueFormatter: (v) => fixed(v, 4), axisLabelFormatter: scale_mark, axisLabelWidth: 44 }, y2: { independentTicks: true,
    includeZero: true, drawGrid: false, valueFormatter: (v) => fixed(v, 4), axisLabelFormatter: scale_mark, axisLabelWidth: 54 } },
});

export async function pressure(run, from_s) {
  if (from_s !== null) return null; // minutes are fine enough
  const read_by = async (sensor) =>
    (await document_at(`/api/v1/pressures?run=${run}&sensor=${sensor}&max_points=2000`))?.filter((p) => p.test_time_s !== null);
  const [points, second] = await Promise.all([read_by("press"), read_by("second")]);
  return points && pressure_rows(points, second ?? []);
}

const silent_ms = 60000; // a press is read more than once a second

/** Each point of the press, its set point, and what the second sensor showed at that time, where there is one. The line is
 * interrupted where nobody read it. */
export function pressure_rows(points, second) {
  const bars = (p) => p?.pressure_MPa == null ? [null, null, null]
    : [p.pressure_min_MPa ?? p.pressure_MPa, p.pressure_MPa, p.pressure_max_MPa ?? p.pressure_MPa];
  let k = 0;
  return points.flatMap((p, i) => {
    const off = (other) => Math.abs(other.test_time_s - p.test_time_s);
    while (k + 1 < second.length && off(second[k + 1]) <= off(second[k])) ++k;
    const room = Math.max((points[i + 1] ?? p).test_time_s - p.test_time_s, p.test_time_s - (points[i - 1] ?? p).test_time_s);
    const beside = second[k] && off(second[k]) <= room ? second[k] : null;
    const row = [p.test_time_s / 3600, bars(p), Array(3).fill(p.pressure_target_MPa), bars(beside)];
    const silent = points[i + 1]?.time_ms - p.time_ms > 2000 * p.readings + silent_ms;
    return silent ? [row, [row[0], bars(null), bars(null), bars(null)]] : [row];
  });
}

export const pressure_options = (ink) => ({
  labels: ["h", "Pressure / MPa", "Set point / MPa", "Second sensor / MPa"],
  colors: [ink.working, ink.ink, ink.cell], customBars: true, includeZero: false, showRangeSelector: false, rightGap: 84,
  ylabel: "Pressure / MPa",
  series: { "Set point / MPa": { strokePattern: [4, 4], strokeWidth: 1 }, "Second sensor / MPa": { strokePattern: [6, 3] } },
  axes: { y: { valueFormatter: (v) => fixed(v, 2), axisLabelFormatter: scale_mark, axisLabelWidth: 44 } },
});
