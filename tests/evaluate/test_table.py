from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, Table, open_table, write_table
from archwright.errors import BenchmarkError, EvaluationError, StoreError, UnknownNameError
from archwright.evaluate import TableEvaluator, as_evaluator, build_evaluator
from archwright.evaluate.table import drawn_repeat
from archwright.space import Choice, Space
from archwright.testing.benchmarks import synthetic_table
from archwright.testing.fakes import ToyEvaluator
from archwright.trial import Fidelity, Proposal, Status

SPACE = Space({f"slot_{i}": Choice("a", "b", "c") for i in range(4)}, name="toy")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return synthetic_table(SPACE, tmp_path_factory.mktemp("tables") / "toy.table", epochs=(4, 36))


@pytest.fixture
def holes(tmp_path: Path) -> Table:
    """Training 1 of row 5, all of row 7 and the test values of row 9 are missing; no times."""
    codes = np.array([architecture.codes for architecture in SPACE.enumerate()])
    validation = np.arange(81 * 3).reshape(81, 3) / 1000.0
    validation[5, 1] = validation[7] = np.nan
    test = validation.copy()
    test[9] = np.nan
    columns = [
        (Column("val_accuracy", "fraction", "max", "val", repeats=3), validation),
        (Column("test_accuracy", "fraction", "max", "test", repeats=3), test),
    ]
    return open_table(write_table(tmp_path / "holes.table", SPACE, codes, columns, name="holes"))


def proposal(table: Table, row: int, **fidelity: float) -> Proposal:
    return Proposal(table.architecture(row), Fidelity(**fidelity))  # type: ignore[arg-type]


def test_one_training_is_drawn_by_the_seed_and_paid(table: Table) -> None:
    evaluator = TableEvaluator(table)
    assert evaluator.seed_by == "trial"
    seen = []
    for seed in range(40):
        measured = evaluator.evaluate(proposal(table, 17), seed=seed)
        expected = table.query(17, repeat=drawn_repeat(seed, 3))
        assert measured == expected
        assert measured.cost_seconds == expected.metrics["training_seconds"]
        assert measured.step == 36
        seen.append(measured.info["repeat"])
    assert set(seen) == {0, 1, 2}


def test_drawn_repeats_are_uniform_and_independent() -> None:
    pairs = Counter((drawn_repeat(s, 3), drawn_repeat(s, 3, again=True)) for s in range(45_000))
    # 5,000 expected of each, standard deviation 67.
    assert len(pairs) == 9
    assert all(4700 < count < 5300 for count in pairs.values())
    assert drawn_repeat(2**63 - 1, 1) == 0
    assert {drawn_repeat(seed, 7) for seed in range(200)} == set(range(7))


@pytest.mark.parametrize("repeat", ["mean", 0, 2])
def test_the_mean_or_a_given_training(table: Table, repeat: int | str) -> None:
    evaluator = TableEvaluator(table, repeat=repeat)
    for seed in range(3):
        measured = evaluator.evaluate(proposal(table, 5), seed=seed)
        assert measured == table.query(5, repeat=repeat)  # type: ignore[call-overload]


def test_epochs_are_those_of_the_evaluator_or_of_the_fidelity(table: Table) -> None:
    short = TableEvaluator(table, epochs=4, repeat="mean")
    assert short.evaluate(proposal(table, 3), seed=0) == table.query(3, epochs=4)
    assert short.evaluate(proposal(table, 3, epochs=36), seed=0) == table.query(3, epochs=36)
    with pytest.raises(EvaluationError, match="has the epoch budgets 4, 36; got 7") as refused:
        short.evaluate(proposal(table, 3, epochs=7), seed=0)
    assert refused.value.status == "invalid"
    with pytest.raises(EvaluationError, match=r"has the fidelity 'epochs' only; got .*0\.5"):
        short.evaluate(proposal(table, 3, fraction=0.5), seed=0)
    with pytest.raises(BenchmarkError, match="no values of 5 epochs"):
        TableEvaluator(table, epochs=5)


def test_metrics_are_chosen_and_the_cost_is_known_without_its_metric(table: Table) -> None:
    evaluator = TableEvaluator(table, repeat=1, metrics=["val_accuracy"])
    assert [info.name for info in evaluator.metrics] == ["val_accuracy"]
    measured = evaluator.evaluate(proposal(table, 8), seed=0)
    whole = table.query(8, repeat=1)
    assert measured.metrics == {"val_accuracy": whole.metrics["val_accuracy"]}
    assert measured.cost_seconds == whole.cost_seconds > 0
    assert TableEvaluator(table).metrics == table.metrics
    with pytest.raises(UnknownNameError, match="metric of table 'synthetic' 'val_acc'"):
        TableEvaluator(table, metrics=["val_acc"])
    with pytest.raises(BenchmarkError, match="3"):
        TableEvaluator(table, repeat=3)


