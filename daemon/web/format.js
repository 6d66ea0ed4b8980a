// Numbers and times for people. A number that is not there is a dash, never a zero.

export const dash = "–";

export function fixed(value, digits) {
  if (value === null || value === undefined) return dash;
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** Amperes with the unit that fits a lab cell. */
export function amperes(value) {
  if (value === null || value === undefined) return [dash, "mA"];
  const size = Math.abs(value);
  if (size >= 1) return [fixed(value, 3), "A"];
  if (size >= 1e-4 || size === 0) return [fixed(value * 1e3, 3), "mA"];
  return [fixed(value * 1e6, 2), "µA"];
}

/** A span of time in its two largest units: "1 d 4 h", "28 min", "12 s". */
export function span(seconds) {
  if (seconds === null || seconds === undefined) return dash;
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  const min = Math.round(s / 60);
  if (min < 60) return `${min} min`;
  if (min < 48 * 60) return `${Math.floor(min / 60)} h ${String(min % 60).padStart(2, "0")} min`;
  const hours = Math.round(min / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** How long ago, seen from the bench's own clock. */
export function ago(time, now_ms) {
  const seconds = (now_ms - Date.parse(time)) / 1000;
  return seconds < 5 ? "just now" : `${span(seconds)} ago`;
}

export function clock(time) {
  return new Date(time).toLocaleString(undefined, {
    weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23",
  });
}

export function time_of_day(time) {
  return new Date(time).toLocaleTimeString(undefined, { hourCycle: "h23" });
}

/** "pressure lost: 0.01 MPa, target 50.00 ± 2.50 MPa" of a cause and what was seen. */
export function sentence(cause, text) {
  const words = cause.replaceAll("_", " ");
  return signs(`${text.toLowerCase().startsWith(words) ? "" : `${words}: `}${text}`);
}

/** A text of the daemon, which writes plain letters, with the signs that people print. */
export function signs(text) {
  return text.replaceAll("+-", "±");
}

/** For the scale of a chart: as short as it is exact. */
export function scale_mark(value) {
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

export function bytes(count) {
  for (const [unit, size] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]])
    if (count >= size) return `${(count / size).toPrecision(3)} ${unit}`;
  return `${count} B`;
}

export function percent(part) {
  return `${Math.floor(part * 100)} %`;
}
