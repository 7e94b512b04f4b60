"""Figures of a comparison: anytime curves, regret, final answers, mean ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.report import _canvas as house
from archwright.report.statistics import Band, Curve, curve, mean_ranks
from archwright.trial import Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["answers", "comparison_curves", "comparison_panel", "draw_curves", "ranks"]

Floats = NDArray[np.float64]

_STYLES = ("-", (0, (5, 2)), (0, (1, 1.4)))
_BEGIN = 0.04  # of the horizontal axis; what lies before does not set the vertical range
_POINTS = 300  # of one line
_MANY = 400  # points beyond which dots are drawn as pixels
_LABEL = 56  # characters of a strategy's name
_SECONDS = "simulated time (seconds)"


def comparison_curves(
    comparison: Comparison, *, log: bool = False, band: Band = "quantile"
) -> Figure:
    """Draw all curves on one sheet: values and regret, by evaluations and by time.

    Args:
        comparison: What was compared.
        log: Whether the horizontal axes are logarithmic.
        band: How the quartiles are taken.
    """
    axes_by = ("evaluations", "seconds") if comparison.has_time else ("evaluations",)
    figure = house.canvas(9.6, 0.3 + 3.1 * len(axes_by))
    places = figure.subplots(len(axes_by), 2, squeeze=False)
    for row, by in enumerate(axes_by):
        for column, kind in enumerate((comparison.answer_kind, _regret_of(comparison))):
            draw_curves(places[row][column], comparison, kind, by=by, log=log, band=band)
    _legend(figure, comparison)
    return figure


def comparison_panel(
    comparison: Comparison,
    kind: str | None = None,
    *,
    by: str = "evaluations",
    log: bool = False,
    band: Band = "quantile",
) -> Figure:
    """Draw the curves of one kind of value, with their legend.

    Args:
        comparison: What was compared.
        kind: Which value of the incumbent; `comparison.answer_kind` if not given.
        by: "evaluations" or "seconds".
        log: Whether the horizontal axis is logarithmic.
        band: How the quartiles are taken.

    Raises:
        UnknownNameError: If there is no such kind, axis or band.
    """
    figure = house.canvas(4.7, 3.0 + 0.17 * (len(comparison.runs) + 1))
    axes = figure.add_subplot()
    kind = kind or comparison.answer_kind
    draw_curves(axes, comparison, kind, by=by, log=log, band=band)
    _legend(figure, comparison)
    return figure


def _regret_of(comparison: Comparison) -> str:
    return "validation_regret" if comparison.test is None else "test_regret"


def draw_curves(
    axes: Axes,
    comparison: Comparison,
    kind: str,
    *,
    by: str = "evaluations",
    log: bool = False,
    band: Band = "quantile",
) -> None:
    """Draw one line with its band for each strategy; no legend.

    Args:
        axes: Where.
        comparison: What was compared.
        kind: One of `comparison.kinds`; a regret is drawn on a logarithmic axis.
        by: "evaluations" or "seconds".
        log: Whether the horizontal axis is logarithmic.
        band: How the quartiles are taken.
    """
    curves = [curve(comparison, runs, kind, by=by, log=log, band=band) for runs in comparison.runs]
    x = "evaluations" if by == "evaluations" else _SECONDS
    house.dress(axes, x=x, y=_label(comparison, kind))
    if kind.endswith("_regret"):
        curves = _regret_axis(axes, curves)
    else:
        _value_axis(axes, curves, comparison.measured(kind).direction)
    for index, one in enumerate(curves):
        (colour, style), kept = _style(index), _thinned(one.x, log)
        x, mean, low, high = (part[kept] for part in (one.x, one.mean, one.low, one.high))
        axes.fill_between(x, low, high, step="post", color=colour, alpha=0.16, linewidth=0)
        axes.plot(x, mean, drawstyle="steps-post", color=colour, linestyle=style, linewidth=1.7)
    _horizontal_axis(axes, curves, log)


def _thinned(x: Floats, log: bool) -> Any:
    """Return which points of a curve to draw: enough for the eye, few enough for a page."""
    n = len(x)
    if n <= _POINTS:
        return slice(None)
    places = np.geomspace(1, n, _POINTS) - 1 if log else np.linspace(0, n - 1, _POINTS)
    return np.unique(places.round().astype(np.int64))


def _style(index: int) -> tuple[str, Any]:
    colours = len(house.SERIES)
    return house.SERIES[index % colours], _STYLES[index // colours % len(_STYLES)]


def _label(comparison: Comparison, kind: str) -> str:
    """Return what the vertical axis shows, with unit and direction."""
    measured = comparison.measured(kind)
    unit = measured.unit or "no unit"
    if kind.endswith("_regret"):
        return f"regret in {measured.metric} ({unit}, lower is better)"
    better = "higher" if measured.direction == "max" else "lower"
    return f"{measured.metric} of the incumbent ({unit}, {better} is better)"


def _value_axis(axes: Axes, curves: Sequence[Curve], direction: str) -> None:
    """Set the vertical range by what comes after the first moments, which are far worse."""
    last = max(float(one.x[-1]) for one in curves)
    kept = [one.x >= min(_BEGIN * last, float(one.x[-1])) for one in curves]
    low = min(
        float(min(one.low[k].min(), one.mean[k].min())) for one, k in zip(curves, kept, strict=True)
    )
    high = max(
        float(max(one.high[k].max(), one.mean[k].max()))
        for one, k in zip(curves, kept, strict=True)
    )
    pad = 0.06 * (high - low) or 0.01 * abs(high) or 0.5
    axes.set_ylim(low - pad, high + pad)
    axes.yaxis.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]


def _regret_axis(axes: Axes, curves: Sequence[Curve]) -> list[Curve]:
    """Make the vertical axis logarithmic; the optimum, regret 0, lies on its lower edge."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    found = np.concatenate([part for c in curves for part in (c.mean, c.low, c.high)])
    positive = found[found > 0]
    if not len(positive):  # every strategy has found the optimum everywhere
        axes.set_ylim(-1, 1)
        axes.set_yticks([0])
        return list(curves)
    means = np.concatenate([c.mean for c in curves])
    lowest = float(means[means > 0].min()) if (means > 0).any() else float(positive.min())
    floor, top = lowest / 3, float(positive.max()) * 1.3
    axes.set_yscale("log")
    axes.set_ylim(floor, top)
    wide = top / floor > 300
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    return [
        replace(
            one,
            mean=np.maximum(one.mean, floor),
            low=np.maximum(one.low, floor),
            high=np.maximum(one.high, floor),
        )
        for one in curves
    ]


