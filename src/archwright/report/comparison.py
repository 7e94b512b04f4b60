"""A comparison as frames and sentences: what was found, how sure it is, and every step of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright.report._text import number
from archwright.report.statistics import Band, curve, final_table, mean_ranks
from archwright.trial import Comparison, Measured, Runs
from archwright.trial.comparison import KINDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "answers_frame",
    "budget_text",
    "column_text",
    "curve_frame",
    "kind_text",
    "p_text",
    "pair_sentences",
    "run_frame",
    "sentences",
    "value_text",
    "workers_text",
]

Row = Mapping[Any, Any]

SIGNIFICANT = 0.05
_FRACTION_DIGITS = 4


def answers_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row per repeat: what it answered at the end of the budget.

    Columns: strategy, repeat, seed, evaluations and seconds (of simulated time, where recorded)
    spent within the budget, every kind of value of the answer (`Comparison.kinds`), its row in the
    benchmark, and the architecture in its published text form.
    """
    import pandas as pd

    frames = []
    for runs in comparison.runs:
        ends = (np.arange(runs.repeats), runs.counted - 1)
        columns = _names(runs) | {"evaluations": runs.counted}
        if runs.finish is not None:
            columns["seconds"] = runs.finish[ends]
        columns |= {kind: comparison.last(runs, kind) for kind in comparison.kinds}
        columns["row"] = runs.last(runs.rows.astype(float)).astype(np.int64)
        texts = [architecture.space.format(architecture) for architecture in runs.answers]
        frames.append(pd.DataFrame(columns | {"architecture": texts}))
    return pd.concat(frames, ignore_index=True)


def run_frame(comparison: Comparison) -> pd.DataFrame:
    """Return how each repeat got there: a row for every new incumbent and one for the end.

    Columns: strategy, repeat, seed, evaluation (from 1), seconds (of simulated time, where
    recorded), event ("incumbent" or "end"), row of the incumbent in the benchmark, and every kind
    of value of it. Between two rows nothing changes, so this is the whole anytime curve.
    """
    import pandas as pd

    frames = []
    for runs in comparison.runs:
        repeat, place, event = _events(runs)
        held = runs.incumbent[repeat, place]
        columns = {name: values[repeat] for name, values in _names(runs).items()}
        columns |= {"evaluation": place + 1}
        if runs.finish is not None:
            columns["seconds"] = runs.finish[repeat, place]
        columns |= {"event": event, "row": runs.rows[repeat, held]}
        columns |= {kind: comparison.values(runs, kind)[repeat, held] for kind in comparison.kinds}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


def _names(runs: Runs) -> dict[str, Any]:
    n = runs.repeats
    return {
        "strategy": np.array([runs.contender.label] * n, dtype=object),
        "repeat": np.arange(n),
        "seed": np.array(runs.seeds, dtype=np.int64),
    }


def _events(runs: Runs) -> tuple[Any, Any, Any]:
    """Return repeat, evaluation and kind of every event, in order."""
    incumbent = runs.incumbent
    new = np.diff(incumbent, axis=1, prepend=-1) != 0
    new &= np.arange(incumbent.shape[1]) < runs.counted[:, None]
    repeat, place = np.nonzero(new)
    repeat = np.concatenate([repeat, np.arange(len(incumbent))])
    event = np.array(["incumbent"] * len(place) + ["end"] * len(incumbent), dtype=object)
    place = np.concatenate([place, runs.counted - 1])
    order = np.lexsort((event == "end", place, repeat))
    return repeat[order], place[order], event[order]


def curve_frame(
    comparison: Comparison,
    kind: str | None = None,
    *,
    by: str = "evaluations",
    log: bool = False,
    band: Band = "quantile",
) -> pd.DataFrame:
    """Return the anytime curves, one row per point and strategy.

    Columns: strategy, `by`, mean, low, high (quartiles), n (repeats).

    Args:
        comparison: What was compared.
        kind: Which value of the incumbent; `comparison.answer_kind` if not given.
        by: "evaluations" or "seconds".
        log: Whether the points in time are spaced for a logarithmic axis.
        band: How the quartiles are taken.

    Raises:
        UnknownNameError: If there is no such kind, axis or band.
    """
    import pandas as pd

    kind = kind or comparison.answer_kind
    curves = [curve(comparison, runs, kind, by=by, log=log, band=band) for runs in comparison.runs]
    frames = [
        pd.DataFrame(
            {"strategy": c.label, by: c.x, "mean": c.mean, "low": c.low, "high": c.high, "n": c.n}
        )
        for c in curves
    ]
    return pd.concat(frames, ignore_index=True)


def value_text(value: float, measured: Measured, *, signed: bool = False) -> str:
    """Return a value with as many digits as its unit wants, without the unit.

    Example:
        >>> accuracy = Measured("test_accuracy", "percent", "max", "", None, 94.4, 0)
        >>> value_text(94.25333, accuracy), value_text(0.2843, accuracy, signed=True)
        ('94.253', '+0.284')
    """
    if not math.isfinite(value):
        return "—"
    if measured.unit == "fraction":
        text = f"{value:+.5f}" if signed else f"{value:.{_FRACTION_DIGITS}f}"
    elif measured.unit == "percent":
        text = f"{value:+.3f}" if signed else f"{value:.3f}"
    else:
        text = f"{value:+.4g}" if signed else number(value)
    return text.replace("-", "−")  # noqa: RUF001 - a minus sign, which does not break lines


