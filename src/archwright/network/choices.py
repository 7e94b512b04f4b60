"""Open questions inside an ordinary `nn.Module`.

Outside a search each of them answers itself with its first option or lowest value, so that a
module that contains them is an ordinary module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any, TypeVar

from torch import nn

from archwright import space
from archwright.errors import SpaceError
from archwright.network._tracing import Candidate, current_trace, first_value

__all__ = ["Choice", "choice", "integer", "real"]

Option = TypeVar("Option", str, int, float, bool)


def Choice(
    candidates: Mapping[str, Candidate] | Sequence[Candidate] | Candidate | None = None,
    /,
    *more: Candidate,
    **named: Candidate,
) -> nn.Module:
    """Return one of several modules: the first one, or the one that the search is trying.

    The decision's name is the path of the module in the network ("body.0"); its options are the
    candidates' keywords, or the names of their classes. A candidate that is not chosen leaves no
    trace in the network; one that is given as a function is not even made.

    Args:
        candidates: A dict by name, a list, or the first of several modules. Each is a module, or a
            class or function that takes no arguments and returns one.
        more: Further candidates.
        named: Candidates by name.

    Raises:
        SpaceError: If there are fewer than two, two have one name, or one is no module.

    Example:
        >>> Choice(relu=nn.ReLU, gelu=nn.GELU)
        ReLU()
    """
    options = _options(candidates, more, named)
    trace = current_trace()
    if trace is None:
        label, candidate = next(iter(options.items()))
        return _make(label, candidate)
    return trace.module(options, _make)


def integer(name: str, low: int, high: int, *, step: int = 1) -> int:
    """Return a whole number from low to high, both included: low, or the one being tried.

    Args:
        name: Name of the decision; used once in a network.
        low: Smallest value, and the default.
        high: Largest value.
        step: Distance between neighbouring values.

    Raises:
        SpaceError: If the range is not valid, or the name is used twice.
    """
    return int(_value(name, space.Integer(low, high, step)))


def choice(name: str, *options: Option) -> Option:
    """Return one of several values: the first, or the one being tried.

    Args:
        name: Name of the decision; used once in a network.
        options: Distinct strings, numbers or booleans.

    Raises:
        SpaceError: If there are fewer than two options, or the name is used twice.
    """
    decision = space.Choice(options)
    if decision.size < 2:
        raise SpaceError(f"{name!r} needs at least two options; got only {options[0]!r}")
    value: Option = _value(name, decision)
    return value


def real(name: str, low: float, high: float, *, log: bool = False) -> float:
    """Return a number in [low, high]: low, or the one being tried.

    Args:
        name: Name of the decision; used once in a network.
        low: Smallest value, and the default.
        high: Largest value.
        log: Whether ratios matter rather than differences.

    Raises:
        SpaceError: If the range is not valid, or the name is used twice.
    """
    return float(_value(name, space.Real(low, high, log)))


def _value(name: str, decision: space.Decision) -> Any:
    trace = current_trace()
    return first_value(decision) if trace is None else trace.value(name, decision)


def _options(
    candidates: Mapping[str, Candidate] | Sequence[Candidate] | Candidate | None,
    more: tuple[Candidate, ...],
    named: Mapping[str, Candidate],
) -> dict[str, Candidate]:
    pairs: list[tuple[str, Candidate]] = []
    if isinstance(candidates, Mapping):
        pairs += candidates.items()
    elif isinstance(candidates, Sequence):
        pairs += ((_label(candidate), candidate) for candidate in candidates)
    elif candidates is not None:
        pairs.append((_label(candidates), candidates))
    pairs += ((_label(candidate), candidate) for candidate in more)
    pairs += named.items()
    for label, candidate in pairs:
        _check(label, candidate)
    options = dict(pairs)
    if len(options) < len(pairs):
        names = ", ".join(label for label, _ in pairs)
        raise SpaceError(f"Choice: two candidates have one name; got {names}: name them by keyword")
    if len(options) < 2:
        raise SpaceError(
            f"Choice: needs at least two candidates; got {', '.join(options) or 'none'}: where "
            f"there is nothing to choose, use the module itself"
        )
    return options


def _label(candidate: Candidate) -> str:
    name = getattr(candidate, "__name__", type(candidate).__name__)
    if name == "<lambda>":
        raise SpaceError(
            "Choice: a lambda has no name to show; name it by keyword, such as "
            "Choice(wide=lambda: ...)"
        )
    return str(name)


def _check(label: str, candidate: object) -> None:
    if not isinstance(label, str):
        raise SpaceError(f"Choice: candidates are named by text; got {label!r}")
    if isinstance(candidate, nn.Module):
        return
    if not callable(candidate):
        raise SpaceError(
            f"Choice: candidate {label!r} must be a module, or a function without arguments that "
            f"returns one; got {candidate!r}"
        )
    try:
        signature(candidate).bind()
    except TypeError as error:
        raise SpaceError(
            f"Choice: candidate {label!r} cannot be called without arguments ({error}); write "
            f"{label}=lambda: {label}(...)"
        ) from None


def _make(label: str, candidate: Candidate) -> nn.Module:
    module = candidate if isinstance(candidate, nn.Module) else candidate()
    if not isinstance(module, nn.Module):
        raise SpaceError(f"Choice: candidate {label!r} must return an nn.Module; got {module!r}")
    return module
