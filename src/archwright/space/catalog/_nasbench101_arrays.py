"""Many cells of NAS-Bench-101 at once, as arrays."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from archwright.space.catalog._nasbench101 import bit, edges, shapes
from archwright.space.catalog._nasbench101_codes import Layout, layout

__all__ = ["Listing", "canonical", "codes_of", "listing"]


class Listing(NamedTuple):
    """All published cells of a space in published order, `(cells,)` each.

    The order is that of (bits, rank): graphs of more vertices have larger bits.
    """

    vertices: np.ndarray  # uint8
    bits: np.ndarray  # int32
    ranks: np.ndarray  # uint8
    keys: np.ndarray  # int64, ascending

    def place(self, bits: int, rank: int) -> int:
        """Return the place of a published cell."""
        return int(np.searchsorted(self.keys, _key(bits, rank)))


@cache
def listing(vertices: int) -> Listing:
    """Return the cells of up to a number of vertices; made once, in 50 ms at most."""
    parts = [(size, *shapes(size).cells) for size in range(2, vertices + 1)]
    sizes = [np.full(len(bits), size, dtype=np.uint8) for size, bits, _ in parts]
    bits = np.concatenate([bits for _, bits, _ in parts])
    ranks = np.concatenate([ranks for _, _, ranks in parts])
    keys = np.asarray(_key(bits.astype(np.int64), ranks))
    return Listing(np.concatenate(sizes), bits, ranks.astype(np.uint8), keys)


def codes_of(vertices: int, sizes: np.ndarray, bits: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """Return codes `(cells, slots)`, uint8, of published cells.

    Args:
        vertices: Most vertices in the space.
        sizes: `(cells,)`, vertices of each.
        bits: `(cells,)`, edges of each.
        ranks: `(cells,)`, labels of each.
    """
    slots = layout(vertices)
    codes = np.zeros((len(bits), slots.edges + slots.interior), dtype=np.uint8)
    for size in np.unique(sizes).tolist():
        rows = np.flatnonzero(sizes == size)
        for edge, (source, target) in enumerate(edges(size)):
            to = bit(source, target if target < size - 1 else vertices - 1)
            codes[rows, to] = bits[rows] >> edge & 1
        last = slots.edges + size - 2
        codes[rows, slots.edges : last] = shapes(size).labels(ranks[rows]) + 1
    return codes


def canonical(slots: Layout, codes: np.ndarray) -> np.ndarray:
    """Return the codes of the published form of each row; what is no cell stays as it is.

    Args:
        slots: The layout of the codes.
        codes: `(cells, slots)`, any integers within the domains.
    """
    result = codes.astype(np.uint8)
    columns = result[:, : slots.edges].T.astype(bool)
    has = dict(zip(edges(slots.vertices), columns, strict=True))
    alive = _alive(slots.vertices, has)  # (vertices, cells)
    sets = np.packbits(alive, axis=0, bitorder="little")[0]
    for kept in np.unique(sets[alive[0]]).tolist():
        rows = np.flatnonzero(sets == kept)
        vertices = [vertex for vertex in range(slots.vertices) if kept >> vertex & 1]
        _write(slots, result, rows, vertices)
    return result


def _write(slots: Layout, codes: np.ndarray, rows: np.ndarray, kept: list[int]) -> None:
    """Bring rows whose vertices on paths are the same to their published form, in place."""
    graphs = shapes(len(kept))
    bits = np.zeros(len(rows), dtype=np.int32)
    for edge, (source, target) in enumerate(edges(len(kept))):
        bits |= codes[rows, bit(kept[source], kept[target])].astype(np.int32) << edge
    labels = codes[rows][:, [slots.edges + vertex - 1 for vertex in kept[1:-1]]]
    graph = np.minimum(np.searchsorted(graphs.bits, bits), len(graphs.bits) - 1)
    valid = (graphs.bits[graph] == bits) & (labels > 0).all(axis=1)
    rows, graph, labels = rows[valid], graph[valid], labels[valid]
    rank = (labels.astype(np.int64) - 1) @ 3 ** np.arange(labels.shape[1])[::-1]
    sizes = np.full(len(rows), len(kept))
    codes[rows] = codes_of(slots.vertices, sizes, graphs.smallest[graph], graphs.ranks[graph, rank])


def _alive(vertices: int, has: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Return which vertices lie on a path from input to output, `(vertices, cells)`, bool."""
    cells = len(next(iter(has.values())))
    reached = np.zeros((vertices, cells), dtype=bool)
    needed = np.zeros((vertices, cells), dtype=bool)
    reached[0] = needed[-1] = True
    for source, target in edges(vertices):  # by target, so that sources are settled
        reached[target] |= reached[source] & has[source, target]
    for source, target in reversed(edges(vertices)):
        needed[source] |= needed[target] & has[source, target]
    return reached & needed


def _key(bits: np.ndarray | int, rank: np.ndarray | int) -> np.ndarray | int:
    return bits * 3**5 + rank
