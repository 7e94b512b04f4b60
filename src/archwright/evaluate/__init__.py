"""Turn a proposal into a measurement: the one room where architectures and networks meet.

An `Evaluator` declares the metrics it reports and evaluates proposals one by one or, where that
is faster, many at once. Training, look-up, proxies and any user's function are the same kind of
thing:

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
from archwright.evaluate.spec import EVALUATORS, GUIDES, build_evaluator, build_guide
from archwright.evaluate.table import EvaluatorLike, TableEvaluator, as_evaluator

if TYPE_CHECKING:
    from archwright.evaluate.guide import ProxyGuide
    from archwright.evaluate.proxy import ProxyEvaluator
    from archwright.evaluate.train import TrainEvaluator

__all__ = [
    "EVALUATORS",
    "GUIDES",
    "CachedEvaluator",
    "Context",
    "Evaluator",
    "EvaluatorLike",
    "FunctionEvaluator",
    "ProxyEvaluator",
    "ProxyGuide",
    "TableEvaluator",
    "TrainEvaluator",
    "as_evaluator",
    "build_evaluator",
    "build_guide",
    "outcome_of",
]

_TORCH = {"ProxyEvaluator": "proxy", "ProxyGuide": "guide", "TrainEvaluator": "train"}


def __getattr__(name: str) -> Any:
    # These bring torch along, so they are loaded when somebody trains or scores.
    if name in _TORCH:
        return getattr(import_module(f"archwright.evaluate.{_TORCH[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
