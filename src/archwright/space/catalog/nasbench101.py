"""The cell space of NAS-Bench-101: 423,624 graphs of up to 7 vertices and 9 edges.

* C. Ying, A. Klein, E. Christiansen, E. Real, K. Murphy, F. Hutter: NAS-Bench-101: towards
  reproducible neural architecture search. ICML 2019. [Ying2019nasbench101]_

A sample is the random cell of the authors' search loops, a mutation theirs at rate 1. One thing
differs: an architecture is the pruned cell, so vertices that died are not remembered. A mutation
puts them back first, at random places, with random operations and without edges. Nor is a child
that is equal to its parent returned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np

from archwright.errors import SpaceError, UnknownNameError
from archwright.space._encoding import KINDS
from archwright.space._nodes import Code
from archwright.space.architecture import Architecture
from archwright.space.catalog import _nasbench101_arrays as _arrays
from archwright.space.catalog import _nasbench101_encodings as _encodings
from archwright.space.catalog import _nasbench101_moves as _moves
from archwright.space.catalog._cell_graph import (
    Cell,
    Wiring,
    cell_text,
    checked_cell,
    graph_hash,
    parse_cell,
    prune,
)
from archwright.space.catalog._nasbench101 import MAX_EDGES, OPERATIONS, bit, edges, shapes
from archwright.space.catalog._nasbench101_codes import layout
from archwright.space.decisions import Choice, Decision
from archwright.space.space import Space

__all__ = [
    "MAX_EDGES",
    "OPERATIONS",
    "Cell",
    "NASBench101",
    "checked_cell",
    "graph_hash",
    "hashes_of",
    "nasbench101",
    "prune",
]

_SIZES = {3: 7, 4: 91, 5: 2_532, 6: 64_542, 7: 423_624}  # by most vertices; published


def nasbench101(*, max_vertices: int = 7) -> NASBench101:
    """Return the space of NAS-Bench-101 cells.

    Its decisions are `edge_0_1`, `edge_0_2`, `edge_1_2` ... (0 or 1), and `operation_1` ... of
    the interior vertices ("none" where the cell has fewer).

    Args:
        max_vertices: Most vertices of a cell, from 3 to 7; the benchmark's own is 7.

    Raises:
        SpaceError: If the number is none of these.

    Example:
        >>> space = nasbench101()
        >>> space.size
        423624
        >>> cell = space.parse("0110/0001/0001/0000; conv1x1-bn-relu, maxpool3x3")
        >>> space.hash(cell)
        'ac9bd0e2514c031187b612db767fb038'
    """
    if isinstance(max_vertices, bool) or max_vertices not in _SIZES:
        raise SpaceError(
            f"max_vertices of space nasbench101 must be a whole number from 3 to 7; "
            f"got {max_vertices!r}"
        )
    return NASBench101(int(max_vertices))


class NASBench101(Space):
    """Cells of NAS-Bench-101, each standing for all that are isomorphic to it after pruning.

    Args:
        max_vertices: What `nasbench101` was given.
    """

    def __init__(self, max_vertices: int) -> None:
        decisions: dict[str, Decision] = {
            f"edge_{source}_{target}": Choice(0, 1) for source, target in edges(max_vertices)
        }
        for vertex in range(1, max_vertices - 1):
            decisions[f"operation_{vertex}"] = Choice("none", *OPERATIONS)
        super().__init__(decisions, name="nasbench101")
        self.catalog = {"max_vertices": max_vertices}
        self._layout = layout(max_vertices)

    @property
    def max_vertices(self) -> int:
        """Most vertices of a cell, input and output included."""
        return self._layout.vertices

    def canonical(self, codes: Sequence[Code]) -> tuple[Any, ...]:
        """Return the codes of the published form; what is no cell stays as it is."""
        return self._layout.canonical(codes) or tuple(codes)

    def canonical_many(self, codes: np.ndarray) -> np.ndarray:
        """Return what `canonical` returns for each row, `(architectures, slots)`, uint8.

        Raises:
            SpaceError: If the array has another shape or kind, or a code is outside its domain.
        """
        self.numbers(codes)  # it checks them
        return _arrays.canonical(self._layout, codes)

    def codes_by_index(self) -> np.ndarray:
        """Return the codes of all cells in published order, `(architectures, slots)`, uint8.

        The order is the authors': by number of vertices, then bits of the matrix, then labels.
        """
        cells = _arrays.listing(self.max_vertices)
        return _arrays.codes_of(self.max_vertices, cells.vertices, cells.bits, cells.ranks)

    def index(self, architecture: Architecture) -> int:
        """Return the place of an architecture in published order."""
        self._own(architecture)
        bits, labels = self._layout.split(architecture.codes)
        return _arrays.listing(self.max_vertices).place(bits, self._layout.rank(labels))

    def at(self, index: int) -> Architecture:
        """Return the architecture at a place in published order.

        Raises:
            SpaceError: If there is no such place.
        """
        if not 0 <= index < _SIZES[self.max_vertices]:
            last = _SIZES[self.max_vertices] - 1
            raise SpaceError(f"index of a NAS-Bench-101 cell must be from 0 to {last}; got {index}")
        cells = _arrays.listing(self.max_vertices)
        here = slice(index, index + 1)
        parts = cells.vertices[here], cells.bits[here], cells.ranks[here]
        codes = _arrays.codes_of(self.max_vertices, *parts)
        return Architecture(self, tuple(codes[0].tolist()))

    def cell(self, architecture: Architecture) -> Cell:
        """Return the matrix and operations of an architecture, pruned and as published."""
        self._own(architecture)
        bits, labels = self._layout.split(architecture.codes)
        operations = (OPERATIONS[label - 1] for label in labels)
        return Cell(_matrix(bits, len(labels) + 2), ("input", *operations, "output"))

    def of_cell(self, matrix: Any, ops: Sequence[str]) -> Architecture:
        """Return the architecture of a cell, which need be neither pruned nor as published.

        Args:
            matrix: Square and upper triangular, of zeros and ones of any type; of any size.
            ops: One operation per vertex; the first is "input", the last "output".

        Raises:
            SpaceError: If it is no cell, or none of this space; says which rule it breaks.
        """
        cell = checked_cell(matrix, ops)
        codes = self._codes_of(cell)
        if codes is None:
            pruned = prune(*cell)
            if reason := _why_not(pruned, self.max_vertices):
                raise SpaceError(reason)
            assert pruned is not None  # that would have been the reason
            codes = self._codes_of(pruned)
            assert codes is not None  # nothing is against it
        return self._checked(codes)

    def _codes_of(self, cell: Cell) -> tuple[int, ...] | None:
        """Return canonical codes; None if it is no cell of the space, or too large to say."""
        size, ops = len(cell.ops), cell.ops
        if not 2 <= size <= self.max_vertices or ops[0] != "input" or ops[-1] != "output":
            return None
        bits = int((cell.matrix * _WEIGHTS[:size, :size]).sum())
        operations = tuple([_CODES.get(operation, 0) for operation in ops[1:-1]])
        return self._layout.canonical(self._layout.join(bits, operations))

    def hash(self, architecture: Architecture) -> str:
        """Return the published MD5 hash, 32 hexadecimal digits."""
        self._own(architecture)
        bits, labels = self._layout.split(architecture.codes)
        matrix = _matrix(bits, len(labels) + 2)
        return graph_hash(matrix, [-1, *(label - 1 for label in labels), -2])

    def format(self, architecture: Architecture) -> str:
        """Return the matrix row by row, a slash, and the operations, as in the published file."""
        return cell_text(self.cell(architecture))

    def parse(self, text: str) -> Architecture:
        """Read a cell from text.

        Either a matrix of digits, whose rows may be set apart by spaces or slashes, and behind
        it, after a slash or semicolon, the operations, with or without "input" and "output"; or a
        JSON object with "matrix" and "ops", or "module_adjacency" and "module_operations".

        Raises:
            SpaceError: If it is none of these, or no cell of this space.
        """
        return self.of_cell(*parse_cell(text))

    def encode(
        self, architectures: Sequence[Architecture] | np.ndarray, kind: str = "ordinal"
    ) -> np.ndarray:
        """Return an array view `(architectures, features)`, float64.

        Args:
            architectures: Architectures of this space, or an array of their codes.
            kind: "ordinal", "one-hot" (as in all spaces), "adjacency" (a column per edge, one per
                operation and interior vertex) or "paths" (a column per sequence of operations
                from input to output, shorter ones first; 364 of them, the first 40 of which are
                the truncated encoding).

        Raises:
            UnknownNameError: If the kind is none of these.
        """
        if self._has_kind(kind):
            return super().encode(architectures, kind)
        if isinstance(architectures, np.ndarray):
            rows = [tuple(row) for row in architectures.astype(np.int64).tolist()]
            return _encodings.encode(self._layout, rows, kind)
        for architecture in architectures:
            self._own(architecture)
        return _encodings.encode(self._layout, [a.codes for a in architectures], kind)

    def feature_names(self, kind: str = "ordinal") -> tuple[str, ...]:
        """Return the names of the columns of `encode`."""
        if self._has_kind(kind):
            return super().feature_names(kind)
        return _encodings.feature_names(self._layout, kind)

    def _has_kind(self, kind: str) -> bool:
        """Return whether all spaces have a kind of encoding, not this one alone."""
        if kind not in (*KINDS, *_encodings.KINDS):
            raise UnknownNameError("kind of encoding", kind, (*KINDS, *_encodings.KINDS))
        return kind in KINDS

    def sample(self, *, rng: np.random.Generator) -> Architecture:
        """Return a cell from a random graph: each edge with chance 1/2, each operation alike.

        Graphs are drawn until one is a cell, which every fourth is not.

        Args:
            rng: Two uniform numbers are drawn from it for each graph.
        """
        if self._restrictions:
            return super().sample(rng=rng)
        while (codes := self._layout.published(*_moves.drawn(self._layout, rng))) is None:
            pass
        return Architecture(self, codes)

    def mutate(self, architecture: Architecture, *, rng: np.random.Generator) -> Architecture:
        """Return another cell, in which every edge and operation may have changed.

        Each edge of the graph of most vertices is flipped with chance 1 / vertices and each
        operation exchanged with chance 1 / interior vertices, until another cell comes out.

        Args:
            architecture: The parent.
            rng: Draws it all.

        Raises:
            SpaceError: If restrictions leave nothing that 1,000 draws would find.
        """
        if self._restrictions:
            return super().mutate(architecture, rng=rng)
        self._own(architecture)
        parent, published = architecture.codes, self._layout.published
        graphs = _moves.edited(self._layout, parent, rng)
        while (codes := published(*next(graphs))) is None or codes == parent:
            pass
        return Architecture(self, codes)

    def _drawn(self, rng: np.random.Generator) -> tuple[int, ...]:
        return self._layout.codes(*_moves.drawn(self._layout, rng))

    def _edited(self, codes: tuple[Any, ...], rng: np.random.Generator) -> tuple[int, ...]:
        return self._layout.codes(*next(_moves.edited(self._layout, codes, rng)))

    def _crossed(
        self,
        first: tuple[Code, ...],
        second: tuple[Code, ...],
        kind: str,
        rng: np.random.Generator,
    ) -> list[Code]:
        """Combine slot by slot; a vertex that one parent lacks has the other's operation."""
        child = list(super()._crossed(first, second, kind, rng))
        for slot in range(self._layout.edges, len(child)):
            child[slot] = child[slot] or first[slot] or second[slot]
        return child

    def _near(self, codes: tuple[Any, ...]) -> Iterator[tuple[int, ...]]:
        return _moves.near(self._layout, codes)

    def _listed(self) -> Iterator[tuple[int, ...]]:
        for codes in self.codes_by_index().tolist():
            yield tuple(codes)

    def _reasons(self, codes: tuple[Any, ...]) -> list[str]:
        if self._layout.is_cell(codes):
            return []
        slots = self._layout
        pruned = slots.pruned(slots.bits(codes), codes[slots.edges :])
        if pruned is None:
            return [_DISCONNECTED]
        if (count := pruned[0].bit_count()) > MAX_EDGES:
            return [_too_many("edges", MAX_EDGES, count)]
        return ["a vertex on a path from input to output must have an operation; got 'none'"]

    def _count(self) -> int:
        if self._restrictions and self.size_is_exact:
            return sum(1 for _ in self._enumerate())
        return _SIZES[self.max_vertices]


