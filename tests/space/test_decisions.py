from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest

from archwright.errors import SpaceError, UnknownNameError
from archwright.space import Choice, Decision, Group, Integer, List, Real, Space, Subset
from archwright.space.decisions import decision_from_json

EVERY_KIND: list[Decision] = [
    Choice("relu", "gelu", None, True, 2, 0.5),
    Choice("a", "b", when={"other": ("x", "y"), "third": 3}),
    Integer(-3, 9, step=4),
    Real(1e-4, 1, log=True),
    Subset("a", "b", "c", min=1, max=2),
    List(Integer(1, 2), 0, 4, when={"other": "x"}),
    List(Group(a=Choice(1, 2), b=Real(0, 1, when={"a": 2})), 1, 2),
    Group({"a.b": Choice(1, 2)}, c=Group(d=Integer(0, 1))),
]


@pytest.mark.parametrize("decision", EVERY_KIND, ids=lambda d: d.kind)
def test_round_trips(decision: Decision) -> None:
    assert decision_from_json(json.loads(json.dumps(decision.to_json()))) == decision
    assert pickle.loads(pickle.dumps(decision)) == decision


@pytest.mark.parametrize("decision", EVERY_KIND[:-1], ids=lambda d: d.kind)
def test_repr_makes_it_again(decision: Decision) -> None:
    assert eval(repr(decision)) == decision


def test_repr_of_group_shows_its_parts() -> None:
    assert repr(Group(a=Choice(1, 2))) == "Group(a=Choice(1, 2))"


def test_decisions_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Choice("a").options = ("b",)  # type: ignore[misc]
    with pytest.raises(TypeError, match="read-only"):
        Group(a=Choice(1)).decisions["b"] = Choice(2)


def test_choice_takes_one_sequence() -> None:
    assert Choice(("a", "b")) == Choice(["a", "b"]) == Choice("a", "b")


def test_choice_keeps_no_negative_zero() -> None:
    assert math.copysign(1, Choice(-0.0, 1.0).options[0]) == 1  # type: ignore[arg-type]


def test_integer_includes_both_ends() -> None:
    integer = Integer(50, 200, step=10)
    assert integer.size == 16
    assert integer.code(200, "width") == 15


def test_whole_numbers_of_numpy_become_ints() -> None:
    integer = Integer(np.int64(1), np.int32(5))  # type: ignore[arg-type]
    assert type(integer.low) is int
    assert integer == Integer(1, 5)


