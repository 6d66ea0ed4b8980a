// The bench as the daemon last told it: by server-sent events while they come, else asked for once a second. Neither
// happens while nobody looks.
import { is_asked_for, token_is } from "/token.js";

const every_ms = 1000;
const patience_ms = 4000; // without a word for so long, what is shown counts as old
const frozen_ms = 10000; // answers, but its own clock in the document stands for so long
const again_ms = 15000; // until a stream that broke is tried again

const state = { status: null, etag: null, heard: 0, renewed: 0, trouble: "", frozen: false };
let told = () => {};
let stream = null;
let broken = -again_ms; // when the last stream broke

/** Calls `listener(status, connection)` after every answer, every failure, and at least once a second. */
export function watch(listener) {
  told = listener;
  document.addEventListener("visibilitychange", look);
  document.addEventListener("token", look);
  setInterval(look, every_ms);
  ask();
}

/** Calls `listener(event)` for everything that is recorded from now on, while the stream lives; without one after an order. */
export function on_event(listener) {
  document.addEventListener("happened", ({ detail }) => listener(detail));
}

function look() {
  if (document.hidden) return hang_up();
  if (!stream) {
    ask();
  } else if (performance.now() - state.heard > patience_ms) {
    broken = performance.now();
    hang_up();
    ask();
  } else {
    state.frozen = performance.now() - state.renewed > frozen_ms;
    told(state.status, connection());
  }
}

// --- told by the daemon

function listen() {
  if (stream || document.hidden || performance.now() - broken < again_ms) return;
  stream = new EventSource("/api/v1/events/stream");
  stream.addEventListener("status", (message) => hear(JSON.parse(message.data)));
  stream.addEventListener("message", (message) => {
    state.heard = performance.now();
    document.dispatchEvent(new CustomEvent("happened", { detail: JSON.parse(message.data) }));
  });
  stream.addEventListener("error", () => {
    broken = performance.now();
    hang_up();
    ask();
  });
}

function hang_up() {
  stream?.close();
  stream = null;
}

function hear(status) {
  state.status = status;
  state.heard = state.renewed = performance.now();
  state.trouble = "";
  state.frozen = false;
  told(state.status, connection());
}

// --- asked

let asking = false;
async function ask() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    await take(await fetch("/api/v1/status", {
      cache: "no-store",
      headers: state.etag ? { "If-None-Match": state.etag } : {},
      signal: AbortSignal.timeout(patience_ms),
    }));
    listen();
  } catch (trouble) {
    state.trouble = trouble.needs_token ? "This bench asks who you are." : "The daemon does not answer.";
  }
  asking = false;
  told(state.status, connection());
}

async function take(answer) {
  if (answer.status === 401) {
    Object.assign(state, { status: null, etag: null });
    is_asked_for();
    throw { needs_token: true };
  }
  token_is(true);
  if (answer.status === 200) {
    state.status = await answer.json();
    state.etag = answer.headers.get("ETag");
    state.renewed = performance.now();
  } else if (answer.status !== 304) {
    throw new Error(answer.statusText);
  }
  state.heard = performance.now();
  state.trouble = "";
  const daemon_now = Date.parse(answer.headers.get("Date")); // the daemon's clock, not this device's
  state.frozen = state.status && daemon_now - state.status.now_ms > frozen_ms;
}

function connection() {
  if (state.trouble) return { good: false, text: state.trouble };
  if (state.frozen) return { good: false, text: "The daemon answers, but it no longer looks at the bench." };
  return { good: true, text: "" };
}

/** The daemon did not answer, or could not: nothing is known of what was asked. */
export class Unanswered extends Error {}

/** Another document of the API; null when there is no such thing. Throws Unanswered. */
export async function document_at(path) {
  try {
    const answer = await fetch(path, { cache: "no-cache", signal: AbortSignal.timeout(10000) });
    if (answer.ok) return await answer.json();
    if (answer.status === 404) return null;
  } catch {
    // as an answer that is none
  }
  throw new Unanswered(path);
}
