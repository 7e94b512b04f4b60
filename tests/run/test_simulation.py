from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.errors import GoalError, StrategyError
from archwright.evaluate import Evaluator, FunctionEvaluator, TableEvaluator
from archwright.run import Study, Timeline, simulate
from archwright.seeding import derive_seed
from archwright.space import Architecture, Choice, Space
from archwright.strategy import Strategy, make_strategy
from archwright.testing.benchmarks import synthetic_table
from archwright.testing.fakes import ToyEvaluator
from archwright.trial import Budget, Measurement, MetricInfo, Outcome, Proposal, Status, Trial

SPACE = Space({f"slot_{i}": Choice(*"abcde") for i in range(5)}, name="toy")
INFO = [MetricInfo("val_score", "max", split="val")]

Cost = Callable[[Architecture], float]


def made(name: str = "regularized-evolution", seed: int = 3, **options: Any) -> Strategy:
    return make_strategy(name, SPACE, ["max:val_score"], seed=seed, **options)


def score(architecture: Architecture) -> float:
    return derive_seed(1, *architecture.codes) / 2**63


def looked_up(cost: Cost) -> Evaluator:
    def function(architecture: Architecture, seed: int) -> Measurement:
        return Measurement({"val_score": score(architecture)}, cost_seconds=cost(architecture))

    return FunctionEvaluator(function, metrics=INFO)


def whole_seconds(architecture: Architecture) -> float:
    return float(derive_seed(2, *architecture.codes) % 6)  # 0 to 5


def real_seconds(architecture: Architecture) -> float:
    return 0.1 + derive_seed(3, *architecture.codes) / 2**62


def tick_by_tick(
    strategy: Strategy, cost: Cost, *, trials: int, workers: int, seconds: float = math.inf
) -> list[tuple[int, int, float, float]]:
    """Return (number, worker, start, finish) as a clock that ticks every second sees it."""
    done: list[tuple[int, int, float, float]] = []
    desks: list[tuple[int, Proposal, int] | None] = [None] * workers  # number, what, begun
    asked = clock = 0
    while True:
        quiet = False
        while not quiet:  # evaluations of no time make this tick longer
            quiet = True
            ends = [
                (desk[0], worker)
                for worker, desk in enumerate(desks)
                if desk and desk[2] + cost(desk[1].architecture) == clock
            ]
            for number, worker in sorted(ends):
                desk = desks[worker]
                assert desk is not None
                outcome = Outcome.completed(Measurement({"val_score": score(desk[1].architecture)}))
                strategy.tell(Trial(number, desk[1], seed=0).finish(outcome, order=len(done)))
                done.append((number, worker, float(desk[2]), float(clock)))
                desks[worker] = None
            for worker in range(workers):
                if desks[worker] is None and asked < trials and clock <= seconds:
                    (proposal,) = strategy.ask(1)
                    desks[worker] = (asked, proposal, clock)
                    asked += 1
                    quiet = False
        if not any(desks):
            return done
        clock += 1


def seen(timeline: Timeline) -> list[tuple[int, int, float, float]]:
    columns = (timeline.number, timeline.worker, timeline.start, timeline.finish)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("workers", [1, 2, 7, 50])
@pytest.mark.parametrize("name", ["random", "regularized-evolution", "evolution", "local-search"])
@pytest.mark.parametrize("seed", range(3))
def test_the_clock_is_that_of_a_tick_by_tick_simulation(name: str, workers: int, seed: int) -> None:
    expected = tick_by_tick(made(name, seed), whole_seconds, trials=150, workers=workers)
    timeline = simulate(made(name, seed), looked_up(whole_seconds), 150, workers=workers)
    assert seen(timeline) == expected
    assert timeline.makespan == expected[-1][3]
    assert timeline.reason == "all 150 trials done"


@pytest.mark.parametrize("workers", [1, 4])
def test_a_limit_of_the_clock_is_that_of_a_tick_by_tick_simulation(workers: int) -> None:
    expected = tick_by_tick(made(), whole_seconds, trials=10**6, workers=workers, seconds=40)
    timeline = simulate(made(), looked_up(whole_seconds), Budget(seconds=40), workers=workers)
    assert seen(timeline) == expected
    assert timeline.makespan > 40 >= timeline.start.max()
    assert timeline.reason == "40 seconds of simulated time spent"


