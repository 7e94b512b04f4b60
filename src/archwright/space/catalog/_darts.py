"""Cells of the DARTS space in the forms that projects exchange.

All go through the genotype: for each cell, eight pairs (operation, input), two for each of the
nodes 2 to 5; the nodes 0 and 1 are the outputs of the two cells before.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from archwright.errors import SpaceError
from archwright.space.catalog._reading import Reader

__all__ = [
    "CELLS",
    "NODES",
    "OPERATIONS",
    "Compact",
    "Genotype",
    "compact_of",
    "config_of",
    "from_compact",
    "from_config",
    "genotype_of",
    "input_pairs",
    "read",
    "values_of",
]

OPERATIONS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
CELLS = ("normal", "reduce")
NODES = (2, 3, 4, 5)

Pairs = list[tuple[str, int]]
Compact = tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]

_WHAT = "DARTS genotype"
_PREFIX = "NetworkSelectorDatasetInfo:darts:"
_CONCAT = list(NODES)
_NONE = "'none' is for training a supernet and never in a finished cell: take the next best one"


class Genotype(NamedTuple):
    """Two cells in the form of the DARTS paper; its `repr` is the published text.

    Args:
        normal: Pairs (operation, input) of the normal cell, two for each of the nodes 2 to 5.
        normal_concat: Nodes whose channels make the normal cell's output: 2, 3, 4 and 5.
        reduce: Pairs of the reduction cell.
        reduce_concat: As `normal_concat`, for the reduction cell.
    """

    normal: list[tuple[str, int]]
    normal_concat: list[int]
    reduce: list[tuple[str, int]]
    reduce_concat: list[int]


def input_pairs(node: int) -> list[str]:
    """Return the possible inputs of a node: "0_1", "0_2", ..."""
    return [f"{low}_{high}" for low, high in itertools.combinations(range(node), 2)]


def genotype_of(values: Mapping[str, Any]) -> Genotype:
    """Return the genotype of an architecture's values; each node's lower input comes first."""
    pairs = {
        cell: [
            (values[f"{cell}.node_{node}.operation_{place}"], int(source))
            for node in NODES
            for place, source in enumerate(
                values.get(f"{cell}.node_{node}.inputs", "0_1").split("_"), 1
            )
        ]
        for cell in CELLS
    }
    return Genotype(pairs["normal"], list(_CONCAT), pairs["reduce"], list(_CONCAT))


def values_of(genotype: Any) -> dict[str, str]:
    """Return the values of an architecture, from a genotype of this or another project.

    Raises:
        SpaceError: If it is none of this space; says which node is wrong.
    """
    values = {}
    for cell in CELLS:
        try:
            pairs = [(operation, source) for operation, source in getattr(genotype, cell)]
            concat = list(getattr(genotype, f"{cell}_concat"))
        except (AttributeError, TypeError, ValueError) as error:
            raise SpaceError(
                f"{_WHAT}: needs `{cell}`, eight pairs (operation, input), and `{cell}_concat`; "
                f"got {genotype!r}"
            ) from error
        if concat != _CONCAT:
            raise SpaceError(f"{_WHAT}, {cell}_concat: must be {_CONCAT}; got {concat!r}")
        values.update(_cell_values(cell, pairs))
    return values


def read(text: str) -> Genotype:
    """Read the published text of a genotype, without executing it.

    Raises:
        SpaceError: If it is none of this space; names the character and draws an arrow at it.
    """
    reader = _GenotypeReader(text, _WHAT)
    reader.skip()
    reader.expect("Genotype")
    reader.symbol("(")
    pairs = {}
    for cell in CELLS:
        reader.field(cell)
        pairs[cell] = reader.pairs()
        reader.symbol(",")
        reader.field(f"{cell}_concat")
        reader.concat()
        if cell == "normal":
            reader.symbol(",")
    reader.close(")")
    reader.end()
    return Genotype(pairs["normal"], list(_CONCAT), pairs["reduce"], list(_CONCAT))


def config_of(genotype: Genotype) -> dict[str, str]:
    """Return the entries of NAS-Bench-301's configuration that describe the cells."""
    config = {}
    for cell, node, first, second in _nodes(genotype):
        for operation, source in (first, second):
            config[f"{_PREFIX}edge_{cell}_{_offset(node) + source}"] = operation
        if node != NODES[0]:
            config[f"{_PREFIX}inputs_node_{cell}_{node}"] = f"{first[1]}_{second[1]}"
    return config


def from_config(config: Mapping[str, Any]) -> Genotype:
    """Return the genotype of a NAS-Bench-301 configuration; its other entries do not count.

    Raises:
        SpaceError: If a node has not exactly two edges, or others than it says.
    """
    cells: dict[str, Pairs] = {cell: [] for cell in CELLS}
    for cell, node in itertools.product(CELLS, NODES):
        keys = [f"{_PREFIX}edge_{cell}_{_offset(node) + source}" for source in range(node)]
        pairs = [(config[key], source) for source, key in enumerate(keys) if key in config]
        inputs = "_".join(str(source) for _, source in pairs)
        said = config.get(f"{_PREFIX}inputs_node_{cell}_{node}", inputs)
        if len(pairs) != 2 or said != inputs:
            raise SpaceError(
                f"NAS-Bench-301 configuration, {cell}, node {node}: needs two of the entries "
                f"{keys[0]} to {keys[-1]}, and inputs_node_{cell}_{node} to name the same; "
                f"got edges from {inputs or 'nowhere'} and inputs {said!r}"
            )
        cells[cell] += pairs
    return Genotype(cells["normal"], list(_CONCAT), cells["reduce"], list(_CONCAT))


