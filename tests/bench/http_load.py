#!/usr/bin/python3
"""The HTTP server of a real daemon that measures on many stations, under load by wrk, and under clients that behave badly;
how late its deciding thread comes to its work meanwhile, by its own histogram.

usage: http_load.py BUILD-FOLDER [stations=64] [seconds=5]        (Debian: wrk, python3)

Printed: requests a second for full documents and for 304, as many as go through and per second of the daemon's own core;
how long an answer takes at 1,000 a second; and for each kind of trouble, the lateness of the deciding thread."""
import http.client, json, os, pathlib, re, resource, socket, subprocess, sys, threading, time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "scenario"))
import bench as simulated
from bench import until

BUILD = pathlib.Path(sys.argv[1]).resolve()
STATIONS = int(sys.argv[2]) if len(sys.argv) > 2 else 64
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 5


class Bench(simulated.Bench):
    """Every station measures: experiment time runs ten times faster, so that each gives ten samples a second."""

    def __init__(self):
        super().__init__(BUILD, "load", STATIONS, time_scale=10)
        self.token = self.cambench("token", "add", "load", "--role", "admin", "--file", str(self.folder / "tokens")).strip()
        self.cambench("cells", "set", "W-1", "material=ncm-uncoated", "electrodes=2", "composite_mg=12", "cam_fraction=0.8",
                      "area_cm2=0.7854", "--who", "load")
        for i in range(1, STATIONS + 1):
            self.run(i, "load")
        until("every station measures", lambda: self.running() == STATIONS, self.log, patience=60)

    def running(self):
        return sum((it["run"] or {}).get("state") == "running" for it in json.loads(self.get("/api/v1/status")[1])["stations"])

    def metrics(self):
        found = {}
        for line in self.get("/metrics")[1].decode().splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                found[name] = float(value)
        return found

    def cpu_s(self):
        """Of the deciding thread, which is the daemon's first."""
        fields = pathlib.Path(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Lateness:
    """Of the deciding thread between two looks at its histogram."""

    def __init__(self, bench):
        self.bench, self.before = bench, bench.metrics()

    def words(self):
        now = self.bench.metrics()
        buckets = sorted(
            (float(re.search(r'le="([^"]+)"', name)[1]), now[name] - self.before[name])
            for name in now if name.startswith("cambench_loop_lateness_seconds_bucket"))
        total = buckets[-1][1]
        bound = lambda part: next(le for le, count in buckets if count >= part * total)
        mean = 1e3 * (now["cambench_loop_lateness_seconds_sum"] - self.before["cambench_loop_lateness_seconds_sum"]) / total
        rows = now["cambench_store_rows_total"] - self.before["cambench_store_rows_total"]
        missed = sum(now[name] - self.before[name] for name in now if name.startswith("cambench_polls_missed_total"))
        return (f"lateness mean {mean:.2f} ms, p99 <= {1e3 * bound(0.99):g} ms, all <= {1e3 * bound(1):g} ms; "
                f"{rows:.0f} rows kept, {missed:.0f} polls missed, {now['cambench_open_descriptors']:.0f} descriptors")


def wrk(bench, title, connections, *headers):
    late, cpu = Lateness(bench), bench.cpu_s()
    began = time.monotonic()
    said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", *sum((["-H", it] for it in headers), []),
                           f"http://127.0.0.1:{bench.port}/api/v1/status"], capture_output=True, text=True).stdout
    wall, cpu = time.monotonic() - began, bench.cpu_s() - cpu
    count = int(re.search(r"(\d+) requests in", said)[1])
    p99 = re.search(r"99%\s+(\S+)", said)[1]
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", said)
    print(f"{title:28} {count / wall:8.0f} /s, {count / cpu:8.0f} a second of the daemon's core, p99 {p99}"
          f"{', WRONG ' + wrong[1] if wrong else ''}\n{'':28} {late.words()}", flush=True)


