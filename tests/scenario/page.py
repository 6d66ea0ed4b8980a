#!/usr/bin/python3
"""The page in a real browser against a real daemon on simulated instruments: what a person sees, by mouse, keyboard and
phone, in the light and in the dark, and what it says when the daemon is gone. Needs chromium, chromium-driver and
python3-selenium; says so where they are not there. usage: page.py BUILD-FOLDER [FOLDER FOR SCREENSHOTS]"""
import json, pathlib, shutil, sys, threading, time

import bench as simulated
from bench import PATIENCE, until

try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.chrome.service import Service
except ImportError:
    print("skipped: no selenium (Debian: python3-selenium)")
    sys.exit(77)
if not shutil.which("chromium") or not shutil.which("chromedriver"):
    print("skipped: no chromium or chromedriver (Debian: chromium, chromium-driver)")
    sys.exit(77)

BUILD = pathlib.Path(sys.argv[1]).resolve()
SHOTS = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else None

# WCAG 2.1, 1.4.3: the least contrast of any text with what lies behind it, and which text that is.
CONTRAST = """
const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const over = (top, below) => top.length < 4 ? top : [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
function behind(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(numbers(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
}
let worst = [99, ""];
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.data.trim() || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
  if (element.closest(".hidden, .skip, noscript, script, option")) continue;
  const [a, b] = [light(over(numbers(getComputedStyle(element).color), behind(element))), light(behind(element))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < worst[0]) worst = [ratio, texts.currentNode.data.trim()];
}
return worst;
"""


# The words that a place which fills itself has for its own age.
SAYS_OF_ITSELF = """
return getComputedStyle(document.querySelector(arguments[0]), "::before").content.includes("Could not be asked since");
"""

# How often a chart has asked for a stretch of its run.
ASKED = "return performance.getEntriesByType('resource').filter((e) => e.name.includes('from_s')).length"


def check(holds, what):
    if not holds:
        sys.exit(f"not true: {what}")


class Bench(simulated.Bench):
    def __init__(self):
        study = '[[study]]\nid = "coatings"\ntitle = "Coatings for NCM"\nmaterials = ["ncm-uncoated"]\n'
        super().__init__(BUILD, "page test", stations=4, time_scale=600, extra=study)

    def status(self):
        return json.loads(self.get("/api/v1/status")[1])

    def run_on(self, station):
        return next(it for it in self.status()["stations"] if it["name"] == station)["run"]


class Page:
    def __init__(self, bench):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--window-size=1280,900", f"--user-data-dir={bench.folder / 'chromium'}"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.browser = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)
        self.browser.set_page_load_timeout(PATIENCE)
        self.place = f"http://127.0.0.1:{bench.port}/"

    def open(self, view=""):
        self.browser.get(self.place + view)

    def all(self, css):
        return self.browser.find_elements(By.CSS_SELECTOR, css)

    def text(self, css="body"):
        return "\n".join(element.text for element in self.all(css))

    def script(self, text, *arguments):
        return self.browser.execute_script(text, *arguments)

    def until_text(self, words, css="body"):
        until(f"the page says {words!r} in {css}", lambda: words in self.text(css), lambda: self.text()[:1500])

    def keys(self, *keys):
        webdriver.ActionChains(self.browser).send_keys(*keys).perform()

    def press(self, act):
        """The button of an order, and waits for its dialog."""
        button = until(f"there is a button {act!r}", lambda: self.all(f"[data-act='{act}']"), self.text)[0]
        self.script("arguments[0].click()", button)
        until(f"{act!r} opens its dialog", lambda: self.all("dialog form"), self.text)

    def send(self):
        """Enter, and the dialog closes: the daemon has recorded it."""
        self.keys(Keys.ENTER)
        until("the dialog closes", lambda: not self.all("dialog"), lambda: self.text("dialog"))

    def leave(self):
        self.keys(Keys.ESCAPE)
        until("Escape closes the dialog", lambda: not self.all("dialog"))

    def fill(self, **fields):
        for name, text in fields.items():
            field = self.all(f"dialog [name={name}]")[0]
            field.clear()
            field.send_keys(text)

    def phone(self, on=True):
        if on:
            self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                         {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
        else:
            self.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def dark(self, on=True):
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if on else "light"}]})

    def shot(self, name):
        if not SHOTS:
            return
        time.sleep(0.4)  # charts settle
        SHOTS.mkdir(parents=True, exist_ok=True)
        picture = self.browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})
        import base64
        (SHOTS / f"{name}.png").write_bytes(base64.b64decode(picture["data"]))

    def fits(self, view):
        wide = self.script("return document.documentElement.scrollWidth - innerWidth")
        check(wide <= 0, f"{view or 'the bench'} fits into the width of the screen: it is {wide} px too wide")

    def is_readable(self, view):
        ratio, words = self.script(CONTRAST)
        check(ratio >= 4.5, f"{view or 'the bench'}: every text can be read: {words!r} has a contrast of {ratio:.2f}")

    def complaints(self):
        return sorted({entry["message"][:300] for entry in self.browser.get_log("browser") if entry["level"] == "SEVERE"})