def compact_of(genotype: Genotype) -> Compact:
    """Return the pairs (input, operation number) of both cells, as BANANAS and NASLib write."""
    normal, reduce = (
        tuple((source, OPERATIONS.index(operation)) for operation, source in pairs)
        for pairs in (genotype.normal, genotype.reduce)
    )
    return normal, reduce


def from_compact(compact: Sequence[Sequence[Sequence[int]]]) -> Genotype:
    """Return the genotype of pairs (input, operation number).

    Raises:
        SpaceError: If it has another form, or an operation number is none of 0 to 6.
    """
    try:
        normal, reduce = (
            [(_operation(operation), source) for source, operation in cell] for cell in compact
        )
    except (TypeError, ValueError, IndexError) as error:
        raise SpaceError(
            f"compact DARTS cells are two lists of eight pairs (input, operation number from 0 "
            f"to {len(OPERATIONS) - 1}); got {compact!r}"
        ) from error
    return Genotype(normal, list(_CONCAT), reduce, list(_CONCAT))


class _GenotypeReader(Reader):
    """Reads the parts of a genotype; white space may stand between them."""

    def symbol(self, *literals: str) -> str:
        self.skip()
        found = self.expect(*literals)
        self.skip()
        return found

    def field(self, name: str) -> None:
        self.expect(name)
        self.symbol("=")

    def close(self, bracket: str) -> None:
        """Pass over a bracket, and a comma before it."""
        self.skip()
        self.take(",")
        self.symbol(bracket)

    def pairs(self) -> Pairs:
        self.symbol("[")
        pairs: Pairs = []
        for node, place in itertools.product(NODES, range(2)):
            if pairs:
                self.symbol(",")
            # The second input of a node is another one than the first.
            taken = {pairs[-1][1]} if place else set()
            pairs.append(self.pair([i for i in range(node) if i not in taken], node))
        self.close("]")
        return pairs

    def pair(self, inputs: list[int], node: int) -> tuple[str, int]:
        self.symbol("(")
        quote = self.expect("'", '"')
        if self.text.startswith(f"none{quote}", self.place):
            self.fail("an operation that computes something", f" ({_NONE})")
        operation = self.name(OPERATIONS, "an operation")
        self.expect(quote)
        self.symbol(",")
        source = self.number(inputs, f"an input of node {node}")
        self.close(")")
        return operation, source

    def concat(self) -> None:
        """Pass over "[2, 3, 4, 5]" or "range(2, 6)"."""
        is_range, start = self.take("range"), self.place
        brackets, numbers = ("()", (NODES[0], NODES[-1] + 1)) if is_range else ("[]", NODES)
        self.symbol(brackets[0])
        for place, number in enumerate(numbers):
            if place:
                self.symbol(",")
            if not self.take(str(number)):
                self.fail(f"{_CONCAT}, since all four nodes make the output", place=start)
        self.close(brackets[1])


def _cell_values(cell: str, pairs: Sequence[tuple[Any, Any]]) -> dict[str, str]:
    if len(pairs) != 2 * len(NODES):
        raise SpaceError(
            f"{_WHAT}, {cell}: needs eight pairs (operation, input), two for each of the nodes "
            f"{', '.join(map(str, NODES))}; got {len(pairs)}"
        )
    values = {}
    for place, node in enumerate(NODES):
        two = pairs[2 * place : 2 * place + 2]
        if any(operation == "none" for operation, _ in two):
            raise SpaceError(f"{_WHAT}, {cell}, node {node}: got {two!r}; {_NONE}")
        first, second = two
        if first[1] not in range(node) or second[1] not in range(node) or first[1] == second[1]:
            raise SpaceError(
                f"{_WHAT}, {cell}, node {node}: needs two different inputs from 0 to {node - 1}; "
                f"got {two!r}"
            )
        low, high = sorted(two, key=lambda pair: int(pair[1]))
        if node != NODES[0]:
            values[f"{cell}.node_{node}.inputs"] = f"{int(low[1])}_{int(high[1])}"
        values[f"{cell}.node_{node}.operation_1"] = low[0]
        values[f"{cell}.node_{node}.operation_2"] = high[0]
    return values


def _nodes(
    genotype: Genotype,
) -> list[tuple[str, int, tuple[str, int], tuple[str, int]]]:
    cells = (genotype.normal, genotype.reduce)
    return [
        (cell, node, pairs[2 * place], pairs[2 * place + 1])
        for cell, pairs in zip(CELLS, cells, strict=True)
        for place, node in enumerate(NODES)
    ]


def _offset(node: int) -> int:
    """Return how many edges a cell has into the nodes below one: 0, 2, 5, 9."""
    return sum(range(NODES[0], node))


def _operation(number: int) -> str:
    if number not in range(len(OPERATIONS)):
        raise IndexError(number)
    return OPERATIONS[number]
