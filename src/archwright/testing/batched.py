"""What every batched form of a strategy keeps: the proposals of the plain one, exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from archwright.seeding import derive_seed
from archwright.space import Space
from archwright.strategy import Strategy, make_strategy
from archwright.strategy.batched import Batched, batched
from archwright.testing.strategies import OBJECTIVE
from archwright.trial import Measurement, Outcome, Status, Trial

__all__ = ["check_batched", "coarse_fitness", "plain_history"]

_SEEDS = (3, 1)

Fitness = Callable[[Sequence[float]], float]


def coarse_fitness(codes: Sequence[float], *, failing: float = 0.0) -> float:
    """Return one of ten numbers that depends on the codes alone, so that many are equal.

    Args:
        codes: Of an architecture.
        failing: The part of all architectures that fail instead: NaN.
    """
    value = derive_seed(0, *codes) / 2**63
    return math.nan if value < failing else math.floor(10 * value) / 10


def check_batched(name: str, space: Space, *, proposals: int = 110, **options: Any) -> None:
    """Check that many searches advanced together propose what each proposes alone.

    Args:
        name: A strategy with a batched form on the space.
        space: Small ones are used up, and the form has to stop there.
        proposals: How many are compared, at most.
        options: The strategy's options.

    Raises:
        AssertionError: If a search differs; says which and where.
    """
    for failing in (0.0, 0.4):

        def fitness(codes: Sequence[float], failing: float = failing) -> float:
            return coarse_fitness(codes, failing=failing)

        searches = batched(name, space, _SEEDS, options)
        assert searches is not None, f"{name} has no batched form on {space.name}"
        together = _history(searches, fitness, proposals)
        for seed, codes in zip(_SEEDS, together, strict=True):
            plain = make_strategy(name, space, [OBJECTIVE], seed=seed, **options)
            alone = plain_history(plain, fitness, proposals)
            _expect_same(f"{name} on {space.name}, seed {seed}, {failing=}", codes, alone)


def plain_history(strategy: Strategy, fitness: Fitness, proposals: int) -> list[tuple[float, ...]]:
    """Return the codes that a strategy proposes when each is told before the next is asked."""
    codes = []
    for number in range(proposals):
        asked = strategy.ask(1)
        if not asked:
            break
        codes.append(asked[0].architecture.codes)
        value = fitness(codes[-1])
        outcome = (
            Outcome(Status.CRASHED, error="made to fail")
            if math.isnan(value)
            else Outcome.completed(Measurement({"score": value}))
        )
        strategy.tell(Trial(number, asked[0], seed=0).finish(outcome, order=number))
    return codes


def _history(searches: Batched, fitness: Fitness, proposals: int) -> list[list[tuple[float, ...]]]:
    codes: list[list[tuple[float, ...]]] = [[] for _ in range(searches.searches)]
    for _ in range(proposals):
        asked = searches.ask()
        if not len(asked):
            assert searches.stopped, "stopped without a reason"
            break
        assert (searches.space.numbers(asked) == searches.numbers).all(), "codes and numbers differ"
        rows = [tuple(row) for row in asked.tolist()]
        for one, row in zip(codes, rows, strict=True):
            one.append(row)
        searches.tell(np.array([fitness(row) for row in rows]))
    return codes


def _expect_same(
    where: str, together: Sequence[tuple[float, ...]], alone: Sequence[tuple[float, ...]]
) -> None:
    for number, (ours, theirs) in enumerate(zip(together, alone, strict=False)):
        if ours != theirs:
            raise AssertionError(f"{where}: proposal {number} is {ours} together, {theirs} alone")
    if len(together) != len(alone):
        raise AssertionError(f"{where}: {len(together)} proposals together, {len(alone)} alone")
