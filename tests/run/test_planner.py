from __future__ import annotations

from dataclasses import replace

import pytest

from archwright.errors import StoreError
from archwright.run import Planner
from archwright.space import Choice, Space
from archwright.strategy import Strategy, make_strategy
from archwright.trial import Measurement, Objective, Outcome, Trial

SPACE = Space({f"x{i}": Choice(*"abcde") for i in range(6)})
OBJECTIVE = Objective("val_score", "max")


def make(seed: int = 0) -> Strategy:
    return make_strategy(
        "regularized-evolution", SPACE, [OBJECTIVE], seed=seed, population=5, sample_size=2
    )


def finished(trial: Trial, order: int) -> Trial:
    score = float(sum(trial.architecture.codes))
    return trial.finish(Outcome.completed(Measurement({"val_score": score})), order=order)


def drive(planner: Planner, trials: list[Trial], until: int) -> None:
    """Ask and finish one after the other, recording what was told before."""
    while len(trials) < until:
        [proposal], told = planner.ask(1)
        trial = Trial(len(trials), proposal, seed=0, told_before=told)
        trials.append(finished(trial, len(trials)))
        planner.learn(trials[-1])


def test_a_second_planner_catches_up_and_asks_the_same() -> None:
    first, second = Planner(make), Planner(make)
    trials: list[Trial] = []
    drive(first, trials, 12)
    for trial in trials:
        second.learn(trial)
    second.catch_up(trials)
    assert (second.asked, second.seen) == (12, 12)
    assert first.ask(3)[0] == second.ask(3)[0]


def test_completion_order_is_what_the_strategy_is_told() -> None:
    planner = Planner(make)
    proposals, _ = planner.ask(3)
    trials = [Trial(k, p, seed=0) for k, p in enumerate(proposals)]
    planner.learn(finished(trials[2], 0))
    planner.learn(finished(trials[0], 1))
    _, told = planner.ask(1)
    assert told == 2


def test_a_gap_in_the_order_of_finishing_waits() -> None:
    planner = Planner(make)
    proposals, _ = planner.ask(3)
    trials = [Trial(k, p, seed=0) for k, p in enumerate(proposals)]
    planner.learn(finished(trials[2], 1))
    assert planner.seen == 0
    assert planner.ask(1)[1] == 0
    planner.learn(finished(trials[0], 0))
    assert planner.seen == 2
    assert planner.ask(1)[1] == 2


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_with_a_lag_proposal_k_knows_exactly_the_trials_up_to_k_minus_lag(lag: int) -> None:
    planner = Planner(make, lag=lag)
    running: list[Trial] = []
    for number in range(20):
        asked, told = planner.ask(1)
        while not asked:
            # Finish the youngest first: the order must not matter.
            planner.learn(finished(running.pop(), planner.seen))
            asked, told = planner.ask(1)
        assert told == max(0, number - lag + 1)
        running.append(Trial(number, asked[0], seed=0, told_before=told))


def test_with_a_lag_the_history_does_not_depend_on_the_order_of_finishing() -> None:
    histories = []
    for youngest_first in (True, False):
        planner = Planner(make, lag=3)
        running: list[Trial] = []
        asked_all = []
        while len(asked_all) < 30:
            asked, told = planner.ask(1)
            if asked:
                running.append(Trial(len(asked_all), asked[0], seed=0, told_before=told))
                asked_all.append(asked[0])
            else:
                trial = running.pop(-1 if youngest_first else 0)
                planner.learn(finished(trial, planner.seen))
        histories.append(asked_all)
    assert histories[0] == histories[1]


def test_replay_refuses_a_history_of_another_seed() -> None:
    trials: list[Trial] = []
    drive(Planner(make), trials, 6)
    other = Planner(lambda: make(seed=1))
    for trial in trials:
        other.learn(trial)
    with pytest.raises(StoreError, match="trial 0 of the history cannot be repeated"):
        other.catch_up(trials)


def test_replay_refuses_an_incomplete_history() -> None:
    trials: list[Trial] = []
    drive(Planner(make), trials, 6)
    other = Planner(make)
    for trial in trials[3:]:
        other.learn(trial)
    with pytest.raises(StoreError, match="number 0 of them is not finished"):
        other.catch_up([replace(trial, number=k) for k, trial in enumerate(trials)])
