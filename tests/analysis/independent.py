#!/usr/bin/python3
"""A made ToF-SIMS study scored twice, in several settings: by cambench, and here with numpy from the same files. Nothing is shared but the
files and the rules as the headers of analysis/ state them: statistics of normalised intensities, PCA, eq. 1 of Hertle
et al., and the bootstrap down to its random numbers. usage: independent.py CAMBENCH CAMBENCH-SIM"""
import csv, json, pathlib, re, subprocess, sys, tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: no numpy (Debian: python3-numpy)")
    sys.exit(77)

REFERENCE, UNCYCLED, CYCLED = "ncm-uncoated", 0, 1  # states in the order that cambench sorts them
worst = {}


def same(what, ours, theirs, tolerance):
    """Absolute for numbers around 1, relative for large ones."""
    ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
    if ours.shape != theirs.shape:
        sys.exit(f"{what}: {theirs.shape} numbers from cambench, {ours.shape} here")
    off = float(np.max(np.abs(ours - theirs) / np.maximum(1, np.abs(ours)), initial=0))
    worst[what] = max(worst.get(what, 0), off)
    if not off <= tolerance:
        sys.exit(f"{what}: off by {off:.2e}, allowed are {tolerance:.0e}\n here {ours}\n cambench {theirs}")


def composition(label):
    """LiCO3- and CO_3Li- are one ion."""
    atoms = {}
    for element, n in re.findall(r"((?:\^\d+)?[A-Z][a-z]?)_?(\d*)", label[:-1]):
        atoms[element] = atoms.get(element, 0) + int(n or 1)
    return tuple(sorted(atoms.items())), label[-1]


def image(path):
    with open(path) as lines:
        return np.array([float(line.split()[2]) for line in lines if line.strip() and not line.startswith("#")])


def read(study, rule):
    """One row a region: the mean over pixels with ions of counts / total counts; or over the reference ion, by its rule
    for pixels that have none: "half" divides by 0.5, "skip" leaves them out."""
    spots = {}
    for path in study.rglob("*.txt"):
        base, label = re.fullmatch(r"(.*) \(\d+\) - (.+)\.txt", path.name).groups()
        state = UNCYCLED if path.parent.name == "uncycled" else CYCLED
        spots.setdefault((path.parent.parent.name, state, base), {})[label] = path
    rows, order = {}, sorted(spots)
    for spot in order:
        total = image(spots[spot].pop("total"))
        spots[spot].pop("sum of rest", None)
        ions, divisor = total > 0, total
        if rule != "total":
            divisor = image(spots[spot]["NiO_2-"])
            if rule == "skip":
                ions &= divisor > 0
            divisor = np.where(divisor > 0, divisor, 0.5)
        rows[spot] = {composition(label): np.mean(image(path)[ions] / divisor[ions]) for label, path in spots[spot].items()}
    ions = list(rows[order[0]])
    return order, ions, np.array([[rows[spot][ion] for ion in ions] for spot in order])


def check_statistics(folder, samples, ions, values):
    with open(folder / "fragments.csv") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != len(samples) * len(ions):
        sys.exit(f"fragments.csv has {len(rows)} rows, expected are {len(samples)} samples x {len(ions)} fragments")
    uncycled = values[samples[REFERENCE, UNCYCLED]].mean(axis=0)
    for row in rows:
        i = ions.index(composition(row["fragment"]))
        v = values[samples[row["material"], UNCYCLED if row["state"] == "uncycled" else CYCLED], i]
        expected = [len(v), v.mean(), v.std(ddof=1), v.std(), v.min(), *np.percentile(v, [25, 50, 75]), v.max()]
        given = [row[k] for k in ("n", "mean", "sd", "sd_population", "min", "q1", "median", "q3", "max")]
        scale = np.array([1.0] + [max(abs(v.mean()), 1e-300)] * 8)
        same("normalised intensities and their statistics, relative", expected / scale,
             np.array([float(g) for g in given]) / scale, 1e-10)
        if row["relative_difference_percent"]:
            same("relative differences / %", 100 * (v.mean() - uncycled[i]) / uncycled[i],
                 float(row["relative_difference_percent"]), 1e-10)
        if row["relative_difference_se_percent"]:
            u = values[samples[REFERENCE, UNCYCLED], i]
            ratio, squares = v.mean() / u.mean(), lambda of: of.var(ddof=1) / len(of)
            same("standard errors of relative differences / %",
                 100 * np.sqrt(squares(v) + ratio**2 * squares(u)) / abs(u.mean()),
                 float(row["relative_difference_se_percent"]), 1e-10)


def first_component(x):
    """Loadings of PC1 and every component's share of the variance, of max-scaled and centred rows."""
    _, singular, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return directions, singular**2 / np.sum(singular**2)


def pca_rows(samples, variant):
    """All spots, or those of the two anchors."""
    if variant == "anchors":
        return np.sort(np.concatenate([samples[REFERENCE, state] for state in (UNCYCLED, CYCLED)]))
    return np.arange(sum(len(at) for at in samples.values()))


def scores(values, samples, members, variant):
    """Eq. 1 and its scale for each set of fragments: spots x sets."""
    rows = pca_rows(samples, variant)
    x = values / values[rows].max(axis=0)
    loading = first_component(x[rows])[0][0]
    raw = x @ (loading[:, None] * members)
    zero, one = (raw[samples[REFERENCE, state]].mean(axis=0) for state in (UNCYCLED, CYCLED))
    return (raw - zero) / (one - zero)


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        return (((z ^ (z >> 31)) >> 32) * n) >> 32


