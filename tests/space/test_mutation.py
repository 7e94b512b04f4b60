from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from archwright.errors import SpaceError
from archwright.space import Architecture, Choice, Group, Integer, List, Real, Space, Subset


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def children(space: Space, parent: Architecture, rng: np.random.Generator, n: int = 3000) -> list:
    return [space.mutate(parent, rng=rng) for _ in range(n)]


def edit(parent: tuple[int, ...], child: tuple[int, ...]) -> str:
    if len(child) == len(parent):
        return "change"
    return "insert" if len(child) > len(parent) else "delete"


def test_open_decisions_are_chosen_equally_often(rng: np.random.Generator) -> None:
    space = Space(
        a=Choice(1, 2),
        hidden=List(Integer(1, 9), 1, 5),
        subset=Subset(1, 2, 3),
        fixed=Choice(1),
        closed=Choice(1, 2, when={"a": 2}),
    )
    parent = space.architecture({"a": 1, "hidden": [1, 2, 3], "subset": [1], "fixed": 1})
    changed = Counter(
        next(path for path in ("a", "hidden", "subset") if child[path] != parent[path])
        for child in children(space, parent, rng)
    )
    assert {path: count / 3000 for path, count in changed.items()} == pytest.approx(
        {"a": 1 / 3, "hidden": 1 / 3, "subset": 1 / 3}, abs=0.04
    )


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ((1, 5), {"change": 0.6, "insert": 0.2, "delete": 0.2}),
        ((3, 5), {"change": 0.75, "insert": 0.25}),
        ((1, 3), {"change": 0.75, "delete": 0.25}),
        ((3, 3), {"change": 1.0}),
    ],
)
def test_shares_of_list_edits(
    lengths: tuple[int, int], expected: dict[str, float], rng: np.random.Generator
) -> None:
    space = Space(hidden=List(Integer(1, 99), *lengths))
    parent = space.architecture({"hidden": [10, 20, 30]})
    made = children(space, parent, rng)
    edits = Counter(edit(parent["hidden"], child["hidden"]) for child in made)
    assert {kind: n / 3000 for kind, n in edits.items()} == pytest.approx(expected, abs=0.04)


def test_list_edits_touch_one_item(rng: np.random.Generator) -> None:
    space = Space(hidden=List(Integer(1, 99), 1, 5))
    parent = (10, 20, 30)
    places = Counter()
    for made in children(space, space.architecture({"hidden": parent}), rng):
        child = made["hidden"]
        if len(child) == 3:
            differing = [i for i in range(3) if child[i] != parent[i]]
            assert len(differing) == 1
            places["change", differing[0]] += 1
        elif len(child) == 4:
            gaps = [i for i in range(4) if child[:i] + child[i + 1 :] == parent]
            assert gaps
            places["insert", gaps[0]] += 1
        else:
            gone = [i for i in range(3) if parent[:i] + parent[i + 1 :] == child]
            assert gone
            places["delete", gone[0]] += 1
    assert len(places) == 3 + 4 + 3


def test_items_without_alternative_leave_lengthening_and_shortening(
    rng: np.random.Generator,
) -> None:
    space = Space(chain=List(Choice("conv"), 0, 3))
    lengths = {
        length: {len(c["chain"]) for c in children(space, space.from_codes([length, 0, 0, 0]), rng)}
        for length in range(4)
    }
    assert lengths == {0: {1}, 1: {0, 2}, 2: {1, 3}, 3: {2}}


def test_integers_are_resized_by_factors_or_drawn_afresh(rng: np.random.Generator) -> None:
    space = Space(width=Integer(1, 1000))
    made = [c["width"] for c in children(space, space.architecture({"width": 100}), rng)]
    assert 100 not in made
    # Half by a factor in [1/2, 2], half anywhere, of which 151 of 999 values are in there too.
    near = sum(50 <= width <= 200 for width in made) / len(made)
    assert near == pytest.approx(0.5 + 0.5 * 150 / 999, abs=0.04)
    below = sum(50 <= width < 100 for width in made) / sum(50 <= width <= 200 for width in made)
    assert below == pytest.approx((0.25 + 0.5 * 50 / 999) / (0.5 + 0.5 * 150 / 999), abs=0.04)


