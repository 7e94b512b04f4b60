from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from archwright.strategy.ranking import WORST, Member
from archwright.strategy.selection import (
    distinct_indices,
    rank_weights,
    roulette_weights,
    tournament_index,
    weighted_index,
)

DRAWS = 20_000
TOLERANCE = 0.015  # over four standard deviations of a frequency in 20,000 draws


def members(*losses: float, violation: float = 0.0) -> list[Member]:
    return [Member((violation, loss), i, None) for i, loss in enumerate(losses)]  # type: ignore[arg-type]


def frequencies(draw: object, n: int) -> list[float]:
    counts = Counter(draw() for _ in range(DRAWS))  # type: ignore[operator]
    return [counts[i] / DRAWS for i in range(n)]


@pytest.mark.parametrize(("n", "k"), [(50, 3), (5, 3), (4, 4), (3, 9)])
def test_distinct_indices_are_distinct_and_uniform(n: int, k: int) -> None:
    rng = np.random.default_rng(0)
    counts: Counter[int] = Counter()
    for _ in range(2000):
        drawn = distinct_indices(n, k, rng=rng)
        assert len(set(drawn)) == len(drawn) == min(n, k)
        counts.update(drawn)
    expected = 2000 * min(n, k) / n
    assert all(abs(counts[i] - expected) <= 5 * math.sqrt(expected) for i in range(n))


def test_tournament_picks_the_best_of_a_draw_without_replacement() -> None:
    rng = np.random.default_rng(1)
    found = frequencies(lambda: tournament_index(4, 2, rng=rng), 4)
    # Of the 6 pairs the best has index 0 in 3, 1 in 2, 2 in 1, 3 in none.
    assert found == pytest.approx([3 / 6, 2 / 6, 1 / 6, 0], abs=TOLERANCE)


def test_tournament_of_more_than_there_are_picks_the_best() -> None:
    assert tournament_index(3, 10, rng=np.random.default_rng(0)) == 0


def test_rank_selection_is_linear() -> None:
    rng = np.random.default_rng(2)
    weights = rank_weights(members(-3, -2, -1))
    found = frequencies(lambda: weighted_index(weights, rng=rng), 3)
    assert found == pytest.approx([3 / 6, 2 / 6, 1 / 6], abs=TOLERANCE)


def test_roulette_is_in_proportion_to_the_gain_over_the_worst() -> None:
    rng = np.random.default_rng(3)
    weights = roulette_weights(members(-0.9, -0.6, -0.5))
    found = frequencies(lambda: weighted_index(weights, rng=rng), 3)
    assert found == pytest.approx([4 / 5, 1 / 5, 0], abs=TOLERANCE)


def test_roulette_gives_nothing_to_failed_and_infeasible_members() -> None:
    mixed = [*members(-0.9, -0.5), *members(-2.0, violation=0.1)]
    mixed.append(Member(WORST, 9, None))  # type: ignore[arg-type]
    assert roulette_weights(mixed) == pytest.approx([0.4, 0.4, 0.4, 0.4])


@pytest.mark.parametrize(
    "equal",
    [members(-1, -1, -1), [Member(WORST, i, None) for i in range(3)]],  # type: ignore[arg-type]
)
def test_roulette_without_any_gain_is_uniform(equal: list[Member]) -> None:
    assert roulette_weights(equal) == [1, 2, 3]


def test_weighted_index_never_leaves_the_list() -> None:
    class Top:
        def random(self) -> float:
            return 1.0

    assert weighted_index([1.0, 3.0], rng=Top()) == 1  # type: ignore[arg-type]
