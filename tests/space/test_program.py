"""Layout in slots, and conditions."""

from __future__ import annotations

from typing import Any

import pytest

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import Choice, Decision, Group, Integer, List, Real, Space, Subset
from archwright.space._frozen import FrozenDict


def test_slots_of_every_kind() -> None:
    space = Space(
        a=Choice("x", "y"),
        b=Real(0, 1),
        c=Subset("p", "q"),
        d=List(Integer(1, 4), 1, 2),
        e=List(Group(w=Integer(1, 2), k=Choice(3, 5, 7)), 0, 2),
        f=Group(g=Group(h=Choice(1, 2))),
    )
    assert [(slot.path, slot.size) for slot in space.slots] == [
        ("a", 2),
        ("b", None),
        ("c.p", 2),
        ("c.q", 2),
        ("d.length", 2),
        ("d.0", 4),
        ("d.1", 4),
        ("e.length", 3),
        ("e.0.w", 2),
        ("e.0.k", 3),
        ("e.1.w", 2),
        ("e.1.k", 3),
        ("f.g.h", 2),
    ]


def test_slots_know_what_codes_mean() -> None:
    space = Space(
        a=Choice("x", "y"), b=Integer(10, 30, 10), c=List(Choice(1, 2), 2, 3), d=Subset("p")
    )
    meanings = {slot.path: slot.value(1) for slot in space.slots}
    assert meanings == {"a": "y", "b": 20, "c.length": 3, "c.0": 2, "c.1": 2, "c.2": 2, "d.p": 1}


def test_closed_slots_hold_zero() -> None:
    space = Space(
        kernel=Choice(3, 5, when={"kind": "conv"}),
        kind=Choice("pool", "conv"),
        dilation=Integer(1, 3, when={"kernel": 5}),
        rate=Real(1, 2, when={"kernel": (3, 5)}),
    )
    assert space.canonical([1, 0, 2, 1.5]) == (0, 0, 0, 0)
    assert space.canonical([0, 1, 2, 1.5]) == (0, 1, 0, 1.5)
    assert space.canonical([1, 1, 2, 1.5]) == (1, 1, 2, 1.5)


def test_child_of_closed_parent_is_closed_though_the_code_would_match() -> None:
    space = Space(
        a=Choice(False, True),
        b=Choice("first", "second", when={"a": True}),
        c=Choice(1, 2, when={"b": "first"}),
    )
    assert dict(space.from_codes([0, 0, 1]).values) == {"a": False}


def test_condition_on_a_list_and_its_items() -> None:
    space = Space(
        hidden=List(Choice("s", "l"), 1, 3),
        bridge=Choice(1, 2, when={"hidden.length": (2, 3)}),
        wide=Choice(1, 2, when={"hidden.1": "l"}),
    )
    assert "bridge" not in space.architecture({"hidden": ["s"]}).values
    both = space.architecture({"hidden": ["s", "l"], "bridge": 1, "wide": 2})
    assert both["wide"] == 2


def test_condition_inside_a_group_names_siblings() -> None:
    block = Group(kind=Choice("a", "b"), ratio=Choice(2, 4, when={"kind": "b"}))
    space = Space(kind=Choice("a", "b"), blocks=List(block, 2, 2), one=block)
    values = {
        "kind": "a",
        "blocks": ({"kind": "b", "ratio": 4}, {"kind": "a"}),
        "one": {"kind": "b", "ratio": 2},
    }
    assert space.architecture(values).values == values


def test_condition_may_name_what_stands_in_another_group() -> None:
    space = Space(stem=Group(kind=Choice("a", "b")), head=Choice("x", "y", when={"stem.kind": "b"}))
    assert space.size == 3


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (
            lambda: Space(a=Choice(1, 2), b=Choice(1, 2, when={"aa": 1})),
            UnknownNameError,
            r"decision in the condition of b 'aa' \(did you mean 'a'\?\); allowed: a, b",
        ),
        (
            lambda: Space(a=List(Choice(1, 2), 1, 2), b=Choice(1, 2, when={"a": 1})),
            UnknownNameError,
            r"The length of the list is called a\.length",
        ),
        (
            lambda: Space(g=Group(a=Choice(1, 2), b=Choice(1, 2, when={"top": 1})), top=Choice(1)),
            UnknownNameError,
            r"condition of g\.b 'top'.*allowed: a, b",
        ),
        (
            lambda: Space(a=Choice("x", "y"), b=Choice(1, 2, when={"a": "z"})),
            SpaceError,
            "condition of b: a must be one of x, y; got 'z'",
        ),
        (
            lambda: Space(a=List(Choice(1, 2), 1, 2), b=Choice(1, 2, when={"a.length": 3})),
            SpaceError,
            r"condition of b: a\.length must be a whole number, 1 to 2; got 3",
        ),
        (
            lambda: Space(a=Real(0, 1), b=Choice(1, 2, when={"a": 0.5})),
            SpaceError,
            "condition of b: 'a' belongs to a Real; only a Choice",
        ),
        (
            lambda: Space(a=Subset("p", "q"), b=Choice(1, 2, when={"a.p": 1})),
            SpaceError,
            r"condition of b: 'a\.p' belongs to a Subset",
        ),
        (
            lambda: Space(
                a=Choice(1, 2, when={"c": 1}),
                b=Choice(1, 2, when={"a": 1}),
                c=Choice(1, 2, when={"b": 1}),
            ),
            SpaceError,
            "conditions of space 'custom' form a cycle: a -> c -> b -> a",
        ),
        (
            lambda: Space(a=Choice(1, 2, when={"a": 1})),
            SpaceError,
            "form a cycle: a -> a",
        ),
        (
            lambda: Space(
                a=Choice(1, 2), b=Choice(1, 2, when={"a": 1}), c=Choice(1, when={"a": 2, "b": 1})
            ),
            SpaceError,
            "c can never be open: its conditions on a exclude one another",
        ),
        (
            lambda: Space({"a.b": Choice(1, 2), "a": Group(b=Choice(1, 2))}),
            SpaceError,
            r"space 'custom': two decisions have the path 'a\.b'",
        ),
        (
            lambda: Space({"a": List(Choice(1, 2), 1, 2), "a.length": Choice(1, 2)}),
            SpaceError,
            r"two decisions have the path 'a\.length'",
        ),
    ],
)
def test_bad_conditions_and_paths(make, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


class Coin(Decision):
    """A kind of decision that the room does not know."""

    kind = "coin"
    domain = "heads, tails"
    when = FrozenDict()

    def _fields(self) -> dict[str, Any]:
        return {}


def test_unknown_kind_of_decision() -> None:
    with pytest.raises(SpaceError, match="toss: Coin is no kind of decision we know"):
        Space(toss=Coin())
