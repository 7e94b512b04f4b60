"""Decisions of a space as columns: one stable path each, whatever the architecture's shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from archwright.report._text import value_text
from archwright.space import Architecture, Choice, Group, Integer, List, Real, Space, Subset

__all__ = ["Column", "answers", "columns", "summary"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a history.

    Args:
        path: The decision's path ("hidden.0"); "hidden.length" for the length of a list.
        options: What a category may be, in order; None for a number.
        whole: Whether the numbers are integers.
        log: Whether the numbers want a logarithmic axis.
    """

    path: str
    options: tuple[Any, ...] | None = None
    whole: bool = False
    log: bool = False


def columns(space: Space) -> tuple[Column, ...]:
    """Return the columns that architectures of a space fill, in the space's order."""
    return tuple(
        column for name, decision in space.decisions.items() for column in _columns(name, decision)
    )


def _columns(path: str, decision: Any) -> Iterator[Column]:
    match decision:
        case Choice():
            yield Column(path, tuple(decision.options))
        case Integer():
            yield Column(path, whole=True)
        case Real():
            yield Column(path, log=decision.log)
        case Subset():
            yield Column(path, ())
        case List():
            if decision.min_length < decision.max_length:
                yield Column(f"{path}.length", whole=True)
            for index in range(decision.max_length):
                yield from _columns(f"{path}.{index}", decision.item)
        case Group():
            for name, part in decision.decisions.items():
                yield from _columns(f"{path}.{name}", part)


def answers(architecture: Architecture) -> dict[str, Any]:
    """Return what an architecture answers, by path; inactive decisions are left out.

    A subset is one value, its members joined by " + ".
    """
    found: dict[str, Any] = {}
    for name, value in architecture.values.items():
        _answer(name, architecture.space.decisions[name], value, found)
    return found


def _answer(path: str, decision: Any, value: Any, found: dict[str, Any]) -> None:
    match decision:
        case List():
            if decision.min_length < decision.max_length:
                found[f"{path}.length"] = len(value)
            for index, part in enumerate(value):
                _answer(f"{path}.{index}", decision.item, part, found)
        case Group():
            for name, part in value.items():
                _answer(f"{path}.{name}", decision.decisions[name], part, found)
        case Subset():
            found[path] = " + ".join(map(str, value)) or "nothing"
        case _:
            found[path] = value


def summary(values: Mapping[str, Any]) -> str:
    """Return an architecture's values on one line.

    Example:
        >>> summary({"hidden": (120, 80), "activation": "relu"})
        'hidden=(120, 80) activation=relu'
    """
    return " ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(_short(part) for part in value)})"
    if isinstance(value, Mapping):
        return f"[{' '.join(f'{name}={_short(part)}' for name, part in value.items())}]"
    if isinstance(value, bool):
        return value_text(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
