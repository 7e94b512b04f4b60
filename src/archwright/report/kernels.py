"""Pictures of NASWOT's kernels: how many activation bits each two samples of a batch share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import ProxyError
from archwright.report import _canvas as house

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["kernel_grid"]

_COLUMNS = 5


def kernel_grid(kernels: Sequence[NDArray[Any]], titles: Sequence[str]) -> Figure:
    """Draw kernels K / N as heat maps, in the order given; rows and columns are the minibatch.

    All share one scale, from the smallest share of equal bits (dark) to 1 (white). Better networks
    tend to have darker pictures beside the white diagonal.

    Args:
        kernels: Each `(batch, batch)`, shares in [0, 1].
        titles: One for each.

    Raises:
        ProxyError: If there are none, or not a title for each, or a share is outside [0, 1].
    """
    if not kernels or len(kernels) != len(titles):
        raise ProxyError(
            f"a grid of kernels needs a title for each; got {len(kernels)} kernels and "
            f"{len(titles)} titles"
        )
    low = min(float(kernel.min()) for kernel in kernels)
    if low < 0 or max(float(kernel.max()) for kernel in kernels) > 1:
        raise ProxyError("kernels must be shares of equal bits in [0, 1]: divide by their number")
    columns = min(_COLUMNS, len(kernels))
    rows = math.ceil(len(kernels) / columns)
    figure = house.canvas(0.5 + 1.9 * columns, 0.5 + 2.05 * rows)
    places = figure.subplots(rows, columns, squeeze=False)
    shown = None
    for place, axes in enumerate(places.flat):
        axes.set_axis_off()
        if place < len(kernels):
            values = np.asarray(kernels[place], dtype=np.float64)
            shown = axes.imshow(values, vmin=low, vmax=1, cmap="gray", interpolation="nearest")
            text = house.label(titles[place], 24)
            axes.set_title(text, fontsize=8, color=house.INK, loc="left")
    assert shown is not None
    bar = figure.colorbar(shown, ax=places, shrink=0.6, aspect=24, pad=0.01)
    bar.set_label("share of equal bits", fontsize=8, color=house.INK)
    bar.ax.tick_params(labelsize=7.5, colors=house.SOFT, length=2.5)
    bar.outline.set_visible(False)
    return figure
