"""Turn a proposal into a measurement: the one room where architectures and networks meet.

An `Evaluator` declares the metrics it reports and evaluates proposals one by one or, where that
is faster, many at once. Training, look-up and any user's function are the same kind of thing:

    def score(architecture, seed):
        return {"val_score": -abs(architecture["width"] - 120)}

    evaluator = FunctionEvaluator(score, metrics=[MetricInfo("val_score", "max", split="val")])
    evaluator.evaluate(proposal, seed=0).metrics["val_score"]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from archwright.evaluate.cached import CachedEvaluator
from archwright.evaluate.evaluator import Context, Evaluator, outcome_of
from archwright.evaluate.function import FunctionEvaluator
from archwright.evaluate.spec import EVALUATORS, build_evaluator

if TYPE_CHECKING:
    from archwright.evaluate.train import TrainEvaluator

__all__ = [
    "EVALUATORS",
    "CachedEvaluator",
    "Context",
    "Evaluator",
    "FunctionEvaluator",
    "TrainEvaluator",
    "build_evaluator",
    "outcome_of",
]


def __getattr__(name: str) -> Any:
    # TrainEvaluator brings torch along, so it is loaded when somebody trains.
    if name == "TrainEvaluator":
        return import_module("archwright.evaluate.train").TrainEvaluator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
