"""Toy spaces and the tools that drive a strategy through them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archwright.space import Choice, Integer, List, Space
from archwright.testing.strategies import Record
from archwright.trial import Measurement, Outcome, Trial


@pytest.fixture
def cell() -> Space:
    """Six edges of five operations: 15,625 architectures."""
    return Space({f"edge_{i}": Choice("a", "b", "c", "d", "e") for i in range(6)}, name="cell")


@pytest.fixture
def widths() -> Space:
    """The seed's perceptrons: one to three layers of 50 to 200 units."""
    return Space(hidden=List(Integer(50, 200), 1, 3), name="widths")


@pytest.fixture
def tiny() -> Space:
    return Space(a=Choice("x", "y", "z"), b=Choice(1, 2), name="tiny")


@pytest.fixture
def measured() -> Callable[..., Callable[[Trial], Outcome]]:
    """Make an outcome out of functions of the architecture, one for each metric."""

    def make(**metrics: Callable[..., float]) -> Callable[[Trial], Outcome]:
        def outcome(trial: Trial) -> Outcome:
            values = {name: float(of(trial.architecture)) for name, of in metrics.items()}
            return Outcome.completed(Measurement(values))

        return outcome

    return make


@pytest.fixture
def tell_all() -> Callable[[Record], None]:
    def tell(record: Record) -> None:
        for number in list(record.outstanding):
            record.tell(number)

    return tell
