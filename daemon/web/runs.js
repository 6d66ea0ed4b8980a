// What the store knows of runs: the list of all, one run's head, and what happened to it.
import { document_at } from "/bench.js";
import { folded, h, show, text_table } from "/dom.js";
import { clock, dash, sentence, signs, span } from "/format.js";

const page_length = 50;

/** All runs, newest first; those before the run `before`, when there is one. */
export async function runs(element, life, before) {
  const from = before === "all" ? "" : `&before=${before}`;
  const rows = await document_at(`/api/v1/runs?limit=${page_length}${from}`);
  show(element,
    rows?.length ? text_table(["Run", "Started", "Took", "Station", "Recipe", "Cell", "Material", "By", "State"], rows.map(line))
      : h("p", { class: "quiet" }, "There is none."),
    rows?.length === page_length ? h("p", {}, h("a", { href: `#/runs/${rows.at(-1).run}` }, "Older runs")) : null);
}

function line(run) {
  return [h("a", { href: `#/run/${run.run}` }, run.run), clock(run.started), took(run), run.station, run.recipe,
    run.cell || "press only", run.material || dash, run.who, run.state];
}

/** In the time of the experiment. */
function took({ started_ms, ended, time_scale }) {
  return ended ? span(((Date.parse(ended) - started_ms) / 1000) * (time_scale ?? 1)) : "goes on";
}

/** What a run is, above its charts. */
export async function run_head(element, life, id) {
  const run = await document_at(`/api/v1/runs/${id}`);
  if (!run) return show(element, h("p", {}, "There is no such run."));
  const facts = [
    ["Recipe", run.recipe], ["Cell", run.cell || "press only"], ["Material", run.material || dash],
    ["Station", run.station], ["Started", `${clock(run.started)} by ${run.who}`], ["Took", took(run)], ["State", run.state],
  ];
  show(element, h("dl", { class: "readings wide" }, facts.map(([name, text]) =>
    h("div", {}, h("dt", {}, name), h("dd", { class: "word" }, text)))));
}

// --- what happened to it

export async function events(element, life, run) {
  const rows = await document_at(`/api/v1/runs/${run}/events?limit=10000`);
  if (!rows?.length) return show(element, h("p", { class: "quiet" }, "Nothing yet."));
  const lines = told(rows).reverse().map((row) => [row.time, row.kind.replaceAll("_", " "),
    [place(row), row.reason !== "planned" && row.reason, words_of(row), row.who && `by ${row.who}`]]);
  show(element, folded(lines.slice(0, 500)));
}

/** A step that begins where the last one ended says nothing that the end did not, but for the one that runs. */
function told(rows) {
  return rows.filter((row, i) => row.kind !== "step_began" || i === rows.length - 1 || rows[i - 1]?.kind !== "step_ended");
}

function place({ kind, step }) {
  return step === null || ["started", "prepared", "finished"].includes(kind) ? null : `step ${step + 1}`;
}

// How a program inside an instrument says that a step ended as planned.
const ends = { "END time": "its time is over", "END upper": "at its upper limit", "END lower": "at its lower limit" };

/** The cause of an import is its file's hash, which is in the text too. */
function words_of({ cause, text }) {
  return /^[a-z_]+$/.test(cause ?? "") ? sentence(cause, text ?? "") : ends[text] ?? (text && signs(text));
}
