"""One order of candidates from several proxies.

Proxies have scales of their own, so what is put together are ranks, or values relative to the
other candidates. A combined value therefore depends on the whole set: add a candidate and the
others may change places. Combine once, over all candidates of a comparison; values of different
sets cannot be compared.

    rank_sum        TE-NAS [Chen2021tenas]_: sum of ranks
    log_rank_sum    AZ-NAS [Lee2024aznas]_: sum of ln(rank / candidates); being last hurts most
    min_max_sum     FreeREA [Cavagnero2023freerea]_: sum of values brought to [0, 1]
    vote            zero-cost-nas [Abdelfattah2021zerocost]_: who wins most pairs by majority

The majority of the last is not transitive, A over B over C over A, and gives no order by itself;
we take the Copeland count, the share of pairs won. FreeREA divides by the largest value seen;
subtracting the smallest first also serves proxies with negative values.

All functions take `(proxies, candidates)`, higher is better, and return `(candidates,)`, higher is
better. NaN stands for a candidate without a score: it ranks last in that proxy, tied with others
like it and with minus infinity, and is never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archwright.errors import ProxyError, UnknownNameError

__all__ = ["COMBININGS", "combine", "log_rank_sum", "min_max_sum", "rank_sum", "ranks", "vote"]

Values = NDArray[np.float64]

_CHUNK = 1 << 22  # pairs compared at a time


def ranks(values: ArrayLike) -> Values:
    """Return the rank of each candidate in each proxy, from 1 for the worst; ties share the mean.

    Args:
        values: `(proxies, candidates)`.

    Returns:
        `(proxies, candidates)`, in [1, candidates].

    Raises:
        ProxyError: If the shape is another, or there are no candidates.

    Example:
        >>> ranks([[5.0, 3.0, float("nan"), 5.0]]).tolist()
        [[3.5, 2.0, 1.0, 3.5]]
    """
    table = _table(values)
    return np.stack([_ranked(row) for row in table])


def rank_sum(values: ArrayLike) -> Values:
    """Return the sum of the ranks over the proxies.

    Args:
        values: `(proxies, candidates)`.
    """
    summed: Values = ranks(values).sum(axis=0)
    return summed


def log_rank_sum(values: ArrayLike) -> Values:
    """Return the sum over the proxies of ln(rank / candidates); 0 for who is best in all.

    Args:
        values: `(proxies, candidates)`.
    """
    found = ranks(values)
    summed: Values = np.log(found / found.shape[1]).sum(axis=0)
    return summed


def min_max_sum(values: ArrayLike) -> Values:
    """Return the sum over the proxies of (value - smallest) / (largest - smallest).

    Smallest and largest are of the finite values; minus infinity and NaN give 0, infinity 1, and a
    proxy that gives all the same says nothing.

    Args:
        values: `(proxies, candidates)`.
    """
    summed: Values = np.sum([_stretched(row) for row in _table(values)], axis=0)
    return summed


def vote(values: ArrayLike) -> Values:
    """Return the share of the other candidates that each beats, half a point for a draw.

    One beats another if more than half of the proxies score it higher. 1 for a sole candidate.

    Args:
        values: `(proxies, candidates)`.
    """
    found = ranks(values)
    proxies, candidates = found.shape
    if candidates == 1:
        return np.ones(1)
    step = max(1, _CHUNK // candidates)
    points = [
        _points(found[:, start : start + step], found, proxies)
        for start in range(0, candidates, step)
    ]
    shares: Values = (np.concatenate(points) - 0.5) / (candidates - 1)  # less the draw with itself
    return shares


COMBININGS: Mapping[str, Callable[[ArrayLike], Values]] = {
    "log_rank_sum": log_rank_sum,
    "min_max_sum": min_max_sum,
    "rank_sum": rank_sum,
    "vote": vote,
}


def combine(values: ArrayLike, how: str = "vote") -> Values:
    """Return what the function named `how` makes of the scores.

    Args:
        values: `(proxies, candidates)`.
        how: A name of `COMBININGS`.

    Raises:
        UnknownNameError: If there is no such name.

    Example:
        >>> combine([[1.0, 2.0, 3.0], [10.0, 30.0, 20.0], [0.1, 0.3, 0.2]], "vote").tolist()
        [0.0, 1.0, 0.5]
    """
    if how not in COMBININGS:
        raise UnknownNameError("way to combine proxies", how, tuple(COMBININGS))
    return COMBININGS[how](values)


def _table(values: ArrayLike) -> Values:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or 0 in table.shape:
        raise ProxyError(
            f"scores to combine must have the shape (proxies, candidates), at least one of each; "
            f"got {table.shape}"
        )
    return np.where(np.isnan(table), -np.inf, table)


def _ranked(row: Values) -> Values:
    _, groups, sizes = np.unique(row, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    return np.asarray((ends - (sizes - 1) / 2)[groups], dtype=np.float64)


def _stretched(row: Values) -> Values:
    finite = row[np.isfinite(row)]
    low, high = (finite.min(), finite.max()) if len(finite) else (0.0, 0.0)
    if high == low:
        return np.where(row >= low, 1.0, 0.0)
    clipped: Values = np.clip(row, low, high)
    return (clipped - low) / (high - low)


def _points(some: Values, everyone: Values, proxies: int) -> Values:
    """Return wins and half the draws of some candidates against everyone, themselves included."""
    wins = np.zeros((some.shape[1], everyone.shape[1]), np.int16)
    losses = np.zeros_like(wins)
    for a, b in zip(some, everyone, strict=True):
        wins += a[:, None] > b[None, :]
        losses += a[:, None] < b[None, :]
    won, lost = 2 * wins > proxies, 2 * losses > proxies
    points: Values = won.sum(axis=1) + 0.5 * (~won & ~lost).sum(axis=1)
    return points
