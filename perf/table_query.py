"""Tables of the size of NAS-Bench-101 against a straightforward reading of the same records.

    python perf/table_query.py [--rows 423624] [--dict-rows 20000] [--no-save]

Made-up numbers for all 423,624 cells, 4 budgets x 3 repeats with halfway values. The baseline keeps
what the original library keeps, a dict by hash of dicts by epochs of lists of dicts, and answers a
query as it does: prune the matrix, compute the hash, draw a repeat, copy the record out. It is made
of a part of the rows (a dict of all of them takes gigabytes), which favours it. Times are those of
the processor, medians of interleaved rounds.

Budgets: 200 MB, 50 ms to open, 3 us for one query of an architecture, 0.1 us for each of a batch.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from archwright.benchmark import Table, open_table, write_table
from archwright.benchmark.nasbench import ALLOWED_OPS, ModelSpec, NASBench
from archwright.space import space_named
from archwright.testing.benchmarks import synthetic_columns

RESULTS = Path(__file__).parent / "results" / "table_query.json"
ROUNDS = 7
MEGABYTE = 1e6
METRICS = ("val_accuracy", "test_accuracy", "training_seconds")
QUERIES = 5_000
BATCH = 200_000
LIMITS = {
    "size_megabytes": 200.0,
    "open_milliseconds": 50.0,
    "query_microseconds": 3.0,
    "batch_microseconds": 0.1,
}


def written(folder: Path, rows: int) -> Path:
    space = space_named("nasbench101")
    codes = space.codes_by_index()[:rows]
    columns = synthetic_columns(len(codes))
    hashes = np.array([os.urandom(16).hex() for _ in range(len(codes))])  # their size, not more
    return write_table(folder / "full.table", space, codes, columns, name="full", hashes=hashes)


def per_item(function: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Return seconds of one call, of one pass over the items."""
    started = time.thread_time()
    for item in items:
        function(item)
    return (time.thread_time() - started) / len(items)


class Records:
    """What the original library does, on some of the rows."""

    def __init__(self, table: Table, rows: Sequence[int]) -> None:
        self.bench = NASBench(table, seed=0)
        self.specs = []
        self.computed = {}
        for row in rows:
            cell = table.space.cell(table.architecture(row))
            spec = ModelSpec(cell.matrix, cell.ops)
            self.specs.append((cell.matrix, list(cell.ops)))
            self.computed[spec.hash_spec(ALLOWED_OPS)] = self.bench._computed(row)

    def query(self, given: tuple[np.ndarray, list[str]]) -> dict[str, float]:
        """Return one of the three trainings of a cell."""
        spec = ModelSpec(*given)
        found = copy.deepcopy(self.computed[spec.hash_spec(ALLOWED_OPS)])
        drawn: dict[str, float] = found[108][random.randint(0, 2)]
        return drawn


def measured(path: Path, dict_rows: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    table = open_table(path)
    rows = rng.integers(len(table), size=BATCH)
    architectures = [table.architecture(row) for row in rows[:QUERIES].tolist()]
    codes = table.codes[rows]
    records = Records(table, rows[:dict_rows].tolist())
    bench = NASBench(table, seed=0)
    specs = [ModelSpec(*given) for given in records.specs[:500]]
    read = table.reader(METRICS, repeat=0)
    mean = table.reader(METRICS)
    every: dict[str, list[float]] = {}

    def note(name: str, seconds: float) -> None:
        every.setdefault(name, []).append(seconds)

    for _ in range(ROUNDS):
        started = time.thread_time()
        open_table(path)
        note("open_milliseconds", 1e3 * (time.thread_time() - started))
        note("query_microseconds", 1e6 * per_item(read, architectures))
        note("mean_query_microseconds", 1e6 * per_item(mean, architectures))
        note("measurement_microseconds", 1e6 * per_item(table.query, architectures))
        note("compatible_query_microseconds", 1e6 * per_item(bench.query, specs))
        note("baseline_query_microseconds", 1e6 * per_item(records.query, records.specs[:500]))
        started = time.thread_time()
        table.values("val_accuracy", rows)
        note("batch_microseconds", 1e6 * (time.thread_time() - started) / BATCH)
        started = time.thread_time()
        table.rows_of(codes)
        note("rows_of_microseconds", 1e6 * (time.thread_time() - started) / BATCH)
    found = {name: median(values) for name, values in every.items()}
    found["size_megabytes"] = path.stat().st_size / MEGABYTE
    found["rows"] = len(table)
    found["times_faster"] = found["baseline_query_microseconds"] / found["query_microseconds"]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure tables of the size of NAS-Bench-101.")
    parser.add_argument("--rows", type=int, default=423_624)
    parser.add_argument("--dict-rows", type=int, default=20_000)
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measured(written(Path(folder), arguments.rows), arguments.dict_rows)
    for name, value in found.items():
        limit = f"  (at most {LIMITS[name]:g})" if name in LIMITS else ""
        print(f"{name:32} {value:12.4g}{limit}")
    broken = [name for name, limit in LIMITS.items() if found[name] > limit]
    machine = {"python": platform.python_version(), "numpy": np.__version__}
    if not arguments.no_save:
        report = {"machine": {**machine, "cores": os.cpu_count()}, "found": found, "broken": broken}
        RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print("broken: " + ", ".join(broken) if broken else "all budgets are kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
