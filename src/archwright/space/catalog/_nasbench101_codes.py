"""Cells of NAS-Bench-101 as codes of the space: padding, pruning and canonical form.

Codes have room for a fixed number of vertices: first all edges, in the order of their bits, then
the operations of the interior vertices, 0 for none and otherwise the label plus 1. Those of a
smaller cell leave out the last interior vertices, so that the output keeps its number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from archwright.space.catalog._nasbench101 import bit, shapes

__all__ = ["Layout", "layout", "moved", "placements", "renumbered"]

_DIGITS = bytes([48, 49] + [50] * 254)  # codes 0 and 1 as the digits "0" and "1"
_UNPACKED = [tuple(byte >> place & 1 for place in range(7)) for byte in range(128)]

_Ints = tuple[int, ...]


class _Form(NamedTuple):
    """The published form of a graph."""

    edges: _Ints  # its edge codes
    ranks: bytes  # the rank of its labels by the rank of the graph's own labels


class _Move(NamedTuple):
    """Where the edges into one vertex go when vertices are renumbered."""

    shift: int  # of these edges, before
    mask: int
    sources: bytes  # new set of sources by old set
    to: int  # shift afterwards


class Layout:
    """The slots of a space of cells, and what its operators need to be quick.

    Args:
        vertices: Most vertices of a cell, input and output included.
    """

    def __init__(self, vertices: int) -> None:
        self.vertices = vertices
        self.interior = vertices - 2
        self.edges = bit(0, vertices)  # edge slots; those of operations follow
        self._backwards = slice(self.edges - 1, None, -1)
        self._low = bit(0, vertices - 2)
        self._last = 1 << vertices - 2
        self._all = (1 << vertices) - 1
        self._reached, self._needed = _closures(vertices - 2)
        self._forms: dict[int, _Form] = {}  # by bits
        self._cells: dict[_Ints, tuple[int, int]] = {}  # bits, interior vertices by edge codes
        self._loaded: set[int] = set()
        self._operations = [
            [_padded(ranked, self.interior) for ranked in product((1, 2, 3), repeat=interior)]
            for interior in range(vertices - 1)
        ]
        self._ranks = {
            codes[:interior]: rank
            for interior, ranked in enumerate(self._operations)
            for rank, codes in enumerate(ranked)
        }

    def __reduce__(self) -> tuple[Any, ...]:
        return layout, (self.vertices,)

    def bits(self, codes: Sequence[Any]) -> int:
        """Return the edge codes as one integer."""
        return int(bytes(codes[self._backwards]).translate(_DIGITS), 2)

    def edge_codes(self, bits: int) -> _Ints:
        """Return one integer as edge codes."""
        unpacked = _UNPACKED[bits & 127] + _UNPACKED[bits >> 7 & 127] + _UNPACKED[bits >> 14]
        return unpacked[: self.edges]

    def codes(self, bits: int, operations: _Ints) -> _Ints:
        """Return the codes of a graph of all vertices."""
        return self.edge_codes(bits) + operations

    def alive(self, bits: int) -> int:
        """Return the vertices on paths from input to output, as bits; 0 if there is no path."""
        output = self.vertices - 1
        low = bits & (1 << self._low) - 1  # edges between all but the last two vertices
        into_last, into_output = bits >> self._low & self._last - 1, bits >> self._low + output - 1
        reached = self._reached[low]
        if into_last & reached:
            reached |= self._last
        needed = into_output & reached
        if not needed:
            return 0
        if needed & self._last:
            needed |= into_last & reached
        return (
            1 << output
            | needed & self._last
            | self._needed[low << output - 1 | needed & self._last - 1] & reached
        )

    def pruned(self, bits: int, operations: _Ints) -> tuple[int, _Ints] | None:
        """Return bits and operation codes of the vertices that are alive; None without a path.

        Args:
            bits: Edges of a graph of all vertices.
            operations: Its operation codes; of those that are alive none should be 0.
        """
        alive = self.alive(bits)
        if not alive:
            return None
        if alive == self._all:
            return bits, operations
        kept, moves = _pruning(self.vertices, alive)
        return moved(bits, moves), tuple([operations[vertex - 1] for vertex in kept])

    def published(self, bits: int, operations: _Ints) -> _Ints | None:
        """Return the codes of the published form of a graph; None if it is no cell."""
        pruned = self.pruned(bits, operations)
        if pruned is None:
            return None
        bits, operations = pruned
        interior = len(operations)
        if interior not in self._loaded:
            self._load(interior)
        form, rank = self._forms.get(bits), self._ranks.get(operations)
        if form is None or rank is None:
            return None
        return form.edges + self._operations[interior][form.ranks[rank]]

    def canonical(self, codes: Sequence[Any]) -> _Ints | None:
        """Return the codes of the published form; None if they are no cell of the space."""
        return self.published(self.bits(codes), tuple(codes[self.edges :]))

    def is_cell(self, codes: _Ints) -> bool:
        """Return whether codes are a cell, given that `canonical` made them or returned None."""
        cell = self._cells.get(codes[: self.edges])
        # Codes without a form may have the edges of one, but lack an operation.
        return cell is not None and 0 not in codes[self.edges : self.edges + cell[1]]

    def split(self, codes: tuple[Any, ...]) -> tuple[int, _Ints]:
        """Return bits and operation codes of a cell, canonical, without what it lacks."""
        graph = codes[: self.edges]
        if graph not in self._cells:
            self._load(self.interior - codes[self.edges :].count(0))
        bits, interior = self._cells[graph]
        return bits, codes[self.edges : self.edges + interior]

    def join(self, bits: int, operations: _Ints) -> _Ints:
        """Return the codes of what `split` returns; not canonical."""
        _, moves = placements(self.vertices, len(operations))[0]
        return self.edge_codes(moved(bits, moves)) + _padded(operations, self.interior)

    def operation_codes(self, interior: int, rank: int) -> _Ints:
        """Return the operation codes of a rank among those of cells with so many vertices."""
        return self._operations[interior][rank]

    def rank(self, operations: _Ints) -> int:
        """Return the place of operation codes among all of as many vertices."""
        return self._ranks[operations]

    def _load(self, interior: int) -> None:
        graphs = shapes(interior + 2)
        _, moves = placements(self.vertices, interior)[0]
        codes: dict[int, _Ints] = {}
        for bits, smallest, ranks in zip(
            graphs.bits.tolist(), graphs.smallest.tolist(), graphs.ranks, strict=True
        ):
            if smallest not in codes:
                codes[smallest] = self.edge_codes(moved(smallest, moves))
            self._forms[bits] = _Form(codes[smallest], ranks.tobytes())
            self._cells[codes[smallest]] = smallest, interior
        self._loaded.add(interior)


def _closures(vertices: int) -> tuple[bytes, bytes]:
    """Return what is reached from vertex 0, and what some vertices are reached from.

    The former by bits, the latter by bits and then vertices; sets of vertices are bits, too.
    """
    bits = np.arange(1 << bit(0, vertices))[:, None]
    reached = np.ones_like(bits)
    needed = bits * 0 + np.arange(1 << vertices)  # (graphs, sets)
    into = [(v, bits >> bit(0, v) & (1 << v) - 1) for v in range(1, vertices)]
    for vertex, sources in into:
        reached |= (sources & reached != 0).astype(int) << vertex
    for vertex, sources in reversed(into):
        needed |= (needed >> vertex & 1) * sources
    return reached.astype(np.uint8).tobytes(), needed.astype(np.uint8).tobytes()


@cache
def layout(vertices: int) -> Layout:
    """Return the slots of the space of cells of up to a number of vertices, from 2 to 7."""
    return Layout(vertices)


def moved(bits: int, moves: Sequence[_Move]) -> int:
    """Return the edges between the vertices that stay, renumbered."""
    result = 0
    for shift, mask, sources, to in moves:
        result |= sources[bits >> shift & mask] << to
    return result


def renumbered(places: Mapping[int, int]) -> list[_Move]:
    """Return how edges go when vertices, in ascending order, are renumbered or left out."""
    return [
        _Move(bit(0, old), (1 << old) - 1, _sources(old, places), bit(0, new))
        for old, new in places.items()
        if old
    ]


def _sources(vertices: int, places: Mapping[int, int]) -> bytes:
    kept = [(old, new) for old, new in places.items() if old < vertices]
    return bytes(
        sum((before >> old & 1) << new for old, new in kept) for before in range(1 << vertices)
    )


@cache
def _pruning(vertices: int, alive: int) -> tuple[list[int], list[_Move]]:
    """Return the interior vertices that are alive, and how edges go when the others leave."""
    kept = [vertex for vertex in range(vertices) if alive >> vertex & 1]
    return kept[1:-1], renumbered({vertex: place for place, vertex in enumerate(kept)})


@cache
def placements(vertices: int, interior: int) -> list[tuple[_Ints, list[_Move]]]:
    """Return all places for the interior vertices of a smaller cell, and how its edges go."""
    ends = {0: 0, interior + 1: vertices - 1}
    return [
        (places, renumbered(dict(sorted({**ends, **dict(enumerate(places, 1))}.items()))))
        for places in combinations(range(1, vertices - 1), interior)
    ]


def _padded(codes: _Ints, length: int) -> _Ints:
    return codes + (0,) * (length - len(codes))
