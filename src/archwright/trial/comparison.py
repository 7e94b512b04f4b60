"""Records of a comparison: who ran, what each repeat evaluated, and which answer it held when.

A `Comparison` holds one `Runs` per strategy, and a `Runs` all repeats of that strategy as arrays
`(repeats, evaluations)` in the order in which results were told. Repeats of different length are
padded at the end: row -1, NaN, and infinite time.

The incumbent of a repeat is the first evaluation with the best validation value seen so far: a
later one replaces it only if it is strictly better. Everything reported of a repeat (its test
value, its mean over recorded trainings, its regret) belongs to that incumbent; nothing is ever
chosen by a test value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import UnknownNameError
from archwright.space import Architecture
from archwright.trial.goals import Budget, Objective

__all__ = ["KINDS", "Comparison", "Contender", "Measured", "Runs"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

KINDS: Mapping[str, str] = {
    "validation": "as the strategy saw it",
    "mean_validation": "mean over the recorded trainings",
    "validation_regret": "distance of the mean to the best recorded mean",
    "test": "of the very training that the strategy saw",
    "mean_test": "mean over the recorded trainings",
    "test_regret": "distance of the mean to the best recorded mean",
}
"""What can be said of an incumbent: each kind of value, and what it is."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A strategy that takes part.

    Args:
        label: How it is called in tables and figures; unique in a comparison.
        name: Its name in the registry of strategies.
        options: Options that were given.
        settings: Every option with its value.
    """

    label: str
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measured:
    """A column of the benchmark that a comparison looks at, and the best that is in it.

    Args:
        metric: Its name, such as "test_accuracy".
        unit: "fraction", "percent" ...
        direction: "max" if higher is better, "min" if lower is.
        dataset: What the recorded trainings were on; empty if the benchmark knows one only.
        epochs: Length of the recorded trainings; None if the column has no such axis.
        optimum: The best mean over recorded trainings.
        optimum_row: Which row of the benchmark has it.
    """

    metric: str
    unit: str
    direction: str
    dataset: str
    epochs: int | None
    optimum: float
    optimum_row: int

    def regret(self, values: Floats) -> Floats:
        """Return how far values are from the optimum: 0 at it, positive elsewhere."""
        return self.optimum - values if self.direction == "max" else values - self.optimum


@dataclass(frozen=True, eq=False)
class Runs:
    """All repeats of one strategy; arrays are `(repeats, evaluations)` unless stated.

    Args:
        contender: The strategy.
        seeds: One for each repeat; the same for all strategies.
        direction: Of the objective.
        counted: `(repeats,)`, how many evaluations finished within the budget; at least 1.
        rows: Row of the benchmark.
        validation: The objective's metric as the strategy was told; NaN where it failed.
        mean_validation: The same, mean over recorded trainings.
        test: Reported metric of the training that was looked up; None if there is none.
        mean_test: The same, mean over recorded trainings.
        finish: When the evaluation ended, seconds of simulated time; None if the benchmark records
            no times.
        answers: The last counted incumbent of each repeat.
        utilization: `(repeats,)`, busy part of the simulated workers' time, in (0, 1].
    """

    contender: Contender
    seeds: tuple[int, ...]
    direction: str
    counted: Integers
    rows: Integers
    validation: Floats
    mean_validation: Floats
    test: Floats | None = None
    mean_test: Floats | None = None
    finish: Floats | None = None
    answers: tuple[Architecture, ...] = ()
    utilization: Floats | None = None

    @property
    def repeats(self) -> int:
        """How many repeats there are."""
        return int(self.rows.shape[0])

    @cached_property
    def incumbent(self) -> Integers:
        """Index of the incumbent after each evaluation; -1 while there is none."""
        gain = self.validation if self.direction == "max" else -self.validation
        gain = np.where(np.isnan(gain), -np.inf, gain)
        best = np.maximum.accumulate(gain, axis=1)
        before = np.concatenate([np.full((len(best), 1), -np.inf), best[:, :-1]], axis=1)
        places = np.where(gain > before, np.arange(gain.shape[1]), -1)
        return np.maximum.accumulate(places, axis=1)

    def held(self, values: Floats) -> Floats:
        """Return the incumbent's value after each evaluation; NaN while there is none."""
        found = np.take_along_axis(values, np.maximum(self.incumbent, 0), axis=1)
        return (
            found
            if (self.incumbent[:, 0] >= 0).all()
            else np.where(self.incumbent >= 0, found, np.nan)
        )

    def last(self, values: Floats) -> Floats:
        """Return `(repeats,)` the value of the incumbent at the end of the budget."""
        place = np.take_along_axis(self.incumbent, self.counted[:, None] - 1, axis=1)
        found = np.take_along_axis(values, np.maximum(place, 0), axis=1)
        return np.where(place >= 0, found, np.nan)[:, 0]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Strategies compared on one benchmark under one budget.

    Args:
        benchmark: JSON facts: name, rows, data, provenance.
        space: JSON facts: name, size.
        objective: By what strategies choose.
        validation: The objective's column.
        test: The reported column; None if the benchmark has none.
        recorded: Which of the recorded trainings an evaluation saw: "drawn", "mean" or its number.
        recordings: How many trainings of each architecture are recorded.
        budget: What each repeat could spend.
        workers: Simulated workers.
        seed: Root of all randomness.
        runs: One for each strategy, the baseline first.
        wall_seconds: How long the comparison took.
        environment: Versions and platform it ran with.
    """

    benchmark: Mapping[str, Any]
    space: Mapping[str, Any]
    objective: Objective
    validation: Measured
    test: Measured | None
    recorded: str
    recordings: int
    budget: Budget
    workers: int
    seed: int
    runs: tuple[Runs, ...]
    wall_seconds: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        labels = ", ".join(runs.contender.label for runs in self.runs)
        return f"Comparison({labels}; {self.repeats} repeats on {self.benchmark['name']})"

    @property
    def repeats(self) -> int:
        """How many repeats each strategy had."""
        return self.runs[0].repeats

    @property
    def evaluations(self) -> int:
        """How many look-ups were made in all."""
        return int(sum((runs.rows >= 0).sum() for runs in self.runs))

    @property
    def has_time(self) -> bool:
        """Whether the benchmark records what an evaluation costs."""
        return self.runs[0].finish is not None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of values that this comparison has, of `KINDS`."""
        has = {
            "test": self.runs[0].test is not None,
            "mean_test": self.test is not None,
            "test_regret": self.test is not None,
        }
        return tuple(kind for kind in KINDS if has.get(kind, True))

    @property
    def answer_kind(self) -> str:
        """The kind of value by which answers are judged: the mean test value where there is one."""
        return "mean_validation" if self.test is None else "mean_test"

    def measured(self, kind: str) -> Measured:
        """Return the column that a kind of value comes from.

        Raises:
            UnknownNameError: If this comparison has no such values.
        """
        if kind not in self.kinds:
            raise UnknownNameError("kind of value", kind, self.kinds)
        return self.test if "test" in kind and self.test is not None else self.validation

    def values(self, runs: Runs, kind: str) -> Floats:
        """Return `(repeats, evaluations)` the values of one kind of everything evaluated.

        Raises:
            UnknownNameError: If this comparison has no such values.
        """
        measured = self.measured(kind)
        if kind.endswith("_regret"):
            return measured.regret(self.values(runs, f"mean_{kind.removesuffix('_regret')}"))
        found: Floats = getattr(runs, kind)
        return found

    def held(self, runs: Runs, kind: str) -> Floats:
        """Return `(repeats, evaluations)` the incumbent's value after each evaluation."""
        return runs.held(self.values(runs, kind))

    def last(self, runs: Runs, kind: str) -> Floats:
        """Return `(repeats,)` the incumbent's value at the end of the budget."""
        return runs.last(self.values(runs, kind))
