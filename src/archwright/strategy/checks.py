"""Options are checked when a strategy is built; these say what is wrong and what would be right."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real

from archwright.errors import StrategyError, UnknownNameError

__all__ = ["boolean", "integer", "number", "one_of"]


def integer(option: str, value: object, *, low: int, high: int | None = None) -> int:
    """Return the value if it is a whole number in [low, high].

    Raises:
        StrategyError: If it is not; names the range.

    Example:
        >>> integer("population", 1, low=2)
        Traceback (most recent call last):
        archwright.errors.StrategyError: option 'population' must be a whole number of at least 2; \
got 1
    """
    if not isinstance(value, bool) and isinstance(value, Integral):
        whole = int(value)
        if low <= whole and (high is None or whole <= high):
            return whole
    bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
    raise StrategyError(f"option {option!r} must be a whole number {bounds}; got {value!r}")


def number(option: str, value: object, *, low: float, high: float) -> float:
    """Return the value if it is a number in [low, high].

    Raises:
        StrategyError: If it is not; names the range.
    """
    if not isinstance(value, bool) and isinstance(value, Real):
        real = float(value)
        if math.isfinite(real) and low <= real <= high:
            return real
    raise StrategyError(
        f"option {option!r} must be a number from {low:g} to {high:g}; got {value!r}"
    )


def boolean(option: str, value: object) -> bool:
    """Return the value if it is true or false.

    Raises:
        StrategyError: If it is neither.
    """
    if isinstance(value, bool):
        return value
    raise StrategyError(f"option {option!r} must be true or false; got {value!r}")


def one_of(option: str, value: object, allowed: Collection[str]) -> str:
    """Return the value if it is one of the allowed words.

    Raises:
        UnknownNameError: If it is not; names the allowed ones and the nearest.
    """
    if isinstance(value, str) and value in allowed:
        return value
    raise UnknownNameError(f"value of option {option!r}", value, allowed)
