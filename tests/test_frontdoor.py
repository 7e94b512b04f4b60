"""From data to a trained network in one call, on arrays, frames and files; small and quick."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_diabetes, load_wine

import archwright as aw
from archwright.errors import (
    ConstraintError,
    DataError,
    EnvironmentProblem,
    EvaluationError,
    ExportError,
    NetworkError,
    StoreError,
    StrategyError,
    StudyExistsError,
    StudyNotFoundError,
    UnknownNameError,
)
from archwright.export import load_model
from archwright.frontdoor import (
    SearchResult,
    default_objective,
    default_recipe,
    default_space,
    prepare,
    recorded,
)
from archwright.store import open_store
from archwright.testing.fresh import run_fresh
from archwright.trial import Status

QUICK: dict[str, Any] = {
    "trials": 4,
    "recipe": {"epochs": 2, "batch_size": 32},
    "folds": 1,
    "latency": False,
    "strategy": "random",
}


def search(data: object = "wine", **settings: Any) -> SearchResult:
    return aw.search(data, **{**QUICK, **settings})


def history(result: SearchResult) -> list[tuple[object, ...]]:
    """What must be equal in a repeated search: everything but times and owners."""
    return [
        (t.number, t.architecture.codes, t.seed, t.status, dict(t.metrics)) for t in result.trials
    ]


def names(folder: Path) -> list[str]:
    """Return what is in a folder, without what SQLite keeps beside an open database."""
    return sorted(p.name for p in folder.iterdir() if not re.search(r"db-\w+$", p.name))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """One search that several tests look at."""
    return search(out=tmp_path_factory.mktemp("out") / "wine", constraints=["parameters<=20000"])


# --- what comes out


def test_the_best_is_the_best_of_the_trials(found: SearchResult) -> None:
    accuracies = [t.metrics["val_accuracy"] for t in found.trials]
    assert found.best.metrics["val_accuracy"] == max(accuracies)
    assert found.best.trial in found.trials
    assert found.best.architecture == found.best.trial.architecture
    assert found.reason == "all 4 trials done"
    assert all(t.metrics["parameters"] <= 20000 for t in found.trials)
    assert repr(found) == "SearchResult('wine-mlp-random', 4 trials, 4 completed)"
    assert [str(goal) for goal in (*found.objectives, *found.constraints)] == [
        "max:val_accuracy",
        "parameters<=20000",
    ]


def test_the_winner_is_tested_once(found: SearchResult) -> None:
    assert 0 <= found.test_metrics["test_accuracy"] <= 1
    assert found.best.metrics["test_accuracy"] == found.test_metrics["test_accuracy"]
    assert not any(name.startswith("test_") for t in found.trials for name in t.metrics)
    assert found.readings == 1
    assert found.finalize() is found.finalize()


def test_the_network_is_trained_and_predicts(found: SearchResult) -> None:
    network = found.best.network()
    assert not network.training
    test = found.data.test
    with torch.no_grad():
        answers = network(test.inputs).argmax(1)
    accuracy = float((answers == test.targets).double().mean())
    assert accuracy == pytest.approx(found.test_metrics["test_accuracy"])


def test_tables_of_trials(found: SearchResult) -> None:
    history = found.history()
    assert len(history) == 4
    board = found.leaderboard(2)
    assert len(board) == 2
    assert board["val_accuracy"][0] == found.best.metrics["val_accuracy"]


def test_the_out_folder_holds_store_report_and_model(found: SearchResult, tmp_path: Path) -> None:
    assert found.out is not None
    assert names(found.out) == ["model", "report.html", "study.db"]
    page = found.report(tmp_path / "again.html").read_text("utf-8")
    assert "wine-mlp-random" in page


def test_the_exported_model_gives_the_same_predictions(found: SearchResult, tmp_path: Path) -> None:
    path = found.export("archwright", tmp_path / "model")
    frame = load_wine(as_frame=True).data
    with torch.no_grad():
        codes = found.best.network()(found.data.preprocessing.transform(frame)).argmax(1)
    expected = [found.data.task.class_names[code] for code in codes]
    assert list(load_model(path).predict(frame)) == expected
    with pytest.raises(ExportError, match="model"):
        found.export("archwright", tmp_path / "model")


def test_an_unknown_format_is_named_before_any_training() -> None:
    result = search(finalize=False)
    with pytest.raises(UnknownNameError, match="unknown export format 'onxx'"):
        result.export("onxx", "nowhere")
    assert result.test_metrics == {}


def test_several_objectives_have_a_front() -> None:
    result = search(objective=["max:val_accuracy", "min:parameters"], finalize=False)
    points = [(t.metrics["val_accuracy"], t.metrics["parameters"]) for t in result.front]
    assert sorted(points) == points[::-1]
    assert result.best.metrics["val_accuracy"] == points[0][0]


def test_without_finalize_the_test_split_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(aw.Dataset, "test", property(lambda self: pytest.fail("test was read")))
    result = search(finalize=False, out=tmp_path)
    assert result.test_metrics == {}
    assert result.readings == 0
    assert names(tmp_path) == ["report.html", "study.db"]


def test_data_without_a_test_split_are_searched_and_exported(tmp_path: Path) -> None:
    result = search(test=0, out=tmp_path)
    assert result.test_metrics == {}
    assert (tmp_path / "model").exists()


# --- what goes in


def sources() -> dict[str, Callable[[Path], tuple[object, dict[str, Any]]]]:
    def csv(folder: Path) -> tuple[object, dict[str, Any]]:
        load_wine(as_frame=True).frame.to_csv(folder / "wine.csv", index=False)
        return folder / "wine.csv", {"target": "target"}

    return {
        "arrays": lambda folder: (load_wine(return_X_y=True), {}),
        "frame": lambda folder: (load_wine(as_frame=True).frame, {"target": "target"}),
        "csv": csv,
        "dataset": lambda folder: (aw.load("wine", seed=3), {}),
    }


@pytest.mark.parametrize("kind", sources())
def test_data_of_every_kind(kind: str, tmp_path: Path) -> None:
    data, options = sources()[kind](tmp_path)
    result = search(data, trials=2, **options)
    assert [t.status for t in result.trials] == [Status.COMPLETED] * 2
    assert result.data.task.outputs == 3


def test_regression_is_judged_by_r2() -> None:
    result = search("diabetes", trials=2)
    assert [str(goal) for goal in result.objectives] == ["max:val_r2"]
    assert 30 < result.test_metrics["test_rmse"] < 300, "in the unit of the target"


def test_defaults_suit_the_data() -> None:
    digits, diabetes = aw.load("digits"), aw.load("diabetes")
    assert (default_space(digits), default_space(diabetes)) == ("mlp", "mlp")
    assert default_objective(digits) == "max:val_accuracy"
    assert default_objective(diabetes) == "max:val_r2"
    assert default_recipe(diabetes).label_smoothing == 0
    rng = np.random.default_rng(0)
    images = aw.load((rng.random((12, 1, 16, 16), dtype=np.float32), np.arange(12) % 2))
    assert images.kind == "image"
    assert default_space(images) == "cnn"
    ready = prepare("wine")
    assert ready.study.job.strategy == "evolution"
    assert ready.study.job.budget == aw.Budget(trials=20)
    assert ready.study.job.strategy_options["population"] == 6


def test_options_reach_their_room() -> None:
    ready = prepare(
        "wine",
        test=0.3,
        data_options={"validation": 0.1},
        replicates=2,
        folds=1,
        deterministic=3,
        strategy_options={"population": 5},
        recipe=aw.Recipe(epochs=7),
        seconds=60.0,
        limits=aw.Limits(seconds=5),
    )
    job = ready.study.job
    assert len(ready.data.test) == pytest.approx(0.3 * 178, abs=2)
    assert len(ready.data.validation) == pytest.approx(0.1 * 178, abs=2)
    assert (job.lag, job.strategy_options["population"]) == (3, 5)
    assert job.budget == aw.Budget(seconds=60.0)
    assert job.limits == aw.Limits(seconds=5)
    assert isinstance(job.evaluator, aw.TrainEvaluator)
    assert (job.evaluator.replicates, job.evaluator.recipe) == (2, aw.Recipe(epochs=7))


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"trails": 3}, UnknownNameError, r"option of search 'trails'.*replicates"),
        ({"repliactes": 3}, UnknownNameError, "did you mean 'replicates'"),
        ({"space": "mpl"}, UnknownNameError, "did you mean 'mlp'"),
        ({"space": "cnn"}, NetworkError, "use the space 'mlp'"),
        ({"strategy": "randon"}, UnknownNameError, "did you mean 'random'"),
        ({"recipe": {"epoch": 3}}, UnknownNameError, "did you mean 'epochs'"),
        (
            {"recipe": {"learning_rate": "x"}},
            EvaluationError,
            "a positive number; got 'x'",
        ),
        ({"recipe": "fast"}, EvaluationError, "recipe must be a Recipe or a mapping.*got 'fast'"),
        ({"delimiter": 3}, DataError, "delimiter must be one character; got 3"),
        ({"objective": "max:val_acc"}, UnknownNameError, "did you mean 'val_accuracy'"),
        ({"objective": "max:test_accuracy"}, UnknownNameError, "test_accuracy"),
        ({"constraints": ["parameters<=100"]}, ConstraintError, "at least 853"),
        (
            {"constraints": ["parameters<=900", "macs>=3000"]},
            ConstraintError,
            "was found that keeps parameters<=900 and macs>=3000; loosen the bounds",
        ),
        ({"strategy_options": {"seed": 3}}, StrategyError, "'seed' is no option of the strategy"),
        ({"name": ""}, StoreError, "a study name must be 1 to 200 printable characters"),
        ({"executor": "rya"}, UnknownNameError, "unknown executor 'rya'"),
        ({"workers": 0}, StrategyError, "workers must be at least 1; got 0"),
        ({"workers": 2, "executor": "serial"}, StoreError, "has one worker; got 2"),
    ],
)
def test_bad_input_is_refused_and_leaves_nothing_behind(
    settings: dict[str, Any], error: type[Exception], message: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=message):
        search(out=tmp_path / "deep" / "out", **settings)
    assert list(tmp_path.iterdir()) == []


def test_workers_need_a_store() -> None:
    with pytest.raises(StoreError, match="several workers need a store that they can share"):
        search(workers=2)


def test_a_folder_that_cannot_be_made_is_refused_before_any_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match=r"cannot make the folder .*file/out: Not a dir"):
        search(out=tmp_path / "file" / "out", store=tmp_path / "new" / "study.db")
    with pytest.raises(EnvironmentProblem, match=r"cannot write in .*file; make it a writable"):
        search(out=tmp_path / "file")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_damaged_store_is_refused_before_any_training(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StoreError, match=r"study\.db is not an SQLite database"):
        search(store=tmp_path / "study.db")


# --- names, folders, going on


def test_a_made_up_name_is_a_free_one(tmp_path: Path) -> None:
    settings = {"store": tmp_path / "s.db", "runs": tmp_path, "finalize": False, "trials": 1}
    names = [search(**settings).study.name for _ in range(3)]
    assert names == ["wine-mlp-random", "wine-mlp-random-2", "wine-mlp-random-3"]
    assert all((tmp_path / name / "report.html").exists() for name in names)


def test_a_made_up_name_leaves_the_folders_of_others_alone(tmp_path: Path) -> None:
    (tmp_path / "wine-mlp-random").mkdir()
    (tmp_path / "wine-mlp-random" / "report.html").write_text("mine")
    result = search(runs=tmp_path, store=tmp_path / "s.db", finalize=False, trials=1)
    assert result.study.name == "wine-mlp-random-2"
    assert (tmp_path / "wine-mlp-random" / "report.html").read_text() == "mine"


def test_a_name_is_never_a_path(tmp_path: Path) -> None:
    runs = tmp_path / "deep" / "runs"
    result = search(name="../../up", runs=runs, finalize=False, trials=1)
    assert result.study.name == "../../up"
    assert [p.relative_to(runs).as_posix() for p in tmp_path.rglob("report.html")] == [
        "up/report.html"
    ]


def test_a_taken_name_is_refused(tmp_path: Path) -> None:
    settings = {"store": tmp_path / "s.db", "name": "mine", "finalize": False}
    search(**settings)
    with pytest.raises(StudyExistsError, match="study 'mine' exists already"):
        search(**settings, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_results_of_another_search_are_never_overwritten(tmp_path: Path) -> None:
    search(out=tmp_path / "out", trials=1)
    before = (tmp_path / "out" / "report.html").read_bytes()
    with pytest.raises(StoreError, match="holds the results of another search, which would be"):
        search(out=tmp_path / "out", name="other", trials=1)
    assert (tmp_path / "out" / "report.html").read_bytes() == before


def test_a_search_resumed_from_its_store_alone_equals_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    class Interrupt(aw.Callback):
        def on_trial(self, trial: object) -> None:
            raise KeyboardInterrupt

    settings: dict[str, Any] = {
        "strategy": "evolution",
        "strategy_options": {"population": 4},
        "trials": 10,
        "batch_size": 2,
        "constraints": ["parameters<=30000"],
    }
    whole = search(**settings)
    with pytest.raises(KeyboardInterrupt):
        search(**settings, out=tmp_path / "out", callback=Interrupt())
    done = aw.resume("wine-mlp-evolution", tmp_path / "out" / "study.db")
    assert history(done) == history(whole)
    assert done.test_metrics == whole.test_metrics
    assert (tmp_path / "out" / "model").exists()
    assert (tmp_path / "out" / "report.html").exists()


def test_a_larger_budget_is_remembered(tmp_path: Path) -> None:
    first = search(strategy="evolution", trials=12, out=tmp_path, finalize=False)
    more = aw.resume(first.study.name, tmp_path / "study.db", budget=aw.Budget(trials=14))
    assert len(more.trials) == 14
    assert len(aw.resume(first.study.name, tmp_path / "study.db").trials) == 14
    # Resumed by `search` with a budget that would by itself mean another population.
    again = search(
        strategy="evolution", trials=18, out=tmp_path, name=first.study.name, resume=True
    )
    assert len(again.trials) == 18
    assert again.trials[:14] == list(more.trials)


def test_a_result_in_memory_can_go_on(found: SearchResult) -> None:
    first = search(trials=3)
    more = first.resume(budget=aw.Budget(trials=5))
    assert history(more)[:3] == history(first)
    assert len(more.trials) == 5
    assert more.readings == (1 if more.best.trial == first.best.trial else 2)


def test_the_test_split_is_read_once_for_each_winner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = search(out=tmp_path)
    reads: list[int] = []
    test = aw.Dataset.test.fget  # type: ignore[attr-defined]
    monkeypatch.setattr(aw.Dataset, "test", property(lambda self: reads.append(1) or test(self)))
    again = recorded(first.study.name, tmp_path / "study.db")
    assert again.test_metrics == {}
    again.finalize()
    assert again.test_metrics == first.test_metrics
    assert reads == []
    assert again.readings == 1


def test_data_in_memory_can_be_resumed_here_but_not_elsewhere(tmp_path: Path) -> None:
    data = load_wine(return_X_y=True)
    search(data, out=tmp_path, name="mine")
    with pytest.raises(StoreError, match="made from Python objects"):
        aw.resume("mine", tmp_path / "study.db")
    more = search(data, out=tmp_path, name="mine", trials=6, resume=True)
    assert len(more.trials) == 6


def test_a_study_goes_on_with_its_own_data_and_recipe_only(tmp_path: Path) -> None:
    search(out=tmp_path, name="mine", finalize=False)
    for changed, message in (
        ({"data": load_diabetes(return_X_y=True), "objective": "min:val_loss"}, "objectives"),
        ({"seed": 1}, "seed"),
        ({"test": 0.3}, r"facts \(hashes\)"),
        ({"recipe": {"epochs": 3}}, r"facts \(recipe\)"),
        ({"constraints": ["val_loss<=9"]}, "constraints"),
        ({"strategy": "grid"}, r"strategy \(name, options\)"),
    ):
        with pytest.raises(StoreError, match=f"study 'mine' was made with other {message}"):
            search(**{"data": "wine", **changed}, out=tmp_path, name="mine", resume=True)


def test_data_that_changed_since_are_noticed(tmp_path: Path) -> None:
    frame = load_wine(as_frame=True).frame
    frame.to_csv(tmp_path / "wine.csv", index=False)
    search(tmp_path / "wine.csv", target="target", out=tmp_path / "out", name="mine")
    pd.concat([frame, frame[:20]]).to_csv(tmp_path / "wine.csv", index=False)
    with pytest.raises(StoreError, match=r"'mine' was made with other facts \(hashes\)"):
        aw.resume("mine", tmp_path / "out" / "study.db")


def test_what_is_not_there_cannot_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store"):
        aw.resume("mine", tmp_path / "study.db")
    assert list(tmp_path.iterdir()) == []
    search(store=tmp_path / "study.db", trials=1, finalize=False)
    with pytest.raises(StudyNotFoundError, match="no study 'mine'"):
        aw.resume("mine", tmp_path / "study.db")


def test_a_study_without_networks_is_no_search(tmp_path: Path) -> None:
    space = aw.Space(x=aw.Integer(1, 9))
    evaluator = aw.FunctionEvaluator(
        lambda architecture, seed: {"val_score": 1.0}, metrics=[aw.MetricInfo("val_score", "max")]
    )
    study = aw.Study(space, "random", evaluator, objective="max:val_score", budget=2)
    result = study.run()
    with pytest.raises(StoreError, match="study 'study' did not train networks on data"):
        SearchResult(result, aw.load("wine"), study.job, study.store)


def test_should_stop_ends_a_search_in_the_middle_of_a_training(tmp_path: Path) -> None:
    result = search(
        recipe={"epochs": 10**6},
        should_stop=lambda: True,
        store=tmp_path / "s.db",
        finalize=False,
    )
    assert result.reason == "asked to stop"
    assert result.trials == [] or not any(t.status.finished for t in result.trials)


# --- several processes, spaces of one's own


OWN = """
from torch import nn
import archwright as aw

