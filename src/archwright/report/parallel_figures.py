"""Figure of all decisions side by side: a line for each trial."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from archwright.report import _canvas as house
from archwright.report._text import number
from archwright.report.decision_figures import (
    ABSENT,
    MANY,
    Panel,
    comparable,
    decision_panels,
    nothing_to_show,
)
from archwright.report.tables import best_trials
from archwright.seeding import generator
from archwright.trial import Constraint, Objective, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["parallel"]


def parallel(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    *,
    n: int = 8,
) -> Figure:
    """Draw every completed trial as a line through its decisions to its objective.

    The best tenth of the feasible trials is blue, the best one vermilion, all others grey. A
    line passes below an axis where the trial's decision is inactive.
    """
    objective = objectives[0]
    shown = comparable(trials, objective)
    panels = decision_panels(shown, objective, n)
    if not panels:
        return nothing_to_show(shown)
    figure = house.canvas(max(4.7, 1.15 * (len(panels) + 1)), 3.7)
    axes = figure.add_subplot()
    heights = np.stack([_heights(panel) for panel in panels] + [_goal(shown, objective)], axis=1)
    best = best_trials(shown, objectives, constraints)
    _lines(figure, axes, heights, shown, best)
    for index, panel in enumerate(panels):
        _rail(axes, index, panel)
    _goal_rail(axes, len(panels), [trial.metrics[objective.metric] for trial in shown], objective)
    axes.set_xlim(-0.3, len(panels) + 0.55)
    axes.set_ylim(-0.2, 1.04)
    axes.set_axis_off()
    return figure


def _heights(panel: Panel) -> np.ndarray:
    """Return where each trial crosses the decision's axis, float64 (trials,): 0 bottom, 1 top."""
    low, high = _range(panel)
    places, low, high = _logged(panel, low, high)
    heights = (places - low) / (high - low) if high > low else np.full(len(places), 0.5)
    if panel.ticks:
        rng = generator(0, "report", "jitter", panel.column.path)
        heights = heights + rng.uniform(-0.25, 0.25, len(heights)) / max(3, len(panel.ticks))
    return np.where(np.isfinite(panel.places), heights, -0.12)


def _range(panel: Panel) -> tuple[float, float]:
    if panel.ticks:
        return -0.4, len(panel.ticks) - 0.6
    known = panel.places[np.isfinite(panel.places)]
    return float(known.min()), float(known.max())


def _logged(panel: Panel, low: float, high: float) -> tuple[np.ndarray, float, float]:
    if panel.column.log and low > 0:
        return np.log(panel.places), math.log(low), math.log(high)
    return panel.places, low, high


def _goal(trials: Sequence[Trial], objective: Objective) -> np.ndarray:
    values = [trial.metrics[objective.metric] for trial in trials]
    window = house.Window(values, objective.direction)
    clipped, _ = window.clip(values)
    return (clipped - window.low) / (window.high - window.low)


def _lines(
    figure: Figure,
    axes: Axes,
    heights: np.ndarray,
    trials: Sequence[Trial],
    best: Sequence[Trial],
) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.lines import Line2D

    top = {trial.number for trial in best[: max(3, math.ceil(len(best) / 10))]}
    first = best[0].number if best else None
    at = np.arange(heights.shape[1], dtype=float)
    groups: dict[str, list[np.ndarray]] = {house.GREY: [], house.BLUE: [], house.VERMILION: []}
    for trial, row in zip(trials, heights, strict=True):
        colour = house.BLUE if trial.number in top else house.GREY
        colour = house.VERMILION if trial.number == first else colour
        groups[colour].append(np.column_stack([at, row]))  # (axes, 2)
    looks = {house.GREY: (0.6, 0.45), house.BLUE: (1.0, 0.75), house.VERMILION: (2.2, 1.0)}
    for order, (colour, lines) in enumerate(groups.items()):
        width, alpha = looks[colour]
        axes.add_collection(
            LineCollection(
                lines,
                colors=colour,
                linewidths=width,
                alpha=alpha,
                zorder=2 + order,
                rasterized=len(lines) > MANY,
            )
        )
    names = ["other trials", f"next best {len(top) - 1}", "the best"]
    entries = [
        (Line2D([], [], color=colour, linewidth=max(1.2, looks[colour][0])), name)
        for (colour, lines), name in zip(groups.items(), names, strict=True)
        if lines
    ]
    house.legend(figure, entries, columns=3)


def _rail(axes: Axes, at: int, panel: Panel) -> None:
    """Draw one decision's axis with its name below, and texts beside."""
    low, high = _range(panel)
    ends = [(value, number(value)) for value in dict.fromkeys((low, high))]
    ticks = panel.ticks or tuple(ends)
    missing = bool(np.isnan(panel.places).any())
    _axis(axes, at, panel.column.path, missing)
    for place, text in ticks:
        height = (place - low) / (high - low) if high > low else 0.5
        _beside(axes, at, height, text)
    if missing:
        _beside(axes, at, -0.12, ABSENT)


def _goal_rail(axes: Axes, at: int, values: Sequence[float], objective: Objective) -> None:
    window = house.Window(values, objective.direction)
    _axis(axes, at, objective.metric, False)
    for value in dict.fromkeys((min(values), max(values))):
        moved, outside = window.clip([value])
        height = float((moved[0] - window.low) / (window.high - window.low))
        text = number(float(value))
        worse = "≤" if objective.direction == "max" else "≥"
        _beside(axes, at, height, f"{worse} {number(float(moved[0]))}" if outside[0] else text)


def _axis(axes: Axes, at: int, name: str, missing: bool) -> None:
    axes.plot([at, at], [0, 1], color=house.SOFT, linewidth=0.9, zorder=6)
    if missing:
        axes.plot([at, at], [-0.15, -0.09], color=house.SOFT, linewidth=0.9, zorder=6)
    axes.text(
        *(at, -0.19, house.label(name, 22)),
        ha="right",
        va="top",
        rotation=28,
        rotation_mode="anchor",
        fontsize=8,
        color=house.INK,
    )


def _beside(axes: Axes, at: float, height: float, text: str) -> None:
    axes.text(
        *(at + 0.05, height, house.label(text, 10)),
        va="center",
        fontsize=7.5,
        color=house.INK,
        zorder=8,
        bbox={"facecolor": house.PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 0.6},
    )
