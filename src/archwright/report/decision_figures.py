"""Figure of decisions: each against the objective, in small multiples."""

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

__all__ = [
    "ABSENT",
    "MANY",
    "Panel",
    "comparable",
    "decision_panels",
    "decisions",
    "draw_panel",
    "nothing_to_show",
]

MANY = 1000  # trials beyond which dots and lines are drawn as pixels, not one by one
_MOST_OPTIONS = 12  # of a category that get a place of their own on an axis
ABSENT = "—"  # the decision is inactive: a shorter list, an unmet condition


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
    shown = comparable(trials, objective)
    panels = decision_panels(shown, objective, n)
    if not panels:
        return nothing_to_show(shown)
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


def comparable(trials: Iterable[Trial], objective: Objective) -> list[Trial]:
    """Return the trials with a finite value of the objective."""
    return [trial for trial in trials if math.isfinite(objective.loss(trial))]


def nothing_to_show(shown: Sequence[Trial]) -> Figure:
    """Return a figure that says why it is empty."""
    alike = "the completed trials do not differ in any decision"
    figure = house.canvas(4.7, 1.6)
    house.note(figure.add_subplot(), alike if shown else "no completed trial yet")
    return figure


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
            rasterized=len(trials) > MANY,
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
        ABSENT,
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
