"""What a search on a benchmark table costs for each evaluation, beside plain Python loops.

    python perf/table_search.py [--rounds 5] [--no-save]

NAS-Bench-201 at 12 epochs (`ARCHWRIGHT_SHARED_DATA`; made-up numbers without it):

- a whole `Study` in memory, random search and regularized evolution;
- `simulate` with one worker and with 1,000;
- 500 repeats of 400 queries advanced together, beside the same search as a plain loop on strings
  and a dictionary.

NAS-Bench-101 (made-up numbers for all 423,624 cells): regularized evolution with the constants of
the published tutorial, strategy and `Table.reader`, beside a loop as the published one: matrices in
numpy, pruned and hashed, looked up in a dictionary.

All turns are interleaved; times are those of the processor in the main thread, medians of rounds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from archwright.benchmark import Column, Table, open_table, write_table
from archwright.run import Study, simulate
from archwright.space import space_named
from archwright.space.catalog.nasbench101 import NASBench101, hashes_of, nasbench101
from archwright.strategy import batched, make_strategy
from archwright.testing.benchmarks import synthetic_table
from archwright.trial import Measurement, Outcome, Trial

RESULTS = Path(__file__).parent / "results" / "table_search.json"
GOAL = "max:val_accuracy"
PUBLISHED: dict[str, Any] = {"population": 10, "sample_size": 3, "repeats": True}  # NAS-Bench-201
TUTORIAL: dict[str, Any] = {  # NAS-Bench-101
    "population": 50,
    "sample_size": 10,
    "replacement": False,
    "repeats": True,
}
REPEATS, QUERIES, TRIALS, CELLS = 500, 400, 1000, 1500
BUDGETS = {  # microseconds for each evaluation
    "study, random": 60.0,
    "study, regularized-evolution": 60.0,
    "500 x 400 together, random": 1.0,
    "500 x 400 together, regularized-evolution": 1.0,
    "nasbench101, evolution, strategy and reader": 41.0,
}


def table_201(folder: Path) -> Table:
    """Return the recorded table, or made-up numbers of the same size."""
    space = space_named("nasbench201")
    shared = os.environ.get("ARCHWRIGHT_SHARED_DATA")
    if not shared:
        return synthetic_table(space, folder / "cells.table", epochs=(12,), repeats=1)
    with np.load(Path(shared) / "nasbench201_12epoch.npz", allow_pickle=False) as data:
        columns = [
            (Column(f"{split}_accuracy", "percent", "max", split), data[f"cifar10_{split}"])
            for split in ("val", "test")
        ]
        path = write_table(folder / "cells.table", space, data["ops"], columns, name="nasbench201")
    return open_table(path)


def table_101(folder: Path) -> Table:
    """Return made-up numbers for all cells, three trainings of 108 epochs each."""
    space = nasbench101()
    rng = np.random.default_rng(0)
    codes = np.asarray(space.codes_by_index())
    shape = (len(codes), 1, 3)
    axes: dict[str, Any] = {"epochs": (108,), "repeats": 3}
    columns = [
        (Column("val_accuracy", "fraction", "max", "val", **axes), rng.random(shape)),
        (Column("test_accuracy", "fraction", "max", "test", **axes), rng.random(shape)),
        (Column("training_seconds", "seconds", "min", **axes), 1e3 * rng.random(shape)),
    ]
    return open_table(write_table(folder / "101.table", space, codes, columns, name="made up"))


def a_study(table: Table, strategy: str) -> int:
    Study(table.space, strategy, table, objective=GOAL, budget=TRIALS).run()
    return TRIALS


def a_simulation(table: Table, workers: int) -> int:
    strategy = make_strategy("regularized-evolution", table.space, [GOAL], seed=0)
    simulate(strategy, table, TRIALS, workers=workers)
    return TRIALS


def together(table: Table, name: str, options: dict[str, Any]) -> int:
    """Advance all repeats; as a comparison does, rows and numbers of both splits included."""
    searches = batched(name, table.space, range(REPEATS), options)
    assert searches is not None
    validation, test = (table.values(f"{split}_accuracy") for split in ("val", "test"))
    row_of = np.argsort(table.space.numbers(table.codes))
    best, answer = np.full(REPEATS, -np.inf), np.zeros(REPEATS)
    for _ in range(QUERIES):
        searches.ask()
        rows = row_of[searches.numbers]
        seen = validation[rows]
        searches.tell(seen)
        better = seen > best
        best[better], answer[better] = seen[better], test[rows][better]
    return REPEATS * QUERIES


class Strings:
    """The NAS-Bench-201 search as a plain loop: strings, a dictionary, `random` of numpy."""

    def __init__(self, table: Table) -> None:
        space = table.space
        texts = [space.format(table.architecture(row)) for row in range(len(table))]
        values = (table.values(f"{split}_accuracy").tolist() for split in ("val", "test"))
        self.recorded = dict(zip(texts, zip(*values, strict=True), strict=True))
        self.operations = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]

    def _text(self, ops: list[str]) -> str:
        a, b, c, d, e, f = ops
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def _evolve(self, seed: int) -> float:
        rng = random.Random(seed)
        population: list[tuple[float, list[str]]] = []
        best = answer = 0.0
        for _ in range(QUERIES):
            if len(population) < 10:
                ops = [rng.choice(self.operations) for _ in range(6)]
            else:
                parent = max(rng.choice(population) for _ in range(3))
                ops = list(parent[1])
                edge = rng.randrange(6)
                ops[edge] = rng.choice([op for op in self.operations if op != ops[edge]])
                population.pop(0)
            validation, test = self.recorded[self._text(ops)]
            population.append((validation, ops))
            if validation > best:
                best, answer = validation, test
        return answer

    def __call__(self) -> int:
        """Run five searches."""
        for seed in range(5):
            self._evolve(seed)
        return 5 * QUERIES


def evolve_101(table: Table) -> int:
    """One search with the tutorial's constants: ask, look up, tell."""
    strategy = make_strategy("regularized-evolution", table.space, [GOAL], seed=0, **TUTORIAL)
    names = ("val_accuracy", "test_accuracy", "training_seconds")
    readers = [table.reader(names, repeat=repeat) for repeat in range(3)]
    draws = np.random.default_rng(0).integers(3, size=CELLS).tolist()
    for number, draw in enumerate(draws):
        (proposal,) = strategy.ask()
        values = readers[draw](proposal.architecture)
        measured = Measurement(dict(zip(names, values, strict=True)), values[2])
        outcome = Outcome.completed(measured)
        trial = Trial(number, proposal, 0, outcome.status, number, 1, number, outcome)
        strategy.tell(trial)
    return CELLS


