"""A space compiled: its slots, its tree of nodes, and its conditions resolved to codes.

Everything that can be worked out once per space is worked out here, so that sampling and
mutating cost a few list operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archwright.errors import SpaceError, UnknownNameError
from archwright.space._frozen import FrozenDict
from archwright.space._nodes import (
    Codes,
    Condition,
    Draft,
    GroupNode,
    ListNode,
    Node,
    ScalarNode,
    Slot,
    SubsetNode,
    has_several_values,
)
from archwright.space.decisions import Choice, Decision, Group, Integer, List, Real, Subset

__all__ = ["Program", "compile_space"]

_Codes = dict[int, frozenset[int]]  # allowed codes by parent slot


@dataclass(slots=True, eq=False)
class Program:
    """What the operators of a space run on.

    Args:
        slots: All places of the code vector, in order.
        root: The tree over them.
        leaves: The decisions that operators edit one by one; a list is one of them.
        owner: For each slot the scalar, subset or list node it belongs to.
        order: Slots with parents before children.
        closure: For each slot every condition on it and on its parents; empty: always active.
        conditional: (slot, closure) for each slot that can be inactive, in `order`.
    """

    slots: tuple[Slot, ...]
    root: GroupNode
    leaves: tuple[Node, ...]
    owner: tuple[Node, ...]
    order: tuple[int, ...]
    closure: tuple[tuple[Condition, ...], ...]
    conditional: tuple[tuple[int, tuple[Condition, ...]], ...]
    width: int = field(init=False)
    sizes: tuple[int, ...] = field(init=False)
    special: tuple[Node, ...] = field(init=False)
    varied: list[Node] = field(init=False)
    edited: tuple[int, ...] = field(init=False)
    flat: bool = field(init=False)
    paths: Mapping[str, Node | int] = field(init=False)

    def __post_init__(self) -> None:
        self.width = len(self.slots)
        self.sizes = tuple(1 if slot.size is None else slot.size for slot in self.slots)
        # Nodes that are not drawn slot by slot, by multiplying with the size.
        distinct = {id(node): node for node in self.owner}.values()
        self.special = tuple(
            node
            for node in distinct
            if isinstance(node, SubsetNode) or (isinstance(node, ScalarNode) and node.table is None)
        )
        self.varied = [leaf for leaf in self.leaves if leaf.varied]
        self.edited = tuple(leaf.start for leaf in self.varied)
        # Choices that are always open, and nothing else.
        self.flat = not self.conditional and all(
            isinstance(node, ScalarNode) and isinstance(node.decision, Choice)
            for node in self.owner
        )
        self.paths = {slot.path: index for index, slot in enumerate(self.slots)}
        self.paths.update(_node_paths(self.root))

    def active(self, slot: int, codes: Codes) -> bool:
        """Return whether a slot's decision is open."""
        return all(codes[parent] in allowed for parent, allowed in self.closure[slot])

    def canonical(self, codes: Draft) -> tuple[Any, ...]:
        """Return the codes with 0 in every inactive slot; changes its argument."""
        for slot, conditions in self.conditional:
            for parent, allowed in conditions:
                if codes[parent] not in allowed:
                    codes[slot] = 0
                    break
        return tuple(codes)

    def draft(self, codes: Codes) -> Draft:
        """Return canonical codes as a list with None in every inactive slot."""
        draft = list(codes)
        for slot, conditions in self.conditional:
            for parent, allowed in conditions:
                if codes[parent] not in allowed:
                    draft[slot] = None
                    break
        return draft


def compile_space(name: str, decisions: Mapping[str, Decision]) -> Program:
    """Lay named decisions out in slots and resolve their conditions.

    Raises:
        SpaceError: If two paths are equal, or a condition is a cycle, cannot be met, or names a
            decision that cannot be a parent.
        UnknownNameError: If a condition names no decision.
    """
    layout = _Layout(name)
    children = tuple((key, layout.add(key, part, ())) for key, part in decisions.items())
    resolved = _Resolver(layout).closures()
    closure = tuple(_tuple(conditions, layout.slots) for conditions in resolved)
    root = GroupNode("", 0, len(layout.slots), (), True, children)
    _attach(root, closure, frozenset())
    order = _parents_first(closure)
    return Program(
        slots=tuple(layout.slots),
        root=root,
        leaves=tuple(root.leaves()),
        owner=tuple(layout.owner),
        order=order,
        closure=closure,
        conditional=tuple((slot, closure[slot]) for slot in order if closure[slot]),
    )


