"""A comparison is fair, repeatable, and the same however it is run."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, Table, open_table, write_table
from archwright.errors import (
    BenchmarkError,
    EnvironmentProblem,
    GoalError,
    StrategyError,
    UnknownNameError,
)
from archwright.run import compare, repeats, simulate
from archwright.seeding import derive_seed
from archwright.space import space_named
from archwright.strategy import make_strategy
from archwright.testing.tables import toy_table
from archwright.trial import Budget, Comparison, Measurement, Outcome, Trial

ARRAYS = ("rows", "validation", "mean_validation", "test", "mean_test", "finish", "counted")
EVOLUTION = ("regularized-evolution", {"population": 8, "sample_size": 3})


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return toy_table(tmp_path_factory.mktemp("table") / "toy.table")


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let no strategy advance its repeats together."""
    monkeypatch.setattr(repeats, "batched", lambda *given: None)
    return


def same(one: Comparison, other: Comparison) -> bool:
    return all(
        np.array_equal(getattr(a, name), getattr(b, name), equal_nan=True)
        and a.answers == b.answers
        for a, b in zip(one.runs, other.runs, strict=True)
        for name in ARRAYS
    )


BUDGETS = [Budget(trials=40), Budget(cost_seconds=1500), Budget(seconds=1500)]


@pytest.mark.parametrize("budget", BUDGETS, ids=["trials", "cost", "clock"])
def test_advancing_together_changes_nothing(table, budget, monkeypatch) -> None:
    strategies = [EVOLUTION, ("random", {"repeats": True})]
    together = compare(table, strategies, repeats=5, budget=budget)
    monkeypatch.setattr(repeats, "batched", lambda *given: None)
    assert same(together, compare(table, strategies, repeats=5, budget=budget))


def test_processes_change_nothing(table) -> None:
    here = compare(table, [EVOLUTION, "local-search"], repeats=5, budget=30)
    there = compare(table, [EVOLUTION, "local-search"], repeats=5, budget=30, processes=2)
    assert same(here, there)


def test_the_seed_decides(table) -> None:
    first, again, other = (
        compare(table, [EVOLUTION], repeats=3, budget=20, seed=s) for s in (1, 1, 2)
    )
    assert same(first, again)
    assert not same(first, other)
    assert (
        first.runs[0].seeds
        == first.runs[1].seeds
        == tuple(derive_seed(1, "repeat", repeat) for repeat in range(3))
    )


def test_every_repeat_is_the_plain_strategy_told_its_look_ups(table) -> None:
    runs = compare(table, [EVOLUTION], repeats=2, budget=30).runs[1]
    every = table.values("val_accuracy", repeat="all")
    for repeat, seed in enumerate(runs.seeds):
        strategy = make_strategy(
            EVOLUTION[0], table.space, ["max:val_accuracy"], seed=seed, **EVOLUTION[1]
        )
        for number in range(30):
            (proposal,) = strategy.ask()
            row = table.row(proposal.architecture)
            assert row == runs.rows[repeat, number]
            value = float(runs.validation[repeat, number])
            assert value in every[row].tolist()
            outcome = Outcome.completed(Measurement({"val_accuracy": value}))
            strategy.tell(Trial(number, proposal, 0).finish(outcome, order=number))


def test_an_evaluation_sees_one_training_with_its_cost_and_test(table) -> None:
    comparison = compare(table, [], repeats=20, budget=30)
    (runs,) = comparison.runs
    names = ("val_accuracy", "test_accuracy", "training_seconds")
    val, test, cost = (table.values(name, repeat="all") for name in names)
    seen = np.argmax(val[runs.rows] == runs.validation[..., None], axis=-1)
    assert {*seen.ravel().tolist()} == {0, 1, 2}
    assert np.array_equal(test[runs.rows, seen], runs.test)
    assert np.allclose(np.cumsum(cost[runs.rows, seen], axis=1), runs.finish)
    assert np.allclose(runs.mean_test, test.mean(axis=1)[runs.rows])
    counts = np.bincount(seen.ravel(), minlength=3)
    assert counts.min() > 150  # of 600; each is expected 200 times, with a deviation of 12


def test_strategies_see_the_same_trainings_in_the_same_places(table) -> None:
    comparison = compare(table, ["local-search"], repeats=4, budget=20)
    val = table.values("val_accuracy", repeat="all")
    seen = [
        np.argmax(val[runs.rows] == runs.validation[..., None], axis=-1) for runs in comparison.runs
    ]
    assert np.array_equal(*seen)


