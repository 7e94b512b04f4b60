from __future__ import annotations

import pytest
import torch

from archwright.errors import ConstraintError, DataError, EvaluationError, NetworkError
from archwright.evaluate import Context, Evaluator, outcome_of
from archwright.space import Integer, Space
from archwright.testing.fakes import ToyEvaluator
from archwright.trial import Measurement, MetricInfo, Proposal, Status

SPACE = Space(x=Integer(1, 9))
NOTHING = Context()
PROPOSALS = [Proposal(a) for a in SPACE.enumerate()]


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - it needs a traceback
        return caught


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (ConstraintError("too many"), Status.INVALID, "too many"),
        (NetworkError("no such shape"), Status.INVALID, "no such shape"),
        (EvaluationError("nan", status="diverged"), Status.DIVERGED, "nan"),
        (EvaluationError("slow", status="timeout"), Status.TIMEOUT, "slow"),
        (EvaluationError("full", status="out_of_memory"), Status.OUT_OF_MEMORY, "full"),
        (EvaluationError("broke"), Status.CRASHED, "broke"),
        (EvaluationError("odd", status="divergd"), Status.CRASHED, "odd"),
        (EvaluationError("odd", status="completed"), Status.CRASHED, "odd"),
        (MemoryError("no room"), Status.OUT_OF_MEMORY, "MemoryError: no room"),
        (torch.OutOfMemoryError("cuda"), Status.OUT_OF_MEMORY, "OutOfMemoryError: cuda"),
        (DataError("gone"), Status.CRASHED, "gone"),
        (ValueError("bad"), Status.CRASHED, "ValueError: bad"),
        (KeyError(), Status.CRASHED, "KeyError: KeyError"),
    ],
)
def test_every_exception_has_an_outcome(error: Exception, status: Status, text: str) -> None:
    found = outcome_of(raised(error), 1.5)
    assert (found.status, found.error, found.cost_seconds) == (status, text, 1.5)
    assert found.measurement is None
    assert ("Traceback" in found.traceback) == (status is Status.CRASHED)


def test_what_was_counted_before_a_refusal_is_kept() -> None:
    error = ConstraintError("too many")
    error.measurement = Measurement({"parameters": 9.0})  # type: ignore[attr-defined]
    found = outcome_of(error)
    assert found.measurement is not None
    assert found.measurement.metrics == {"parameters": 9.0}


def test_a_batch_is_evaluated_one_by_one_and_a_failure_leaves_the_others_alone() -> None:
    class Moody(Evaluator):
        metrics = (MetricInfo("val_x", "max"),)

        def evaluate(
            self, proposal: Proposal, *, seed: int, context: Context = NOTHING
        ) -> Measurement:
            if proposal.architecture["x"] == 2:
                raise ValueError("I do not like 2")
            return Measurement({"val_x": proposal.architecture["x"] + seed}, cost_seconds=2.0)

    outcomes = Moody().evaluate_batch(PROPOSALS[:3], seeds=[10, 20, 30])
    assert [o.status for o in outcomes] == [Status.COMPLETED, Status.CRASHED, Status.COMPLETED]
    assert [o.measurement.metrics["val_x"] for o in outcomes if o.measurement] == [11, 33]
    assert [o.cost_seconds for o in outcomes][::2] == [2.0, 2.0]
    assert outcomes[1].error == "ValueError: I do not like 2"


def test_a_metric_that_is_not_finite_is_divergence() -> None:
    class Endless(Evaluator):
        def evaluate(
            self, proposal: Proposal, *, seed: int, context: Context = NOTHING
        ) -> Measurement:
            return Measurement({"val_loss": float("inf")}, cost_seconds=3.0)

    [found] = Endless().evaluate_batch(PROPOSALS[:1], seeds=[0])
    assert (found.status, found.cost_seconds) == (Status.DIVERGED, 3.0)
    assert found.error == "metric 'val_loss' is inf"


def test_an_interrupt_is_not_an_outcome() -> None:
    class Stopped(Evaluator):
        def evaluate(
            self, proposal: Proposal, *, seed: int, context: Context = NOTHING
        ) -> Measurement:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Stopped().evaluate_batch(PROPOSALS[:1], seeds=[0])


def test_as_many_seeds_as_proposals() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ToyEvaluator().evaluate_batch(PROPOSALS[:2], seeds=[0])


def test_what_most_evaluators_have_nothing_to_say_about() -> None:
    toy = ToyEvaluator()
    toy.check()
    assert toy.rules() == ()
    assert toy.describe() == {}
    assert toy.metric("val_score") == toy.metrics[0]
    assert toy.metric("val_scroe") is None
