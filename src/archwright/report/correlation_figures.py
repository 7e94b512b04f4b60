"""Figures of scores: against recorded results with size beside, and against each other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archwright.report import _canvas as house
from archwright.report._text import number
from archwright.report.correlation import Judged
from archwright.report.correlation_statistics import kendall, spearman
from archwright.trial import Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["score_matrix", "score_scatter"]

_COLUMNS = 4
_MANY = 400  # dots beyond which they are drawn as pixels
_SIZES = ("params", "flops")
_FAR = 6.0  # interquartile ranges beyond the quartiles at which a score is off the scale


def score_scatter(judged: Judged, proxies: Sequence[str] | None = None) -> Figure:
    """Draw recorded results over the scores, one panel per proxy, the two sizes first.

    Args:
        judged: Scores of the first initialisation are drawn.
        proxies: Which; all if not given. `params` and `flops` are always drawn.
    """
    names = [*_SIZES, *(p for p in proxies or judged.scores.proxies if p not in _SIZES)]
    rows = math.ceil(len(names) / _COLUMNS)
    figure = house.canvas(9.6, 0.4 + 2.25 * rows)
    places = figure.subplots(rows, _COLUMNS, squeeze=False, sharey=True)
    for place, axes in enumerate(places.flat):
        if place < len(names):
            _panel(axes, judged, names[place], first=place % _COLUMNS == 0)
        else:
            axes.set_axis_off()
    return figure


def _panel(axes: Axes, judged: Judged, proxy: str, *, first: bool) -> None:
    values, there = judged.pair(proxy, 0)
    shown, target = values[there], judged.target[there]
    rho, tau = spearman(shown, judged.wanted[there]), kendall(shown, judged.wanted[there])
    unit = judged.measured.unit or "no unit"
    house.dress(axes, x=f"{proxy} (score)" if proxy not in _SIZES else f"{proxy} (count)")
    if first:
        axes.set_ylabel(house.two_lines(house.label(f"{judged.measured.metric} ({unit})", 40), 20))
    colour = house.GREY if proxy in _SIZES else house.BLUE
    axes.scatter(
        *(shown, target),
        s=9 if len(shown) > 150 else 16,
        color=colour,
        alpha=0.6,
        linewidths=0,
        rasterized=len(shown) > _MANY,
    )
    if proxy in _SIZES and len(shown) and shown.min() > 0:
        _logarithmic(axes, shown)
    else:
        _linear(axes, shown)
    missing = int((~there).sum())
    text = f"rho {rho:.2f}, tau {tau:.2f}, n {number(len(shown))}"
    text += f", {number(missing)} without" if missing else ""
    axes.set_title(house.label(text, 44), fontsize=7.5, color=house.SOFT, loc="left")


def _logarithmic(axes: Axes, values: NDArray[np.float64]) -> None:
    from matplotlib.ticker import FuncFormatter, NullLocator

    low, high = float(values.min()), float(values.max())
    axes.set_xscale("log")
    axes.set_xlim(low / 1.2, high * 1.2)
    middle = math.sqrt(low * high)
    axes.set_xticks([low, middle, high] if high > 3 * low else [low, high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def _linear(axes: Axes, values: NDArray[np.float64]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    if len(values) < 4:
        return
    q25, q75 = np.quantile(values, [0.25, 0.75])
    reach = _FAR * float(q75 - q25)
    low, high = max(float(values.min()), q25 - reach), min(float(values.max()), q75 + reach)
    if reach and high > low and (low > values.min() or high < values.max()):
        pad = 0.05 * (high - low)
        axes.set_xlim(low - pad, high + pad)
        off = int(((values < low) | (values > high)).sum())
        axes.text(
            *(0.98, 0.03, f"{number(off)} off the scale"),
            transform=axes.transAxes,
            ha="right",
            fontsize=7,
            color=house.SOFT,
        )


def _short(value: float) -> str:
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale and abs(value) < 1e12:
            return f"{value / scale:.3g}{letter}"
    return f"{value:.3g}"


def score_matrix(scores: Scores) -> Figure:
    """Draw the rank correlations of all proxies with each other, means over seeds.

    Each cell is over the architectures that both proxies have a score for.
    """
    names = scores.proxies
    found = np.full((len(names), len(names)), np.nan)
    means = [scores.mean(name) for name in names]
    for row, a in enumerate(means):
        for column, b in enumerate(means[: row + 1]):
            both = ~np.isnan(a) & ~np.isnan(b)
            found[row, column] = found[column, row] = spearman(a[both], b[both])
    side = min(9.6, 2.6 + 0.34 * len(names))
    figure = house.canvas(side, side)
    axes = figure.add_subplot()
    axes.imshow(_shades(found), interpolation="nearest")
    axes.set_xticks(range(len(names)), [house.label(n, 20) for n in names], rotation=90)
    axes.set_yticks(range(len(names)), [house.label(n, 20) for n in names])
    axes.tick_params(labelsize=7, colors=house.SOFT, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for row in range(len(names)):
        for column in range(len(names)):
            value = found[row, column]
            text = "–" if np.isnan(value) else f"{100 * value:.0f}"  # noqa: RUF001 - a dash
            strong = not np.isnan(value) and abs(value) > 0.55
            colour = house.PAPER if strong else house.INK
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
    return figure


def _shades(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return colours `(rows, columns, 4)`: blue for 1, vermilion for -1, clear for none."""
    from matplotlib.colors import to_rgb

    strength = np.clip(np.nan_to_num(values, nan=0.0), -1, 1)
    ends = np.array([to_rgb(house.VERMILION), to_rgb(house.BLUE)])
    return np.concatenate([ends[(strength > 0).astype(int)], np.abs(strength)[..., None]], axis=2)