@pytest.mark.parametrize("recorded", ["mean", 2])
def test_what_is_seen_can_be_chosen(table, recorded) -> None:
    (runs,) = compare(table, [], repeats=3, budget=10, recorded=recorded).runs
    for name, values in (("val_accuracy", runs.validation), ("test_accuracy", runs.test)):
        assert np.allclose(table.values(name, repeat=recorded)[runs.rows], values)


def test_epochs_and_report_are_chosen_apart(table) -> None:
    comparison = compare(table, [], repeats=3, budget=10, epochs=4, report="test_accuracy@12")
    (runs,) = comparison.runs
    assert runs.test is None  # other trainings than those that were seen
    assert np.allclose(runs.mean_validation, table.values("val_accuracy", epochs=4)[runs.rows])
    assert np.allclose(runs.mean_test, table.values("test_accuracy", epochs=12)[runs.rows])
    assert (comparison.validation.epochs, comparison.test.epochs) == (4, 12)
    assert comparison.test.optimum == pytest.approx(table.best("test_accuracy", epochs=12)[1])
    assert comparison.test.optimum_row == table.best("test_accuracy", epochs=12)[0]


def test_the_evaluation_beyond_the_budget_is_recorded_but_not_counted(table) -> None:
    (runs,) = compare(table, [], repeats=8, budget=Budget(cost_seconds=700)).runs
    for finish, counted in zip(runs.finish, runs.counted, strict=True):
        made = finish[np.isfinite(finish)]
        assert len(made) == counted + 1
        assert made[counted - 1] <= 700 < made[counted]
    assert (runs.rows < 0).any()
    assert np.array_equal(runs.rows < 0, np.isinf(runs.finish))
    assert np.array_equal(runs.rows < 0, np.isnan(runs.validation))


def test_random_search_takes_part_as_the_baseline(table) -> None:
    def labels(*strategies, **settings) -> list[str]:
        found = compare(table, strategies, repeats=1, budget=5, **settings)
        return [runs.contender.label for runs in found.runs]

    assert labels("local-search") == ["random", "local-search"]
    assert labels("local-search", ("random", {"repeats": True})) == ["random", "local-search"]
    assert labels("local-search", include_random=False) == ["local-search"]
    assert labels(("ga", {"population": 4}), "ga", include_random=False) == [
        "genetic:population=4",
        "genetic",
    ]


def test_several_simulated_workers(table) -> None:
    budget = Budget(seconds=200)
    comparison = compare(table, ["local-search"], repeats=3, budget=budget, workers=4)
    alone = compare(table, ["local-search"], repeats=3, budget=budget)
    for runs in comparison.runs:
        assert (np.diff(runs.finish[:, : runs.counted.min()]) >= 0).all()
        assert ((runs.utilization > 0.5) & (runs.utilization <= 1)).all()
    assert comparison.runs[0].counted.mean() > 3 * alone.runs[0].counted.mean()


def test_simulated_workers_are_those_of_the_simulation(table) -> None:
    from archwright.evaluate import TableEvaluator

    comparison = compare(table, [], repeats=1, budget=Budget(trials=40), workers=5, recorded="mean")
    (runs,) = comparison.runs
    strategy = make_strategy("random", table.space, ["max:val_accuracy"], seed=runs.seeds[0])
    evaluator = TableEvaluator(table, repeat="mean")
    timeline = simulate(strategy, evaluator, 40, workers=5)
    assert np.allclose(timeline.finish, runs.finish[0])
    assert timeline.row.tolist() == runs.rows[0].tolist()


def test_a_space_that_is_used_up_ends_a_repeat(tmp_path) -> None:
    small = toy_table(tmp_path / "small.table", edges=2)
    comparison = compare(small, ["local-search"], repeats=3, budget=100)
    for runs in comparison.runs:
        assert runs.rows.shape == (3, 16)
        assert (np.sort(runs.rows, axis=1) == np.arange(16)).all()
        assert (comparison.last(runs, "validation") > 0.8).all()


def test_progress_is_told(table) -> None:
    heard: list[tuple[str, int, int]] = []
    compare(
        table,
        ["local-search"],
        repeats=3,
        budget=5,
        progress=lambda *progress: heard.append(progress),
    )
    assert heard[:2] == [("random", 0, 3), ("random", 3, 3)]
    assert heard[2:] == [("local-search", n, 3) for n in range(4)]