def a_chart_is_drawn(page):
    """Some pixel of the first chart has the colour of its line."""
    return page.script("""
      const canvas = document.querySelector(".series canvas");
      if (!canvas || !canvas.width) return 0;
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      let blue = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200 && data[i + 2] - data[i] > 80) blue++;
      return blue;""")


def the_bench_at_a_glance(bench, page):
    page.open()
    page.until_text("A3", ".tiles")
    tiles = page.all(".tile")
    check(len(tiles) == 4, "there is a tile for every station")
    page.until_text("running", ".tile:nth-child(1)")
    page.until_text("tripped", ".tile:nth-child(2)")
    for words in ("R-1", "WE vs RE", "MPa", "%", "left"):
        check(words in tiles[0].text, f"the tile of a running station says {words!r}: {tiles[0].text!r}")
    check(len(page.all(".alarms .alarm")) >= 1, "an alarm stands above the tiles")
    check("(" in page.browser.title, "the title counts the alarms")


def a_station(bench, page):
    page.all(".tile")[0].click()
    page.until_text("Potentials and current")
    until("the chart is drawn", lambda: a_chart_is_drawn(page) > 100)
    page.until_text("Cycle", ".capacity")
    page.until_text("step began", ".events")
    check(page.script(ASKED) == 0, "the whole run is asked for once, thinned")
    page.all("[data-look='1']")[0].click()
    until("what is in view is asked for in finer points", lambda: page.script(ASKED) > 0)
    before = page.script(ASKED)
    page.all("[data-look='earlier']")[0].click()
    until("panning asks for what comes into view", lambda: page.script(ASKED) > before)
    check(a_chart_is_drawn(page) > 100, "the chart is drawn after panning")
    page.all("[data-look='all']")[0].click()


# Three points of a chart, each with the extremes of an hour: a potential that falls, a cell that rises and then is not there.
THINNED = """
const told = arguments[arguments.length - 1];
import("/charts.js").then(({ rows_of }) => told(rows_of({ test_time_s: [0, 3600, 7200],
  we_vs_re_min_V: [3, 2, 1], we_vs_re_max_V: [4, 3, 2], cell_min_V: [1, 2, null], cell_max_V: [2, 3, null],
  current_min_A: [0.001, -0.001, -0.001], current_max_A: [0.001, 0.001, -0.001] })));
"""

# A run that is paused after two hours for a night, and a press of which nobody heard for that night. A host whose clock
# is a second ahead of the instrument's, and a run that is paused now.
PAUSED = """
const told = arguments[arguments.length - 1];
const hours = (...list) => list.map((hour) => hour * 3600);
const all = (of, value) => of.map(() => value);
const measured = (test_time_s) => ({ test_time_s, we_vs_re_min_V: all(test_time_s, 3), we_vs_re_max_V: all(test_time_s, 3),
  cell_min_V: all(test_time_s, 3), cell_max_V: all(test_time_s, 3), current_min_A: all(test_time_s, 0.001),
  current_max_A: all(test_time_s, 0.001) });
const reading = (hour) => ({ time_ms: 3600000 * hour, test_time_s: 3600 * hour, readings: 3600, pressure_MPa: 50, pressure_target_MPa: 50 });
const night = hours(2.5, 11);
const events = [["step_began", 0], ["held", 3], ["resumed", 8], ["step_began", 9], ["gap", 20], ["tripped", 21], ["alarm", null],
  ["step_began", 30], ["held", 40]].map(([kind, test_time_s]) => ({ kind, test_time_s }));
import("/charts.js").then(({ rows_of, pauses_of, joined, pressure_rows }) => told([
  rows_of(measured(hours(0, 1, 2, 12, 13, 14)), [night]),
  rows_of(measured([0, 1, 2, 36002, 36003, 36004]), [[0.5, 36002.5], [40000, 50000]]),
  pauses_of(events), pressure_rows([0, 1, 2, 12, 13].map(reading), []),
  joined(rows_of(measured(hours(0, 1, 2, 12, 13, 14)), [night]), rows_of(measured(hours(1.5, 2, 2.4))))]));
"""

