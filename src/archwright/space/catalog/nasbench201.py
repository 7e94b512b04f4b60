"""The cell space of NAS-Bench-201 and of the topology part of NATS-Bench.

A cell has four nodes, 0 (input) to 3 (output), and one of five operations on each of the six
edges from a lower to a higher node; a node is the sum over the edges that lead to it.

* X. Dong, Y. Yang: NAS-Bench-201. ICLR 2020. [Dong2020nasbench201]_
* X. Dong, L. Liu, K. Musial, B. Gabrys: NATS-Bench. TPAMI 2021. [Dong2021nats]_

A mutation draws a node, then an edge into it, then another operation, as the published search
loops do: the edge 0->1 changes in a third of all mutations, 2->3 in a ninth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np

from archwright.errors import SpaceError, UnknownNameError
from archwright.space.architecture import Architecture
from archwright.space.catalog import _nasbench201 as _cells
from archwright.space.catalog._indexed import IndexedSpace
from archwright.space.catalog._nasbench201 import EDGES, OPERATIONS
from archwright.space.catalog._reading import Reader
from archwright.space.decisions import Choice

__all__ = ["EDGES", "EQUIVALENCES", "OPERATIONS", "NASBench201", "nasbench201"]

EQUIVALENCES = ("none", "isomorphism")

_WHAT = "NAS-Bench-201 cell"
_CODE = {operation: code for code, operation in enumerate(OPERATIONS)}
_GROUPS = ((0,), (0, 1), (0, 1, 2))  # sources of the edges into nodes 1, 2, 3
_TEXT = re.compile(
    r"\+".join(r"\|" + "".join(rf"(\w+)~{source}\|" for source in group) for group in _GROUPS)
)
_FOREIGN_EDGES = (0, 1, 3, 2, 4, 5)  # places of our edges among 01, 02, 03, 12, 13, 23; own inverse
_FOREIGN_OPERATIONS = (1, 0, 3, 2, 4)  # skip, none, 3x3, 1x1, pool among ours; own inverse


def nasbench201(*, equivalence: str = "none") -> NASBench201:
    """Return the space of NAS-Bench-201 cells.

    Its decisions are `edge_0_1`, `edge_0_2`, `edge_1_2`, `edge_0_3`, `edge_1_3` and `edge_2_3`.

    Args:
        equivalence: "none": every string is an architecture of its own, 15,625 in all.
            "isomorphism": those that compute the same by the authors' rule are one
            architecture, 6,466 in all; the first of them in published order stands for all.

    Raises:
        UnknownNameError: If the equivalence is none of these.

    Example:
        >>> space = nasbench201()
        >>> space.size, nasbench201(equivalence="isomorphism").size
        (15625, 6466)
        >>> space.format(space.at(1651))
        '|none~0|+|none~0|none~1|+|none~0|none~1|none~2|'
    """
    if equivalence not in EQUIVALENCES:
        raise UnknownNameError("equivalence of space nasbench201", equivalence, EQUIVALENCES)
    kind = NASBench201 if equivalence == "none" else _Distinct
    return kind(equivalence)


class NASBench201(IndexedSpace):
    """Cells of NAS-Bench-201, with their published text, order and equivalence.

    Args:
        equivalence: What `nasbench201` was given.
    """

    what = _WHAT

    def __init__(self, equivalence: str) -> None:
        decisions = {f"edge_{source}_{node}": Choice(OPERATIONS) for source, node in EDGES}
        super().__init__(decisions, name="nasbench201")
        # Of 18 equal parts each node has 6, spread over the edges into it.
        self.program.edited = tuple(
            slot for slot, (_, node) in enumerate(EDGES) for _ in range(6 // node)
        )
        self.catalog = {"equivalence": equivalence}

    def format(self, architecture: Architecture) -> str:
        """Return the published string: "|op~0|+|op~0|op~1|+|op~0|op~1|op~2|"."""
        a, b, c, d, e, f = (OPERATIONS[code] for code in self._codes(architecture))
        return f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"

    def parse(self, text: str) -> Architecture:
        """Read the published string.

        Raises:
            SpaceError: If it is none; names the character and draws an arrow at it.
        """
        match = _TEXT.fullmatch(text) if isinstance(text, str) else None
        try:
            codes = [_CODE[operation] for operation in match.groups()] if match else _read(text)
        except KeyError:
            codes = _read(text)  # raises, with the place
        return self._checked(self.canonical(codes))

    def index(self, architecture: Architecture) -> int:
        """Return the place in the published tables, 0 to 15,624.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        return int(_cells.index_of_number()[_cells.number(self._codes(architecture))])

    def codes_by_index(self) -> np.ndarray:
        """Return the codes of all strings in published order, uint8 `(15625, edges)`, read-only."""
        return _cells.codes_by_index()

    def unique_string(
        self, architecture: Architecture, *, consider_zero: bool | None = True
    ) -> str:
        """Return the published expression, equal for cells that the authors call equivalent.

        A node is the sorted sum of its edges' terms: a zero for `none`, the source for
        `skip_connect`, "(source)@operation" for others. A zero goes on along edges from node 1
        only; a node 2 of two zeros ("#+#") counts as something else, as in the published tables.

        Args:
            architecture: An architecture of this space.
            consider_zero: False takes `none` for an operation like others, None
                `skip_connect` too.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        return _cells.expression(self._codes(architecture), consider_zero)

    def classes(self, *, consider_zero: bool | None = True) -> np.ndarray:
        """Return for every index the first index of an equivalent cell, int64 `(15625,)`.

        Args:
            consider_zero: As in `unique_string`: 6,466, 12,751 or 15,625 different ones.
        """
        return _cells.classes(consider_zero)

    def connected(self, codes: np.ndarray) -> np.ndarray:
        """Return whether a path without `none` leads from input to output, bool `(...)`.

        Args:
            codes: Codes of cells `(..., edges)`, such as `codes_by_index()`.
        """
        return _cells.connected(codes)

    def lists(self, architecture: Architecture) -> list[tuple[tuple[str, int], ...]]:
        """Return the pairs (operation, source) of nodes 1, 2 and 3."""
        operations = iter(self._codes(architecture))
        return [tuple((OPERATIONS[next(operations)], j) for j in group) for group in _GROUPS]

    def of_lists(self, nodes: Sequence[Sequence[tuple[str, int]]]) -> Architecture:
        """Return the architecture of pairs (operation, source) of nodes 1, 2 and 3, in any order.

        Raises:
            SpaceError: If a node lacks an edge, or an operation is none of the five.
        """
        groups = [tuple(sorted(source for _, source in node)) for node in nodes]
        if tuple(groups) != _GROUPS:
            raise SpaceError(
                f"{_WHAT}: nodes 1, 2 and 3 need one pair (operation, source) for each of the "
                f"sources {_GROUPS}; got {nodes!r}"
            )
        values = {
            f"edge_{source}_{node}": operation
            for node, pairs in enumerate(nodes, 1)
            for operation, source in pairs
        }
        return self.architecture(values)

    def matrix(self, architecture: Architecture) -> np.ndarray:
        """Return codes as an array `(nodes, nodes)`, int64: [i, j] is the operation from j to i."""
        matrix = np.zeros((4, 4), dtype=np.int64)
        for (source, node), code in zip(EDGES, self._codes(architecture), strict=True):
            matrix[node, source] = code
        return matrix

    def of_matrix(self, matrix: Any) -> Architecture:
        """Return the architecture of such a matrix; floats are taken where they are whole.

        Raises:
            SpaceError: If it has another shape, or entries that are no codes below the diagonal
                or not 0 elsewhere.
        """
        given = np.asarray(matrix)
        codes = given.dtype.kind in "iuf" and np.isin(given, range(len(OPERATIONS))).all()
        if given.shape != (4, 4) or not codes or np.triu(given).any():
            raise SpaceError(
                f"{_WHAT}: needs a 4 x 4 matrix of operation codes below the diagonal and 0 "
                f"elsewhere; got {matrix!r}"
            )
        return self.from_codes([int(given[node, source]) for source, node in EDGES])

    def op_indices(self, architecture: Architecture) -> tuple[int, ...]:
        """Return the six numbers that NASLib and AnalogNAS-Bench use.

        Edges in the order 01, 02, 03, 12, 13, 23; 0 `skip_connect`, 1 `none`, 2 `nor_conv_3x3`,
        3 `nor_conv_1x1`, 4 `avg_pool_3x3`.
        """
        codes = self._codes(architecture)
        return tuple(_FOREIGN_OPERATIONS[codes[edge]] for edge in _FOREIGN_EDGES)

    def of_op_indices(self, indices: Sequence[int]) -> Architecture:
        """Return the architecture of NASLib's and AnalogNAS-Bench's six numbers.

        Raises:
            SpaceError: If they are not six numbers from 0 to 4.
        """
        if len(indices) != len(EDGES) or any(i not in range(len(OPERATIONS)) for i in indices):
            raise SpaceError(
                f"{_WHAT}: needs six operation indices from 0 to 4, for the edges 01, 02, 03, "
                f"12, 13, 23; got {indices!r}"
            )
        return self.from_codes([_FOREIGN_OPERATIONS[int(indices[edge])] for edge in _FOREIGN_EDGES])

    def _codes(self, architecture: Architecture) -> tuple[int, ...]:
        self._own(architecture)
        return cast("tuple[int, ...]", architecture.codes)  # choices have whole codes


class _Distinct(NASBench201):
    """The same, with equivalent cells as one architecture."""

    def canonical(self, codes: Sequence[int | float]) -> tuple[int, ...]:
        return _cells.representatives()[_cells.number(cast("tuple[int, ...]", codes))]

    def _listed(self) -> Iterator[tuple[int, ...]]:
        for index in np.unique(_cells.classes(True)):
            yield tuple(_cells.codes_by_index()[index].tolist())


def _read(text: str) -> list[int]:
    """Read the string piece by piece; what is not right is told with its place."""
    reader = Reader(text, _WHAT)
    codes = []
    reader.skip()
    for node, group in enumerate(_GROUPS):
        if node:
            reader.expect("+")
        reader.expect("|")
        for source in group:
            codes.append(_CODE[reader.name(OPERATIONS, "an operation")])
            reader.expect(f"~{source}|")
    reader.end()
    return codes
