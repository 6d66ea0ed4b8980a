#!/usr/bin/python3
"""A made ToF-SIMS study scored twice, in several settings: by cambench, and here with numpy from the same files. Nothing is shared but the
files and the rules as the headers of analysis/ state them: normalisation pixel by pixel, statistics, PCA, eq. 1 of
Hertle et al., and the bootstrap down to its random numbers. usage: independent.py CAMBENCH CAMBENCH-SIM"""
import csv, json, pathlib, re, subprocess, sys, tempfile

try:
    import numpy as np
except ImportError:
    print("skipped: no numpy (Debian: python3-numpy)")
    sys.exit(77)

REFERENCE, UNCYCLED, CYCLED = "ncm-uncoated", 0, 1  # states in the order that cambench sorts them
REFERENCE_ION, MIN_COUNTS = "NiO_2-", 2
worst = {}


def same(what, ours, theirs, tolerance=1e-10):
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


def normalised(images, empty_reference):
    """Every column of regions.csv for each ion of a region. Pixels without ions count nowhere; what is divided by the
    reference ion follows the rule for pixels that have too few of it: "half" divides by 0.5 where there is none, "skip"
    leaves these out, "min_counts" all that have fewer than MIN_COUNTS."""
    total, reference = images["total"], images[REFERENCE_ION]
    ions = total > 0
    kept = ions & {"half": reference >= 0, "skip": reference > 0, "min_counts": reference >= MIN_COUNTS}[empty_reference]
    empty = kept & (reference == 0)
    divisor = np.where(reference > 0, reference, 0.5)
    of_region = {"pixels": total.size, "pixels_without_ions": np.sum(~ions),
                 "pixels_without_reference": np.sum(ions & ~kept) + np.sum(empty)}
    rows = {}
    for label, counts in images.items():
        if label in ("total", "sum of rest"):
            continue
        share, ratio = counts[ions] / total[ions], counts[kept] / divisor[kept]
        rows[composition(label)] = of_region | {
            "counts": counts.sum(), "by_total": share.mean(), "by_total_sum": share.sum(),
            "ratio_to_total": counts.sum() / total.sum(), "by_reference": ratio.mean(), "by_reference_sum": ratio.sum(),
            "ratio_to_reference": counts.sum() / reference.sum(),
            "share_from_empty_reference": np.sum(counts[empty]) / 0.5 / ratio.sum() if ratio.sum() > 0 else 0}
    return rows


def read(study, empty_reference):
    """What each ion of each region comes to, by (material, state, region) in the order of cambench."""
    images = {}
    for path in study.rglob("*.txt"):
        base, label = re.fullmatch(r"(.*) \(\d+\) - (.+)\.txt", path.name).groups()
        state = UNCYCLED if path.parent.name == "uncycled" else CYCLED
        images.setdefault((path.parent.parent.name, state, base), {})[label] = image(path)
    return {spot: normalised(images[spot], empty_reference) for spot in sorted(images)}


def state_of(row):
    return UNCYCLED if row["state"] == "uncycled" else CYCLED


def check_regions(folder, regions):
    with open(folder / "regions.csv") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != sum(map(len, regions.values())):
        sys.exit(f"regions.csv has {len(rows)} rows for {len(regions)} regions")
    if rows != [{key: str(value) for key, value in row.items()} for row in
                json.loads((folder / "regions.json").read_text(), parse_float=str, parse_int=str)]:
        sys.exit("regions.json does not hold the cells of regions.csv")
    for row in rows:
        expected = regions[row["material"], state_of(row), row["region"]][composition(row["fragment"])]
        if row["reference_ion"] != REFERENCE_ION:
            sys.exit(f"regions.csv: the reference ion is {row['reference_ion']}")
        for column, value in expected.items():
            scale = max(abs(value), 1e-300)
            same("regions.csv, relative", value / scale, float(row[column]) / scale)


def check_statistics(folder, samples, ions, values):
    with open(folder / "fragments.csv") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != len(samples) * len(ions):
        sys.exit(f"fragments.csv has {len(rows)} rows, expected are {len(samples)} samples x {len(ions)} fragments")
    uncycled = values[samples[REFERENCE, UNCYCLED]].mean(axis=0)
    for row in rows:
        i = ions.index(composition(row["fragment"]))
        v = values[samples[row["material"], state_of(row)], i]
        expected = [len(v), v.mean(), v.std(ddof=1), v.std(), v.min(), *np.percentile(v, [25, 50, 75]), v.max()]
        given = [row[k] for k in ("n", "mean", "sd", "sd_population", "min", "q1", "median", "q3", "max")]
        scale = np.array([1.0] + [max(abs(v.mean()), 1e-300)] * 8)
        same("normalised intensities and their statistics, relative", expected / scale,
             np.array([float(g) for g in given]) / scale)
        if row["relative_to"] != f"{REFERENCE} uncycled":
            sys.exit(f"fragments.csv compares with {row['relative_to']}")
        if row["relative_difference_percent"]:
            same("relative differences / %", 100 * (v.mean() - uncycled[i]) / uncycled[i],
                 float(row["relative_difference_percent"]))
        if row["relative_difference_se_percent"]:
            u = values[samples[REFERENCE, UNCYCLED], i]
            ratio, squares = v.mean() / u.mean(), lambda of: of.var(ddof=1) / len(of)
            same("standard errors of relative differences / %",
                 100 * np.sqrt(squares(v) + ratio**2 * squares(u)) / abs(u.mean()),
                 float(row["relative_difference_se_percent"]))


def first_component(x):
    """Loadings of PC1 and every component's share of the variance, of max-scaled and centred rows."""
    _, singular, directions = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    return directions, singular**2 / np.sum(singular**2)


