"""archwright finds neural network architectures.

A search space says which networks are possible, a strategy which one to try next, an evaluator
how good it is; a study binds them under a budget, and the result is the best with the evidence.

    import archwright as aw

    result = aw.search("digits", space="mlp", trials=20, constraints=["parameters<=50000"])
    print(result.best.architecture, result.test_metrics)
    result.report("report.html")

Everything here is loaded when it is first used: importing archwright imports neither torch nor
any other heavy library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archwright import nn
    from archwright.benchmark import Table, load_benchmark
    from archwright.data import Dataset, load
    from archwright.evaluate import Evaluator, FunctionEvaluator, TrainEvaluator
    from archwright.frontdoor import ComparisonResult, SearchResult, compare, resume, search
    from archwright.network import space_of
    from archwright.proxy import score
    from archwright.run import Callback, Limits, Result, Study
    from archwright.space import (
        Architecture,
        Choice,
        Group,
        Integer,
        List,
        Real,
        Space,
        Subset,
        space_named,
    )
    from archwright.strategy import Strategy
    from archwright.train import Recipe
    from archwright.trial import Budget, Constraint, Fidelity, Measurement, MetricInfo, Objective

__version__ = "0.1.0"

_HOME = {
    "Architecture": "space",
    "Budget": "trial",
    "Callback": "run",
    "Choice": "space",
    "ComparisonResult": "frontdoor",
    "Constraint": "trial",
    "Dataset": "data",
    "Evaluator": "evaluate",
    "Fidelity": "trial",
    "FunctionEvaluator": "evaluate",
    "Group": "space",
    "Integer": "space",
    "Limits": "run",
    "List": "space",
    "Measurement": "trial",
    "MetricInfo": "trial",
    "Objective": "trial",
    "Real": "space",
    "Recipe": "train",
    "Result": "run",
    "SearchResult": "frontdoor",
    "Space": "space",
    "Strategy": "strategy",
    "Study": "run",
    "Subset": "space",
    "Table": "benchmark",
    "TrainEvaluator": "evaluate",
    "compare": "frontdoor",
    "load": "data",
    "load_benchmark": "benchmark",
    "resume": "frontdoor",
    "score": "proxy",
    "search": "frontdoor",
    "space_named": "space",
    "space_of": "network",
}

__all__ = [
    "Architecture",
    "Budget",
    "Callback",
    "Choice",
    "ComparisonResult",
    "Constraint",
    "Dataset",
    "Evaluator",
    "Fidelity",
    "FunctionEvaluator",
    "Group",
    "Integer",
    "Limits",
    "List",
    "Measurement",
    "MetricInfo",
    "Objective",
    "Real",
    "Recipe",
    "Result",
    "SearchResult",
    "Space",
    "Strategy",
    "Study",
    "Subset",
    "Table",
    "TrainEvaluator",
    "compare",
    "load",
    "load_benchmark",
    "nn",
    "resume",
    "score",
    "search",
    "space_named",
    "space_of",
]


def __getattr__(name: str) -> Any:
    if name == "nn":
        return import_module("archwright.nn")
    if name in _HOME:
        value = getattr(import_module(f"archwright.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'archwright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
