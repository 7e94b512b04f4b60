from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from archwright.errors import UnknownNameError
from archwright.space import Architecture, Choice, Group, Integer, List, Real, Space, Subset

N = 3000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def cross(
    space: Space, a: dict, b: dict, kind: str, rng: np.random.Generator
) -> list[Architecture]:
    first, second = space.architecture(a), space.architecture(b)
    return [space.crossover(first, second, rng=rng, kind=kind) for _ in range(N)]


HIDDEN = Space(hidden=List(Integer(1, 99), 1, 4))


def hidden(a: list[int], b: list[int], kind: str, rng: np.random.Generator) -> list[tuple]:
    return [c["hidden"] for c in cross(HIDDEN, {"hidden": a}, {"hidden": b}, kind, rng)]


def test_unknown_kind(rng: np.random.Generator) -> None:
    a = HIDDEN.sample(rng=rng)
    with pytest.raises(UnknownNameError, match=r"'one_point' \(did you mean 'one-point'"):
        HIDDEN.crossover(a, a, rng=rng, kind="one_point")


def test_uniform_takes_each_decision_from_either_parent(rng: np.random.Generator) -> None:
    space = Space(
        a=Choice(1, 2), b=Integer(1, 9), c=Real(0, 1), d=Subset("x", "y"), g=Group(e=Choice(1, 2))
    )
    first = {"a": 1, "b": 3, "c": 0.25, "d": ("x",), "g": {"e": 1}}
    second = {"a": 2, "b": 7, "c": 0.75, "d": ("y",), "g": {"e": 2}}
    made = Counter(repr(dict(c.values)) for c in cross(space, first, second, "uniform", rng))
    assert len(made) == 2**5
    assert max(made.values()) / N < 2 / 2**5


def test_uniform_length_of_either_parent(rng: np.random.Generator) -> None:
    made = Counter(hidden([1, 2, 3], [11], "uniform", rng))
    expected = {(1,): 0.25, (11,): 0.25, (1, 2, 3): 0.25, (11, 2, 3): 0.25}
    assert {child: n / N for child, n in made.items()} == pytest.approx(expected, abs=0.04)


def test_one_point_joins_head_and_tail(rng: np.random.Generator) -> None:
    a, b = [1, 2, 3], [11, 12]
    made = set(hidden(a, b, "one-point", rng))
    expected = {
        tuple((a[:i] + b[j:])[:4])
        for i in range(len(a) + 1)
        for j in range(len(b) + 1)
        if a[:i] + b[j:]
    }
    assert made == expected


def test_one_point_cuts_other_decisions_once(rng: np.random.Generator) -> None:
    space = Space({f"d{i}": Choice("a", "b") for i in range(4)})
    first, second = ({f"d{i}": letter for i in range(4)} for letter in "ab")
    made = Counter(
        "".join(c.values.values()) for c in cross(space, first, second, "one-point", rng)
    )
    assert {child: n / N for child, n in made.items()} == pytest.approx(
        {"abbb": 1 / 3, "aabb": 1 / 3, "aaab": 1 / 3}, abs=0.04
    )


def test_blend_goes_a_little_beyond_both(rng: np.random.Generator) -> None:
    space = Space(
        n=Integer(0, 100), r=Real(0, 100), edge=Integer(0, 40), log=Real(1, 100, log=True)
    )
    made = cross(
        space,
        {"n": 40, "r": 40, "edge": 40, "log": 1},
        {"n": 60, "r": 60, "edge": 0, "log": 100},
        "blend",
        rng,
    )
    for path in ("n", "r"):
        values = [c[path] for c in made]
        assert 35 <= min(values) < 36
        assert 64 < max(values) <= 65
        assert np.mean(values) == pytest.approx(50, abs=1)
    assert {c["edge"] for c in made} == set(range(41))
    # A logarithmic scale is blended in the logarithm: the middle is 10.
    assert np.median([c["log"] for c in made]) == pytest.approx(10, rel=0.2)


def test_blend_takes_choices_and_subsets_from_either(rng: np.random.Generator) -> None:
    space = Space(a=Choice("x", "y", "z"), s=Subset(1, 2, 3))
    made = cross(space, {"a": "x", "s": (1,)}, {"a": "z", "s": (3,)}, "blend", rng)
    assert {(c["a"], c["s"]) for c in made} == {(a, s) for a in "xz" for s in ((1,), (3,))}


def test_blend_of_lists_keeps_each_further_item_half_the_time(rng: np.random.Generator) -> None:
    made = hidden([50, 7, 8], [70], "blend", rng)
    assert all(45 <= child[0] <= 75 for child in made)
    rest = Counter(child[1:] for child in made)
    assert {child: n / N for child, n in rest.items()} == pytest.approx(
        {(): 0.25, (7,): 0.25, (8,): 0.25, (7, 8): 0.25}, abs=0.04
    )


def test_diversity_does_not_collapse(rng: np.random.Generator) -> None:
    # Averaging crossovers lose depth and spread; ours must keep the depths of the parents.
    for kind in ("uniform", "one-point", "blend"):
        population = HIDDEN.sample_many(60, rng=rng)
        for _ in range(20):
            pairs = [rng.integers(60, size=2) for _ in range(60)]
            population = [
                HIDDEN.crossover(population[i], population[j], rng=rng, kind=kind) for i, j in pairs
            ]
        assert len({a["hidden.length"] for a in population}) > 1, kind
        assert np.std([a["hidden.0"] for a in population]) > 2, kind


@pytest.mark.parametrize("kind", ["uniform", "one-point", "blend"])
def test_what_only_one_parent_has_comes_from_it(kind: str, rng: np.random.Generator) -> None:
    space = Space(
        on=Choice(True, False),
        n=Integer(1, 99, when={"on": True}),
        hidden=List(Integer(1, 99), 2, 3, when={"on": True}),
    )
    made = cross(space, {"on": False}, {"on": True, "n": 42, "hidden": [5, 6, 7]}, kind, rng)
    turned_on = [c for c in made if c["on"]]
    # One-point takes the first decision from the first parent, which has it off.
    assert bool(turned_on) is (kind != "one-point")
    assert {(c["n"], c["hidden"]) for c in turned_on} <= {(42, (5, 6, 7))}


def test_what_the_combination_opens_is_drawn(rng: np.random.Generator) -> None:
    space = Space(a=Choice(0, 1), b=Choice(0, 1), both=Integer(1, 5, when={"a": 1, "b": 1}))
    made = cross(space, {"a": 1, "b": 0}, {"a": 0, "b": 1}, "uniform", rng)
    assert {c.get("both") for c in made} == {None, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("kind", ["uniform", "one-point", "blend"])
def test_groups_in_lists(kind: str, rng: np.random.Generator) -> None:
    item = Group(kind=Choice("a", "b"), ratio=Integer(1, 9, when={"kind": "b"}))
    space = Space(items=List(item, 0, 3))
    drawn = space.sample_many(100, rng=rng)
    for a, b in zip(drawn, reversed(drawn), strict=True):
        child = space.crossover(a, b, rng=rng, kind=kind)
        space.validate(child)
        if kind != "blend":
            assert all(part in (*a["items"], *b["items"]) for part in child["items"])
