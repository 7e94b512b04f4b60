"""What many repeats say together: curves with bands, tables with intervals, paired tests.

Curves. `curve` follows the incumbents of all repeats over evaluations or simulated time, as steps:
an answer counts from the moment its evaluation ended. A line is drawn only where every repeat has
a value. `interpolated` is the aggregation of the published NAS-Bench-101 notebook instead: straight
lines between queries, read on a regular grid of times.

Bands hold the middle half of the repeats. "quantile" is the usual interpolated quantile;
"published" takes the sorted values at positions int(0.25 n) and int(0.75 n), as the notebook does.

Tests. Strategies are compared repeat by repeat (repeat `i` of each has the same seed): Wilcoxon's
signed-rank test on the differences, two-sided, pairs without a difference left out, corrected by
Holm over all strategies; its effect size is the matched-pairs rank-biserial correlation (Kerby
2014), from -1 (worse in every pair) to 1. Intervals are Student's t at 95 %. With three strategies
or more, mean ranks come with Friedman's test and Nemenyi's critical difference (Demšar 2006).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archwright.errors import UnknownNameError
from archwright.trial import Comparison, Runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Band",
    "Curve",
    "Ranks",
    "band_of",
    "curve",
    "final_table",
    "holm",
    "interpolated",
    "interval",
    "mean_ranks",
    "paired_test",
]

Floats = NDArray[np.float64]
Band = Literal["quantile", "published"]
BANDS = ("quantile", "published")
CONFIDENCE = 0.95
_POINTS = 400


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean and band of many repeats; all arrays are `(points,)`.

    Args:
        label: Whose.
        x: Evaluations, or seconds of simulated time.
        mean: Mean over the repeats.
        low: Lower edge of the band.
        high: Upper edge of the band.
        n: How many repeats, the same at every point.
    """

    label: str
    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    n: int


def band_of(values: Floats, band: Band = "quantile") -> tuple[Floats, Floats]:
    """Return the quartiles of `(repeats, points)` values, each `(points,)`.

    Raises:
        UnknownNameError: If there is no such band.
    """
    if band not in BANDS:
        raise UnknownNameError("band", band, BANDS)
    if band == "quantile":
        low, high = np.quantile(values, [0.25, 0.75], axis=0)
        return low, high
    ordered = np.sort(values, axis=0)
    n = len(ordered)
    return ordered[int(0.25 * n)], ordered[int(0.75 * n)]


def curve(
    comparison: Comparison,
    runs: Runs,
    kind: str,
    *,
    by: str = "evaluations",
    log: bool = False,
    band: Band = "quantile",
) -> Curve:
    """Return one strategy's curve of the incumbent's value.

    Args:
        comparison: Where it ran.
        runs: The strategy.
        kind: One of `comparison.kinds`.
        by: "evaluations" or "seconds" of simulated time.
        log: Whether the points in time are spaced for a logarithmic axis.
        band: How the quartiles are taken.

    Raises:
        UnknownNameError: If there is no such kind, axis or band.
    """
    axes = ("evaluations", "seconds") if comparison.has_time else ("evaluations",)
    if by not in axes:
        raise UnknownNameError("axis of a comparison", by, axes)
    held = comparison.held(runs, kind)
    if by == "evaluations":
        first, last = int(np.argmin(np.isnan(held).any(axis=0))), int(runs.counted.min())
        points = np.arange(first, last)
        return _curve(runs, points.astype(np.float64) + 1.0, held[:, first:last], band)
    grid = _grid(comparison, runs, log)
    return _curve(runs, grid, _at_times(runs, held, grid), band)


def _curve(runs: Runs, x: Floats, values: Floats, band: Band) -> Curve:
    low, high = band_of(values, band)
    return Curve(runs.contender.label, x, values.mean(axis=0), low, high, len(values))


def _grid(comparison: Comparison, runs: Runs, log: bool) -> Floats:
    """Return the times between which every repeat has an answer and is still at work."""
    finish = runs.finish
    assert finish is not None
    starts = np.argmax(runs.incumbent >= 0, axis=1)
    begin = float(np.take_along_axis(finish, starts[:, None], axis=1).max())
    end = float(np.take_along_axis(finish, runs.counted[:, None] - 1, axis=1).min())
    budget = comparison.budget
    limit = budget.seconds or (budget.cost_seconds if comparison.workers == 1 else None)
    end = max(begin, end if limit is None else float(limit))
    if log and begin > 0:
        return np.geomspace(begin, end, _POINTS)
    return np.linspace(begin, end, _POINTS)