def written(path: Path, rows: int | None = None, **columns: np.ndarray) -> Table:
    space = space_named("nasbench201")
    codes = np.array([space.at(index).codes for index in range(rows or 50)])
    found = [
        (Column(name, "percent", "max", name.split("_")[0], repeats=values.shape[1]), values)
        for name, values in columns.items()
    ]
    write_table(path, space, codes, found, name="part")
    return open_table(path)


def test_missing_trainings_are_not_drawn(tmp_path) -> None:
    table = toy_table(tmp_path / "toy.table", edges=2)
    values = table.values("val_accuracy", repeat="all")
    tests = table.values("test_accuracy", repeat="all")
    gaps = values.copy()
    gaps[:, 0] = np.nan
    gaps[:8, 1] = np.nan
    columns = [
        (Column("val_accuracy", "fraction", "max", "val", repeats=3), gaps),
        (Column("test_accuracy", "fraction", "max", "test", repeats=3), tests),
    ]
    write_table(tmp_path / "gaps.table", table.space, table.codes, columns, name="gaps")
    (runs,) = compare(open_table(tmp_path / "gaps.table"), [], repeats=40, budget=16).runs
    assert not np.isnan(runs.validation).any()
    seen = np.argmax(values[runs.rows] == runs.validation[..., None], axis=-1)
    assert {*seen[runs.rows < 8].tolist()} == {2}
    assert {*seen[runs.rows >= 8].tolist()} == {1, 2}
    assert np.array_equal(tests[runs.rows, seen], runs.test)


def test_an_evaluation_without_a_value_fails_and_is_no_answer(tmp_path) -> None:
    table = toy_table(tmp_path / "toy.table", edges=2, trainings=1, test=False)
    values = table.values("val_accuracy")
    values[::2] = np.nan
    column = Column("val_accuracy", "fraction", "max", "val")
    write_table(
        tmp_path / "holes.table", table.space, table.codes, [(column, values)], name="holes"
    )
    holes = open_table(tmp_path / "holes.table")
    comparison = compare(holes, ["local-search"], repeats=5, budget=16)
    for runs in comparison.runs:
        assert np.isnan(runs.validation).sum() == 5 * 8
        assert (runs.last(runs.rows.astype(float)) % 2 == 1).all()


@pytest.mark.parametrize(
    ("strategies", "settings", "error", "message"),
    [
        (["randm"], {}, UnknownNameError, r"unknown strategy 'randm' \(did you mean 'random'\?\)"),
        ([("random", {"size": 3})], {}, UnknownNameError, "option of strategy 'random' 'size'"),
        (
            [("regularized-evolution", {"population": 0})],
            {},
            StrategyError,
            "option 'population' must be a whole number of at least 2; got 0",
        ),
        (["ga", "genetic"], {}, StrategyError, "'genetic' is listed twice"),
        ([], {"include_random": False}, StrategyError, "at least one strategy; got none"),
        ([], {"repeats": 0}, StrategyError, "repeats must be a whole number of at least 1; got 0"),
        ([], {"workers": 1.5}, StrategyError, "workers must be a whole number"),
        ([], {"processes": -1}, StrategyError, "processes must be a whole number"),
        ([], {"budget": 0}, GoalError, "budget trials must be above 0"),
        ([], {"budget": Budget(cost_seconds=1)}, BenchmarkError, "give a larger budget"),
        ([], {"objective": "val_accuracy"}, GoalError, "objective must look like"),
        (
            [],
            {"objective": "max:test_accuracy"},
            StrategyError,
            "max:test_accuracy is on the test split, which a search must not see",
        ),
        (
            [],
            {"objective": "max:val_acc"},
            UnknownNameError,
            "metric in the objective 'max:val_acc': 'val_acc' .did you mean 'val_accuracy'",
        ),
        ([], {"epochs": 5}, UnknownNameError, "number of epochs of toy 5; allowed: 4, 12"),
        ([], {"report": "test_f1"}, UnknownNameError, "metric to report of toy 'test_f1'"),
        ([], {"report": "test_accuracy@x"}, BenchmarkError, "what is reported must look like"),
        ([], {"report": "mnist/test_accuracy"}, UnknownNameError, "data set of toy 'mnist'"),
        ([], {"report": "test_accuracy@5"}, UnknownNameError, "number of epochs of toy 5"),
        ([], {"recorded": 3}, BenchmarkError, "training from 0 to 2; got 3"),
        ([], {"recorded": "best"}, BenchmarkError, "got 'best'"),
    ],
)
def test_what_cannot_be_compared_is_refused(table, strategies, settings, error, message) -> None:
    with pytest.raises(error, match=message):
        compare(table, strategies, **{"repeats": 2, "budget": 10} | settings)


