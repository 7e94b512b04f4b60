"""Search a network for data, or go on with a recorded search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from archwright import run
from archwright.data import load
from archwright.errors import StoreError
from archwright.frontdoor.preparing import prepare
from archwright.frontdoor.result import SearchResult
from archwright.run import Callback, Result
from archwright.store import Store
from archwright.trial import Budget

__all__ = ["recorded", "resume", "search"]


def search(
    data: Any,
    *,
    workers: int = 1,
    executor: str | None = None,
    finalize: bool = True,
    callback: Callback | None = None,
    should_stop: Callable[[], bool] | None = None,
    **settings: Any,
) -> SearchResult:
    """Find a network for data, train it and test it.

    Args:
        data: A built-in name, a file or folder, arrays (X, y), a DataFrame, a PyTorch data set or
            a loaded `Dataset`.
        workers: Processes that evaluate at the same time.
        executor: Who starts them; None suits their number.
        finalize: Train the winner once more and read the test split.
        callback: Hears of every trial.
        should_stop: Asked now and then; true ends the search soon.
        **settings: Any of

            - space: name in the catalog, "file.py:NAME", a `Space` or a module class with
              choices; what suits the data if it is not given;
            - strategy: its name ("evolution"), and strategy_options;
            - trials: how many candidates to try; 20 if no limit is given at all;
            - seconds: wall time in seconds after which no new candidate is started;
            - objective: "max:val_accuracy", or several; what suits the task if not given;
            - constraints: hard bounds such as "parameters<=50000" or "latency_ms<=1";
            - recipe: a `Recipe`, or a mapping that changes single settings of the default one;
            - seed: root of all randomness, data splits included (0);
            - store: where the trials are kept; `out`/study.db, or memory without `out`;
            - name: name of the study; made up if not given;
            - out: folder for the report and the exported model;
            - runs: without `out`, the folder in which one named after the study is made for them;
            - resume: go on with the study of this name if it exists (False);
            - prescreen: score first and train the best first, such as "naswot:100", which scores
              100 architectures; the time counts, the scores stay in the record;
            - on_scored: hears of its progress, called with numbers done and in all;
            - guide: scores that the strategy looks at before it proposes, such as "naswot" or
              "naswot+synflow", for "filtered", "guided-evolution" and "predictor"; the time
              counts, the scores stay with the proposals in the record;
            - options of `archwright.data.load` (target, delimiter ...), of `TrainEvaluator`
              (replicates, latency, checkpoints, batch_size) and of `Study` (deterministic,
              limits, worker_options).

    Raises:
        DataError: If the data cannot be used; says every problem.
        UnknownNameError: If a name or an option is not known.
        ConstraintError: If no architecture can keep the constraints.
        StudyExistsError: If the study exists and `resume` is false.
        EnvironmentProblem: If a folder cannot be written.
    """
    return prepare(data, **settings).run(
        workers=workers,
        executor=executor,
        finalize=finalize,
        callback=callback,
        should_stop=should_stop,
    )


def resume(
    name: str,
    store: Store | str | Path,
    *,
    budget: Budget | None = None,
    workers: int = 1,
    executor: str | None = None,
    finalize: bool = True,
    callback: Callback | None = None,
) -> SearchResult:
    """Go on with a recorded search, from its store alone.

    Args:
        name: The study.
        store: Path or URL of its store.
        budget: Replaces the recorded one, to search on.
        workers: As for `search`.
        executor: As for `search`.
        finalize: As for `search`.
        callback: Hears of every trial.

    Raises:
        StudyNotFoundError: If there is no such study.
        StoreError: If the study cannot be rebuilt from its record.
    """
    return recorded(name, store).resume(
        budget=budget, workers=workers, executor=executor, finalize=finalize, callback=callback
    )


def recorded(name: str, store: Store | str | Path) -> SearchResult:
    """Return what a recorded search has found so far, without running anything.

    Raises:
        StudyNotFoundError: If there is no such study.
        StoreError: If the study cannot be rebuilt from its record.
    """
    opened, record, job = run.load_study(name, store)
    if "data" not in record.spec:
        raise StoreError(f"study {name!r} did not train networks on data")
    data = load(record.spec["data"])
    found = Result(record, opened.trials(record), job.objectives, job.constraints)
    out = record.spec.get("out")
    return SearchResult(found, data, job, opened, Path(out) if out else None)
