"""What a whole study costs for each trial when the evaluation is free, beside Optuna.

    python perf/study_overhead.py [--trials 400] [--optuna-trials 60] [--no-save]

Six choices of five options, random search (and regularized evolution), an evaluator that does
nothing. Contenders take turns in one process; what counts are the ratios. Durable means on disk and
safe against a power cut: SQLite as `open_store` opens it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import optuna

from archwright.evaluate import FunctionEvaluator
from archwright.run import Callback, Study
from archwright.space import Architecture, Choice, Space
from archwright.trial import MetricInfo, Trial

OPTIONS = ("a", "b", "c", "d", "e")
SPACE = Space({f"choice_{k}": Choice(*OPTIONS) for k in range(6)}, name="overhead")
RESULTS = Path(__file__).parent / "results" / "study_overhead.json"
ROUNDS = 5


def nothing(architecture: Architecture, seed: int) -> dict[str, float]:
    del architecture, seed
    return {"val_score": 0.5}


class Clock(Callback):
    """Notes when each trial finished."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_trial(self, trial: Trial) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())


def study(strategy: str, store: Path | None, trials: int) -> Study:
    evaluator = FunctionEvaluator(nothing, metrics=[MetricInfo("val_score", "max", split="val")])
    return Study(SPACE, strategy, evaluator, objective="max:val_score", budget=trials, store=store)


def archwright_seconds(strategy: str, store: Path | None, trials: int) -> float:
    prepared = study(strategy, store, trials)
    started = time.perf_counter()
    prepared.run()
    return time.perf_counter() - started


def optuna_seconds(storage: str | None, trials: int) -> float:
    def objective(trial: optuna.Trial) -> float:
        for name in SPACE.decisions:
            trial.suggest_categorical(name, OPTIONS)
        return 0.5

    created = optuna.create_study(
        storage=storage, sampler=optuna.samplers.RandomSampler(seed=0), direction="maximize"
    )
    started = time.perf_counter()
    created.optimize(objective, n_trials=trials)
    return time.perf_counter() - started


def two_workers_milliseconds(folder: Path, trials: int) -> float:
    """Return wall milliseconds per trial of two processes, from the first finished trial on."""
    clock = Clock()
    prepared = study("random", folder / "two.db", trials)
    result = prepared.run(workers=2, callback=clock)
    ends = sorted(t.finished_at for t in result.trials if t.finished_at is not None)
    # Both must be at work: leave out what one did alone while the other was starting.
    firsts = {}
    for trial in result.trials:
        if trial.finished_at is not None:
            firsts[trial.worker] = min(trial.finished_at, firsts.get(trial.worker, float("inf")))
    begin = max(firsts.values())
    counted = [end for end in ends if end >= begin]
    return 1000 * (counted[-1] - counted[0]) / (len(counted) - 1)


def growth(folder: Path) -> dict[str, float]:
    """Return how long trials 900-1000 took relative to trials 100-200."""
    ratios = {}
    for name, path in (("memory", None), ("sqlite", folder / "growth.db")):
        measured = []
        for attempt in range(3):
            clock = Clock()
            file = path.with_name(f"growth{attempt}.db") if path else None
            study("regularized-evolution", file, 1000).run(callback=clock)
            measured.append(
                (clock.times[999] - clock.times[899]) / (clock.times[199] - clock.times[99])
            )
        ratios[name] = round(median(measured), 2)
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--optuna-trials", type=int, default=40)
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        report = measure(Path(name), arguments)
    print(json.dumps(report, indent=1))
    if not arguments.no_save:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    count = iter(range(10**6))
    trials, few = arguments.trials, arguments.optuna_trials
    runs: dict[str, tuple[Callable[[], float], int]] = {
        "archwright memory": (lambda: archwright_seconds("random", None, trials), trials),
        "archwright memory, evolution": (
            lambda: archwright_seconds("regularized-evolution", None, trials),
            trials,
        ),
        "optuna memory": (lambda: optuna_seconds(None, trials), trials),
        "archwright sqlite": (
            lambda: archwright_seconds("random", folder / f"{next(count)}.db", trials),
            trials,
        ),
        "optuna sqlite": (
            lambda: optuna_seconds(f"sqlite:///{folder / str(next(count))}.odb", few),
            few,
        ),
    }
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, (run, n) in runs.items():
            times[name].append(1000 * run() / n)
    medians = {name: median(values) for name, values in times.items()}
    return {
        "milliseconds per trial (median)": {k: round(v, 4) for k, v in medians.items()},
        "optuna": optuna.__version__,
        "ratio durable": round(medians["optuna sqlite"] / medians["archwright sqlite"], 1),
        "ratio memory": round(medians["optuna memory"] / medians["archwright memory"], 1),
        "ratio memory, evolution": round(
            medians["optuna memory"] / medians["archwright memory, evolution"], 1
        ),
        "two workers, milliseconds per trial": round(two_workers_milliseconds(folder, 1000), 2),
        "trials 900-1000 over trials 100-200": growth(folder),
    }


if __name__ == "__main__":
    main()