# Readings of a press once a second, bad for one; a second sensor that is read a little later, and once not for a while.
TWO_SENSORS = """
const told = arguments[arguments.length - 1];
const reading = (test_time_s, pressure_MPa) => ({ test_time_s, pressure_MPa, pressure_target_MPa: 50 });
import("/charts.js").then(({ pressure_rows }) => told([
  pressure_rows([reading(0, 50), reading(3600, null), reading(7200, 51)], [reading(60, 49), reading(9000, 48)]),
  pressure_rows([reading(0, 50), reading(3600, 51), reading(7200, 52)], [reading(0, 49)]),
  pressure_rows([reading(0, 50)], [])]));
"""


def curves(page):
    drawn = page.browser.execute_async_script(THINNED)
    expected = [[0, 4, 1, 1], [0.5, 3, 2, 1], [1, 3, 2, 1], [1.5, 2, 3, -1], [2, 2, None, -1], [2, 1, None, -1]]
    check(drawn == expected, f"a curve that falls is drawn from its highest to its lowest: {drawn}")
    pressures = page.browser.execute_async_script(TWO_SENSORS)
    bar, none = lambda value: [value] * 3, [None] * 3
    check(pressures == [
        [[0, bar(50), bar(50), bar(49)], [1, none, bar(50), bar(49)], [2, bar(51), bar(50), bar(48)]],
        [[0, bar(50), bar(50), bar(49)], [1, bar(51), bar(50), bar(49)], [2, bar(52), bar(50), none]],
        [[0, bar(50), bar(50), none]]], f"the second sensor is drawn beside the press at the same time: {pressures}")


def a_night_without_measurement(bench, page):
    """A run that was paused for a night shows no line for that night."""
    at = lambda hour: [hour, 3, 3, 1]
    off = lambda hour: [hour, None, None, None]
    paused, ahead, pauses, pressures, finer = page.browser.execute_async_script(PAUSED)
    check(paused == [at(0), at(1), at(2), off(2), at(12), at(13), at(14)], f"the line ends where the pause begins: {paused}")
    check([row[1] for row in ahead] == [3, 3, 3, None, 3, 3, 3], f"it is interrupted once, where the measurements are: {ahead}")
    check(pauses == [[3, 9], [9, 20], [21, 30]], f"a pause is from a stop to the step that goes on, a gap before it is told, "
          f"and what is not over yet is none: {pauses}")
    bar, none = [50] * 3, [None] * 3
    check(pressures == [[0, bar, bar, none], [1, bar, bar, none], [2, bar, bar, none], [2, none, none, none],
                        [12, bar, bar, none], [13, bar, bar, none]], f"a pressure that nobody read is none: {pressures}")
    check(finer == [at(0), at(1), at(1.5), at(2), at(2.4), off(2.4), at(12), at(13), at(14)],
          f"nor do finer points bridge it that end within: {finer}")
    samples = lambda: len(json.loads(bench.get("/api/v1/series?run=r000001&format=columns&max_points=20000")[1])["test_time_s"])
    bench.cambench("pause", "r000001", "--who", "anna")
    until("A1 is held", lambda: bench.run_on("A1")["state"] == "held", bench.log)
    before = samples()
    until("some time passes", lambda: bench.status()["now_ms"] - json.loads(bench.get("/api/v1/runs/r000001/events")[1])[-1]["time_ms"] > 1000)
    bench.cambench("resume", "r000001", "--who", "anna")
    until("A1 goes on", lambda: samples() > before + 2, bench.log)
    rows = page.browser.execute_async_script("""
      const told = arguments[arguments.length - 1];
      import("/charts.js").then(({ series }) => series("r000001", null, null, 20000)).then(told);""")
    times = [hour for hour, *values in rows]
    broken = [i for i, (hour, *values) in enumerate(rows) if values == [None] * 3]
    check(times == sorted(times), "the rows stand in the order of time")
    check(len(broken) == 1 and times[broken[0] + 1] - times[broken[0] - 1] == max(b - a for a, b in zip(times, times[1:])),
          f"the pause of a real run is one interruption, in the widest space: {[times[max(i - 3, 0):i + 4] for i in broken]}")


