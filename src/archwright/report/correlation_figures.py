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
_FAR = 6.0  # interquartile ranges beyond the quartiles at which a dot is off the scale


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
    low, high = _limits(judged.target[~np.isnan(judged.target)])
    axes.set_ylim(*_padded(low, high))
    off = (target < low) | (target > high)
    if proxy in _SIZES and len(shown) and shown.min() > 0:
        _logarithmic(axes, shown)
    else:
        off |= _linear(axes, shown)
    if off.any():
        axes.text(
            *(0.98, 0.03, f"{number(int(off.sum()))} off the scale"),
            transform=axes.transAxes,
            ha="right",
            fontsize=7,
            color=house.SOFT,
        )
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


def _linear(axes: Axes, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Scale an axis to what lies within reach, and return which values do not."""
    from matplotlib.ticker import MaxNLocator

    low, high = _limits(values)
    axes.set_xlim(*_padded(low, high))
    shown = [float(tick) for tick in MaxNLocator(3).tick_values(low, high) if low <= tick <= high]
    axes.set_xticks(shown, _different(shown))
    return (values < low) | (values > high)


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the ends of values but for those that are far from most of them."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    q25, q75 = np.quantile(values, [0.25, 0.75]).tolist()
    reach = _FAR * (q75 - q25)
    return (max(low, q25 - reach), min(high, q75 + reach)) if reach else (low, high)


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - pad, high + pad


def _different(ticks: Sequence[float]) -> list[str]:
    """Return labels with as many digits as tell the ticks apart."""
    for digits in range(3, 8):
        labels = [_short(tick, digits) for tick in ticks]
        if len(set(labels)) == len(labels):
            break
    return labels


def _short(value: float, digits: int = 3) -> str:
    for scale, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= scale and abs(value) < 1e12:
            return f"{value / scale:.{digits}g}{letter}"
    return f"{value:.{digits}g}"


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
