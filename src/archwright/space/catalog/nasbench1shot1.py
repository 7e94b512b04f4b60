"""The three subspaces of NAS-Bench-101 that one-shot methods can search.

* A. Zela, J. Siems, F. Hutter: NAS-Bench-1Shot1: benchmarking and dissecting one-shot neural
  architecture search. ICLR 2020. [Zela2020oneshot]_

Node 0 is the cell's input; then come choice blocks with one operation each; the last node is the
output. Every node has a fixed number of parents among the earlier ones. A block from which no path
leads to the output is a loose end: it is a decision like any other, but NAS-Bench-101 prunes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np

from archwright.errors import SpaceError
from archwright.space.architecture import Architecture
from archwright.space.catalog._cell_graph import Cell
from archwright.space.catalog._nasbench101 import bit
from archwright.space.catalog.nasbench101 import NASBench101, nasbench101
from archwright.space.decisions import Choice, Decision, Subset
from archwright.space.space import Space

__all__ = ["Counts", "NASBench1Shot1", "nasbench1shot1"]

_PARENTS = {1: (1, 2, 2, 2, 2), 2: (1, 1, 2, 2, 3), 3: (1, 1, 1, 2, 2, 2)}
_OPERATIONS = ("conv1x1-bn-relu", "conv3x3-bn-relu", "maxpool3x3")
_WEIGHED = ("maxpool3x3", "conv3x3-bn-relu", "conv1x1-bn-relu")  # order in one-shot networks
_DUMMY = _OPERATIONS[0]
_VERTICES = 7  # of a NAS-Bench-101 cell
_CODES = (2, 1, 3)  # of our operations in its space
_NO_EDGES = (0,) * 5  # into the vertex that stands in for a fifth block

_Parents = tuple[tuple[int, ...], ...]  # of node 1, 2 ... and the output


def nasbench1shot1(*, subspace: int = 1) -> NASBench1Shot1:
    """Return a subspace of NAS-Bench-1Shot1.

    Its decisions are, for each choice block i, `choice_block_i_op`, and for each block and the
    output, `choice_block_i_parents`: as many of the earlier nodes as it has parents.

    Args:
        subspace: 1, 2 or 3.

    Raises:
        SpaceError: If there is no such subspace.

    Example:
        >>> nasbench1shot1(subspace=1).size
        14580
    """
    if isinstance(subspace, bool) or subspace not in _PARENTS:
        raise SpaceError(f"subspace of space nasbench1shot1 must be 1, 2 or 3; got {subspace!r}")
    return NASBench1Shot1(int(subspace))


@dataclass(frozen=True, slots=True)
class Counts:
    """How large a subspace is, by the conventions in use.

    Args:
        connectivities: Ways to choose all parents.
        architectures: With an operation for every block, loose ends included.
        used_operations: With an operation only for blocks that are some node's parent.
        all_blocks: Graphs in which every block leads to the output.
        graphs: Different graphs after loose ends are taken away.
        without_loose_ends: Those with an operation for every block.
        published_graphs: Of these graphs, those that the authors' enumeration reaches: it follows
            the last parent of each node only, so the blocks must form a chain.
        published_without_loose_ends: Those with an operation for every block.
    """

    connectivities: int
    architectures: int
    used_operations: int
    all_blocks: int
    graphs: int
    without_loose_ends: int
    published_graphs: int
    published_without_loose_ends: int


class NASBench1Shot1(Space):
    """One subspace, with its way to NAS-Bench-101.

    Args:
        subspace: What `nasbench1shot1` was given.
    """

    parents: tuple[int, ...]
    """How many parents each block has, and the output."""
    blocks: int
    """Number of choice blocks."""
    cells: NASBench101
    """The space of NAS-Bench-101, to which `to_nasbench101` leads."""

    def __init__(self, subspace: int) -> None:
        self.parents = _PARENTS[subspace]
        self.blocks = len(self.parents) - 1
        decisions: dict[str, Decision] = {
            f"choice_block_{node}_op": Choice(*_OPERATIONS) for node in range(1, self.blocks + 1)
        }
        for node, number in enumerate(self.parents, 1):
            decisions[_key(node)] = Subset(*range(node), min=number, max=number)
        super().__init__(decisions, name="nasbench1shot1")
        self.catalog = {"subspace": subspace}
        self.cells = nasbench101()

    def cell(self, architecture: Architecture) -> Cell:
        """Return the cell of 7 vertices by which NAS-Bench-101 is asked, not pruned.

        Subspaces 1 and 2 have four blocks; a vertex without edges stands in for the fifth.
        """
        self._own(architecture)
        matrix = np.zeros((_VERTICES, _VERTICES), dtype=np.int8)
        ops = [architecture[f"choice_block_{node}_op"] for node in range(1, self.blocks + 1)]
        for node in range(1, self.blocks + 2):
            matrix[list(architecture[_key(node)]), self._vertex(node)] = 1
        ops += [_DUMMY] * (_VERTICES - 2 - self.blocks)
        return Cell(matrix, ("input", *ops, "output"))

    def to_nasbench101(self, architecture: Architecture) -> Architecture:
        """Return the architecture of NAS-Bench-101 that a table of it answers for."""
        self._own(architecture)
        operations = tuple([_CODES[int(code)] for code in architecture.codes[: self.blocks]])
        edges = architecture.codes[self.blocks :]  # by target, as those of NAS-Bench-101
        if self.blocks < _VERTICES - 2:
            inner = bit(0, self.blocks + 1)
            edges = (*edges[:inner], *_NO_EDGES, *edges[inner:], 0)
            operations += (_CODES[0],)
        return Architecture(self.cells, self.cells.canonical(edges + operations))

    def of_weights(
        self,
        operations: np.ndarray,
        output: np.ndarray,
        inputs: Sequence[np.ndarray],
    ) -> Architecture:
        """Return the architecture that the weights of a one-shot network prefer.

        The largest weights win; of equal ones the first. A softmax would change nothing.

        Args:
            operations: `(blocks, 3)`: max pooling, convolution 3x3, convolution 1x1.
            output: `(blocks + 1,)`: the cell's input, then the blocks, as parents of the output.
            inputs: For each block that has a choice of parents, `(block,)`: the cell's input,
                then the blocks before it.

        Raises:
            SpaceError: If a shape differs, or a weight is not finite.
        """
        chosen = _checked(operations, (self.blocks, 3), "operations").argmax(axis=1)
        values: dict[str, object] = {
            f"choice_block_{block}_op": _WEIGHED[best] for block, best in enumerate(chosen, 1)
        }
        weighed = [b for b in range(1, self.blocks + 1) if self.parents[b - 1] < b]
        if len(inputs) != len(weighed):
            raise SpaceError(
                f"weights of inputs must be given for the blocks "
                f"{', '.join(map(str, weighed))}; got them for {len(inputs)} blocks"
            )
        for node in range(1, self.blocks + 2):
            values[_key(node)] = range(node)
        for block, weights in zip(weighed, inputs, strict=True):
            values[_key(block)] = self._best(weights, block, f"inputs of block {block}")
        values[_key(self.blocks + 1)] = self._best(output, self.blocks + 1, "output")
        return self.architecture(values)

    def counts(self) -> Counts:
        """Return how large the subspace is, by every convention."""
        every = list(self._connectivities())
        used = [len({parent for parents in graph for parent in parents} - {0}) for graph in every]
        graphs = {_without_loose_ends(graph) for graph in every}
        blocks = {graph: sum(map(bool, graph[:-1])) for graph in graphs}
        chains = [graph for graph in graphs if _is_chain(graph)]
        return Counts(
            connectivities=len(every),
            architectures=len(every) * 3**self.blocks,
            used_operations=sum(3**count for count in used),
            all_blocks=sum(count == self.blocks for count in blocks.values()),
            graphs=len(graphs),
            without_loose_ends=sum(3**count for count in blocks.values()),
            published_graphs=len(chains),
            published_without_loose_ends=sum(3 ** blocks[graph] for graph in chains),
        )

    def unique_cells(self) -> np.ndarray:
        """Return the cells of NAS-Bench-101 that the subspace reaches, each once.

        Returns:
            Codes in `cells`, `(cells, slots)`, in ascending order of their numbers.
        """
        labels = np.array(list(product((1, 2, 3), repeat=self.blocks)), dtype=np.uint8)
        codes = np.zeros((len(labels), len(self.cells.slots)), dtype=np.uint8)
        first = bit(0, _VERTICES)  # slot of the operations
        codes[:, first : first + self.blocks] = labels
        numbers = []
        for graph in {_without_loose_ends(graph) for graph in self._connectivities()}:
            codes[:, :first] = 0
            for node, parents in enumerate(graph, 1):
                codes[:, [bit(parent, self._vertex(node)) for parent in parents]] = 1
            numbers.append(self.cells.numbers(self.cells.canonical_many(codes)))
        return self.cells.codes_of(np.unique(np.concatenate(numbers)))

    def _vertex(self, node: int) -> int:
        """Return the vertex of a NAS-Bench-101 cell that a node becomes."""
        return node if node <= self.blocks else _VERTICES - 1

    def _connectivities(self) -> Iterator[_Parents]:
        ways = [combinations(range(node), number) for node, number in enumerate(self.parents, 1)]
        return product(*ways)

    def _best(self, weights: np.ndarray, node: int, what: str) -> tuple[int, ...]:
        order = np.argsort(-_checked(weights, (node,), what), kind="stable")
        return tuple(order[: self.parents[node - 1]].tolist())


def _key(node: int) -> str:
    return f"choice_block_{node}_parents"


def _without_loose_ends(graph: _Parents) -> _Parents:
    """Return the parents, without those of blocks from which no path leads to the output."""
    needed = {len(graph)}
    for node in range(len(graph), 0, -1):
        if node in needed:
            needed.update(graph[node - 1])
    return tuple(parents if node in needed else () for node, parents in enumerate(graph, 1))


def _is_chain(graph: _Parents) -> bool:
    """Return whether the last parent of each node is the block before it that leads on."""
    before = 0
    for node, parents in enumerate(graph, 1):
        if parents:
            if max(parents) != before:
                return False
            before = node
    return True


def _checked(weights: np.ndarray, shape: tuple[int, ...], what: str) -> np.ndarray:
    array = np.asarray(weights, dtype=np.float64)
    if array.shape != shape:
        raise SpaceError(f"weights of {what} must have the shape {shape}; got {array.shape}")
    if not np.isfinite(array).all():
        raise SpaceError(f"weights of {what} must be finite; got {array.tolist()}")
    return array
