"""Figures of a study: progress, trade-offs, learning curves. Each returns a matplotlib Figure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright.errors import UnknownNameError
from archwright.report import _canvas as house
from archwright.report._text import axis_label, metric_text, number, shorten, unit
from archwright.report.tables import CurveAxis, best_trials, incumbent_curve
from archwright.trial import Constraint, Objective, Status, Trial, feasible, incumbent, pareto_front

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["anytime", "learning_curves", "save_figure", "tradeoff"]

_MANY = 1000  # points beyond which a scatter is drawn as pixels, not one by one
_FORMATS = ("png", "svg", "pdf")
_AT = {
    "trials": "finished trials",
    "cost": "summed cost of the trials (seconds)",
    "time": "wall time since the first proposal (seconds)",
}


def anytime(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    *,
    by: CurveAxis = "trials",
) -> Figure:
    """Draw the incumbent over the search, every trial as a dot, failed ones as crosses below.

    Values far worse than the rest are drawn as triangles at the edge, so that the difference
    between the good ones stays visible.
    """
    everything = list(trials)
    figure = house.canvas(4.7, 3.2)
    axes = figure.add_subplot()
    curve = incumbent_curve(everything, objectives, constraints, by=by)
    house.dress(axes, x=_AT[by], y=axis_label(objectives[0].metric, objectives[0]))
    if curve.empty:
        house.note(axes, "no trial has finished yet")
        return figure
    trial_of = {trial.number: trial for trial in everything}
    values = np.array([_value(trial_of[n], objectives[0]) for n in curve["trial"]])
    at, kept, known = curve["at"].to_numpy(), curve["value"].notna().to_numpy(), ~np.isnan(values)
    entries: list[tuple[object, str]] = []
    if known.any():
        shown = values[kept] if kept.any() else values[known]
        window = house.window(axes, list(shown), objectives[0].direction)
        entries += _dots(axes, at, window.clip(values), kept, objectives[0])
    else:
        axes.set_yticks([])
    if kept.any():
        entries.append(_incumbent(axes, at, curve["incumbent"].to_numpy(), objectives[0]))
    if not known.all():
        entries.append((_crosses(axes, at[~known]), f"failed ({int((~known).sum()):,})"))
    house.legend(figure, entries, columns=3)
    axes.set_xlim(0, 1.03 * float(at.max()) or 1.0)
    _whole_ticks(axes, by == "trials")
    return figure


def _value(trial: Trial, objective: Objective) -> float:
    if trial.status is not Status.COMPLETED:
        return math.nan
    return trial.metrics.get(objective.metric, math.nan)


def _incumbent(
    axes: Axes, at: np.ndarray, values: np.ndarray, objective: Objective
) -> tuple[object, str]:
    (line,) = axes.step(*(at, values), where="post", color=house.VERMILION, linewidth=1.8, zorder=3)
    axes.plot(at[-1:], values[-1:], "o", color=house.VERMILION, markersize=5, zorder=4)
    return line, f"best so far: {metric_text(objective.metric, float(values[-1]))}"


def _dots(
    axes: Axes,
    at: np.ndarray,
    clipped: tuple[np.ndarray, np.ndarray],
    kept: np.ndarray,
    objective: Objective,
) -> list[tuple[object, str]]:
    """Draw trials as dots, hollow where infeasible, and as triangles where off the scale."""
    values, moved = clipped
    entries: list[tuple[object, str]] = []
    for group, filled in ((kept, True), (~kept & ~np.isnan(values), False)):
        if group.any():
            name, near = "trials" if filled else "infeasible", group & ~moved
            dots = _scatter(axes, at[near], values[near], filled=filled)
            entries.append((dots, f"{name} ({int(group.sum()):,})"))
    if moved.any():
        marker = "v" if objective.direction == "max" else "^"
        dots = axes.scatter(at[moved], values[moved], s=18, marker=marker, color=house.GREY)
        entries.append((dots, f"off the scale ({int(moved.sum()):,})"))
    return entries


def _scatter(axes: Axes, x: Any, y: Any, *, filled: bool) -> object:
    return axes.scatter(
        *(x, y),
        s=14,
        facecolors=house.BLUE if filled else "none",
        edgecolors="none" if filled else house.GREY,
        alpha=0.55 if filled else 1.0,
        linewidths=0 if filled else 0.8,
        rasterized=len(x) > _MANY,
    )


def _crosses(axes: Axes, at: np.ndarray) -> object:
    """Mark failed trials on the bottom of the axes, whatever the scale of the values."""
    return axes.scatter(
        at,
        np.full(len(at), 0.02),
        transform=axes.get_xaxis_transform(),
        marker="x",
        s=16,
        linewidths=1,
        color=house.ORANGE,
        clip_on=False,
        zorder=4,
        rasterized=len(at) > _MANY,
    )


def _whole_ticks(axes: Axes, whole: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def tradeoff(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    *,
    metric: str = "parameters",
) -> Figure:
    """Draw the first objective against a second metric, with the Pareto front of the two.

    The second metric is better when lower, unless it is an objective to be raised. Trials that
    break a constraint are hollow and take no part in the front.

    Raises:
        UnknownNameError: If no completed trial has measured the metric.
    """
    objective = objectives[0]
    cost = next((o for o in objectives if o.metric == metric), Objective(metric, "min"))
    points = [t for t in trials if math.isfinite(cost.loss(t) + objective.loss(t))]
    if not points:
        measured = sorted({name for trial in trials for name in trial.metrics})
        raise UnknownNameError("measured metric", metric, measured)
    figure = house.canvas(4.7, 3.2)
    axes = figure.add_subplot()
    house.dress(axes, x=axis_label(metric), y=axis_label(objective.metric, objective))
    bounds = [constraint.bound for constraint in constraints if constraint.metric == metric]
    _cost_scale(axes, [*(trial.metrics[metric] for trial in points), *bounds])
    window = house.window(axes, [t.metrics[objective.metric] for t in points], objective.direction)
    kept = [trial for trial in points if feasible(trial, constraints)]
    refused = [trial for trial in points if not feasible(trial, constraints)]
    entries: list[tuple[object, str]] = []
    for group, name in ((kept, "trials"), (refused, "infeasible")):
        if group:
            heights, _ = window.clip([trial.metrics[objective.metric] for trial in group])
            costs = [trial.metrics[metric] for trial in group]
            dots = _scatter(axes, costs, heights, filled=group is kept)
            entries.append((dots, f"{name} ({len(group):,})"))
    front = pareto_front(kept, [objective, cost])
    if front:
        line = _front(axes, front, objective, cost, window)
        entries.append((line, f"Pareto front ({len(front):,})"))
    if best := incumbent(kept, [objective]):
        x, y = best.metrics[metric], best.metrics[objective.metric]
        (star,) = axes.plot(
            *([x], [y], "*"), color=house.VERMILION, markersize=11, zorder=5, linestyle="none"
        )
        entries.append((star, f"best: trial {best.number}"))
    _bounds(axes, [c for c in constraints if c.metric == metric])
    house.legend(figure, entries, columns=2)
    return figure


def _cost_scale(axes: Axes, values: Sequence[float]) -> None:
    """Choose a logarithmic axis where the values span more than one order of magnitude."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    plain = FuncFormatter(lambda value, _: _thousands(value))
    if min(values) > 0 and max(values) > 12 * min(values):
        axes.set_xscale("log")
        wide = max(values) > 200 * min(values)
        steps = (1.0,) if wide else (1.0, 2.0, 5.0)
        axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=7 if wide else 12))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(plain)


