from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from archwright.errors import ConstraintError, StrategyError
from archwright.space import Choice, Space
from archwright.strategy import Strategy, make_strategy
from archwright.strategy.base import UNLIMITED
from archwright.testing.strategies import Record
from archwright.trial import Measurement, Outcome, Proposal, Status, Trial


def random(space: Space, **options: Any) -> Strategy:
    return make_strategy("random", space, ["max:score"], seed=3, **options)


def test_ask_counts_proposals(cell: Space) -> None:
    record = Record(random(cell))
    assert len(record.ask(4)) == 4
    record.tell(2)
    assert (record.strategy.asked, record.strategy.told) == (4, 1)


def test_ask_of_none_is_empty_and_changes_nothing(cell: Space) -> None:
    first, second = random(cell), random(cell)
    assert first.ask(0) == []
    assert first.ask(5) == second.ask(5)


def test_ask_refuses_a_negative_number(cell: Space) -> None:
    with pytest.raises(StrategyError, match="at least 0; got -1"):
        random(cell).ask(-1)


def test_tell_refuses_a_trial_twice(cell: Space) -> None:
    record = Record(random(cell))
    record.ask()
    trial = record.tell(0)
    with pytest.raises(StrategyError, match="trial 0 was told already; each trial is told once"):
        record.strategy.tell(trial)


def test_tell_refuses_a_trial_that_was_never_asked_for(cell: Space) -> None:
    record = Record(random(cell))
    proposal = random(cell).ask()[0]
    trial = Trial(5, proposal, seed=0).finish(Outcome(Status.CRASHED, error="x"))
    with pytest.raises(StrategyError, match="trial 5 was never asked for; asked: none so far"):
        record.strategy.tell(trial)
    record.ask(3)
    with pytest.raises(StrategyError, match="trial 5 was never asked for; asked: 0 to 2"):
        record.strategy.tell(trial)


def test_tell_refuses_an_unfinished_trial(cell: Space) -> None:
    record = Record(random(cell))
    record.ask()
    with pytest.raises(StrategyError, match="trial 0 is running; only finished trials are told"):
        record.strategy.tell(record.trials[0])
    record.tell(0)  # the refusal left it open


def test_tell_refuses_another_architecture_under_the_number(cell: Space) -> None:
    record = Record(random(cell))
    record.ask(2)
    swapped = Trial(0, record.trials[1].proposal, seed=0)
    with pytest.raises(StrategyError, match="was proposed under that number; tell a strategy only"):
        record.strategy.tell(swapped.finish(Outcome(Status.CRASHED, error="x")))


def test_tell_takes_an_equal_proposal_that_is_not_the_same_object(cell: Space) -> None:
    record = Record(random(cell))
    proposal = Proposal.from_json(record.ask()[0].to_json(), cell)
    record.strategy.tell(Trial(0, proposal, seed=0).finish(Outcome(Status.CRASHED, error="x")))
    assert record.strategy.told == 1


def test_objectives_and_constraints_may_be_text(cell: Space) -> None:
    strategy = make_strategy(
        "random", cell, ["max:val_accuracy", "min:latency_ms"], constraints=["parameters<=10"]
    )
    assert [str(objective) for objective in strategy.objectives] == [
        "max:val_accuracy",
        "min:latency_ms",
    ]
    assert [str(constraint) for constraint in strategy.constraints] == ["parameters<=10"]


def test_no_objective_is_refused(cell: Space) -> None:
    with pytest.raises(StrategyError, match="'random' needs at least one objective; got none"):
        make_strategy("random", cell, [])


def test_objective_and_constraint_that_are_not_understood_are_refused(cell: Space) -> None:
    with pytest.raises(ValueError, match="objective must look like"):
        make_strategy("random", cell, ["accuracy"])
    with pytest.raises(ConstraintError, match="constraint must look like"):
        make_strategy("random", cell, ["max:a"], constraints=["few parameters"])


