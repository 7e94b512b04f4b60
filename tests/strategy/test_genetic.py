from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from archwright.space import Choice, Space
from archwright.strategy import Strategy, make_strategy
from archwright.strategy.genetic import diversity
from archwright.testing.strategies import Record
from archwright.trial import Measurement, Outcome, Trial


def build(space: Space, **options: Any) -> Strategy:
    options = {"population": 6, **options}
    return make_strategy("genetic", space, ["max:score"], seed=2, **options)


def test_generations_replace_one_another_but_for_the_elite(cell: Space) -> None:
    record = Record(build(cell, elitism=1))
    record.run(6 + 5 + 5 + 1)
    best = max(record.trials[:6], key=lambda trial: trial.metrics["score"]).number
    second = {p for trial in record.trials[6:11] for p in trial.proposal.parents}
    third = {p for trial in record.trials[11:16] for p in trial.proposal.parents}
    assert second <= set(range(6))
    assert third <= {best, *range(6, 11)}


def test_without_elite_all_are_replaced(cell: Space) -> None:
    record = Record(build(cell, elitism=0))
    record.run(18)
    third = {p for trial in record.trials[12:18] for p in trial.proposal.parents}
    assert third <= set(range(6, 12))


@pytest.mark.parametrize("selection", ["tournament", "rank", "roulette"])
def test_selection_prefers_the_better(cell: Space, selection: str) -> None:
    strategy = build(cell, selection=selection, population=8)
    Record(strategy, _falling).run(8)
    picked = [strategy._parent().number for _ in range(2000)]  # type: ignore[attr-defined]
    counts = np.bincount(picked, minlength=8)
    # All three halves are expected near 3/4; uniform selection would be 0.5 +- 0.011.
    assert counts[:4].sum() / 2000 > 0.65


def test_mutation_hits_each_decision_at_its_rate(cell: Space) -> None:
    strategy = build(cell, mutation_rate=0.5)
    base = cell.sample(rng=np.random.default_rng(0))
    edits = [
        sum(a != b for a, b in zip(base.codes, strategy._mutated(base).codes, strict=True))  # type: ignore[attr-defined]
        for _ in range(500)
    ]
    # Binomial(6, 0.5) edits; some fall on the same decision: about 2.4 differ on average.
    assert 2.1 < np.mean(edits) < 2.7
    assert strategy.options["mutation_rate"] == 0.5


def test_default_mutation_makes_one_edit_on_average(cell: Space) -> None:
    strategy = build(cell)
    base = cell.sample(rng=np.random.default_rng(0))
    edits = [strategy._mutated(base) != base for _ in range(2000)]  # type: ignore[attr-defined]
    # 1 - (5/6)**6 = 0.665 of the children differ.
    assert np.mean(edits) == pytest.approx(0.665, abs=0.04)


def test_children_have_the_steps_of_their_making(cell: Space) -> None:
    record = Record(build(cell))
    record.run(60)
    for trial in record.trials[6:]:
        proposal = trial.proposal
        assert proposal.origin in ("crossover", "mutation", "crossover+mutation")
        assert len(proposal.parents) <= (2 if "crossover" in proposal.origin else 1)


def test_patience_stops_with_a_reason(cell: Space) -> None:
    record = Record(build(cell, patience=3), _falling)
    record.run(1000)
    assert record.strategy.stopped == "no better architecture in 3 generations (option 'patience')"
    assert len(record.trials) == 6 + 3 * 5


def test_patience_starts_anew_with_each_improvement(cell: Space) -> None:
    rising = Record(
        build(cell, patience=1),
        lambda trial: Outcome.completed(Measurement({"score": trial.number})),
    )
    rising.run(100)
    assert rising.strategy.stopped is None


def test_lost_diversity_stops_with_a_reason(cell: Space) -> None:
    record = Record(build(cell, diversity=0.99))
    record.run(1000)
    assert "fell below 0.99 (option 'diversity')" in (record.strategy.stopped or "")
    assert len(record.trials) == 6


def test_diversity_is_the_mean_over_pairs(cell: Space) -> None:
    rng = np.random.default_rng(3)
    sample = [cell.sample(rng=rng) for _ in range(9)]
    slow = [
        np.mean([x != y for x, y in zip(a.codes, b.codes, strict=True)])
        for a, b in combinations(sample, 2)
    ]
    assert diversity(sample) == pytest.approx(np.mean(slow))
    assert diversity(sample[:1]) == 0.0
    assert diversity([sample[0]] * 4) == 0.0


def test_concurrency_is_the_rest_of_the_generation(cell: Space) -> None:
    record = Record(build(cell, elitism=2))
    assert record.strategy.concurrency == 6
    record.run(6)
    assert record.strategy.concurrency == 4
    record.ask(3)
    assert record.strategy.concurrency == 1
    record.tell(record.outstanding[0])
    assert record.strategy.concurrency == 1


def test_best_of_the_population_never_falls_with_an_elite() -> None:
    space = Space({f"c{i}": Choice(*range(5)) for i in range(8)})
    record = Record(build(space))
    record.run(100)
    strategy = record.strategy
    for _ in range(10):
        top = strategy._parents[0].rank  # type: ignore[attr-defined]
        record.run(5)
        assert strategy._parents[0].rank <= top  # type: ignore[attr-defined]


def _falling(trial: Trial) -> Outcome:
    return Outcome.completed(Measurement({"score": -float(trial.number)}))
