"""Architectures as single numbers: the rank of their codes in mixed radix, first slot slowest.

A table of a million architectures is then one sorted column of int64, and a look-up a bisection.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np

from archwright.errors import SpaceError
from archwright.space._nodes import Code
from archwright.space._program import Program

__all__ = ["Radix", "radix_of"]

_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class Radix:
    """The number system of one space.

    Args:
        weights: What a code of each slot counts.
        sizes: Number of codes of each slot.
    """

    weights: tuple[int, ...]
    sizes: tuple[int, ...]

    def number(self, codes: Sequence[Code]) -> int:
        """Return the rank of codes that are known to be within their domains."""
        return int(sum(map(mul, codes, self.weights)))

    def numbers(self, codes: np.ndarray) -> np.ndarray:
        """Return the ranks `(architectures,)`, int64, of codes `(architectures, slots)`.

        Raises:
            SpaceError: If the array has another shape or kind, or a code is outside its domain.
        """
        rows = np.asarray(codes)
        if rows.ndim != 2 or rows.shape[1] != len(self.sizes) or rows.dtype.kind not in "iu":
            raise SpaceError(
                f"codes must be an array of integers of the shape (architectures, "
                f"{len(self.sizes)}); got {rows.dtype} of {rows.shape}"
            )
        numbers = np.zeros(len(rows), dtype=np.int64)
        for slot, (weight, size) in enumerate(zip(self.weights, self.sizes, strict=True)):
            column = rows[:, slot]
            if len(column) and not 0 <= column.min() <= column.max() < size:
                row = int(np.flatnonzero((column < 0) | (column >= size))[0])
                raise SpaceError(
                    f"codes, row {row}, slot {slot}: must be from 0 to {size - 1}; "
                    f"got {column[row]}"
                )
            numbers += column.astype(np.int64) * weight
        return numbers

    def codes_of(self, numbers: np.ndarray) -> np.ndarray:
        """Return the codes `(architectures, slots)`, int64, of ranks `(architectures,)`.

        Raises:
            SpaceError: If they are no integers, or one is out of range.
        """
        ranks = np.asarray(numbers)
        last = math.prod(self.sizes) - 1
        if ranks.ndim != 1 or ranks.dtype.kind not in "iu":
            raise SpaceError(
                f"numbers must be an array of integers of the shape (architectures,); "
                f"got {ranks.dtype} of {ranks.shape}"
            )
        if len(ranks) and not 0 <= ranks.min() <= ranks.max() <= last:
            wrong = ranks[(ranks < 0) | (ranks > last)][0]
            raise SpaceError(f"numbers must be from 0 to {last}; got {wrong}")
        codes = np.empty((len(ranks), len(self.sizes)), dtype=np.int64)
        rest = ranks.astype(np.int64)
        for slot in range(len(self.sizes) - 1, -1, -1):
            rest, codes[:, slot] = np.divmod(rest, self.sizes[slot])
        return codes


def radix_of(program: Program, name: str) -> Radix:
    """Return the number system of a space.

    Raises:
        SpaceError: If a decision is real, or there are 2**63 code vectors or more.
    """
    sizes = [slot.size for slot in program.slots]
    exact = [size for size in sizes if size is not None]
    if len(exact) < len(sizes):
        path = program.slots[sizes.index(None)].path
        raise SpaceError(f"{path} is a Real: architectures of {name!r} have no numbers")
    if (vectors := math.prod(exact)) >= _LIMIT:
        raise SpaceError(
            f"architectures of {name!r} have no numbers: {vectors} code vectors do not fit "
            f"into 63 bits"
        )
    weights = [math.prod(exact[slot + 1 :]) for slot in range(len(exact))]
    return Radix(tuple(weights), tuple(exact))
