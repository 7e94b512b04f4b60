"""Uniform numbers of several generators, each read at its own pace."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archwright.strategy.selection import ordered

__all__ = ["Ahead"]

_BLOCK = 1024
_SPARE = 4  # numbers read beyond those needed if none came twice


class Ahead:
    """Generators whose numbers are drawn ahead, block by block.

    `Generator.random(n)` gives what `n` calls of `random()` give, so nothing but the time of
    drawing changes. It does not hold for integers and shuffles, which no strategy that is advanced
    like this may draw.

    Args:
        generators: One for each row; nobody else may draw from them.
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self._generators = generators
        self._values = np.empty((len(generators), _BLOCK))
        self._flat = self._values.reshape(-1)
        self._base = np.arange(len(generators)) * _BLOCK
        self._next = np.full(len(generators), _BLOCK)
        self._furthest = _BLOCK  # no row has read more of its block

    def take(self, rows: np.ndarray, count: int) -> np.ndarray:
        """Return the next numbers of some rows, float64 `(rows, count)`."""
        values = self._peek(rows, count)
        self._next[rows] += count
        self._furthest += count
        return values

    def distinct(self, rows: np.ndarray, n: int, k: int) -> np.ndarray:
        """Return what `distinct_indices` draws for each row, int64 `(rows, k)`, in any order."""
        if k >= n:
            return np.tile(np.arange(n), (len(rows), 1))
        if ordered(n, k):
            return self.take(rows, n).argpartition(k, axis=1)[:, :k]
        found = np.empty((len(rows), k), dtype=np.int64)
        left, width = np.arange(len(rows)), k + _SPARE
        while len(left):
            indices = (self._peek(rows[left], width) * n).astype(np.int64)
            first = _is_first(indices)
            reached = first.cumsum(axis=1)  # different ones so far
            enough = reached[:, -1] >= k
            kept = first[enough] & (reached[enough] <= k)
            found[left[enough]] = indices[enough][kept].reshape(-1, k)
            self._next[rows[left[enough]]] += (reached[enough] < k).sum(axis=1) + 1
            self._furthest += width
            left, width = left[~enough], 2 * width
        return found

    def _peek(self, rows: np.ndarray, count: int) -> np.ndarray:
        if self._furthest + count > self._values.shape[1]:
            self._refill(count)
        starts = self._base.take(rows) + self._next.take(rows)
        values: np.ndarray = self._flat.take(starts[:, None] + np.arange(count))
        return values

    def _refill(self, count: int) -> None:
        self._furthest = int(self._next.max())
        block = self._values.shape[1]
        if self._furthest + count <= block:
            return
        fresh = self._values if count <= block else np.empty((len(self._values), 2 * count))
        for values, left, after, generator in zip(
            self._values, self._next.tolist(), fresh, self._generators, strict=True
        ):
            kept = block - left
            after[:kept] = values[left:].copy()
            generator.random(out=after[kept:])
        self._values, self._flat = fresh, fresh.reshape(-1)
        self._base = np.arange(len(fresh)) * fresh.shape[1]
        self._next[:] = self._furthest = 0


def _is_first(indices: np.ndarray) -> np.ndarray:
    """Return where a row holds an index that none of its columns before holds."""
    same = indices[:, :, None] == indices[:, None, :]  # (rows, width, width)
    again: np.ndarray = np.tril(same, -1).any(axis=2)
    return ~again
