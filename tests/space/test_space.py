from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import (
    SPACES,
    Architecture,
    Choice,
    Group,
    Integer,
    List,
    Real,
    Space,
    Subset,
)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def ordered(values: Any) -> bool:
    return bool(values["low"] < values["high"])


def pairs(**options: Any) -> Space:
    rules = [("low must be below high", ordered)]
    return Space(low=Integer(1, 4), high=Integer(1, 4), rules=rules, **options)


def test_declared_in_a_few_lines() -> None:
    space = Space(
        depth=Integer(1, 3), width=Integer(50, 200, step=10), activation=Choice("relu", "gelu")
    )
    assert space.size == 3 * 16 * 2
    assert space.name == "custom"
    assert space.builder is None


def test_names_that_are_no_identifiers() -> None:
    space = Space({"cell.edge_0_1": Choice("skip", "conv"), "name": Choice(1, 2)}, name="cells")
    a = space.architecture({"cell.edge_0_1": "conv", "name": 2})
    assert (a["cell.edge_0_1"], a["name"]) == ("conv", 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Space(), "space 'custom': needs at least one decision"),
        (lambda: Space(a=3), "space 'custom': a must be a decision"),
        (lambda: Space({"a": Choice(1)}, a=Choice(2)), "decision 'a' is given twice"),
        (lambda: Space(a=Choice(1), name=""), "the name of a space is a text that is not empty"),
        (lambda: Space(a=Choice(1), rules=[ordered]), "a rule is a pair of a description and a"),
        (lambda: Space(a=Choice(1), rules=[("x", 3)]), r"function of the values; got \('x', 3\)"),
    ],
)
def test_bad_space(make, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()


CONDITIONAL = Space(
    depth=Integer(1, 3),
    kernel=Choice(3, 5, when={"depth": (2, 3)}),
    extra=Group(on=Choice(True, False), rate=Real(0, 1, when={"on": True})),
    name="conditional",
)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"dept": 1}, UnknownNameError, r"unknown decision 'dept' \(did you mean 'depth'\?\)"),
        ({"depth": 2, "extra": {"on": False}}, SpaceError, "kernel is missing; it must be 3, 5"),
        (
            {"depth": 1, "kernel": 3, "extra": {"on": False}},
            SpaceError,
            r"kernel is not open here \(depth is 1\); leave it out",
        ),
        ({"kernel": 3}, SpaceError, "depth is missing"),
        ({"depth": 1}, SpaceError, r"extra\.on is missing"),
        ({"depth": 1, "extra": {"on": True}}, SpaceError, r"extra\.rate is missing"),
        (
            {"depth": 1, "extra": {"on": False, "rate": 0.5}},
            SpaceError,
            r"extra\.rate is not open here \(extra\.on is False\)",
        ),
        (
            {"depth": 1, "extra": {"off": True}},
            UnknownNameError,
            "unknown decision of extra 'off'",
        ),
        ([1, 2], SpaceError, r"the architecture must be a dict with depth, kernel, extra; got"),
    ],
)
def test_bad_values(values: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        CONDITIONAL.architecture(values)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        ([0, 0], "needs 4 codes, one per slot; got 2"),
        ([3, 0, 1, 0], "depth must be a whole code from 0 to 2; got 3"),
        ([-1, 0, 1, 0], "depth must be a whole code from 0 to 2; got -1"),
        ([1, 0.0, 1, 0], "kernel must be a whole code from 0 to 1; got 0.0"),
        ([0, 0, 0, 1.5], r"extra\.rate must be 0\.0 to 1\.0; got 1\.5"),
        ([0, 0, 0, math.nan], r"extra\.rate must be 0\.0 to 1\.0; got nan"),
        ([0, 0, True, 0], r"extra\.on: a code must be a number; got True"),
        (["0", 0, 0, 0], "depth: a code must be a number; got '0'"),
        ([9, 0, 9, 0], "depth must be .*; extra.on must be"),
    ],
)
def test_bad_codes(codes: list[Any], message: str) -> None:
    assert CONDITIONAL.reasons(codes)
    with pytest.raises(SpaceError, match=f"no architecture of 'conditional': .*{message}"):
        CONDITIONAL.from_codes(codes)


