"""Random cells, mutations and neighbours of cells of NAS-Bench-101.

What they make may be no cell of the space. A graph is its bits and the operation codes of all
vertices that the space has room for. Several independent draws are made from one uniform number,
by looking it up in their joint distribution.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Iterator
from functools import cache, reduce
from itertools import product
from operator import itemgetter
from typing import Any

import numpy as np

from archwright.space.catalog._nasbench101 import bit, edges
from archwright.space.catalog._nasbench101_codes import Layout, moved, placements, renumbered

__all__ = ["drawn", "edited", "near"]

_Codes = tuple[Any, ...]
_Graph = tuple[int, _Codes]
_Placed = tuple[int, Callable[[_Codes], _Codes]]
_TOGETHER = 11  # edges drawn from one uniform number


def drawn(slots: Layout, rng: np.random.Generator) -> _Graph:
    """Return a random graph: each possible edge with chance 1/2, each operation alike."""
    first, second = rng.random(2).tolist()
    operations = slots.operation_codes(slots.interior, int(second * 3**slots.interior))
    return int(first * (1 << slots.edges)), operations


def edited(slots: Layout, codes: _Codes, rng: np.random.Generator) -> Iterator[_Graph]:
    """Yield, without end, graphs where every edge may be flipped and every operation exchanged.

    The chances are 1 / vertices for an edge and 1 / interior vertices for an operation, which
    becomes either of the two others. Vertices that the cell lacks are put back first, at random
    places, with random operations and without edges.

    Args:
        slots: The layout of the codes.
        codes: A cell, canonical.
        rng: Draws each graph when it is asked for.
    """
    flips, exchanges = _distributions(slots.vertices)
    exchanged, interior = _exchanged(slots.interior), slots.interior
    rank, operation_codes = slots.rank, slots.operation_codes
    random, width = rng.random, 3 + len(flips)
    places: list[_Placed] = []
    if codes[-1]:
        bits, operations = slots.bits(codes), codes[slots.edges :]
    else:
        bits, present = slots.split(codes)
        places = _placed(slots.vertices, len(present), bits)
    while True:
        place, fill, exchange, *chances = random(width).tolist()
        if places:
            bits, pick = places[int(place * len(places))]
            operations = pick(operation_codes(interior, int(fill * 3**interior)) + present)
        flipped, labels = bits, operations
        for (shift, table), chance in zip(flips, chances, strict=True):
            flipped ^= bisect(table, chance) << shift
        if which := bisect(exchanges, exchange):
            labels = operation_codes(interior, exchanged[which][rank(labels)])
        yield flipped, labels


def near(slots: Layout, codes: _Codes) -> Iterator[_Codes]:
    """Yield each graph with one edge flipped, one operation exchanged, or one vertex more.

    The new vertex stands on an edge, or beside it, with each of the operations. Every cell can be
    reached from every other one this way: edges can be taken away until a vertex has one edge on
    either side, and such a vertex too; and all of it goes backwards.

    Args:
        slots: The layout of the codes.
        codes: A cell, canonical.
    """
    bits, operations = slots.split(codes)
    size = len(operations) + 2
    for number in range(bit(0, size)):
        yield slots.join(bits ^ 1 << number, operations)
    for place, operation in enumerate(operations):
        for other in sorted({1, 2, 3} - {operation}):
            yield slots.join(bits, (*operations[:place], other, *operations[place + 1 :]))
    if size < slots.vertices:
        for number, edge in enumerate(edges(size)):
            if bits >> number & 1:
                yield from _with_vertex(slots, bits, operations, edge)


def _with_vertex(
    slots: Layout, bits: int, operations: _Codes, edge: tuple[int, int]
) -> Iterator[_Codes]:
    """Yield the codes with one more vertex on an edge, and beside it, for each operation."""
    source, target = edge
    new = source + 1
    size = len(operations) + 2
    moves = renumbered({vertex: vertex + (vertex >= new) for vertex in range(size)})
    beside = moved(bits, moves) | 1 << bit(source, new) | 1 << bit(new, target + 1)
    for larger in (beside ^ 1 << bit(source, target + 1), beside):
        for operation in (1, 2, 3):
            yield slots.join(larger, (*operations[:source], operation, *operations[source:]))


@cache
def _placed(vertices: int, interior: int, bits: int) -> list[_Placed]:
    """Return the bits of a smaller cell for all places of its interior vertices.

    With each comes what picks the operations, of all places, from drawn and present ones.
    """
    placed = []
    for places, moves in placements(vertices, interior):
        sources = list(range(vertices - 2))
        for present, vertex in enumerate(places):
            sources[vertex - 1] = vertices - 2 + present
        placed.append((moved(bits, moves), _picking(sources)))
    return placed


def _picking(sources: list[int]) -> Callable[[_Codes], _Codes]:
    if len(sources) == 1:  # of which itemgetter would make no tuple
        return itemgetter(slice(sources[0], sources[0] + 1))
    return itemgetter(*sources)


@cache
def _distributions(vertices: int) -> tuple[list[tuple[int, list[float]]], list[float]]:
    """Return how the flips of each few edges, and exchanges of operations, are distributed.

    Each is a cumulative distribution without its end: of the flips as bits, with the first bit
    beside it, and of the rank of what happens to each operation.
    """
    total, rate = bit(0, vertices), 1 / vertices
    flips = [
        (first, _cumulative([1 - rate, rate], min(_TOGETHER, total - first)))
        for first in range(0, total, _TOGETHER)
    ]
    rate = 1 / (vertices - 2)
    return flips, _cumulative([1 - rate, rate / 2, rate / 2], vertices - 2)


@cache
def _exchanged(interior: int) -> list[bytes]:
    """Return the rank of labels after each exchange; digits 1 and 2 of which move a label on."""
    labels = np.array(list(product(range(3), repeat=interior)))  # (ranks, vertices)
    after = (labels[:, None] + labels) % 3  # (exchanges, ranks, vertices)
    ranks = after @ 3 ** np.arange(interior)[::-1]
    return [row.tobytes() for row in ranks.astype(np.uint8)]


def _cumulative(chances: list[float], count: int) -> list[float]:
    joint = reduce(np.multiply.outer, [np.array(chances)] * count)
    cumulative: list[float] = joint.ravel().cumsum().tolist()[:-1]
    return cumulative
