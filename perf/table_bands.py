"""What random search and regularized evolution find on NAS-Bench-201 at 12 epochs, 500 times each.

    ARCHWRIGHT_SHARED_DATA=... python perf/table_bands.py [--report TEST.npy] [--no-save]

The published settings: population 10, sample of 3 with replacement, one edge mutated, architectures
may come again; CIFAR-10 validation accuracy after 12 epochs is what the search sees and chooses by,
and the test accuracy of the same training is what is reported of its choice, after 50, 100, 200 and
400 queries. Published bands are of 200-epoch test accuracies, which these tables do not hold; who
has them in the published order, as an array `(15625,)`, gives them with `--report`.

What random search finds can be worked out exactly from the table, mean and deviation: of n uniform
draws the best is v with probability F(v)^n - F(v-)^n, and among architectures of equal validation
accuracy each is as likely. The run has to agree with it, and evolution has to be ahead.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archwright.space import space_named
from archwright.strategy import batched

RESULTS = Path(__file__).parent / "results" / "table_bands.json"
RUNS, POINTS = 500, (50, 100, 200, 400)
OPTIONS: dict[str, dict[str, object]] = {
    "random": {"repeats": True},
    "regularized-evolution": {"population": 10, "sample_size": 3, "repeats": True},
}
MOST_DEVIATIONS = 4.0  # of the mean of 500 runs from the exact one, in standard errors

Floats = NDArray[np.float64]


def recorded(report: Path | None) -> tuple[Floats, Floats]:
    """Return validation and test accuracies in percent, by the space's numbers `(15625,)`."""
    path = Path(os.environ["ARCHWRIGHT_SHARED_DATA"]) / "nasbench201_12epoch.npz"
    with np.load(path, allow_pickle=False) as data:
        numbers = space_named("nasbench201").numbers(data["ops"])
        by_number = np.argsort(numbers)
        test = data["cifar10_test"] if report is None else np.load(report, allow_pickle=False)
        return data["cifar10_val"][by_number], test[by_number]


def searched(name: str, validation: Floats, test: Floats) -> dict[int, tuple[Floats, Floats]]:
    """Return validation and test accuracy `(runs,)` of the choice after each number of queries."""
    searches = batched(name, space_named("nasbench201"), range(RUNS), OPTIONS[name])
    assert searches is not None
    best, answer = np.full(RUNS, -np.inf), np.zeros(RUNS)
    found = {}
    for query in range(1, POINTS[-1] + 1):
        searches.ask()
        seen = validation[searches.numbers]
        searches.tell(seen)
        better = seen > best
        best[better], answer[better] = seen[better], test[searches.numbers][better]
        if query in POINTS:
            found[query] = best.copy(), answer.copy()
    return found


def exactly(validation: Floats, test: Floats, queries: int) -> list[tuple[float, float]]:
    """Return (mean, deviation) of the choice of random search: validation, then test."""
    values, place = np.unique(validation, return_inverse=True)
    count = np.bincount(place)
    below = np.concatenate([[0], np.cumsum(count)]) / len(validation)
    chance = below[1:] ** queries - below[:-1] ** queries
    moments = []
    for numbers in (validation, test):
        first = chance @ (np.bincount(place, numbers) / count)
        second = chance @ (np.bincount(place, numbers**2) / count)
        moments.append((float(first), float(np.sqrt(second - first**2))))
    assert len(values) == len(chance)
    return moments


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, help="other test accuracies, published order")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    validation, test = recorded(arguments.report)
    report: dict[str, object] = {"runs": RUNS, "unit": "percent"}
    found, problems = {}, []
    for name in OPTIONS:
        started = time.perf_counter()
        found[name] = searched(name, validation, test)
        seconds = time.perf_counter() - started
        report[f"{name}, seconds in all"] = round(seconds, 2)
        report[f"{name}, microseconds per query"] = round(1e6 * seconds / RUNS / POINTS[-1], 3)
    rows = {}
    for queries in POINTS:
        row: dict[str, str] = {}
        exact = exactly(validation, test, queries)
        for place, split in enumerate(("validation", "test")):
            mean, deviation = exact[place]
            row[f"{split}, random search, exact"] = f"{mean:.3f} +- {deviation:.3f}"
            means = []
            for name, runs in found.items():
                values = runs[queries][place]
                means.append(float(values.mean()))
                row[f"{split}, {name}"] = f"{values.mean():.3f} +- {values.std(ddof=1):.3f}"
            off = (means[0] - mean) / (deviation / np.sqrt(RUNS))
            row[f"{split}, random search from exact, standard errors"] = f"{off:+.2f}"
            if abs(off) > MOST_DEVIATIONS:
                problems.append(f"{queries} queries, {split}: random search is {off:.1f} off")
            if split == "validation" and means[1] <= means[0]:
                problems.append(f"{queries} queries: evolution is not ahead")
        rows[str(queries)] = row
    report["after so many queries"] = rows
    print(json.dumps(report, indent=1))
    for problem in problems:
        print(problem, file=sys.stderr)
    if not arguments.no_save:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
