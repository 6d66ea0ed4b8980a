// What a person may order from the page: one dialog that says what will happen, who says so and why, and what the daemon
// answered. A button names its order in data-act: "acknowledge 41", "abort r000012".
import { h } from "/dom.js";
import { keep_token, token, token_inputs } from "/token.js";

const of_run = (order) => (run) => `/api/v1/runs/${run}/${order}`;

const acts = {
  acknowledge: {
    title: (id) => `Acknowledge alarm ${id}`, path: (id) => `/api/v1/alarms/${id}/acknowledge`, button: "Acknowledge",
    says: "It says that you have seen the alarm. It mends nothing: a cause that stands goes on standing.",
  },
  pause: {
    title: (run) => `Pause run ${run}`, path: of_run("pause"), button: "Pause",
    says: "The cell is opened and the pressure is held, until somebody resumes the run.",
  },
  resume: {
    title: (run) => `Resume run ${run}`, path: of_run("resume"), button: "Resume",
    says: "The interrupted step goes on: the cell is polarised again. Look at it first.",
  },
  abort: {
    title: (run) => `Abort run ${run}`, path: of_run("abort"), button: "Abort the run", grave: true, reason: true,
    says: "The cell is opened and the run is over. It cannot be taken up again; what was measured is kept.",
  },
  reset: {
    title: (run) => `Reset the trip of run ${run}`, path: of_run("reset"), button: "Reset", grave: true, reason: true,
    says: "The run waits for a person to resume it. It is refused while the cause is there.",
  },
};

/** A button for an order; the dialog does the rest. */
export function button(act, what, text) {
  return h("button", { type: "button", class: acts[act].grave ? "grave" : null, "data-act": `${act} ${what}` },
    text ?? acts[act].button);
}

document.addEventListener("click", (click) => {
  const pressed = click.target.closest?.("[data-act]");
  if (!pressed) return;
  const [act, what] = pressed.dataset.act.split(" ");
  ask(acts[act], what, pressed);
});

function ask(act, what, pressed) {
  const complaint = h("p", { class: "complaint", role: "alert" });
  const inputs = h("div", { class: "inputs" });
  const form = h("form", {},
    h("h2", { id: "act-title" }, act.title(what)), h("p", {}, act.says), inputs,
    h("label", {}, "Who", h("input", { name: "who", autocomplete: "name", maxlength: 60, value: localStorage.getItem("who") ?? "",
      placeholder: "the token's name" })),
    h("label", {}, act.reason ? "Why" : "Why (may be left out)",
      h("input", { name: "reason", maxlength: 500, autocomplete: "off", required: !!act.reason })),
    complaint,
    h("div", { class: "buttons" }, h("button", { type: "button", value: "no" }, "Cancel"),
      h("button", { class: act.grave ? "grave main" : "main" }, act.button)));
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
    const said = await give(act.path(what), form.elements);
    if (!said) return dialog.close();
    complaint.textContent = said.words;
    if (said.needs_token) {
      keep_token("", false);
      inputs.replaceChildren(...token_inputs());
      form.elements.token.focus();
    }
  });
  dialog.showModal();
  (form.elements.token ?? (act.reason ? form.elements.reason : form.querySelector("button.main"))).focus();
}

/** Nothing when it was recorded; else what the daemon says against it. */
async function give(path, { who, reason }) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token()}` },
      body: JSON.stringify({ ...(who.value && { who: who.value }), ...(reason.value && { reason: reason.value }) }),
      signal: AbortSignal.timeout(15000),
    });
    if (answer.ok) return null;
    const problem = await answer.json();
    return { words: problem.detail, needs_token: answer.status === 401 };
  } catch {
    return { words: "The daemon does not answer; nobody knows whether the order was heard.", needs_token: false };
  }
}