def test_a_missing_training_is_replaced_by_one_that_is_there(holes: Table) -> None:
    evaluator = TableEvaluator(holes)
    drawn = Counter(
        evaluator.evaluate(proposal(holes, 5), seed=seed).metrics["val_accuracy"]
        for seed in range(6000)
    )
    # Both of the others equally often: 3,000 expected, standard deviation 39.
    assert set(drawn) == set(holes.values("val_accuracy", [5], repeat="all")[0][[0, 2]].tolist())
    assert all(2800 < count < 3200 for count in drawn.values())
    assert evaluator.evaluate(proposal(holes, 5), seed=0).cost_seconds == 0


def test_what_is_missing_is_left_out_or_fails_the_trial(holes: Table) -> None:
    for repeat in ("drawn", "mean", 0):
        evaluator = TableEvaluator(holes, repeat=repeat)
        measured = evaluator.evaluate(proposal(holes, 9), seed=1)
        assert list(measured.metrics) == ["val_accuracy"]
        assert measured.info["missing"] == ["test_accuracy"]
        (outcome,) = evaluator.evaluate_batch([proposal(holes, 7)], seeds=[1])
        assert outcome.status is Status.INVALID
        assert "row 7" in outcome.error
        assert outcome.cost_seconds == 0


def test_a_batch_is_each_alone_and_failures_stay_alone(holes: Table) -> None:
    evaluator = TableEvaluator(holes)
    proposals = [proposal(holes, row) for row in (3, 7, 5, 80)]
    outcomes = evaluator.evaluate_batch(proposals, seeds=[11, 12, 13, 14])
    statuses = [outcome.status for outcome in outcomes]
    assert statuses == [Status.COMPLETED, Status.INVALID, Status.COMPLETED, Status.COMPLETED]
    for index in (0, 2, 3):
        alone = evaluator.evaluate(proposals[index], seed=11 + index)
        assert outcomes[index].measurement == alone


def test_a_part_of_a_space_restricts_what_is_proposed(tmp_path: Path) -> None:
    part = synthetic_table(SPACE, tmp_path / "part.table", rows=30)
    ((description, keeps),) = TableEvaluator(part).rules()
    assert description == "it is in the table 'synthetic'"
    there = [keeps(architecture) for architecture in SPACE.enumerate()]
    assert there == [True] * 30 + [False] * 51
    missing = list(SPACE.enumerate())[40]
    with pytest.raises(EvaluationError, match="is none of them") as refused:
        TableEvaluator(part).evaluate(Proposal(missing), seed=0)
    assert refused.value.status == "invalid"


def test_rows_are_found_where_there_are_some(table: Table, tmp_path: Path) -> None:
    part = synthetic_table(SPACE, tmp_path / "part.table", rows=30)
    listed = list(SPACE.enumerate())
    assert TableEvaluator(table).rules() == ()
    assert TableEvaluator(table).rows(listed).tolist() == list(range(81))
    assert TableEvaluator(table).rows([]).tolist() == []
    assert TableEvaluator(part).rows(listed[28:32]).tolist() == [28, 29, -1, -1]


def test_tables_and_evaluators_are_taken_for_the_right_space(table: Table) -> None:
    toy = ToyEvaluator()
    assert as_evaluator(toy) is toy
    made = as_evaluator(table, SPACE.restricted("all", lambda architecture: True))
    assert isinstance(made, TableEvaluator)
    assert made.repeat == "drawn"
    other = Space(a=Choice(1, 2), name="other")
    with pytest.raises(
        BenchmarkError, match=r"table 'synthetic' covers the space .* `table.space`"
    ):
        as_evaluator(table, other)
    with pytest.raises(BenchmarkError, match="covers the space"):
        as_evaluator(made, other)
    with pytest.raises(EvaluationError, match="an evaluator or a table is needed; got 7"):
        as_evaluator(7)  # type: ignore[arg-type]


def test_it_is_rebuilt_from_its_spec(table: Table) -> None:
    evaluator = TableEvaluator(table, epochs=4, repeat=2, metrics=["val_accuracy"])
    space, again = build_evaluator({"evaluator": evaluator.to_spec()})
    assert space == SPACE
    assert isinstance(again, TableEvaluator)
    assert again.describe() == evaluator.describe()
    assert evaluator.describe()["sha256"] == table.sha256
    asked = proposal(table, 9)
    assert again.evaluate(asked, seed=0) == evaluator.evaluate(asked, seed=0)


def test_a_table_that_is_gone_is_named(table: Table) -> None:
    described = TableEvaluator(table).to_spec() | {"path": "/nowhere/toy.table"}
    with pytest.raises(
        StoreError, match=r"looked up in the table 'synthetic', .*/nowhere/toy\.table"
    ):
        build_evaluator({"evaluator": described})
