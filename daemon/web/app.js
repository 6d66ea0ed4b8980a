// The page: one status value, one view of it, chosen by the address after "#".
import { watch } from "/bench.js";
import { show } from "/dom.js";
import { keep_alive } from "/live.js";
import { notice, top, views } from "/views.js";

const places = Object.fromEntries(["top", "notice", "main"].map((id) => [id, document.getElementById(id)]));
let status = null;
let connection = { good: true };

function draw() {
  show(places.notice, notice(status, connection));
  document.body.classList.toggle("old", !connection.good);
  if (!status) return;
  const place = location.hash.startsWith("#/") ? location.hash.slice(2) : "";
  const [name, argument] = place.split("/").map(decodeURIComponent);
  const view = views[name || "bench"] ?? views.bench;
  show(places.top, top(status, name || "bench"));
  show(places.main, view(status, argument));
  keep_alive(status);
  const open = status.alarms.filter((alarm) => !alarm.acknowledged).length;
  document.title = `${open ? `(${open}) ` : ""}${status.bench}`;
}

watch((latest, how) => {
  status = latest;
  connection = how;
  draw();
});
// The address says which view is shown, and is none of the places within one.
document.querySelector(".skip").addEventListener("click", (click) => {
  click.preventDefault();
  places.main.focus();
});
addEventListener("hashchange", () => {
  if (!location.hash.startsWith("#/")) return;
  draw();
  scrollTo(0, 0);
  places.main.focus({ preventScroll: true });
});
