from __future__ import annotations

import math

import pytest

from archwright.strategy.ranking import WORST, Member, rank
from archwright.trial import Constraint, Measurement, Objective, Outcome, Proposal, Status, Trial

ACCURACY = Objective.parse("max:accuracy")
SMALL = Constraint.parse("parameters<=100")
FAST = Constraint.parse("latency_ms<=2")


def trial(status: Status = Status.COMPLETED, **metrics: float) -> Trial:
    outcome = Outcome(status, Measurement(metrics) if metrics else None)
    return Trial(0, Proposal(None), seed=0).finish(outcome)  # type: ignore[arg-type]


def test_feasible_trials_compare_by_their_objective() -> None:
    good, bad = (trial(accuracy=a, parameters=50) for a in (0.9, 0.8))
    assert rank(good, ACCURACY, [SMALL]) < rank(bad, ACCURACY, [SMALL])


def test_smaller_is_better_for_a_minimised_objective() -> None:
    loss = Objective.parse("min:accuracy")
    assert rank(trial(accuracy=0.1), loss) < rank(trial(accuracy=0.2), loss)


def test_feasible_beats_infeasible_whatever_the_objective() -> None:
    feasible, infeasible = trial(accuracy=0.1, parameters=100), trial(accuracy=0.9, parameters=101)
    assert rank(feasible, ACCURACY, [SMALL]) < rank(infeasible, ACCURACY, [SMALL])


def test_smaller_violation_beats_a_better_objective() -> None:
    near, far = trial(accuracy=0.1, parameters=110), trial(accuracy=0.9, parameters=200)
    assert rank(near, ACCURACY, [SMALL]) < rank(far, ACCURACY, [SMALL])


def test_violations_are_added_as_parts_of_their_bounds() -> None:
    both = trial(accuracy=0.5, parameters=150, latency_ms=3)
    assert rank(both, ACCURACY, [SMALL, FAST]) == (pytest.approx(1.0), -0.5)


def test_bound_of_zero_does_not_divide() -> None:
    none_left = Constraint.parse("parameters<=0")
    assert rank(trial(accuracy=0.5, parameters=3), ACCURACY, [none_left]) == (3.0, -0.5)


def test_refused_trial_keeps_the_violation_that_was_counted() -> None:
    refused = trial(Status.INVALID, parameters=150)
    assert rank(refused, ACCURACY, [SMALL, FAST]) == (0.5, math.inf)


def test_refused_trial_without_a_violation_is_the_worst() -> None:
    assert rank(trial(Status.INVALID, parameters=50), ACCURACY, [SMALL]) == WORST
    assert rank(trial(Status.INVALID), ACCURACY, [SMALL]) == WORST


@pytest.mark.parametrize(
    "status", [Status.DIVERGED, Status.OUT_OF_MEMORY, Status.TIMEOUT, Status.CRASHED]
)
def test_failed_trial_is_the_worst(status: Status) -> None:
    assert rank(trial(status, accuracy=0.9), ACCURACY) == WORST


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_objective_that_is_not_finite_is_the_worst(value: float) -> None:
    assert rank(trial(accuracy=value), ACCURACY) == WORST


def test_objective_that_was_not_measured_is_the_worst() -> None:
    assert rank(trial(parameters=3), ACCURACY) == WORST


def test_members_of_equal_rank_compare_by_age() -> None:
    members = [Member((0.0, -0.5), number, None) for number in (7, 3, 5)]  # type: ignore[arg-type]
    assert min(members).number == 3