def by_keyboard(bench, page):
    page.open()
    page.until_text("A3", ".tiles")
    page.keys(Keys.TAB)
    focus = lambda: page.script("const e = document.activeElement; return e.getAttribute('href') ?? e.dataset.act ?? e.nodeName")
    check(focus() == "#main", f"the first key press leads to the content, not to {focus()}")
    seen = set()
    for _ in range(30):
        page.keys(Keys.TAB)
        seen.add(focus())
        outline = page.script("return getComputedStyle(document.activeElement).outlineStyle")
        check(outline != "none" or focus() == "BODY", f"the focus can be seen on {focus()}")
    for place in ("#/", "#/studies", "#/alarms", "#/station/A1", "#/station/A3"):
        check(place in seen, f"{place} is reached by keyboard: {sorted(seen)}")
    page.open("#/station/A1")
    page.until_text("Potentials and current")
    page.script("document.querySelector('.skip').focus()")
    page.keys(Keys.ENTER)
    until("the way to the content leads there", lambda: focus() == "MAIN", focus)
    page.script("document.title = ''")
    until("the page is drawn again", lambda: page.browser.title)
    check("Potentials and current" in page.text(), f"and the station is still shown: {page.text()[:500]}")


def acknowledging(bench, page, token):
    page.open("#/alarms")
    page.until_text("Acknowledge")
    alarm = next(it["id"] for it in bench.status()["alarms"] if not it["acknowledged"])
    button = page.all(f"[data-act='acknowledge {alarm}']")[0]
    page.script("arguments[0].focus()", button)
    page.keys(Keys.ENTER)
    page.until_text("It says that you have seen the alarm", "dialog")
    page.shot("dialog")
    page.fill(token="cb_" + "0" * 64)
    page.keys(Keys.ENTER)
    page.until_text("not known", "dialog")
    page.fill(token=token, who="anna")
    page.keys(Keys.ENTER)
    until("the dialog closes", lambda: not page.all("dialog"), lambda: page.text("dialog"))
    until("the alarm is seen; it stands as long as its cause",
          lambda: all(it["id"] != alarm or it["acknowledged_by"] == "anna" for it in bench.status()["alarms"]))
    page.until_text("seen by anna", ".history")
    page.until_text(f"acknowledge {alarm}", ".orders")
    acts = json.loads(bench.get("/api/v1/audit")[1])
    check(any(act["act"] == "acknowledge" and act["who"].startswith("anna (token tester, operator, 127.0.0.1") and
              act["outcome"] == "granted" for act in acts), f"the act is in the audit trail: {acts}")


def ordering(bench, page):
    page.open("#/station/A1")
    page.until_text("Pause")
    page.all("[data-act^=pause]")[0].click()
    page.until_text("The cell is opened and the pressure is held", "dialog")
    page.keys(Keys.ESCAPE)
    until("Escape closes the dialog", lambda: not page.all("dialog"))
    check(bench.run_on("A1")["state"] == "running", "a dialog that is closed orders nothing")
    page.open("#/station/A2")
    page.until_text("pressure lost: ", ".events")
    check("_" not in page.text(".events") and "+-" not in page.text(".events"), f"what happened is told in words: {page.text('.events')}")
    page.until_text("Reset")
    page.all("[data-act^=reset]")[0].click()
    page.all("dialog [name=reason]")[0].send_keys("mended")
    page.keys(Keys.ENTER)
    page.until_text("this needs the role admin", "dialog")
    page.keys(Keys.ESCAPE)
    acts = lambda: json.loads(bench.get("/api/v1/audit")[1])
    until("an order beyond one's role is in the audit trail as refused",
          lambda: any(act["act"] == "reset" and act["outcome"].startswith("refused") for act in acts()))