def _at_times(runs: Runs, held: Floats, times: Floats) -> Floats:
    """Return `(repeats, times)`: what each repeat held at each time."""
    assert runs.finish is not None
    places = np.empty((len(held), len(times)), dtype=np.int64)
    for repeat, (finish, counted) in enumerate(zip(runs.finish, runs.counted, strict=True)):
        places[repeat] = np.searchsorted(finish[:counted], times, side="right") - 1
    # Rounding may put the first time a hair before the evaluation it was taken from.
    return np.take_along_axis(held, np.maximum(places, 0), axis=1)


def interpolated(
    times: Sequence[ArrayLike],
    values: Sequence[ArrayLike],
    *,
    step: float = 10_000,
    until: float = 5_000_000,
    label: str = "",
    band: Band = "published",
) -> Curve:
    """Aggregate repeats as the published NAS-Bench-101 notebook does.

    Each repeat's values are joined by straight lines over its query times and read at 0, step,
    2 step ... up to `until`. After its last query a repeat keeps its last value.

    Args:
        times: For each repeat, cumulative seconds of its queries, ascending. The notebook's lists
            begin with a query at time 0 of value 0.
        values: For each repeat, the value held after each of them.
        step: Seconds between two points.
        until: Seconds up to which to read.
        label: Whose.
        band: How the quartiles are taken; the notebook's own way by default.
    """
    grid = np.arange(math.floor(until / step) + 1, dtype=np.float64) * step
    read = np.stack(
        [
            np.interp(grid, np.asarray(at, dtype=float), np.asarray(held, dtype=float))
            for at, held in zip(times, values, strict=True)
        ]
    )
    low, high = band_of(read, band)
    return Curve(label, grid, read.mean(axis=0), low, high, len(read))