@dataclass(frozen=True, slots=True)
class _When:
    """A condition as written: who has it, where its names are looked up, and what it says."""

    path: str
    prefix: str
    when: FrozenDict


class _Layout:
    """First pass: slots and nodes, conditions still as written."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.paths: set[str] = set()
        self.slots: list[Slot] = []
        self.owner: list[Node] = []
        self.raw: list[tuple[_When | Condition, ...]] = []

    def add(
        self,
        path: str,
        decision: Decision,
        outer: tuple[_When | Condition, ...],
        prefix: str = "",
    ) -> Node:
        self._claim(path)
        if decision.when:
            outer = (*outer, _When(path, prefix, decision.when))
        varied = has_several_values(decision)
        start = len(self.slots)
        if isinstance(decision, (Choice, Integer, Real)):
            table = _table(decision)
            node: Node = ScalarNode(path, start, start + 1, (), varied, decision, table)
            self._slot(Slot(path, decision, "value", decision.size), node, outer)
        elif isinstance(decision, Subset):
            stop = start + len(decision.options)
            node = SubsetNode(path, start, stop, (), varied, decision, _chances(decision))
            for index, option in enumerate(decision.options):
                self._slot(Slot(f"{path}.{option}", decision, "member", 2, index), node, outer)
        elif isinstance(decision, List):
            node = self._list(path, decision, outer, varied)
        elif isinstance(decision, Group):
            children = tuple(
                (name, self.add(f"{path}.{name}", part, outer, f"{path}."))
                for name, part in decision.decisions.items()
            )
            node = GroupNode(path, start, len(self.slots), (), varied, children)
        else:
            raise SpaceError(f"{path}: {type(decision).__name__} is no kind of decision we know")
        return node

    def _list(
        self, path: str, decision: List, outer: tuple[_When | Condition, ...], varied: bool
    ) -> ListNode:
        start = len(self.slots)
        table = _table(decision.item)
        node = ListNode(path, start, start, (), varied, decision, (), 0, table)
        lengths = decision.max_length - decision.min_length + 1
        self._slot(Slot(f"{path}.length", decision, "length", lengths), node, outer)
        items = []
        for index in range(decision.max_length):
            long_enough = range(max(index + 1 - decision.min_length, 0), lengths)
            reach: Condition = (start, frozenset(long_enough))
            items.append(self.add(f"{path}.{index}", decision.item, (*outer, reach)))
        node.items = tuple(items)
        node.stop = len(self.slots)
        node.stride = items[0].stop - items[0].start
        return node

    def _slot(self, slot: Slot, node: Node, outer: tuple[_When | Condition, ...]) -> None:
        if slot.path != node.path:
            self._claim(slot.path)
        self.slots.append(slot)
        self.owner.append(node)
        self.raw.append(outer)

    def _claim(self, path: str) -> None:
        if path in self.paths:
            raise SpaceError(f"space {self.name!r}: two decisions have the path {path!r}")
        self.paths.add(path)


class _Resolver:
    """Second pass: conditions as slots and codes, those of the parents included."""

    def __init__(self, layout: _Layout) -> None:
        self.layout = layout
        self.index = {slot.path: index for index, slot in enumerate(layout.slots)}
        self.done: dict[int, _Codes] = {}
        self.open: list[int] = []

    def closures(self) -> list[_Codes]:
        return [self._closure(slot) for slot in range(len(self.layout.slots))]

    def _closure(self, slot: int) -> _Codes:
        if slot in self.done:
            return self.done[slot]
        if slot in self.open:
            cycle = [*self.open[self.open.index(slot) :], slot]
            path = " -> ".join(self.layout.slots[index].path for index in cycle)
            raise SpaceError(f"conditions of space {self.layout.name!r} form a cycle: {path}")
        self.open.append(slot)
        merged: _Codes = {}
        for parent, allowed in self._direct(slot):
            for ancestor, codes in ((parent, allowed), *self._closure(parent).items()):
                merged[ancestor] = merged.get(ancestor, codes) & codes
                if not merged[ancestor]:
                    raise SpaceError(
                        f"{self.layout.slots[slot].path} can never be open: its conditions on "
                        f"{self.layout.slots[ancestor].path} exclude one another"
                    )
        self.open.pop()
        self.done[slot] = merged
        return merged

    def _direct(self, slot: int) -> list[Condition]:
        found: list[Condition] = []
        for raw in self.layout.raw[slot]:
            if isinstance(raw, _When):
                found += [self._parent(raw, path, values) for path, values in raw.when.items()]
            else:
                found.append(raw)
        return found

    def _parent(self, raw: _When, path: str, values: tuple[Any, ...]) -> Condition:
        where = f"condition of {raw.path}"
        full = raw.prefix + path
        if full not in self.index:
            known = [p.removeprefix(raw.prefix) for p in self.index if p.startswith(raw.prefix)]
            is_list = f"{full}.length" in self.index
            hint = f"The length of the list is called {path}.length." if is_list else ""
            raise UnknownNameError(f"decision in the {where}", path, known, hint=hint)
        parent = self.index[full]
        slot = self.layout.slots[parent]
        if slot.size is None or slot.role == "member":
            raise SpaceError(
                f"{where}: {path!r} belongs to a {type(slot.decision).__name__}; only a Choice, "
                f"an Integer or the length of a List can open another decision"
            )
        return parent, frozenset(_code(slot, value, f"{where}: {path}") for value in values)


def _code(slot: Slot, value: Any, where: str) -> int:
    if isinstance(slot.decision, (Choice, Integer)):
        return slot.decision.code(value, where)
    low = slot.decision.min_length if isinstance(slot.decision, List) else 0
    return Integer(low, low + (slot.size or 1) - 1).code(value, where)


def _table(decision: Decision) -> tuple[Any, ...] | range | None:
    if isinstance(decision, Choice):
        return decision.options
    if isinstance(decision, Integer):
        return range(decision.low, decision.high + 1, decision.step)
    return None


def _chances(decision: Subset) -> tuple[tuple[float, ...], ...]:
    return tuple(
        tuple(
            decision.ways(decided + 1, taken + 1) / (decision.ways(decided, taken) or 1)
            for taken in range(decided + 1)
        )
        for decided in range(len(decision.options))
    )


def _tuple(conditions: _Codes, slots: list[Slot]) -> tuple[Condition, ...]:
    # A condition that allows every code of its parent says nothing.
    return tuple(
        (parent, allowed)
        for parent, allowed in sorted(conditions.items())
        if len(allowed) < (slots[parent].size or 0)
    )


def _attach(
    node: Node, closure: tuple[tuple[Condition, ...], ...], implied: frozenset[Condition]
) -> None:
    """Give each node below `node` the conditions that its container does not imply."""
    if isinstance(node, GroupNode):
        below = [child for _, child in node.children]
    else:
        below = list(node.items) if isinstance(node, ListNode) else []
    for child in below:
        # A group's own conditions are those that all its slots share through its container.
        shared = implied if isinstance(child, GroupNode) else frozenset(closure[child.start])
        if isinstance(node, ListNode):
            shared |= {c for c in closure[child.start] if c[0] == node.start}
        child.conditions = tuple(c for c in sorted(shared - implied, key=lambda c: c[0]))
        _attach(child, closure, shared)


def _parents_first(closure: tuple[tuple[Condition, ...], ...]) -> tuple[int, ...]:
    order: dict[int, None] = {}

    def visit(slot: int) -> None:
        if slot not in order:
            for parent, _ in closure[slot]:
                visit(parent)
            order[slot] = None

    for slot in range(len(closure)):
        visit(slot)
    return tuple(order)


def _node_paths(node: Node) -> dict[str, Node]:
    found: dict[str, Node] = {node.path: node} if node.path else {}
    if isinstance(node, GroupNode):
        for _, child in node.children:
            found |= _node_paths(child)
    elif isinstance(node, ListNode):
        for item in node.items:
            found |= _node_paths(item)
    return found