def check_bootstrap(told, result, values, samples, members, variant):
    random, drawn = SplitMix64(told["seed"]), []
    for _ in range(told["resamples"]):
        rows = np.concatenate([[at[random.below(len(at))] for at in samples.values()
                                for _ in at]]).reshape(-1)
        again = scores(values[rows], samples, members, variant)
        drawn.append([again[at].mean(axis=0) for at in samples.values()])
    drawn = np.array(drawn)  # resamples x samples x sets
    names = list(samples)
    for i, ranking in enumerate(told["rankings"]):
        if not ranking["materials"]:  # no score: the anchors are too close
            continue
        for material in result["materials"]:
            score = material["scores"]["DS_" + ranking["category"]]
            if material["id"] == REFERENCE:
                continue
            of = drawn[:, names.index((material["id"], CYCLED)), i]
            same("confidence intervals", np.percentile(of, [2.5, 97.5]), [score["ci_low"], score["ci_high"]], 1e-9)
        order = [names.index((material, CYCLED)) for material in ranking["materials"]]
        of = drawn[:, order, i]
        pairs = np.mean(of[:, :, None] < of[:, None, :], axis=0)
        np.fill_diagonal(pairs, 0.5)
        same("probabilities of ranks", pairs, ranking["probability_below"], 1e-12)


def check(cambench, folder, rule, variant, categories):
    study = folder / "drop" / "coatings"
    (study / "study.toml").write_text(
        f"[scoring]\nnormalisation = \"{'total_ion' if rule == 'total' else 'reference_ion'}\"\n"
        f"empty_reference = \"{'half' if rule == 'total' else rule}\"\n"
        f"[scoring.degradation]\nspots = \"{variant}\"\ncategories = {json.dumps(categories)}\n"
        "[scoring.bootstrap]\nresamples = 200\n")
    told = subprocess.run([cambench, "--json", "score", "--out", folder / "out", study], check=True,
                          stdout=subprocess.PIPE)
    result = json.loads(told.stdout)
    spots, ions, values = read(study, rule)
    samples = {}
    for row, (material, state, _) in enumerate(spots):
        samples.setdefault((material, state), []).append(row)
    check_statistics(folder / "out", samples, ions, values)

    pca, degradation = result["degradation"]["pca"], result["degradation"]
    fragments = pca["fragments"]
    at = [ions.index(composition(fragment["label"])) for fragment in fragments]
    rows = pca_rows(samples, variant)
    used = np.any(values[rows] != 0, axis=0)
    if sorted(at) != list(np.flatnonzero(used)):
        sys.exit("the fragments of the PCA are not those with any intensity")
    values = values[:, at]
    x = values[rows] / values[rows].max(axis=0)
    same("maxima, relative", values[rows].max(axis=0) / [f["maximum"] for f in fragments], np.ones(len(at)), 1e-10)
    same("means", x.mean(axis=0), [f["mean"] for f in fragments], 1e-10)
    directions, explained = first_component(x)
    components = len(pca["explained"])
    same("explained variance", explained[:components], pca["explained"], 1e-10)
    loadings = np.array([f["loadings"] for f in fragments]).T
    signs = np.sign(np.sum(loadings * directions[:components], axis=1))
    same("loadings", directions[:components] * signs[:, None], loadings, 1e-8)
    same("loadings of PC1", directions[0] * signs[0], loadings[0], 1e-10)
    given = np.array([spot["scores"] for spot in pca["spots"]])
    same("PCA scores", (x - x.mean(axis=0)) @ directions[:components].T * signs, given, 1e-8)
    place = {row: i for i, row in enumerate(rows)}
    means = [given[[place[row] for row in samples[REFERENCE, state]], 0].mean() for state in (UNCYCLED, CYCLED)]
    if not means[1] > means[0]:
        sys.exit("PC1 does not point from uncycled to uncoated cycled")

    members = np.array([[s["category"] in ("general", f["category"]) for s in degradation["sets"]] for f in fragments], float)
    by_spot = scores(values, samples, members, variant)
    for i, told_set in enumerate(degradation["sets"]):
        if "undefined" in told_set:
            continue
        for sample in told_set["samples"]:
            mine = by_spot[samples[sample["material"], UNCYCLED if sample["state"] == "uncycled" else CYCLED], i]
            same("degradation scores and their spread", [mine.mean(), mine.std(ddof=1), mine.min(), mine.max(), *mine],
                 [sample["score"], sample["sd"], sample["min"], sample["max"], *sample["spot_scores"]], 1e-10)
    check_bootstrap(result["bootstrap"], result, values, samples, members, variant)

    print(f"{len(spots)} regions x {len(ions)} fragments, by {rule}, PCA of {variant}, {', '.join(categories)}: agree")


def main():
    cambench, simulator = sys.argv[1:3]
    usual, every = ["polysulfide", "SOy", "POy"], ["SE", "CAM", "coating", "other", "polysulfide", "SOy", "POy"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([simulator, "sims", "--regions", "4", "--pixels", "24", "--seed", "7", folder / "drop"],
                       check=True, stdout=subprocess.DEVNULL)
        for rule, variant, categories in (("total", "uncycled_and_all_cycled", usual), ("total", "anchors", every),
                                          ("half", "uncycled_and_all_cycled", every), ("skip", "anchors", usual)):
            check(cambench, folder, rule, variant, categories)
    print("largest differences between cambench and numpy:")
    for what, off in worst.items():
        print(f"  {what:<60} {off:.1e}")


main()
