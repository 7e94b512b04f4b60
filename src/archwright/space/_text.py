"""Spaces and architectures as text: the rows of a description, and the default text form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from archwright.errors import SpaceError
from archwright.space.decisions import Decision, Group, List

__all__ = ["parse_values", "rows"]


def rows(decisions: Mapping[str, Decision], prefix: str = "") -> list[dict[str, str]]:
    """Return one row per decision: path, kind, values, when.

    The parts of every item of a list share the path "LIST.*".
    """
    found: list[dict[str, str]] = []
    for name, decision in decisions.items():
        path = prefix + name
        words = {"kind": decision.kind, "values": decision.domain, "when": _when(decision)}
        found.append({"path": path, **words})
        if isinstance(decision, Group):
            found += rows(decision.decisions, f"{path}.")
        elif isinstance(decision, List):
            found += rows({"*": decision.item}, f"{path}.")
    return found


def parse_values(text: str) -> Mapping[str, Any]:
    """Read values written as a JSON object.

    Raises:
        SpaceError: If it is no JSON or no object; names the place.
    """
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise SpaceError(
            f"an architecture is written as a JSON object; line {error.lineno}, "
            f"column {error.colno}: {error.msg}; got {text!r}"
        ) from error
    if not isinstance(values, dict):
        raise SpaceError(f"an architecture is written as a JSON object; got {text!r}")
    return values


def _when(decision: Decision) -> str:
    return " and ".join(
        f"{path} is {' or '.join(str(value) for value in allowed)}"
        for path, allowed in decision.when.items()
    )
