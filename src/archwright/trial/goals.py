"""What a study wants (objectives), refuses (constraints) and may spend (budget)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archwright.errors import ConstraintError, GoalError
from archwright.trial.records import Status, Trial

__all__ = ["Budget", "Constraint", "Objective", "feasible", "incumbent", "pareto_front"]

_OBJECTIVE = re.compile(r"\s*(max|min)\s*:\s*([A-Za-z_][\w.]*)\s*")
_CONSTRAINT = re.compile(r"\s*([A-Za-z_][\w.]*)\s*(<=|>=)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric and the direction in which it is better; stated, never implied.

    Example:
        >>> Objective.parse("max:val_accuracy")
        Objective(metric='val_accuracy', direction='max')
    """

    metric: str
    direction: str

    def __post_init__(self) -> None:
        if self.direction not in ("max", "min"):
            raise GoalError(f"direction must be 'max' or 'min'; got {self.direction!r}")

    @classmethod
    def parse(cls, text: str | Objective) -> Objective:
        """Read "max:NAME" or "min:NAME".

        Raises:
            GoalError: If the text has another form.
        """
        if isinstance(text, Objective):
            return text
        match = _OBJECTIVE.fullmatch(text)
        if match is None:
            raise GoalError(
                f"objective must look like 'max:val_accuracy' or 'min:val_loss'; got {text!r}"
            )
        return cls(match[2], match[1])

    def __str__(self) -> str:
        return f"{self.direction}:{self.metric}"

    def loss(self, trial: Trial) -> float:
        """Return the metric turned so that lower is better; infinity if it was not measured."""
        if trial.status is not Status.COMPLETED:
            return math.inf
        value = trial.metrics.get(self.metric)
        if value is None:
            return math.inf
        return value if self.direction == "min" else -value


@dataclass(frozen=True, slots=True)
class Constraint:
    """A hard bound on a metric, bound included.

    Example:
        >>> Constraint.parse("parameters<=5e4").violation({"parameters": 60_000})
        10000.0
    """

    metric: str
    operator: str
    bound: float

    def __post_init__(self) -> None:
        if self.operator not in ("<=", ">="):
            raise ConstraintError(f"operator must be '<=' or '>='; got {self.operator!r}")
        if not math.isfinite(self.bound):
            raise ConstraintError(f"bound of {self.metric!r} must be finite; got {self.bound!r}")

    @classmethod
    def parse(cls, text: str | Constraint) -> Constraint:
        """Read "NAME<=NUMBER" or "NAME>=NUMBER".

        Raises:
            ConstraintError: If the text has another form.
        """
        if isinstance(text, Constraint):
            return text
        match = _CONSTRAINT.fullmatch(text)
        malformed = ConstraintError(
            f"constraint must look like 'parameters<=50000' or 'latency_ms<=1.5'; got {text!r}"
        )
        if match is None:
            raise malformed
        try:
            bound = float(match[3])
        except ValueError:
            raise malformed from None
        return cls(match[1], match[2], bound)

    def __str__(self) -> str:
        bound = int(self.bound) if self.bound == int(self.bound) else self.bound
        return f"{self.metric}{self.operator}{bound}"

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Return by how much the bound is broken, in the metric's unit; 0 if it is kept.

        A metric that was not measured breaks every bound: the violation is infinite.
        """
        value = metrics.get(self.metric)
        if value is None or math.isnan(value):
            return math.inf
        over = value - self.bound if self.operator == "<=" else self.bound - value
        return max(0.0, over)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a study may spend in all; it stops when the first limit is reached.

    Args:
        trials: Number of finished trials, failed ones included.
        seconds: Wall time in seconds, summed over resumed runs.
        cost_seconds: Sum of the trials' own cost in seconds (simulated time on a table).
    """

    trials: int | None = None
    seconds: float | None = None
    cost_seconds: float | None = None

    def __post_init__(self) -> None:
        if self.trials is None and self.seconds is None and self.cost_seconds is None:
            raise GoalError("a budget needs at least one of: trials, seconds, cost_seconds")
        for name in ("trials", "seconds", "cost_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise GoalError(f"budget {name} must be above 0; got {value!r}")

    def to_json(self) -> dict[str, Any]:
        """Return the limits that are set."""
        limits = {
            "trials": self.trials,
            "seconds": self.seconds,
            "cost_seconds": self.cost_seconds,
        }
        return {name: value for name, value in limits.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Budget:
        """Rebuild what `to_json` wrote."""
        return cls(**data)


def feasible(trial: Trial, constraints: Sequence[Constraint] = ()) -> bool:
    """Return whether a trial is completed and keeps every constraint."""
    return trial.status is Status.COMPLETED and all(
        constraint.violation(trial.metrics) == 0 for constraint in constraints
    )


def incumbent(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
) -> Trial | None:
    """Return the best feasible trial by the first objective.

    Ties go to the better one by the next objectives in turn, then to the earliest.
    """
    candidates = [
        ((*(objective.loss(trial) for objective in objectives), trial.number), trial)
        for trial in trials
        if feasible(trial, constraints) and math.isfinite(objectives[0].loss(trial))
    ]
    return min(candidates, key=lambda candidate: candidate[0], default=((), None))[1]


def pareto_front(
    trials: Iterable[Trial],
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint] = (),
) -> list[Trial]:
    """Return the feasible trials that no other one dominates, best first objective first.

    Trials with equal values in all objectives do not dominate one another: all are kept.
    """
    points = [
        (losses, trial)
        for trial in trials
        if feasible(trial, constraints)
        and all(map(math.isfinite, losses := tuple(goal.loss(trial) for goal in objectives)))
    ]
    front: list[tuple[tuple[float, ...], Trial]] = []
    for losses, trial in sorted(points, key=lambda point: (point[0], point[1].number)):
        # Sorted by losses, so only an earlier point can dominate a later one.
        dominated = any(
            kept != losses and all(k <= n for k, n in zip(kept, losses, strict=True))
            for kept, _ in front
        )
        if not dominated:
            front.append((losses, trial))
    return [trial for _, trial in front]
