"""Cells as matrices and operations: checking, pruning, hash and text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from archwright.errors import SpaceError
from archwright.space.catalog._cell_graph import (
    Cell,
    cell_text,
    checked_cell,
    graph_hash,
    parse_cell,
    prune,
)

CONV3, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"


def matrix_of(rows: str) -> np.ndarray:
    digits = rows.split("/")
    return np.array([[int(digit) for digit in row.ljust(len(digits), "0")] for row in digits])


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ("0110/0000/0001/0000", "010/001/000"),  # vertex 1 leads nowhere
        ("0010/0001/0001/0000", "010/001/000"),  # vertex 1 is not reached
        ("0110/0001/0001/0000", "0110/0001/0001/0000"),
        ("01/00", "01/00"),
    ],
)
def test_pruning_keeps_what_lies_on_a_path(rows: str, left: str) -> None:
    matrix = matrix_of(rows)
    ops = ["input", *"abc"[: len(matrix) - 2], "output"]
    cell = prune(matrix, ops)
    assert cell is not None
    assert np.array_equal(cell.matrix, matrix_of(left))
    kept = ops if len(cell.ops) == len(ops) else ["input", "b", "output"]
    assert list(cell.ops) == kept
    assert np.array_equal(matrix, matrix_of(rows)), "the argument was changed"


@pytest.mark.parametrize("rows", ["0100/0000/0001/0000", "00/00", "0"])
def test_nothing_is_left_without_a_path(rows: str) -> None:
    matrix = matrix_of(rows)
    assert prune(matrix, ["x"] * len(matrix)) is None


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int64, np.float32, np.float64])
def test_any_type_of_zeros_and_ones_hashes_alike(dtype: type) -> None:
    cell = checked_cell(matrix_of("010/001/000").astype(dtype), ["input", CONV3, "output"])
    assert cell.matrix.dtype == np.int8
    assert graph_hash(cell.matrix, [-1, 0, -2]) == "b49ac8c578b4561d79ac7087988f1c61"


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0, 1, 0], [0, 0, 1]], r"must be square; got the shape \(2, 3\)"),
        ([0, 1], r"must be square; got the shape \(2,\)"),
        ([[0, 1], [0]], r"must be square; got \[\[0, 1\], \[0\]\]"),
        ([[0, 0.5], [0, 0]], r"entry \[0, 1\] of the matrix of a cell must be 0 or 1; got 0.5"),
        ([[0, float("nan")], [0, 0]], r"entry \[0, 1\] .* must be 0 or 1; got nan"),
        ([[0, 2], [0, 0]], r"entry \[0, 1\] .* must be 0 or 1; got 2"),
        ([["0", "1"], ["0", "0"]], r"entry \[0, 0\] .* must be 0 or 1; got '0'"),
        ([[0, 0], [1, 0]], r"must be upper triangular, .* got a 1 at \[1, 0\]"),
        ([[1, 1], [0, 0]], r"must be upper triangular, .* got a 1 at \[0, 0\]"),
    ],
)
def test_matrices_are_checked(matrix: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        checked_cell(matrix, ["input", "output"])


def test_one_vertex_is_upper_triangular_if_it_has_no_edge() -> None:
    assert checked_cell([[0]], ["input"]).ops == ("input",)
    with pytest.raises(SpaceError, match="upper triangular"):
        checked_cell([[1]], ["input"])


def test_there_is_one_operation_per_vertex() -> None:
    with pytest.raises(SpaceError, match="the length of ops must be 3; got 2: "):
        checked_cell(np.zeros((3, 3)), ["input", "output"])


@pytest.mark.parametrize(
    ("rows", "first", "second"),
    [
        ("010/001/000", (0,), (1,)),
        ("01000/00100/00010/00001/00000", (1, 0, 0), (0, 0, 1)),  # which end of a chain
        ("0101/0010/0001/0000", (1, 0), (0, 1)),
    ],
)
def test_the_hash_tells_places_of_labels_apart(
    rows: str, first: tuple[int, ...], second: tuple[int, ...]
) -> None:
    hashes = {graph_hash(matrix_of(rows), [-1, *labels, -2]) for labels in (first, second)}
    assert len(hashes) == 2


def test_the_hash_tells_edges_in_from_edges_out() -> None:
    one = matrix_of("0100000/0010010/0001000/0000100/0000011/0000001/0000000")
    other = matrix_of("0100000/0010000/0001010/0000100/0000011/0000001/0000000")
    assert graph_hash(one, [-1, 0, 0, 0, 0, 0, -2]) != graph_hash(other, [-1, 0, 0, 0, 0, 0, -2])


CELL = Cell(matrix_of("0110/0001/0001/0000"), ("input", CONV1, POOL, "output"))


@pytest.mark.parametrize(
    "text",
    [
        f"0110000100010000/input,{CONV1},{POOL},output",
        f"0110/0001/0001/0000/input,{CONV1},{POOL},output",
        f"0110 0001 0001 0000; {CONV1}, {POOL}",
        f"  0110\n0001\n0001\n0000\n{CONV1},{POOL}\n",
        json.dumps({"matrix": CELL.matrix.tolist(), "ops": list(CELL.ops)}),
        json.dumps({"module_operations": CELL.ops, "module_adjacency": CELL.matrix.tolist()}),
    ],
)
def test_cells_are_read_from_text(text: str) -> None:
    cell = parse_cell(text)
    assert np.array_equal(cell.matrix, CELL.matrix)
    assert cell.ops == CELL.ops


def test_the_text_of_a_cell_is_that_of_the_records() -> None:
    assert cell_text(CELL) == f"0110000100010000/input,{CONV1},{POOL},output"


def test_a_cell_without_interior_has_text_too() -> None:
    cell = parse_cell("0100/input,output")
    assert cell.ops == ("input", "output")
    assert parse_cell("0100/").ops == ("input", "output")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "character 0: expected a square matrix of digits 0 and 1 .*; 0 are none; got the end"),
        ("01100/x", "character 6: expected a square matrix .*; 5 are none; got 'x'"),
        ("0120/x", "character 2: expected a square matrix .*; 2 are none; got '20/x'"),
        ("010001000/a,b", r"character 10: expected 3 operations, or 1 without input .* with 2"),
        ("010001000/a b", "character 12: expected the end of the text; got 'b'"),
        ("010001000/a,?", r"character 12: expected the end of the text; got '\?'"),
        ('{"matrix": [[0, 1], [0, 0]]}', 'expected a JSON object with "matrix" and a list of n'),
        ('{"matrix": [[0, 1]', r"character 18: expected JSON \(Expecting ',' delimiter\)"),
        ('{"matrix": [[0, 1], [0, 0]], "ops": [1, 2]}', "and a list of names"),
        ('{"matrix": [[0, 1]], "ops": "ab"}', 'expected a JSON object with "matrix" and a list'),
    ],
)
def test_errors_point_at_the_place(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        parse_cell(text)
