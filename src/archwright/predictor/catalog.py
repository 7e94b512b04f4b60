"""The names that users type, and the predictor built for each."""

from __future__ import annotations

import inspect
from typing import Any

from archwright.errors import UnknownNameError
from archwright.predictor.predictor import Predictor
from archwright.registry import Registry
from archwright.space import Space

__all__ = ["PREDICTORS", "make_predictor"]

PREDICTORS: Registry[type[Predictor]] = Registry("predictor", group="archwright.predictors")

for _name, _target, _summary in (
    ("forest", "trees:Forest", "extremely randomized trees; quick to fit"),
    ("boosting", "trees:Boosting", "gradient boosted trees, several times on resampled trials"),
):
    PREDICTORS.register(_name, f"archwright.predictor.{_target}", summary=_summary)


def make_predictor(name: str, space: Space, *, seed: int = 0, **options: Any) -> Predictor:
    """Build the predictor of that name.

    Args:
        name: A name of `PREDICTORS`.
        space: Of the architectures.
        seed: Root of all its randomness.
        options: The predictor's own options.

    Raises:
        UnknownNameError: If there is no such predictor, or it has no such option.
        StrategyError: If an option is out of its range.
    """
    kind = PREDICTORS.get(name)
    known = [n for n in inspect.signature(kind).parameters if n not in ("space", "seed")]
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of predictor {name!r}", option, known)
    return kind(space, seed=seed, **options)
