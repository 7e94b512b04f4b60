"""One call from data to a trained network: what `aw.search` and the command line share.

`prepare` turns what a user says into a `Search` and checks everything; running it gives a
`SearchResult`. `search` does both, `resume` goes on with a recorded one.

    result = search("wine", trials=10, constraints=["parameters<=20000"], out="wine")
    result.best.metrics["test_accuracy"]
    result = resume(result.study.name, "wine/study.db", budget=Budget(trials=20))

`compare` runs strategies on a benchmark table; it trains nothing and loads no torch. `score_space`
scores untrained networks, `correlate` says what the scores are worth, `ablate` what moves them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archwright.frontdoor.comparing import ComparisonResult, compare
    from archwright.frontdoor.preparing import (
        Search,
        default_objective,
        default_recipe,
        default_space,
        prepare,
    )
    from archwright.frontdoor.result import Best, SearchResult
    from archwright.frontdoor.score_ablation import ablate
    from archwright.frontdoor.score_search import compare_assisted, warm_start
    from archwright.frontdoor.score_studies import CorrelationResult, correlate
    from archwright.frontdoor.scoring import score_space
    from archwright.frontdoor.searching import recorded, resume, search

__all__ = [
    "Best",
    "ComparisonResult",
    "CorrelationResult",
    "Search",
    "SearchResult",
    "ablate",
    "compare",
    "compare_assisted",
    "correlate",
    "default_objective",
    "default_recipe",
    "default_space",
    "prepare",
    "recorded",
    "resume",
    "score_space",
    "search",
    "warm_start",
]

_HOME = {
    "comparing": ("ComparisonResult", "compare"),
    "preparing": ("Search", "default_objective", "default_recipe", "default_space", "prepare"),
    "result": ("Best", "SearchResult"),
    "score_ablation": ("ablate",),
    "score_search": ("compare_assisted", "warm_start"),
    "score_studies": ("CorrelationResult", "correlate"),
    "scoring": ("score_space",),
    "searching": ("recorded", "resume", "search"),
}


def __getattr__(name: str) -> Any:
    # Training brings torch along; comparing on tables must not.
    for module, names in _HOME.items():
        if name in names:
            value = getattr(import_module(f"archwright.frontdoor.{module}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