def shelving(bench, page):
    alarm = bench.status()["alarms"][0]["id"]
    shelved_by = lambda: next(it["shelved_by"] for it in bench.status()["alarms"] if it["id"] == alarm)
    page.open("#/alarms")
    page.until_text("Shelve")
    page.press(f"shelve {alarm}")
    page.until_text("A trip stays a trip", "dialog")
    page.shot("shelve")
    page.keys(Keys.ENTER)
    check(page.all("dialog"), "a shelving without a reason is not sent")
    page.fill(minutes="30", reason="the pump is being changed")
    page.send()
    check(shelved_by() == "anna", "the alarm is on its shelf")
    page.until_text("shelved by anna until", ".alarms")
    page.press(f"unshelve {alarm}")
    page.send()
    check(not shelved_by(), "the alarm is off its shelf")


def editing(bench, page):
    cell = lambda: next((it for it in json.loads(bench.get("/api/v1/cells")[1]) if it["id"] == "R-new"), None)
    page.open("#/cells")
    page.until_text("R-3", ".entries")
    check(page.text(".entries").count("in the configuration") == 6, "a material, four cells and a study stand in the configuration")
    check(not page.all("[data-act='cell R-1']"), "what stands in the configuration is edited there")
    page.press("cell")
    page.fill(id="R-new", composite_mg="12.5", cam_fraction="0.67", area_cm2="0.7854", reference_vs_li_V="0.31")
    page.shot("cell-form")
    page.keys(Keys.ENTER)
    page.until_text("reference_note", "dialog")  # what the configuration's reader says
    page.fill(reference_note="lithiated gold, assumed")
    page.send()
    page.until_text("R-new", ".entries")
    check(cell()["composite_mg"] == 12.5 and cell()["material"] == "ncm-uncoated" and cell()["electrodes"] == 3, f"the cell is kept as written: {cell()}")
    page.press("cell R-new")
    check(page.all("dialog [name=reference_note]")[0].get_attribute("value") == "lithiated gold, assumed", "the form shows what is kept")
    page.fill(composite_mg="13")
    page.send()
    check(cell()["composite_mg"] == 13, f"the cell is changed: {cell()}")
    page.press("remove-cell R-new")
    page.keys(Keys.ENTER)
    check(page.all("dialog") and cell(), "nothing is taken away without a reason")
    page.fill(reason="the wire broke")
    page.send()
    check(any(act["act"] == "remove cell" and act["target"] == "R-new" and act["reason"] == "the wire broke"
              and act["who"].startswith("anna (token") for act in json.loads(bench.get("/api/v1/audit")[1])),
          "who took it away, and why, is in the audit trail")
    check(cell() is None, "the cell is gone")
    until("and from the page too", lambda: "R-new" not in page.text(".entries"))
    page.press("material")
    page.fill(id="ncm-x", coating="X", amount_wt_percent="1")
    page.keys(Keys.ENTER)
    page.until_text("this needs the role admin", "dialog")
    page.leave()
    page.press("study")
    check(len(page.all("dialog fieldset")) == 2, "a study's form offers materials and cells")
    page.leave()


def starting(bench, page):
    page.open("#/station/A3")
    page.until_text("Start a run")
    page.press("start A3")
    choose = lambda name, value: page.script("document.querySelector(`dialog [name=${arguments[0]}]`).value = arguments[1]", name, value)
    choose("recipe", "long")
    choose("cell", "R-3")
    page.shot("start")
    page.all("dialog button.main")[0].click()
    until("A3 has a run", lambda: bench.run_on("A3"), lambda: page.text("dialog"))
    check(bench.run_on("A3")["cell"] == "R-3" and bench.run_on("A3")["recipe"] == "long", "the run is the one that was asked for")