def _thousands(value: float) -> str:
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.4g}{letter}"
    return f"{value:.3g}"


def _front(
    axes: Axes, front: Sequence[Trial], goal: Objective, cost: Objective, window: house.Window
) -> object:
    """Join the front by steps: between two points the better of both is what one can have."""
    points = sorted((trial.metrics[cost.metric], trial.metrics[goal.metric]) for trial in front)
    heights, _ = window.clip([height for _, height in points])
    (line,) = axes.step(
        *([at for at, _ in points], heights),
        where="post" if cost.direction == "min" else "pre",
        color=house.GREEN,
        linewidth=1.4,
        marker="o",
        markersize=4,
        zorder=4,
    )
    return line


def _bounds(axes: Axes, constraints: Sequence[Constraint]) -> None:
    """Draw the bounds on the metric of the horizontal axis."""
    for constraint in constraints:
        axes.axvline(constraint.bound, color=house.ORANGE, linewidth=1, linestyle=(0, (4, 3)))
        left = constraint.operator == "<="
        axes.annotate(
            f"{constraint.operator.replace('<=', '≤').replace('>=', '≥')} "
            f"{number(constraint.bound)} {unit(constraint.metric).replace('count', '')}".rstrip(),
            (constraint.bound, 0.02),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-4 if left else 4, 0),
            textcoords="offset points",
            rotation=90,
            ha="right" if left else "left",
            va="bottom",
            fontsize=7.5,
            color=house.SOFT,
        )


def learning_curves(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    *,
    metric: str | None = None,
    n: int = 5,
) -> Figure:
    """Draw a metric after each epoch for the best `n` architectures that recorded it.

    Args:
        trials: Any trials.
        objectives: They say which are best; the first one's metric is drawn if `metric` is None.
        constraints: What the best must keep.
        metric: Name of a recorded curve ("val_loss").
        n: How many architectures.
    """
    from matplotlib.ticker import MaxNLocator

    metric = metric or objectives[0].metric
    goal = next((o for o in objectives if o.metric == metric), None)
    curves = [
        (trial, trial.outcome.measurement.curve[metric])
        for trial in best_trials(trials, objectives, constraints)
        if trial.outcome and trial.outcome.measurement
        if trial.outcome.measurement.curve.get(metric)
    ][:n]
    figure = house.canvas(4.7, 3.2)
    axes = figure.add_subplot()
    house.dress(axes, x="epoch", y=axis_label(metric, goal))
    if not curves:
        house.note(axes, f"no trial has recorded a curve of {shorten(metric, 22)}")
        return figure
    handles = []
    short = max((len(values) for _, values in curves), default=0) <= 40
    for rank, (_, values) in reversed(list(enumerate(curves))):
        handles += axes.plot(
            range(1, len(values) + 1),
            values,
            color=house.SERIES[rank % len(house.SERIES)],
            linewidth=2.0 if rank == 0 else 1.2,
            marker="o",
            markersize=3 if short else 0,
        )
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True, min_n_ticks=1))
    axes.margins(x=0.03)
    names = [f"trial {trial.number}" for trial, _ in curves]
    house.legend(figure, list(zip(handles[::-1], names, strict=True)), columns=min(5, len(names)))
    return figure


def save_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG, SVG or PDF, by the ending of the path; replaces a file in one step.

    Raises:
        UnknownNameError: If the ending is none of them.
    """
    from archwright.report._files import write_bytes

    target = Path(path)
    format = target.suffix.lstrip(".").lower()
    if format not in _FORMATS:
        raise UnknownNameError("figure format", format, _FORMATS)
    return write_bytes(target, house.render(figure, format))