def test_real_scales() -> None:
    linear, log = Real(-1, 3), Real(1e-4, 1, log=True)
    assert [linear.at(u) for u in (0, 0.5, 1)] == [-1, 1, 3]
    assert [log.at(u) for u in (0, 0.5, 1)] == pytest.approx([1e-4, 1e-2, 1])
    assert log.unit(log.at(0.3)) == pytest.approx(0.3)
    assert linear.unit(linear.at(0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize("limits", [(0, 4), (1, 2), (2, 2), (4, 4), (0, 0)])
def test_subset_counts_its_values(limits: tuple[int, int]) -> None:
    low, high = limits
    subset = Subset(1, 2, 3, 4, min=low, max=high)
    counted = sum(low <= mask.bit_count() <= high for mask in range(16))
    assert subset.ways() == counted


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choice(), "Choice: needs at least one option"),
        (lambda: Choice([]), "Choice: needs at least one option"),
        (lambda: Choice("a", "b", "a"), "Choice: options 'a' and 'a' are equal"),
        (lambda: Choice(1, True), "options 1 and True are equal"),
        (lambda: Choice("a", ("b",)), r"must be a str, int, float, bool or None.*'b'.*tuple"),
        (lambda: Choice(np.float64(0.5)), "which JSON can keep; got .*float64"),
        (lambda: Choice(1.0, math.nan), "an option must be finite; got nan"),
        (lambda: Choice(1, 2, when={"a": ()}), "`when` allows no value of 'a'"),
        (lambda: Choice(1, 2, when="a"), "`when` must be a dict of path to allowed values"),
        (lambda: Choice(1, 2, when={1: 2}), "`when` must name decisions by path; got 1"),
        (lambda: Integer(5, 3), r"Integer\(5, 3, step=1\): low must not exceed high"),
        (lambda: Integer(1, 10, step=4), "last value would be 9, so write high=9"),
        (lambda: Integer(1, 10, step=0), "step must be at least 1"),
        (lambda: Integer(1, 2.5), r"Integer: needs a whole number; got 2\.5"),
        (lambda: Integer(False, 2), "Integer: needs a whole number; got False"),
        (lambda: Integer(0, 2**60), r"more than 2\*\*53 values; use a larger step"),
        (lambda: Real(1, 1), "low must be below high"),
        (lambda: Real(0, 1, log=True), "a logarithmic range must start above 0"),
        (lambda: Real(0, math.inf), "low and high must be finite numbers"),
        (lambda: Real("0", 1), "low and high must be finite numbers"),
        (lambda: Subset(1, 2, min=3), "needs 0 <= min <= max <= 2.*got min=3, max=None"),
        (lambda: Subset(1, "1"), "options must differ as text; got 1, 1"),
        (lambda: List("a", 1, 2), "the item must be a decision or a Group; got 'a'"),
        (lambda: List(Choice(1, 2, when={"a": 1}), 1, 2), "its item cannot have a condition"),
        (lambda: List(Choice(1, 2), 2, 1), "min_length=2, max_length=1"),
        (lambda: List(Choice(1, 2), 0, 0), "max_length >= 1; got min_length=0, max_length=0"),
        (lambda: Group(), "Group: needs at least one decision"),
        (lambda: Group({"a": Choice(1)}, a=Choice(2)), "decision 'a' is given twice"),
        (lambda: Group({"a b": Choice(1)}), "a name is made of letters, digits.*got 'a b'"),
        (lambda: Group({3: Choice(1)}), "a name is made of letters.*got 3"),
        (lambda: Group(a=(1, 2)), r"a must be a decision such as Choice\(...\).*got \(1, 2\)"),
    ],
)
def test_bad_decision(make, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        make()


def test_unknown_kind_in_json() -> None:
    with pytest.raises(UnknownNameError, match=r"kind of decision 'choise' \(did you mean"):
        decision_from_json({"kind": "choise", "options": [1]})


@pytest.mark.parametrize(
    ("decision", "value", "message"),
    [
        (
            Choice("none", "skip", "conv_3x3"),
            "conv3x3",
            r"d must be one of none, skip, conv_3x3; got 'conv3x3' \(did you mean conv_3x3\?\)",
        ),
        (Choice(0, 1), True, "d must be one of 0, 1; got True"),
        (Choice(True, False), 1, "d must be one of True, False; got 1"),
        (Integer(50, 200), 201, r"whole number, 50 to 200; got 201 \(nearest is 200\)"),
        (Integer(50, 200, 10), 64, r"in steps of 10; got 64 \(nearest is 60\)"),
        (Integer(50, 200), -4, r"got -4 \(nearest is 50\)"),
        (Integer(50, 200), 64.0, r"d must be a whole number, 50 to 200; got 64\.0"),
        (Integer(0, 1), True, "d must be a whole number, 0 to 1; got True"),
        (Real(0, 1), 1.5, r"d must be a number, 0\.0 to 1\.0; got 1\.5"),
        (Real(0.1, 1, log=True), math.nan, r"0\.1 to 1\.0 \(logarithmic\); got nan"),
        (Real(0, 1), "x", "d must be a number.*got 'x'"),
        (Subset("a", "b"), "ab", "d must be a list of options, 0 to 2 of a, b; got 'ab'"),
        (Subset("a", "b"), ["a", "a"], "d names 'a' twice"),
        (Subset("a", "b"), ["c"], "d must be one of a, b; got 'c'"),
        (Subset("a", "b", min=1), [], r"d must take 1 to 2 of a, b; got \[\]"),
        (List(Integer(1, 3), 1, 2), 3, "d must be a list of 1 to 2 items; got 3"),
        (List(Integer(1, 3), 1, 2), [], "d must have 1 to 2 items; got 0"),
        (List(Integer(1, 3), 1, 2), [1, 4], r"d\.1 must be a whole number, 1 to 3; got 4"),
        (Group(a=Choice(1, 2)), 3, "d must be a dict with a; got 3"),
        (Group(a=Choice(1, 2)), {}, r"d\.a is missing; it must be 1, 2"),
        (List(Group(a=Choice(1, 2)), 1, 2), [{"a": 1}, {}], r"d\.1\.a is missing"),
    ],
)
def test_value_outside_its_domain(decision: Decision, value: object, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Space(d=decision).architecture({"d": value})