def _horizontal_axis(axes: Axes, curves: Sequence[Curve], log: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    first = min(float(one.x[0]) for one in curves)
    last = max(float(one.x[-1]) for one in curves)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
    if log and first > 0 and last > first:
        axes.set_xscale("log")
        axes.set_xlim(first, last)
        axes.xaxis.set_major_locator(LogLocator(numticks=8))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6))
        axes.set_xlim(0, last * 1.01 or 1.0)


def _thousands(value: float) -> str:
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale:
            return f"{value / scale:.4g}{letter}"
    return f"{value:.4g}"


def _legend(figure: Figure, comparison: Comparison) -> None:
    """Name the lines and the band above the axes."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[tuple[Any, str]] = []
    for index, runs in enumerate(comparison.runs):
        colour, style = _style(index)
        line = Line2D([], [], color=colour, linestyle=style, linewidth=1.7)
        entries.append((line, runs.contender.label))
    n = comparison.repeats
    if n > 1:
        patch = Patch(color=house.GREY, alpha=0.35, linewidth=0)
        entries.append((patch, f"mean and middle half of {n:,} repeats"))
    longest = max(len(house.label(name, _LABEL)) for _, name in entries)
    room = int(figure.get_size_inches()[0] / (0.5 + 0.072 * longest))
    columns = max(1, min(room, len(entries)))
    house.legend(figure, entries, columns=columns, length=_LABEL)


def answers(comparison: Comparison, kind: str | None = None) -> Figure:
    """Draw every repeat's answer as a dot, with median, quartiles and mean of each strategy.

    Args:
        comparison: What was compared.
        kind: Which value; `comparison.answer_kind` if not given.

    Raises:
        UnknownNameError: If there is no such kind.
    """
    kind = kind or comparison.answer_kind
    measured = comparison.measured(kind)
    found = [comparison.last(runs, kind) for runs in comparison.runs]
    figure = house.canvas(9.6, 1.2 + 0.62 * len(found))
    axes = figure.add_subplot()
    better = "higher" if measured.direction == "max" else "lower"
    house.dress(axes, x=f"{measured.metric} ({measured.unit or 'no unit'}, {better} is better)")
    drawn = [_strip(axes, place, values) for place, values in enumerate(found)]
    entries = drawn[0]  # alike for all
    _names(axes, comparison)
    if not kind.endswith("_regret"):
        entries.append(_optimum(axes, measured.optimum, np.concatenate(found)))
    axes.xaxis.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]
    house.legend(figure, entries, columns=len(entries))
    return figure


def _strip(axes: Axes, place: int, values: Floats) -> list[tuple[Any, str]]:
    """Draw one strategy: dots side by side in an order that has no meaning, the box over them."""
    colour, _ = _style(place)
    spread = (np.arange(len(values)) * 0.618033988749895) % 1 - 0.5
    dots = axes.scatter(
        *(values, place + 0.42 * spread),
        s=13,
        color=colour,
        alpha=0.45,
        linewidths=0,
        rasterized=len(values) > _MANY,
    )
    entries: list[tuple[Any, str]] = [(dots, "answer of one repeat")]
    if len(values) > 1:
        low, median, high = np.quantile(values, [0.25, 0.5, 0.75])
        (box,) = axes.plot(
            *([low, high, high, low, low], place + np.array([-1, -1, 1, 1, -1]) * 0.27),
            color=house.INK,
            linewidth=0.9,
        )
        axes.plot([median, median], [place - 0.27, place + 0.27], color=house.INK, linewidth=1.6)
        (mean,) = axes.plot(
            *([values.mean()], [place], "D"),
            color=house.PAPER,
            markeredgecolor=house.INK,
            markersize=5,
        )
        entries += [(box, "quartiles and median"), (mean, "mean")]
    return entries


def _names(axes: Axes, comparison: Comparison) -> None:
    """Write the strategies' names at the left, the first one on top."""
    names = [_two_lines(runs.contender.label) for runs in comparison.runs]
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", length=0, labelcolor=house.INK, labelsize=8.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _two_lines(label: str) -> str:
    """Break a strategy's name before its options."""
    return "\n".join(house.label(part, 40) for part in label.split(":", 1))


