"""Ways to pick a parent. All take members sorted from best to worst."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import isfinite

import numpy as np

from archwright.strategy.ranking import Member

__all__ = [
    "distinct_indices",
    "ordered",
    "rank_weights",
    "roulette_weights",
    "tournament_index",
    "weighted_index",
]

_FEW = 64


def distinct_indices(n: int, k: int, *, rng: np.random.Generator) -> list[int]:
    """Return `k` different numbers below `n`, drawn uniformly."""
    if k >= n:
        return list(range(n))
    if ordered(n, k):
        smallest: list[int] = rng.random(n).argsort()[:k].tolist()
        return smallest
    drawn: dict[int, None] = {}
    while missing := k - len(drawn):  # few among many: repeats are rare
        drawn |= dict.fromkeys([int(u * n) for u in rng.random(missing).tolist()])
    return list(drawn)


def ordered(n: int, k: int) -> bool:
    """Return whether `distinct_indices` puts `n` random numbers in order; else it draws again.

    The former is quicker where there are few, and where repeats would be frequent.
    """
    return n <= _FEW or 4 * k > n


def tournament_index(n: int, size: int, *, rng: np.random.Generator) -> int:
    """Return the index of the best of `size` different members drawn out of `n` sorted ones."""
    return min(distinct_indices(n, size, rng=rng))


def rank_weights(members: Sequence[Member]) -> list[float]:
    """Return cumulative weights of linear ranking: best `n`, next `n - 1`, ... worst 1."""
    return list(accumulate(float(weight) for weight in range(len(members), 0, -1)))


def roulette_weights(members: Sequence[Member]) -> list[float]:
    """Return cumulative weights in proportion to the gain in loss over the worst feasible member.

    Infeasible and failed members weigh nothing. If nobody has a gain (all equal, or none
    feasible), everybody weighs the same.
    """
    losses = [m.rank[1] for m in members if m.rank[0] == 0 and isfinite(m.rank[1])]
    worst = max(losses, default=0.0)
    gains = [worst - m.rank[1] if m.rank[0] == 0 else 0.0 for m in members]
    if not any(gains):
        gains = [1.0] * len(members)
    return list(accumulate(gains))


def weighted_index(cumulative: Sequence[float], *, rng: np.random.Generator) -> int:
    """Return an index with probability in proportion to its weight."""
    return bisect_right(cumulative, rng.random() * cumulative[-1], hi=len(cumulative) - 1)
