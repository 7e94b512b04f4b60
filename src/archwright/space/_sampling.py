"""Random codes: one uniform number per slot, so that a draw of many equals many draws.

Every option, grid value and list length is equally likely at its own decision, whatever it opens.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from archwright.space._nodes import Codes, Draft, GroupNode, ListNode, Node, ScalarNode, SubsetNode
from archwright.space._program import Program
from archwright.space.decisions import Real

__all__ = ["active_leaves", "draw", "draw_into", "draw_many", "lowest_into", "settle"]


def draw(program: Program, uniforms: list[float]) -> Draft:
    """Return codes for one uniform number in [0, 1) per slot; inactive slots are drawn too."""
    codes: Draft = [int(u * n) for u, n in zip(uniforms, program.sizes, strict=True)]
    for node in program.special:
        _draw_special(node, codes, uniforms)
    return codes


def draw_many(program: Program, uniforms: np.ndarray) -> list[tuple[int | float, ...]]:
    """Return canonical codes for uniform numbers `(architectures, slots)` in [0, 1).

    Row by row the same as `draw`.
    """
    codes = (uniforms * np.asarray(program.sizes, dtype=np.float64)).astype(np.int64)
    reals: dict[int, np.ndarray] = {}
    for node in program.special:
        if isinstance(node, SubsetNode):
            _draw_members(node, codes, uniforms)
        elif isinstance(node, ScalarNode) and isinstance(node.decision, Real):
            at = node.decision.at
            reals[node.start] = np.array([at(u) for u in uniforms[:, node.start].tolist()])
    for slot, conditions in program.conditional:
        closed = np.zeros(len(codes), dtype=bool)
        for parent, allowed in conditions:
            # Indexed by the parent's code, which may be 0 because the parent is closed itself.
            closes = np.ones(program.sizes[parent], dtype=bool)
            closes[list(allowed)] = False
            closed |= closes[codes[:, parent]]
        codes[closed, slot] = 0
        if slot in reals:
            reals[slot][closed] = 0.0
    columns = [reals.get(slot, codes[:, slot]).tolist() for slot in range(program.width)]
    return list(zip(*columns, strict=True))


def draw_into(node: Node, draft: Draft, rng: np.random.Generator) -> None:
    """Draw every slot of a node."""
    if isinstance(node, ScalarNode):
        if node.table is None:
            _draw_special(node, draft, {node.start: rng.random()})
        else:
            draft[node.start] = int(rng.random() * len(node.table))
    elif isinstance(node, SubsetNode):
        numbers = rng.random(node.stop - node.start).tolist()
        _draw_special(node, draft, dict(enumerate(numbers, node.start)))
    elif isinstance(node, ListNode):
        lengths = node.decision.max_length - node.decision.min_length + 1
        draft[node.start] = int(rng.random() * lengths)
        for item in node.items:
            draw_into(item, draft, rng)
    elif isinstance(node, GroupNode):
        for _, child in node.children:
            draw_into(child, draft, rng)


def lowest_into(node: Node, draft: Draft) -> None:
    """Give every slot of a node its first value: first option, low end, shortest list."""
    draft[node.start : node.stop] = [0] * (node.stop - node.start)
    if isinstance(node, ScalarNode) and isinstance(node.decision, Real):
        draft[node.start] = node.decision.low
    elif isinstance(node, SubsetNode):
        draft[node.start : node.start + node.decision.min] = [1] * node.decision.min
    elif isinstance(node, ListNode):
        for item in node.items:
            lowest_into(item, draft)
    elif isinstance(node, GroupNode):
        for _, child in node.children:
            lowest_into(child, draft)


def settle(program: Program, draft: Draft, fill: Callable[[Node, Draft], None]) -> Draft:
    """Make an edited draft whole: 0 in closed slots, and newly opened ones filled by `fill`."""
    for slot, conditions in program.conditional:
        for parent, allowed in conditions:
            if draft[parent] not in allowed:
                draft[slot] = 0
                break
        else:
            if draft[slot] is None:
                fill(program.owner[slot], draft)
    return draft


def _draw_special(node: Node, codes: Draft, uniforms: list[float] | dict[int, float]) -> None:
    if isinstance(node, ScalarNode) and isinstance(node.decision, Real):
        codes[node.start] = node.decision.at(uniforms[node.start])
    elif isinstance(node, SubsetNode):
        taken = 0
        for chances, slot in zip(node.chances, range(node.start, node.stop), strict=True):
            member = int(uniforms[slot] < chances[taken])
            codes[slot] = member
            taken += member


def _draw_members(node: SubsetNode, codes: np.ndarray, uniforms: np.ndarray) -> None:
    taken = np.zeros(len(codes), dtype=np.int64)
    for chances, slot in zip(node.chances, range(node.start, node.stop), strict=True):
        members = uniforms[:, slot] < np.asarray(chances)[taken]
        codes[:, slot] = members
        taken += members


def active_leaves(program: Program, codes: Codes) -> list[Node]:
    """Return the open decisions that have more than one value."""
    if not program.conditional:
        return program.varied
    return [
        node
        for node in program.leaves
        if node.varied and (not node.conditions or program.active(node.start, codes))
    ]
