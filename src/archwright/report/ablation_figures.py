"""Figures of an ablation, and its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.report import _canvas as house
from archwright.report._files import write_bytes
from archwright.report._page import figure_item, flat, render_page, tile, versions
from archwright.report._text import number
from archwright.report.ablation import DRAWS, Ablation, ablation_frame, ablation_sentences

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ablation_figure", "ablation_html", "ablation_panel", "write_ablation_html"]

Floats = NDArray[np.float64]


def ablation_figure(ablation: Ablation) -> Figure:
    """Draw all parts on one sheet; architectures from the worst to the best."""
    kinds = _kinds(ablation)
    rows = (len(kinds) + 1) // 2
    figure = house.canvas(9.6, 0.3 + 2.9 * rows)
    places = figure.subplots(rows, 2, squeeze=False).flat
    for axes, kind in zip(places, [*kinds, *([""] * (2 * rows - len(kinds)))], strict=True):
        _draw(axes, ablation, kind)
    return figure


def ablation_panel(ablation: Ablation, kind: str) -> Figure:
    """Draw one part: one of `DRAWS`, "sizes" or "training"."""
    figure = house.canvas(4.7, 3.1)
    _draw(figure.add_subplot(), ablation, kind)
    return figure


def _kinds(ablation: Ablation) -> list[str]:
    kinds = list(ablation.draws)
    kinds += ["sizes"] if ablation.sizes else []
    return kinds if ablation.training is None else [*kinds, "training"]


def _draw(axes: Axes, ablation: Ablation, kind: str) -> None:
    if not kind:
        axes.set_axis_off()
    elif kind == "sizes":
        _sizes(axes, ablation)
    elif kind == "training":
        _training(axes, ablation)
    else:
        _boxes(axes, ablation, ablation.draws[kind])
        axes.set_title(house.label(DRAWS[kind], 44), fontsize=8.5, color=house.INK, loc="left")


def _boxes(axes: Axes, ablation: Ablation, values: Floats) -> None:
    """Draw one box for each architecture: quartiles, median, and every score beyond."""
    house.dress(axes, x=_axis(ablation), y=f"{ablation.proxy} (score)")
    shown = [values[place][~np.isnan(values[place])] for place in ablation.order]
    drawn = axes.boxplot(
        shown,
        tick_labels=[ablation.label(place) for place in ablation.order],
        widths=0.6,
        patch_artist=True,
        flierprops={"marker": ".", "markersize": 3, "markeredgecolor": house.SOFT},
        medianprops={"color": house.INK, "linewidth": 1.4},
        boxprops={"facecolor": house.BLUE, "alpha": 0.45, "linewidth": 0},
        whiskerprops={"color": house.SOFT, "linewidth": 0.9},
        capprops={"color": house.SOFT, "linewidth": 0.9},
    )
    del drawn
    axes.grid(visible=False, axis="x")


def _sizes(axes: Axes, ablation: Ablation) -> None:
    """Draw mean scores over batch sizes, each size divided by its smallest mean score."""
    house.dress(axes, x="batch size", y=f"{ablation.proxy} (of the smallest)")
    sizes = sorted(ablation.sizes)
    means = np.stack([_mean(ablation.sizes[size]) for size in sizes])  # (sizes, architectures)
    least = np.nanmin(means, axis=1, keepdims=True)
    scaled = means / least if bool((least > 0).all()) else means - least
    if not bool((least > 0).all()):
        axes.set_ylabel(f"{ablation.proxy} (less the smallest)")
    _lines(axes, ablation, list(range(len(sizes))), scaled.T)
    axes.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    title = f"batch sizes; dark is best by {_order(ablation)}"
    axes.set_title(house.label(title, 48), fontsize=8.5, color=house.INK, loc="left")


def _training(axes: Axes, ablation: Ablation) -> None:
    assert ablation.training is not None
    house.dress(axes, x="epochs of training", y=f"{ablation.proxy} (score)")
    _lines(axes, ablation, list(range(ablation.training.shape[1])), ablation.training)
    title = f"during training; dark is best by {_order(ablation)}"
    axes.set_title(house.label(title, 48), fontsize=8.5, color=house.INK, loc="left")


def _lines(axes: Axes, ablation: Ablation, x: list[int], values: Floats) -> None:
    """Draw one line per architecture, the worst light and the best dark."""
    count = len(ablation.order)
    for rank, place in enumerate(ablation.order):
        strong = 0.25 + 0.75 * rank / max(1, count - 1)
        axes.plot(x, values[place], color=house.BLUE, alpha=strong, linewidth=1.3, marker=".")
    axes.set_xticks(x if len(x) <= 12 else x[:: -(-len(x) // 8)])


def _mean(values: Floats) -> Floats:
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    means: Floats = np.full(len(values), np.nan)
    np.divide(np.where(there, values, 0.0).sum(axis=1), count, out=means, where=count > 0)
    return means


def _order(ablation: Ablation) -> str:
    return "mean score" if ablation.measured is None else ablation.measured.metric


def _axis(ablation: Ablation) -> str:
    if ablation.measured is None:
        return "rank by mean score (architectures)"
    return f"{ablation.measured.metric} ({ablation.measured.unit or 'no unit'}), architectures"


def write_ablation_html(ablation: Ablation, path: str | Path) -> Path:
    """Write the page of an ablation as one file; an older file is replaced in one step."""
    return write_bytes(Path(path), ablation_html(ablation).encode())


def ablation_html(ablation: Ablation, *, written_at: float | None = None) -> str:
    """Return the page of an ablation: one self-contained HTML page that loads nothing.

    Args:
        ablation: What was scored.
        written_at: Time to state as the time of writing, seconds since the epoch; None for now.
    """
    frame = ablation_frame(ablation)
    rows = [dict(zip(frame, one, strict=True)) for one in frame.itertuples(index=False)]
    head = ["part", "draws", "missing", "within", "between", "agreement", "rho"]
    cells = [[row["part"], *(_cell(row[name]) for name in head[1:])] for row in rows]
    scored = sum(values.size for _, values in ablation.parts)
    content = {
        "title": f"What moves {ablation.proxy}",
        "lead": f"{len(ablation.architectures)} networks of {ablation.space} under changes.",
        "tiles": [
            tile("architectures", number(len(ablation.architectures)), ablation.space),
            tile("scores", number(scored), f"{len(rows)} parts"),
        ],
        "findings": ablation_sentences(ablation),
        "judged": "Standard deviations of one network's score over the draws (within) and of the "
        "networks' means (between); mean rank correlation of a draw's order with the mean order.",
        "results": {"head": head, "rows": cells, "numeric": tuple(head[1:])},
        "missing": {"rows": []},
        "searches": {"rows": []},
        "figures": list(_items(ablation)),
        "readings": [
            ("agreement", "1 where every draw puts the networks in the same order; for training, "
             "with the order before it."),
            ("rho", "Rank correlation of the mean scores with what is recorded of the networks."),
        ],
        "provenance": [("The scores", list(flat(ablation.facts))), versions()],
    }  # fmt: skip
    return render_page("correlation.html.j2", content, written_at)


def _items(ablation: Ablation) -> Iterator[dict[str, Any]]:
    texts = {"sizes": "Means over the draws, divided by the smallest of each size."}
    texts["training"] = "Before the first epoch and after each."
    names = {"sizes": "Batch sizes", "training": "During training"}
    for kind in _kinds(ablation):
        title = names.get(kind, kind.capitalize())
        text = texts.get(kind, f"Over {DRAWS.get(kind)}.")
        yield figure_item(title, text, ablation_panel(ablation, kind), f"a{kind[0]}")


def _cell(value: Any) -> str:
    return "—" if value != value else number(round(float(value), 4))
