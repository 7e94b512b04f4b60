"""Histories, leaderboards and incumbent curves hold what the trials say."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from archwright.errors import UnknownNameError
from archwright.report import best_trials, history, incumbent_curve, leaderboard
from archwright.report.decisions import answers, columns, summary
from archwright.space import Choice, Group, Integer, List, Real, Space, Subset
from archwright.trial import Constraint, Objective, Status, Trial, incumbent

ACCURACY = [Objective("val_accuracy", "max")]
LOSS = [Objective("val_loss", "min")]


def test_columns_have_one_path_for_every_possible_answer() -> None:
    space = Space(
        stages=List(Group(width=Choice(8, 16), kernel=Integer(3, 7, step=2)), 1, 2),
        rate=Real(0.1, 1.0, log=True),
        extras=Subset("a", "b"),
        fixed=List(Integer(1, 2), 2, 2),
    )
    assert [column.path for column in columns(space)] == [
        *("stages.length", "stages.0.width", "stages.0.kernel"),
        *("stages.1.width", "stages.1.kernel", "rate", "extras", "fixed.0", "fixed.1"),
    ]
    values = {
        "stages": [{"width": 16, "kernel": 5}],
        "rate": 0.5,
        "extras": ["a", "b"],
        "fixed": [1, 2],
    }
    assert answers(space.architecture(values)) == {
        "stages.length": 1,
        "stages.0.width": 16,
        "stages.0.kernel": 5,
        "rate": 0.5,
        "extras": "a + b",
        "fixed.0": 1,
        "fixed.1": 2,
    }


def test_summary_is_one_readable_line() -> None:
    values = {"stages": ({"depth": 1, "residual": True},), "rate": 0.1234567, "kind": None}
    assert summary(values) == "stages=([depth=1 residual=yes]) rate=0.1235 kind=None"


def test_history_has_a_row_for_every_trial_and_a_column_for_every_decision(trials) -> None:
    frame = history(reversed(trials))
    assert list(frame["number"]) == list(range(len(trials)))
    assert list(frame.columns[:9]) == [
        *("number", "status", "origin", "parents"),
        *("hidden.length", "hidden.0", "hidden.1", "hidden.2", "activation"),
    ]
    assert {"val_accuracy", "parameters", "cost_seconds", "seed", "error"} <= set(frame.columns)
    for trial, (_, row) in zip(trials, frame.iterrows(), strict=True):
        assert row["activation"] == trial.architecture["activation"]
        assert row["hidden.0"] == trial.architecture["hidden.0"]
        assert pd.isna(row["hidden.2"]) == (len(trial.architecture["hidden"]) < 3)
        assert row["status"] == trial.status.value
        assert row["finished_at"].timestamp() == pytest.approx(trial.finished_at)
        if trial.metrics:
            assert row["val_accuracy"] == trial.metrics["val_accuracy"]
        else:
            assert math.isnan(row["val_accuracy"])
            assert row["error"] == trial.error != ""


def test_history_keeps_whole_numbers_whole_where_some_are_missing(trials) -> None:
    frame = history(trials)
    assert str(frame["hidden.0"].dtype) == "int64"
    assert str(frame["hidden.2"].dtype) == "Int64"


def test_history_of_nothing_is_empty() -> None:
    frame = history([])
    assert len(frame) == 0
    assert "number" in frame.columns


def test_history_tells_apart_decisions_and_columns_of_one_name(finished) -> None:
    space = Space(seed=Integer(1, 9), loss=Choice("a", "b"))
    trial = finished(space.architecture({"seed": 5, "loss": "b"}), 0, loss=0.25)
    (row,) = history([trial]).to_dict("records")
    assert (row["decision.seed"], row["seed"]) == (5, 0)
    assert (row["loss"], row["metric.loss"]) == ("b", 0.25)


def test_leaderboard_shows_feasible_architectures_once_best_first(space, finished) -> None:
    small = space.architecture({"hidden": [50], "activation": "relu", "dropout": 0.0})
    large = space.architecture({"hidden": [200], "activation": "relu", "dropout": 0.0})
    third = space.architecture({"hidden": [60], "activation": "relu", "dropout": 0.0})
    trials = [
        finished(small, 0, val_accuracy=0.90, parameters=100.0),
        finished(small, 1, val_accuracy=0.92, parameters=100.0),
        finished(large, 2, val_accuracy=0.99, parameters=900.0),
        finished(third, 3, val_accuracy=0.92, parameters=120.0),
        finished(third, 4, status=Status.CRASHED, error="boom"),
    ]
    frame = leaderboard(trials, ACCURACY, [Constraint.parse("parameters<=500")])
    assert list(frame["trial"]) == [1, 3]
    assert list(frame["rank"]) == [1, 2]
    assert list(frame["parameters"]) == [100, 120]
    assert str(frame["parameters"].dtype) == "int64"
    assert frame["architecture"][0] == "hidden=(50) activation=relu dropout=0"
    assert "latency_ms" not in frame.columns
    assert list(leaderboard(trials, ACCURACY, n=1)["trial"]) == [2]


def test_leaderboard_begins_with_the_incumbent(trials) -> None:
    for objectives in (ACCURACY, LOSS):
        best = incumbent(trials, objectives)
        assert best is not None
        assert leaderboard(trials, objectives)["trial"][0] == best.number


def test_best_trials_need_the_first_objective(space, finished, trials) -> None:
    other = finished(trials[0].architecture, 0, accuracy=1.0)
    assert best_trials([other], ACCURACY) == []
    assert len(leaderboard([other], ACCURACY)) == 0


def test_incumbent_curve_never_falls_and_ends_at_the_incumbent(trials) -> None:
    for by in ("trials", "cost", "time"):
        curve = incumbent_curve(trials, ACCURACY, by=by)
        assert curve["at"].is_monotonic_increasing
        assert curve["incumbent"].dropna().is_monotonic_increasing
        assert curve["incumbent"].iloc[-1] == max(
            trial.metrics.get("val_accuracy", 0.0) for trial in trials
        )
    assert incumbent_curve(trials, LOSS)["incumbent"].dropna().is_monotonic_decreasing
    assert curve["at"].iloc[-1] == pytest.approx(
        max(t.finished_at for t in trials) - min(t.asked_at for t in trials)
    )


def test_incumbent_curve_counts_failed_trials_and_their_cost(space, finished, trials) -> None:
    architecture = trials[0].architecture
    some = [
        finished(architecture, 0, status=Status.TIMEOUT, error="slow", cost=5.0),
        finished(architecture, 1, val_accuracy=0.5, cost=2.0),
        Trial(2, trials[0].proposal, 0),
    ]
    curve = incumbent_curve(some, ACCURACY, by="cost")
    assert list(curve["at"]) == [5.0, 7.0]
    assert math.isnan(curve["incumbent"][0])
    assert curve["incumbent"][1] == 0.5


def test_incumbent_curve_follows_the_order_of_finishing(space, finished, trials) -> None:
    from dataclasses import replace

    first = replace(finished(trials[0].architecture, 0, val_accuracy=0.9), finished_order=1)
    second = replace(finished(trials[1].architecture, 1, val_accuracy=0.5), finished_order=0)
    curve = incumbent_curve([first, second], ACCURACY)
    assert list(curve["trial"]) == [1, 0]
    assert list(curve["incumbent"]) == [0.5, 0.9]


def test_incumbent_curve_rejects_an_unknown_axis(trials) -> None:
    with pytest.raises(UnknownNameError, match="unknown axis of the incumbent's curve 'costs'"):
        incumbent_curve(trials, ACCURACY, by="costs")
