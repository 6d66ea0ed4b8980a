// The bench as the daemon last told it. Asked for once a second while somebody looks; a 304 costs nothing.

const every_ms = 1000;
const patience_ms = 4000; // without an answer for so long, what is shown counts as old
const frozen_ms = 10000; // answers, but its own clock in the document stands for so long

const state = { status: null, etag: null, heard: 0, trouble: "", frozen: false };
let told = () => {};

/** Calls `listener(status, connection)` after every answer and every failure. */
export function watch(listener) {
  told = listener;
  ask();
  document.addEventListener("visibilitychange", () => document.hidden || ask());
}

let timer = 0;
async function ask() {
  clearTimeout(timer);
  try {
    await hear(await fetch("/api/v1/status", {
      cache: "no-store",
      headers: state.etag ? { "If-None-Match": state.etag } : {},
      signal: AbortSignal.timeout(patience_ms),
    }));
  } catch {
    state.trouble = "The daemon does not answer.";
  }
  told(state.status, connection());
  timer = setTimeout(() => document.hidden ? null : ask(), every_ms);
}

async function hear(answer) {
  if (answer.status === 200) {
    state.status = await answer.json();
    state.etag = answer.headers.get("ETag");
  } else if (answer.status !== 304) {
    throw new Error(answer.statusText);
  }
  state.heard = Date.now();
  state.trouble = "";
  const daemon_now = Date.parse(answer.headers.get("Date")); // the daemon's clock, not this device's
  state.frozen = state.status && daemon_now - state.status.now_ms > frozen_ms;
}

function connection() {
  const silent_s = (Date.now() - state.heard) / 1000;
  if (state.trouble) return { good: false, text: state.trouble, silent_s: state.heard ? silent_s : null };
  if (state.frozen) return { good: false, text: "The daemon answers, but it no longer looks at the bench.", silent_s: null };
  return { good: true, text: "", silent_s: 0 };
}

/** Another document of the API; null when it cannot be had. */
export async function document_at(path) {
  try {
    const answer = await fetch(path, { cache: "no-cache", signal: AbortSignal.timeout(10000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}