@pytest.mark.parametrize("workers", [1, 3, 20])
def test_no_worker_is_idle_or_does_two_things(workers: int) -> None:
    timeline = simulate(made(), looked_up(real_seconds), 200, workers=workers)
    np.testing.assert_array_equal(timeline.finish, timeline.start + timeline.cost)
    assert (np.diff(timeline.finish) >= 0).all()
    assert sorted(timeline.number.tolist()) == list(range(200))
    for worker in range(workers):
        own = timeline.worker == worker
        np.testing.assert_array_equal(timeline.start[own][1:], timeline.finish[own][:-1])
        assert timeline.start[own][0] == 0


def test_speed_up_and_utilization_are_those_of_the_busy_time() -> None:
    one = simulate(made("random"), looked_up(real_seconds), 64)
    assert one.speed_up == pytest.approx(1.0)
    assert one.utilization == pytest.approx(1.0)
    many = simulate(made("random"), looked_up(real_seconds), 64, workers=8)
    assert many.cost.sum() == pytest.approx(one.makespan)
    assert many.speed_up == pytest.approx(one.makespan / many.makespan)
    assert many.utilization == pytest.approx(many.speed_up / 8)
    assert 0.7 < many.utilization < 1.0
    # As many workers as evaluations: the longest one decides.
    all_at_once = simulate(made("random"), looked_up(real_seconds), 64, workers=64)
    assert all_at_once.makespan == all_at_once.cost.max()


def test_a_thousand_workers_on_a_table(tmp_path: Path) -> None:
    table = synthetic_table(SPACE, tmp_path / "toy.table")
    strategy = make_strategy("regularized-evolution", table.space, ["max:val_accuracy"], seed=0)
    timeline = simulate(strategy, table, 3000, workers=1000)
    assert len(timeline.trials) == 3000
    assert len(set(timeline.worker.tolist())) == 1000
    assert 0.3 < timeline.utilization < 1
    assert timeline.speed_up == pytest.approx(1000 * timeline.utilization)
    assert timeline.row is not None
    expected = [
        table.query(row, repeat=trial.outcome.measurement.info["repeat"]).metrics
        for row, trial in zip(timeline.row.tolist(), timeline.trials, strict=True)
    ]
    assert [trial.metrics for trial in timeline.trials] == expected
    accuracies = timeline.metrics["val_accuracy"]
    assert accuracies.tolist() == [metrics["val_accuracy"] for metrics in expected]


def test_one_worker_is_a_study(tmp_path: Path) -> None:
    table = synthetic_table(SPACE, tmp_path / "toy.table")
    for evaluator in (TableEvaluator(table), ToyEvaluator()):
        goal = f"max:{evaluator.metrics[0].name}"
        study = Study(SPACE, "random", evaluator, objective=goal, budget=50, seed=5)
        timeline = simulate(make_strategy("random", SPACE, [goal], seed=5), evaluator, 50, seed=5)
        for ours, theirs in zip(timeline.trials, study.run().trials, strict=True):
            assert (ours.number, ours.seed, ours.outcome) == (
                theirs.number,
                theirs.seed,
                theirs.outcome,
            )


def test_a_summed_cost_ends_with_the_first_evaluation_beyond_it() -> None:
    def two_seconds(architecture: Architecture) -> float:
        return 2.0

    def run(limit: float, workers: int = 1) -> Timeline:
        budget = Budget(cost_seconds=limit)
        return simulate(made("random"), looked_up(two_seconds), budget, workers=workers)

    assert len(run(9.0).trials) == 5
    assert len(run(10.0).trials) == 6  # at 10 the limit is reached, not exceeded
    assert run(9.0).reason == "9 seconds of trial cost spent"
    # All four begin together; of the first 8 seconds told nobody knew before.
    assert len(run(7.0, workers=4).trials) == 4
    assert len(run(8.0, workers=4).trials) == 8


