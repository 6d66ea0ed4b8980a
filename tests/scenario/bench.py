"""cambench-sim and cambenchd in a folder of their own, for what is written in Python; bench.h is the same for C++. Every
process is ended with it, and every wait is for a condition, with a bound that only a broken program reaches."""
import http.client, os, pathlib, shutil, signal, socket, subprocess, sys, tempfile, time

RECIPE = pathlib.Path(__file__).with_name("page_recipe.toml")
PATIENCE = 40  # far beyond what a busy machine needs


def until(what, holds, otherwise=lambda: "", patience=PATIENCE):
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = holds()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"waited in vain: {what}\n{otherwise()}")


class Bench:
    """`extra`: more configuration. Each station has a cell of the rate test, R-1, R-2, ...; the recipe is called "long"."""

    def __init__(self, build, name, stations, time_scale, extra=""):
        self.build = build
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"cambench-{name}-"))
        self.daemon = None
        self.sim = self.begin("cambench-sim", "--dir", self.folder, "--stations", stations, "--time-scale", time_scale,
                              "--seed", 7)
        until("the simulator listens", (self.folder / "ready").exists)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (self.folder / "recipes").mkdir()
        shutil.copy(RECIPE, self.folder / "recipes/long.toml")
        cells = "".join(
            f'[[cell]]\nid = "R-{i}"\nmaterial = "ncm-uncoated"\nelectrodes = 3\ncomposite_mg = 12.0\ncam_fraction = 0.67\n'
            f'area_cm2 = 0.7854\nq_1C_mAh_g = 200.0\nreference_vs_li_V = 0.31\nreference_note = "lithiated gold, assumed"\n'
            for i in range(1, stations + 1))
        (self.folder / "cambench.toml").write_text(
            f'[bench]\nname = "{name}"\ntime_scale = {time_scale}\n[store]\npath = "state/cambench.sqlite"\n'
            f'[http]\nlisten = "127.0.0.1:{self.port}"\ncontrol = "control.sock"\ntokens = "tokens"\n'
            f'[log]\nfile = "state/cambench.log"\n[recipes]\npath = "recipes"\n'
            f'[[material]]\nid = "ncm-uncoated"\nname = "NCM uncoated"\nreference = true\n{cells}{extra}'
            + (self.folder / "stations.toml").read_text())
        self.start()

    def begin(self, program, *words):
        out = open(self.folder / f"{program}.out", "ab")
        return subprocess.Popen([str(self.build / program), *map(str, words)], stdout=out, stderr=out)

    def start(self):
        self.daemon = self.begin("cambenchd", "--config", self.folder / "cambench.toml")
        until("the daemon is ready", lambda: self.get("/readyz")[0] == 200, self.log)

    def kill(self):
        self.daemon.send_signal(signal.SIGKILL)
        self.daemon.wait()

    def end(self):
        for process in (self.daemon, self.sim):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return "\n".join(file.read_text()[-2000:] for file in (self.folder / "state/cambench.log", self.folder / "cambenchd.out")
                         if file.exists())

    def order(self, line):
        """To the simulator."""
        subprocess.run([str(self.build / "cambench-sim"), "ctl", str(self.folder), line], check=True,
                       stdout=subprocess.DEVNULL)

    def cambench(self, *words):
        done = subprocess.run([str(self.build / "cambench"), *words], capture_output=True, text=True,
                              env={**os.environ, "CAMBENCH_SOCKET": str(self.folder / "control.sock")})
        if done.returncode != 0:
            sys.exit(f"cambench {' '.join(words)}: {done.stderr}")
        return done.stdout

    def run(self, station, who):
        """A new cell on the station, and the recipe on the cell."""
        self.order(f"mount A{station} rate ncm-uncoated")
        self.cambench("start", f"A{station}", "long", "--cell", f"R-{station}", "--who", who)

    def get(self, target):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("GET", target)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            return 0, b""
