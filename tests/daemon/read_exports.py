#!/usr/bin/env python3
"""What a notebook does with the exports of stored_run.h's run: reads them by pandas, csv, json and zipfile, and compares
with the numbers worked out by hand. usage: read_exports.py FOLDER; ends with 1 and a sentence when something differs."""
import csv
import hashlib
import io
import json
import pathlib
import sys
import zipfile

import pandas

folder = pathlib.Path(sys.argv[1])


def close(what, found, expected, tolerance=1e-9):
    assert abs(found - expected) <= tolerance * max(1, abs(expected)), f"{what}: {found}, expected {expected}"


def check_table(name, table, volt, charge, cycle):
    assert len(table) == 264, f"{name}: {len(table)} rows"
    last = table[table[cycle] == 1].iloc[-1]
    close(f"{name}: charge of cycle 1", last[charge], 0.268e-3)
    close(f"{name}: voltage at the end of charge", table[volt].iloc[59], 3.4)


bdf = pandas.read_csv(folder / "run-bdf")
check_table("bdf", bdf, "Voltage / V", "Cycle Charging Capacity / Ah", "Cycle Count / 1")
assert bdf["Test Time / s"].is_monotonic_increasing
assert (bdf["Charging Capacity / Ah"].diff().dropna() >= 0).all(), "a cumulative column falls"
close("cumulative", (bdf["Cumulative Capacity / Ah"] - bdf["Charging Capacity / Ah"] - bdf["Discharging Capacity / Ah"]).abs().max(), 0)
offset = bdf["Unix Time / s"] - bdf["Test Time / s"]
assert offset.max() - offset.min() < 1e-5, "unix and test time do not run together"
assert set(bdf["Step Type"]) == {"CC_CHG", "CC_DCH", "REST"}
machine = pandas.read_csv(folder / "run-bdf-machine")
assert machine.to_numpy().tolist() == bdf.to_numpy().tolist(), "label and machine header head other numbers"
check_table("arbin", pandas.read_csv(folder / "run-arbin", sep=";", parse_dates=["Date_Time"]),
            "Voltage(V)", "Charge_Capacity(Ah)", "Cycle_Index")
archive = pandas.read_csv(folder / "run-battery-archive")
check_table("battery archive", archive, "Voltage (V)", "Charge_Capacity (Ah)", "Cycle_Index")
pandas.to_datetime(archive["Date_Time"], format="%Y-%m-%d %H:%M:%S.%f")  # BEEP's format: microseconds always
pressure = list(csv.DictReader(open(folder / "run-pressure", newline="")))
assert len(pressure) == 264 and float(pressure[0]["Applied Pressure / Pa"]) == 50e6

crate = zipfile.ZipFile(folder / "run-crate")
assert crate.testzip() is None
names = crate.namelist()
metadata = json.loads(crate.read("ro-crate-metadata.json"))
graph = metadata["@graph"]
by_id = {entity["@id"]: entity for entity in graph}
assert len(by_id) == len(graph), "an @id stands twice"
assert metadata["@context"] == "https://w3id.org/ro/crate/1.2/context"
descriptor, root = by_id["ro-crate-metadata.json"], by_id["./"]
assert descriptor["@type"] == "CreativeWork" and descriptor["about"] == {"@id": "./"}
assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.2"}
for key in ("name", "description", "datePublished", "license"):
    assert root.get(key), f"the root dataset has no {key}"
parts = [part["@id"] for part in root["hasPart"]]
assert sorted(parts + ["ro-crate-metadata.json"]) == sorted(names), "files listed and files there differ"
for name in parts:
    data, entity = crate.read(name), by_id[name]
    assert entity["@type"] == "File" and entity["encodingFormat"]
    assert entity["sha256"] == hashlib.sha256(data).hexdigest(), f"{name}: another hash"
    assert entity["contentSize"] == str(len(data))


def references(value):
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


outside = {"https://w3id.org/ro/crate/1.2"}
dangling = {r for entity in graph for r in references(entity)} - set(by_id) - outside
assert not dangling, f"nothing describes {dangling}"
for entity in graph:  # flattened: nothing but references inside
    for value in entity.values():
        for inner in value if isinstance(value, list) else [value]:
            assert not isinstance(inner, dict) or set(inner) == {"@id"}, f"{entity['@id']} holds an entity"
in_crate = pandas.read_csv(io.BytesIO(crate.read("data.bdf.csv")))
assert in_crate.to_numpy().tolist() == bdf.to_numpy().tolist()
assert any(name.startswith("scores-coatings") for name in names)
assert json.loads(crate.read("executed.json"))["conformance"] == "conformant"
print(f"{len(bdf)} rows, {len(parts)} files in the crate: as stored")