def pca_rows(samples, variant):
    """All spots, or those of the two anchors."""
    if variant == "anchors":
        return np.sort(np.concatenate([samples[REFERENCE, state] for state in (UNCYCLED, CYCLED)]))
    return np.arange(sum(len(at) for at in samples.values()))


def scores(values, samples, members, variant, v):
    """Eq. 1 and its scale for each set of fragments: spots x sets. v is "max_scaled" or "plain"."""
    rows = pca_rows(samples, variant)
    x = values / values[rows].max(axis=0)
    loading = first_component(x[rows])[0][0]
    raw = (values if v == "plain" else x) @ (loading[:, None] * members)
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


def check_bootstrap(told, result, values, samples, members, variant, v):
    random, drawn = SplitMix64(told["seed"]), []
    for _ in range(told["resamples"]):
        rows = np.concatenate([[at[random.below(len(at))] for at in samples.values()
                                for _ in at]]).reshape(-1)
        again = scores(values[rows], samples, members, variant, v)
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
            same("confidence intervals", np.percentile(of, [2.5, 97.5]), [score["ci_low"], score["ci_high"]])
        order = [names.index((material, CYCLED)) for material in ranking["materials"]]
        of = drawn[:, order, i]
        pairs = np.mean(of[:, :, None] < of[:, None, :], axis=0)
        np.fill_diagonal(pairs, 0.5)
        same("probabilities of ranks", pairs, ranking["probability_below"], 1e-12)


def check(cambench, folder, normalisation, empty_reference, variant, v, categories):
    study = folder / "drop" / "coatings"
    (study / "study.toml").write_text(
        f"[scoring]\nnormalisation = \"{normalisation}\"\nempty_reference = \"{empty_reference}\"\n"
        f"min_counts = {MIN_COUNTS}\n"
        f"[scoring.degradation]\nspots = \"{variant}\"\nvalues = \"{v}\"\ncategories = {json.dumps(categories)}\n"
        "[scoring.bootstrap]\nresamples = 200\n")
    told = subprocess.run([cambench, "--json", "score", "--out", folder / "out", study], check=True,
                          stdout=subprocess.PIPE)
    result = json.loads(told.stdout)
    regions = read(study, empty_reference)
    check_regions(folder / "out", regions)
    ions = list(next(iter(regions.values())))
    column = "by_total" if normalisation == "total_ion" else "by_reference"
    values = np.array([[rows[ion][column] for ion in ions] for rows in regions.values()])
    samples = {}
    for row, (material, state, _) in enumerate(regions):
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
    same("maxima, relative", values[rows].max(axis=0) / [f["maximum"] for f in fragments], np.ones(len(at)))
    same("means", x.mean(axis=0), [f["mean"] for f in fragments])
    directions, explained = first_component(x)
    components = len(pca["explained"])
    same("explained variance", explained[:components], pca["explained"])
    loadings = np.array([f["loadings"] for f in fragments]).T
    signs = np.sign(np.sum(loadings * directions[:components], axis=1))
    same("loadings", directions[:components] * signs[:, None], loadings)
    same("loadings of PC1", directions[0] * signs[0], loadings[0])
    given = np.array([spot["scores"] for spot in pca["spots"]])
    same("PCA scores", (x - x.mean(axis=0)) @ directions[:components].T * signs, given)
    place = {row: i for i, row in enumerate(rows)}
    means = [given[[place[row] for row in samples[REFERENCE, state]], 0].mean() for state in (UNCYCLED, CYCLED)]
    if not means[1] > means[0]:
        sys.exit("PC1 does not point from uncycled to uncoated cycled")

    members = np.array([[s["category"] in ("general", f["category"]) for s in degradation["sets"]] for f in fragments], float)
    by_spot = scores(values, samples, members, variant, v)
    for i, told_set in enumerate(degradation["sets"]):
        if "undefined" in told_set:
            continue
        for sample in told_set["samples"]:
            mine = by_spot[samples[sample["material"], state_of(sample)], i]
            same("degradation scores and their spread", [mine.mean(), mine.std(ddof=1), mine.min(), mine.max(), *mine],
                 [sample["score"], sample["sd"], sample["min"], sample["max"], *sample["spot_scores"]])
    check_bootstrap(result["bootstrap"], result, values, samples, members, variant, v)

    defined = sum("undefined" not in told_set for told_set in degradation["sets"])
    print(f"{len(regions)} regions x {len(ions)} fragments, {normalisation}, {empty_reference}, PCA of {variant}, {v}, "
          f"{defined} of {len(degradation['sets'])} scores: agree")


def main():
    cambench, simulator = sys.argv[1:3]
    usual, every = ["polysulfide", "SOy", "POy"], ["SE", "CAM", "coating", "other", "polysulfide", "SOy", "POy"]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run([simulator, "sims", "--regions", "4", "--pixels", "24", "--seed", "7", folder / "drop"],
                       check=True, stdout=subprocess.DEVNULL)
        for settings in (("total_ion", "half", "uncycled_and_all_cycled", "max_scaled", usual),
                         ("total_ion", "half", "anchors", "max_scaled", every),
                         ("total_ion", "skip", "uncycled_and_all_cycled", "plain", every),
                         ("reference_ion", "half", "uncycled_and_all_cycled", "max_scaled", every),
                         ("reference_ion", "skip", "anchors", "max_scaled", usual),
                         ("reference_ion", "min_counts", "anchors", "plain", usual)):
            check(cambench, folder, *settings)
    print("largest differences between cambench and numpy:")
    for what, off in worst.items():
        print(f"  {what:<60} {off:.1e}")


main()