def build(architecture, input_shape, outputs):
    width = architecture["width"]
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.ReLU(), nn.Linear(width, outputs))

space = aw.Space(width=aw.Integer(4, 40), name="mine").bind(build)
"""


def test_a_space_of_ones_own_in_two_workers_with_limits(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    result = search(
        space=f"{tmp_path / 'own.py'}:space",
        workers=2,
        limits=aw.Limits(seconds=120),
        constraints=["parameters<=400"],
        out=tmp_path / "out",
        name="mine",
    )
    assert [t.status for t in result.trials] == [Status.COMPLETED] * 4
    assert all(t.metrics["parameters"] <= 400 for t in result.trials)
    again = recorded("mine", tmp_path / "out" / "study.db")
    assert history(again) == history(result)
    assert again.best.network()(torch.zeros(1, 13)).shape == (1, 3)


def test_data_in_memory_in_two_workers(tmp_path: Path) -> None:
    alone = search(load_wine(return_X_y=True), finalize=False)
    both = search(load_wine(return_X_y=True), finalize=False, workers=2, store=tmp_path / "s.db")
    assert [t.architecture for t in both.trials] == [t.architecture for t in alone.trials]
    for one, other in zip(both.trials, alone.trials, strict=True):
        assert one.metrics == pytest.approx(dict(other.metrics), rel=1e-4)


def test_what_cannot_be_sent_to_workers_is_refused(tmp_path: Path) -> None:
    from torch import nn

    space = aw.Space(width=aw.Integer(4, 40), name="mine").bind(
        lambda architecture, shape, outputs: nn.Linear(shape[0], outputs)
    )
    with pytest.raises(StrategyError, match=r"cannot be sent to worker processes .*lambda"):
        search(space=space, workers=2, out=tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import archwright as aw
result = aw.search("wine", trials=6, recipe={"epochs": 1}, folds=1, latency=False, batch_size=3)
print([(t.architecture.codes, t.seed, dict(t.metrics)) for t in result.trials])
print(dict(result.test_metrics))
"""


def test_the_same_seed_gives_the_same_search_in_a_fresh_process() -> None:
    there = run_fresh(PROGRAM, hash_seed="77")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(PROGRAM, {})
    assert printed.getvalue() == there


def test_the_store_of_a_search_can_be_read_while_it_is_open(found: SearchResult) -> None:
    assert found.out is not None
    with open_store(found.out / "study.db", create=False) as store:
        assert store.counts(store.study(found.study.name))["finished"] == 4
