"""Spaces whose architectures have a published order."""

from __future__ import annotations

from functools import cache
from typing import ClassVar

import numpy as np

from archwright.errors import SpaceError
from archwright.space.architecture import Architecture
from archwright.space.space import Space

__all__ = ["IndexedSpace", "frozen"]


class IndexedSpace(Space):
    """A space of choices, all of whose code vectors stand in a published table.

    The order is lexicographic, the first decision slowest, unless a kind of space overrides
    `codes_by_index` and `index`.
    """

    what: ClassVar[str]
    """What its architectures are, in words, for messages."""

    def index(self, architecture: Architecture) -> int:
        """Return the place in the published tables, counted from 0.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        self._own(architecture)
        return self.number(architecture.codes)

    def at(self, index: int) -> Architecture:
        """Return the architecture at a place in the published tables.

        Raises:
            SpaceError: If there is no such place.
        """
        rows = self.codes_by_index()
        if not 0 <= index < len(rows):
            raise SpaceError(f"the index of a {self.what} is 0 to {len(rows) - 1}; got {index!r}")
        return self._checked(self.canonical(rows[index].tolist()))

    def codes_by_index(self) -> np.ndarray:
        """Return the codes of all in published order, uint8 `(rows, slots)`, read-only."""
        return _lexicographic(tuple(self.program.sizes))


@cache
def _lexicographic(sizes: tuple[int, ...]) -> np.ndarray:
    return frozen(np.indices(sizes, dtype=np.uint8).reshape(len(sizes), -1).T.copy())


def frozen(array: np.ndarray) -> np.ndarray:
    """Return an array that can no longer be written to."""
    array.flags.writeable = False
    return array
