"""Every architecture that one small edit away from a given one.

| decision | edits |
| --- | --- |
| Choice | each other option |
| Integer | 1, 2, 4, 8 ... steps up and down |
| Real | 1/2, 1/4, ... 1/64 of its scale up and down |
| Subset | each option in or out; an exchange where the number is fixed |
| List | each edit of each item, each item doubled, each item left out |

What an edit opens takes its first value, so a neighbourhood is finite and has no chance in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from archwright.space._mutation import close_gap, open_gap, subset_exchanges
from archwright.space._nodes import Draft, GroupNode, ListNode, Node, ScalarNode, SubsetNode
from archwright.space._program import Program
from archwright.space._sampling import active_leaves, lowest_into, settle
from archwright.space.decisions import Choice, Real

__all__ = ["neighbors"]

_FINEST = 6  # 1 / 2**6 of a real's scale


def neighbors(program: Program, codes: tuple[int | float, ...]) -> Iterator[Draft]:
    """Yield the codes of each neighbour; an equal one may come twice."""
    for node in active_leaves(program, codes):
        for edited in _edits(node, program.draft(codes)):
            yield settle(program, edited, lowest_into)


def _edits(node: Node, draft: Draft) -> Iterator[Draft]:
    if isinstance(node, ScalarNode):
        for code in _codes(node, draft[node.start]):
            edited = draft.copy()
            edited[node.start] = code
            yield edited
    elif isinstance(node, SubsetNode):
        for slots in subset_exchanges(node, draft):
            edited = draft.copy()
            for slot in slots:
                edited[slot] = 1 - edited[slot]
            yield edited
    elif isinstance(node, ListNode):
        yield from _list_edits(node, draft)
    elif isinstance(node, GroupNode):
        for child in node.leaves():
            if child.varied and draft[child.start] is not None:
                yield from _edits(child, draft)


def _codes(node: ScalarNode, code: int | float) -> Iterator[int | float]:
    decision = node.decision
    if isinstance(decision, Choice):
        yield from (other for other in range(decision.size) if other != code)
    elif isinstance(decision, Real):
        here = decision.unit(code)
        steps = [2.0**-k for k in range(1, _FINEST + 1)]
        places = [here + sign * step for step in steps for sign in (1, -1)]
        yield from (decision.at(place) for place in places if 0 <= place <= 1)
    else:
        step = 1
        while step < decision.size:
            yield from (c for c in (int(code) + step, int(code) - step) if 0 <= c < decision.size)
            step *= 2


def _list_edits(node: ListNode, draft: Draft) -> Iterator[Draft]:
    length = node.length(draft)
    for item in node.items[:length]:
        if item.varied:
            yield from _edits(item, draft)
    if length < node.decision.max_length:
        for place in range(length):
            edited = draft.copy()
            item = node.items[place]
            open_gap(node, edited, place)
            edited[item.start : item.stop] = draft[item.start : item.stop]
            yield edited
        if not length:
            edited = draft.copy()
            open_gap(node, edited, 0)
            lowest_into(node.items[0], edited)
            yield edited
    if length > node.decision.min_length:
        for place in range(length):
            edited = draft.copy()
            close_gap(node, edited, place)
            yield edited