def column_text(measured: Measured) -> str:
    """Return which recorded column something comes from, in words."""
    data = f" on {measured.dataset}" if measured.dataset else ""
    epochs = f" after {measured.epochs} epochs" if measured.epochs is not None else ""
    return f"{measured.metric} ({measured.unit or 'no unit'}){data}{epochs}"


def kind_text(comparison: Comparison, kind: str) -> str:
    """Return what a kind of value is, in words."""
    if kind in ("mean_validation", "mean_test") and comparison.recordings == 1:
        return "the one recorded training"
    return KINDS[kind]


def workers_text(comparison: Comparison) -> str:
    """Return that there were several simulated workers; nothing for one."""
    return f" on {comparison.workers:,} simulated workers" if comparison.workers > 1 else ""


def budget_text(comparison: Comparison) -> str:
    """Return what each repeat could spend, in words."""
    budget = comparison.budget
    parts = []
    if budget.trials is not None:
        parts.append(f"{budget.trials:,} evaluations")
    if budget.cost_seconds is not None:
        parts.append(f"{number(budget.cost_seconds)} recorded seconds")
    if budget.seconds is not None:
        parts.append(f"{number(budget.seconds)} seconds of simulated time")
    return " and ".join(parts)


def sentences(comparison: Comparison) -> list[str]:
    """Return what was found, in sentences: each claim with its n, its interval and its test."""
    measured = comparison.measured(comparison.answer_kind)
    rows = _rows(comparison)
    first = (
        f"{len(rows)} {'strategy' if len(rows) == 1 else 'strategies'} on "
        f"{comparison.benchmark['name']}, {_repeats(comparison.repeats)} of "
        f"{budget_text(comparison)} each{workers_text(comparison)}; answers were chosen by "
        f"{comparison.validation.metric} and are judged by {column_text(measured)}."
    )
    each = [_answer_sentence(row, measured) for row in rows]
    return [first, *each, *pair_sentences(comparison)]


def pair_sentences(comparison: Comparison) -> list[str]:
    """Return what was found about differences between strategies, in sentences."""
    measured = comparison.measured(comparison.answer_kind)
    rows = _rows(comparison)
    found = [_pair_sentence(row, rows[0], measured, len(rows) - 1) for row in rows[1:]]
    if (ranks := mean_ranks(comparison)) is not None:
        means = ", ".join(
            f"{row['strategy']} {mean:.2f}" for row, mean in zip(rows, ranks.means, strict=True)
        )
        found.append(
            f"Mean ranks over {ranks.n} repeats: {means}; Friedman {p_text(ranks.p_value)}; ranks "
            f"closer than {ranks.critical_difference:.2f} are not told apart (Nemenyi, 5 %)."
        )
    return found


def _rows(comparison: Comparison) -> list[Row]:
    frame = final_table(comparison)
    return [dict(zip(frame, row, strict=True)) for row in frame.itertuples(index=False)]


def _repeats(n: int) -> str:
    return "1 repeat" if n == 1 else f"{n:,} repeats"


def _answer_sentence(row: Row, measured: Measured) -> str:
    mean = value_text(row["mean"], measured)
    if row["n"] < 2:
        return f"{row['strategy']}: {mean} in a single repeat, which says nothing about its spread."
    low, high = (value_text(row[name], measured) for name in ("ci_low", "ci_high"))
    return (
        f"{row['strategy']}: mean {mean} (95 % interval {low} to {high}, n = {row['n']:,}), "
        f"mean regret {value_text(row['regret'], measured)}."
    )


def _pair_sentence(row: Row, base: Row, measured: Measured, pairs: int) -> str:
    names = f"{row['strategy']} against {base['strategy']}"
    difference = value_text(row["difference"], measured, signed=True)
    if row["n"] < 2:
        return f"{names}: {difference} in a single repeat; nothing follows from one."
    low, high = (
        value_text(row[name], measured, signed=True)
        for name in ("difference_low", "difference_high")
    )
    shown = row["p_holm"] < SIGNIFICANT
    better = (row["effect"] > 0) if shown else None
    verdict = {True: "better", False: "worse", None: "not shown to differ"}[better]
    corrected = f", Holm-corrected over {pairs}" if pairs > 1 else ""
    return (
        f"{names}: {verdict}; mean difference {difference} (95 % interval {low} to {high}, "
        f"n = {row['n']:,}), better in {row['wins']:,}, equal in {row['ties']:,}, worse in "
        f"{row['losses']:,} repeats; Wilcoxon signed-rank {p_text(row['p_holm'])}{corrected}, "
        f"effect {row['effect']:+.2f}."
    )


def p_text(p: float) -> str:
    """Return a p value as it is written in a sentence."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.4f}"
