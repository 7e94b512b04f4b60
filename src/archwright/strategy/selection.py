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
    "rank_weights",
    "roulette_weights",
    "tournament_index",
    "weighted_index",
]


def distinct_indices(n: int, k: int, *, rng: np.random.Generator) -> list[int]:
    """Return `k` different numbers below `n`, drawn uniformly."""
    if k >= n:
        return list(range(n))
    if 4 * k > n:
        indices: list[int] = rng.permutation(n)[:k].tolist()
        return indices
    drawn: dict[int, None] = {}
    while missing := k - len(drawn):  # few among many: repeats are rare
        drawn |= dict.fromkeys([int(u * n) for u in rng.random(missing).tolist()])
    return list(drawn)


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
