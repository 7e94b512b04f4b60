from __future__ import annotations

import pytest

from archwright.errors import EvaluationError
from archwright.run import IsolatedEvaluator, Limits
from archwright.space import Choice, Space
from archwright.testing.fakes import ToyEvaluator, score_of
from archwright.trial import Proposal, Status

SPACE = Space({f"x{i}": Choice(*"abcde") for i in range(6)})
PROPOSALS = [Proposal(a) for a in list(SPACE.enumerate())[:4]]


def outcome(misbehave: str, limits: Limits) -> tuple[Status, str]:
    evaluator = IsolatedEvaluator(ToyEvaluator(misbehave=misbehave), limits)
    try:
        [found] = evaluator.evaluate_batch(PROPOSALS[:1], seeds=[0])
    finally:
        evaluator.close()
    return found.status, found.error


def test_isolation_changes_no_result() -> None:
    evaluator = IsolatedEvaluator(ToyEvaluator(), Limits(seconds=60))
    outcomes = evaluator.evaluate_batch(PROPOSALS, seeds=[0] * 4)
    evaluator.close()
    assert [o.measurement.metrics["val_score"] for o in outcomes if o.measurement] == [
        score_of(p) for p in PROPOSALS
    ]


@pytest.mark.parametrize(
    ("misbehave", "status", "reason"),
    [
        ("raise", Status.CRASHED, "RuntimeError: a toy failure"),
        ("diverge", Status.DIVERGED, "the loss is nan"),
        ("out-of-memory", Status.OUT_OF_MEMORY, "cannot allocate"),
        ("exit", Status.CRASHED, "ended with code 7"),
        ("segfault", Status.CRASHED, "was killed by signal 11"),
    ],
)
def test_a_failure_in_the_child_is_an_outcome(misbehave: str, status: Status, reason: str) -> None:
    found, error = outcome(misbehave, Limits(seconds=60))
    assert found is status
    assert reason in error


def test_a_hanging_trial_is_stopped_at_its_time_limit() -> None:
    found, error = outcome("hang", Limits(seconds=0.5))
    assert found is Status.TIMEOUT
    assert "the limit for one trial is 0.5 s" in error


def test_a_greedy_trial_is_stopped_at_its_memory_limit() -> None:
    found, error = outcome("allocate", Limits(memory_bytes=600_000_000))
    assert found is Status.OUT_OF_MEMORY
    assert "the limit for one trial is 600 MB" in error


def test_the_child_is_replaced_after_it_was_killed() -> None:
    share = sorted(score_of(p) for p in PROPOSALS)[1]
    evaluator = IsolatedEvaluator(ToyEvaluator(misbehave="exit", share=share), Limits(seconds=60))
    outcomes = evaluator.evaluate_batch(PROPOSALS, seeds=[0] * 4)
    evaluator.close()
    assert [o.status is Status.COMPLETED for o in outcomes] == [
        score_of(p) >= share for p in PROPOSALS
    ]


def test_evaluate_raises_with_the_status() -> None:
    evaluator = IsolatedEvaluator(ToyEvaluator(misbehave="diverge"), Limits(seconds=60))
    with pytest.raises(EvaluationError, match="loss is nan") as caught:
        evaluator.evaluate(PROPOSALS[0], seed=0)
    evaluator.close()
    assert caught.value.status == "diverged"


def test_limits_refuse_what_is_no_limit() -> None:
    with pytest.raises(ValueError, match="limit seconds must be above 0; got -1"):
        Limits(seconds=-1)
