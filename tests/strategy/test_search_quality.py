"""Learning pays: every strategy that learns beats random search on an additive table.

Six decisions of five options; the score is the share of decisions that match a hidden target.
Over 30 fixed seeds the best of 100 evaluations has a standard error below 0.02, so the margins
asked for are far outside of chance.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from archwright.space import Choice, Space
from archwright.strategy import make_strategy
from archwright.testing.strategies import Record
from archwright.trial import Measurement, Outcome, Trial

SEEDS = 30
EVALUATIONS = 100
SPACE = Space({f"d{i}": Choice(0, 1, 2, 3, 4) for i in range(6)}, name="additive")


def mean_best(name: str, **options: object) -> float:
    bests = []
    for seed in range(SEEDS):
        target = np.random.default_rng(1000 + seed).integers(0, 5, 6).tolist()

        def matches(trial: Trial, target: list[int] = target) -> Outcome:
            same = sum(a == b for a, b in zip(trial.architecture.codes, target, strict=True))
            return Outcome.completed(Measurement({"score": same / 6}))

        record = Record(make_strategy(name, SPACE, ["max:score"], seed=seed, **options), matches)
        record.run(EVALUATIONS)
        bests.append(max(trial.metrics["score"] for trial in record.trials))
    return float(np.mean(bests))


@cache
def random_search() -> float:
    return mean_best("random")


def test_random_search_is_where_it_is_expected() -> None:
    # 0.674 was measured elsewhere over 200 seeds with repeats allowed.
    assert random_search() == pytest.approx(0.68, abs=0.04)


@pytest.mark.parametrize(
    ("name", "options", "margin"),
    [
        ("regularized-evolution", {"population": 10, "sample_size": 3}, 0.12),
        ("regularized-evolution", {"population": 10, "sample_size": 3, "removal": "worst"}, 0.12),
        ("regularized-evolution", {"population": 10, "sample_size": 3, "replacement": False}, 0.12),
        ("regularized-evolution", {}, 0.08),
        ("evolution", {"population": 10}, 0.12),
        ("evolution", {}, 0.08),
        ("genetic", {"population": 10}, 0.08),
        ("genetic", {"population": 10, "selection": "rank"}, 0.04),
        ("genetic", {"population": 10, "selection": "roulette"}, 0.04),
        ("local-search", {}, 0.12),
        ("local-search", {"full_neighborhood": True}, 0.12),
        ("local-search", {"at_summit": "continue"}, 0.12),
    ],
    ids=str,
)
def test_learning_beats_random_search(name: str, options: dict[str, object], margin: float) -> None:
    assert mean_best(name, **options) >= random_search() + margin


def test_mutation_probability_of_the_usual_tutorial_stalls_less_with_redraws() -> None:
    assert mean_best("evolution", population=10, mutation_probability=0.1) >= random_search() + 0.05
