"""The graphs of NAS-Bench-101 cells as integers, and the smallest form of each.

A cell of V vertices is a pair of integers. `bits` are its edges: x->y is bit x + y (y - 1) / 2, so
that the edges into one vertex lie together. `rank` are its operations: the place of the labels 0,
1, 2 of the interior vertices in lexicographic order. Vertex 0 is the input, V - 1 the output.

A cell may be relabelled by any permutation of its interior vertices that keeps every edge going
from a lower to a higher one. The smallest (bits, rank) of all of them is its published form: the
authors list graphs in this order, and keep the first of those that are isomorphic.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from itertools import permutations, product

import numpy as np

__all__ = ["MAX_EDGES", "OPERATIONS", "Shapes", "bit", "edges", "shapes"]

OPERATIONS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The operations in the authors' order; the index is the label."""
MAX_EDGES = 9
"""Edges that a cell may have after pruning."""

_NONE = np.iinfo(np.int32).max


def bit(source: int, target: int) -> int:
    """Return the number of the bit of an edge."""
    return source + target * (target - 1) // 2


def edges(vertices: int) -> list[tuple[int, int]]:
    """Return all possible edges (source, target) in the order of their bits."""
    return [(source, target) for target in range(vertices) for source in range(target)]


@dataclass(frozen=True, eq=False)
class Shapes:
    """All graphs of one number of vertices that no pruning makes smaller.

    Args:
        vertices: Number of vertices, input and output included.
        bits: `(graphs,)` int32, ascending.
        smallest: `(graphs,)` int32, the bits of the published form of each.
        ranks: `(graphs, labellings)` uint8, the rank in the published form of each rank.
    """

    vertices: int
    bits: np.ndarray
    smallest: np.ndarray
    ranks: np.ndarray

    @cached_property
    def cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Bits and rank of all published forms, `(cells,)` int32 each, in published order."""
        kept = self.smallest == self.bits
        row, rank = np.nonzero(self.ranks[kept] == np.arange(self.ranks.shape[1]))
        return self.bits[kept][row], rank.astype(np.int32)

    def labels(self, ranks: np.ndarray) -> np.ndarray:
        """Return the labels `(cells, vertices - 2)`, uint8, of ranks `(cells,)`."""
        chosen: np.ndarray = _labels(self.vertices - 2)[ranks]
        return chosen


@cache
def shapes(vertices: int) -> Shapes:
    """Return the graphs of a number of vertices, from 2 to 7; made once, in 50 ms at most."""
    bits = _full_graphs(vertices)
    interior = vertices - 2
    orders = list(permutations(range(interior)))
    relabelled = np.stack([_relabelled(bits, vertices, order) for order in orders])
    smallest = relabelled.min(axis=0)
    labels = _labels(interior)
    weights = 3 ** np.arange(interior)[::-1]
    ranks = np.full((len(bits), len(labels)), 255, dtype=np.uint8)
    for order, found in zip(orders, relabelled, strict=True):
        # The label of interior vertex i stands at place order[i] afterwards.
        moved = (labels @ weights[list(order)]).astype(np.uint8)
        best = found == smallest
        ranks[best] = np.minimum(ranks[best], moved)
    return Shapes(vertices, bits, smallest, ranks)


def _full_graphs(vertices: int) -> np.ndarray:
    """Return the graphs in which every vertex lies on a path from input to output."""
    bits = np.zeros(1, dtype=np.int32)
    for target in range(1, vertices):  # each vertex but the input has an edge into it
        into = np.arange(1, 1 << target, dtype=np.int32) << bit(0, target)
        bits = (into[:, None] | bits).ravel()
        bits = bits[np.bitwise_count(bits) <= MAX_EDGES - (vertices - 1 - target)]
    for source in range(vertices - 1):  # each vertex but the output has an edge out of it
        out = sum(1 << bit(source, target) for target in range(source + 1, vertices))
        bits = bits[bits & out != 0]
    return bits


def _relabelled(bits: np.ndarray, vertices: int, order: tuple[int, ...]) -> np.ndarray:
    """Return the bits after interior vertex i has gone to place order[i]; a maximum if it cannot.

    It cannot where an edge would lead to a lower vertex.
    """
    place = (0, *(1 + to for to in order), vertices - 1)
    moves = [(bit(x, y), place[x], place[y]) for x, y in edges(vertices)]
    backwards = sum(1 << edge for edge, source, target in moves if source > target)
    allowed = bits & backwards == 0
    moved = np.full(len(bits), _NONE, dtype=np.int32)
    kept, made = bits[allowed], np.zeros(int(allowed.sum()), dtype=np.int32)
    for edge, source, target in moves:
        if source < target:
            made |= (kept >> edge & 1) << bit(source, target)
    moved[allowed] = made
    return moved


@cache
def _labels(interior: int) -> np.ndarray:
    """Return all labellings `(labellings, interior)`, uint8, in order of their rank."""
    ranked = list(product(range(3), repeat=interior))
    return np.array(ranked, dtype=np.uint8).reshape(len(ranked), interior)
