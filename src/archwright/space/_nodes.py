"""The tree that stands between values, as people write them, and codes, as operators use them.

Each decision of a space becomes one node over a run of slots. Nodes know how to read a value
from a code vector and how to write one into it; every operator of the room walks this tree.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from archwright.errors import SpaceError, UnknownNameError
from archwright.space._frozen import FrozenDict
from archwright.space.decisions import Choice, Decision, Group, Integer, List, Real, Subset

__all__ = [
    "Code",
    "Codes",
    "Condition",
    "Draft",
    "GroupNode",
    "ListNode",
    "Node",
    "ScalarNode",
    "Slot",
    "SubsetNode",
]

Code: TypeAlias = int | float
Codes: TypeAlias = Sequence[Any]
"""One code per slot."""
Draft: TypeAlias = list[Any]
"""Codes being made; None where nothing is decided yet."""
Condition: TypeAlias = tuple[int, frozenset[int]]
"""(slot of the parent, its codes that keep the child active)."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place of the code vector.

    Args:
        path: Its stable name; list items are numbered ("hidden.0"), subsets name their options.
        decision: The decision it belongs to.
        role: "value", "length" of a list, or "member" of a subset.
        size: Number of codes; None for a real, whose code is its value.
        option: Index of the subset's option that a member stands for.
    """

    path: str
    decision: Decision
    role: str
    size: int | None
    option: int = 0

    def value(self, code: Code) -> Any:
        """Return what a code of this slot means: a value, a length, or 0 or 1 for a member."""
        if isinstance(self.decision, List):
            return self.decision.min_length + int(code)
        if isinstance(self.decision, Choice):
            return self.decision.options[int(code)]
        if isinstance(self.decision, Integer):
            return self.decision.low + self.decision.step * int(code)
        return code


@dataclass(slots=True, eq=False)
class Node(ABC):
    """A decision over the slots start to stop.

    `conditions` are those that its container does not already imply; `varied` says whether more
    than one value is possible.
    """

    path: str
    start: int
    stop: int
    conditions: tuple[Condition, ...]
    varied: bool

    def active(self, codes: Codes) -> bool:
        """Return whether its conditions hold, given that its container is active."""
        return all(codes[parent] in allowed for parent, allowed in self.conditions)

    @abstractmethod
    def read(self, codes: Codes) -> Any:
        """Return the value that valid codes stand for."""

    @abstractmethod
    def write(self, value: Any, draft: Draft) -> None:
        """Write the codes of a value; SpaceError if the value is outside the domain."""

    def check(  # noqa: B027 - most decisions have no members that could be missing
        self, value: Any, draft: Draft, why: Callable[[Node], str]
    ) -> None:
        """Refuse members that are missing or inactive; the draft holds all written codes."""

    def leaves(self) -> Iterator[Node]:
        """Yield itself, or the nodes below if it is a group: what operators edit one by one."""
        yield self


@dataclass(slots=True, eq=False)
class ScalarNode(Node):
    """A `Choice`, `Integer` or `Real` in one slot."""

    decision: Choice | Integer | Real
    table: Sequence[Any] | None  # values by code; None for a real

    def read(self, codes: Codes) -> Any:
        code = codes[self.start]
        return code if self.table is None else self.table[code]

    def write(self, value: Any, draft: Draft) -> None:
        draft[self.start] = self.decision.code(value, self.path)


@dataclass(slots=True, eq=False)
class SubsetNode(Node):
    """A `Subset`: one slot of 0 or 1 for each option.

    `chances[decided][taken]` is the probability that the next option is in, for a uniform draw
    among the subsets that are left.
    """

    decision: Subset
    chances: tuple[tuple[float, ...], ...]

    def read(self, codes: Codes) -> Any:
        members = codes[self.start : self.stop]
        return tuple(o for o, taken in zip(self.decision.options, members, strict=True) if taken)

    def write(self, value: Any, draft: Draft) -> None:
        draft[self.start : self.stop] = self.decision.members(value, self.path)


@dataclass(slots=True, eq=False)
class ListNode(Node):
    """A `List`: one slot for the length, then the slots of max_length items."""

    decision: List
    items: tuple[Node, ...]
    stride: int  # slots of one item
    table: Sequence[Any] | None  # values by code of items that are one discrete slot each

    def length(self, codes: Codes) -> int:
        """Return the number of items."""
        return self.decision.min_length + int(codes[self.start])

    def read(self, codes: Codes) -> Any:
        length = self.decision.min_length + codes[self.start]
        if self.table is not None:
            table, first = self.table, self.start + 1
            return tuple([table[code] for code in codes[first : first + length]])
        return tuple([item.read(codes) for item in self.items[:length]])

    def write(self, value: Any, draft: Draft) -> None:
        low, high = self.decision.min_length, self.decision.max_length
        if not isinstance(value, (list, tuple)):
            raise SpaceError(f"{self.path} must be a list of {low} to {high} items; got {value!r}")
        if not low <= len(value) <= high:
            raise SpaceError(
                f"{self.path} must have {low} to {high} items; got {len(value)}: {value!r}"
            )
        draft[self.start] = len(value) - low
        for item, part in zip(self.items, value, strict=False):
            item.write(part, draft)

    def check(self, value: Any, draft: Draft, why: Callable[[Node], str]) -> None:
        for item, part in zip(self.items, value, strict=False):
            item.check(part, draft, why)


@dataclass(slots=True, eq=False)
class GroupNode(Node):
    """A `Group`, or the whole space: named nodes."""

    children: tuple[tuple[str, Node], ...]

    def read(self, codes: Codes) -> FrozenDict:
        return FrozenDict(
            [
                (name, node.read(codes))
                for name, node in self.children
                if not node.conditions or node.active(codes)
            ]
        )

    def write(self, value: Any, draft: Draft) -> None:
        if not isinstance(value, Mapping):
            raise SpaceError(
                f"{self.path or 'the architecture'} must be a dict with "
                f"{', '.join(name for name, _ in self.children)}; got {value!r}"
            )
        children = dict(self.children)
        for name, part in value.items():
            if name not in children:
                kind = f"decision of {self.path}" if self.path else "decision"
                raise UnknownNameError(kind, name, children)
            children[name].write(part, draft)

    def check(self, value: Any, draft: Draft, why: Callable[[Node], str]) -> None:
        for name, node in self.children:
            if not node.active(draft):
                if name in value:
                    raise SpaceError(f"{node.path} is not open here ({why(node)}); leave it out")
            elif name in value:
                node.check(value[name], draft, why)
            elif not isinstance(node, GroupNode):
                raise SpaceError(f"{node.path} is missing; it must be {_domain(node)}")
            else:
                node.check({}, draft, why)

    def leaves(self) -> Iterator[Node]:
        for _, node in self.children:
            yield from node.leaves()


def _domain(node: Node) -> str:
    decision = getattr(node, "decision", None)
    return decision.domain if isinstance(decision, Decision) else "given"


def has_several_values(decision: Decision) -> bool:
    """Return whether a decision can be answered in more than one way."""
    match decision:
        case Choice() | Integer():
            return decision.size > 1
        case Subset():
            return decision.ways() > 1
        case List():
            several_lengths = decision.max_length > decision.min_length
            return several_lengths or has_several_values(decision.item)
        case Group():
            return any(has_several_values(part) for part in decision.decisions.values())
    return True
