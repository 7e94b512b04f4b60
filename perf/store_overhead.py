"""What a store costs for each trial, beside Optuna's storages, in one process and one run.

The evaluator does nothing and the sampling is random: 6 choices of 5 options. The archwright side
is the store alone: finish the last trial, enqueue a proposal, claim it, in one transaction.
Optuna's side is its own ask and tell. The contenders take turns, so that a busy machine is busy for
all of them; what counts are the ratios.

    python perf/store_overhead.py [--trials 400] [--optuna-trials 60] [--long 10000] [--no-save]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna

from archwright.seeding import derive_seed
from archwright.space import Choice, Space
from archwright.store import Store, open_store
from archwright.store.sql import SQLStore
from archwright.store.sqlite import SQLiteDatabase
from archwright.trial import Measurement, Outcome, Proposal, Trial

OPTIONS = ("a", "b", "c", "d", "e")
SPACE = Space({f"choice_{i}": Choice(*OPTIONS) for i in range(6)}, name="overhead")
OUTCOME = Outcome.completed(Measurement({"score": 0.5}))
RESULTS = Path(__file__).parent / "results" / "store_overhead.json"
ROUNDS = 10


def archwright_loop(store: Store, architectures: list[Any]) -> Callable[[], None]:
    """Return a function that does one trial and everything the store needs for it."""
    study = store.create_study("overhead", space=SPACE, spec={}, seed=0)
    last: list[Trial] = []
    number = 0

    def one() -> None:
        nonlocal number
        with store.transaction(study) as tx:
            for trial in last:
                tx.finish(trial.number, trial.attempt, "worker", OUTCOME)
            tx.enqueue(
                [Proposal(architectures[number % len(architectures)])],
                [derive_seed(0, "trial", number)],
                number,
            )
            last[:] = tx.claim("worker")
        number += 1

    return one


def optuna_loop(storage: str | None) -> Callable[[], None]:
    """Return a function that asks and tells one trial."""
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(storage=storage, sampler=sampler)

    def one() -> None:
        trial = study.ask()
        for name in SPACE.decisions:
            trial.suggest_categorical(name, OPTIONS)
        study.tell(trial, 0.5)

    return one


def timed(one: Callable[[], None], repeats: int) -> list[float]:
    """Return milliseconds for each call."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        one()
        times.append(1000 * (time.perf_counter() - started))
    return times


