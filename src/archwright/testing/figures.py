"""Check figures as readers see them: no text lies on another, none is cut at the edge."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = ["outside", "overlaps", "texts"]

_SLIVER = 1.5  # pixels that two boxes may share
_EDGE = 2.0  # pixels by which a box may stand out


def texts(figure: Figure) -> list[Text]:
    """Return the texts that are really drawn."""
    from matplotlib.text import Text

    from archwright.report._canvas import any_script

    drawn: dict[int, Text] = {}
    plain = Text.draw

    def draw(text: Text, renderer: Any) -> None:
        drawn[id(text)] = text
        plain(text, renderer)

    with mock.patch.object(Text, "draw", draw), any_script():
        figure.draw(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    return [text for text in drawn.values() if text.get_visible() and text.get_text().strip()]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of texts whose boxes share more than a sliver; slanted ones left out."""
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in texts(figure)
        if text.get_rotation() % 90 == 0
    ]
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > _SLIVER
        and min(a.y1, b.y1) - max(a.y0, b.y0) > _SLIVER
    ]


def outside(figure: Figure) -> list[str]:
    """Return the texts that the figure's edge cuts."""
    whole = figure.bbox
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    return [
        text
        for text, box in boxes
        if box.x0 < whole.x0 - _EDGE
        or box.y0 < whole.y0 - _EDGE
        or box.x1 > whole.x1 + _EDGE
        or box.y1 > whole.y1 + _EDGE
    ]