def interval(values: Floats, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Student's confidence interval of a mean; NaN for fewer than two values."""
    from scipy import stats

    n = len(values)
    if n < 2:
        return math.nan, math.nan
    half = float(stats.t.ppf(0.5 + confidence / 2, n - 1)) * _deviation(values) / math.sqrt(n)
    mean = float(np.mean(values))
    return mean - half, mean + half


def _deviation(values: Floats) -> float:
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def paired_test(differences: Floats) -> tuple[float, float]:
    """Return Wilcoxon's two-sided p and the rank-biserial effect of paired differences.

    Pairs without a difference are left out; if none differs, p is 1 and the effect 0. One pair
    alone says nothing: both are NaN.
    """
    from scipy import stats

    if len(differences) < 2:
        return math.nan, math.nan
    some = differences[differences != 0]
    if len(some) == 0:
        return 1.0, 0.0
    ranks = stats.rankdata(np.abs(some))
    effect = float((ranks[some > 0].sum() - ranks[some < 0].sum()) / ranks.sum())
    return float(stats.wilcoxon(some).pvalue), effect


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values corrected for their number by Holm's step-down rule; NaN stay NaN.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    corrected = [math.nan] * len(p_values)
    known = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[place] = highest
    return corrected


@dataclass(frozen=True, slots=True)
class Ranks:
    """Mean ranks of three strategies or more; rank 1 is the best.

    Args:
        means: Mean rank of each strategy, in the comparison's order.
        p_value: Friedman's test that all are alike.
        critical_difference: Mean ranks that differ by less are not told apart (Nemenyi, 5 %).
        n: Over how many repeats.
    """

    means: tuple[float, ...]
    p_value: float
    critical_difference: float
    n: int


def mean_ranks(comparison: Comparison, kind: str | None = None) -> Ranks | None:
    """Return the strategies' mean ranks; None for fewer than three strategies or two repeats."""
    from scipy import stats

    kind = kind or comparison.answer_kind
    scores = _losses(comparison, kind)  # (repeats, strategies)
    n, k = scores.shape
    if k < 3 or n < 2:
        return None
    ranks = stats.rankdata(scores, axis=1)
    alike = bool((ranks == ranks[:, :1]).all())
    p = 1.0 if alike else float(stats.friedmanchisquare(*scores.T).pvalue)
    spread = float(stats.studentized_range.ppf(CONFIDENCE, k, np.inf)) / math.sqrt(2)
    difference = spread * math.sqrt(k * (k + 1) / (6 * n))
    return Ranks(tuple(map(float, ranks.mean(axis=0))), p, difference, n)


def _losses(comparison: Comparison, kind: str) -> Floats:
    """Return `(repeats, strategies)` final values turned so that lower is better."""
    found = np.stack([comparison.last(runs, kind) for runs in comparison.runs], axis=1)
    lower = kind.endswith("_regret") or comparison.measured(kind).direction == "min"
    return np.where(np.isnan(found), np.inf, found if lower else -found)


def final_table(comparison: Comparison, kind: str | None = None) -> pd.DataFrame:
    """Return one row per strategy, the baseline first: what it answered at the end of the budget.

    Columns: strategy, n (repeats), evaluations and seconds (mean spent; seconds only where the
    benchmark records them), mean, sd, ci_low, ci_high (95 %), median, q25, q75, regret (mean),
    found (share of repeats whose answer is the optimum), rank (mean). Against the baseline, missing
    in its own row: difference (mean, strategy minus baseline), difference_low, difference_high
    (95 %), wins, ties, losses (repeats), p, p_holm, effect (positive: better than the baseline).

    Args:
        comparison: What was compared.
        kind: By which value; `comparison.answer_kind` if not given.

    Raises:
        UnknownNameError: If there is no such kind.
    """
    import pandas as pd

    kind = kind or comparison.answer_kind
    losses = _losses(comparison, kind)
    rows = [_row(comparison, runs, kind) for runs in comparison.runs]
    pairs = [dict(_NO_PAIR), *(_against(losses, place, rows) for place in range(1, len(rows)))]
    corrected = holm([pair["p"] for pair in pairs])
    for row, rank, pair, p in zip(rows, _ranks(losses), pairs, corrected, strict=True):
        row |= {"rank": rank} | pair | {"p_holm": p}
    whole = dict.fromkeys(("wins", "ties", "losses"), "Int64")
    return pd.DataFrame(rows).drop(columns="values").astype(whole)


_NO_PAIR: Mapping[str, Any] = {
    **dict.fromkeys(("difference", "difference_low", "difference_high"), math.nan),
    **dict.fromkeys(("wins", "ties", "losses")),
    **dict.fromkeys(("p", "p_holm", "effect"), math.nan),
}


def _ranks(losses: Floats) -> list[float]:
    from scipy import stats

    return [float(rank) for rank in stats.rankdata(losses, axis=1).mean(axis=0)]


def _row(comparison: Comparison, runs: Runs, kind: str) -> dict[str, Any]:
    values = comparison.last(runs, kind)
    low, high = interval(values)
    q25, median, q75 = np.quantile(values, [0.25, 0.5, 0.75])
    row = {
        "strategy": runs.contender.label,
        "n": runs.repeats,
        "evaluations": float(runs.counted.mean()),
        "mean": float(values.mean()),
        "sd": _deviation(values),
        "ci_low": low,
        "ci_high": high,
        "median": float(median),
        "q25": float(q25),
        "q75": float(q75),
        "values": values,
    }
    if runs.finish is not None:
        ends = np.take_along_axis(runs.finish, runs.counted[:, None] - 1, axis=1)
        row["seconds"] = float(ends.mean())
    regret = comparison.last(runs, "test_regret" if "test" in kind else "validation_regret")
    row |= {"regret": float(regret.mean()), "found": float((regret == 0).mean())}
    return row


def _against(losses: Floats, place: int, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the repeats of a strategy say against those of the baseline."""
    differences = rows[place]["values"] - rows[0]["values"]
    low, high = interval(differences)
    gains = losses[:, 0] - losses[:, place]  # positive where it is better
    p, effect = paired_test(gains)
    return {
        "difference": float(differences.mean()),
        "difference_low": low,
        "difference_high": high,
        "wins": int((gains > 0).sum()),
        "ties": int((gains == 0).sum()),
        "losses": int((gains < 0).sum()),
        "p": p,
        "p_holm": math.nan,
        "effect": effect,
    }
