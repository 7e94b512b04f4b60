"""The published canonical form of NAS-Bench-Graph architectures.

An architecture is four links (the one input of each node: 0 is the raw input, k the k-th node)
and four operations (their indices in the published list). Three steps make equal ones equal:

1. links are renumbered to one of nine lists (`LINKS`);
2. a skip that passes on the raw input, feeds another node or stands alone moves to the front,
   where all that took the raw input take it instead;
3. operations are sorted among nodes that the links do not tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

__all__ = ["LINKS", "NODES", "SKIP", "canonical", "decode", "encode"]

NODES = 4
SKIP = 8
LINKS = (
    (0, 0, 0, 0),
    (0, 0, 0, 1),
    (0, 0, 1, 1),
    (0, 0, 1, 2),
    (0, 0, 1, 3),
    (0, 1, 1, 1),
    (0, 1, 1, 2),
    (0, 1, 2, 2),
    (0, 1, 2, 3),
)

_Four = tuple[int, ...]

# Links that are no canonical list: the equal list, and the old places of the new operations.
_RENUMBERED: dict[_Four, tuple[_Four, _Four]] = {
    (0, 0, 0, 2): ((0, 0, 0, 1), (1, 0, 2, 3)),
    (0, 0, 0, 3): ((0, 0, 0, 1), (2, 0, 1, 3)),
    (0, 0, 1, 0): ((0, 0, 0, 1), (0, 1, 3, 2)),
    (0, 0, 2, 0): ((0, 0, 0, 1), (1, 0, 3, 2)),
    (0, 0, 2, 1): ((0, 0, 1, 2), (1, 0, 2, 3)),
    (0, 0, 2, 2): ((0, 0, 1, 1), (1, 0, 2, 3)),
    (0, 0, 2, 3): ((0, 0, 1, 3), (1, 0, 2, 3)),
    (0, 1, 0, 0): ((0, 0, 0, 1), (0, 2, 3, 1)),
    (0, 1, 0, 1): ((0, 0, 1, 1), (0, 2, 1, 3)),
    (0, 1, 0, 2): ((0, 0, 1, 3), (0, 2, 1, 3)),
    (0, 1, 0, 3): ((0, 0, 1, 2), (0, 2, 1, 3)),
    (0, 1, 1, 0): ((0, 0, 1, 1), (0, 3, 1, 2)),
    (0, 1, 1, 3): ((0, 1, 1, 2), (0, 2, 1, 3)),
    (0, 1, 2, 0): ((0, 0, 1, 3), (0, 3, 1, 2)),
    (0, 1, 2, 1): ((0, 1, 1, 2), (0, 1, 3, 2)),
}
# Places whose nodes the links do not tell apart, first and behind the last.
_ALIKE: dict[_Four, tuple[int, int]] = {
    (0, 0, 0, 0): (0, 4),
    (0, 0, 0, 1): (1, 3),
    (0, 0, 1, 1): (2, 4),
    (0, 1, 1, 1): (1, 4),
    (0, 1, 2, 2): (2, 4),
}
_TWO_CHAINS = (0, 0, 1, 2)


@lru_cache(maxsize=2**15)
def canonical(links: _Four, operations: _Four) -> tuple[_Four, _Four]:
    """Return the links and operations that stand for all equal ones."""
    links, operations = _renumbered(links, operations)
    for node in range(NODES):
        if operations[node] == SKIP and _moves(node, links, operations):
            links, operations = _moved(node, links, operations)
    return _sorted(*_renumbered(links, operations))


def encode(links: _Four, operations: _Four) -> int:
    """Return the published hash: five decimal digits, which list of links and what operations."""
    digits = (LINKS.index(links), *operations)
    return int("".join(map(str, digits)))


def decode(digits: Sequence[int]) -> tuple[_Four, _Four]:
    """Return the links and operations of the five digits of a hash."""
    return LINKS[digits[0]], tuple(digits[1:])


def _renumbered(links: _Four, operations: _Four) -> tuple[_Four, _Four]:
    if links not in _RENUMBERED:
        return links, operations
    equal, places = _RENUMBERED[links]
    return equal, tuple(operations[place] for place in places)


def _moves(node: int, links: _Four, operations: _Four) -> bool:
    feeds_others = node + 1 in links
    alone = links.count(links[node]) == 1
    return feeds_others or alone or _passes_input(node, links, operations)


def _passes_input(node: int, links: _Four, operations: _Four) -> bool:
    while operations[node] == SKIP:
        if links[node] == 0:
            return True
        node = links[node] - 1
    return False


def _moved(node: int, links: _Four, operations: _Four) -> tuple[_Four, _Four]:
    """Put a skip between the raw input and all that took it; its own nodes take its source."""

    def renamed(source: int) -> int:
        source = links[node] if source == node + 1 else source
        return source + (source <= node)

    others = [place for place in range(NODES) if place != node]
    return (
        (0, *(renamed(links[place]) for place in others)),
        (SKIP, *(operations[place] for place in others)),
    )


def _sorted(links: _Four, operations: _Four) -> tuple[_Four, _Four]:
    if links in _ALIKE:
        start, stop = _ALIKE[links]
        alike = sorted(operations[start:stop])
        return links, (*operations[:start], *alike, *operations[stop:])
    if links == _TWO_CHAINS:
        first, second = sorted((operations[0::2], operations[1::2]))
        return links, (first[0], second[0], first[1], second[1])
    return links, operations