def test_used_up_spaces_end_with_the_reason_of_the_strategy() -> None:
    small = Space(a=Choice(1, 2, 3), b=Choice(1, 2), name="small")
    for workers in (1, 4, 40):
        strategy = make_strategy("random", small, ["max:val_score"])
        timeline = simulate(strategy, looked_up(real_seconds), 50, workers=workers)
        assert len(timeline.trials) == 6
        assert timeline.reason == "every architecture of the space was proposed"


class _Rounds(Strategy):
    """Proposes four, and waits until they are told."""

    name = "rounds"
    left = 4

    def ask(self, n: int = 1) -> list[Proposal]:
        if self.asked == self.told:
            self.left = 4
        taken = min(n, self.left)
        self.left -= taken
        return super().ask(taken)

    def _propose(self) -> Proposal | None:
        return self._unseen.random()


class _Silent(_Rounds):
    """Never proposes anything."""

    name = "silent"

    def ask(self, n: int = 1) -> list[Proposal]:
        return []


def test_a_strategy_that_waits_leaves_workers_idle() -> None:
    strategy = _Rounds(SPACE, ["max:val_score"], seed=0)
    timeline = simulate(strategy, looked_up(real_seconds), 12, workers=6)
    assert len(timeline.trials) == 12
    starts = np.unique(timeline.start)
    assert len(starts) == 3  # rounds of four
    for begun, ended in zip(starts[1:], (timeline.finish[3], timeline.finish[7]), strict=True):
        assert begun == ended
    alone = simulate(_Rounds(SPACE, ["max:val_score"], seed=0), looked_up(real_seconds), 12)
    assert alone.speed_up == pytest.approx(1.0)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_strategy_that_never_proposes_ends_the_simulation(workers: int) -> None:
    strategy = _Silent(SPACE, ["max:val_score"], seed=0)
    timeline = simulate(strategy, looked_up(real_seconds), 5, workers=workers)
    assert timeline.reason == "the strategy proposes nothing and nothing is running"
    assert timeline.trials == ()
    assert timeline.makespan == 0
    assert math.isnan(timeline.speed_up)
    assert math.isnan(timeline.utilization)


def test_failures_take_their_time_and_are_told() -> None:
    strategy = made()
    timeline = simulate(strategy, ToyEvaluator(misbehave="raise", share=0.5), 60, workers=3)
    statuses = [trial.status for trial in timeline.trials]
    assert set(statuses) == {Status.CRASHED, Status.COMPLETED}
    assert strategy.told == 60
    failed = np.array([status is Status.CRASHED for status in statuses])
    assert np.isnan(timeline.metrics["val_score"][failed]).all()
    assert np.isfinite(timeline.metrics["val_score"][~failed]).all()


def test_an_architecture_outside_a_table_has_no_row(tmp_path: Path) -> None:
    part = synthetic_table(SPACE, tmp_path / "part.table", rows=1000)
    strategy = make_strategy("random", SPACE, ["max:val_accuracy"], seed=0)
    timeline = simulate(strategy, part, 50)
    assert timeline.row is not None
    invalid = [trial.status is Status.INVALID for trial in timeline.trials]
    assert 10 < sum(invalid) < 45
    assert ((timeline.row == -1) == invalid).all()


def test_what_cannot_be_simulated_is_refused() -> None:
    evaluator = looked_up(real_seconds)
    for workers in (0, 1.5, True):
        with pytest.raises(StrategyError, match="workers must be a whole number of at least 1"):
            simulate(made(), evaluator, 5, workers=workers)  # type: ignore[arg-type]
    asked = made()
    asked.ask(2)
    with pytest.raises(StrategyError, match="one that was asked 2 times"):
        simulate(asked, evaluator, 5)


@pytest.mark.parametrize("workers", [1, 4])
def test_a_budget_that_is_never_spent_is_noticed(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("archwright.run.simulation._STILL", 200)
    strategy = made("random", repeats=True)
    free = looked_up(lambda architecture: 0.0)
    with pytest.raises(GoalError, match="the last 200 evaluations cost no time, so the budget of"):
        simulate(strategy, free, Budget(seconds=10), workers=workers)
    assert len(simulate(made(), free, 500, workers=workers).trials) == 500
