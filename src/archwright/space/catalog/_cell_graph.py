"""Cells as published: a matrix and a list of operations; their pruning, hash and text.

What is here works on cells of any size and with any labels, inside a benchmark's space or not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import md5
from math import isqrt
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from archwright.errors import SpaceError
from archwright.space.catalog._reading import Reader

__all__ = ["Cell", "Wiring", "cell_text", "checked_cell", "graph_hash", "parse_cell", "prune"]


class Cell(NamedTuple):
    """A cell in published form.

    Args:
        matrix: `(vertices, vertices)` int8, upper triangular; entry [i, j] is 1 for an edge i->j.
        ops: One operation per vertex; the first is "input", the last "output".
    """

    matrix: np.ndarray
    ops: tuple[str, ...]


def checked_cell(matrix: Any, ops: Sequence[str]) -> Cell:
    """Return a cell of exact types; whether it is one of the space is not asked.

    Args:
        matrix: Square and upper triangular, of zeros and ones of any type.
        ops: One operation per vertex.

    Raises:
        SpaceError: If the matrix is not like that, or there is another number of operations.
    """
    try:
        given = np.asarray(matrix)
    except ValueError as error:  # rows of different lengths
        raise SpaceError(f"the matrix of a cell must be square; got {matrix!r}") from error
    if given.ndim != 2 or given.shape[0] != given.shape[1]:
        raise SpaceError(f"the matrix of a cell must be square; got the shape {given.shape}")
    if len(ops) != len(given):
        raise SpaceError(
            f"a cell needs one operation per vertex, input and output included: the length of "
            f"ops must be {len(given)}; got {len(ops)}: {list(ops)!r}"
        )
    allowed = (given == 0) | (given == 1)
    if not allowed.all():
        row, column = np.argwhere(~allowed)[0].tolist()
        raise SpaceError(
            f"entry [{row}, {column}] of the matrix of a cell must be 0 or 1; "
            f"got {given.tolist()[row][column]!r}"
        )
    exact = given.astype(np.int8)
    for row, edges in enumerate(exact.tolist()):
        if any(edges[: row + 1]):
            raise SpaceError(
                f"the matrix of a cell must be upper triangular, edges lead from a lower to a "
                f"higher vertex; got a 1 at [{row}, {edges.index(1)}]"
            )
    return Cell(exact, tuple(ops))


def prune(matrix: Any, ops: Sequence[str]) -> Cell | None:
    """Return a cell without the vertices that lie on no path from the input to the output.

    Nothing else changes: vertices keep their order.

    Args:
        matrix: As in `checked_cell`.
        ops: As in `checked_cell`.

    Returns:
        The cell, or None if no path leads from the first to the last vertex.

    Raises:
        SpaceError: As in `checked_cell`.
    """
    cell = checked_cell(matrix, ops)
    size = len(cell.ops)
    ahead, back = cell.matrix.tolist(), cell.matrix.T.tolist()
    reached = [True] + [False] * (size - 1)
    for vertex in range(1, size):
        reached[vertex] = any(edge and reached[v] for v, edge in enumerate(back[vertex]))
    needed = [False] * (size - 1) + [True]
    for vertex in range(size - 2, -1, -1):
        needed[vertex] = any(edge and needed[v] for v, edge in enumerate(ahead[vertex]))
    kept = [v for v in range(size) if reached[v] and needed[v]]
    if len(kept) < 2:
        return None
    if len(kept) == size:
        return cell
    return Cell(cell.matrix[np.ix_(kept, kept)], tuple(cell.ops[v] for v in kept))


class Wiring:
    """The neighbours of each vertex of a graph, for its hash with different labels.

    Args:
        matrix: `(vertices, vertices)` of 0 and 1.
    """

    def __init__(self, matrix: np.ndarray) -> None:
        edges = matrix.astype(bool)
        degrees = zip(edges.sum(1).tolist(), edges.sum(0).tolist(), strict=True)
        self._degrees = [f"{out}, {into}" for out, into in degrees]
        self._into = [_joining(np.flatnonzero(column).tolist()) for column in edges.T]
        self._out = [_joining(np.flatnonzero(row).tolist()) for row in edges]

    def hash(self, labels: Sequence[int]) -> str:
        """Return the hash of the graph with one label per vertex.

        Every vertex starts from its degrees and label. In as many rounds as there are vertices
        it takes in the hashes of its neighbours, those before and those behind it apart.
        """
        pairs = zip(self._degrees, labels, strict=True)
        hashes = [_first(f"({degrees}, {label})") for degrees, label in pairs]
        for _ in self._degrees:
            hashes = [
                md5(f"{into(hashes)}|{out(hashes)}|{own}".encode()).hexdigest()
                for into, out, own in zip(self._into, self._out, hashes, strict=True)
            ]
        return md5(str(sorted(hashes)).encode()).hexdigest()


def graph_hash(matrix: np.ndarray, labels: Sequence[int]) -> str:
    """Return the MD5 graph hash of NAS-Bench-101, 32 hexadecimal digits.

    Equal for isomorphic graphs; within the benchmark's space different for all others.

    Args:
        matrix: `(vertices, vertices)` of zeros and ones, pruned.
        labels: One per vertex: -1 for the input, -2 for the output, otherwise the place of the
            operation in the authors' list.
    """
    return Wiring(np.asarray(matrix)).hash(labels)


@lru_cache(maxsize=1024)
def _first(text: str) -> str:
    return md5(text.encode()).hexdigest()


def _joining(vertices: list[int]) -> Callable[[list[str]], str]:
    """Return a function that joins the hashes of vertices in sorted order."""
    if not vertices:
        return lambda hashes: ""
    if len(vertices) == 1:
        return itemgetter(vertices[0])
    pick = itemgetter(*vertices)
    return lambda hashes: "".join(sorted(pick(hashes)))


_WHAT = "cell"
_OPERATION = re.compile(r"[\w-]+")
_KEYS = (("matrix", "ops"), ("module_adjacency", "module_operations"))


def cell_text(cell: Cell) -> str:
    """Return a cell in one line: the matrix row by row, a slash, the operations with commas."""
    digits = "".join(map(str, cell.matrix.ravel().tolist()))
    return f"{digits}/{','.join(cell.ops)}"


def parse_cell(text: str) -> Cell:
    """Read a cell from text.

    Either a matrix of digits, whose rows may be set apart by spaces or slashes, and behind it,
    after a slash or semicolon, the operations, with or without "input" and "output"; or a JSON
    object with "matrix" and "ops", or with "module_adjacency" and "module_operations".

    Raises:
        SpaceError: If it is none of these; says at which character.
    """
    reader = Reader(text, _WHAT)
    reader.skip()
    cell = _json_cell(reader) if text.startswith("{", reader.place) else _plain_cell(reader)
    return checked_cell(*cell)


def _plain_cell(reader: Reader) -> tuple[np.ndarray, list[str]]:
    digits, size = _digits(reader)
    start = reader.place
    ops = _operations(reader)
    if len(ops) == size - 2:
        ops = ["input", *ops, "output"]
    elif len(ops) != size:
        expected = f"{size} operations, or {size - 2} without input and output"
        reader.fail(expected, f" with {len(ops)}", place=start)
    return np.array(digits).reshape(size, size), ops


def _digits(reader: Reader) -> tuple[list[int], int]:
    digits: list[int] = []
    while True:
        reader.skip()
        if reader.take("0"):
            digits.append(0)
        elif reader.take("1"):
            digits.append(1)
        elif not reader.take("/"):
            break
    size = isqrt(len(digits))
    if size < 2 or size * size != len(digits):
        reader.fail(f"a square matrix of digits 0 and 1 up to here; {len(digits)} are none")
    reader.take(";")
    reader.skip()
    return digits, size


def _operations(reader: Reader) -> list[str]:
    ops = []
    while match := _OPERATION.match(reader.text, reader.place):
        ops.append(match.group())
        reader.place = match.end()
        reader.skip()
        if not reader.take(","):
            break
        reader.skip()
    reader.end()
    return ops


def _json_cell(reader: Reader) -> tuple[Any, Any]:
    try:
        data = json.loads(reader.text)
    except json.JSONDecodeError as error:
        reader.fail(f"JSON ({error.msg})", place=error.pos)
    for matrix, ops in _KEYS:
        names = data.get(ops)
        if matrix in data and isinstance(names, list) and all(isinstance(n, str) for n in names):
            return data[matrix], names
    reader.fail('a JSON object with "matrix" and a list of names "ops"', place=0)
