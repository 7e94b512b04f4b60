"""A child of two parents, decision by decision.

* uniform: each decision from either parent. A list has the length of either parent, and each item
  from either parent that has it.
* one-point: decisions before a random cut from the first parent, the others from the second. A
  list is a head of the first parent's and a tail of the second's, each cut at its own place.
* blend: integers and reals become u a + (1 - u) b with u uniform in [-0.25, 1.25], clipped to the
  range; choices and subsets come from either parent. Of a list, the items that both parents have
  are blended, and each other one is kept with probability 1/2.

A decision that is open in one parent only comes from that one; one that the combination opens and
neither parent has is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from archwright.errors import UnknownNameError
from archwright.space._nodes import Draft, ListNode, Node, ScalarNode
from archwright.space._program import Program
from archwright.space._sampling import draw_into, settle
from archwright.space.decisions import Choice, Real

__all__ = ["KINDS", "crossover"]

KINDS = ("uniform", "one-point", "blend")

_Codes = tuple[int | float, ...]
_OVERSHOOT = 0.25


def crossover(
    program: Program, first: _Codes, second: _Codes, kind: str, rng: np.random.Generator
) -> Draft:
    """Return the codes of a child.

    Raises:
        UnknownNameError: If `kind` is not one of `KINDS`.
    """
    mix = _MIXES.get(kind)
    if mix is None:
        raise UnknownNameError("kind of crossover", kind, KINDS)
    child: Draft = [None] * program.width
    mix(program.leaves, program.draft(first), program.draft(second), child, rng)
    return settle(program, child, partial(_draw_into, rng))


def _draw_into(rng: np.random.Generator, node: Node, draft: Draft) -> None:
    draw_into(node, draft, rng)


def _uniform(
    leaves: tuple[Node, ...], a: Draft, b: Draft, child: Draft, rng: np.random.Generator
) -> None:
    coins = rng.random(len(leaves)).tolist()
    for node, coin in zip(leaves, coins, strict=True):
        source, other = (a, b) if coin < 0.5 else (b, a)
        if source[node.start] is None:
            source = other
        child[node.start : node.stop] = source[node.start : node.stop]
        if isinstance(node, ListNode) and a[node.start] is not None and b[node.start] is not None:
            _mix_items(node, a, b, child, rng)


def _mix_items(node: ListNode, a: Draft, b: Draft, child: Draft, rng: np.random.Generator) -> None:
    """Take each item that both parents have, up to the child's length, from either."""
    shared = min(node.length(a), node.length(b))
    for item, coin in zip(node.items[:shared], rng.random(shared).tolist(), strict=True):
        source = a if coin < 0.5 else b
        child[item.start : item.stop] = source[item.start : item.stop]
    # The longer parent alone has the rest; a child of its length got it with the length.


def _one_point(
    leaves: tuple[Node, ...], a: Draft, b: Draft, child: Draft, rng: np.random.Generator
) -> None:
    cut = 1 + int(rng.random() * (len(leaves) - 1))
    for place, node in enumerate(leaves):
        source, other = (a, b) if place < cut else (b, a)
        if source[node.start] is None:
            source = other
        if isinstance(node, ListNode) and a[node.start] is not None and b[node.start] is not None:
            _join(node, a, b, child, rng)
        else:
            child[node.start : node.stop] = source[node.start : node.stop]


def _join(node: ListNode, a: Draft, b: Draft, child: Draft, rng: np.random.Generator) -> None:
    """Join a head of the first parent's list to a tail of the second's, within the limits."""
    low, high = node.decision.min_length, node.decision.max_length
    head = int(rng.random() * (node.length(a) + 1))
    most_dropped = node.length(b) - max(low - head, 0)
    dropped = int(rng.random() * (most_dropped + 1))
    length = min(head + node.length(b) - dropped, high)
    child[node.start] = length - low
    for place in range(length):
        source, item = (a, place) if place < head else (b, dropped + place - head)
        _copy_item(node, source, item, child, place)


def _copy_item(node: ListNode, source: Draft, place: int, child: Draft, to: int) -> None:
    start, target = (node.start + 1 + p * node.stride for p in (place, to))
    child[target : target + node.stride] = source[start : start + node.stride]


def _blend(
    leaves: tuple[Node, ...], a: Draft, b: Draft, child: Draft, rng: np.random.Generator
) -> None:
    for node in leaves:
        if a[node.start] is None or b[node.start] is None:
            source = b if a[node.start] is None else a
            child[node.start : node.stop] = source[node.start : node.stop]
        elif isinstance(node, ListNode):
            _blend_list(node, a, b, child, rng)
        elif isinstance(node, ScalarNode) and not isinstance(node.decision, Choice):
            child[node.start] = _between(node, a[node.start], b[node.start], rng)
        else:
            source = a if rng.random() < 0.5 else b
            child[node.start : node.stop] = source[node.start : node.stop]


def _blend_list(node: ListNode, a: Draft, b: Draft, child: Draft, rng: np.random.Generator) -> None:
    shorter, longer = sorted((a, b), key=node.length)
    length = node.length(shorter)
    for item in node.items[:length]:
        _blend(tuple(item.leaves()), a, b, child, rng)
    for place in range(length, node.length(longer)):
        if rng.random() < 0.5:
            _copy_item(node, longer, place, child, length)
            length += 1
    child[node.start] = length - node.decision.min_length


def _between(node: ScalarNode, a: float, b: float, rng: np.random.Generator) -> int | float:
    u = rng.random() * (1 + 2 * _OVERSHOOT) - _OVERSHOOT
    if isinstance(node.decision, Real):
        unit = u * node.decision.unit(a) + (1 - u) * node.decision.unit(b)
        return node.decision.at(min(max(unit, 0.0), 1.0))
    return min(max(round(u * a + (1 - u) * b), 0), node.decision.size - 1)


_MIXES: dict[str, Callable[..., None]] = {
    "uniform": _uniform,
    "one-point": _one_point,
    "blend": _blend,
}