def _optimum(axes: Axes, optimum: float, values: Floats) -> tuple[Any, str]:
    line = axes.axvline(optimum, color=house.GREEN, linewidth=1.2, linestyle=(0, (4, 3)))
    far = max(abs(float(values.max()) - optimum), abs(float(values.min()) - optimum))
    reach = float(values.max() - values.min())
    text = "best recorded mean"
    if reach and far > 6 * reach:  # showing it would flatten everything else
        pad = 0.08 * reach
        axes.set_xlim(float(values.min()) - pad, float(values.max()) + pad)
        text += f" ({optimum:.5g}, off the scale)"
    return line, text


def ranks(comparison: Comparison, kind: str | None = None) -> Figure | None:
    """Draw mean ranks with Nemenyi's bars; None for fewer than three strategies or two repeats.

    Two strategies whose bars do not overlap differ at the level of 5 %.

    Args:
        comparison: What was compared.
        kind: By which value; `comparison.answer_kind` if not given.
    """
    found = mean_ranks(comparison, kind)
    if found is None:
        return None
    figure = house.canvas(9.6, 1.1 + 0.42 * len(found.means))
    axes = figure.add_subplot()
    house.dress(axes, x=f"mean rank over {found.n:,} repeats (1 is the best)")
    half = found.critical_difference / 2
    for place, mean in enumerate(found.means):
        colour, _ = _style(place)
        axes.plot([mean - half, mean + half], [place, place], color=colour, linewidth=2)
        axes.plot([mean], [place], "o", color=colour, markersize=6)
    _names(axes, comparison)
    bars = f"bars: critical difference {found.critical_difference:.2f}"
    test = "p < 0.0001" if found.p_value < 1e-4 else f"p = {found.p_value:.4f}"
    axes.set_title(
        house.label(f"{bars} (Nemenyi, 5 %); Friedman {test}", 80),
        fontsize=8,
        color=house.SOFT,
        loc="left",
    )
    return figure
