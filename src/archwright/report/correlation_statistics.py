"""How well scores order architectures: rank correlations, top lists, and what size explains.

All functions take float arrays `(architectures,)`, higher is better, of the same length. NaN must
have been left out before.

Spearman's rho is Pearson's correlation of average ranks; Kendall's tau is tau-b, which counts ties
(both of scipy). The partial rho takes away from the ranks of both what a straight line in the ranks
of a third quantity explains.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "bootstrapped_difference",
    "kendall",
    "partial_spearman",
    "spearman",
    "top_correlation",
    "top_overlap",
]

Floats = NDArray[np.float64]

_FEW = 3  # fewer architectures than these have no correlation worth a number


def spearman(scores: ArrayLike, target: ArrayLike) -> float:
    """Return Spearman's rho; NaN for fewer than three architectures, or if all are tied.

    Example:
        >>> spearman([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 40.0, 30.0])
        0.8
    """
    a, b = (_ranks(np.asarray(values, dtype=np.float64)) for values in (scores, target))
    return _pearson(a, b)


def kendall(scores: ArrayLike, target: ArrayLike) -> float:
    """Return Kendall's tau-b; NaN for fewer than three architectures, or if all are tied.

    Example:
        >>> round(kendall([1.0, 2.0, 2.0, 3.0], [1.0, 2.0, 3.0, 4.0]), 4)
        0.9129
    """
    from scipy import stats

    a, b = (np.asarray(values, dtype=np.float64) for values in (scores, target))
    if len(a) < _FEW or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    return float(stats.kendalltau(a, b, variant="b").statistic)


def partial_spearman(scores: ArrayLike, target: ArrayLike, *given: ArrayLike) -> float:
    """Return the rank correlation of what other quantities do not explain.

    Args:
        scores: Higher is better.
        target: What they should order.
        given: Quantities, say the logarithm of the number of parameters; only their ranks count.

    Example:
        >>> size = [1.0, 2.0, 3.0, 4.0]
        >>> partial_spearman(size, [1.0, 3.0, 2.0, 4.0], size)  # nothing is left of the score
        nan
    """
    ranked = [_ranks(np.asarray(values, dtype=np.float64)) for values in (scores, target, *given)]
    count = len(ranked[0])
    if count < _FEW + len(given):
        return math.nan
    basis = np.stack([np.ones(count), *ranked[2:]], axis=1)
    left = []
    for ranks in ranked[:2]:
        explained = basis @ np.linalg.lstsq(basis, ranks, rcond=None)[0]
        rest = ranks - explained
        nothing = float(np.abs(rest).max(initial=0.0)) <= 1e-9 * count
        left.append(np.zeros(count) if nothing else rest)
    return _pearson(*left)


def top_overlap(scores: ArrayLike, target: ArrayLike, k: int) -> float:
    """Return which share of the best `k` by target is among the best `k` by score.

    Ties at the edge are broken by the order of the architectures, the first ones first.

    Example:
        >>> top_overlap([4.0, 3.0, 2.0, 1.0], [4.0, 1.0, 3.0, 2.0], 2)
        0.5
    """
    best = [
        set(np.argsort(-np.asarray(v, dtype=np.float64), kind="stable")[:k].tolist())
        for v in (scores, target)
    ]
    return len(best[0] & best[1]) / k


def top_correlation(scores: ArrayLike, target: ArrayLike, share: float = 0.1) -> float:
    """Return Spearman's rho among the best tenth (or another share) by target."""
    a, b = (np.asarray(values, dtype=np.float64) for values in (scores, target))
    count = math.ceil(share * len(b))
    places = np.argsort(-b, kind="stable")[:count]
    return spearman(a[places], b[places])


def bootstrapped_difference(
    scores: Floats, others: Floats, target: Floats, *, rng: np.random.Generator, draws: int = 400
) -> tuple[float, float]:
    """Return the 95 % interval of rho(scores) - rho(others) on resampled architectures.

    Args:
        scores: Of one proxy.
        others: Of another one, for the same architectures.
        target: What they should order.
        rng: Draws the architectures.
        draws: How often.
    """
    from scipy import stats

    if len(target) < _FEW:
        return math.nan, math.nan
    places = rng.integers(len(target), size=(draws, len(target)))
    ranks = [stats.rankdata(values[places], axis=1) for values in (scores, others, target)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    norms = [np.sqrt((rank**2).sum(axis=1)) for rank in centred]
    rhos = []
    for place in (0, 1):
        product = (centred[place] * centred[2]).sum(axis=1)
        scale = norms[place] * norms[2]
        rhos.append(np.divide(product, scale, out=np.zeros(draws), where=scale > 0))
    low, high = np.quantile(rhos[0] - rhos[1], [0.025, 0.975])
    return float(low), float(high)


def _ranks(values: Floats) -> Floats:
    from scipy import stats

    ranked: Floats = stats.rankdata(values)
    return ranked


def _pearson(a: Floats, b: Floats) -> float:
    if len(a) < _FEW:
        return math.nan
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return round(float(a @ b) / scale, 12) if scale > 0 else math.nan
