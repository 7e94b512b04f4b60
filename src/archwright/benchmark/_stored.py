"""A column over the mapped file: numbers of one row as fast as Python can, of many as numpy can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from archwright.benchmark.columns import Column

__all__ = ["Repeat", "Scalar", "StoredColumn", "tuple_reader"]

Repeat: TypeAlias = "int | str | np.ndarray"
Scalar: TypeAlias = Callable[[int], float]
"""A row's number; NaN where it is missing."""
_Tuple: TypeAlias = Callable[[int], tuple[float, ...]]


class StoredColumn:
    """One column, bound to its numbers; trusts rows, places and repeats.

    Args:
        column: What it says.
        numbers: Its read-only array `(rows, epochs, repeats)`.
    """

    __slots__ = ("_flat", "_view", "_width", "column")

    def __init__(self, column: Column, numbers: np.ndarray) -> None:
        self.column = column
        self._flat = numbers.reshape(-1)
        self._view = self._flat.data
        self._width = max(1, int(np.prod(column.shape, dtype=np.int64)))

    def _offset(self, epochs: int | None) -> int:
        """Return where the numbers of a budget begin within a row."""
        if not self.column.epochs or epochs is None:
            return 0
        return self.column.epochs.index(epochs) * max(1, self.column.repeats)

    def gather(self, rows: np.ndarray | None, epochs: int | None, repeat: Repeat) -> np.ndarray:
        """Return numbers `(rows,)`, float64, or `(rows, repeats)` for "all"; NaN if missing.

        Args:
            rows: Rows, int64; None for all of them.
            epochs: The budget; not used by a column without epochs.
            repeat: A number, one for each row, "mean" over those that are there, or "all".
        """
        begin, repeats = self._offset(epochs), self.column.repeats
        if not repeats:
            single = self._take(rows, begin)
            return single[:, None] if isinstance(repeat, str) and repeat == "all" else single
        if isinstance(repeat, np.ndarray):
            every = np.arange(len(self._flat) // self._width) if rows is None else rows
            return self._flat.take(every * self._width + begin + repeat).astype(np.float64)
        if isinstance(repeat, int):
            return self._take(rows, begin + repeat)
        each = [self._take(rows, begin + number) for number in range(repeats)]
        return np.stack(each, axis=1) if repeat == "all" else _mean(each)

    def _take(self, rows: np.ndarray | None, begin: int) -> np.ndarray:
        if rows is None:
            return self._flat[begin :: self._width].astype(np.float64)
        return self._flat.take(rows * self._width + begin).astype(np.float64)

    def repeats_there(self, row: int, epochs: int | None) -> set[int]:
        """Return the trainings of a row whose number is not missing."""
        return {repeat for repeat, value in enumerate(self._block(row, epochs)) if value == value}

    def count(self, row: int, epochs: int | None) -> int:
        """Return how many numbers of a row are not missing."""
        block = self._block(row, epochs)
        return len(block) if (total := sum(block)) == total else sum(v == v for v in block)

    def _block(self, row: int, epochs: int | None) -> Sequence[float]:
        begin = row * self._width + self._offset(epochs)
        return self._view[begin : begin + self.column.repeats].tolist()

    def scalar(self, epochs: int | None, repeat: int | str) -> Scalar:
        """Return a function from a row to its number, the same that `gather` gives.

        Args:
            epochs: The budget; not used by a column without epochs.
            repeat: A number, or "mean" over those that are there.
        """
        view, width, begin = self._view, self._width, self._offset(epochs)
        repeats = self.column.repeats
        if repeats == 3 and repeat == "mean":  # as nearly all published tables have it

            def mean_of_three(row: int) -> float:
                place = row * width + begin
                mean = (view[place] + view[place + 1] + view[place + 2]) / 3
                return mean if mean == mean else _mean_of(view[place : place + 3].tolist())

            return mean_of_three
        if repeats and repeat == "mean":
            return lambda row: _mean_of(
                view[row * width + begin : row * width + begin + repeats].tolist()
            )
        if repeats:
            begin += int(repeat)
        return lambda row: float(view[row * width + begin])

    def layout(self, epochs: int | None) -> tuple[int, int, int, str]:
        """Return width and beginning of a row's numbers, repeats, and type; equal ones go alike."""
        return self._width, self._offset(epochs), self.column.repeats, self._view.format


def tuple_reader(
    stored: Sequence[StoredColumn], budgets: Sequence[int | None], repeat: int | str
) -> tuple[_Tuple, _Tuple]:
    """Return two functions from a row to its numbers in several columns.

    Args:
        stored: The columns.
        budgets: At which budget each is read.
        repeat: A number, or "mean" over those that are there; columns without repeats ignore it.

    Returns:
        A fast function, which gives NaN where any number is missing; and a slower one, which gives
        it only where all numbers are missing that a mean is made of.
    """
    pairs = list(zip(stored, budgets, strict=True))
    scalars = [one.scalar(budget, repeat) for one, budget in pairs]

    def read_each(row: int) -> tuple[float, ...]:
        return tuple([scalar(row) for scalar in scalars])

    layouts = {one.layout(budget) for one, budget in pairs}
    width, begin, repeats, kind = next(iter(layouts))
    mean = repeat == "mean" and repeats > 0
    if len(layouts) > 1 or kind not in "fd" or (mean and repeats != 3):
        return read_each, read_each
    views = [one._view for one in stored]
    begin += int(repeat) if repeats and not mean else 0

    def read_alike(row: int) -> tuple[float, ...]:
        place = row * width + begin
        return tuple([view[place] for view in views])

    def read_means(row: int) -> tuple[float, ...]:
        place = row * width + begin
        return tuple([(view[place] + view[place + 1] + view[place + 2]) / 3 for view in views])

    return (read_means if mean else read_alike), read_each


def _mean(each: list[np.ndarray]) -> np.ndarray:
    """Return the mean over the repeats that are there, added up in their order."""
    total = each[0].copy()
    for values in each[1:]:
        total += values
    total /= len(each)
    missing = np.isnan(total)
    if missing.any():
        total[missing] = _mean_of_those_there([values[missing] for values in each])
    return total


def _mean_of_those_there(each: list[np.ndarray]) -> np.ndarray:
    total, count = np.zeros(len(each[0])), np.zeros(len(each[0]))
    for values in each:
        there = ~np.isnan(values)
        total[there] += values[there]
        count += there
    mean: np.ndarray = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return mean


def _mean_of(values: Sequence[float]) -> float:
    total, count = 0.0, 0
    for value in values:
        if value == value:
            total, count = total + value, count + 1
    return total / count if count else float("nan")