@pytest.mark.parametrize(
    "integer", [Integer(-5, 5), Integer(0, 1), Integer(1, 2), Integer(3, 90, 29)]
)
def test_integers_reach_every_other_value(integer: Integer, rng: np.random.Generator) -> None:
    space = Space(n=integer)
    for parent in space.enumerate():
        made = {child["n"] for child in children(space, parent, rng, 400)}
        everything = set(range(integer.low, integer.high + 1, integer.step))
        assert made == everything - {parent["n"]}


def test_reals_move_near_and_far(rng: np.random.Generator) -> None:
    space = Space(rate=Real(1e-4, 1, log=True))
    parent = space.architecture({"rate": 1e-2})
    decades = [abs(math.log10(c["rate"] / 1e-2)) for c in children(space, parent, rng)]
    assert min(decades) > 0
    assert max(decades) <= 2 + 1e-9
    # Half within a normal step of 0.2 of four decades, half uniform over two on either side.
    within = sum(d < 0.8 for d in decades) / len(decades)
    assert within == pytest.approx(0.5 * 0.683 + 0.5 * 0.4, abs=0.04)


@pytest.mark.parametrize(("low", "high"), [(0, 3), (1, 2), (2, 2), (0, 1)])
def test_subsets_change_by_one_option(low: int, high: int, rng: np.random.Generator) -> None:
    space = Space(s=Subset("a", "b", "c", min=low, max=high))
    for parent in space.enumerate():
        made = {child["s"] for child in children(space, parent, rng, 200)}
        differences = {len(set(child) ^ set(parent["s"])) for child in made}
        assert differences == ({2} if low == high else {1})


def test_opened_decisions_are_drawn_and_closed_ones_forgotten(rng: np.random.Generator) -> None:
    space = Space(kind=Choice("pool", "conv"), kernel=Choice(1, 3, 5, when={"kind": "conv"}))
    opened = children(space, space.architecture({"kind": "pool"}), rng)
    shares = Counter(child["kernel"] for child in opened)
    assert {k: n / 3000 for k, n in shares.items()} == pytest.approx(
        {1: 1 / 3, 3: 1 / 3, 5: 1 / 3}, abs=0.04
    )
    parent = space.architecture({"kind": "conv", "kernel": 5})
    closed = [child for child in children(space, parent, rng) if child["kind"] == "pool"]
    assert closed
    assert all(child.codes == (0, 0) for child in closed)


def test_conditions_in_items_move_with_them(rng: np.random.Generator) -> None:
    item = Group(ratio=Integer(1, 9, when={"kind": "b"}), kind=Choice("a", "b"))
    space = Space(items=List(item, 1, 4))
    parent = space.architecture({"items": [{"kind": "b", "ratio": 7}, {"kind": "a"}]})
    for child in children(space, parent, rng):
        items = list(child["items"])
        kept = [old for old in parent["items"] if old in items]
        assert len(kept) >= len(parent["items"]) - 1
        space.validate(child)


def test_newly_opened_list_and_subset_are_drawn_whole(rng: np.random.Generator) -> None:
    space = Space(
        on=Choice(False, True),
        hidden=List(Integer(1, 3), 1, 2, when={"on": True}),
        extras=Subset("a", "b", "c", min=1, max=2, when={"on": True}),
    )
    made = children(space, space.architecture({"on": False}), rng)
    assert len({(c["hidden"], c["extras"]) for c in made}) == 12 * 6


def test_one_architecture_cannot_be_mutated(rng: np.random.Generator) -> None:
    space = Space(a=Choice("only"), b=List(Integer(3, 3), 2, 2))
    with pytest.raises(SpaceError, match="the space has one architecture only"):
        space.mutate(space.from_codes([0, 0, 0, 0]), rng=rng)
