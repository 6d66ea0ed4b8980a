// Who is looking: a token that `cambench token add` printed. It is kept in a cookie, so that pictures and links carry it
// too; SameSite=Strict keeps other sites' pages from using it, and an order takes it from the header alone.
import { h } from "/dom.js";

const cookie = "cambench_token";

export function token() {
  return document.cookie.split("; ").find((pair) => pair.startsWith(`${cookie}=`))?.slice(cookie.length + 1) ?? "";
}

export function keep_token(text, on_this_device) {
  const age = text ? (on_this_device ? "; Max-Age=31536000" : "") : "; Max-Age=0";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${cookie}=${text.trim()}; Path=/; SameSite=Strict${age}${secure}`;
  document.dispatchEvent(new CustomEvent("token"));
}

/** The two inputs of a form that asks for it. */
export function token_inputs() {
  return [
    h("label", {}, "Token", h("input", { name: "token", type: "password", autocomplete: "off", required: true,
      spellcheck: "false", placeholder: "cb_…" })),
    h("label", { class: "check" }, h("input", { name: "keep", type: "checkbox" }), "Keep it on this device"),
  ];
}

// --- the whole bench is behind a token

let form = null;

export function is_asked_for() {
  if (form) return;
  form = h("form", { class: "sign-in", "aria-label": "Token" },
    h("h1", {}, "This bench asks who you are"),
    h("p", { class: "quiet" }, "On the bench's computer, ", h("code", {}, "cambench token add NAME --role viewer"),
      " prints a token."),
    token_inputs(), h("button", { class: "main" }, "Show the bench"));
  form.addEventListener("submit", (submission) => {
    submission.preventDefault();
    keep_token(form.elements.token.value, form.elements.keep.checked);
  });
  document.getElementById("main").replaceChildren(form);
  form.elements.token.focus();
}

export function token_is(good) {
  if (!good || !form) return;
  form.remove();
  form = null;
}
