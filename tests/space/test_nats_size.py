from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import SpaceError
from archwright.space import Space, space_named
from archwright.space.catalog.nasbench201 import nasbench201
from archwright.space.catalog.nats_size import CHANNELS, nats_size
from archwright.testing.spaces import check_space

SIZES = nats_size()


@pytest.mark.parametrize("seed", range(2))
def test_contract(seed: int) -> None:
    check_space(SIZES, np.random.default_rng(seed))


def test_size() -> None:
    assert SIZES.size == 32_768
    assert list(SIZES.decisions) == [f"channels_{place}" for place in range(1, 6)]
    assert Space.from_json(SIZES.to_json()) == SIZES == space_named("nats-size")


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (0, "8:8:8:8:8"),
        (1, "8:8:8:8:16"),
        (8, "8:8:8:16:8"),
        (284, "8:8:40:32:40"),
        (32_767, "64:64:64:64:64"),
    ],
)
def test_published_order(index: int, text: str) -> None:
    assert SIZES.format(SIZES.at(index)) == text
    assert SIZES.index(SIZES.parse(text)) == index


def test_the_order_is_that_of_the_product() -> None:
    expected = itertools.product(range(8), repeat=5)
    assert SIZES.codes_by_index().tolist() == [list(codes) for codes in expected]
    assert SIZES.codes_by_index().dtype == np.uint8


@given(st.lists(st.sampled_from(CHANNELS), min_size=5, max_size=5))
def test_text_round_trip(channels: list[int]) -> None:
    text = ":".join(map(str, channels))
    a = SIZES.parse(text)
    assert list(a.values.values()) == channels
    assert SIZES.format(a) == text
    assert SIZES.at(SIZES.index(a)) == a


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("8:8:12:8:8", r"size, at character 4: expected a number of channels, one of 8, 16, 24, "),
        ("8:8:8:8", "at character 7: expected ':'; got the end"),
        ("8:8:8:8:8:8", "at character 9: expected the end of the text; got ':8'"),
        ("8:8:8:8:8:", "at character 9: expected the end of the text; got ':'"),
        ("8 8 8 8 8", "at character 1: expected ':'; got ' 8 8 8 8'"),
        ("", "at character 0: expected a number of channels, .*; got the end"),
        ("08:8:8:8:8", "at character 0: expected a number of channels, .*; got '08:8"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        SIZES.parse(text)


def test_no_such_index() -> None:
    with pytest.raises(SpaceError, match="the index of a NATS-Bench size is 0 to 32767; got 32768"):
        SIZES.at(32_768)


def test_another_spaces_architecture_is_refused() -> None:
    for method in (SIZES.format, SIZES.index):
        with pytest.raises(SpaceError, match="belongs to another space"):
            method(nasbench201().at(0))
