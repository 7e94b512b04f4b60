"""Array views of NAS-Bench-101 cells that its literature uses.

* adjacency: a column of 0 or 1 for each possible edge, and one for each operation of each interior
  vertex; those of vertices that a cell lacks are 0 everywhere.
* paths: a column for each sequence of operations that a path from input to output may have; 1 where
  the cell has such a path. Shorter ones come first, so that the head of the array is the truncated
  encoding. C. White, W. Neiswanger, Y. Savani: BANANAS. AAAI 2021. [White2021bananas]_
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from archwright.space.catalog._nasbench101 import OPERATIONS, edges
from archwright.space.catalog._nasbench101_codes import Layout

__all__ = ["KINDS", "encode", "feature_names"]

KINDS = ("adjacency", "paths")


def encode(slots: Layout, rows: Sequence[tuple[Any, ...]], kind: str) -> np.ndarray:
    """Return `(cells, features)`, float64, of canonical codes; the kind is one of `KINDS`."""
    if kind == "adjacency":
        array = np.array(rows, dtype=np.int64).reshape(len(rows), slots.edges + slots.interior)
        labels = array[:, slots.edges :, None] == np.arange(1, 4)  # (cells, vertices, operations)
        flat = labels.reshape(len(rows), 3 * slots.interior)
        return np.hstack([array[:, : slots.edges], flat]).astype(np.float64)
    columns = _columns(slots.interior)
    encoded = np.zeros((len(rows), len(columns)))
    for row, codes in enumerate(rows):
        encoded[row, [columns[path] for path in _paths(*slots.split(codes))]] = 1
    return encoded


def feature_names(slots: Layout, kind: str) -> tuple[str, ...]:
    """Return the names of the columns of `encode`."""
    if kind == "adjacency":
        vertices = range(1, slots.interior + 1)
        labels = [f"operation_{vertex}={name}" for vertex in vertices for name in OPERATIONS]
        return (*(f"edge_{x}_{y}" for x, y in edges(slots.vertices)), *labels)
    return tuple(
        ">".join(["input", *(OPERATIONS[label - 1] for label in path), "output"])
        for path in _columns(slots.interior)
    )


def _paths(bits: int, labels: tuple[int, ...]) -> set[tuple[int, ...]]:
    """Return the operation codes along each path of a cell."""
    into = {edge: bits >> number & 1 for number, edge in enumerate(edges(len(labels) + 2))}

    def back(vertex: int) -> Iterator[tuple[int, ...]]:
        """Yield what lies on each path from the input to before a vertex."""
        if into[0, vertex]:
            yield ()
        for source in range(1, vertex):
            if into[source, vertex]:
                yield from ((*path, labels[source - 1]) for path in back(source))

    return set(back(len(labels) + 1))


@cache
def _columns(interior: int) -> dict[tuple[int, ...], int]:
    """Return the column of each path: by length, then lexicographic in the order of labels."""
    paths = [path for length in range(interior + 1) for path in product((1, 2, 3), repeat=length)]
    return {path: column for column, path in enumerate(paths)}
