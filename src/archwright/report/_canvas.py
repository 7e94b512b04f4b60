"""What all figures share: colours, type, a canvas without global state, text that is only text."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright.report._text import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "GRID",
    "INK",
    "ORANGE",
    "PAPER",
    "SERIES",
    "SOFT",
    "VERMILION",
    "Window",
    "any_script",
    "canvas",
    "dress",
    "inline_svg",
    "label",
    "legend",
    "note",
    "render",
    "two_lines",
    "window",
]

# Okabe and Ito's palette, told apart with every common colour blindness. Each colour is also the
# key under which the page finds its light and dark variant (see `inline_svg`).
BLUE, VERMILION, GREEN, ORANGE = "#0072b2", "#d55e00", "#009e73", "#e69f00"
INK, SOFT, GREY, GRID, PAPER = "#1d2430", "#5b6472", "#a3abb8", "#e3e7ec", "#fefefe"
SERIES = (VERMILION, BLUE, GREEN, ORANGE, "#cc79a7", "#56b4e9")
_VARIABLES = {
    **{BLUE: "blue", VERMILION: "vermilion", GREEN: "green", ORANGE: "orange"},
    **{INK: "ink", SOFT: "soft", GREY: "grey", GRID: "line", PAPER: "paper"},
    **{"#cc79a7": "pink", "#56b4e9": "sky"},
}
_SIZE = 8.5  # points


def canvas(width: float, height: float) -> Figure:
    """Return an empty figure of a size in inches, tied to no window and to no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Give axes the house's look: labels, a faint grid, no box."""
    axes.set_facecolor("none")
    axes.grid(visible=True, color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(which="both", labelsize=_SIZE - 0.5, colors=SOFT, length=2.5, width=0.7)
    axes.set_xlabel(label(x, 60), fontsize=_SIZE, color=INK)
    axes.set_ylabel(two_lines(label(y, 70)), fontsize=_SIZE, color=INK)
    if title:
        axes.set_title(label(title, 26), fontsize=_SIZE, color=INK, loc="left")


def two_lines(text: str, room: int = 42) -> str:
    """Break a label for which there is no room on one line before its unit."""
    return text.replace(" (", "\n(", 1) if len(text) > room else text


def label(text: object, length: int = 28) -> str:
    """Return user's text, shortened, with nothing in it that matplotlib reads as mathematics.

    Args:
        text: Any text.
        length: How many characters of middling width there is room for.
    """
    line = shorten(text, length)
    for fewer in range(length - 1, 3, -1):
        if sum(map(_width, line)) <= length:
            break
        line = shorten(text, fewer)
    return line.replace("$", r"\$")


def _width(character: str) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.8
    return 1.5 if character in "mwMW@%" else 1.2 if character.isupper() else 1.0


def legend(
    figure: Figure, entries: Sequence[tuple[Any, str]], *, columns: int, length: int = 44
) -> None:
    """Put a legend above the axes, where it covers no data; names are cut to a length."""
    figure.legend(
        [handle for handle, _ in entries],
        [label(name, length) for _, name in entries],
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=_SIZE - 0.5,
        labelcolor=SOFT,
        handletextpad=0.5,
        columnspacing=1.4,
        borderaxespad=0.2,
    )


def note(axes: Axes, text: str) -> None:
    """Write one sentence in the middle of axes that have nothing to show."""
    axes.set_axis_off()
    axes.text(
        *(0.5, 0.5, label(text, 120)),
        transform=axes.transAxes,
        ha="center",
        va="center",
        fontsize=_SIZE,
        color=SOFT,
    )


class Window:
    """The range of values worth showing, and what lies outside of it.

    Args:
        values: Finite values, at least one.
        direction: Which end must never be cut ("max": the top).
    """

    def __init__(self, values: Sequence[float], direction: str) -> None:
        array = np.asarray(values, dtype=float)
        best = float(array.max() if direction == "max" else array.min())
        reach = 6 * abs(best - float(np.median(array)))
        inside = array[np.abs(array - best) <= reach] if reach else array
        low, high = float(inside.min()), float(inside.max())
        pad = 0.06 * (high - low) or abs(high) * 0.05 or 0.5
        self.low, self.high = low - pad, high + pad
        self.edge = self.low + 0.4 * pad if direction == "max" else self.high - 0.4 * pad

    def clip(self, values: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return values moved to the edge of the window, and which of them were moved."""
        array = np.asarray(values, dtype=float)
        moved = (array < self.low) | (array > self.high)
        return np.where(moved, self.edge, array), moved


def window(axes: Axes, values: Sequence[float], direction: str) -> Window:
    """Set the vertical range so that one hopeless trial does not flatten all others."""
    found = Window(values, direction)
    axes.set_ylim(found.low, found.high)
    axes.yaxis.get_major_formatter().set_useOffset(False)  # type: ignore[attr-defined]
    return found


@contextmanager
def any_script() -> Iterator[None]:
    """Let names in scripts that the font lacks pass: a browser has other fonts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support")
        yield


def render(figure: Figure, format: str, *, salt: str = "archwright") -> bytes:
    """Return a figure as the bytes of a PNG (200 dots per inch), SVG or PDF file.

    The same figure gives the same bytes: no date is written, ids are derived from `salt`.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = BytesIO()
    settings: Any = {"svg.hashsalt": salt, "svg.fonttype": "none"}
    with mpl.rc_context(settings), any_script():
        if format == "svg":  # without the rehearsal that `savefig` draws first
            canvas, dpi = figure.canvas, figure.dpi
            vector: Any = FigureCanvasSVG(figure)
            vector.print_svg(buffer, metadata={"Date": None})
            figure.set_canvas(canvas)
            figure.dpi = dpi
        else:
            metadata = {"CreationDate": None} if format == "pdf" else None
            figure.savefig(buffer, format=format, dpi=200, metadata=metadata)
    return buffer.getvalue()


def inline_svg(figure: Figure, name: str) -> str:
    """Return a figure as an `<svg>` element for an HTML page.

    Ids begin with `name`, so that several fit on one page; no address outside of the page is
    left; the house's colours become CSS variables, so that the page's dark mode reaches them.
    """
    figure.set_facecolor("none")
    text = render(figure, "svg", salt=name).decode()
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    head, body = text.split(">", 1)
    head = re.sub(r'\s(xmlns(:xlink)?|version|width|height)="[^"]*"', "", head)
    body = re.sub(r"<[^>]*>", lambda tag: _shorter(tag[0]), _short_ids(body, name))
    body = _DOTS.sub(_common_style, body)
    return f'{head} aria-hidden="true">{body.strip()}'


_REFERENCE = re.compile(r'(?:href="|url\()#([^")]+)["\)]')
_DOTS = re.compile(r'<g((?: [\w-]+="[^"]*")*)>\s*((?:<use [^>]*/>\s*)+)</g>')


def _shorter(tag: str) -> str:
    """Round coordinates to a hundredth of a point and name the house's colours."""
    tag = re.sub(r"(\.\d\d)\d+", r"\1", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(f": {colour}", f": var(--{variable})")
    return tag


def _short_ids(body: str, name: str) -> str:
    """Number the ids that something refers to, and drop all others."""
    used = dict.fromkeys(found[1] for found in _REFERENCE.finditer(body))
    short = {old: f"{name}-{number}" for number, old in enumerate(used)}

    def rename(found: re.Match[str]) -> str:
        return f' id="{short[found[1]]}"' if found[1] in short else ""

    body = re.sub(r'\sid="([^"]*)"', rename, body)
    return _REFERENCE.sub(lambda found: found[0].replace(found[1], short[found[1]]), body)


def _common_style(group: re.Match[str]) -> str:
    """Write the style that all dots of a group share once, on the group."""
    styles = set(re.findall(r' style="([^"]*)"', group[2]))
    if len(styles) != 1 or "style=" in group[1]:
        return group[0]
    dots = re.sub(r'\s*style="[^"]*"', "", group[2])
    return f'<g{group[1]} style="{styles.pop()}">{dots}</g>'
