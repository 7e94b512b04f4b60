"""Evolution that starts from the best of a scored sample, many times on a benchmark table.

J. Mellor, J. Turner, A. Storkey, E. J. Crowley: Neural architecture search without training, ICML
2021 [Mellor2021without]_, "AREA": score M random architectures, train the best P of them as the
first population, then go on as regularized evolution. The paper takes M = 20 and P = 10 and does
not say how large a tournament is.

Each repeat draws its own M from the architectures that were scored. `warm_start` gives the list for
one search: the option `initial` of any strategy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import BenchmarkError, ProxyError, StrategyError
from archwright.frontdoor.comparing import ComparisonResult
from archwright.run import compare
from archwright.run.recorded import Recorded
from archwright.run.repeats import Raw, Searcher
from archwright.seeding import generator
from archwright.space import Architecture, Space
from archwright.strategy.batched_evolution import BatchedEvolution
from archwright.strategy.regularized_evolution import RegularizedEvolution
from archwright.trial import Budget, Contender, Scores

if TYPE_CHECKING:
    from archwright.benchmark import Table

__all__ = ["compare_assisted", "drawn_starts", "warm_start"]

Integers = NDArray[np.int64]


def warm_start(
    scores: Scores, space: Space, proxy: str, *, samples: int = 20, keep: int = 10, seed: int = 0
) -> list[Architecture]:
    """Return the best `keep` of `samples` scored architectures, the best first.

    Args:
        scores: The first initialisation counts.
        space: Reads their texts.
        proxy: Higher is better; who has no score comes last.
        samples: How many are drawn, without repetition.
        keep: How many are returned, as `initial` of a strategy.
        seed: Of the draw.

    Raises:
        UnknownNameError: If the proxy is not among the scores.
        ProxyError: If there are not as many architectures, or fewer are drawn than kept.
    """
    places = drawn_starts(scores.of(proxy)[:, 0], [seed], samples=samples, keep=keep)[0]
    return [space.parse(scores.architectures[place]) for place in places.tolist()]


def drawn_starts(
    values: NDArray[np.float64], seeds: Sequence[int], *, samples: int, keep: int
) -> Integers:
    """Return the places `(seeds, keep)` of the best of a sample of each seed, the best first.

    Args:
        values: `(architectures,)`, higher is better; NaN comes last.
        seeds: One for each search.
        samples: How many are drawn, without repetition.
        keep: How many are kept.

    Raises:
        ProxyError: If there are not as many architectures, or fewer are drawn than kept.
    """
    if not 1 <= keep <= samples <= len(values):
        raise ProxyError(
            f"keep of samples of scored architectures must ascend from 1; got keep={keep!r}, "
            f"samples={samples!r}, {len(values)} scored"
        )
    lowest = np.where(np.isnan(values), -np.inf, values)
    drawn = np.stack(
        [generator(seed, "warm start").permutation(len(values))[:samples] for seed in seeds]
    )
    order = np.argsort(-lowest[drawn], axis=1, kind="stable")[:, :keep]
    return np.take_along_axis(drawn, order, axis=1)


def compare_assisted(
    table: Table,
    scores: Scores,
    proxies: Sequence[str] = ("naswot",),
    *,
    samples: int = 20,
    budget: Budget | int = 100,
    repeats: int = 50,
    options: Mapping[str, Any] | None = None,
    **settings: Any,
) -> ComparisonResult:
    """Compare evolution from a scored start with plain evolution and random search on a table.

    Everything else is as in `compare`: seeds, drawn trainings, budgets, answers. The time that
    scoring takes is not recorded in the table and is not counted; `Scores.seconds` tells it.

    Args:
        table: Of a space that is a product, its data set bound.
        scores: Of architectures of the table.
        proxies: One more search for each.
        samples: How many scored architectures each repeat draws; its `population` is kept.
        budget: What each search may spend, in evaluations or recorded seconds.
        repeats: Searches of each.
        options: Of regularized evolution, for both; population 10, sample of 10, without repeats
            if not given.
        settings: As for `compare`: seed, objective, epochs, report, recorded.

    Raises:
        UnknownNameError: If a name is not known.
        ProxyError: If too few architectures were scored.
        BenchmarkError: If the table lacks a scored architecture, or is of another space.
        StrategyError: If the space has rules, so that repeats cannot be advanced together.
    """
    evolution = {"population": 10, "sample_size": 10, **(options or {})}
    _check(table, scores)
    plain = compare(
        table, [("regularized-evolution", evolution)], budget=budget, repeats=repeats, **settings
    )
    reading = {key: settings[key] for key in ("epochs", "report", "recorded") if key in settings}
    found = Recorded.read(table, plain.objective, **reading)
    searcher, runs = _Assisted(found, plain.budget), list(plain.runs)
    started = time.perf_counter()
    for proxy in proxies:
        starts = drawn_starts(
            scores.of(proxy)[:, 0],
            runs[0].seeds,
            samples=samples,
            keep=int(evolution["population"]),
        )
        label = f"{proxy}, best of {samples}, then evolution"
        contender = Contender(label, "regularized-evolution", evolution)
        codes = np.array([table.space.parse(text).codes for text in scores.architectures])
        searcher.starts = found.space.numbers(codes)[starts]
        runs.append(
            searcher.record(contender, runs[0].seeds, searcher.run(contender, runs[0].seeds))
        )
    wall = plain.wall_seconds + time.perf_counter() - started
    return ComparisonResult(replace(plain, runs=tuple(runs), wall_seconds=wall))


def _check(table: Table, scores: Scores) -> None:
    if scores.space != table.space.name:
        raise BenchmarkError(
            f"these are scores of the space {scores.space!r}, but table {table.name!r} is of the "
            f"space {table.space.name!r}; give a benchmark of the same space"
        )
    if not table.space.is_product or len(table) != table.space.size:
        raise StrategyError(
            f"table {table.name!r} must have every architecture of a space without rules, for "
            "searches that are advanced together"
        )


class _Assisted(Searcher):
    """Runs evolutions whose first population is given, another one for each repeat."""

    def __init__(self, found: Recorded, budget: Budget) -> None:
        super().__init__(found, budget, workers=1)
        self.starts: Integers = np.zeros((0, 0), dtype=np.int64)

    def run(
        self,
        contender: Contender,
        seeds: Sequence[int],
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Raw:
        """Run one repeat for each seed, from `starts`: numbers `(seeds, population)`."""
        strategy = RegularizedEvolution(
            self.found.space, [self.found.objective], seed=0, **contender.options
        )
        return self._together(_FromStarts(strategy, seeds, self.starts), seeds, should_stop)


class _FromStarts(BatchedEvolution):
    """Evolutions that propose their own starts first; then as those with the option `initial`."""

    def __init__(
        self, strategy: RegularizedEvolution, seeds: Sequence[int], starts: Integers
    ) -> None:
        super().__init__(strategy, seeds)
        self._starts = starts

    def _propose(self) -> Integers:
        if self.asked < self._starts.shape[1]:
            return self._starts[:, self.asked]
        return super()._propose()
