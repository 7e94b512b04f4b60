from __future__ import annotations

import pytest

from archwright.space import Choice, Group, Integer, List, Real, Space, Subset
from archwright.testing.spaces import toy_spaces


def near(space: Space, path: str, **values: object) -> list[object]:
    return [n.get(path) for n in space.neighbors(space.architecture(values))]


def test_choice_has_each_other_option() -> None:
    assert near(Space(a=Choice("x", "y", "z")), "a", a="y") == ["x", "z"]


def test_six_edges_of_five_operations_have_24_neighbors() -> None:
    space = toy_spaces()["six edges"]
    assert len(list(space.neighbors(space.from_codes([0, 1, 2, 3, 4, 0])))) == 24


def test_integer_moves_by_powers_of_two_steps() -> None:
    assert near(Space(n=Integer(0, 200, 10)), "n", n=50) == [60, 40, 70, 30, 90, 10, 130]
    assert near(Space(n=Integer(7, 7)), "n", n=7) == []


def test_real_moves_by_parts_of_its_scale() -> None:
    found = near(Space(r=Real(0, 64)), "r", r=16.0)
    assert found == [48, 32, 0, 24, 8, 20, 12, 18, 14, 17, 15]


def test_subset_flips_or_exchanges() -> None:
    free = Space(s=Subset("a", "b", "c", max=2))
    assert near(free, "s", s=["b"]) == [(), ("a", "b"), ("b", "c")]
    assert near(free, "s", s=["a", "b"]) == [("b",), ("a",)]
    fixed = Space(s=Subset("a", "b", "c", min=1, max=1))
    assert near(fixed, "s", s=["b"]) == [("a",), ("c",)]


def test_list_items_are_edited_doubled_and_left_out() -> None:
    space = Space(h=List(Choice("a", "b"), 1, 3))
    assert near(space, "h", h=["a", "b"]) == [
        ("b", "b"),
        ("a", "a"),
        ("a", "a", "b"),
        ("a", "b", "b"),
        ("b",),
        ("a",),
    ]
    assert near(space, "h", h=["a", "a"]) == [("b", "a"), ("a", "b"), ("a", "a", "a"), ("a",)]


def test_empty_list_gets_a_first_item() -> None:
    item = Group(n=Integer(3, 9), s=Subset("a", "b", min=1), r=Real(0.5, 1), k=Choice("x", "y"))
    space = Space(h=List(item, 0, 2))
    assert near(space, "h", h=[]) == [({"n": 3, "s": ("a",), "r": 0.5, "k": "x"},)]


def test_what_opens_takes_its_first_value() -> None:
    space = Space(
        on=Choice(False, True),
        n=Integer(3, 9, when={"on": True}),
        h=List(Integer(5, 6), 1, 2, when={"on": True}),
    )
    found = [dict(n.values) for n in space.neighbors(space.architecture({"on": False}))]
    assert found == [{"on": True, "n": 3, "h": (5,)}]


@pytest.mark.parametrize("name", ["conditions", "list of widths", "list of lists", "subsets"])
def test_every_architecture_can_be_reached(name: str) -> None:
    space = toy_spaces()[name]
    start = next(space.enumerate())
    reached, edge = {start}, [start]
    while edge:
        edge = [n for a in edge for n in space.neighbors(a) if n not in reached]
        reached.update(edge)
    assert len(reached) == space.size
