"""A drawing of one architecture: layers as a chain of bars, stages as slabs, else a tree."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archwright.report import _canvas as house
from archwright.report._text import number, value_text
from archwright.report.decisions import answers
from archwright.space import Architecture, Group, List

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_architecture"]

# All lengths are inches: the axes cover the figure, one unit is one inch.
_WIDTH = 5.2
_MARGIN = 0.12
_BAR, _BAR_STEP, _BAR_HEIGHT = 0.56, 0.84, 1.25
_CARD, _CARD_STEP, _SLABS, _LINE = 1.34, 1.62, 0.95, 0.18
_PER_ROW_BARS, _PER_ROW_CARDS = 4, 3
_TREE_ROWS = 14


def draw_architecture(
    architecture: Architecture, *, input_shape: Sequence[int] = (), outputs: int | None = None
) -> Figure:
    """Draw an architecture from left to right, as its values describe it.

    A list of numbers becomes a chain of bars, each as high as its layer is wide. A list of groups
    becomes a chain of cards under slabs: as many as the stage is deep, as high as it is wide.
    What is not in the list stands below. An architecture without a list is drawn as a tree of its
    decisions.

    Args:
        architecture: The architecture.
        input_shape: Written at the input, if known.
        outputs: Written at the output, if known.
    """
    chain = _chain(architecture)
    if chain is None:
        return _tree(answers(architecture))
    name, items = chain
    rest = {key: value for key, value in architecture.values.items() if key != name}
    ends = (
        " × ".join(map(str, input_shape)),  # noqa: RUF001 - the sign is meant
        "" if outputs is None else str(outputs),
    )
    if isinstance(architecture.space.decisions[name].item, Group):
        return _cards(name, items, rest, ends)
    return _bars(name, items, rest, ends)


def _chain(architecture: Architecture) -> tuple[str, Sequence[Any]] | None:
    """Return the first list of numbers or of groups, if there is one."""
    for name, value in architecture.values.items():
        decision = architecture.space.decisions[name]
        if isinstance(decision, List) and all(_drawable(item) for item in value):
            return name, value
    return None


def _drawable(item: Any) -> bool:
    return isinstance(item, (int, float, Mapping)) and not isinstance(item, bool)


def _sheet(height: float, width: float = _WIDTH) -> tuple[Figure, Axes]:
    figure = house.canvas(width, height)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    return figure, axes


def _bars(
    name: str, items: Sequence[Any], rest: Mapping[str, Any], ends: tuple[str, str]
) -> Figure:
    """Draw layers as bars; a row holds the input, some layers, the output."""
    rows = max(1, math.ceil(len(items) / _PER_ROW_BARS))
    lines = _caption_lines(rest)
    row_height = _BAR_HEIGHT + 0.38
    height = rows * row_height + lines * _LINE + 0.3
    figure, axes = _sheet(height)
    widest = max((float(item) for item in items), default=1.0) or 1.0
    for row in range(rows):
        part = items[row * _PER_ROW_BARS : (row + 1) * _PER_ROW_BARS]
        first, last = row == 0, row == rows - 1
        middle = height - 0.1 - row * row_height - _BAR_HEIGHT / 2
        start = (_WIDTH - (len(part) + 1) * _BAR_STEP) / 2
        _terminal(axes, start, middle, "input" if first else "…", ends[0] if first else "")
        for index, item in enumerate(part):
            at = start + (index + 1) * _BAR_STEP
            _arrow(axes, at - _BAR_STEP, at, middle, _BAR)
            tall = _BAR_HEIGHT * (0.3 + 0.7 * math.sqrt(max(float(item), 0.0) / widest))
            _box(axes, at, middle, _BAR, tall, house.BLUE)
            _text(axes, at, middle, number(item), size=10, colour=house.PAPER, weight="bold")
            below = middle - _BAR_HEIGHT / 2 - 0.13
            _text(axes, at, below, house.label(f"{name}.{row * _PER_ROW_BARS + index}", 12))
        at = start + (len(part) + 1) * _BAR_STEP
        _arrow(axes, at - _BAR_STEP, at, middle, _BAR)
        _terminal(axes, at, middle, "output" if last else "…", ends[1] if last else "")
    _caption(axes, rest, lines)
    return figure


def _cards(
    name: str, items: Sequence[Any], rest: Mapping[str, Any], ends: tuple[str, str]
) -> Figure:
    """Draw stages as slabs over cards that list their decisions."""
    rows = max(1, math.ceil(len(items) / _PER_ROW_CARDS))
    longest = max((len(item) for item in items), default=0)
    slabs = any("depth" in item or "width" in item for item in items)
    card = 0.34 + _LINE * longest
    row_height = (_SLABS + 0.15 if slabs else 0.0) + card + 0.22
    lines = _caption_lines(rest) + 1
    height = rows * row_height + lines * _LINE + 0.3
    figure, axes = _sheet(height)
    for row in range(rows):
        part = items[row * _PER_ROW_CARDS : (row + 1) * _PER_ROW_CARDS]
        start = (_WIDTH - (len(part) - 1) * _CARD_STEP) / 2
        top = height - 0.1 - row * row_height
        floor = top - (_SLABS + 0.15 if slabs else 0.0)
        for index, item in enumerate(part):
            at = start + index * _CARD_STEP
            if slabs:
                _slabs(axes, at, top - _SLABS / 2, item, _widest(items))
            _card(axes, at, floor, card, f"{name}.{row * _PER_ROW_CARDS + index}", item)
            if index:
                _arrow(axes, at - _CARD_STEP, at, floor - card / 2, _CARD)
    flow = f"input {ends[0]}".rstrip(), f"{name} from left to right", f"output {ends[1]}".rstrip()
    _text(axes, _WIDTH / 2, 0.13 + (lines - 1) * _LINE + 0.08, "  →  ".join(flow))
    _caption(axes, rest, lines - 1)
    return figure


def _widest(items: Sequence[Mapping[str, Any]]) -> float:
    widths = [item.get("width") for item in items]
    return max((float(w) for w in widths if isinstance(w, (int, float))), default=1.0)


def _slabs(axes: Axes, at: float, middle: float, item: Mapping[str, Any], widest: float) -> None:
    """Draw one slab for each repetition in a stage, as high as the stage is wide."""
    depth, width = item.get("depth", 1), item.get("width", widest)
    count = min(int(depth), 8) if isinstance(depth, (int, float)) else 1
    share = float(width) / widest if isinstance(width, (int, float)) else 1.0
    tall = _SLABS * (0.25 + 0.75 * math.sqrt(share))
    step = min(0.2, 0.9 * _CARD / max(count, 1))
    for index in range(count):
        left = at + (index - (count - 1) / 2) * step
        _box(axes, left, middle, 0.72 * step, tall, house.BLUE)


def _card(
    axes: Axes, at: float, top: float, tall: float, title: str, item: Mapping[str, Any]
) -> None:
    _box(axes, at, top - tall / 2, _CARD, tall, house.PAPER, edge=house.GREY)
    left, right = at - _CARD / 2 + 0.1, at + _CARD / 2 - 0.1
    _text(axes, left, top - 0.15, house.label(title, 18), align="left", colour=house.INK)
    for index, (key, value) in enumerate(item.items()):
        height = top - 0.36 - index * _LINE
        text = house.label(value_text(value), 9)
        _text(axes, left, height, house.label(key, 17 - len(text)), align="left", size=7.5)
        _text(axes, right, height, text, align="right", colour=house.INK, size=7.5)


def _tree(found: Mapping[str, Any]) -> Figure:
    """List decisions under the part of their path that they share, in up to two columns."""
    rows: list[tuple[bool, str, str]] = []  # (whether below a heading, name, value)
    before = ""
    for path, value in found.items():
        head, _, tail = path.rpartition(".")
        if head and head != before:
            rows.append((False, head, ""))
        before = head
        rows.append((bool(head), tail, value_text(value)))
    down = max(min(len(rows), _TREE_ROWS), math.ceil(len(rows) / 2), 1)
    across = math.ceil(len(rows) / down) or 1
    height = down * 0.21 + 0.25
    figure, axes = _sheet(height)
    span = (_WIDTH - 2 * _MARGIN) / across
    room = 36 if across == 1 else 17
    for index, (below, name, text) in enumerate(rows):
        left = _MARGIN + (index // down) * span
        at = height - 0.22 - (index % down) * 0.21
        colour = house.SOFT if text else house.INK
        if below:
            _text(axes, left + 0.06, at, "·", colour=house.GREY)
        start = left + 0.15 if below else left
        _text(axes, start, at, house.label(name, room), align="left", colour=colour)
        value_at = left + span * 0.57
        _text(axes, value_at, at, house.label(text, room - 4), align="left", colour=house.INK)
        axes.plot([left, left + span - 0.15], [at - 0.105] * 2, color=house.GRID, linewidth=0.6)
    return figure


def _caption_lines(rest: Mapping[str, Any]) -> int:
    return math.ceil(len(rest) / 3)


def _caption(axes: Axes, rest: Mapping[str, Any], lines: int) -> None:
    """Write the decisions outside of the list, three on a line."""
    pairs = list(rest.items())
    for line in range(lines):
        part = pairs[line * 3 : line * 3 + 3]
        share = 20 if len(part) == 3 else 30
        text = "  ·  ".join(
            f"{house.label(key, share)} {house.label(value_text(value), share)}"
            for key, value in part
        )
        _text(axes, _WIDTH / 2, 0.13 + (lines - 1 - line) * _LINE, text, colour=house.INK)


def _box(
    axes: Axes,
    at: float,
    middle: float,
    wide: float,
    tall: float,
    face: str,
    edge: str = "none",
) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (at - wide / 2, middle - tall / 2),
            wide,
            tall,
            boxstyle=f"round,pad=0,rounding_size={min(0.06, wide / 4)}",
            facecolor=face,
            edgecolor=edge,
            linewidth=0.9,
        )
    )


def _terminal(axes: Axes, at: float, middle: float, name: str, size: str) -> None:
    _text(axes, at, middle + (0.09 if size else 0.0), name, colour=house.INK, size=9)
    if size:
        _text(axes, at, middle - 0.09, house.label(size, 14), size=8 if len(size) < 9 else 6.5)


def _arrow(axes: Axes, start: float, end: float, middle: float, wide: float) -> None:
    axes.annotate(
        "",
        (end - wide / 2 - 0.03, middle),
        (start + wide / 2 + 0.03, middle),
        arrowprops={
            "arrowstyle": "-|>",
            "color": house.GREY,
            "linewidth": 1.0,
            "mutation_scale": 8,
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def _text(
    axes: Axes,
    at: float,
    height: float,
    text: str,
    *,
    size: float = 8.0,
    colour: str = house.SOFT,
    align: str = "center",
    weight: str = "normal",
) -> None:
    axes.text(
        *(at, height, text), ha=align, va="center", fontsize=size, color=colour, fontweight=weight
    )
