// What the page shows, as functions of the status. Words first: a colour never says something that a word does not.
import { button } from "/acts.js";
import { h, text_table } from "/dom.js";
import { ago, amperes, bytes, clock, dash, fixed, percent, sentence, signs, span, time_of_day } from "/format.js";

const states = {
  idle: ["○", "idle"],
  queued: ["…", "queued"],
  preparing: ["◔", "preparing"],
  running: ["▶", "running"],
  held: ["❚❚", "held"],
  tripped: ["■", "tripped"],
  finished: ["✓", "finished"],
  aborted: ["✕", "aborted"],
};

export const views = { bench, station, runs, run, studies, study, alarms, cells };

// --- around every view

export function top(status, here) {
  const open = status.alarms.filter((alarm) => !alarm.acknowledged).length;
  const link = (name, text, count) =>
    h("a", { href: `#/${name === "bench" ? "" : name}`, "aria-current": is_at(name, here) && "page" },
      text, count ? h("span", { class: "count" }, count) : null);
  return [
    h("a", { class: "brand", href: "#/" }, h("img", { src: "/icon.svg", alt: "", width: 28, height: 28 }),
      h("span", {}, h("strong", {}, status.bench), h("small", {}, `cambench ${status.version}`))),
    h("nav", { "aria-label": "Views" }, link("bench", "Bench"), link("runs", "Runs"), link("studies", "Studies"),
      link("cells", "Cells"), link("alarms", "Alarms", open)),
    h("p", { class: "health" }, health(status)),
  ];
}

function is_at(name, here) {
  return name === ({ station: "bench", run: "runs", study: "studies" }[here] ?? here);
}

function health(status) {
  const scale = status.time_scale > 1 ? `time runs ${status.time_scale} × · ` : "";
  return `${scale}${clock(status.now)}`;
}

export function notice(status, connection) {
  if (!connection.good)
    return h("p", { class: "banner bad" }, h("strong", {}, connection.text), " ",
      !status ? "Nothing was heard of the bench yet."
        : `Everything below is old: it was so on ${clock(status.now)}.`,
      status ? " What the instruments run goes on under their own limits." : null);
  if (status && !status.store.up)
    return h("p", { class: "banner bad" }, h("strong", {}, "Nothing is recorded any more. "), status.store.trouble);
  if (status?.store.lost)
    return h("p", { class: "banner bad" }, h("strong", {}, `${status.store.lost.toLocaleString()} samples are lost. `),
      "They could neither be stored nor kept aside; each loss is a gap of its run.");
  if (status?.store.warning) return h("p", { class: "banner" }, h("strong", {}, "The recording needs somebody: "), status.store.warning);
  if (status && !status.ready) return h("p", { class: "banner" }, h("strong", {}, "Not ready: "), status.not_ready);
  return null;
}

// --- the bench at a glance

function bench(status) {
  const standing = status.alarms.filter((alarm) => !alarm.acknowledged);
  const told = new Set();  // of the jobs that are done, the newest of each study
  const jobs = status.jobs.filter((job) => {
    if (job.state !== "done" || !job.finished) return true;
    const first = !told.has(job.study);
    told.add(job.study);
    return first && recent(job, status);
  });
  return [
    h("h1", { class: "hidden" }, "The bench"),
    standing.length ? h("ul", { class: "alarms", "aria-label": "Alarms" }, standing.map((a) => alarm_line(a, status)))
      : null,
    h("section", { class: "tiles", "aria-label": "Stations" }, status.stations.map(tile)),
    jobs.length ? h("section", {}, h("h2", {}, "Jobs"), h("ul", { class: "jobs" }, jobs.map((j) => job_line(j, status))))
      : null,
    status.studies.map((each) => study_card(each, status)),
    foot(status),
  ];
}

const recent = (job, status) => status.now_ms - Date.parse(job.finished) < 15 * 60 * 1000;

function tile(station) {
  const run = station.run;
  const state = run?.state ?? "idle";
  return h("a", { class: `tile ${state}`, href: `#/station/${encodeURIComponent(station.name)}` },
    h("header", {}, h("h2", {}, station.name), chip(state)),
    run ? [
      h("p", { class: "what" }, h("strong", {}, run.cell || "press only"), run.material ? ` ${run.material}` : ""),
      h("p", { class: "step" }, run.step ? [h("span", {}, run.step.label), h("small", {}, step_place(run.step))] : run.recipe),
      progress(run),
    ] : h("p", { class: "what quiet" }, "No run"),
    h("dl", { class: "readings" }, readings(station)),
    run?.why ? why(run) : null,
    troubles(station).map((text) => h("p", { class: "why" }, text)));
}