def at_a_thousand(bench):
    late, took = Lateness(bench), []
    connection = socket.create_connection(("127.0.0.1", bench.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    request = b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
    due = time.perf_counter()
    while len(took) < 1000 * SECONDS:
        due += 0.001
        time.sleep(max(0, due - time.perf_counter()))
        began = time.perf_counter()
        connection.sendall(request)
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += connection.recv(1 << 18)
        head, _, body = heard.partition(b"\r\n\r\n")
        left = int(re.search(rb"Content-Length: (\d+)", head)[1]) - len(body)
        while left > 0:
            left -= len(connection.recv(left))
        took.append(time.perf_counter() - began)
    took.sort()
    part = lambda p: 1e3 * took[int(p * len(took))]
    print(f"{'at 1,000 /s, one after one':28} p50 {part(0.5):.2f} ms, p99 {part(0.99):.2f} ms, longest {1e3 * took[-1]:.2f} ms\n"
          f"{'':28} {late.words()}", flush=True)


# --- clients that behave badly; each runs until it is told to stop

def open_many(bench, count):
    sockets = []
    for _ in range(count):
        try:
            sockets.append(socket.create_connection(("127.0.0.1", bench.port), timeout=5))
        except OSError:
            pass
    return sockets


def never_closes(bench, stop):
    """Pollers that ask again and again and keep everything open."""
    sockets = open_many(bench, 150)
    while not stop.is_set():
        for it in sockets:
            try:
                it.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
                it.settimeout(0.2)
                it.recv(1 << 20)
            except OSError:
                pass


def reads_slowly(bench, stop):
    """Ask for far more than they ever read, a byte now and then."""
    sockets = open_many(bench, 100)
    for it in sockets:
        it.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        try:
            it.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        except OSError:
            pass
    while not stop.wait(0.2):
        for it in sockets:
            try:
                it.setblocking(False)
                it.recv(1)
            except OSError:
                pass


def brings_imports(bench, stop):
    """A week of a sample a second, again and again; meanwhile the archive is asked, and how long it takes is kept."""
    half, rows = 20 * 3600, ["test_time_second,voltage_volt,current_ampere,cycle_count,step_count"]
    for t in range(7 * 24 * 3600):
        step, into = divmod(t, half)
        rows.append(f"{t},{3 + (into if step % 2 == 0 else half - into) / half:.5f},{'-' if step % 2 else ''}0.0001,{step // 2 + 1},{step + 1}")
    week, took = "\n".join(rows), []

    def ask():
        while not stop.is_set():
            began = time.monotonic()
            if bench.get("/api/v1/runs")[0] == 200:
                took.append(time.monotonic() - began)

    asking = threading.Thread(target=ask)
    asking.start()
    brought = 0
    while not stop.is_set() or not brought:
        body = json.dumps({"file": "week.csv", "cell": "W-1", "csv": f"{week}\n{7 * 24 * 3600},3,0,6,10\n" + "\n" * brought})
        connection = http.client.HTTPConnection("127.0.0.1", bench.port, timeout=120)
        connection.request("POST", "/api/v1/imports", body, {"Content-Type": "application/json", "Authorization": f"Bearer {bench.token}"})
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            sys.exit(f"the import is refused: {said}")
        brought += 1
    stop.set()
    asking.join()
    took.sort()
    print(f"{'':28} {brought} of 604,801 rows each; {len(took)} questions to the archive meanwhile, p50 {1e3 * took[len(took) // 2]:.1f} ms, "
          f"p99 {1e3 * took[int(0.99 * len(took))]:.1f} ms, longest {1e3 * took[-1]:.1f} ms")


def five_thousand(bench, stop):
    while not stop.is_set():
        sockets = open_many(bench, 5000)
        for it in sockets:
            it.close()


def malformed(bench, stop):
    pieces = [b"\x00\xff" * 2000, b"GET / HTTP/9.9\r\n\r\n", b"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
              b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 200000, b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n"
              b"Content-Length: 999999999\r\n\r\n" + b"x" * 100000, b"POST /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n"
              b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"G"]
    while not stop.is_set():
        for piece in pieces:
            for it in open_many(bench, 1):
                try:
                    it.sendall(piece)
                    it.settimeout(0.05)
                    it.recv(4096)
                except OSError:
                    pass
                it.close()


def under(bench, title, behave):
    late, before, stop = Lateness(bench), bench.metrics(), threading.Event()
    client = threading.Thread(target=behave, args=(bench, stop))
    client.start()
    most = 0
    began = time.monotonic()
    while time.monotonic() - began < SECONDS:
        most = max(most, len(os.listdir(f"/proc/{bench.daemon.pid}/fd")))
        time.sleep(0.05)
    stop.set()
    client.join()
    now = bench.metrics()
    while not now:  # the crowd may still be at the door
        now = bench.metrics()
    gone = lambda name: now[name] - before[name]
    print(f"{title:28} {gone('cambench_http_connections_total'):.0f} connections, {gone('cambench_http_connections_refused_total'):.0f} "
          f"turned away, at most {most} descriptors; {bench.running()} of {STATIONS} stations measure\n{'':28} {late.words()}", flush=True)


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
    bench = Bench()
    try:
        late = Lateness(bench)
        time.sleep(SECONDS)
        print(f"{STATIONS} stations measure, {len(bench.get('/api/v1/status')[1])} bytes of status\n{'nobody asks':28} {late.words()}")
        wrk(bench, "full document", 16)
        wrk(bench, "304", 16, "If-None-Match: *")
        at_a_thousand(bench)
        under(bench, "150 that never close", never_closes)
        under(bench, "100 that hardly read", reads_slowly)
        under(bench, "5,000 connections, again", five_thousand)
        under(bench, "oversized and malformed", malformed)
        under(bench, "weeks that are brought", brings_imports)
    finally:
        bench.end()


main()
