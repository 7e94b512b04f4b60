"""Search by score alone, resampled from stored scores: draw N, keep the best one.

J. Mellor, J. Turner, A. Storkey, E. J. Crowley: Neural architecture search without training, ICML
2021 [Mellor2021without]_, Algorithm 1: N architectures are drawn uniformly, with replacement, and
the one with the highest score is the answer. Here both draws and scores come from architectures
that were scored before, so that hundreds of searches take a moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from archwright.errors import ProxyError
from archwright.report.statistics import interval
from archwright.seeding import generator
from archwright.trial import Scores

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OPTIMAL", "RANDOM", "search_frame"]

Floats = NDArray[np.float64]

RANDOM, OPTIMAL = "random", "optimal"
"""What stands beside the proxies: any one of the N, and the best of them by the first result."""


def search_frame(
    scores: Scores,
    results: Mapping[str, Floats],
    *,
    sizes: Sequence[int] = (10, 100, 1000),
    repeats: int = 500,
    seed: int = 0,
    proxies: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return what searches by each proxy find: one row per proxy and N.

    Repeat `i` of all proxies draws the same architectures. A search uses the scores of one
    initialisation; with several, repeats take turns. An architecture without a score is never
    chosen unless none has one.

    Columns: proxy ("random" and "optimal" included), N, repeats, seconds (of scoring N networks),
    and for every result its mean, deviation (`NAME sd`) and 95 % interval of the mean
    (`NAME low`, `NAME high`).

    Args:
        scores: The pool that is drawn from.
        results: Recorded values `(architectures,)` by name, higher is better; the first one says
            what is optimal.
        sizes: The numbers N.
        repeats: Searches of each.
        seed: Of the draws.
        proxies: Which; all if not given.

    Raises:
        ProxyError: If there are no results, or a number is below 1.
    """
    import pandas as pd

    if not results or min((repeats, *sizes), default=0) < 1:
        raise ProxyError(
            f"resampled searches need results, sizes and repeats of at least 1; got "
            f"{list(results)}, {tuple(sizes)!r} and {repeats!r}"
        )
    first = next(iter(results.values()))
    rows = []
    for size in sizes:
        rng = generator(seed, "report", "search", size)
        drawn = rng.integers(len(scores), size=(repeats, size))
        chosen = {RANDOM: drawn[:, 0], OPTIMAL: _best(first, drawn)}
        for name in proxies or scores.proxies:
            chosen[name] = _by_score(scores.of(name), drawn)
        for name, places in chosen.items():
            seconds = scores.only([name]).seconds.mean() if name in scores.proxies else 0.0
            row = {"proxy": name, "N": size, "repeats": repeats, "seconds": float(seconds * size)}
            for result, values in results.items():
                row |= _summary(result, values[places])
            rows.append(row)
    return pd.DataFrame(rows)


def _by_score(values: Floats, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the choice of each repeat, `(repeats,)`; values are `(architectures, seeds)`."""
    seeds = values.shape[1]
    chosen = np.empty(len(drawn), dtype=np.int64)
    for seed in range(seeds):
        chosen[seed::seeds] = _best(values[:, seed], drawn[seed::seeds])
    return chosen


def _best(values: Floats, drawn: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the architecture with the highest value in each row of draws, the first of equals."""
    lowest = np.where(np.isnan(values), -np.inf, values)
    places = np.argmax(lowest[drawn], axis=1)
    best: NDArray[np.int64] = np.take_along_axis(drawn, places[:, None], axis=1)[:, 0]
    return best


def _summary(result: str, values: Floats) -> dict[str, float]:
    low, high = interval(values)
    deviation = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return {
        result: float(values.mean()),
        f"{result} sd": deviation,
        f"{result} low": low,
        f"{result} high": high,
    }