def files_of_a_run(bench, page):
    page.open("#/station/A1")
    page.until_text("Files of this run")
    links = page.script("return [...document.querySelectorAll('a[download]')].map((a) => a.getAttribute('href'))")
    check(len(links) == 8, f"there is a link for every file: {links}")
    for link in links:
        status, text = bench.get(link)
        check(status == 200 and text, f"{link} is there: {status}")
    header, *rows = bench.get("/api/v1/runs/r000001/data.bdf.csv")[1].decode().splitlines()
    check(header.startswith("Test Time / s,") and len(rows) > 100, f"every sample is in the BDF file: {header}, {len(rows)} rows")


def proving_a_press(bench, page, admin):
    """An admin's order, on a station whose press is empty."""
    page.open("#/station/A4")
    page.press("press-test A4")
    page.keys(Keys.ENTER)
    check(page.all("dialog"), "nothing moves unless somebody says that the press is empty")
    page.all("dialog [name=empty]")[0].click()
    page.keys(Keys.ENTER)
    page.until_text("this needs the role admin", "dialog")
    page.shot("press-test-dialog")
    page.leave()
    page.script("document.cookie = `cambench_token=${arguments[0]}; Path=/; SameSite=Strict`", admin)
    page.press("press-test A4")
    page.fill(reason="a new hose")
    page.all("dialog [name=empty]")[0].click()
    page.all("dialog button.main")[0].click()
    until("the test has begun", lambda: not page.all("dialog"), lambda: page.text("dialog"))
    page.until_text("Verdict")
    until("a test that runs is not started again", lambda: not page.all("[data-act='press-test A4']"), page.text)
    test = lambda: next(it for it in bench.status()["stations"] if it["name"] == "A4")["press_test"]
    until("the test ends", lambda: test()["state"] != "running", lambda: page.text())
    check(test()["state"] == "passed" and test()["who"].startswith("anna"), f"the simulated press is proven: {test()}")
    told = [step[key].replace("+-", "±") for step in test()["steps"] for key in ("step", "expected", "seen")]
    until("the table tells every step", lambda: all(words in page.text("table") for words in told), lambda: page.text("table"))
    page.fits("the proof test")
    page.shot("press-test")


# --- a week of a sample a second

DAY_S = 24 * 3600
WEEK_S = 7 * DAY_S


def a_week(file):
    """A cell that is charged and discharged for twenty hours each."""
    half = 20 * 3600
    with open(file, "w") as out:
        out.write("test_time_second,voltage_volt,current_ampere,cycle_count,step_count\n")
        for t in range(WEEK_S + 1):
            step, into = divmod(t, half)
            rising = step % 2 == 0
            volt = 2.6 + 1.1 * (into if rising else half - into) / half
            out.write(f"{t},{volt:.5f},{'' if rising else '-'}0.000096,{step // 2 + 1},{step + 1}\n")


def the_slowest_question(bench, stop):
    """To the archive, asked again and again."""
    slowest = 0
    while not stop.is_set():
        began = time.monotonic()
        check(bench.get("/api/v1/runs")[0] == 200, "the archive answers")
        slowest = max(slowest, time.monotonic() - began)
    stop.slowest = slowest


def bring_a_week(bench):
    bench.cambench("cells", "set", "W-1", "material=ncm-uncoated", "electrodes=2", "composite_mg=12", "cam_fraction=0.8",
                   "area_cm2=0.7854", "--who", "anna")
    file = bench.folder / "week.csv"
    a_week(file)
    stop = threading.Event()
    asking = threading.Thread(target=the_slowest_question, args=(bench, stop))
    asking.start()
    began = time.monotonic()
    said = json.loads(bench.cambench("--json", "import", str(file), "--cell", "W-1", "--config", str(bench.folder / "cambench.toml"),
                                     "--who", "anna"))
    stop.set()
    asking.join()
    print(f"a week of {said['samples']} samples was brought in {time.monotonic() - began:.1f} s; "
          f"the slowest question to the archive meanwhile took {1e3 * stop.slowest:.0f} ms")
    check(said["samples"] == WEEK_S + 1, f"every second of the week is kept: {said}")
    return said["run"]


