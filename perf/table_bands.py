"""What random search and regularized evolution find on NAS-Bench-201 at 12 epochs, 500 times each.

    ARCHWRIGHT_SHARED_DATA=... python perf/table_bands.py [--report TEST.npy] [--no-save]

The published settings: population 10, sample of 3 with replacement, one edge mutated, architectures
may come again; CIFAR-10 validation accuracy after 12 epochs is what the search sees and chooses by.
What it has chosen after 50, 100, 200 and 400 queries is reported by three accuracies: the
validation accuracy itself, the test accuracy of the same training, and a test accuracy of whole
trainings.

The last is what published bands are of, after 200 epochs; the table of 12 epochs does not hold it.
Who has it in the published order, as an array `(15625,)`, gives it with `--report`. Otherwise the
15,625 networks that AnalogNAS-Bench trained once more stand for it: other trainings, whose
accuracies lie lower throughout, so that one number, the mean of the eight differences, is added
before they are compared with the bands.

What random search finds can be worked out exactly from the table, mean and deviation: of n uniform
draws the best is v with probability F(v)^n - F(v-)^n, and among architectures of equal validation
accuracy each is as likely. The run has to agree with it, evolution has to be ahead, and all eight
means have to be in the bands.
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

from archwright.benchmark import load_benchmark
from archwright.space import space_named
from archwright.strategy import batched

RESULTS = Path(__file__).parent / "results" / "table_bands.json"
RUNS, POINTS = 500, (50, 100, 200, 400)
RANDOM, EVOLUTION = "random", "regularized-evolution"
OPTIONS: dict[str, dict[str, object]] = {
    RANDOM: {"repeats": True},
    EVOLUTION: {"population": 10, "sample_size": 3, "repeats": True},
}
MOST_DEVIATIONS = 4.0  # of the mean of 500 runs from the exact one, in standard errors
BANDS = {  # mean test accuracies after 200 epochs, of 500 runs
    RANDOM: (93.460, 93.701, 93.866, 93.969),
    EVOLUTION: (93.579, 93.891, 94.109, 94.253),
}
TOLERANCE = 0.08

Floats = NDArray[np.float64]


def recorded(report: Path | None) -> dict[str, Floats]:
    """Return accuracies in percent, by the space's numbers, each `(15625,)`."""
    path = Path(os.environ["ARCHWRIGHT_SHARED_DATA"]) / "nasbench201_12epoch.npz"
    with np.load(path, allow_pickle=False) as data:
        by_number = np.argsort(space_named("nasbench201").numbers(data["ops"]))
        found = {key: data[f"cifar10_{key}"][by_number] for key in ("val", "test")}
    if report is None:
        other = load_benchmark("analog-nasbench")
        rows = np.argsort(other.space.numbers(np.asarray(other.codes)))
        found["trained"] = other.values("test_accuracy_baseline", rows)
    else:
        found["trained"] = np.load(report, allow_pickle=False)[by_number]
    return found


def searched(name: str, accuracies: dict[str, Floats]) -> dict[int, dict[str, Floats]]:
    """Return the accuracies `(runs,)` of the choice after each number of queries."""
    searches = batched(name, space_named("nasbench201"), range(RUNS), OPTIONS[name])
    assert searches is not None
    best, chosen = np.full(RUNS, -np.inf), np.zeros(RUNS, np.int64)
    found = {}
    for query in range(1, POINTS[-1] + 1):
        searches.ask()
        seen = accuracies["val"][searches.numbers]
        searches.tell(seen)
        better = seen > best
        best[better], chosen[better] = seen[better], searches.numbers[better]
        if query in POINTS:
            found[query] = {key: values[chosen] for key, values in accuracies.items()}
    return found


def exactly(validation: Floats, reported: Floats, queries: int) -> tuple[float, float]:
    """Return mean and deviation of what random search chooses."""
    _, place = np.unique(validation, return_inverse=True)
    count = np.bincount(place)
    below = np.concatenate([[0], np.cumsum(count)]) / len(validation)
    chance = below[1:] ** queries - below[:-1] ** queries
    first = chance @ (np.bincount(place, reported) / count)
    second = chance @ (np.bincount(place, reported**2) / count)
    return float(first), float(np.sqrt(second - first**2))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--report", type=Path, help="test accuracies at 200 epochs")
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    accuracies = recorded(arguments.report)
    report: dict[str, object] = {"runs": RUNS, "unit": "percent"}
    found = {}
    for name in OPTIONS:
        started = time.perf_counter()
        found[name] = searched(name, accuracies)
        seconds = time.perf_counter() - started
        report[f"{name}, seconds in all"] = round(seconds, 2)
        report[f"{name}, microseconds per query"] = round(1e6 * seconds / RUNS / POINTS[-1], 3)
    rows, problems = against_exact(accuracies, found)
    report["after so many queries"] = rows
    report["against the bands"], more = against_bands(found, own=arguments.report is not None)
    problems += more
    print(json.dumps(report, indent=1))
    for problem in problems:
        print(problem, file=sys.stderr)
    if not arguments.no_save:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if problems else 0


def against_exact(
    accuracies: dict[str, Floats], found: dict[str, dict[int, dict[str, Floats]]]
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Return means and deviations beside the exact ones, and what is wrong with them."""
    rows: dict[str, dict[str, str]] = {}
    problems = []
    for queries in POINTS:
        row = rows[str(queries)] = {}
        for key, values in accuracies.items():
            mean, deviation = exactly(accuracies["val"], values, queries)
            row[f"{key}, random search, exact"] = f"{mean:.3f} +- {deviation:.3f}"
            runs = {name: one[queries][key] for name, one in found.items()}
            for name, own in runs.items():
                row[f"{key}, {name}"] = f"{own.mean():.3f} +- {own.std(ddof=1):.3f}"
            off = (runs[RANDOM].mean() - mean) / (deviation / np.sqrt(RUNS))
            row[f"{key}, random search from exact, standard errors"] = f"{off:+.2f}"
            if abs(off) > MOST_DEVIATIONS:
                problems.append(f"{queries} queries, {key}: random search is {off:.1f} off")
            if runs[EVOLUTION].mean() <= runs[RANDOM].mean():
                problems.append(f"{queries} queries, {key}: evolution is not ahead")
    return rows, problems


def against_bands(
    found: dict[str, dict[int, dict[str, Floats]]], *, own: bool
) -> tuple[dict[str, object], list[str]]:
    """Return how far the eight means are from the published ones, and those outside."""
    means = {
        name: np.array([one[queries]["trained"].mean() for queries in POINTS])
        for name, one in found.items()
    }
    away = {name: means[name] - np.array(BANDS[name]) for name in BANDS}
    shift = 0.0 if own else float(np.mean(list(away.values())))
    left = {name: [f"{value:+.3f}" for value in away[name] - shift] for name in away}
    report: dict[str, object] = {"trainings lie higher by": round(shift, 3), "then away by": left}
    problems = [
        f"{queries} queries, {name}: {value - shift:+.3f} from the published mean"
        for name in away
        for queries, value in zip(POINTS, away[name].tolist(), strict=True)
        if abs(value - shift) > TOLERANCE
    ]
    return report, problems


if __name__ == "__main__":
    sys.exit(main())
