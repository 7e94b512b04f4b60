"""A study that looks its trials up in a benchmark table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Table, open_table
from archwright.errors import BenchmarkError, StoreError, StrategyError
from archwright.evaluate import TableEvaluator
from archwright.run import Study, load_study
from archwright.run.study import execute, join_study
from archwright.seeding import derive_seed
from archwright.space import Choice, Space
from archwright.testing.benchmarks import synthetic_table
from archwright.trial import Budget, Trial

SPACE = Space({f"slot_{i}": Choice(*"abcde") for i in range(4)}, name="toy")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return synthetic_table(SPACE, tmp_path_factory.mktemp("tables") / "toy.table")


def study(table: Table, **changes: object) -> Study:
    arguments: dict[str, object] = {"objective": "max:val_accuracy", "budget": 60, "seed": 1}
    arguments |= {"options": {"population": 10, "sample_size": 3}}
    arguments |= changes
    evaluator = arguments.pop("evaluator", table)
    return Study(SPACE, "regularized-evolution", evaluator, **arguments)  # type: ignore[arg-type]


def history(trials: list[Trial] | tuple[Trial, ...]) -> list[tuple[object, ...]]:
    return [(t.number, t.architecture.codes, t.seed, t.outcome) for t in trials]


def test_a_table_is_an_evaluator_of_drawn_trainings(table: Table) -> None:
    result = study(table).run()
    for trial in result.trials:
        assert trial.seed == derive_seed(1, "trial", trial.number)
        assert trial.outcome is not None
        measured = trial.outcome.measurement
        assert measured is not None
        repeat = measured.info["repeat"]
        assert measured == table.query(trial.architecture, repeat=repeat)
        assert trial.cost_seconds == measured.metrics["training_seconds"]
    again = study(table).run()
    assert history(again.trials) == history(result.trials)
    assert history(study(table, seed=2).run().trials) != history(result.trials)


def test_a_cost_budget_ends_with_the_first_query_beyond_it(table: Table) -> None:
    mean = float(table.values("training_seconds").mean())
    result = study(table, budget=Budget(cost_seconds=30 * mean)).run()
    spent = np.cumsum([trial.cost_seconds for trial in result.trials])
    assert spent[-1] >= 30 * mean > spent[-2]
    assert result.reason == f"{30 * mean:g} seconds of trial cost spent"


def test_an_architecture_proposed_again_is_paid_again(table: Table) -> None:
    options = {"population": 5, "sample_size": 4, "repeats": True}
    result = study(table, budget=300, options=options).run()
    codes = [trial.architecture.codes for trial in result.trials]
    assert len(set(codes)) < 250
    assert all(trial.cost_seconds > 0 for trial in result.trials)


def test_the_test_split_is_reported_and_no_objective(table: Table) -> None:
    assert "test_accuracy" in study(table).run().best.metrics
    with pytest.raises(StrategyError, match="on the test split, which a search must not see"):
        study(table, objective="max:test_accuracy")


def test_a_table_of_another_space_is_refused(table: Table) -> None:
    other = Space(a=Choice(1, 2), name="other")
    with pytest.raises(BenchmarkError, match="table 'synthetic' covers the space"):
        Study(other, "random", table, objective="max:val_accuracy", budget=3)


def test_a_study_on_a_part_of_a_space_proposes_that_part(tmp_path: Path) -> None:
    part = synthetic_table(SPACE, tmp_path / "part.table", rows=100)
    result = study(part, budget=100).run()
    assert {part.row(trial.architecture) for trial in result.trials} == set(range(100))


def test_it_resumes_from_the_store_alone(table: Table, tmp_path: Path) -> None:
    evaluator = TableEvaluator(table, epochs=12, repeat="mean")
    whole = study(table, evaluator=evaluator).run()
    path = tmp_path / "s.db"
    first = study(table, evaluator=evaluator, budget=25, store=path, name="toy")
    first.run()
    store, record, job = load_study("toy", path, budget=Budget(trials=60))
    assert isinstance(job.evaluator, TableEvaluator)
    result = execute(store, record, job)
    assert history(result.trials) == history(whole.trials)
    assert record.spec["facts"]["sha256"] == table.sha256
    assert join_study("toy", path) == "all 60 trials done"


def test_it_does_not_resume_on_another_table(table: Table, tmp_path: Path) -> None:
    copied, path = tmp_path / "copied.table", tmp_path / "s.db"
    copied.write_bytes(table.path.read_bytes())
    study(open_table(copied), budget=5, store=path).run()
    copied.unlink()
    with pytest.raises(
        StoreError, match=r"there is no file '.*copied\.table' any more; put it back"
    ):
        load_study("study", path)
    synthetic_table(SPACE, copied, seed=7)
    with pytest.raises(StoreError, match=r"made with other facts \(sha256\)"):
        load_study("study", path)


@pytest.mark.parametrize("workers", [2])
def test_several_processes_open_the_table_themselves(
    table: Table, tmp_path: Path, workers: int
) -> None:
    result = study(table, store=tmp_path / "s.db").run(workers=workers)
    assert len(result.trials) == 60
    for trial in result.trials:
        assert trial.outcome is not None
        assert trial.outcome.measurement is not None
        repeat = trial.outcome.measurement.info["repeat"]
        assert trial.metrics == table.query(trial.architecture, repeat=repeat).metrics
