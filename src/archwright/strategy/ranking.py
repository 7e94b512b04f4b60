"""Which of two finished trials is better, failures and broken constraints included.

K. Deb, "An efficient constraint handling method for genetic algorithms", Computer Methods in
Applied Mechanics and Engineering 186, 2000, section 3: a feasible one beats an infeasible one,
two feasible ones compare by their objective, two infeasible ones by their violation. Ours beyond
it: violations of several constraints are added after division by their bounds, so that units do
not matter; a trial without a measurement is worse than every other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from archwright.space import Architecture
from archwright.trial import Constraint, Objective, Status, Trial

__all__ = ["WORST", "Member", "rank"]

WORST: tuple[float, float] = (math.inf, math.inf)
"""The rank of a trial that failed."""


class Member(NamedTuple):
    """A finished trial as a population holds it; compares by rank, then the older one first.

    Args:
        rank: (violation, loss) and possibly ties after them; lower is better.
        number: Number of the trial.
        architecture: What was evaluated.
    """

    rank: tuple[float, ...]
    number: int
    architecture: Architecture


def rank(
    trial: Trial, objective: Objective, constraints: Sequence[Constraint] = ()
) -> tuple[float, float]:
    """Return (violation, loss) of a finished trial; tuples compare as the trials do, lower first.

    The violation is 0 exactly for a feasible trial. A trial that was refused for its constraints
    (status invalid) keeps the violation that was counted; it has no loss.

    Example:
        >>> from archwright.trial import Measurement, Outcome, Proposal
        >>> outcome = Outcome.completed(Measurement({"loss": 0.5, "parameters": 300}))
        >>> trial = Trial(0, Proposal(None), seed=0).finish(outcome)
        >>> rank(trial, Objective.parse("min:loss"), [Constraint.parse("parameters<=200")])
        (0.5, 0.5)
    """
    if trial.status is Status.COMPLETED:
        loss = objective.loss(trial)
        if not math.isfinite(loss):
            return WORST
        return (sum(_violations(trial, constraints)) if constraints else 0.0), loss
    if trial.status is Status.INVALID:
        metrics = trial.metrics
        counted = [constraint for constraint in constraints if constraint.metric in metrics]
        # Refused although it keeps what was counted: it cannot be built.
        return (sum(_violations(trial, counted)) or math.inf), math.inf
    return WORST


def _violations(trial: Trial, constraints: Sequence[Constraint]) -> list[float]:
    """Return each constraint's violation as a part of its bound."""
    metrics = trial.metrics
    return [
        constraint.violation(metrics) / (abs(constraint.bound) or 1.0) for constraint in constraints
    ]
