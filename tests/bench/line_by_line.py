#!/usr/bin/python3
"""Pixel-by-pixel normalisation line by line in plain Python, the way of the published scripts that this is measured
against: every line is split at its blanks, images are lists of rows, every pixel is divided on its own.
usage: line_by_line.py TOTAL REFERENCE IMAGE...; prints processor seconds."""
import sys
import time


def image(path):
    rows = []
    with open(path) as lines:
        for line in lines:
            fields = line.split(" ")
            if fields[0] in ("#", "\n") or len(fields) < 3:
                continue
            x, y, counts = int(fields[0]), int(fields[1]), float(fields[2])
            if x == 0:
                rows.append([])
            rows[y].append(counts)
    return rows


def main():
    start = time.process_time()
    total, reference = image(sys.argv[1]), image(sys.argv[2])
    halved = [[0.5 if n == 0 else n for n in row] for row in reference]
    results = []
    for path in sys.argv[3:]:
        peak = image(path)
        counts = by_total = by_reference = 0.0
        for y, row in enumerate(peak):
            for x, n in enumerate(row):
                counts += n
                if total[y][x]:
                    by_total += n / total[y][x]
                    by_reference += n / halved[y][x]
        results.append((counts, by_total, by_reference))
    print(time.process_time() - start)


main()