def test_tables_that_lack_something(tmp_path) -> None:
    timeless = toy_table(tmp_path / "timeless.table", edges=2, seconds=False)
    assert compare(timeless, [], repeats=2, budget=5).has_time is False
    with pytest.raises(BenchmarkError, match="toy does not record what an evaluation costs"):
        compare(timeless, [], repeats=2, budget=Budget(cost_seconds=10))
    with pytest.raises(BenchmarkError, match="several simulated workers need recorded times"):
        compare(timeless, [], repeats=2, budget=5, workers=2)


def test_of_a_part_of_a_space_that_part_is_searched(tmp_path) -> None:
    rng = np.random.default_rng(0)
    part = written(tmp_path / "part.table", val_accuracy=rng.random((50, 1)))
    comparison = compare(part, ["regularized-evolution"], repeats=3, budget=30)
    assert comparison.space == {"name": "nasbench201", "size": 15625}
    for runs in comparison.runs:
        assert runs.rows.shape == (3, 30)
        assert ((runs.rows >= 0) & (runs.rows < 50)).all()
    again = compare(part, ["regularized-evolution"], repeats=3, budget=30, processes=2)
    assert np.array_equal(comparison.runs[1].rows, again.runs[1].rows)


def test_a_table_of_one_length_takes_no_epochs(tmp_path) -> None:
    table = written(tmp_path / "one.table", val_accuracy=np.ones((50, 2)))
    with pytest.raises(BenchmarkError, match="one length of training only; leave out epochs=4"):
        compare(table, [], repeats=1, budget=4, epochs=4)


@pytest.mark.usefixtures("one_by_one")
def test_one_by_one_finds_what_is_there(table) -> None:
    (runs,) = compare(table, [], repeats=2, budget=10).runs
    assert len(runs.answers) == 2
    for row, architecture in zip(runs.last(runs.rows.astype(float)), runs.answers, strict=True):
        assert table.row(architecture) == row


@pytest.mark.shared_data
@pytest.mark.slow
def test_evolution_beats_random_search_on_the_recorded_cells(tmp_path) -> None:
    folder = Path(os.environ["ARCHWRIGHT_SHARED_DATA"])
    recorded = np.load(folder / "nasbench201_12epoch.npz")
    space = space_named("nasbench201")
    columns = [
        (Column("val_accuracy", "percent", "max", "val"), recorded["cifar10_val"]),
        (Column("test_accuracy", "percent", "max", "test"), recorded["cifar10_test"]),
    ]
    write_table(tmp_path / "cells.table", space, recorded["ops"], columns, name="cells")
    published = {"population": 10, "sample_size": 3, "repeats": True}
    comparison = compare(
        open_table(tmp_path / "cells.table"),
        [("random", {"repeats": True}), ("regularized-evolution", published)],
        repeats=500,
        budget=400,
    )
    random, evolution = (comparison.last(runs, "validation_regret") for runs in comparison.runs)
    assert evolution.mean() < 0.5 * random.mean()


def test_a_killed_process_is_the_environments_fault(table, monkeypatch) -> None:
    def broken(pool: object, function: object, *arguments: object) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(BrokenProcessPool("a process ended abruptly"))
        return future

    monkeypatch.setattr(repeats.ProcessPoolExecutor, "submit", broken)
    with pytest.raises(EnvironmentProblem, match="a process of the comparison was killed"):
        compare(table, [], repeats=2, budget=5, processes=2)


def test_an_interrupt_while_processes_start_is_heard_afterwards(table, monkeypatch) -> None:
    submitted: list[object] = []

    def interrupted(pool: object, *arguments: object) -> Future[None]:
        signal.raise_signal(signal.SIGINT)
        submitted.append(arguments)
        return Future()

    monkeypatch.setattr(repeats.ProcessPoolExecutor, "submit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(table, ["local-search"], repeats=2, budget=5, processes=2)
    assert len(submitted) == 4