@pytest.mark.parametrize("seed", [-1, 1.5, "1"])
def test_seed_must_be_a_whole_number(cell: Space, seed: Any) -> None:
    with pytest.raises(StrategyError, match="'seed' must be a whole number of at least 0; got"):
        make_strategy("random", cell, ["max:a"], seed=seed)


def test_stopped_says_that_everything_was_proposed(tiny: Space) -> None:
    strategy = random(tiny)
    assert strategy.stopped is None
    assert len(strategy.ask(10)) == 6
    assert strategy.stopped == "every architecture of the space was proposed"
    assert strategy.ask() == []


def test_late_tells_are_taken_after_the_stop(tiny: Space) -> None:
    record = Record(make_strategy("evolution", tiny, ["max:score"], population=3))
    record.ask(10)
    for number in list(record.outstanding):
        record.tell(number)
    assert record.strategy.told == 6


def test_initial_architectures_are_proposed_first_in_their_order(tiny: Space) -> None:
    values = [{"a": "z", "b": 2}, {"a": "x", "b": 1}]
    strategy = random(tiny, initial=values)
    proposals = strategy.ask(2)
    assert [dict(p.architecture.values) for p in proposals] == values
    assert {p.origin for p in proposals} == {"initial"}
    assert len(strategy.ask(9)) == 4  # and they are not proposed again


def test_initial_architectures_may_be_architectures(tiny: Space) -> None:
    architecture = random(tiny).ask()[0].architecture
    assert random(tiny, initial=[architecture]).ask()[0].architecture == architecture


def test_initial_architectures_survive_json(widths: Space) -> None:
    strategy = random(widths, initial=[{"hidden": (60, 70)}])
    options = json.loads(json.dumps(strategy.options))
    assert options == {"repeats": False, "initial": [{"hidden": [60, 70]}]}
    assert random(widths, **options).ask()[0].architecture["hidden"] == (60, 70)


def test_initial_architecture_outside_the_space_is_refused(tiny: Space) -> None:
    with pytest.raises(StrategyError, match=r"initial\[1\]: .*b must be one of 1, 2; got 7"):
        random(tiny, initial=[{"a": "x", "b": 1}, {"a": "x", "b": 7}])


def test_initial_architecture_given_twice_is_refused(tiny: Space) -> None:
    same = {"a": "x", "b": 1}
    with pytest.raises(StrategyError, match=r"initial\[1\] is the same architecture as initial\[0"):
        random(tiny, initial=[same, dict(same)])


def test_default_concurrency_is_one(cell: Space) -> None:
    class Plain(Strategy):
        name = "plain"

        def _propose(self) -> Proposal | None:
            return self._unseen.random()

    strategy = Plain(cell, ["max:a"], seed=0)
    assert strategy.concurrency == 1
    assert random(cell).concurrency == UNLIMITED


def test_options_are_the_keyword_arguments_of_the_constructor(cell: Space) -> None:
    class Optional(Strategy):
        name = "optional"

        def __init__(
            self, space: Space, objectives: Sequence[str], *, seed: int, speed: int = 3
        ) -> None:
            super().__init__(space, objectives, seed=seed)
            self.speed = speed

        def _propose(self) -> Proposal | None:
            return None

    assert Optional.option_names == ("speed",)
    assert Optional(cell, ["max:a"], seed=0, speed=5).options == {"speed": 5}


def test_scalar_strategies_follow_the_first_objective() -> None:
    space = Space(a=Choice(*range(8)))
    record = Record(
        make_strategy("evolution", space, ["max:up", "max:down"], seed=0, population=4),
        _both,
    )
    record.run(4)
    survivors = {member.architecture["a"] for member in record.strategy._parents}  # type: ignore[attr-defined]
    values = sorted(trial.architecture["a"] for trial in record.trials)
    assert survivors == set(values[-2:])


def _both(trial: Trial) -> Outcome:
    value = float(trial.architecture["a"])
    return Outcome.completed(Measurement({"up": value, "down": -value}))
