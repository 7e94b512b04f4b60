from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from archwright.errors import EvaluationError
from archwright.evaluate import FunctionEvaluator
from archwright.space import Architecture, Integer, Space
from archwright.trial import Measurement, MetricInfo, Proposal

PROPOSAL = Proposal(Space(x=Integer(1, 9)).architecture({"x": 4}))
SCORE = MetricInfo("val_score", "max", split="val")


def evaluator(result: object, *metrics: MetricInfo) -> FunctionEvaluator:
    def function(architecture: Architecture, seed: int) -> Mapping[str, float]:
        return result  # type: ignore[return-value]

    return FunctionEvaluator(function, metrics=metrics or [SCORE])


def test_the_function_gets_architecture_and_seed_and_is_timed() -> None:
    def slow(architecture: Architecture, seed: int) -> dict[str, float]:
        time.sleep(0.01)
        return {"val_score": architecture["x"] * seed}

    measured = FunctionEvaluator(slow, metrics=[SCORE]).evaluate(PROPOSAL, seed=3)
    assert measured.metrics == {"val_score": 12.0}
    assert isinstance(measured.metrics["val_score"], float)
    assert 0.01 <= measured.cost_seconds < 5


def test_a_measurement_passes_through() -> None:
    made = Measurement({"val_score": 0.5}, cost_seconds=900.0, step=12)
    assert evaluator(made).evaluate(PROPOSAL, seed=0) is made


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (0.5, "must return a mapping from metric to number or a Measurement; got float"),
        ({"val_scroe": 1.0}, "the metrics it declares, val_score; got val_scroe"),
        ({"val_score": 1.0, "other": 2.0}, "declares, val_score; got other, val_score"),
        ({}, "declares, val_score; got none"),
        (Measurement({"val_loss": 1.0}), "declares, val_score; got val_loss"),
    ],
)
def test_anything_else_fails(result: object, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        evaluator(result).evaluate(PROPOSAL, seed=0)


def test_it_needs_a_metric() -> None:
    with pytest.raises(EvaluationError, match="needs at least one metric; got none"):
        FunctionEvaluator(lambda architecture, seed: {}, metrics=[])
