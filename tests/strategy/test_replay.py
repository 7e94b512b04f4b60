from __future__ import annotations

import random
from dataclasses import replace

import pytest

from archwright.errors import StrategyError
from archwright.space import Space
from archwright.strategy import Strategy, make_strategy, replay
from archwright.testing.strategies import Record
from archwright.trial import Trial


def build(space: Space, seed: int = 0) -> Strategy:
    return make_strategy("evolution", space, ["max:score"], seed=seed, population=4)


@pytest.fixture
def record(cell: Space) -> Record:
    made = Record(build(cell))
    made.ask(4)
    for number in (2, 0, 3):
        made.tell(number)
    made.run(5)
    return made


def test_replay_restores_the_next_proposals(cell: Space, record: Record) -> None:
    again = replay(build(cell), record.trials)
    assert (again.asked, again.told) == (9, 8)
    assert again.ask(5) == record.strategy.ask(5)


def test_replay_does_not_depend_on_the_order_of_the_record(cell: Space, record: Record) -> None:
    shuffled = list(record.trials)
    random.Random(1).shuffle(shuffled)
    assert replay(build(cell), shuffled).ask(5) == record.strategy.ask(5)


def test_replay_catches_up_with_a_growing_record(cell: Space, record: Record) -> None:
    follower = replay(build(cell), record.trials)
    record.tell(1)
    record.run(3)
    replay(follower, record.trials)
    assert follower.ask(5) == record.strategy.ask(5)


def test_replay_of_nothing_is_a_new_strategy(cell: Space) -> None:
    assert replay(build(cell), []).ask(3) == build(cell).ask(3)


def test_replay_notices_another_seed(cell: Space, record: Record) -> None:
    with pytest.raises(StrategyError, match=r"replay of trial 0 proposed .* were space, seed or"):
        replay(build(cell, seed=1), record.trials)


def test_replay_notices_a_missing_trial(cell: Space, record: Record) -> None:
    with pytest.raises(StrategyError, match="goes on with trial 1 where trial 0 was expected"):
        replay(build(cell), record.trials[1:])


def test_replay_notices_a_missing_result(cell: Space, record: Record) -> None:
    trials = list(record.trials)
    trials[2] = replace(trials[2], finished_order=None)
    with pytest.raises(StrategyError, match=r"no trial that finished as number 0 .* replay needs"):
        replay(build(cell), trials)


def test_replay_notices_that_nothing_more_is_proposed(tiny: Space, cell: Space) -> None:
    small = Record(make_strategy("random", tiny, ["max:score"]))
    small.run(6)
    stopped = replay(make_strategy("random", tiny, ["max:score"]), small.trials)
    extra = Trial(6, small.trials[0].proposal, seed=0, told_before=6)
    with pytest.raises(StrategyError, match=r"proposed nothing \(every architecture"):
        replay(stopped, [extra])
