"""Rebuild a space and an evaluator from a study's JSON: how workers elsewhere start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from archwright.errors import StoreError
from archwright.evaluate.evaluator import Evaluator
from archwright.registry import Registry
from archwright.space import Space

__all__ = ["EVALUATORS", "GUIDES", "build_evaluator", "build_guide"]

Factory: TypeAlias = Callable[[Mapping[str, Any]], tuple[Space, Evaluator]]
GuideFactory: TypeAlias = Callable[[Mapping[str, Any], Space, Evaluator], Any]

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

GUIDES: Registry[GuideFactory] = Registry("guide", group="archwright.guides")
GUIDES.register(
    "proxies", "archwright.evaluate.guide:from_spec", summary="score untrained networks"
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


def build_guide(described: Mapping[str, Any], space: Space, evaluator: Evaluator) -> Any:
    """Return the guide of a strategy that a study's spec describes.

    Args:
        described: What the guide said of itself; its "kind" names the factory.
        space: Of the study.
        evaluator: Of the study; may have the data that networks are scored on.

    Raises:
        StoreError: If the guide was made from Python objects and cannot be rebuilt here.
    """
    kind = str(described["kind"])
    if kind not in GUIDES.names():
        raise StoreError(
            f"this study is guided by {kind}, which the store does not keep; run it from the "
            "program that made it (aw.Study(..., guide=...).run(resume=True))"
        )
    return GUIDES.get(kind)(described, space, evaluator)
