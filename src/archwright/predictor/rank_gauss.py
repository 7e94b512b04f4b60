"""Make columns normal by their ranks, whatever scales they have.

The place of a value among the reference values of its column, brought to (0, 1), becomes the
standard normal quantile (van der Waerden's scores). Monotone, so nothing is lost for trees; for
anything linear, scores with outliers become usable. What is missing counts as the lowest.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

__all__ = ["RankGauss"]

Floats = NDArray[np.float64]


class RankGauss:
    """A transformation learned from reference rows.

    Args:
        reference: `(rows, columns)`, at least one row; NaN is the lowest value.

    Example:
        >>> RankGauss([[1.0], [3.0], [2.0]])([[2.0], [3.0], [float("nan")]]).round(2).tolist()
        [[0.0], [0.67], [-1.15]]
    """

    def __init__(self, reference: ArrayLike) -> None:
        self._sorted = np.sort(_lowest(reference), axis=0)

    def __call__(self, values: ArrayLike) -> Floats:
        """Return `(rows, columns)`; what lies beyond all reference values lies beyond their ends.

        Args:
            values: `(rows, columns)`.
        """
        rows = len(self._sorted)
        made: Floats = np.empty_like(table := _lowest(values))
        for column, (known, own) in enumerate(zip(self._sorted.T, table.T, strict=True)):
            below, above = np.searchsorted(known, own), np.searchsorted(known, own, "right")
            made[:, column] = ndtri(((below + above) / 2 + 0.5) / (rows + 1))
        return made


def _lowest(values: ArrayLike) -> Floats:
    table = np.asarray(values, dtype=np.float64)
    return np.where(np.isnan(table), -np.inf, table)
