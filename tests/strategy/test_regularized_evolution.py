from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from archwright.space import Space
from archwright.strategy import Strategy, make_strategy
from archwright.testing.strategies import Record
from archwright.trial import Measurement, Outcome, Status, Trial


def build(space: Space, **options: Any) -> Strategy:
    options = {"population": 6, "sample_size": 2, **options}
    return make_strategy("regularized-evolution", space, ["max:score"], seed=2, **options)


def alive(strategy: Strategy) -> set[int]:
    return {member.number for member in strategy._members}  # type: ignore[attr-defined]


def test_population_is_filled_with_random_ones_and_then_mutations(cell: Space) -> None:
    record = Record(build(cell))
    record.run(20)
    origins = [trial.proposal.origin for trial in record.trials]
    assert origins == ["random"] * 6 + ["mutation"] * 14
    for trial in record.trials[6:]:
        (parent,) = trial.proposal.parents
        mother, child = record.trials[parent].architecture.codes, trial.architecture.codes
        assert sum(a != b for a, b in zip(mother, child, strict=True)) == 1


def test_population_holds_exactly_the_last_insertions(cell: Space) -> None:
    record = Record(build(cell))
    for told in range(1, 25):
        record.run(1)
        assert alive(record.strategy) == set(range(max(0, told - 6), told))


def test_the_best_dies_of_age(cell: Space) -> None:
    # The first is the best there will ever be.
    record = Record(build(cell), _falling)
    record.run(6)
    assert 0 in alive(record.strategy)
    record.run(1)
    assert 0 not in alive(record.strategy)


def test_without_aging_the_worst_dies(cell: Space) -> None:
    record = Record(build(cell, removal="worst"), _falling)
    record.run(30)
    assert alive(record.strategy) == set(range(6))


def test_without_aging_the_best_ones_stay(cell: Space) -> None:
    record = Record(build(cell, removal="worst"))
    record.run(40)
    by_score = sorted(record.trials, key=lambda trial: -trial.metrics["score"])
    assert alive(record.strategy) == {trial.number for trial in by_score[:6]}


def test_age_is_the_order_of_finishing(cell: Space) -> None:
    record = Record(build(cell))
    record.ask(6)
    for number in (5, 4, 3, 2, 1, 0):
        record.tell(number)
    record.run(2)
    assert alive(record.strategy) == {3, 2, 1, 0, 6, 7}


@pytest.mark.parametrize("replacement", [True, False])
def test_parents_are_the_best_of_a_sample(cell: Space, replacement: bool) -> None:
    strategy = build(cell, population=4, sample_size=2, replacement=replacement)
    record = Record(strategy, _falling)
    record.run(4)
    picked = Counter(strategy._parent().number for _ in range(20_000))  # type: ignore[attr-defined]
    frequencies = [picked[number] / 20_000 for number in range(4)]
    with_replacement = [7 / 16, 5 / 16, 3 / 16, 1 / 16]
    without = [3 / 6, 2 / 6, 1 / 6, 0]
    expected = with_replacement if replacement else without
    assert frequencies == pytest.approx(expected, abs=0.015)  # four standard deviations


def test_parents_are_finished_trials_only(cell: Space) -> None:
    record = Record(build(cell))
    record.ask(9)
    assert {trial.proposal.origin for trial in record.trials} == {"random"}
    record.tell(7)
    record.tell(3)
    record.ask(4)
    assert {p for trial in record.trials[9:] for p in trial.proposal.parents} <= {3, 7}
    assert [trial.proposal.origin for trial in record.trials[9:]] == ["mutation"] * 4


def test_failed_trials_are_never_preferred(cell: Space) -> None:
    strategy = build(cell, population=4, sample_size=4, replacement=False)

    def outcome(trial: Trial) -> Outcome:
        if trial.number == 2:
            return Outcome.completed(Measurement({"score": -5.0}))
        return Outcome(Status.CRASHED, error="x")

    record = Record(strategy, outcome)
    record.run(4)
    assert strategy.ask()[0].parents == (2,)


def test_concurrency_is_the_rest_of_the_first_population(cell: Space) -> None:
    record = Record(build(cell))
    assert record.strategy.concurrency == 6
    record.ask(4)
    assert record.strategy.concurrency == 2
    record.ask(5)
    assert record.strategy.concurrency == 1


def test_what_is_kept_does_not_grow_with_the_history(cell: Space) -> None:
    record = Record(build(cell))
    record.run(300)
    assert len(record.strategy._members) == 6  # type: ignore[attr-defined]
    assert not record.strategy._open


def _falling(trial: Trial) -> Outcome:
    return Outcome.completed(Measurement({"score": -float(trial.number)}))
