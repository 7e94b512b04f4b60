"""How many architectures there are, and all of them in order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from archwright.space._nodes import Condition, Draft, SubsetNode
from archwright.space._program import Program

__all__ = ["count", "enumerate_codes"]

_Unit = tuple[int, frozenset[Condition]]  # first slot of a decision, conditions not yet settled


def count(program: Program) -> int | float:
    """Return the number of distinct canonical codes; infinity if there is a real.

    Splits the decisions into parts that no condition connects, and settles one parent at a time
    within a part, codes that open the same decisions together: as many steps as there are
    different situations, not as many as there are architectures.
    """
    if any(slot.size is None for slot in program.slots):
        return math.inf
    units = {
        program.owner[slot].start if program.slots[slot].role == "member" else slot
        for slot in range(program.width)
    }
    memo: dict[frozenset[_Unit], int] = {}
    return _count(program, frozenset((s, frozenset(program.closure[s])) for s in units), memo)


def _count(program: Program, units: frozenset[_Unit], memo: dict[frozenset[_Unit], int]) -> int:
    if units not in memo:
        memo[units] = math.prod(_count_part(program, part, memo) for part in _parts(units))
    return memo[units]


def _count_part(program: Program, part: list[_Unit], memo: dict[frozenset[_Unit], int]) -> int:
    if len(part) == 1:
        return _values(program, part[0][0])
    # A root always exists: the first of the part in order of parents before children.
    asked = {parent for _, conditions in part for parent, _ in conditions}
    root = next(slot for slot, conditions in part if not conditions and slot in asked)
    rest = [unit for unit in part if unit[0] != root]
    situations: dict[frozenset[_Unit], int] = {}
    for code in range(program.sizes[root]):
        opened = frozenset(
            (slot, frozenset(c for c in conditions if c[0] != root))
            for slot, conditions in rest
            if all(code in allowed for parent, allowed in conditions if parent == root)
        )
        situations[opened] = situations.get(opened, 0) + 1
    return sum(
        times * (_count(program, opened, memo) if opened else 1)
        for opened, times in situations.items()
    )


def _values(program: Program, slot: int) -> int:
    owner = program.owner[slot]
    return owner.decision.ways() if isinstance(owner, SubsetNode) else program.sizes[slot]


def _parts(units: frozenset[_Unit]) -> list[list[_Unit]]:
    """Split into groups of units that share a parent, or are one another's."""
    group = {slot: slot for slot, _ in units}

    def find(slot: int) -> int:
        while group[slot] != slot:
            slot = group[slot]
        return slot

    for slot, conditions in units:
        for parent, _ in conditions:
            group[find(slot)] = find(parent)
    parts: dict[int, list[_Unit]] = {}
    for unit in sorted(units, key=lambda unit: unit[0]):
        parts.setdefault(find(unit[0]), []).append(unit)
    return list(parts.values())


def enumerate_codes(program: Program) -> Iterator[tuple[int, ...]]:
    """Yield all canonical codes once, in lexicographic order of `program.order`."""
    if not program.conditional and not program.special:
        yield from itertools.product(*map(range, program.sizes))
        return
    draft: Draft = [0] * program.width
    place = 0
    while place >= 0:
        for slot in program.order[place:]:
            draft[slot] = _next(program, slot, draft, -1) or 0
        yield tuple(draft)
        for place in range(program.width - 1, -1, -1):
            slot = program.order[place]
            code = _next(program, slot, draft, draft[slot])
            if code is not None:
                draft[slot] = code
                place += 1
                break
        else:
            return


def _next(program: Program, slot: int, draft: Draft, code: int) -> int | None:
    """Return the next code above `code` that the earlier slots of the order leave possible."""
    if not program.active(slot, draft):
        return None
    node = program.owner[slot]
    for following in range(code + 1, program.sizes[slot]):
        if not isinstance(node, SubsetNode):
            return following
        taken = sum(draft[node.start : slot]) + following
        if node.decision.ways(slot - node.start + 1, taken):
            return following
    return None
