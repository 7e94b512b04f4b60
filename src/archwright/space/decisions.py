"""The kinds of decision that a search space is made of.

A decision is one open question: which option, how many units, how long a list. It is a plain
frozen value; it does not know its name, which the `Space` or `Group` that holds it gives.

| decision | its value is | number of values |
| --- | --- | --- |
| `Choice` | one of the options | number of options |
| `Integer` | a whole number on a grid | (high - low) / step + 1 |
| `Real` | a number in an interval | infinite |
| `Subset` | a tuple of options, in their order | sum of binomials |
| `List` | a tuple of item values | sum over the lengths |
| `Group` | a dict of named values | product of its parts |

Every kind but `Group` takes `when={"path": value or tuple of values}`: the decision is open only
while all the named decisions are open too and have one of those values.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from archwright.errors import SpaceError, UnknownNameError
from archwright.space._checks import (
    Option,
    When,
    call_text,
    checked_options,
    checked_when,
    index_of,
    is_number,
    listed,
    set_fields,
    whole,
)
from archwright.space._frozen import EMPTY, FrozenDict

__all__ = ["Choice", "Decision", "Group", "Integer", "List", "Option", "Real", "Subset", "When"]


_MOST_VALUES = 2**53  # above it a uniform double cannot reach every value
_NAME = re.compile(r"[\w\-]+(\.[\w\-]+)*")


class Decision(ABC):
    """One open question of a search space."""

    __slots__ = ()
    kind: ClassVar[str]
    when: FrozenDict

    @property
    @abstractmethod
    def domain(self) -> str:
        """The allowed values, in words for people."""

    @abstractmethod
    def _fields(self) -> dict[str, Any]:
        """Return what `to_json` writes besides the kind and the condition."""

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value from which `decision_from_json` rebuilds the decision."""
        data = {"kind": self.kind, **self._fields()}
        if self.when:
            data["when"] = {path: list(allowed) for path, allowed in self.when.items()}
        return data


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Choice(Decision):
    """One of several options.

    Args:
        options: Distinct strings, numbers, booleans or None; or one sequence of them.
        when: Condition under which the decision is open.

    Raises:
        SpaceError: If there is no option, two are equal, or one is no JSON scalar.

    Example:
        >>> Choice("relu", "gelu").options
        ('relu', 'gelu')
    """

    kind: ClassVar[str] = "choice"
    options: tuple[Option, ...]
    when: FrozenDict

    def __init__(self, *options: Any, when: When | None = None) -> None:
        set_fields(
            self, options=checked_options("Choice", options), when=checked_when("Choice", when)
        )

    @property
    def size(self) -> int:
        """Number of options."""
        return len(self.options)

    @property
    def domain(self) -> str:
        """The options, comma-separated."""
        return listed(self.options)

    def code(self, value: object, path: str) -> int:
        """Return the index of an option; `path` is for the error message."""
        return index_of(self.options, value, path)

    def _fields(self) -> dict[str, Any]:
        return {"options": list(self.options)}

    def __repr__(self) -> str:
        return call_text("Choice", *self.options, when=self.when)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Integer(Decision):
    """A whole number: low, low + step, ..., high, both ends included.

    Args:
        low: Smallest value.
        high: Largest value.
        step: Distance between neighbouring values; must lead from low exactly to high.
        when: Condition under which the decision is open.

    Raises:
        SpaceError: If low exceeds high or the step does not reach high.

    Example:
        >>> Integer(50, 200, step=10).size
        16
    """

    kind: ClassVar[str] = "integer"
    low: int
    high: int
    step: int
    when: FrozenDict

    def __init__(self, low: int, high: int, step: int = 1, when: When | None = None) -> None:
        low, high, step = (whole("Integer", x) for x in (low, high, step))
        where = f"Integer({low}, {high}, step={step})"
        if low > high:
            raise SpaceError(f"{where}: low must not exceed high; swap them")
        if step < 1:
            raise SpaceError(f"{where}: step must be at least 1")
        if (high - low) % step:
            reached = high - (high - low) % step
            raise SpaceError(
                f"{where}: the step does not reach high; the last value would be {reached}, "
                f"so write high={reached} or change the step"
            )
        if (high - low) // step >= _MOST_VALUES:
            raise SpaceError(f"{where}: more than 2**53 values; use a larger step or a Real")
        set_fields(self, low=low, high=high, step=step, when=checked_when("Integer", when))

    @property
    def size(self) -> int:
        """Number of values."""
        return (self.high - self.low) // self.step + 1

    @property
    def domain(self) -> str:
        """The range, and the step if it is not 1."""
        return f"{self.low} to {self.high}" + (f" in steps of {self.step}" * (self.step != 1))

    def code(self, value: object, path: str) -> int:
        """Return the place of a value on the grid; `path` is for the error message."""
        if isinstance(value, int) and not isinstance(value, bool):
            code, rest = divmod(value - self.low, self.step)
            if self.low <= value <= self.high and not rest:
                return code
            nearest = min(max(round((value - self.low) / self.step), 0), self.size - 1)
            hint = f" (nearest is {self.low + nearest * self.step})"
        else:
            hint = ""
        raise SpaceError(f"{path} must be a whole number, {self.domain}; got {value!r}{hint}")

    def _fields(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "step": self.step}

    def __repr__(self) -> str:
        step = {} if self.step == 1 else {"step": self.step}
        return call_text("Integer", self.low, self.high, **step, when=self.when)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Real(Decision):
    """A number in [low, high], drawn uniformly or, with `log`, uniformly in its logarithm.

    Args:
        low: Smallest value.
        high: Largest value.
        log: Whether ratios rather than differences matter (learning rates).
        when: Condition under which the decision is open.

    Raises:
        SpaceError: If the ends are not finite, not in order, or not positive where `log` needs it.
    """

    kind: ClassVar[str] = "real"
    size: ClassVar[None] = None
    low: float
    high: float
    log: bool
    when: FrozenDict

    def __init__(
        self, low: float, high: float, log: bool = False, when: When | None = None
    ) -> None:
        where = f"Real({low!r}, {high!r}, log={log!r})"
        if not (is_number(low) and is_number(high) and math.isfinite(high - low)):
            raise SpaceError(f"{where}: low and high must be finite numbers")
        if not low < high:
            raise SpaceError(f"{where}: low must be below high; a fixed number is no decision")
        if log and low <= 0:
            raise SpaceError(f"{where}: a logarithmic range must start above 0")
        set_fields(self, low=float(low) + 0.0, high=float(high) + 0.0)  # + 0.0 turns -0.0 into 0.0
        set_fields(self, log=bool(log), when=checked_when("Real", when))

    @property
    def domain(self) -> str:
        """The interval."""
        return f"{self.low!r} to {self.high!r}" + " (logarithmic)" * self.log

    def at(self, unit: float) -> float:
        """Return the value at a place in [0, 1] of the linear or logarithmic scale."""
        if self.log:
            value = self.low * math.exp(unit * math.log(self.high / self.low))
        else:
            value = self.low + unit * (self.high - self.low)
        return min(max(value, self.low), self.high) + 0.0

    def unit(self, value: float) -> float:
        """Return the place in [0, 1] of a value: the inverse of `at`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def code(self, value: object, path: str) -> float:
        """Return the value itself as a float; `path` is for the error message."""
        if is_number(value) and self.low <= value <= self.high:
            return float(value) + 0.0
        raise SpaceError(f"{path} must be a number, {self.domain}; got {value!r}")

    def _fields(self) -> dict[str, Any]:
        return {"low": self.low, "high": self.high, "log": self.log}

    def __repr__(self) -> str:
        log = {"log": True} if self.log else {}
        return call_text("Real", self.low, self.high, **log, when=self.when)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Subset(Decision):
    """Some of several options; the value is a tuple in the order of the options.

    Args:
        options: As for `Choice`; they must differ as text too, which names their columns.
        min: Fewest options taken.
        max: Most options taken; None means all.
        when: Condition under which the decision is open.

    Raises:
        SpaceError: If the options are not valid or the limits cannot be met.
    """

    kind: ClassVar[str] = "subset"
    options: tuple[Option, ...]
    min: int
    max: int
    when: FrozenDict

    def __init__(
        self, *options: Any, min: int = 0, max: int | None = None, when: When | None = None
    ) -> None:
        options = checked_options("Subset", options)
        if len({str(option) for option in options}) < len(options):
            raise SpaceError(f"Subset: options must differ as text; got {listed(options)}")
        low = whole("Subset min", min)
        high = len(options) if max is None else whole("Subset max", max)
        if not 0 <= low <= high <= len(options):
            raise SpaceError(
                f"Subset: needs 0 <= min <= max <= {len(options)} (the number of options); "
                f"got min={min!r}, max={max!r}"
            )
        set_fields(self, options=options, min=low, max=high, when=checked_when("Subset", when))

    @property
    def domain(self) -> str:
        """The options and how many of them."""
        return f"{self.min} to {self.max} of {listed(self.options)}"

    def ways(self, decided: int = 0, taken: int = 0) -> int:
        """Return how many subsets are left once `taken` of the first `decided` options are in."""
        rest = len(self.options) - decided
        low, high = max(self.min - taken, 0), min(self.max - taken, rest)
        return sum(math.comb(rest, more) for more in range(low, high + 1))

    def members(self, value: object, path: str) -> list[int]:
        """Return a 0 or 1 for each option; `path` is for the error message."""
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise SpaceError(f"{path} must be a list of options, {self.domain}; got {value!r}")
        codes = [0] * len(self.options)
        for option in value:
            index = index_of(self.options, option, path)
            if codes[index]:
                raise SpaceError(f"{path} names {option!r} twice; got {value!r}")
            codes[index] = 1
        if not self.min <= sum(codes) <= self.max:
            raise SpaceError(f"{path} must take {self.domain}; got {value!r}")
        return codes

    def _fields(self) -> dict[str, Any]:
        return {"options": list(self.options), "min": self.min, "max": self.max}

    def __repr__(self) -> str:
        limits = {"min": self.min, "max": self.max}
        return call_text("Subset", *self.options, **limits, when=self.when)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class List(Decision):
    """A list of min_length to max_length items that all have the same form.

    Args:
        item: A decision without a condition of its own, or a `Group`.
        min_length: Fewest items.
        max_length: Most items.
        when: Condition under which the decision is open.

    Raises:
        SpaceError: If the item is no decision or the lengths are not in order.

    Example:
        >>> List(Integer(50, 200), 1, 3).domain
        '1 to 3 items'
    """

    kind: ClassVar[str] = "list"
    item: Decision
    min_length: int
    max_length: int
    when: FrozenDict

    def __init__(
        self, item: Decision, min_length: int, max_length: int, when: When | None = None
    ) -> None:
        if not isinstance(item, Decision):
            raise SpaceError(f"List: the item must be a decision or a Group; got {item!r}")
        if item.when:
            raise SpaceError("List: its item cannot have a condition; give `when` to the List")
        low, high = whole("List min_length", min_length), whole("List max_length", max_length)
        if not 0 <= low <= high or high < 1:
            raise SpaceError(
                f"List: needs 0 <= min_length <= max_length and max_length >= 1; "
                f"got min_length={low}, max_length={high}"
            )
        set_fields(
            self, item=item, min_length=low, max_length=high, when=checked_when("List", when)
        )

    @property
    def domain(self) -> str:
        """The lengths."""
        return f"{self.min_length} to {self.max_length} items"

    def _fields(self) -> dict[str, Any]:
        lengths = {"min_length": self.min_length, "max_length": self.max_length}
        return {"item": self.item.to_json(), **lengths}

    def __repr__(self) -> str:
        return call_text("List", self.item, self.min_length, self.max_length, when=self.when)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Group(Decision):
    """Named decisions that belong together; conditions inside it name its other members.

    Args:
        decisions: Mapping from name to decision, for names that are no Python identifiers.
        named: Further decisions by keyword.

    Raises:
        SpaceError: If it is empty, a name is not valid, or a part is no decision.

    Example:
        >>> Group(depth=Integer(1, 3), width=Choice(8, 16)).decisions["width"]
        Choice(8, 16)
    """

    kind: ClassVar[str] = "group"
    decisions: FrozenDict
    when: FrozenDict

    def __init__(
        self, decisions: Mapping[str, Decision] | None = None, /, **named: Decision
    ) -> None:
        set_fields(self, decisions=named_decisions("Group", decisions, named), when=EMPTY)

    @property
    def domain(self) -> str:
        """The names of its parts."""
        return ", ".join(self.decisions)

    def _fields(self) -> dict[str, Any]:
        return {"decisions": decisions_to_json(self.decisions)}

    def __repr__(self) -> str:
        return f"Group({', '.join(f'{name}={part!r}' for name, part in self.decisions.items())})"


def named_decisions(
    where: str, decisions: Mapping[str, Decision] | None, named: Mapping[str, Decision]
) -> FrozenDict:
    """Return the two mappings as one, names and types checked.

    Raises:
        SpaceError: If it is empty, a name is taken twice or not valid, or a part is no decision.
    """
    parts = dict(decisions or {})
    for name, part in named.items():
        if name in parts:
            raise SpaceError(f"{where}: decision {name!r} is given twice")
        parts[name] = part
    if not parts:
        raise SpaceError(f"{where}: needs at least one decision")
    for name, part in parts.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SpaceError(
                f"{where}: a name is made of letters, digits, '_' and '-', with dots between "
                f"its parts; got {name!r}"
            )
        if not isinstance(part, Decision):
            raise SpaceError(
                f"{where}: {name} must be a decision such as Choice(...) or Integer(...); "
                f"got {part!r}"
            )
    return FrozenDict(parts)


def decisions_to_json(decisions: Mapping[str, Decision]) -> list[dict[str, Any]]:
    """Return named decisions as a JSON list: their order is part of the space."""
    return [{"name": name, **decision.to_json()} for name, decision in decisions.items()]


def decisions_from_json(data: Iterable[Mapping[str, Any]]) -> dict[str, Decision]:
    """Rebuild what `decisions_to_json` wrote."""
    return {entry["name"]: decision_from_json(entry) for entry in data}


def decision_from_json(data: Mapping[str, Any]) -> Decision:
    """Rebuild what `Decision.to_json` wrote.

    Raises:
        UnknownNameError: If the kind of decision is none of ours.
    """
    when = data.get("when")
    match data["kind"]:
        case "choice":
            return Choice(*data["options"], when=when)
        case "integer":
            return Integer(data["low"], data["high"], data["step"], when=when)
        case "real":
            return Real(data["low"], data["high"], data["log"], when=when)
        case "subset":
            return Subset(*data["options"], min=data["min"], max=data["max"], when=when)
        case "list":
            item = decision_from_json(data["item"])
            return List(item, data["min_length"], data["max_length"], when=when)
        case "group":
            return Group(decisions_from_json(data["decisions"]))
        case kind:
            kinds = ("choice", "integer", "real", "subset", "list", "group")
            raise UnknownNameError("kind of decision", kind, kinds)
