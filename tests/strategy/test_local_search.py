from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from archwright.space import Choice, Integer, Space
from archwright.strategy import Strategy, make_strategy
from archwright.testing.strategies import Record
from archwright.trial import Measurement, Outcome, Trial

Measured = Callable[..., Callable[[Trial], Outcome]]
LETTERS = "abcde"


def build(space: Space, **options: Any) -> Strategy:
    options = {"starts": 3, **options}
    return make_strategy("local-search", space, ["max:score"], seed=2, **options)


def sum_of_letters(architecture: Any) -> float:
    return float(sum(LETTERS.index(value) for value in architecture.values.values()))


def standing(strategy: Strategy) -> int | None:
    current = strategy._current  # type: ignore[attr-defined]
    return None if current is None else current.number


def test_climb_starts_from_the_best_of_the_random_ones(cell: Space) -> None:
    record = Record(build(cell, starts=5))
    record.run(5)
    assert {trial.proposal.origin for trial in record.trials} == {"random"}
    assert standing(record.strategy) == max(
        range(5), key=lambda number: record.trials[number].metrics["score"]
    )


def test_neighbours_of_the_current_one_are_asked(cell: Space, measured: Measured) -> None:
    record = Record(build(cell), measured(score=sum_of_letters))
    record.run(3)
    for _ in range(30):
        current = standing(record.strategy)
        (proposal,) = record.run(1)
        if proposal.origin == "neighbor":
            assert proposal.parents == (current,)
            mother = record.trials[proposal.parents[0]].architecture
            assert proposal.architecture in set(cell.neighbors(mother))


def test_first_better_neighbour_is_moved_to(cell: Space, measured: Measured) -> None:
    record = Record(build(cell), measured(score=sum_of_letters))
    record.run(3)
    for _ in range(20):
        before = standing(record.strategy)
        assert before is not None
        (proposal,) = record.run(1)
        if proposal.origin != "neighbor":
            break
        better = record.trials[-1].metrics["score"] > record.trials[before].metrics["score"]
        assert standing(record.strategy) == (record.trials[-1].number if better else before)


def test_top_of_a_smooth_hill_is_found(cell: Space, measured: Measured) -> None:
    record = Record(build(cell), measured(score=sum_of_letters))
    record.run(150)
    assert max(trial.metrics["score"] for trial in record.trials) == 24.0


def test_full_neighbourhood_moves_to_the_best_of_all(cell: Space, measured: Measured) -> None:
    record = Record(build(cell, full_neighborhood=True), measured(score=sum_of_letters))
    record.run(3)
    start = standing(record.strategy)
    assert start is not None
    wanted = record.strategy.concurrency
    assert wanted in (23, 24)  # of the 24 neighbours one may have been a start
    record.ask(wanted)
    for number in list(record.outstanding)[:-1]:
        record.tell(number)
        assert standing(record.strategy) == start
    record.tell(record.outstanding[0])
    best = max(record.trials, key=lambda trial: (trial.metrics["score"], -trial.number))
    assert standing(record.strategy) == best.number


def test_summit_leads_to_fresh_random_starts() -> None:
    space = Space(a=Choice(*range(6)), b=Choice(*range(6)))
    record = Record(build(space, starts=1), lambda trial: _value(-trial.number))
    record.run(1 + 10)  # the start is the best: its ten neighbours are all worse
    assert standing(record.strategy) is None
    assert record.run(1)[0].origin == "random"
    assert standing(record.strategy) == 11


def test_summit_may_lead_to_the_best_place_not_visited() -> None:
    space = Space(a=Choice(*range(6)), b=Choice(*range(6)))
    record = Record(
        build(space, starts=1, at_summit="continue"), lambda trial: _value(-trial.number)
    )
    record.run(1 + 10)
    assert standing(record.strategy) == 1
    assert record.run(1)[0].parents == (1,)


@pytest.mark.parametrize("full", [True, False])
def test_outstanding_neighbours_do_not_block(full: bool) -> None:
    space = Space(a=Choice(*range(6)), b=Choice(*range(6)))
    record = Record(
        build(space, starts=1, full_neighborhood=full), lambda trial: _value(-trial.number)
    )
    record.run(1)
    record.ask(12)
    assert [t.proposal.origin for t in record.trials[1:]] == ["neighbor"] * 10 + ["random"] * 2
    record.tell(12)  # a random one, worse: kept as a start of the next climb
    assert standing(record.strategy) == 0
    for number in range(1, 11):
        record.tell(number)
    assert standing(record.strategy) == 12


def test_late_better_trial_is_moved_to(cell: Space) -> None:
    scores = {1: 9.0}
    record = Record(build(cell, starts=1), lambda trial: _value(scores.get(trial.number, 0.0)))
    record.run(1)
    record.ask(4)
    for number in (4, 3, 2):
        record.tell(number)
        assert standing(record.strategy) == 0
    record.tell(1)
    assert standing(record.strategy) == 1


def test_equal_neighbour_is_no_reason_to_move(cell: Space) -> None:
    record = Record(build(cell, starts=1), lambda trial: _value(1.0))
    record.run(20)
    assert standing(record.strategy) == 0


def test_place_without_new_neighbours_is_left_at_once() -> None:
    space = Space(a=Choice(0, 1))
    record = Record(build(space, starts=2))
    record.run(2)
    assert standing(record.strategy) is None
    assert record.run(1) == []
    assert record.strategy.stopped


def test_whole_line_is_climbed() -> None:
    space = Space(width=Integer(0, 1000))
    record = Record(build(space), lambda trial: _value(-abs(trial.architecture["width"] - 700)))
    record.run(80)
    assert max(trial.metrics["score"] for trial in record.trials) == 0.0


def _value(score: float) -> Outcome:
    return Outcome.completed(Measurement({"score": float(score)}))
