"""What the constructors of decisions check, and how their messages show values."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeAlias, TypeGuard

from archwright.errors import SpaceError
from archwright.space._frozen import EMPTY, FrozenDict

__all__ = [
    "Option",
    "When",
    "call_text",
    "checked_options",
    "checked_when",
    "index_of",
    "is_number",
    "listed",
    "set_fields",
    "whole",
]

Option: TypeAlias = str | int | float | bool | None
When: TypeAlias = Mapping[str, Option | tuple[Option, ...] | list[Option]]


def set_fields(target: object, **fields: object) -> None:
    """Set fields of a frozen instance, in its constructor."""
    for name, value in fields.items():
        object.__setattr__(target, name, value)


def checked_options(where: str, given: tuple[Any, ...]) -> tuple[Option, ...]:
    """Return options as a tuple.

    Raises:
        SpaceError: If there is none, two are equal, or one is no JSON scalar.
    """
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = tuple(given[0])
    if not given:
        raise SpaceError(f"{where}: needs at least one option")
    seen: dict[Any, Any] = {}
    for option in given:
        if type(option) not in (str, int, float, bool, type(None)):
            raise SpaceError(
                f"{where}: an option must be a str, int, float, bool or None, which JSON can keep; "
                f"got {option!r} of type {type(option).__name__}"
            )
        if isinstance(option, float) and not math.isfinite(option):
            raise SpaceError(f"{where}: an option must be finite; got {option!r}")
        if option in seen:
            raise SpaceError(f"{where}: options {seen[option]!r} and {option!r} are equal")
        seen[option] = option
    return tuple(option + 0.0 if isinstance(option, float) else option for option in given)


def checked_when(where: str, when: When | None) -> FrozenDict:
    """Return a condition as a frozen dict of tuples.

    Raises:
        SpaceError: If it has another form or allows nothing.
    """
    if not when:
        return EMPTY
    if not isinstance(when, Mapping):
        raise SpaceError(f"{where}: `when` must be a dict of path to allowed values; got {when!r}")
    conditions = {}
    for path, allowed in when.items():
        if not isinstance(path, str):
            raise SpaceError(f"{where}: `when` must name decisions by path; got {path!r}")
        values = tuple(allowed) if isinstance(allowed, (tuple, list)) else (allowed,)
        if not values:
            raise SpaceError(f"{where}: `when` allows no value of {path!r}")
        conditions[path] = values
    return FrozenDict(conditions)


def whole(where: str, value: Any) -> int:
    """Return a whole number, numpy's included, as an int.

    Raises:
        SpaceError: If it is none; a bool is none.
    """
    try:
        if not isinstance(value, bool):
            return operator.index(value)
    except TypeError:
        pass
    raise SpaceError(f"{where}: needs a whole number; got {value!r}")


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is an int or a float, but no bool."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def index_of(options: tuple[Option, ...], value: object, path: str) -> int:
    """Return the place of a value among options; `path` is for the error message.

    Raises:
        SpaceError: If it is none of them; names the nearest.
    """
    for index, option in enumerate(options):
        # True == 1 in Python, but they are different answers.
        if option == value and isinstance(option, bool) == isinstance(value, bool):
            return index
    near = get_close_matches(str(value), [str(option) for option in options], n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise SpaceError(f"{path} must be one of {listed(options)}; got {value!r}{hint}")


def listed(options: Iterable[Option]) -> str:
    """Return options as text, comma-separated."""
    return ", ".join(str(option) for option in options)


def call_text(name: str, *arguments: object, when: Mapping[str, Any], **named: object) -> str:
    """Return the call that makes a decision, for its repr."""
    if when:
        named["when"] = dict(when)
    parts = [repr(a) for a in arguments] + [f"{key}={value!r}" for key, value in named.items()]
    return f"{name}({', '.join(parts)})"
