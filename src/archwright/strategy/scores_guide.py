"""A guide that was scored before: for searches on tables, and for comparing guided strategies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import StrategyError
from archwright.space import Architecture, Space
from archwright.trial import Scores

__all__ = ["ScoresGuide"]

Floats = NDArray[np.float64]


class ScoresGuide:
    """Looks scores up; an architecture that was not scored has none.

    Args:
        scores: Means over their seeds count.
        space: Reads their texts.
        columns: Which proxies; all if not given, `params` and `flops` among them.

    Raises:
        StrategyError: If the scores are of another space.
        UnknownNameError: If a proxy is not among the scores.
    """

    def __init__(self, scores: Scores, space: Space, columns: Sequence[str] | None = None) -> None:
        if scores.space != space.name:
            raise StrategyError(
                f"a guide must score the space that is searched, {space.name!r}; got scores of "
                f"{scores.space!r}"
            )
        self.columns = tuple(scores.proxies if columns is None else columns)
        self._name = space.name
        self._values = np.column_stack([scores.mean(name) for name in self.columns])
        codes = [space.parse(text).codes for text in scores.architectures]
        self._rows = {own: row for row, own in enumerate(codes)}
        self._nothing = len(codes)
        self._values = np.vstack([self._values, np.full(len(self.columns), np.nan)])

    def score(self, architectures: Sequence[Architecture]) -> Floats:
        """Return `(architectures, columns)`, NaN where nothing was scored."""
        rows = [self._rows.get(a.codes, self._nothing) for a in architectures]
        return self._values[rows]

    def describe(self) -> dict[str, Any]:
        """Return the space, the columns and a digest of the scores."""
        digest = hashlib.sha256(self._values.tobytes())
        digest.update(repr(list(self._rows)).encode())
        return {
            "kind": "scores",
            "space": self._name,
            "columns": list(self.columns),
            "architectures": self._nothing,
            "sha256": digest.hexdigest(),
        }
