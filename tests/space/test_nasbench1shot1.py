"""The subspaces of NAS-Bench-1Shot1: sizes, and the way to NAS-Bench-101."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import numpy as np
import pytest

from archwright.errors import SpaceError
from archwright.space.catalog.nasbench1shot1 import NASBench1Shot1, nasbench1shot1
from archwright.space.catalog.nasbench101 import prune
from archwright.testing.spaces import check_space

SUBSPACES = {subspace: nasbench1shot1(subspace=subspace) for subspace in (1, 2, 3)}
CONV3, CONV1, POOL = "conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3"


@pytest.fixture(params=[1, 2, 3])
def space(request: pytest.FixtureRequest) -> NASBench1Shot1:
    return SUBSPACES[request.param]


def test_contract(space: NASBench1Shot1) -> None:
    check_space(space, np.random.default_rng(0))


# Connectivities, architectures, with used operations, all blocks used; graphs and architectures
# without loose ends, all of them and those of the published enumeration; cells of NAS-Bench-101.
@pytest.mark.parametrize(
    ("subspace", "counts", "cells"),
    [
        (1, (180, 14_580, 6_240, 38, 66, 3_702, 49, 2_487), 2_685),
        (2, (360, 29_160, 16_632, 138, 190, 12_474, 65, 3_609), 7_773),
        (3, (5_400, 1_312_200, 363_648, 445, 876, 135_900, 234, 24_066), 55_854),
    ],
)
def test_published_sizes(subspace: int, counts: tuple[int, ...], cells: int) -> None:
    space = SUBSPACES[subspace]
    assert space.size == counts[1]
    assert astuple(space.counts()) == counts
    codes = space.unique_cells()
    assert codes.shape == (cells, 26)
    assert (np.diff(space.cells.numbers(codes)) > 0).all()


def test_unique_cells_are_what_the_architectures_become() -> None:
    space = SUBSPACES[1]
    reached = {space.to_nasbench101(architecture).codes for architecture in space.enumerate()}
    assert reached == set(map(tuple, space.unique_cells().tolist()))


def test_the_short_way_to_nasbench101_is_that_of_the_cell(space: NASBench1Shot1) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        architecture = space.sample(rng=rng)
        cell = space.cell(architecture)
        assert cell.matrix.shape == (7, 7)
        assert cell.matrix.sum() == 9
        assert space.to_nasbench101(architecture) == space.cells.of_cell(*cell)


def test_a_dummy_stands_for_the_fifth_block_where_there_are_four() -> None:
    architecture = SUBSPACES[1].architecture(
        {
            "choice_block_1_op": CONV3,
            "choice_block_2_op": CONV1,
            "choice_block_3_op": POOL,
            "choice_block_4_op": CONV3,
            "choice_block_1_parents": (0,),
            "choice_block_2_parents": (0, 1),
            "choice_block_3_parents": (0, 2),
            "choice_block_4_parents": (2, 3),
            "choice_block_5_parents": (0, 4),
        }
    )
    cell = SUBSPACES[1].cell(architecture)
    rows = ["".join(map(str, row)) for row in cell.matrix.tolist()]
    assert rows == [
        "0111001",
        "0010000",
        "0001100",
        "0000100",
        "0000001",
        "0000000",
        "0000000",
    ]
    assert cell.ops == ("input", CONV3, CONV1, POOL, CONV3, CONV1, "output")
    pruned = prune(*cell)
    assert pruned is not None
    assert pruned.ops == ("input", CONV3, CONV1, POOL, CONV3, "output")


def test_the_third_subspace_has_no_dummy() -> None:
    space = SUBSPACES[3]
    architecture = space.sample(rng=np.random.default_rng(0))
    ops = space.cell(architecture).ops
    assert ops[1:-1] == tuple(architecture[f"choice_block_{block}_op"] for block in range(1, 6))


def test_the_largest_weights_win() -> None:
    operations = np.array([[0, 1, 2], [3, 1, 2], [0, 5, 2], [1, 1, 1]])
    inputs = [np.array([1, 3, 2]), np.array([4, 0, 1, 2])]
    architecture = SUBSPACES[1].of_weights(operations, np.array([0, 9, 0, 8, 0]), inputs)
    assert dict(architecture.values) == {
        "choice_block_1_op": CONV1,
        "choice_block_2_op": POOL,
        "choice_block_3_op": CONV3,
        "choice_block_4_op": POOL,
        "choice_block_1_parents": (0,),
        "choice_block_2_parents": (0, 1),
        "choice_block_3_parents": (1, 2),
        "choice_block_4_parents": (0, 3),
        "choice_block_5_parents": (1, 3),
    }


@pytest.mark.parametrize(("subspace", "widths"), [(1, [3, 4]), (2, [2, 3, 4]), (3, [2, 3, 4, 5])])
def test_of_equal_weights_the_first_win(subspace: int, widths: list[int]) -> None:
    space = SUBSPACES[subspace]
    architecture = space.of_weights(
        np.zeros((space.blocks, 3)), np.zeros(space.blocks + 1), [np.zeros(n) for n in widths]
    )
    for node, number in enumerate(space.parents, 1):
        assert architecture[f"choice_block_{node}_parents"] == tuple(range(number))
    assert architecture["choice_block_1_op"] == POOL


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operations": np.zeros((3, 3))}, r"operations must have the shape \(4, 3\); got \(3, 3"),
        ({"output": np.zeros(6)}, r"output must have the shape \(5,\); got \(6,\)"),
        ({"output": np.full(5, np.nan)}, r"output must be finite; got \[nan, nan"),
        ({"inputs": [np.zeros(3)]}, r"for the blocks 3, 4; got them for 1 blocks"),
        (
            {"inputs": [np.zeros(3), np.zeros(5)]},
            r"inputs of block 4 must have the shape \(4,\); got \(5,\)",
        ),
    ],
)
def test_weights_are_checked(change: dict[str, Any], message: str) -> None:
    weights = {
        "operations": np.zeros((4, 3)),
        "output": np.zeros(5),
        "inputs": [np.zeros(3), np.zeros(4)],
    }
    with pytest.raises(SpaceError, match=message):
        SUBSPACES[1].of_weights(**(weights | change))


@pytest.mark.parametrize("subspace", [0, 4, True, "1"])
def test_there_are_three_subspaces(subspace: Any) -> None:
    with pytest.raises(SpaceError, match=rf"must be 1, 2 or 3; got {subspace!r}"):
        nasbench1shot1(subspace=subspace)


def test_another_subspaces_architectures_are_refused() -> None:
    foreign = SUBSPACES[2].sample(rng=np.random.default_rng(0))
    with pytest.raises(SpaceError, match="belongs to another space"):
        SUBSPACES[1].to_nasbench101(foreign)
    with pytest.raises(SpaceError, match="belongs to another space"):
        SUBSPACES[1].cell(foreign)


@pytest.mark.parametrize(
    ("subspace", "key"),
    [
        (1, "5718f05a05115d95d7ce57774bd59308"),
        (2, "3c3de59ec58261db12beb6db11bf2a4b"),
        (3, "ddd715bde4d8e91f7a2ae313e5d83da2"),
    ],
)
def test_golden_keys(subspace: int, key: str) -> None:
    space = SUBSPACES[subspace]
    assert next(space.enumerate()).key == key
