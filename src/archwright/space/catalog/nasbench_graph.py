"""The space of NAS-Bench-Graph: graph neural networks of four nodes.

Each node has one input, the raw features or an earlier node, and one of nine operations; what no
node takes is concatenated and leads to the output.

Y. Qin, Z. Zhang, X. Wang, Z. Zhang, W. Zhu: NAS-Bench-Graph. NeurIPS 2022, Datasets and
Benchmarks. [Qin2022nasbenchgraph]_

The published table has no network of skips only, so it is not in this space.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, cast

from archwright.errors import SpaceError, UnknownNameError
from archwright.space.architecture import Architecture
from archwright.space.catalog import _nasbench_graph as _graphs
from archwright.space.catalog._nasbench_graph import LINKS, NODES, SKIP
from archwright.space.catalog._reading import Reader
from archwright.space.decisions import Choice
from archwright.space.space import Space

__all__ = ["LINKS", "OPERATIONS", "SUBSETS", "NASBenchGraph", "nasbench_graph"]

OPERATIONS = ("gat", "gcn", "gin", "cheb", "sage", "arma", "graph", "fc", "skip")
SUBSETS = {"all": OPERATIONS, "proteins": ("gcn", "sage", "arma", "fc", "skip")}

_COUNTS = {"all": 26_206, "proteins": 2_021}  # the space itself counts them in a second
_WHAT = "NAS-Bench-Graph hash"


def nasbench_graph(*, operations: str = "all") -> NASBenchGraph:
    """Return the space of NAS-Bench-Graph networks.

    Its decisions are `input_1` to `input_4` (0 the raw features, k the k-th node) and
    `operation_1` to `operation_4`. Architectures with the same published hash are one.

    Args:
        operations: "all": nine operations, 26,206 architectures. "proteins": the five that the
            authors could train on the data set proteins, 2,021 architectures.

    Raises:
        UnknownNameError: If the operations are none of these.

    Example:
        >>> space = nasbench_graph()
        >>> architecture = space.of_lists((0, 1, 2, 1), ("gcn", "gin", "fc", "cheb"))
        >>> space.hash(architecture), space.lists(architecture)
        (61237, ((0, 1, 1, 2), ('gcn', 'gin', 'cheb', 'fc')))
    """
    if operations not in SUBSETS:
        raise UnknownNameError("operations of space nasbench-graph", operations, SUBSETS)
    return NASBenchGraph(operations)


class NASBenchGraph(Space):
    """Networks of NAS-Bench-Graph, with their published hash and canonical form.

    Args:
        operations: What `nasbench_graph` was given.
    """

    def __init__(self, operations: str) -> None:
        inputs = {f"input_{node}": Choice(*range(node)) for node in range(1, NODES + 1)}
        allowed = Choice(SUBSETS[operations])
        chosen = {f"operation_{node}": allowed for node in range(1, NODES + 1)}
        super().__init__({**inputs, **chosen}, name="nasbench-graph")
        self.catalog = {"operations": operations}
        self._operations = operations
        self._published = tuple(OPERATIONS.index(name) for name in SUBSETS[operations])

    def canonical(self, codes: Sequence[int | float]) -> tuple[int, ...]:
        """Return the codes of the published representative."""
        links, operations = _graphs.canonical(*self._split(codes))
        return (*links, *map(self._published.index, operations))

    def hash(self, architecture: Architecture) -> int:
        """Return the published hash, by which the tables are ordered.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        self._own(architecture)
        return _graphs.encode(*self._split(architecture.codes))

    def of_hash(self, number: int) -> Architecture:
        """Return the architecture with a hash; equal ones are brought to canonical form.

        Raises:
            SpaceError: If there is none; says which digit is wrong.
        """
        return self.parse(str(number))

    def format(self, architecture: Architecture) -> str:
        """Return the published hash as text: "61237"."""
        return str(self.hash(architecture))

    def parse(self, text: str) -> Architecture:
        """Read the hash: which of nine lists of links, 0 left out, and four operations.

        Raises:
            SpaceError: If it is none; names the character and draws an arrow at it.
        """
        reader = Reader(text, _WHAT)
        reader.skip()
        given = len(text.strip())
        # Zeros in front are not written; they stand for the operation 0, where that is allowed.
        fewest = 1 if 0 in self._published else NODES
        if not fewest <= given <= 1 + NODES:
            reader.fail(f"{fewest} to {1 + NODES} digits")
        allowed = [range(len(LINKS)), *[self._published] * NODES][-given:]
        digits = [int(reader.expect(*map(str, numbers))) for numbers in allowed]
        digits[:0] = [0] * (1 + NODES - given)
        reader.end()
        links, operations = _graphs.decode(digits)
        return self._checked(self.canonical(self._joined(links, operations)))

    def lists(self, architecture: Architecture) -> tuple[tuple[int, ...], tuple[str, ...]]:
        """Return the canonical links and the names of the operations.

        Raises:
            SpaceError: If the architecture belongs to another space.
        """
        self._own(architecture)
        links, operations = self._split(architecture.codes)
        return links, tuple(OPERATIONS[operation] for operation in operations)

    def of_lists(self, links: Sequence[int], operations: Sequence[str]) -> Architecture:
        """Return the architecture of four links and four names of operations, in any form.

        Raises:
            SpaceError: If there are not four of each, or one is not valid.
        """
        if not len(links) == len(operations) == NODES:
            raise SpaceError(
                f"a NAS-Bench-Graph network has {NODES} links and {NODES} operations; "
                f"got {links!r} and {operations!r}"
            )
        values: dict[str, Any] = {f"input_{node}": link for node, link in enumerate(links, 1)}
        named = {f"operation_{node}": name for node, name in enumerate(operations, 1)}
        return self.architecture(values | named)

    def _reasons(self, codes: tuple[int | float, ...]) -> list[str]:
        if set(self._split(codes)[1]) == {SKIP}:
            return ["a network of skips only is not in the published space; change an operation"]
        return []

    def _listed(self) -> Iterator[tuple[int | float, ...]]:
        allowed = itertools.product(self._published, repeat=NODES)
        for links, operations in itertools.product(LINKS, list(allowed)):
            yield self._joined(links, operations)

    def _count(self) -> int | float:
        # A restricted space is smaller.
        return super()._count() if self._restrictions else _COUNTS[self._operations]

    def _split(self, codes: Sequence[int | float]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        whole = cast("Sequence[int]", codes)  # choices have whole codes
        return tuple(whole[:NODES]), tuple(self._published[code] for code in whole[NODES:])

    def _joined(self, links: Sequence[int], operations: Sequence[int]) -> tuple[int, ...]:
        return (*links, *map(self._published.index, operations))
