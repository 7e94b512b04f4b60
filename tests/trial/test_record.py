from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from archwright.trial import Measurement, Outcome, Proposal, Trial
from archwright.trial._record import record


@record
class Made:
    first: int
    second: str = "b"
    third: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError(f"first is {self.first}")


@dataclass(frozen=True, slots=True)
class Plain:
    first: int
    second: str = "b"
    third: list[int] = field(default_factory=list)


@pytest.mark.parametrize("given", [((1,), {}), ((1, "x"), {}), ((1,), {"third": [4]})])
def test_it_is_a_frozen_dataclass(given: tuple[tuple[Any, ...], dict[str, Any]]) -> None:
    positional, named = given
    made, plain = Made(*positional, **named), Plain(*positional, **named)
    assert [getattr(made, f.name) for f in fields(made)] == [
        getattr(plain, f.name) for f in fields(plain)
    ]
    assert repr(made).removeprefix("Made") == repr(plain).removeprefix("Plain")
    assert made == Made(*positional, **named)
    assert replace(made, second="z").second == "z"
    for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert again == made
    with pytest.raises(FrozenInstanceError):
        made.first = 2  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        made.fourth = 2  # type: ignore[attr-defined]


def test_defaults_are_made_afresh_and_checks_run() -> None:
    assert Made(1).third is not Made(1).third
    with pytest.raises(ValueError, match="first is -1"):
        Made(-1)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'first'"):
        Made()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'other'"):
        Made(1, other=2)  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", [Trial, Proposal, Measurement, Outcome])
def test_signatures_name_the_fields_in_order(kind: type) -> None:
    assert list(inspect.signature(kind).parameters) == [f.name for f in fields(kind)]