def test_bad_codes_of_a_subset() -> None:
    space = Space(extras=Subset("a", "b", "c", max=1))
    assert space.reasons([1, 1, 0]) == ["extras must take 0 to 1 of a, b, c; got 2"]
    assert space.reasons([0, 1, 0]) == []


def test_codes_are_brought_to_canonical_form() -> None:
    assert CONDITIONAL.from_codes([0, 1, 1, 0.5]).codes == (0, 0, 1, 0)
    assert CONDITIONAL.reasons([0, 7, 1, 9]) == []  # what is closed has no say


def test_codes_may_come_from_numpy() -> None:
    space = Space(a=Integer(1, 3), b=Choice(1, 2))
    a = space.from_codes(np.array([2, 1]))
    assert [type(code) for code in a.codes] == [int, int]


def test_json_of_architecture_may_be_its_values() -> None:
    space = Space(a=Integer(1, 3))
    assert space.from_json_architecture({"a": 2}) == space.from_json_architecture([1])


def test_json_keeps_everything_but_code() -> None:
    space = pairs(name="pairs")
    data = json.loads(json.dumps(space.to_json()))
    assert data["rules"] == ["low must be below high"]
    with pytest.raises(SpaceError, match=r"space 'pairs' had the rules .*take the space from the"):
        Space.from_json(data)
    with pytest.raises(SpaceError, match="is rebuilt with"):
        Space.from_json(data, rules=[("another", ordered)])
    assert Space.from_json(data, rules=space.rules).size == space.size


@pytest.mark.parametrize("data", [{"name": "x"}, {"name": "x", "decisions": [{"kind": "choice"}]}])
def test_json_of_no_space(data: dict[str, Any]) -> None:
    with pytest.raises(SpaceError, match="this is not the JSON of a space"):
        Space.from_json(data)


def test_fingerprint_tells_spaces_apart() -> None:
    spaces = [
        Space(a=Choice(1, 2), b=Choice(1, 2)),
        Space(b=Choice(1, 2), a=Choice(1, 2)),
        Space(a=Choice(1, 2), b=Choice(1, 2), name="other"),
        Space(a=Choice(1, 2), b=Choice(1, 2), rules=[("r", bool)]),
        Space(a=Choice(1, 2), b=Choice(1, 2, when={"a": 1})),
        Space(a=Choice(1, 2), b=Choice(2, 1)),
    ]
    assert len({space.fingerprint for space in spaces}) == len(spaces)
    assert len(set(spaces)) == len(spaces)
    assert spaces[0] == Space(a=Choice(1, 2), b=Choice(1, 2))
    assert spaces[0] != "a space"


def test_golden_fingerprint() -> None:
    # Stores compare it: a change here makes the studies of before unreadable.
    assert CONDITIONAL.fingerprint == "25b704b224b8bbd4ecaa6152740ad6b8"


def test_repr_makes_it_again() -> None:
    assert eval(repr(CONDITIONAL)) == CONDITIONAL


def test_describe() -> None:
    space = Space(
        hidden=List(Group(width=Integer(1, 8), k=Choice(3, 5, when={"width": (7, 8)})), 1, 3),
        extras=Subset("se", "skip", max=1),
        rate=Real(0.001, 1, log=True, when={"extras2": True, "hidden.length": 3}),
        extras2=Choice(True, False),
    )
    assert [tuple(row.values()) for row in space.describe()] == [
        ("hidden", "list", "1 to 3 items", ""),
        ("hidden.*", "group", "width, k", ""),
        ("hidden.*.width", "integer", "1 to 8", ""),
        ("hidden.*.k", "choice", "3, 5", "width is 7 or 8"),
        ("extras", "subset", "0 to 1 of se, skip", ""),
        ("rate", "real", "0.001 to 1.0 (logarithmic)", "extras2 is True and hidden.length is 3"),
        ("extras2", "choice", "True, False", ""),
    ]
    assert list(space.describe()[0]) == ["path", "kind", "values", "when"]


