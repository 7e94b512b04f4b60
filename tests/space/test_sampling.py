from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from archwright.space import Choice, Group, Integer, List, Real, Space, Subset
from archwright.testing.spaces import toy_spaces

DRAWS = 8000


def frequencies(values: list[object]) -> dict[object, float]:
    return {value: count / len(values) for value, count in Counter(values).items()}


def assert_uniform(values: list[object], expected: int) -> None:
    found = frequencies(values)
    assert len(found) == expected
    # Five standard deviations of a binomial share.
    share = 1 / expected
    tolerance = 5 * (share * (1 - share) / len(values)) ** 0.5
    assert all(abs(part - share) < tolerance for part in found.values()), found


@pytest.fixture(scope="module")
def drawn() -> list:
    space = Space(
        choice=Choice("a", "b", "c"),
        integer=Integer(-10, 10, 5),
        any_subset=Subset(1, 2, 3),
        pair=Subset(1, 2, 3, 4, min=1, max=2),
        list=List(Integer(1, 2), 0, 3),
        child=Choice("x", "y", when={"choice": "a"}),
    )
    return space.sample_many(DRAWS, rng=np.random.default_rng(0))


@pytest.mark.parametrize(
    ("path", "values"),
    [("choice", 3), ("integer", 5), ("any_subset", 8), ("pair", 10), ("list.length", 4)],
)
def test_every_value_is_equally_likely(drawn: list, path: str, values: int) -> None:
    assert_uniform([a[path] for a in drawn], values)


def test_items_and_children_are_uniform_where_they_are_open(drawn: list) -> None:
    assert_uniform([a["list.1"] for a in drawn if a["list.length"] > 1], 2)
    assert_uniform([a["child"] for a in drawn if a["choice"] == "a"], 2)


def test_reals_fill_their_scale() -> None:
    space = Space(linear=Real(-2, 2), log=Real(1e-6, 1, log=True))
    drawn = space.sample_many(DRAWS, rng=np.random.default_rng(0))
    linear = np.array([a["linear"] for a in drawn])
    log = np.log10([a["log"] for a in drawn])
    assert np.histogram(linear, 4, (-2, 2))[0] / DRAWS == pytest.approx([0.25] * 4, abs=0.025)
    assert np.histogram(log, 6, (-6, 0))[0] / DRAWS == pytest.approx([1 / 6] * 6, abs=0.025)


@pytest.mark.parametrize("name", toy_spaces())
def test_many_draws_are_the_draws_one_by_one(name: str) -> None:
    space = toy_spaces()[name]
    rng = np.random.default_rng(7)
    assert space.sample_many(200, rng=np.random.default_rng(7)) == [
        space.sample(rng=rng) for _ in range(200)
    ]


def test_no_draws() -> None:
    assert Space(a=Group(b=Choice(1, 2))).sample_many(0, rng=np.random.default_rng(0)) == []