# Drags the chart to and fro, a movement a frame, as a hand does; what it fetched meanwhile, and how long the frames took.
DRAG = """
const [told, seconds] = [arguments[arguments.length - 1], arguments[0]];
const canvas = document.querySelectorAll(".series .frame canvas")[1], box = canvas.getBoundingClientRect();
const reach = 0.15 * box.width;  // the margins are wider
const at = (x) => ({ bubbles: true, clientX: box.left + x, clientY: box.top + 40, pageX: box.left + x, pageY: box.top + 40 });
const asked = () => performance.getEntriesByType("resource").filter((e) => e.name.includes("from_s")).length;
const before = asked(), frames = [];
canvas.dispatchEvent(new MouseEvent("mousedown", at(300)));
let last = performance.now();
const begin = last;
requestAnimationFrame(function move(now) {
  frames.push(now - last);
  last = now;
  const x = 300 + reach * Math.sin((now - begin) / 400);
  canvas.dispatchEvent(new MouseEvent("mousemove", at(x)));
  if (now - begin < 1000 * seconds) return requestAnimationFrame(move);
  canvas.dispatchEvent(new MouseEvent("mouseup", at(x)));
  setTimeout(() => told({ fetches: asked() - before, frames: frames.slice(1) }), 500);  // longer than a hand has to rest
});
"""

# Every stretch of a run that was fetched: its bounds, and how many points came.
FETCHED = """
const told = arguments[arguments.length - 1];
const entries = performance.getEntriesByType("resource").filter(({ name }) => name.includes("/series?"));
Promise.all(entries.map(async ({ name: url, startTime: at_ms }) => {
  const columns = await (await fetch(url)).json();
  return { url, at_ms, from_s: new URL(url).searchParams.get("from_s"), points: columns.test_time_s.length,
           first_s: columns.test_time_s[0], last_s: columns.test_time_s.at(-1) };
})).then(told);
"""


# What the page was told of runs.
HEARD_OF = """
window.heard_of = new Set();
import("/bench.js").then(({ on_event }) => on_event((event) => event && heard_of.add(`${event.run} ${event.kind}`)));
"""


def panning_a_week(bench, page):
    page.open("#/runs")
    page.script(HEARD_OF)
    run = bring_a_week(bench)
    until("the page heard that it is kept", lambda: page.script("return heard_of.has(arguments[0])", f"{run} finished"))  # it looks again then
    page.until_text(run, ".runs")
    page.shot("runs")
    page.script("performance.clearResourceTimings()")
    page.open(f"#/run/{run}")
    until("the chart is drawn", lambda: a_chart_is_drawn(page) > 100)
    page.until_text("W-1", ".run-head")
    page.shot("week")
    asked = lambda: page.script(ASKED)
    check(asked() == 0, "a week is drawn of its roll-ups alone")
    page.all("[data-look='24']")[0].click()
    until("its last day is asked for in finer points", lambda: asked() == 1)
    dragged = page.browser.execute_async_script(DRAG, 2)
    check(dragged["fetches"] == 0, f"a drag within the margins fetches nothing: {dragged['fetches']} fetches")
    check(a_chart_is_drawn(page) > 100, "the chart is drawn after it was dragged")
    before = asked()
    page.script("for (let i = 0; i < 8; i++) document.querySelector(`[data-look='earlier']`).click()")  # four days back
    until("where the last press leads is asked for", lambda: asked() > before)
    check(a_chart_is_drawn(page) > 100, "the chart is drawn there")
    page.shot("week-panned")
    check(asked() - before == 1, f"eight presses at once are one question, not eight: {asked() - before}")
    fetched = page.browser.execute_async_script(FETCHED)
    for it in fetched:
        check(50 < it["points"] <= 4000, f"no question brings more points than the screen can show: {it}")
        if it["from_s"]:
            check(it["last_s"] - it["first_s"] <= 2.2 * DAY_S, f"a view of a day brings a day and its margins: {it}")
    whole = [it for it in fetched if not it["from_s"]]
    check(whole[0]["last_s"] - whole[0]["first_s"] > 0.99 * WEEK_S, f"the whole week came: {whole}")
    check(all(b["at_ms"] - a["at_ms"] > 50_000 for a, b in zip(whole, whole[1:])),
          f"a run that is over is looked at once a minute, whatever else happens: {whole}")
    frames = sorted(dragged["frames"])
    print(f"dragging a week: {len(frames)} frames, median {frames[len(frames) // 2]:.0f} ms, longest {frames[-1]:.0f} ms")