def test_bind_leaves_the_space_the_same() -> None:
    def build(architecture: Architecture, input_shape: tuple[int, ...], outputs: int) -> str:
        return f"{architecture} {input_shape} {outputs}"

    space = Space(a=Choice(1, 2))
    bound = space.bind(build)
    assert bound.builder is build
    assert space.builder is None
    assert bound == space
    assert bound.to_json() == space.to_json()
    assert bound.from_codes([0]).space.builder is build


def test_spaces_can_be_sent_and_copied(rng: np.random.Generator) -> None:
    for again in (pickle.loads(pickle.dumps(CONDITIONAL)), copy.deepcopy(CONDITIONAL)):
        assert again == CONDITIONAL
        assert again.sample(rng=rng).space is again


def test_text_is_json_of_the_values() -> None:
    a = CONDITIONAL.from_codes([1, 1, 0, 0.5])
    text = CONDITIONAL.format(a)
    assert text == '{"depth":2,"extra":{"on":true,"rate":0.5},"kernel":5}'
    assert CONDITIONAL.parse(text) == a


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"depth": 2,\n "extra" 3}', "written as a JSON object; line 2, column 10: Expecting"),
        ("[1, 2]", r"written as a JSON object; got '\[1, 2\]'"),
        ('{"depth": 9}', "depth must be a whole number, 1 to 3; got 9"),
    ],
)
def test_bad_text(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        CONDITIONAL.parse(text)


def test_rules_close_every_operator(rng: np.random.Generator) -> None:
    space = pairs()
    a, b = space.sample(rng=rng), space.sample(rng=rng)
    made = [
        *space.sample_many(50, rng=rng),
        *(space.mutate(a, rng=rng) for _ in range(50)),
        *(space.crossover(a, b, rng=rng, kind="one-point") for _ in range(20)),
        *space.neighbors(a),
        *space.enumerate(),
    ]
    assert all(ordered(c.values) for c in made)
    assert space.size == 6
    assert space.size_is_exact
    with pytest.raises(SpaceError, match="no architecture of 'custom': low must be below high"):
        space.architecture({"low": 3, "high": 3})
    with pytest.raises(SpaceError, match="low must be below high"):
        space.from_codes([2, 2])
    assert space.reasons([2, 2]) == ["low must be below high"]


def test_rules_that_nothing_keeps(rng: np.random.Generator) -> None:
    space = Space(a=Integer(1, 9), rules=[("a is above 9", lambda v: v["a"] > 9)])
    assert space.size == 0
    with pytest.raises(
        SpaceError,
        match=r"could not sample an .*1000 draws were not valid.*: a is above 9\. Loosen",
    ):
        space.sample(rng=rng)


def test_mutation_where_rules_leave_nothing_else(rng: np.random.Generator) -> None:
    space = Space(a=Integer(1, 9), rules=[("a is 5", lambda v: v["a"] == 5)])
    with pytest.raises(SpaceError, match=r"could not mutate an architecture.*a is 5"):
        space.mutate(space.architecture({"a": 5}), rng=rng)


def test_mutation_makes_two_edits_where_one_is_never_valid(rng: np.random.Generator) -> None:
    space = Space(a=Integer(1, 9), b=Integer(1, 9), rules=[("a is b", lambda v: v["a"] == v["b"])])
    parent = space.architecture({"a": 5, "b": 5})
    child = space.mutate(parent, rng=rng)
    assert child != parent
    assert child["a"] == child["b"]


def test_crossover_without_valid_child_gives_the_first_parent(rng: np.random.Generator) -> None:
    space = Space(a=Integer(1, 9), b=Integer(1, 9), rules=[("a is b", lambda v: v["a"] == v["b"])])
    one, two = (space.architecture({"a": n, "b": n}) for n in (1, 2))
    assert space.crossover(one, two, rng=rng, kind="one-point") == one


def test_rule_that_fails(rng: np.random.Generator) -> None:
    space = Space(a=Integer(1, 9), rules=[("b is small", lambda v: v["b"] < 3)])
    with pytest.raises(SpaceError, match=r"rule 'b is small' failed on .*KeyError\('b'\)"):
        space.sample(rng=rng)


def test_size_of_many_candidates_with_rules_is_a_bound() -> None:
    space = Space(a=Integer(1, 10**6), rules=[("a is even", lambda v: v["a"] % 2 == 0)])
    assert not space.size_is_exact
    assert space.size == 10**6


def test_size_with_a_real_is_infinite() -> None:
    space = Space(a=Real(0, 1), b=Choice(1, 2), rules=[("b is 1", lambda v: v["b"] == 1)])
    assert space.size == math.inf
    assert space.size_is_exact
    with pytest.raises(SpaceError, match="a is a Real: its values cannot be enumerated"):
        space.enumerate()


def test_restricted_space_is_the_same_space(rng: np.random.Generator) -> None:
    space = pairs().bind(print)
    assert space.size == 6
    small = space.restricted("high<=3", lambda a: a["high"] <= 3)
    assert small == space
    assert small.to_json() == space.to_json()
    assert small.builder is print
    assert (small.size, space.size) == (3, 6)
    assert {a["high"] for a in small.sample_many(50, rng=rng)} == {2, 3}
    assert space.architecture({"low": 1, "high": 2}) == small.architecture({"low": 1, "high": 2})
    with pytest.raises(SpaceError, match="high<=3"):
        small.architecture({"low": 1, "high": 4})
    smaller = small.restricted("low>=2", lambda a: a["low"] >= 2)
    assert [dict(a.values) for a in smaller.enumerate()] == [{"low": 2, "high": 3}]
    assert Space(space.decisions, rules=smaller.rules).size == 1


def test_restriction_is_never_asked_about_what_is_not_valid() -> None:
    asked = []
    small = pairs().restricted("low<=1", lambda a: asked.append(a.codes) or a["low"] <= 1)
    assert small.size == 3
    assert Space(small.decisions, rules=small.rules).size == 3
    assert all(low < high for low, high in asked)
    assert pairs().restricted("x", bool).reasons([3, 0]) == ["low must be below high"]


def test_architectures_of_other_spaces_are_refused(rng: np.random.Generator) -> None:
    space, other = Space(a=Choice(1, 2)), Space(a=Choice(1, 3)).from_codes([0])
    for use in (
        lambda: space.validate(other),
        lambda: space.mutate(other, rng=rng),
        lambda: space.crossover(space.from_codes([0]), other, rng=rng),
        lambda: list(space.neighbors(other)),
        lambda: space.encode([other]),
    ):
        with pytest.raises(SpaceError, match="belongs to another space than 'custom'"):
            use()


def test_validate_finds_what_the_constructor_trusted() -> None:
    with pytest.raises(SpaceError, match="low must be below high"):
        pairs().validate(Architecture(pairs(), (3, 0)))


class Unordered(Space):
    """A pair whose order does not matter: as a graph space, with a canonical form of its own."""

    def __init__(self) -> None:
        super().__init__(a=Integer(1, 4), b=Integer(1, 4), name="unordered")

    def canonical(self, codes: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(sorted(super().canonical(codes)))

    def _reasons(self, codes: tuple[Any, ...]) -> list[str]:
        return ["a and b are both 1"] if codes == (0, 0) else []

    def to_json(self) -> dict[str, Any]:
        return {"catalog": "unordered", "options": {}}


def test_derived_kind_of_space(rng: np.random.Generator) -> None:
    space = Unordered()
    assert space.size == 9
    assert len(list(space.enumerate())) == 9
    assert space.architecture({"a": 3, "b": 1}) == space.architecture({"a": 1, "b": 3})
    for _ in range(100):
        parent = space.sample(rng=rng)
        assert space.mutate(parent, rng=rng) != parent
    with pytest.raises(SpaceError, match="a and b are both 1"):
        space.architecture({"a": 1, "b": 1})


def test_derived_kind_of_space_may_know_its_size() -> None:
    class Counted(Unordered):
        def _count(self) -> int:
            return 9

    assert Counted().size == 9
    assert Counted().size_is_exact


def test_derived_kind_of_space_is_rebuilt_through_the_catalog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SPACES, "_entries", dict(SPACES._entries))
    monkeypatch.setattr(SPACES, "_names", dict(SPACES._names))
    SPACES.register("unordered", Unordered, summary="a pair")
    assert type(Space.from_json(Unordered().to_json())) is Unordered
