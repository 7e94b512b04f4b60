from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import EvaluationError, GoalError, SpaceError
from archwright.space import Space
from archwright.trial import Fidelity, Measurement, Outcome, Proposal, Status, Trial

MakeTrial = Callable[..., Trial]

FINITE = st.floats(allow_nan=False, allow_infinity=False)
FIDELITIES = st.builds(
    Fidelity,
    epochs=st.none() | st.integers(1, 1000),
    fraction=st.none() | st.floats(0, 1, exclude_min=True),
    resolution=st.none() | st.integers(1, 1000),
)
MEASUREMENTS = st.builds(
    Measurement,
    metrics=st.dictionaries(st.text(max_size=8), FINITE, max_size=4),
    cost_seconds=st.floats(0, 1e9),
    step=st.integers(0, 1000),
    curve=st.dictionaries(st.text(max_size=8), st.lists(FINITE, max_size=4).map(tuple), max_size=2),
    info=st.dictionaries(st.text(max_size=8), st.booleans() | st.text(max_size=8), max_size=2),
)


def through_json(value: object) -> dict[str, object]:
    return json.loads(json.dumps(value, allow_nan=False))


def test_life_of_a_trial() -> None:
    waiting = {Status.PENDING, Status.RUNNING}
    assert {status for status in Status if not status.finished} == waiting
    assert {status for status in Status if not status.failed} == waiting | {Status.COMPLETED}


def test_names_of_statuses_are_what_stores_hold() -> None:
    assert [str(status) for status in Status] == [
        "pending",
        "running",
        "completed",
        "invalid",
        "diverged",
        "out_of_memory",
        "timeout",
        "crashed",
    ]


@given(FIDELITIES)
def test_fidelity_survives_json(fidelity: Fidelity) -> None:
    assert Fidelity.from_json(through_json(fidelity.to_json())) == fidelity


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "epochs must be at least 1; got 0"),
        ("fraction", 0.0, r"fraction must be in \(0, 1\]; got 0.0"),
        ("fraction", 1.5, r"fraction must be in \(0, 1\]; got 1.5"),
        ("fraction", math.nan, r"fraction must be in \(0, 1\]; got nan"),
        ("resolution", -3, "resolution must be at least 1; got -3"),
    ],
)
def test_fidelity_out_of_range_is_refused(name: str, value: float, message: str) -> None:
    with pytest.raises(GoalError, match=f"^{message}$"):
        Fidelity(**{name: value})


@given(
    width=st.integers(1, 1000),
    fidelity=FIDELITIES,
    parents=st.lists(st.integers(0, 99), max_size=2).map(tuple),
    origin=st.sampled_from(["", "random", "crossover+mutation"]),
)
def test_proposal_survives_json(
    space: Space, width: int, fidelity: Fidelity, parents: tuple[int, ...], origin: str
) -> None:
    proposal = Proposal(space.architecture({"width": width}), fidelity, parents, origin)
    assert Proposal.from_json(through_json(proposal.to_json()), space) == proposal


def test_proposal_of_another_space_is_refused(space: Space) -> None:
    data = Proposal(space.architecture({"width": 1000})).to_json()
    narrow = Space.from_json(json.loads(json.dumps(space.to_json()).replace("1000", "10")))
    with pytest.raises(SpaceError, match="width"):
        Proposal.from_json(data, narrow)


@given(MEASUREMENTS)
def test_measurement_survives_json(measurement: Measurement) -> None:
    assert Measurement.from_json(through_json(measurement.to_json())) == measurement


@given(st.dictionaries(st.text(max_size=3), st.floats(), min_size=1, max_size=4))
def test_first_metric_that_is_not_finite_is_named(metrics: dict[str, float]) -> None:
    wrong = [name for name, value in metrics.items() if not math.isfinite(value)]
    assert Measurement(metrics).non_finite() == (wrong[0] if wrong else None)


def test_finite_measurement_completes() -> None:
    measurement = Measurement({"val_accuracy": 0.5}, cost_seconds=3.0)
    outcome = Outcome.completed(measurement)
    assert outcome == Outcome(Status.COMPLETED, measurement, cost_seconds=3.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_measurement_that_is_not_finite_diverges(value: float) -> None:
    outcome = Outcome.completed(Measurement({"a": 1.0, "val_loss": value}, cost_seconds=3.0))
    assert outcome.status is Status.DIVERGED
    assert outcome.measurement is None
    assert outcome.error == f"metric 'val_loss' is {value}"
    assert outcome.cost_seconds == 3.0


@pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING])
def test_outcome_that_is_not_final_is_refused(status: Status) -> None:
    message = rf"^an outcome has a final status; got '{status.value}'$"
    with pytest.raises(EvaluationError, match=message):
        Outcome(status)


def test_completed_outcome_without_measurement_is_refused() -> None:
    with pytest.raises(EvaluationError, match="completed has a measurement; got None"):
        Outcome(Status.COMPLETED)


def test_new_trial_has_measured_nothing(space: Space) -> None:
    trial = Trial(3, Proposal(space.architecture({"width": 5})), seed=1)
    assert trial.status is Status.PENDING
    assert trial.architecture["width"] == 5
    assert (dict(trial.metrics), trial.cost_seconds, trial.error) == ({}, 0.0, "")


def test_finish_records_the_outcome_and_changes_nothing_else(trial: MakeTrial) -> None:
    before = trial(4, status=Status.RUNNING)
    outcome = Outcome.completed(Measurement({"a": 1.0}, cost_seconds=2.5))
    after = before.finish(outcome, order=7, at=12.0)
    assert before.outcome is None
    assert (after.status, after.finished_order, after.finished_at) == (Status.COMPLETED, 7, 12.0)
    assert (after.metrics, after.cost_seconds) == ({"a": 1.0}, 2.5)
    assert (after.number, after.proposal, after.seed) == (4, before.proposal, before.seed)


def test_failed_trial_says_why(trial: MakeTrial) -> None:
    outcome = Outcome(Status.TIMEOUT, error="over 30 s", traceback="...", cost_seconds=30.0)
    failed = trial(status=Status.RUNNING).finish(outcome)
    assert (failed.error, failed.cost_seconds, dict(failed.metrics)) == ("over 30 s", 30.0, {})


def test_records_are_frozen(trial: MakeTrial) -> None:
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'status'"):
        trial().status = Status.PENDING


@pytest.mark.parametrize(
    "value", [Fidelity(epochs=3), Measurement({"a": 1.0}), Outcome(Status.CRASHED)]
)
def test_records_can_be_copied_and_sent(value: Measurement) -> None:
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.deepcopy(value) == value
    assert asdict(value)