def on_every_screen(bench, page):
    views = {"bench": "", "runs": "#/runs", "run": "#/run/r000002", "station": "#/station/A1", "tripped": "#/station/A2", "studies": "#/studies", "study": "#/study/coatings",
             "cells": "#/cells", "alarms": "#/alarms"}
    for dark in (False, True):
        page.dark(dark)
        for phone in (False, True):
            page.phone(phone)
            for name, view in views.items():
                page.open(view)
                page.until_text("page test")
                if "station" in view or "/run/" in view:
                    until("the chart is drawn", lambda: a_chart_is_drawn(page) > 50)
                page.fits(view)
                page.is_readable(view)
                page.shot(f"{name}-{'phone' if phone else 'desktop'}-{'dark' if dark else 'light'}")
    page.phone(False)
    page.dark(False)


def when_the_daemon_is_gone(bench, page):
    page.open()
    page.until_text("A3", ".tiles")
    check("does not answer" not in page.text(), "nothing is said while the daemon answers")
    last = bench.status()["now_ms"]
    bench.kill()
    page.until_text("The daemon does not answer.", "#notice")
    page.until_text("Everything below is old", "#notice")
    day = page.script("return new Date(arguments[0]).toLocaleDateString(undefined, { weekday: 'short', day: 'numeric', month: 'short' })", last)
    check(day in page.text("#notice"), f"it says since which day: {day!r} in {page.text('#notice')!r}")
    check(page.script("return document.body.classList.contains('old')"), "what is old is shown as old")
    page.is_readable("the banner")
    page.shot("gone")
    bench.start()
    until("the page finds it again", lambda: "does not answer" not in page.text("#notice"))


def what_was_known_stays(bench, page):
    """When the daemon is gone, the lists of alarms, orders and a run's events stay as they were."""
    for view, lists in (("#/alarms", (".history", ".orders")), ("#/run/r000002", (".run-head", ".capacity", ".events"))):
        page.open(view)
        for place in lists:
            until(f"{place} is filled", lambda: page.text(place), page.text)
        before = [page.text(place) for place in lists]
        bench.kill()
        for place, text in zip(lists, before):
            until(f"{place} says that it could not be asked", lambda: page.script(SAYS_OF_ITSELF, place))
            check(page.text(place) == text, f"{place} stays as it was: {page.text(place)!r} was {text!r}")
        page.shot(f"gone-{view[2:].split('/')[0]}")
        bench.start()
        until("it is asked again", lambda: not any(page.script(SAYS_OF_ITSELF, place) for place in lists))
    page.browser.get_log("browser")  # the failed requests belong to this


def main():
    bench = Bench()
    page = None
    try:
        token = bench.cambench("token", "add", "tester", "--role", "operator", "--file", str(bench.folder / "tokens")).strip()
        admin = bench.cambench("token", "add", "boss", "--role", "admin", "--file", str(bench.folder / "tokens")).strip()
        for station in "12":
            bench.run(station, "anna")
        until("A2 runs", lambda: bench.run_on("A2")["state"] == "running", bench.log)
        bench.order("press A2 leak:rate=2")
        until("A2 trips", lambda: bench.run_on("A2")["state"] == "tripped", bench.log)
        page = Page(bench)
        the_bench_at_a_glance(bench, page)
        a_station(bench, page)
        curves(page)
        a_night_without_measurement(bench, page)
        by_keyboard(bench, page)
        on_every_screen(bench, page)
        acknowledging(bench, page, token)
        shelving(bench, page)
        ordering(bench, page)
        editing(bench, page)
        starting(bench, page)
        files_of_a_run(bench, page)
        proving_a_press(bench, page, admin)
        panning_a_week(bench, page)
        complaints = [text for text in page.complaints() if not any(code in text for code in ("401", "403", "422"))]
        check(not complaints, f"the browser has nothing to complain of: {complaints}")
        when_the_daemon_is_gone(bench, page)
        what_was_known_stays(bench, page)
        print("all true")
    finally:
        if page:
            page.browser.quit()
        bench.end()


main()
