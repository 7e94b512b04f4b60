"""Size and enumeration against counting by hand, over random spaces with conditions."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archwright.errors import SpaceError
from archwright.space import Choice, Decision, Group, Integer, List, Real, Space, Subset
from archwright.space.decisions import decision_from_json
from archwright.testing.spaces import check_space

MOST = 3000


def every_value(decision: Decision) -> list[Any]:
    """Return all values of a decision, by the definition of its kind."""
    match decision:
        case Choice():
            return list(decision.options)
        case Integer():
            return list(range(decision.low, decision.high + 1, decision.step))
        case Subset():
            lengths = range(decision.min, decision.max + 1)
            return [s for n in lengths for s in itertools.combinations(decision.options, n)]
        case List():
            items = every_value(decision.item)
            lengths = range(decision.min_length, decision.max_length + 1)
            assume(sum(len(items) ** n for n in lengths) <= MOST)
            return [t for n in lengths for t in itertools.product(items, repeat=n)]
        case Group():
            return list(every_assignment(decision.decisions))
    raise AssertionError(decision)


def every_assignment(decisions: Mapping[str, Decision]) -> Iterator[dict[str, Any]]:
    """Yield all values of named decisions, closed ones left out, repeats included."""
    values = [every_value(decision) for decision in decisions.values()]
    assume(math.prod(map(len, values)) <= MOST)
    for combination in itertools.product(*values):
        yield without_closed(dict(zip(decisions, combination, strict=True)), decisions)


def without_closed(values: dict[str, Any], decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """Drop decisions whose conditions fail until nothing changes."""
    while True:
        closed = [
            name
            for name in values
            if not all(
                look_up(values, path) in [(v, type(v)) for v in allowed]
                for path, allowed in decisions[name].when.items()
            )
        ]
        if not closed:
            return values
        values = {name: value for name, value in values.items() if name not in closed}


def look_up(values: Mapping[str, Any], path: str) -> Any:
    name, _, rest = path.partition(".")
    if name not in values:
        return None
    value = values[name]
    if rest == "length":
        value = len(value)
    elif rest and rest not in value:
        return None
    elif rest:
        value = value[rest]
    return (value, type(value))


leaf = st.one_of(
    st.integers(1, 3).map(lambda n: Choice(*"abc"[:n])),
    st.builds(
        lambda low, n: Integer(low, low + 2 * (n - 1), 2), st.integers(-1, 1), st.integers(1, 3)
    ),
    st.sampled_from([Subset("p", "q"), Subset("p", "q", "r", min=1, max=2), Subset("p", min=1)]),
)


@st.composite
def named(draw: st.DrawFn, names: str, part: st.SearchStrategy[Decision]) -> dict[str, Decision]:
    """Draw decisions with conditions on one another, in an order that need not be the parents'."""
    decisions: dict[str, Decision] = {}
    targets: dict[str, list[Any]] = {}
    for name in names[: draw(st.integers(1, len(names)))]:
        decision = draw(part)
        data = decision.to_json()
        if targets and decision.kind != "group" and draw(st.booleans()):
            chosen = draw(st.lists(st.sampled_from(sorted(targets)), unique=True, max_size=2))
            data["when"] = {
                path: draw(st.lists(st.sampled_from(targets[path]), unique=True, min_size=1))
                for path in chosen
            }
        decisions[name] = decision_from_json(data)
        targets |= parents(name, decision)
    order = draw(st.permutations(list(decisions)))
    return {name: decisions[name] for name in order}


def parents(name: str, decision: Decision) -> dict[str, list[Any]]:
    match decision:
        case Choice() | Integer():
            return {name: every_value(decision)}
        case List():
            return {f"{name}.length": list(range(decision.min_length, decision.max_length + 1))}
        case Group():
            parts = decision.decisions.items()
            return {
                f"{name}.{part}": every_value(inner)
                for part, inner in parts
                if isinstance(inner, (Choice, Integer))
            }
    return {}


group = named("xy", leaf).map(Group)
lists = st.builds(
    lambda item, low, more: List(item, low, low + more),
    st.one_of(leaf, group),
    st.integers(0, 1),
    st.integers(1, 2),
)
spaces = named("abcd", st.one_of(leaf, leaf, group, lists))


def space_or_assume(decisions: dict[str, Decision]) -> Space:
    try:
        return Space(decisions)
    except SpaceError as error:
        assume("can never be open" not in str(error))
        raise


def frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return tuple(sorted((name, frozen(part)) for name, part in value.items()))
    return tuple(map(frozen, value)) if isinstance(value, tuple) else (value, str(type(value)))


@given(spaces)
def test_size_and_enumeration_equal_brute_force(decisions: dict[str, Decision]) -> None:
    space = space_or_assume(decisions)
    expected = {frozen(values) for values in every_assignment(decisions)}
    found = [frozen(dict(a.values)) for a in space.enumerate()]
    assert set(found) == expected
    assert len(found) == len(expected) == space.size


@given(spaces, st.integers(0, 2**32))
def test_random_spaces_keep_the_contract(decisions: dict[str, Decision], seed: int) -> None:
    space = space_or_assume(decisions)
    check_space(space, np.random.default_rng(seed), samples=8)


def test_enumeration_is_ordered_and_complete() -> None:
    space = Space(a=Choice("x", "y"), b=List(Choice(0, 1), 0, 1, when={"a": "y"}))
    assert [dict(a.values) for a in space.enumerate()] == [
        {"a": "x"},
        {"a": "y", "b": ()},
        {"a": "y", "b": (0,)},
        {"a": "y", "b": (1,)},
    ]


def chain(length: int) -> Space:
    """Return a chain: each decision is open only if the one before is "on"."""
    decisions = {
        f"d{i}": Choice("off", "on", when={f"d{i - 1}": "on"} if i else None) for i in range(length)
    }
    return Space(decisions)


def diamond(width: int) -> Space:
    """Return decisions that are all open for two values of a first one, and close a last one."""
    decisions: dict[str, Decision] = {"top": Integer(0, 999)}
    for i in range(width):
        decisions[f"m{i}"] = Choice(1, 2, 3, when={"top": (1, 2)})
    decisions["last"] = Choice(1, 2, when={f"m{i}": 3 for i in range(width)})
    return Space(decisions)


@pytest.mark.parametrize(
    ("space", "size"),
    [
        (chain(40), 41),
        (diamond(12), 998 + 2 * (3**12 + 1)),
        (Space(h=List(Integer(1, 10), 0, 30)), sum(10**n for n in range(31))),
        (Space(h=List(List(Choice(1, 2), 0, 5), 0, 8)), sum(63**n for n in range(9))),
        (Space({f"e{i}": Choice(*range(8)) for i in range(30)}), 8**30),
        (Space(s=Subset(*range(60))), 2**60),
        (Space(a=Choice(1, 2), r=Real(0, 1, when={"a": 1})), math.inf),
    ],
)
def test_size_does_not_need_enumeration(space: Space, size: float) -> None:
    begin = time.process_time()
    assert space.size == size
    assert time.process_time() - begin < 5
