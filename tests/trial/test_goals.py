from __future__ import annotations

import itertools
import json
import math
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import ConstraintError, GoalError
from archwright.trial import (
    Budget,
    Constraint,
    Objective,
    Status,
    Trial,
    feasible,
    incumbent,
    pareto_front,
)

MakeTrial = Callable[..., Trial]

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]*", fullmatch=True)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
POINTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12)

ACCURACY = Objective("val_accuracy", "max")
SMALL = Objective("parameters", "min")


@given(NAMES, st.sampled_from(["max", "min"]))
def test_objective_is_its_text(metric: str, direction: str) -> None:
    goal = Objective(metric, direction)
    assert Objective.parse(str(goal)) == goal
    assert Objective.parse(f" {direction} : {metric} ") == goal
    assert Objective.parse(goal) is goal


@pytest.mark.parametrize("text", ["", "val_accuracy", "maximize:x", "max:", "max:1x", "max:x y"])
def test_objective_of_another_form_is_refused(text: str) -> None:
    message = r"^objective must look like 'max:val_accuracy' or 'min:val_loss'; got "
    with pytest.raises(GoalError, match=message + repr(text)):
        Objective.parse(text)


def test_objective_of_another_direction_is_refused() -> None:
    with pytest.raises(GoalError, match=r"^direction must be 'max' or 'min'; got 'up'$"):
        Objective("val_accuracy", "up")


def test_loss_is_lower_for_the_better_trial(trial: MakeTrial) -> None:
    good, bad = trial(val_accuracy=0.9, parameters=10), trial(val_accuracy=0.1, parameters=900)
    assert ACCURACY.loss(good) < ACCURACY.loss(bad)
    assert SMALL.loss(good) < SMALL.loss(bad)


@pytest.mark.parametrize("status", [status for status in Status if status.failed])
def test_loss_of_a_failed_trial_is_the_worst(trial: MakeTrial, status: Status) -> None:
    assert ACCURACY.loss(trial(status=status)) == math.inf


def test_loss_of_a_trial_without_the_metric_is_the_worst(trial: MakeTrial) -> None:
    assert ACCURACY.loss(trial(parameters=3)) == math.inf


@given(NAMES, st.sampled_from(["<=", ">="]), FINITE)
def test_constraint_is_its_text(metric: str, operator: str, bound: float) -> None:
    limit = Constraint(metric, operator, bound)
    assert Constraint.parse(str(limit)) == limit
    assert Constraint.parse(limit) is limit


def test_constraint_is_written_as_people_do() -> None:
    assert str(Constraint.parse(" parameters <= 5e4 ")) == "parameters<=50000"
    assert str(Constraint.parse("latency_ms<=1.5")) == "latency_ms<=1.5"
    assert Constraint.parse("macs>=1_000").bound == 1000


@pytest.mark.parametrize(
    "text", ["", "parameters", "a<5", "a==5", "a<=five", "a<=", "<=5", "a<=5 b"]
)
def test_constraint_of_another_form_is_refused(text: str) -> None:
    message = r"^constraint must look like 'parameters<=50000' or 'latency_ms<=1.5'; got "
    with pytest.raises(ConstraintError, match=message + repr(text)):
        Constraint.parse(text)


@pytest.mark.parametrize("text", ["a<=nan", "a>=inf", "a<=1e999"])
def test_constraint_without_a_finite_bound_is_refused(text: str) -> None:
    with pytest.raises(ConstraintError, match=r"^bound of 'a' must be finite; got (nan|inf)$"):
        Constraint.parse(text)


def test_constraint_with_another_operator_is_refused() -> None:
    with pytest.raises(ConstraintError, match=r"^operator must be '<=' or '>='; got '<'$"):
        Constraint("parameters", "<", 5)


@given(FINITE, FINITE)
def test_violation_is_zero_exactly_where_the_bound_is_kept(value: float, bound: float) -> None:
    metrics = {"a": value}
    assert (Constraint("a", "<=", bound).violation(metrics) == 0) == (value <= bound)
    assert (Constraint("a", ">=", bound).violation(metrics) == 0) == (value >= bound)


def test_violation_is_the_distance_to_the_bound() -> None:
    assert Constraint("a", "<=", 5).violation({"a": 7.5}) == 2.5
    assert Constraint("a", ">=", 5).violation({"a": 3.0}) == 2.0


@pytest.mark.parametrize("metrics", [{}, {"b": 1.0}, {"a": math.nan}])
def test_unmeasured_metric_breaks_every_bound(metrics: dict[str, float]) -> None:
    assert Constraint("a", "<=", 5).violation(metrics) == math.inf


BUDGETS = st.builds(
    Budget,
    trials=st.none() | st.integers(1, 10**6),
    seconds=st.floats(1e-3, 1e9),
    cost_seconds=st.none() | st.floats(1e-3, 1e9),
)


