"""Rebuild a space and an evaluator from a study's JSON: how workers elsewhere start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from archwright.errors import StoreError
from archwright.evaluate.evaluator import Evaluator
from archwright.registry import Registry
from archwright.space import Space

__all__ = ["EVALUATORS", "build_evaluator"]

Factory: TypeAlias = Callable[[Mapping[str, Any]], tuple[Space, Evaluator]]

EVALUATORS: Registry[Factory] = Registry("evaluator", group="archwright.evaluators")
EVALUATORS.register(
    "train", "archwright.evaluate.train:from_spec", summary="train on data, measure on validation"
)
EVALUATORS.register(
    "table", "archwright.evaluate.table:from_spec", summary="look up in a benchmark table"
)
EVALUATORS.register(
    "proxy", "archwright.evaluate.proxy:from_spec", summary="score untrained networks"
)


def build_evaluator(spec: Mapping[str, Any]) -> tuple[Space, Evaluator]:
    """Return the space and the evaluator that a study's spec describes.

    Args:
        spec: As kept by the store. `spec["evaluator"]["kind"]` names the factory, which reads
            the rest of what it needs.

    Raises:
        StoreError: If the study was made from live Python objects and cannot be rebuilt here.
        UnknownNameError: If the kind of evaluator is not installed.
    """
    described = spec.get("evaluator")
    if not described:
        raise StoreError(
            "this study was made from Python objects, which the store does not keep; run it from "
            "the program that made it (aw.Study(..., store=..., name=...).run(resume=True))"
        )
    return EVALUATORS.get(described["kind"])(spec)
