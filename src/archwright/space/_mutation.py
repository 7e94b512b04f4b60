"""One random edit of one open decision; everything it does not name stays as it is.

Integers, alone or in a list, are resized: half the time by a factor drawn log-uniformly from
[1/2, 2], half the time to a fresh value. A list changes one item (0.6), gains one (0.2) or loses
one (0.2); what its limits forbid hands its share to the others. Decisions that the edit opens are
drawn, those that it closes are forgotten.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from archwright.errors import SpaceError
from archwright.space._nodes import Draft, GroupNode, ListNode, Node, ScalarNode, SubsetNode
from archwright.space._program import Program
from archwright.space._sampling import active_leaves, draw_into, settle
from archwright.space.decisions import Choice, Integer, Real

__all__ = ["close_gap", "mutate", "open_gap", "subset_exchanges"]

_CHANGE, _INSERT, _DELETE = 0.6, 0.2, 0.2
_STEP_DEVIATION = 0.2  # of a real's scale


def mutate(program: Program, codes: tuple[int | float, ...], rng: np.random.Generator) -> Draft:
    """Return edited codes, which differ from the given ones in exactly one decision.

    Raises:
        SpaceError: If no decision has a second value.
    """
    leaves = active_leaves(program, codes)
    if not leaves:
        raise SpaceError("the space has one architecture only; nothing can be mutated")
    if program.flat:
        return _exchanged(program, codes, rng)
    draft = program.draft(codes)
    _edit(_pick(leaves, rng), draft, rng)
    return settle(program, draft, partial(_draw_into, rng))


def _exchanged(program: Program, codes: tuple[int | float, ...], rng: np.random.Generator) -> Draft:
    """Return the codes with another option at one choice: `_pick` and `_another` in one draw."""
    where, what = rng.random(2).tolist()
    slot = program.edited[int(where * len(program.edited))]
    other, draft = int(what * (program.sizes[slot] - 1)), list(codes)
    draft[slot] = other + (other >= draft[slot])
    return draft


def _draw_into(rng: np.random.Generator, node: Node, draft: Draft) -> None:
    draw_into(node, draft, rng)


def _pick(nodes: list[Node], rng: np.random.Generator) -> Node:
    return nodes[int(rng.random() * len(nodes))]


def _edit(node: Node, draft: Draft, rng: np.random.Generator) -> None:
    if isinstance(node, ScalarNode):
        decision, code = node.decision, draft[node.start]
        if isinstance(decision, Choice):
            draft[node.start] = _another(decision.size, code, rng)
        elif isinstance(decision, Integer):
            draft[node.start] = _resize(decision, code, rng)
        else:
            draft[node.start] = _move(decision, code, rng)
    elif isinstance(node, SubsetNode):
        _exchange(node, draft, rng)
    elif isinstance(node, ListNode):
        _edit_list(node, draft, rng)
    elif isinstance(node, GroupNode):
        open_children = [
            child for child in node.leaves() if child.varied and draft[child.start] is not None
        ]
        _edit(_pick(open_children, rng), draft, rng)


def _another(size: int, code: int, rng: np.random.Generator) -> int:
    other = int(rng.random() * (size - 1))
    return other + (other >= code)


def _resize(decision: Integer, code: int, rng: np.random.Generator) -> int:
    value = decision.low + decision.step * code
    if value > 0 and rng.random() < 0.5:
        target = value * 2.0 ** (2.0 * rng.random() - 1.0)
        resized: int = round((target - decision.low) / decision.step)
        resized = min(max(resized, 0), decision.size - 1)
        if resized != code:
            return resized
    return _another(decision.size, code, rng)


def _move(decision: Real, value: float, rng: np.random.Generator) -> float:
    while True:
        if rng.random() < 0.5:
            unit = decision.unit(value) + _STEP_DEVIATION * rng.standard_normal()
            moved = decision.at(min(max(unit, 0.0), 1.0))
        else:
            moved = decision.at(rng.random())
        if moved != value:
            return moved


def _exchange(node: SubsetNode, draft: Draft, rng: np.random.Generator) -> None:
    """Put one option in or out; where the number is fixed, exchange one for another."""
    exchanges = subset_exchanges(node, draft)
    for slot in exchanges[int(rng.random() * len(exchanges))]:
        draft[slot] = 1 - draft[slot]


def subset_exchanges(node: SubsetNode, draft: Draft) -> list[tuple[int, ...]]:
    """Return the slots to flip for each single edit of a subset."""
    slots = range(node.start, node.stop)
    taken = [slot for slot in slots if draft[slot]]
    left = [slot for slot in slots if not draft[slot]]
    low, high = node.decision.min, node.decision.max
    if low == high:
        return [(out, into) for out in taken for into in left]
    flips = (taken if len(taken) > low else []) + (left if len(taken) < high else [])
    return [(slot,) for slot in flips]


def _edit_list(node: ListNode, draft: Draft, rng: np.random.Generator) -> None:
    length = node.length(draft)
    change = _CHANGE if length and node.items[0].varied else 0.0
    insert = _INSERT if length < node.decision.max_length else 0.0
    delete = _DELETE if length > node.decision.min_length else 0.0
    choice = rng.random() * (change + insert + delete)
    if choice < change:
        _edit(node.items[int(rng.random() * length)], draft, rng)
    elif choice < change + insert:
        place = int(rng.random() * (length + 1))
        open_gap(node, draft, place)
        draw_into(node.items[place], draft, rng)
    else:
        close_gap(node, draft, int(rng.random() * length))


def open_gap(node: ListNode, draft: Draft, place: int) -> None:
    """Lengthen a list by one item, whose slots hold None."""
    first = node.start + 1 + place * node.stride
    draft[first : node.stop] = [
        *([None] * node.stride),
        *draft[first : node.stop - node.stride],
    ]
    draft[node.start] += 1


def close_gap(node: ListNode, draft: Draft, place: int) -> None:
    """Shorten a list by the item at a place."""
    first = node.start + 1 + place * node.stride
    draft[first : node.stop] = [
        *draft[first + node.stride : node.stop],
        *([None] * node.stride),
    ]
    draft[node.start] -= 1