class Matrices:
    """The NAS-Bench-101 search as the published loop does it."""

    OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")

    def __init__(self, table: Table) -> None:
        space = table.space
        assert isinstance(space, NASBench101)
        values = table.values("val_accuracy", repeat="all").tolist()
        seconds = table.values("training_seconds", repeat="all").tolist()
        hashes = (bytes(one).decode() for one in hashes_of(space))
        records = ({108: pair} for pair in zip(values, seconds, strict=True))
        self.recorded = dict(zip(hashes, records, strict=True))

    def __call__(self) -> int:
        """Run one search."""
        rng = np.random.default_rng(0)
        population: list[tuple[float, np.ndarray, list[int]]] = []
        for _ in range(CELLS):
            if len(population) < 50:
                matrix, ops = self._random(rng)
            else:
                picked = rng.choice(50, 10, replace=False)
                _, matrix, ops = max((population[k] for k in picked), key=lambda one: one[0])
                matrix, ops = self._mutated(matrix, ops, rng)
                population.pop(0)
            validation, _ = self.recorded[self._hash(matrix, ops)][108]
            population.append((validation[int(rng.integers(3))], matrix, ops))
        return CELLS

    def _random(self, rng: np.random.Generator) -> tuple[np.ndarray, list[int]]:
        while True:
            matrix = np.triu(rng.integers(0, 2, (7, 7)), 1)
            ops = rng.integers(0, 3, 5).tolist()
            if self._hash(matrix, ops) in self.recorded:
                return matrix, ops

    def _mutated(
        self, matrix: np.ndarray, ops: list[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, list[int]]:
        while True:
            new, labels = matrix.copy(), list(ops)
            for source in range(6):
                for target in range(source + 1, 7):
                    if rng.random() < 1 / 7:
                        new[source, target] = 1 - new[source, target]
            for vertex in range(5):
                if rng.random() < 1 / 5:
                    others = [op for op in range(3) if op != labels[vertex]]
                    labels[vertex] = others[int(rng.integers(2))]
            if self._hash(new, labels) in self.recorded:
                return new, labels

    def _hash(self, matrix: np.ndarray, ops: list[int]) -> str:
        """Return the hash of the pruned graph; empty if it is none."""
        kept = sorted(self._reached(matrix, 0) & self._reached(matrix.T, 6))
        if len(kept) < 2 or not {0, 6} <= set(kept):
            return ""
        small = matrix[np.ix_(kept, kept)]
        labels = [-1, *(ops[vertex - 1] for vertex in kept[1:-1]), -2]
        degrees = zip(small.sum(axis=1).tolist(), small.sum(axis=0).tolist(), labels, strict=True)
        hashes = [hashlib.md5(str(one).encode()).hexdigest() for one in degrees]
        size = len(kept)
        for _ in range(size):
            hashes = [
                hashlib.md5(
                    (
                        "".join(sorted(hashes[w] for w in range(size) if small[w, v]))
                        + "|"
                        + "".join(sorted(hashes[w] for w in range(size) if small[v, w]))
                        + "|"
                        + hashes[v]
                    ).encode()
                ).hexdigest()
                for v in range(size)
            ]
        return hashlib.md5(str(sorted(hashes)).encode()).hexdigest()

    def _reached(self, matrix: np.ndarray, start: int) -> set[int]:
        seen, frontier = {start}, [start]
        while frontier:
            vertex = frontier.pop()
            for other in range(7):
                if matrix[vertex, other] and other not in seen:
                    seen.add(other)
                    frontier.append(other)
        return seen


def microseconds(run: Callable[[], int]) -> float:
    started = time.thread_time()
    evaluations = run()
    return 1e6 * (time.thread_time() - started) / evaluations


def measure(folder: Path, rounds: int) -> dict[str, float]:
    small, large = table_201(folder), table_101(folder)
    evolution = "regularized-evolution"
    runs: dict[str, Callable[[], int]] = {
        "study, random": lambda: a_study(small, "random"),
        f"study, {evolution}": lambda: a_study(small, evolution),
        "simulate, 1 worker": lambda: a_simulation(small, 1),
        "simulate, 1,000 workers": lambda: a_simulation(small, 1000),
        "500 x 400 together, random": lambda: together(small, "random", {"repeats": True}),
        f"500 x 400 together, {evolution}": lambda: together(small, evolution, PUBLISHED),
        f"500 x 400 together, {evolution}, no repeats": lambda: together(
            small, evolution, PUBLISHED | {"repeats": False}
        ),
        "strings and a dictionary, evolution": Strings(small),
        "nasbench101, evolution, strategy and reader": lambda: evolve_101(large),
        "nasbench101, evolution, matrices and a dictionary": Matrices(large),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            times[name].append(microseconds(run))
    return {name: round(median(values), 3) for name, values in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), arguments.rounds)
    loops = {
        "500 x 400 together, regularized-evolution": "strings and a dictionary, evolution",
        "nasbench101, evolution, strategy and reader": (
            "nasbench101, evolution, matrices and a dictionary"
        ),
    }
    report = {
        "microseconds per evaluation (median of CPU time)": found,
        "times sooner than the loop": {
            name: round(found[loop] / found[name], 1) for name, loop in loops.items()
        },
        "recorded numbers": bool(os.environ.get("ARCHWRIGHT_SHARED_DATA")),
        "python": sys.version.split()[0],
        "numpy": np.__version__,
        "cores": os.cpu_count(),
    }
    print(json.dumps(report, indent=1))
    if not arguments.no_save:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    broken = {name: found[name] for name, most in BUDGETS.items() if found[name] > most}
    for name, value in broken.items():
        print(f"over budget: {name}: {value} us, allowed {BUDGETS[name]}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
