"""Trials as pandas tables: the whole history, the leaderboard, the incumbent's curve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archwright.errors import UnknownNameError
from archwright.report.decisions import answers, columns, summary
from archwright.trial import Constraint, Objective, Trial, feasible

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CurveAxis", "best_trials", "history", "incumbent_curve", "leaderboard", "write_csv"]

CurveAxis = Literal["trials", "cost", "time"]
_AXES = ("trials", "cost", "time")
_COSTS = ("parameters", "macs", "latency_ms")
_BEFORE = ("number", "status", "origin", "parents")
_AFTER = (
    *("cost_seconds", "seed", "epochs", "attempt", "worker", "error"),
    *("asked_at", "started_at", "finished_at"),
)


def write_csv(frame: pd.DataFrame, path: str | Path) -> Path:
    """Write a table as a CSV file, without its index; replaces a file in one step."""
    from archwright.report._files import write_bytes

    return write_bytes(Path(path), frame.to_csv(index=False).encode())


def history(trials: Iterable[Trial]) -> pd.DataFrame:
    """Return one row per trial, with everything that is known of it.

    Columns, in order: number, status, origin, parents; every decision by its path ("hidden.0",
    "cell.edge_0_1"); every metric; every score of a guide ("guide.naswot"); cost_seconds, seed,
    epochs, attempt, worker, error; asked_at, started_at and finished_at as UTC times. What a trial
    lacks is missing (NaN, NA or NaT), and a whole number stays whole. A decision whose path is the
    name of another column is called "decision.PATH", a metric likewise "metric.NAME".
    """
    import pandas as pd

    ordered = sorted(trials, key=lambda trial: trial.number)
    paths = _decision_paths(ordered)
    found = [answers(trial.architecture) for trial in ordered]
    taken = {*_BEFORE, *_AFTER}
    table: dict[str, Any] = {name: [_fact(t, name) for t in ordered] for name in _BEFORE}
    for path in paths:
        name = f"decision.{path}" if path in taken else path
        table[name] = _series([row.get(path) for row in found])
    taken |= {*table}
    for metric in _metric_names(ordered):
        name = f"metric.{metric}" if metric in taken else metric
        table[name] = _series([trial.metrics.get(metric) for trial in ordered])
    scores = _scores(ordered)
    for name in dict.fromkeys(name for own in scores.values() for name in own):
        table[name] = _series([scores.get(t.architecture.codes, {}).get(name) for t in ordered])
    for name in _AFTER:
        facts = [_fact(trial, name) for trial in ordered]
        if name.endswith("_at"):
            table[name] = pd.to_datetime(pd.Series(facts, dtype="float64"), unit="s", utc=True)
        else:
            table[name] = _series(facts)
    return pd.DataFrame(table)


def _scores(trials: Iterable[Trial]) -> dict[tuple[float, ...], dict[str, float | None]]:
    """Return what a guide said of architectures, by their codes; the proposals carry it."""
    said = [trial.proposal.guidance for trial in trials if trial.proposal.guidance]
    return {
        tuple(codes): {
            f"guide.{name}": score for name, score in zip(one["columns"], scores, strict=True)
        }
        for one in said
        for codes, scores in one["scores"]
    }


def _fact(trial: Trial, name: str) -> Any:
    match name:
        case "status":
            return str(trial.status)
        case "origin" | "parents":
            return getattr(trial.proposal, name)
        case "epochs":
            return trial.proposal.fidelity.epochs
        case "cost_seconds":
            return trial.cost_seconds if trial.status.finished else None
        case "asked_at":
            return trial.asked_at or None
        case _:
            return getattr(trial, name)


def _series(values: list[Any]) -> Any:
    """Return values as a column; integers stay integers where some are missing."""
    import pandas as pd

    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return pd.array(values, dtype="Int64" if None in values else "int64")
    if kinds and kinds <= {int, float}:
        return pd.array([math.nan if v is None else v for v in values], dtype="float64")
    return pd.Series(values, dtype=object)


def _decision_paths(trials: Sequence[Trial]) -> list[str]:
    """Return the paths of all trials' spaces (of one study: one space), in the space's order."""
    spaces = {trial.architecture.space.fingerprint: trial.architecture.space for trial in trials}
    return list(dict.fromkeys(c.path for space in spaces.values() for c in columns(space)))


def _metric_names(trials: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial.metrics))


def best_trials(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    n: int | None = None,
) -> list[Trial]:
    """Return the feasible trials, best first, each architecture once.

    Ordered by the objectives in turn, then by number. Of several trials of one architecture the
    best is kept. A trial that has not measured the first objective is left out.
    """
    ranked = sorted(
        (trial for trial in trials if feasible(trial, constraints)),
        key=lambda trial: (*(o.loss(trial) for o in objectives), trial.number),
    )
    once: dict[str, Trial] = {}
    for trial in ranked:
        if math.isfinite(objectives[0].loss(trial)):
            once.setdefault(trial.architecture.key, trial)
    return list(once.values())[:n]


def leaderboard(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    n: int = 10,
) -> pd.DataFrame:
    """Return the best `n` architectures: feasible, completed, each shown once.

    Columns: rank (from 1), trial, metrics of objectives and constraints, those of parameters, macs
    and latency_ms that were measured, scores of a guide, cost_seconds, architecture (text).
    """
    import pandas as pd

    trials = list(trials)
    best = best_trials(trials, objectives, constraints, n)
    wanted = [o.metric for o in objectives] + [c.metric for c in constraints]
    measured = {name for trial in best for name in trial.metrics}
    metrics = [m for m in dict.fromkeys([*wanted, *_COSTS]) if m in measured or m in wanted]
    table: dict[str, Any] = {
        "rank": list(range(1, len(best) + 1)),
        "trial": [trial.number for trial in best],
    }
    for metric in metrics:
        table[metric] = _series([_whole(trial.metrics.get(metric), metric) for trial in best])
    scores = _scores(trials)
    for name in dict.fromkeys(name for own in scores.values() for name in own):
        table[name] = _series([scores.get(t.architecture.codes, {}).get(name) for t in best])
    table["cost_seconds"] = [trial.cost_seconds for trial in best]
    table["architecture"] = [summary(trial.architecture.values) for trial in best]
    return pd.DataFrame(table)


def _whole(value: float | None, metric: str) -> float | int | None:
    """Return counts as integers, whichever way they were stored."""
    if value is not None and metric in ("parameters", "macs", "size_bytes"):
        return int(value) if value == int(value) else value
    return value


def incumbent_curve(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    *,
    by: CurveAxis = "trials",
) -> pd.DataFrame:
    """Return how the best value found moved, one row per finished trial in the order of finishing.

    Columns: at (finished trials, summed cost in seconds, or seconds of wall time since the first
    trial was asked, pauses included), trial, value (of this trial; missing unless it is feasible),
    incumbent (best value so far; missing before the first feasible trial).

    Args:
        trials: Any trials; those that have not finished are passed over.
        objectives: The first one is followed.
        constraints: A trial that breaks one never becomes the incumbent.
        by: What the progress is counted in.

    Raises:
        UnknownNameError: If `by` is none of trials, cost, time.
    """
    import pandas as pd

    if by not in _AXES:
        raise UnknownNameError("axis of the incumbent's curve", by, _AXES)
    everything = list(trials)
    finished = sorted((t for t in everything if t.status.finished), key=_finishing)
    objective = objectives[0]
    better = max if objective.direction == "max" else min
    values = [
        t.metrics.get(objective.metric, math.nan) if feasible(t, constraints) else math.nan
        for t in finished
    ]
    incumbents = accumulate(values, lambda old, new: _better(old, new, better))
    return pd.DataFrame(
        {
            "at": pd.array(_progress(finished, everything, by), dtype="float64"),
            "trial": pd.array([trial.number for trial in finished], dtype="int64"),
            "value": pd.array(values, dtype="float64"),
            "incumbent": pd.array(list(incumbents), dtype="float64"),
        }
    )


def _finishing(trial: Trial) -> tuple[float, int]:
    order = trial.finished_order
    return (math.inf if order is None else order, trial.number)


def _better(old: float, new: float, better: Any) -> float:
    if math.isnan(old) or math.isnan(new):
        return new if math.isnan(old) else old
    return float(better(old, new))


def _progress(finished: Sequence[Trial], everything: Sequence[Trial], by: str) -> list[float]:
    if by == "trials":
        return [float(index + 1) for index in range(len(finished))]
    if by == "cost":
        return list(accumulate(trial.cost_seconds for trial in finished))
    begin = min((trial.asked_at for trial in everything), default=0.0)
    return [max(0.0, (trial.finished_at or begin) - begin) for trial in finished]