def interleaved(
    loops: dict[str, Callable[[], None]], repeats: dict[str, int]
) -> dict[str, list[float]]:
    """Time every contender a little in each of several rounds."""
    times: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(ROUNDS):
        for name, one in loops.items():
            times[name] += timed(one, max(1, repeats[name] // ROUNDS))
    return times


def growth(make: Callable[[str], Store], architectures: list[Any], trials: int) -> float:
    """Return how much longer one trial takes in a study that holds many than in a new one."""
    loops = {}
    for name, before in (("new", 0), ("long", trials)):
        store = make(name)
        loops[name] = archwright_loop(store, architectures)
        study = store.study("overhead", space=SPACE)
        with store.transaction(study) as tx:
            tx.enqueue([Proposal(architectures[0])] * before, range(before), 0)
            for trial in tx.claim("filler", before) if before else ():
                tx.finish(trial.number, trial.attempt, "filler", OUTCOME)
    interleaved(loops, dict.fromkeys(loops, 100))
    times = interleaved(loops, dict.fromkeys(loops, 400))
    return median(times["long"]) / median(times["new"])


def reading_milliseconds(store: Store, trials: int) -> float:
    """Return what reading so many trials takes, their JSON included."""
    study = store.study("overhead", space=SPACE)
    started = time.perf_counter()
    read = store.trials(study)
    return 1000 * (time.perf_counter() - started) * trials / len(read)


def two_processes(url: str, trials: int) -> float:
    """Return milliseconds for each trial of two worker processes on one study."""
    store = open_store(url)
    study = store.create_study("pair", space=SPACE, spec={}, seed=0)
    store.close()
    context = multiprocessing.get_context("spawn")
    barrier, done = context.Barrier(3), context.Queue()
    workers = [
        context.Process(target=_pair_worker, args=(url, trials // 2, barrier, done))
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    barrier.wait()
    started = time.perf_counter()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - started
    with open_store(url) as store:
        assert store.counts(study)["finished"] == trials // 2 * 2
    return 1000 * elapsed / trials


def _pair_worker(url: str, trials: int, barrier: Any, done: Any) -> None:
    with open_store(url) as store:
        study = store.study("pair", space=SPACE)
        owner = str(multiprocessing.current_process().pid)
        architectures = SPACE.sample_many(trials, rng=np.random.default_rng(0))
        barrier.wait()
        last: list[Trial] = []
        for number in range(trials):
            with store.transaction(study) as tx:
                for trial in last:
                    tx.finish(trial.number, trial.attempt, owner, OUTCOME)
                tx.enqueue([Proposal(architectures[number])], [number], 0)
                last = tx.claim(owner)
        with store.transaction(study) as tx:
            tx.finish(last[0].number, last[0].attempt, owner, OUTCOME)


def sqlite_store(path: Path, driver: Any) -> SQLStore:
    return SQLStore(SQLiteDatabase(path, driver=driver))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--optuna-trials", type=int, default=60)
    parser.add_argument("--long", type=int, default=10_000)
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), arguments)
    print(json.dumps(report, indent=2))
    if not arguments.no_save:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(report, indent=2) + "\n")


def measure(folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    architectures = SPACE.sample_many(1000, rng=np.random.default_rng(0))
    durable = open_store(folder / "default.db")
    assert isinstance(durable, SQLStore)
    assert isinstance(durable.database, SQLiteDatabase)
    stores: dict[str, Store] = {
        "archwright memory": open_store(None),
        "archwright sqlite": durable,
        # Python's own SQLite, in case the default is another one.
        "archwright sqlite (stdlib)": sqlite_store(folder / "stdlib.db", sqlite3),
    }
    loops = {name: archwright_loop(store, architectures) for name, store in stores.items()}
    loops["optuna memory"] = optuna_loop(None)
    loops["optuna sqlite"] = optuna_loop(f"sqlite:///{folder / 'optuna.db'}")
    repeats = dict.fromkeys(loops, arguments.trials)
    repeats["optuna sqlite"] = arguments.optuna_trials
    interleaved(loops, dict.fromkeys(loops, 20))  # warm up: caches, and files at their size
    medians = {name: median(ms) for name, ms in interleaved(loops, repeats).items()}
    return {
        "milliseconds per trial (median)": {k: round(v, 4) for k, v in medians.items()},
        "sqlite": {
            "linked": durable.database._driver.sqlite_version,
            "journal": durable.database.journal_mode,
            "stdlib": sqlite3.sqlite_version,
        },
        "optuna": optuna.__version__,
        "ratio durable (optuna sqlite / archwright sqlite)": round(
            medians["optuna sqlite"] / medians["archwright sqlite"], 1
        ),
        "ratio durable, stdlib SQLite": round(
            medians["optuna sqlite"] / medians["archwright sqlite (stdlib)"], 1
        ),
        "ratio memory (optuna memory / archwright memory)": round(
            medians["optuna memory"] / medians["archwright memory"], 1
        ),
        "two processes, milliseconds per trial": round(
            two_processes(f"sqlite:///{folder / 'pair.db'}", arguments.trials), 3
        ),
        f"growth (a trial after {arguments.long} others / in a new study)": {
            "memory": round(
                growth(lambda name: open_store(None), architectures, arguments.long), 2
            ),
            "sqlite": round(
                growth(
                    lambda name: open_store(folder / f"{name}.db"), architectures, arguments.long
                ),
                2,
            ),
        },
        "reading 1,000 trials, milliseconds": round(
            reading_milliseconds(open_store(folder / "long.db"), 1000), 1
        ),
    }


if __name__ == "__main__":
    main()