def hashes_of(space: NASBench101) -> np.ndarray:
    """Return the published hashes of all cells in published order, `(architectures,)`, S32.

    Takes most of a minute for all 423,624 cells; each is some 50 MD5 digests.
    """
    cells = _arrays.listing(space.max_vertices)
    hashes: list[str] = []
    rows = zip(cells.vertices.tolist(), cells.bits.tolist(), cells.ranks.tolist(), strict=True)
    for (size, bits), group in groupby(rows, key=itemgetter(0, 1)):
        wiring = Wiring(_matrix(bits, size))
        ranks = np.array([rank for _, _, rank in group])
        labels = shapes(size).labels(ranks).tolist()
        hashes += [wiring.hash([-1, *interior, -2]) for interior in labels]
    return np.array(hashes, dtype="S32")


_CODES = {operation: code for code, operation in enumerate(OPERATIONS, 1)}
_WEIGHTS = np.zeros((7, 7), dtype=np.int64)  # of the bits of edges
for _source, _target in edges(7):
    _WEIGHTS[_source, _target] = 1 << bit(_source, _target)

_DISCONNECTED = "the cell is disconnected: no path leads from its input to its output"


def _too_many(things: str, most: int, got: int) -> str:
    return f"a cell has at most {most} {things} after pruning; got {got}"


def _why_not(cell: Cell | None, max_vertices: int) -> str:
    """Return why a pruned cell is not in the space; nothing if it is."""
    if cell is None:
        return _DISCONNECTED
    if len(cell.ops) > max_vertices:
        return _too_many("vertices", max_vertices, len(cell.ops))
    if (count := int(cell.matrix.sum())) > MAX_EDGES:
        return _too_many("edges", MAX_EDGES, count)
    if cell.ops[0] != "input":
        return f"the first operation of a cell must be 'input'; got {cell.ops[0]!r}"
    if cell.ops[-1] != "output":
        return f"the last operation of a cell must be 'output'; got {cell.ops[-1]!r}"
    for operation in cell.ops[1:-1]:
        if operation not in OPERATIONS:
            return f"operations of a cell must be of {', '.join(OPERATIONS)}; got {operation!r}"
    return ""


def _matrix(bits: int, size: int) -> np.ndarray:
    matrix = np.zeros((size, size), dtype=np.int8)
    for edge, place in enumerate(edges(size)):
        matrix[place] = bits >> edge & 1
    return matrix
