from __future__ import annotations

import numpy as np
import pytest

from archwright.errors import StrategyError, UnknownNameError
from archwright.strategy.checks import boolean, integer, number, one_of


@pytest.mark.parametrize("value", [2, 5, np.int64(3)])
def test_integer_takes_whole_numbers_in_range(value: object) -> None:
    checked = integer("population", value, low=2, high=5)
    assert checked == value
    assert type(checked) is int


@pytest.mark.parametrize("value", [1, 6, 2.0, "3", True, None])
def test_integer_names_the_range(value: object) -> None:
    with pytest.raises(StrategyError, match="must be a whole number from 2 to 5; got"):
        integer("population", value, low=2, high=5)


def test_integer_names_an_open_range() -> None:
    with pytest.raises(StrategyError, match="whole number of at least 2; got 1"):
        integer("population", 1, low=2)


@pytest.mark.parametrize("value", [0, 1, 0.25, np.float64(0.5)])
def test_number_takes_numbers_in_range(value: object) -> None:
    checked = number("rate", value, low=0, high=1)
    assert checked == value
    assert type(checked) is float


@pytest.mark.parametrize("value", [-0.1, 1.5, float("nan"), float("inf"), "0.5", True])
def test_number_names_the_range(value: object) -> None:
    with pytest.raises(StrategyError, match=r"option 'rate' must be a number from 0 to 1; got"):
        number("rate", value, low=0, high=1)


@pytest.mark.parametrize("value", [0, 1, "yes", None])
def test_boolean_takes_only_true_and_false(value: object) -> None:
    with pytest.raises(StrategyError, match="option 'replacement' must be true or false; got"):
        boolean("replacement", value)


def test_one_of_names_the_allowed_words_and_the_nearest() -> None:
    with pytest.raises(
        UnknownNameError,
        match=r"unknown value of option 'removal' 'oldst' \(did you mean 'oldest'\?\); "
        "allowed: oldest, worst",
    ):
        one_of("removal", "oldst", ("oldest", "worst"))