function chip(state) {
  const [sign, word] = states[state] ?? ["?", state];
  return h("span", { class: `chip ${state}` }, h("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}

function step_place(step) {
  return `${step.cycle ? `cycle ${step.cycle} · ` : ""}step ${step.index + 1} of ${step.count}`;
}

function progress(run) {
  const left = run.time_left_s === null ? "" : `${span(run.time_left_s)} left`;
  return h("div", { class: "progress" },
    h("progress", { max: 1, value: run.progress, "aria-label": "Progress of the run" }),
    h("span", {}, percent(run.progress)), h("span", { class: "left" }, left));
}

function readings(station) {
  const [current, unit] = amperes(station.current_A);
  const second = station.gauge
    && reading("Second sensor", fixed(station.pressure_second_MPa, 1), "MPa", station.pressure_second_quality,
      station.pressure_second_age_s);
  return [
    reading("WE vs RE", fixed(station.we_vs_re_V, 3), "V", station.we_vs_re_quality, station.we_vs_re_age_s),
    reading("Cell", fixed(station.cell_V, 3), "V", station.cell_quality, station.cell_age_s),
    reading("Current", current, unit, station.current_quality, station.current_age_s),
    reading("Pressure", fixed(station.pressure_MPa, 1), "MPa", station.pressure_quality, station.pressure_age_s),
    ...(second ? [second] : []),
  ];
}

const missing = {
  stale: (age) => `nothing for ${span(age)}`,
  bad: () => "not to be believed",
  absent: () => "not measured",
};

function reading(name, value, unit, quality, age_s) {
  const good = quality === "good";
  return h("div", { class: good ? "" : "gone" }, h("dt", {}, name),
    h("dd", {}, good ? [value, h("small", {}, ` ${unit}`)] : [dash, h("small", {}, ` ${missing[quality](age_s)}`)]));
}

function troubles(station) {
  return [...(station.press_release ? [`The press ${station.press_release}`] : []),
    ...[["Potentiostat", station.potentiostat], ["Press", station.press], ["Second sensor", station.gauge]]
      .filter(([, device]) => device && !device.up)
      .map(([name, device]) => `${name}: ${device.trouble || "does not answer"}`)];
}

function foot(status) {
  const { store } = status;
  const words = store.up
    ? `Recording: ${store.rows.toLocaleString()} rows, ${bytes(store.file_bytes)}; ${bytes(store.disk_free_bytes)} free.`
    : "Not recording.";
  const late = store.spooled ? ` ${store.spooled.toLocaleString()} samples wait on the disk and are stored late.` : "";
  return h("p", { class: "foot" }, `${words}${late} Up since ${clock(status.started)}. For scripts: `,
    h("a", { href: "/api/v1/status" }, "status"), ", ", h("a", { href: "/metrics" }, "metrics"), ".");
}

// --- alarms and jobs

function alarm_line(alarm, status, with_shelf = false) {
  const words = { alarm: ["▲", "Alarm"], warning: ["!", "Warning"], info: ["i", "Note"] }[alarm.severity];
  const over = [
    alarm.cleared ? "the cause is gone" : null,
    alarm.acknowledged ? `seen by ${alarm.acknowledged_by}` : null,
    alarm.shelved_by ? `shelved by ${alarm.shelved_by} until ${time_of_day(alarm.shelved_until)}` : null,
  ].filter(Boolean).join(", ");
  return h("li", { class: `${alarm.severity} ${alarm.acknowledged ? "seen" : ""}` },
    h("span", { class: "sign", "aria-hidden": "true" }, words[0]),
    h("span", { class: "text" }, h("strong", {}, `${words[1]} ${alarm.id}${alarm.station ? ` on ${alarm.station}` : ""}: `),
      sentence(alarm.cause, alarm.text)),
    h("small", {}, `${ago(alarm.time, status.now_ms)}${over ? `, ${over}` : ""}`),
    alarm.acknowledged ? null : button("acknowledge", alarm.id),
    !with_shelf ? null : alarm.shelved_by ? button("unshelve", alarm.id)
      : alarm.cleared ? null : button("shelve", alarm.id));
}

/** The reason of a run: its cause stands before the first colon. */
function why(run) {
  const [, cause, text] = run.why.match(/^([a-z]+(?:_[a-z]+)+): (.*)$/s) ?? [null, "", run.why];
  return h("p", { class: "why" }, cause ? sentence(cause, text) : run.why);
}

function alarms(status) {
  const weight = { alarm: 0, warning: 1, info: 2 };
  const order = [...status.alarms].sort((a, b) => !!a.acknowledged - !!b.acknowledged
    || weight[a.severity] - weight[b.severity] || b.id - a.id);
  return [
    h("h1", {}, "Alarms"),
    order.length ? h("ul", { class: "alarms" }, order.map((each) => alarm_line(each, status, true)))
      : h("p", { class: "quiet" }, "No alarm stands."),
    h("section", {}, h("h2", {}, "Every alarm, newest first"), kept("history", "all")),
    h("section", {}, h("h2", {}, "What people ordered, newest first"), kept("orders", "all")),
  ];
}

/** A place that fills itself (live.js) and is not touched by the next second. */
function kept(kind, argument) {
  return h("div", { "data-keep": `${kind} ${argument}`, class: kind });
}

function job_line(job, status) {
  const words = { waiting: "waits", running: "runs", done: "done", failed: "failed" }[job.state] ?? job.state;
  const when = job.finished ? ago(job.finished, status.now_ms) : job.started ? ago(job.started, status.now_ms) : "";
  return h("li", { class: job.state },
    h("span", {}, h("strong", {}, `${job.what} ${job.study}`), ` ${words}`),
    job.state === "running"
      ? h("div", { class: "progress" }, h("progress", { max: 1, value: job.progress, "aria-label": job.what }),
        h("span", {}, percent(job.progress))) : null,
    h("small", {}, [job.text, when].filter(Boolean).join(" · ")));
}

// --- one station

function station(status, name) {
  const it = status.stations.find((each) => each.name === name);
  if (!it) return [h("h1", {}, "No such station"), h("p", {}, h("a", { href: "#/" }, "Back to the bench"))];
  const run = it.run;
  return [
    h("p", { class: "back" }, h("a", { href: "#/" }, "← Bench")),
    h("div", { class: "head" }, h("h1", {}, it.name), chip(run?.state ?? "idle"),
      run ? h("span", { class: "quiet" }, `${run.recipe} on ${run.cell || "no cell"} · `,
        h("a", { href: `#/run/${encodeURIComponent(run.id)}` }, run.id)) : null),
    h("div", { class: `now ${run?.state ?? "idle"}` },
      run?.why ? why(run) : null,
      troubles(it).map((text) => h("p", { class: "why" }, text)),
      run ? [run.step ? h("p", {}, `${run.step.label} · ${step_place(run.step)}`) : null, progress(run)]
        : h("p", { class: "quiet" }, "No run."),
      what_can_be_ordered(it)),
    h("dl", { class: "readings wide" }, readings(it), against_lithium(it), cell_output(it)),
    run ? record_of(run.id) : null,
    it.press ? proof_test(it) : null,
    h("section", {}, h("h2", {}, "Instruments"),
      text_table(["", "Model", "Serial", "Firmware", "Driver", "Link", "Failed questions"],
        [["Potentiostat", it.potentiostat], ["Press", it.press]].filter(([, device]) => device).map(instrument))),
  ];
}

/** What is kept of a run: it fills itself (live.js). */
const record_of = (id) => [
  looks(),
  figure("Potentials and current", kept("series", id),
    [["working", "WE vs RE"], ["full", "cell"], ["current", "current"]]),
  figure("Pressure on the stack", kept("pressure", id),
    [["working", "measured, with its extremes"], ["target", "set point"]]),
  figure("Capacity by cycle", kept("capacity", id)),
  h("section", {}, h("h2", {}, "What happened to this run"), kept("events", id)),
  files_of(id),
];

const looks = () => h("div", { class: "buttons looks", role: "group", "aria-label": "Stretch of time in the charts" },
  [["all", "Whole run"], ["24", "Last 24 h"], ["1", "Last hour"], ["earlier", "←", "Earlier"], ["later", "→", "Later"]]
    .map(([what, text, label]) => h("button", { type: "button", "data-look": what, "aria-label": label }, text)));

const orders = {
  queued: ["abort"],
  preparing: ["abort"],
  running: ["pause", "abort"],
  held: ["resume", "next-step", "abort"],
  tripped: ["reset", "abort"],
};

function what_can_be_ordered({ name, run }) {
  const possible = orders[run?.state];
  return h("div", { class: "buttons" },
    possible ? possible.map((act) => button(act, run.id)) : button("start", name, "Start a run"));
}

function against_lithium(station) {
  const offset = station.run?.reference_vs_li_V;
  if (!offset || station.we_vs_re_V === null) return null;
  return reading("WE vs Li⁺/Li", fixed(station.we_vs_re_V + offset, 3), "V", "good", 0);
}

function cell_output(station) {
  const words = station.cell_open === null ? "unknown" : station.cell_open ? "open, confirmed" : "polarised";
  return h("div", { class: station.cell_open === null ? "gone" : "" }, h("dt", {}, "Cell terminals"),
    h("dd", { class: "word" }, words));
}

function figure(title, place, lines = []) {
  return h("figure", {}, h("figcaption", {}, title,
    lines.map(([name, words]) => h("span", { class: `key ${name}` }, words))), place);
}

function instrument([name, device]) {
  return [name, `${device.maker} ${device.model}`.trim() || dash, device.serial || dash, device.firmware || dash,
    device.driver + (device.simulated ? ", simulated" : ""), device.up ? "up" : "down",
    `${device.errors} of ${device.ok + device.errors}`];
}

/** The run in the words of other programs, as it is until now. */
function files_of(run) {
  const link = (file, text) => h("a", { href: `/api/v1/runs/${encodeURIComponent(run)}/${file}`, download: "" }, text);
  const other = [["bdf-metadata", "its sidecar"], ["arbin", "Arbin"], ["battery-archive", "Battery Archive"],
    ["pressure", "pressure"], ["executed", "executed protocol"], ["recipe", "recipe"]];
  return h("section", {}, h("h2", {}, "Files of this run"),
    h("p", {}, link("crate.zip", "All of it as one RO-Crate"), " · ", link("data.bdf.csv", "Samples as Battery Data Format")),
    h("p", { class: "quiet" }, "Also: ", other.map(([format, text], i) => [i ? ", " : "", link(`exports/${format}`, text)]), "."));
}

/** What the press was seen to do when nothing was in it. */
function proof_test(station) {
  const test = station.press_test;
  const verdicts = { passed: "✓ passed", failed: "✕ failed", running: "▶ running", "not tried": "not tried", "not there": "not there" };
  const free = !orders[station.run?.state] && test?.state !== "running";
  return h("section", {},
    h("div", { class: "head" }, h("h2", {}, "Proof test of the press"), free ? button("press-test", station.name) : null),
    !test ? h("p", { class: "quiet" }, "Not tested since the daemon came up.") : [
      h("p", {}, h("strong", {}, verdicts[test.state] ?? test.state), ` · ${clock(test.started)}, ordered by ${test.who}`),
      text_table(["Step", "Expected", "Seen", "Verdict"],
        test.steps.map((step) => [step.step, signs(step.expected), signs(step.seen) || dash, verdicts[step.verdict] ?? step.verdict])),
    ]);
}

// --- runs

function runs(status, before) {
  return [
    before ? h("p", { class: "back" }, h("a", { href: "#/runs" }, "← The newest runs")) : null,
    h("h1", {}, before ? `Runs before ${before}` : "Runs"), kept("runs", before || "all"),
  ];
}

function run(status, id) {
  const on = status.stations.find((each) => each.run?.id === id);
  return [
    h("p", { class: "back" }, h("a", { href: "#/runs" }, "← Runs")),
    h("div", { class: "head" }, h("h1", {}, `Run ${id}`), on ? chip(on.run.state) : null,
      on ? h("a", { href: `#/station/${encodeURIComponent(on.name)}` }, `on station ${on.name}`) : null),
    kept("run-head", id),
    record_of(id),
  ];
}

// --- materials, cells, studies

function cells() {
  return [h("h1", {}, "Materials, cells and studies"), kept("entries", "all")];
}

// --- studies

function studies(status) {
  return [
    h("h1", {}, "Studies"),
    status.studies.length ? status.studies.map((each) => study_card(each, status))
      : h("p", { class: "quiet" }, "No study is configured."),
  ];
}

function study_card(study, status) {
  return h("section", { class: "study" },
    h("h2", {}, h("a", { href: `#/study/${encodeURIComponent(study.id)}` }, study.title)),
    h("p", { class: "quiet" }, study_words(study, status)),
    study.version ? scores(study) : null);
}

function study_words(study, status) {
  const scored = study.scored ? `scores version ${study.version}, ${ago(study.scored, status.now_ms)}` : "no scores yet";
  return [study.state === "scored" ? null : study.state, scored, study.text].filter(Boolean).join(" · ");
}

function study(status, id) {
  const it = status.studies.find((each) => each.id === id);
  if (!it) return [h("h1", {}, "No such study"), h("p", {}, h("a", { href: "#/studies" }, "All studies"))];
  const file = (name) => `/api/v1/studies/${encodeURIComponent(it.id)}/${encodeURIComponent(name)}`;
  const jobs = status.jobs.filter((job) => job.study === it.id && job.state !== "done");
  return [
    h("p", { class: "back" }, h("a", { href: "#/studies" }, "← Studies")),
    h("h1", {}, it.title),
    h("p", { class: "quiet" }, study_words(it, status)),
    jobs.length ? h("ul", { class: "jobs" }, jobs.map((job) => job_line(job, status))) : null,
    it.problems.length ? h("ul", { class: "alarms" }, it.problems.map((text) => h("li", { class: "warning" },
      h("span", { class: "sign", "aria-hidden": "true" }, "!"), h("span", { class: "text" }, text)))) : null,
    it.version ? [
      scores(it),
      undefined_scores(it),
      h("p", { class: "quiet" }, "Scores are relative to the uncoated material. ",
        h("a", { href: file("report.html") }, "The report"), " tells how each came about; ",
        h("a", { href: file("scores.csv") }, "the table as CSV"), "."),
      h("div", { class: "radars" }, it.materials.filter((m) => m.radar).map((m) => h("figure", {},
        h("img", { src: `${file(m.radar)}?version=${it.version}`, alt: `Radar chart of ${material_name(m)}`, loading: "lazy" })))),
    ] : null,
  ];
}

function material_name(material) {
  return material.amount_wt_percent ? `${material.name}, ${material.amount_wt_percent} wt%` : material.name;
}

function scores(study) {
  return h("div", { class: "scroll" }, h("table", { class: "scores" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Material"), study.axes.map((axis) =>
      h("th", { scope: "col" }, axis.label,
        h("small", {}, symbol(axis.key), ` · ${axis.higher_is_better ? "higher" : "lower"} is better`))))),
    h("tbody", {}, study.materials.map((material) => h("tr", { class: material.reference ? "reference" : null },
      h("th", { scope: "row" }, material_name(material)),
      study.axes.map((axis) => score(material.scores[axis.key], axis, material.reference)))))));
}

/** QS_0 as the paper prints it. */
function symbol(key) {
  const [stem, ...rest] = key.split("_");
  return [stem, rest.length ? h("sub", {}, rest.join(" ")) : null];
}

function undefined_scores(study) {
  const lines = study.materials.flatMap((material) => study.axes
    .filter((axis) => material.scores[axis.key]?.why_not)
    .map((axis) => `${material_name(material)}, ${axis.label}: ${material.scores[axis.key].why_not}.`));
  return lines.length ? h("ul", { class: "quiet" }, lines.map((line) => h("li", {}, `${dash} ${line}`))) : null;
}

// Better or worse than uncoated is said by an arrow and only then by colour; by neither where the confidence interval, or
// without one the standard deviation, reaches it.
function score(it, axis, is_reference) {
  if (!it || it.value === null) return h("td", { class: "gone", title: it?.why_not }, dash);
  const lead = (axis.higher_is_better ? 1 : -1) * (it.value - 1);
  const interval = it.ci_low !== null && it.ci_high !== null;
  const clear = !is_reference && (interval ? it.ci_low > 1 || it.ci_high < 1 : Math.abs(lead) > (it.sd ?? 0));
  const word = clear ? (lead > 0 ? "better" : "worse") : "";
  return h("td", { class: word },
    h("span", { class: "mark", title: word ? `${word} than uncoated` : null }, { better: "▲", worse: "▼" }[word] ?? ""),
    h("span", {}, fixed(it.value, 2)), interval ? h("small", {}, ` [${fixed(it.ci_low, 2)}, ${fixed(it.ci_high, 2)}]`)
      : it.sd === null ? null : h("small", {}, ` ± ${fixed(it.sd, 2)}`));
}