@given(BUDGETS)
def test_budget_survives_json(budget: Budget) -> None:
    assert Budget.from_json(json.loads(json.dumps(budget.to_json()))) == budget


def test_json_of_a_budget_holds_only_the_limits_that_are_set() -> None:
    assert Budget(trials=3).to_json() == {"trials": 3}


def test_budget_without_a_limit_is_refused() -> None:
    message = r"^a budget needs at least one of: trials, seconds, cost_seconds$"
    with pytest.raises(GoalError, match=message):
        Budget()


@pytest.mark.parametrize("name", ["trials", "seconds", "cost_seconds"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_budget_that_allows_nothing_is_refused(name: str, value: float) -> None:
    with pytest.raises(GoalError, match=rf"^budget {name} must be above 0; got {value!r}$"):
        Budget(**{name: value})


@pytest.mark.parametrize("status", list(Status))
def test_only_a_completed_trial_is_feasible(trial: MakeTrial, status: Status) -> None:
    assert feasible(trial(status=status, a=1.0)) == (status is Status.COMPLETED)


def test_feasible_trial_keeps_every_constraint(trial: MakeTrial) -> None:
    limits = [Constraint.parse("a<=1"), Constraint.parse("b>=2")]
    assert feasible(trial(a=1.0, b=2.0), limits)
    assert not feasible(trial(a=1.0, b=1.9), limits)
    assert not feasible(trial(a=1.0), limits)


def test_incumbent_is_the_best_feasible_trial(trial: MakeTrial) -> None:
    trials = [
        trial(0, val_accuracy=0.7, parameters=10),
        trial(1, status=Status.CRASHED),
        trial(2, val_accuracy=0.9, parameters=99),
        trial(3, val_accuracy=0.8, parameters=20),
        trial(4, parameters=20),
    ]
    assert incumbent(trials, [ACCURACY]) is trials[2]
    assert incumbent(trials, [ACCURACY], [Constraint.parse("parameters<=50")]) is trials[3]
    assert incumbent(trials, [SMALL, ACCURACY]) is trials[0]


def test_earliest_trial_wins_a_tie_whatever_the_order(trial: MakeTrial) -> None:
    trials = [trial(number, val_accuracy=0.5) for number in (2, 0, 1)]
    for order in itertools.permutations(trials):
        found = incumbent(order, [ACCURACY])
        assert found is not None
        assert found.number == 0


def test_no_incumbent_without_a_feasible_trial(trial: MakeTrial) -> None:
    trials = [
        trial(0, status=Status.TIMEOUT),
        trial(1, parameters=4),
        trial(2, status=Status.RUNNING),
    ]
    assert incumbent(trials, [ACCURACY]) is None
    assert incumbent([], [ACCURACY]) is None


def dominates(one: tuple[int, int], two: tuple[int, int]) -> bool:
    """Return whether one point is nowhere worse and somewhere better (both minimised)."""
    return all(a <= b for a, b in zip(one, two, strict=True)) and one != two


@given(POINTS)
def test_front_is_what_brute_force_finds(trial: MakeTrial, points: list[tuple[int, int]]) -> None:
    trials = [trial(number, a=a, b=-b) for number, (a, b) in enumerate(points)]
    front = pareto_front(trials, [Objective("a", "min"), Objective("b", "max")])
    kept = [n for n, p in enumerate(points) if not any(dominates(q, p) for q in points)]
    assert {one.number for one in front} == set(kept)
    assert [points[one.number] for one in front] == sorted(points[n] for n in kept)


def test_front_leaves_out_what_is_not_feasible_or_not_measured(trial: MakeTrial) -> None:
    trials = [
        trial(0, val_accuracy=0.9, parameters=90),
        trial(1, val_accuracy=0.8, parameters=50),
        trial(2, val_accuracy=0.99),
        trial(3, status=Status.DIVERGED),
    ]
    assert pareto_front(trials, [ACCURACY, SMALL]) == trials[:2]
    assert pareto_front(trials, [ACCURACY, SMALL], [Constraint.parse("parameters<=60")]) == [
        trials[1]
    ]


@pytest.mark.parametrize("goal", [ACCURACY, Constraint.parse("a<=1"), Budget(trials=2)])
def test_goals_are_values(goal: object) -> None:
    copy = pickle.loads(pickle.dumps(goal))
    assert copy == goal
    assert hash(copy) == hash(goal)


def test_the_incumbent_breaks_ties_by_the_next_objective(trial: MakeTrial) -> None:
    trials = [
        trial(number, val_accuracy=0.9, parameters=size) for number, size in enumerate((9, 3, 5))
    ]
    assert incumbent(trials, [ACCURACY, SMALL]) is trials[1]
    assert pareto_front(trials, [ACCURACY, SMALL]) == [trials[1]]
