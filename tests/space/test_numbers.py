"""Architectures as single numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import SpaceError
from archwright.space import Choice, Integer, Real, Space
from archwright.testing.spaces import toy_spaces

MIXED = Space(depth=Integer(1, 3), kind=Choice("a", "b"), width=Integer(0, 4))  # 3 x 2 x 5
DISCRETE = {name: space for name, space in toy_spaces().items() if name != "reals"}


def test_the_first_slot_is_the_slowest() -> None:
    assert [MIXED.number(codes) for codes in [(0, 0, 0), (0, 0, 4), (0, 1, 0), (1, 0, 0)]] == [
        0,
        4,
        5,
        10,
    ]
    assert MIXED.number((2, 1, 4)) == 29


@pytest.mark.parametrize("name", DISCRETE)
def test_numbers_and_codes_are_each_others_inverse(name: str) -> None:
    space = DISCRETE[name]
    rng = np.random.default_rng(0)
    codes = np.array([space.sample(rng=rng).codes for _ in range(50)])
    numbers = space.numbers(codes)
    assert numbers.dtype == np.int64
    assert numbers.tolist() == [space.number(row) for row in codes.tolist()]
    assert np.array_equal(space.codes_of(numbers), codes)


@given(st.integers(0, 29))
def test_every_number_has_its_codes(number: int) -> None:
    codes = MIXED.codes_of(np.array([number]))
    assert MIXED.numbers(codes).tolist() == [number]


def test_small_codes_do_not_overflow() -> None:
    wide = Space({f"d{i}": Integer(0, 199) for i in range(8)})  # 200**8 is about 2**61
    codes = np.full((2, 8), 199, dtype=np.uint8)
    assert wide.numbers(codes).tolist() == [200**8 - 1] * 2
    assert np.array_equal(wide.codes_of(wide.numbers(codes)), codes)


def test_no_architectures_have_no_numbers() -> None:
    assert MIXED.numbers(np.empty((0, 3), dtype=np.uint8)).shape == (0,)
    assert MIXED.codes_of(np.empty(0, dtype=np.int64)).shape == (0, 3)


def test_a_real_has_no_number() -> None:
    space = Space(depth=Integer(1, 3), rate=Real(0, 1))
    with pytest.raises(SpaceError, match="rate is a Real: architectures of 'custom' have no num"):
        space.number((0, 0.5))


def test_a_space_may_be_too_large_for_numbers() -> None:
    space = Space({f"d{i}": Integer(0, 199) for i in range(9)}, name="wide")
    with pytest.raises(SpaceError, match=r"'wide' have no numbers: 512\d* code vectors do not fit"):
        space.numbers(np.zeros((1, 9), dtype=np.int64))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((2, 4), dtype=int), r"shape \(architectures, 3\); got int64 of \(2, 4\)"),
        (np.zeros(3, dtype=int), r"got int64 of \(3,\)"),
        (np.zeros((2, 3)), "array of integers .* got float64"),
        (np.array([[0, 0, 0], [0, 2, 0]]), "row 1, slot 1: must be from 0 to 1; got 2"),
        (np.array([[-1, 0, 0]]), "row 0, slot 0: must be from 0 to 2; got -1"),
    ],
)
def test_codes_are_checked(codes: np.ndarray, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        MIXED.numbers(codes)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (np.array([0, 30]), "numbers must be from 0 to 29; got 30"),
        (np.array([-1]), "numbers must be from 0 to 29; got -1"),
        (np.array([0.5]), "array of integers .* got float64"),
        (np.zeros((1, 1), dtype=int), r"got int64 of \(1, 1\)"),
    ],
)
def test_numbers_are_checked(numbers: np.ndarray, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        MIXED.codes_of(numbers)
