"""Figures of decisions: each against the objective, and all of them side by side."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright.report import _canvas as house
from archwright.report._text import axis_label, number, value_text
from archwright.report.decisions import Column, answers, columns
from archwright.report.tables import best_trials
from archwright.seeding import generator
from archwright.trial import Constraint, Objective, Trial, feasible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Panel", "decision_panels", "decisions", "draw_panel", "parallel"]

_MANY = 1000  # trials beyond which dots and lines are drawn as pixels, not one by one
_MOST_OPTIONS = 12  # of a category that get a place of their own on an axis
_ABSENT = "—"  # the decision is inactive: a shorter list, an unmet condition


@dataclass(frozen=True)
class Panel:
    """One decision over the completed trials.

    Args:
        column: The decision.
        places: Where each trial stands on the decision's axis, float64 (trials,); NaN where the
            decision is inactive.
        ticks: Places and texts of the axis, for a category; empty for a number.
        association: How much of the objective's rank variance the decision alone explains, a
            fraction in [0, 1].
    """

    column: Column
    places: np.ndarray
    ticks: tuple[tuple[float, str], ...]
    association: float


def decision_panels(trials: Sequence[Trial], objective: Objective, n: int = 12) -> list[Panel]:
    """Return the `n` decisions most associated with the objective, in the space's order.

    Decisions that every trial answers alike are left out: there is nothing to see.

    Args:
        trials: Completed trials of one space that have measured the objective.
        objective: The objective.
        n: How many decisions.
    """
    if not trials:
        return []
    ranks = _ranks([trial.metrics[objective.metric] for trial in trials])
    rows = [answers(trial.architecture) for trial in trials]
    panels = [
        _panel(column, [row.get(column.path) for row in rows], ranks)
        for column in columns(trials[0].architecture.space)
        if len({row.get(column.path) for row in rows}) > 1
    ]
    chosen = sorted(panels, key=lambda panel: -panel.association)[:n]
    return [panel for panel in panels if panel in chosen] if len(panels) > n else panels


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Return average ranks, float64 (values,); equal values share one."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[inverse]


def _panel(column: Column, values: list[Any], ranks: np.ndarray) -> Panel:
    if column.options is None:
        places = np.array([math.nan if v is None else float(v) for v in values])
        return Panel(column, places, (), _association(_bins(places), ranks))
    seen = Counter(value for value in values if value is not None)
    order = [option for option in column.options if option in seen]
    order += sorted((value for value in seen if value not in order), key=str)
    place = {value: float(min(index, _MOST_OPTIONS)) for index, value in enumerate(order)}
    texts = [value_text(value) for value in order[:_MOST_OPTIONS]]
    if len(order) > _MOST_OPTIONS:
        texts.append(f"{len(order) - _MOST_OPTIONS} more")
    places = np.array([math.nan if v is None else place[v] for v in values])
    groups = [-1 if v is None else order.index(v) for v in values]
    ticks = tuple((float(index), text) for index, text in enumerate(texts))
    return Panel(column, places, ticks, _association(groups, ranks))


def _bins(places: np.ndarray) -> list[int]:
    """Return a group for each number, at most five of about equal size; -1 for a missing one."""
    known = places[np.isfinite(places)]
    edges = np.unique(np.quantile(known, [0.2, 0.4, 0.6, 0.8])) if len(known) else known
    bins = np.searchsorted(edges, np.nan_to_num(places))
    return [int(b) if math.isfinite(p) else -1 for b, p in zip(bins, places, strict=True)]


def _association(groups: Sequence[int], ranks: np.ndarray) -> float:
    """Return the correlation ratio of groups and ranks: between-group over total variance."""
    total = float(((ranks - ranks.mean()) ** 2).sum())
    if total == 0:
        return 0.0
    labels = np.asarray(groups)
    between = sum(
        float(mask.sum()) * float(ranks[mask].mean() - ranks.mean()) ** 2
        for mask in (labels == group for group in set(groups))
    )
    return between / total


def decisions(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
    *,
    n: int = 12,
    columns: int = 4,
) -> Figure:
    """Draw each decision against the first objective, in small multiples.

    Categories are spread a little so that dots do not hide one another. Of more than `n`
    decisions those most associated with the objective are drawn.
    """
    objective = objectives[0]
    shown = _comparable(trials, objective)
    panels = decision_panels(shown, objective, n)
    if not panels:
        figure = house.canvas(4.7, 1.6)
        house.note(figure.add_subplot(), _nothing(shown))
        return figure
    across = min(columns, len(panels))
    down = math.ceil(len(panels) / across)
    figure = house.canvas(2.2 * across + 0.4, max(2.5, 1.9 * down + 0.2))
    grid = figure.subplots(down, across, squeeze=False)
    for index, axes in enumerate(grid.flat):
        if index < len(panels):
            draw_panel(axes, panels[index], shown, objective, constraints)
        else:
            axes.set_axis_off()
    goal = house.two_lines(house.label(axis_label(objective.metric, objective), 70), 25 * down)
    figure.supylabel(goal, fontsize=8.5, color=house.INK)
    return figure


def _comparable(trials: Iterable[Trial], objective: Objective) -> list[Trial]:
    return [trial for trial in trials if math.isfinite(objective.loss(trial))]


def _nothing(shown: Sequence[Trial]) -> str:
    if not shown:
        return "no completed trial yet"
    return "the completed trials do not differ in any decision"


def draw_panel(
    axes: Axes,
    panel: Panel,
    trials: Sequence[Trial],
    objective: Objective,
    constraints: Sequence[Constraint] = (),
    *,
    y: str = "",
) -> None:
    """Draw one decision against the objective; infeasible trials grey, the best one marked."""
    house.dress(axes, y=y, title=panel.column.path)
    values = [trial.metrics[objective.metric] for trial in trials]
    heights, _ = house.window(axes, values, objective.direction).clip(values)
    places, absent = _places(axes, panel)
    kept = np.array([feasible(trial, constraints) for trial in trials])
    for mask, colour in ((~kept, house.GREY), (kept, house.BLUE)):
        axes.scatter(
            *(places[mask], heights[mask]),
            s=9,
            color=colour,
            alpha=0.5,
            linewidths=0,
            rasterized=len(trials) > _MANY,
        )
    if best := best_trials(trials, [objective], constraints, 1):
        at = trials.index(best[0])
        axes.plot(places[at], heights[at], "o", color=house.VERMILION, markersize=5, zorder=4)
    if absent is not None:
        axes.axvline(absent[1], color=house.GRID, linewidth=1)


def _places(axes: Axes, panel: Panel) -> tuple[np.ndarray, tuple[float, float] | None]:
    """Set the horizontal axis; return places with jitter, and where the inactive stand."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    places, known = panel.places.copy(), panel.places[np.isfinite(panel.places)]
    rng = generator(0, "report", "jitter", panel.column.path)
    low, high = float(known.min()), float(known.max())
    log = panel.column.log and low > 0
    step = 1.0 if panel.ticks else (high - low) / 6 or 1.0
    few = panel.column.whole and high - low <= 12
    inactive = low / (high / low) ** 0.15 if log and high > low else low - step
    missing = ~np.isfinite(places)
    places[missing] = inactive
    spread = np.full(len(places), 0.2 if panel.ticks or few else 0.0)
    spread[missing] = 0.0 if log else 0.2 * step
    places += spread * rng.uniform(-1, 1, len(places))
    _ticks(axes, panel, inactive if missing.any() else None)
    if not panel.ticks and not log:
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=panel.column.whole, min_n_ticks=1))
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda v, _: number(round(v, 9)) if v >= low - 0.35 * step else "")
        )
    if log:
        axes.set_xscale("log")
    if not missing.any():
        return places, None
    axes.annotate(
        _ABSENT,
        (inactive, 0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, -10),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=8,
        color=house.SOFT,
    )
    middle = math.sqrt(inactive * low) if log else inactive + 0.5 * step
    return places, (inactive, middle)


def _ticks(axes: Axes, panel: Panel, inactive: float | None) -> None:
    if not panel.ticks:
        return
    texts = [house.label(text, 12) for _, text in panel.ticks]
    crowded = sum(map(len, texts)) + 2 * len(texts) > 26
    axes.set_xticks([place for place, _ in panel.ticks], texts)
    if crowded:
        axes.tick_params(axis="x", rotation=90 if len(texts) > 6 else 35)
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("center" if len(texts) > 6 else "right")
            text.set_rotation_mode("default" if len(texts) > 6 else "anchor")
    axes.set_xlim((-0.5 if inactive is None else inactive - 0.5), len(texts) - 0.5)


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
    shown = _comparable(trials, objective)
    panels = decision_panels(shown, objective, n)
    if not panels:
        figure = house.canvas(4.7, 1.6)
        house.note(figure.add_subplot(), _nothing(shown))
        return figure
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
                rasterized=len(lines) > _MANY,
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
        _beside(axes, at, -0.12, _ABSENT)


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
