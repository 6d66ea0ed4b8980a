// What a person may order from the page: one dialog that says what will happen, who says so and why, and what the daemon
// answered. A button names its order in data-act: "acknowledge 41", "abort r000012", "cell R-017".
import { document_at, Unanswered } from "/bench.js";
import { h } from "/dom.js";
import { entry_acts } from "/entry_acts.js";
import { inputs_of, values_of } from "/forms.js";
import { keep_token, token, token_inputs } from "/token.js";

const of_run = (order) => (run) => `/api/v1/runs/${run}/${order}`;
const of_alarm = (order) => (id) => `/api/v1/alarms/${id}/${order}`;

// title and path of what it is about; `says` what will happen; `reason` must be given; `fields` what else is asked, of the
// daemon's entries; `also` what stands in the order without being asked.
const acts = {
  acknowledge: {
    title: (id) => `Acknowledge alarm ${id}`, path: of_alarm("acknowledge"), button: "Acknowledge",
    says: "It says that you have seen the alarm. It mends nothing: a cause that stands goes on standing.",
  },
  shelve: {
    title: (id) => `Shelve alarm ${id}`, path: of_alarm("shelve"), button: "Shelve", reason: true,
    says: "For a limited time nobody is told of this cause on its station. A trip stays a trip, and the alarm stays in the list.",
    fields: () => [{ name: "minutes", label: "For how many minutes", type: "number", min: 1, step: 1, value: 60,
      required: true, inputmode: "numeric" }],
  },
  unshelve: {
    title: (id) => `Take alarm ${id} off its shelf`, path: of_alarm("unshelve"), button: "Unshelve",
    says: "People are told of this cause again, at once if it stands.",
  },
  start: {
    title: (station) => `Start a run on station ${station}`, path: () => "/api/v1/runs", button: "Start",
    says: "The recipe is checked against the cell first. Then the press moves to its pressure, and the cell is polarised.",
    also: (station) => ({ station }),
    fields: (station, entries) => [
      { name: "recipe", label: "Recipe", kind: "one", required: true, options: entries.recipes.map((name) => [name, name]) },
      { name: "cell", label: "Cell", kind: "one", options: [["", "none: the recipe only presses"],
        ...entries.cells.map(({ id, material }) => [id, `${id} · ${material}`])] },
    ],
  },
  pause: {
    title: (run) => `Pause run ${run}`, path: of_run("pause"), button: "Pause",
    says: "The cell is opened and the pressure is held, until somebody resumes the run.",
  },
  resume: {
    title: (run) => `Resume run ${run}`, path: of_run("resume"), button: "Resume",
    says: "The interrupted step goes on with the time that is left to it, or with all of it again where its limit held it: the cell is polarised again. Look at it first.",
  },
  "next-step": {
    title: (run) => `Go on with the next step of run ${run}`, path: of_run("next-step"), button: "Next step", reason: true,
    says: "The interrupted step is over as it is, and the next one begins: the cell may be polarised. Look at it first.",
  },
  abort: {
    title: (run) => `Abort run ${run}`, path: of_run("abort"), button: "Abort the run", grave: true, reason: true,
    says: "The cell is opened and the run is over. It cannot be taken up again; what was measured is kept.",
  },
  reset: {
    title: (run) => `Reset the trip of run ${run}`, path: of_run("reset"), button: "Reset", grave: true, reason: true,
    says: "The run waits for a person to resume it. It is refused while the cause is there.",
  },
  "press-test": {
    title: (station) => `Proof test of the press of station ${station}`,
    path: (station) => `/api/v1/stations/${encodeURIComponent(station)}/press-test`, button: "Test the press", grave: true,
    says: "The press moves to this pressure and holds it, is left alone until its own watchdog acts, and vents. Only an empty press may do that.",
    fields: () => [
      { name: "target_MPa", label: "Pressure / MPa, a small one", type: "number", min: 0.1, step: "any", value: 1,
        required: true, inputmode: "decimal" },
      { name: "empty", label: "I have looked: nothing is in the press, and nobody's hand is near.", kind: "word" },
    ],
  },
  ...entry_acts,
};

/** A button for an order; the dialog does the rest. */
export function button(act, what = "", text = acts[act].button) {
  return h("button", { type: "button", class: acts[act].grave ? "grave" : null, "data-act": `${act} ${what}`.trim() }, text);
}

document.addEventListener("click", async (click) => {
  const pressed = click.target.closest?.("[data-act]");
  if (!pressed) return;
  const [name, what = ""] = pressed.dataset.act.split(" ");
  const act = acts[name];
  try {
    const entries = act.fields && (await document_at("/api/v1/entries"));
    ask(act, what, pressed, act.fields?.(what, entries) ?? []);
  } catch (trouble) {
    if (!(trouble instanceof Unanswered)) throw trouble;
    alert("The daemon does not say what there is to choose from. Try again in a moment.");
  }
});

/** Who says so and why. */
const signature = (act) => [
  { name: "who", label: "Who", autocomplete: "name", maxlength: 60, value: localStorage.getItem("who") ?? "",
    placeholder: "the token's name" },
  { name: "reason", label: act.reason ? "Why" : "Why (may be left out)", maxlength: 500, required: !!act.reason },
];

function ask(act, what, pressed, fields) {
  const complaint = h("p", { class: "complaint", role: "alert" });
  const inputs = h("div", { class: "inputs" });
  const asked = inputs_of(fields);
  const signed = signature(act);
  const form = h("form", {},
    h("h2", { id: "act-title" }, act.title(what)), h("p", {}, act.says), inputs,
    h("div", { class: asked.length > 4 ? "inputs many" : "inputs" }, asked),
    inputs_of(signed), complaint,
    h("div", { class: "buttons" }, h("button", { type: "button", value: "no" }, "Cancel"),
      h("button", { class: act.grave ? "grave main" : "main" }, act.answer ?? act.button)));
  const dialog = h("dialog", { "aria-labelledby": "act-title" }, form);
  if (!token()) inputs.replaceChildren(...token_inputs());
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    document.contains(pressed) ? pressed.focus() : document.getElementById("main").focus();
  });
  form.querySelector("[value=no]").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (submission) => {
    submission.preventDefault();
    if (form.elements.token) keep_token(form.elements.token.value, form.elements.keep.checked);
    localStorage.setItem("who", form.elements.who.value);
    complaint.textContent = "…";
    const body = { ...act.also?.(what), ...values_of(form, [...fields, ...signed]) };
    const said = await give(act, what, body);
    if (!said) return dialog.close();
    complaint.textContent = said.words;
    if (said.needs_token) {
      keep_token("", false);
      inputs.replaceChildren(...token_inputs());
      form.elements.token.focus();
    }
  });
  dialog.showModal();
  const first = form.elements.token ?? asked[0]?.querySelector("input, select")
    ?? (act.reason ? form.elements.reason : form.querySelector("button.main"));
  first.focus();
}

/** Nothing when it was recorded; else what the daemon says against it. */
async function give({ path, method = "POST" }, what, { id, ...body }) {
  const away = method === "DELETE"; // which has no body
  try {
    const answer = await fetch(path(what || id) + (away ? `?${new URLSearchParams(body)}` : ""), {
      method,
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token()}` },
      body: away ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15000),
    });
    if (answer.ok) {
      document.dispatchEvent(new CustomEvent("happened"));
      return null;
    }
    const problem = await answer.json();
    return { words: problem.detail, needs_token: answer.status === 401 };
  } catch {
    return { words: "The daemon does not answer; nobody knows whether the order was heard.", needs_token: false };
  }
}
