"""Tables over all 15,625 cells of NAS-Bench-201: their published order, their equivalence.

A *number* is the rank of a cell's codes in lexicographic order, the first edge slowest; an
*index* is its place in the published table, a fixed shuffle of the numbers.
"""

from __future__ import annotations

import itertools
import random
from functools import cache

import numpy as np

from archwright.space.catalog._indexed import frozen

__all__ = [
    "CELLS",
    "EDGES",
    "OPERATIONS",
    "classes",
    "codes_by_index",
    "connected",
    "expression",
    "index_of_number",
    "number",
    "number_of_index",
    "representatives",
]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
CELLS = len(OPERATIONS) ** len(EDGES)

_ORDER_SEED = 88  # with which the authors shuffled their list
_ZERO = "#"


def number(codes: tuple[int, ...]) -> int:
    """Return the rank of a cell's six codes."""
    a, b, c, d, e, f = codes
    return ((((a * 5 + b) * 5 + c) * 5 + d) * 5 + e) * 5 + f


@cache
def number_of_index() -> np.ndarray:
    """Return the number of the cell at each published index, int64 `(cells,)`."""
    order = list(range(CELLS))
    random.Random(_ORDER_SEED).shuffle(order)  # a generator of its own; nothing global is drawn
    return frozen(np.array(order, dtype=np.int64))


@cache
def index_of_number() -> np.ndarray:
    """Return the published index of the cell with each number, int64 `(cells,)`."""
    return frozen(np.argsort(number_of_index()))


@cache
def codes_by_index() -> np.ndarray:
    """Return the codes of every cell in published order, uint8 `(cells, edges)`."""
    digits = 5 ** np.arange(len(EDGES))[::-1]
    return frozen((number_of_index()[:, None] // digits % 5).astype(np.uint8))


def connected(codes: np.ndarray) -> np.ndarray:
    """Return whether a path without `none` leads from input to output.

    Args:
        codes: Codes of cells `(..., edges)`.

    Returns:
        bool `(...)`.
    """
    e01, e02, e12, e03, e13, e23 = np.moveaxis(np.asarray(codes) != 0, -1, 0)
    to_2 = e02 | (e01 & e12)
    reached: np.ndarray = e03 | (e01 & e13) | (to_2 & e23)
    return reached


def expression(codes: tuple[int, ...], consider_zero: bool | None) -> str:
    """Return the published text that equivalent cells share; see `classes`."""
    a, b, c, d, e, f = codes
    node_1 = _term("0", a, consider_zero)
    node_2 = _sum(_term("0", b, consider_zero), _term(node_1, c, consider_zero))
    return _sum(
        _term("0", d, consider_zero),
        _term(node_1, e, consider_zero),
        _term(node_2, f, consider_zero),
    )


@cache
def classes(consider_zero: bool | None) -> np.ndarray:
    """Return, for every index, the first index with the same expression, int64 `(cells,)`.

    Args:
        consider_zero: True: `none` gives a zero, which goes on along the edges, and
            `skip_connect` its source. False: `none` is an operation like others. None: so is
            `skip_connect`, and no two cells are equal.
    """
    texts = list(_expressions(consider_zero))
    first: dict[str, int] = {}
    found = [first.setdefault(texts[n], i) for i, n in enumerate(number_of_index().tolist())]
    return frozen(np.array(found, dtype=np.int64))


@cache
def representatives() -> list[tuple[int, ...]]:
    """Return, for every number, the codes of the first equivalent cell in published order."""
    rows = [tuple(codes) for codes in codes_by_index().tolist()]
    first = classes(True)[index_of_number()]  # (cells,), by number
    return [rows[index] for index in first.tolist()]


def _expressions(consider_zero: bool | None) -> itertools.chain[str]:
    """Return the expression of every cell by number, each part of it made once."""
    operations = range(len(OPERATIONS))

    def terms(source: str) -> list[str]:
        return [_term(source, operation, consider_zero) for operation in operations]

    def from_two_nodes(node_1: str, node_2: str) -> list[str]:
        into_3 = itertools.product(terms("0"), terms(node_1), terms(node_2))
        return ["+".join(sorted(summands)) for summands in into_3]

    return itertools.chain.from_iterable(
        from_two_nodes(node_1, _sum(direct, through))
        for node_1 in terms("0")
        for direct in terms("0")
        for through in terms(node_1)
    )


def _term(source: str, operation: int, consider_zero: bool | None) -> str:
    # Only the text "#" counts as zero: a sum "#+#" does not, as in the published code.
    if consider_zero and (operation == 0 or source == _ZERO):
        return _ZERO
    if operation == 1 and consider_zero is not None:
        return source
    return f"({source})@{OPERATIONS[operation]}"


def _sum(*terms: str) -> str:
    return "+".join(sorted(terms))
