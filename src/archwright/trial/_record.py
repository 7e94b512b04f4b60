"""Frozen values that are made as quickly as Python can.

A frozen dataclass sets its fields through `object.__setattr__`, by name, which takes twice as long
as to set the slots themselves; a search on a table makes five such values for each trial.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

__all__ = ["record"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[T]) -> type[T]:
    """Make a dataclass with `frozen=True, slots=True`, whose `__init__` sets the slots.

    Example:
        >>> @record
        ... class Point:
        ...     x: float
        ...     y: float = 0.0
        >>> Point(1.0)
        Point(x=1.0, y=0.0)
    """
    made = dataclass(frozen=True, slots=True)(kind)
    setattr(made, "__init__", _initializer(made))  # noqa: B010 - mypy knows no assigned methods
    return made


def _initializer(kind: type) -> Callable[..., None]:
    """Return an `__init__` of the same signature as the dataclass's own."""
    names: dict[str, Any] = {"_MISSING": MISSING}
    lines = []
    for one in fields(kind):
        names[f"_set_{one.name}"] = kind.__dict__[one.name].__set__
        names[f"_make_{one.name}"] = one.default_factory
        names[f"_default_{one.name}"] = one.default
        if one.default_factory is not MISSING:
            lines.append(f"if {one.name} is _MISSING: {one.name} = _make_{one.name}()")
        lines.append(f"_set_{one.name}(self, {one.name})")
    if hasattr(kind, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join(["self", *map(_parameter, fields(kind))])
    # The text holds names of fields and nothing else; dataclasses does the same.
    exec(f"def __init__({parameters}):\n    " + "\n    ".join(lines), names)
    made: Callable[..., None] = names["__init__"]
    made.__qualname__ = f"{kind.__qualname__}.__init__"
    made.__annotations__ = vars(kind)["__init__"].__annotations__
    return made


def _parameter(one: Field[Any]) -> str:
    if one.default_factory is not MISSING:
        return f"{one.name}=_MISSING"
    return one.name if one.default is MISSING else f"{one.name}=_default_{one.name}"
