from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, Spent, Table, open_table, write_table
from archwright.errors import BenchmarkError, OutOfDomainError, UnknownNameError
from archwright.space import Choice, Space, space_named
from archwright.testing.benchmarks import check_table, synthetic_columns, synthetic_table
from archwright.trial import Measurement, MetricInfo

NAN = math.nan
MakeTable = Callable[..., Table]


@pytest.mark.parametrize(
    ("name", "options", "rows"),
    [
        ("nasbench201", {}, None),
        ("nasbench201", {"equivalence": "isomorphism"}, None),
        ("nasbench201", {}, 500),
        ("nasbench101", {"max_vertices": 4}, None),
        ("nats-size", {}, 100),
        ("mlp", {"activation": ["relu"]}, 200),
        ("nasbench-graph", {}, 300),
        ("darts", {}, 20),
    ],
)
def test_synthetic_table_keeps_the_contract(
    name: str, options: dict, rows: int | None, tmp_path: Path
) -> None:
    check_table(synthetic_table(space_named(name, **options), tmp_path / "t.table", rows=rows))


def test_table_says_what_it_holds(cells: Table) -> None:
    assert cells.name == "synthetic"
    assert len(cells) == 15_625
    assert cells.epochs == (4, 12, 36, 108)
    assert cells.repeats == 3
    assert cells.cost_metric == "training_seconds"
    assert (cells.datasets, cells.dataset) == ((), "")
    assert cells.domain == "15,625 architectures of 'nasbench201'"
    assert cells.metrics == (
        MetricInfo("parameters", "min", "count"),
        MetricInfo("train_accuracy", "max", "fraction", "train"),
        MetricInfo("val_accuracy", "max", "fraction", "val"),
        MetricInfo("test_accuracy", "max", "fraction", "test"),
        MetricInfo("training_seconds", "min", "seconds"),
    )
    assert repr(cells) == "<table 'synthetic': 15,625 rows, cells.table>"


def test_values_are_those_that_were_written(cells: Table) -> None:
    """The rows of a complete table of this space are in published order."""
    space = cells.space
    written = np.array([space.index(architecture) for architecture in space.enumerate()])
    for column, values in synthetic_columns(len(cells)):
        kept = np.empty_like(values)
        kept[written] = values
        halfway = column.moment == "halfway"
        for place, epochs in enumerate(column.epochs):
            read = cells.values(column.name, epochs=epochs, repeat="all", halfway=halfway)
            assert np.array_equal(read, kept[:, place])
        if not column.epochs:
            assert np.array_equal(cells.values(column.name), kept)


def test_every_way_to_ask_gives_the_same_floats(cells: Table) -> None:
    rows = np.array([0, 6111, 15_624])
    for repeat in (0, 1, 2, "mean"):
        for halfway in (False, True):
            batch = cells.values("test_accuracy", rows, epochs=36, repeat=repeat, halfway=halfway)
            read = cells.reader(["test_accuracy"], epochs=36, repeat=repeat, halfway=halfway)
            for row, value in zip(rows.tolist(), batch.tolist(), strict=True):
                architecture = cells.architecture(row)
                query = cells.query(architecture, epochs=36, repeat=repeat, halfway=halfway)
                assert query.metrics["test_accuracy"] == value
                assert read(architecture) == read(row) == (value,)


def test_each_row_may_have_its_own_repeat(cells: Table) -> None:
    rows, repeats = np.array([5, 5, 900]), np.array([2, 0, 1])
    every = cells.values("val_accuracy", rows, epochs=4, repeat="all")
    chosen = cells.values("val_accuracy", rows, epochs=4, repeat=repeats)
    assert chosen.tolist() == [every[0, 2], every[1, 0], every[2, 1]]
    assert cells.values("parameters", rows, repeat=repeats).shape == (3,)


def test_query_defaults_to_the_full_budget(cells: Table) -> None:
    query = cells.query("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")
    assert cells.row("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|") == 1651
    assert query == cells.query(1651, epochs=108, repeat="mean")
    assert query.step == 108
    assert query.cost_seconds == query.metrics["training_seconds"] > 0
    assert query.info == {"repeat": "mean"}


def test_halfway_is_half_of_the_same_training(cells: Table) -> None:
    final = cells.query(3, epochs=108, repeat=1)
    halfway = cells.query(3, epochs=108, repeat=1, halfway=True)
    assert halfway.step == 54
    assert halfway.cost_seconds == halfway.metrics["training_seconds"] < final.cost_seconds
    assert halfway.metrics["parameters"] == final.metrics["parameters"]
    assert halfway.info == {"repeat": 1, "halfway": True}


def test_all_and_drawn_repeats(cells: Table) -> None:
    every = cells.query(3, repeat="all")
    assert [measurement.info["repeat"] for measurement in every] == [0, 1, 2]
    rng = np.random.default_rng(0)
    drawn = [cells.query(3, repeat="drawn", rng=rng) for _ in range(40)]
    assert {measurement.info["repeat"] for measurement in drawn} == {0, 1, 2}
    assert all(measurement in every for measurement in drawn)
    assert {cells.random_repeat(rng) for _ in range(40)} == {0, 1, 2}


def test_missing_repeats_are_left_out_of_the_mean_and_told(make_table: MakeTable) -> None:
    column = Column("val_accuracy", "fraction", "max", "val", epochs=(4, 12), repeats=2)
    values = np.full((6, 2, 2), 0.5)
    values[1, 1] = (NAN, 0.75)
    values[2, 0] = NAN
    table = make_table((column, values), (Column("parameters", "count"), np.arange(6)))
    one = table.query(1)
    assert one.metrics == {"val_accuracy": 0.75, "parameters": 1.0}
    assert one.info == {"repeat": "mean", "repeats": {"val_accuracy": 1}}
    assert [each.info["repeat"] for each in table.query(1, repeat="all")] == [1]
    rng = np.random.default_rng(0)
    assert {table.query(1, repeat="drawn", rng=rng).info["repeat"] for _ in range(9)} == {1}
    assert table.values("val_accuracy", [0, 1]).tolist() == [0.5, 0.75]
    assert np.isnan(table.values("val_accuracy", epochs=4)).tolist() == [0, 0, 1, 0, 0, 0]
    with pytest.raises(BenchmarkError, match="'toy' has recorded nothing of row 1 at 12 epochs in"):
        table.query(1, repeat=0)
    with pytest.raises(BenchmarkError, match="'toy' has recorded nothing of row 2 at 4 epochs"):
        table.query(2, epochs=4)
    with pytest.raises(BenchmarkError, match="has no trainings of row 2 told apart"):
        table.query(2, epochs=4, repeat="all")
    with pytest.raises(BenchmarkError, match="'toy' has no val_accuracy of row 2"):
        table.reader(["parameters", "val_accuracy"], epochs=4)(2)
    assert table.reader(["val_accuracy"])(1) == (0.75,)


def test_a_metric_that_one_architecture_lacks_is_told(make_table: MakeTable) -> None:
    accuracy = Column("val_accuracy", "fraction", "max", "val")
    energy = Column("energy_mj", "mJ", "min")
    table = make_table((accuracy, np.full(6, 0.5)), (energy, [1.0, NAN, 2, 3, 4, 5]))
    assert table.query(1).metrics == {"val_accuracy": 0.5}
    assert table.query(1).info["missing"] == ["energy_mj"]
    assert table.epochs == ()
    assert table.query(1).step == 0
    assert table.query(0, repeat=0).metrics == {"val_accuracy": 0.5, "energy_mj": 1.0}


def test_datasets_are_told_apart(make_table: MakeTable) -> None:
    table = make_table(
        (Column("cifar10/val_accuracy", "percent", "max", "val"), np.arange(6)),
        (Column("cifar100/val_accuracy", "percent", "max", "val"), np.arange(6) + 10),
        (Column("cifar100/test_accuracy", "percent", "max", "test", epochs=(12,)), np.ones((6, 1))),
        (Column("parameters", "count", "min"), np.arange(6) + 100),
    )
    assert (table.datasets, table.dataset) == (("cifar10", "cifar100"), "cifar10")
    other = table.with_dataset("cifar100")
    assert table.query(2).metrics == {"val_accuracy": 2.0, "parameters": 102.0}
    assert other.query(2).metrics == {
        "val_accuracy": 12.0,
        "test_accuracy": 1.0,
        "parameters": 102.0,
    }
    assert (table.epochs, other.epochs) == ((), (12,))
    assert open_table(table.path, dataset="cifar100").dataset == "cifar100"
    assert pickle.loads(pickle.dumps(other)).dataset == "cifar100"
    with pytest.raises(UnknownNameError, match=r"dataset of table toy 'cifar'.*cifar10, cifar100"):
        table.with_dataset("cifar")
    with pytest.raises(UnknownNameError, match="on cifar10 'test_accuracy'"):
        table.values("test_accuracy")
    check_table(table)


def test_best_is_the_first_of_equal_ones(make_table: MakeTable) -> None:
    table = make_table(
        (Column("val_accuracy", "fraction", "max", "val"), [0.1, NAN, 0.9, 0.9, 0, 0]),
        (Column("val_loss", "nats", "min", "val"), [3, 2, 1, 1, NAN, 5.5]),
        (Column("never", "nats", "min"), np.full(6, NAN)),
    )
    assert table.best("val_accuracy") == (2, pytest.approx(0.9))
    assert table.best("val_loss") == (2, 1.0)
    with pytest.raises(BenchmarkError, match="has recorded no 'never'"):
        table.best("never")


def test_what_the_table_lacks_is_refused_with_what_it_has(cells: Table) -> None:
    with pytest.raises(BenchmarkError, match=r"no values of 50 epochs; it has .*4, 12, 36, 108"):
        cells.query(0, epochs=50)
    with pytest.raises(BenchmarkError, match=r"column 'val_accuracy' .*no values of 50 epochs"):
        cells.values("val_accuracy", epochs=50)
    with pytest.raises(UnknownNameError, match="did you mean 'val_accuracy'"):
        cells.values("valid_accuracy")
    with pytest.raises(UnknownNameError, match="metric of table 'synthetic' 'loss'"):
        cells.reader(["loss"])
    for repeat in (3, -1, True, "median", 1.0):
        with pytest.raises(BenchmarkError, match=r"repeat must be .* a number from 0 to 2; got"):
            cells.query(0, repeat=repeat)
        with pytest.raises(BenchmarkError, match=r"repeat must be .* a number from 0 to 2; got"):
            cells.values("val_accuracy", repeat=repeat)
    with pytest.raises(BenchmarkError, match="a reader needs a metric at least"):
        cells.reader([])
    with pytest.raises(BenchmarkError, match="pass rng="):
        cells.query(0, repeat="drawn")
    with pytest.raises(BenchmarkError, match=r"for each of 2 rows; got int64 of \(3,\)"):
        cells.values("val_accuracy", [1, 2], repeat=np.array([0, 1, 2]))
    with pytest.raises(BenchmarkError, match="repeat must be"):
        cells.values("val_accuracy", [1, 2], repeat=np.array([0, 3]))
    with pytest.raises(BenchmarkError, match="rows must be whole numbers"):
        cells.values("val_accuracy", np.array([0.5]))
    with pytest.raises(OutOfDomainError, match="numbered 0 to 15624; got -1"):
        cells.values("val_accuracy", [0, -1])


def test_budgets_of_a_table_without(make_table: MakeTable) -> None:
    table = make_table((Column("val_accuracy", "fraction", "max", "val"), np.ones(6)))
    with pytest.raises(BenchmarkError, match="no values of 12 epochs; it tells no budgets apart"):
        table.query(0, epochs=12)
    with pytest.raises(BenchmarkError, match="has no halfway values"):
        table.query(0, halfway=True)
    with pytest.raises(BenchmarkError, match="row 0 told apart"):
        table.query(0, repeat="all")


def test_halfway_of_one_metric_only(make_table: MakeTable) -> None:
    table = make_table(
        (Column("val_accuracy", "fraction", "max", "val", epochs=(4,)), np.ones((6, 1))),
        (Column("val_loss", "nats", "min", "val", epochs=(4,)), np.ones((6, 1))),
        (Column("val_loss", "nats", "min", "val", epochs=(4,), moment="halfway"), np.ones((6, 1))),
    )
    assert table.query(0, halfway=True).metrics == {"val_loss": 1.0}
    with pytest.raises(BenchmarkError, match=r"halfway values of 'val_accuracy'; .* val_loss"):
        table.values("val_accuracy", halfway=True)


def test_what_is_not_covered_says_why(cells: Table, tmp_path: Path) -> None:
    space = cells.space
    some = synthetic_table(space, tmp_path / "t.table", rows=10)
    with pytest.raises(OutOfDomainError, match="covers 10 architectures of 'nasbench201'; <"):
        some.row(space.at(6111))
    with pytest.raises(OutOfDomainError, match="is none of them"):
        some.rows_of(np.array([some.codes[0], space.at(6111).codes]))
    with pytest.raises(OutOfDomainError, match="is none of them"):
        some.reader(["parameters"])(space.at(6111))
    other = space_named("nasbench201", equivalence="isomorphism").at(3)
    with pytest.raises(OutOfDomainError, match=r"belongs to another space, .*isomorphism"):
        cells.query(other)
    with pytest.raises(OutOfDomainError, match="another space"):
        cells.reader(["parameters"])(other)
    with pytest.raises(OutOfDomainError, match=r"covers 15,625 .*an operation"):
        cells.row("|none~0|+|nine~0|none~1|+|none~0|none~1|none~2|")
    with pytest.raises(OutOfDomainError, match=r"no architecture .* has the key or hash '0000"):
        cells.row("0" * 32)
    for row in (15_625, -1, True, 1.0, None):
        with pytest.raises(OutOfDomainError, match="numbered 0 to 15624; got"):
            cells.row(row)


def test_equal_spaces_are_one(cells: Table) -> None:
    other = space_named("nasbench201")
    assert other is not cells.space
    assert cells.row(other.at(11)) == 11
    assert cells.reader(["parameters"])(other.at(11)) == cells.reader(["parameters"])(11)


def test_published_hashes_are_kept_or_computed(tmp_path: Path) -> None:
    space = space_named("nasbench101", max_vertices=4)
    computed = synthetic_table(space, tmp_path / "a.table")
    hashes = np.array([space.hash(computed.architecture(row)) for row in range(len(computed))])
    kept = write_table(
        tmp_path / "b.table",
        space,
        computed.codes,
        synthetic_columns(len(computed)),
        name="b",
        hashes=hashes,
    )
    for table in (computed, open_table(kept)):
        listed, rows = table.hashes()
        assert listed == sorted(hashes.tolist())
        assert hashes[rows].tolist() == listed
        assert [table.row(text) for text in hashes.tolist()] == list(range(len(hashes)))
        with pytest.raises(OutOfDomainError, match=r"has the key or hash 'f{32}'"):
            table.row("f" * 32)


def test_rows_are_found_among_gaps(tmp_path: Path) -> None:
    """A sparse table finds what it has and nothing else, one by one and at once."""
    space = space_named("nasbench201")
    codes = space.codes_by_index()
    rng = np.random.default_rng(1)
    for rows in (1, 2, 3, 50, 4000, 15_000):
        chosen = rng.choice(len(codes), rows, replace=False)
        column = (Column("index", "count", "min"), chosen)
        path = write_table(tmp_path / "t.table", space, codes[chosen], [column], name="t")
        table = open_table(path)
        assert table.values("index", table.rows_of(codes[chosen])).tolist() == chosen.tolist()
        there = set(chosen.tolist())
        for index in rng.choice(len(codes), 200).tolist():
            architecture = space.at(index)
            if index in there:
                assert table.query(architecture).metrics == {"index": index}
            else:
                with pytest.raises(OutOfDomainError, match="is none of them"):
                    table.row(architecture)


def test_hashes_of_a_space_without(cells: Table) -> None:
    with pytest.raises(BenchmarkError, match="'nasbench201' has no published hashes"):
        cells.hashes()


def test_a_space_with_rules_is_passed(tmp_path: Path) -> None:
    space = Space(
        a=Choice(1, 2), b=Choice(1, 2), name="ruled", rules=[("sum", lambda v: v["a"] + v["b"] < 4)]
    )
    synthetic_table_rows = np.array([architecture.codes for architecture in space.enumerate()])
    column = Column("val_accuracy", "fraction", "max", "val")
    path = write_table(
        tmp_path / "t.table", space, synthetic_table_rows, [(column, np.zeros(3))], name="t"
    )
    assert open_table(path, space=space).row(space.architecture({"a": 1, "b": 2})) == 1
    with pytest.raises(BenchmarkError, match="is a table of the space"):
        open_table(path, space=Space(a=Choice(1, 2), name="other"))


def test_results_are_copies(cells: Table) -> None:
    values = cells.values("val_accuracy")
    values[:] = 0
    assert cells.values("val_accuracy").max() > 0
    with pytest.raises(ValueError, match="read-only"):
        cells.codes[0, 0] = 1


def test_spent_is_an_account_of_its_own(cells: Table) -> None:
    first, second = Spent(), Spent()
    final = cells.query(1, epochs=108, repeat=0)
    half = cells.query(1, epochs=36, repeat=0, halfway=True)
    first.add(final)
    first.add(half)
    second.add(final, 7)
    assert first == Spent(final.cost_seconds + half.cost_seconds, 126, 2)
    assert second == Spent(final.cost_seconds, 7, 1)
    first.reset()
    assert first == Spent()
    first.add(Measurement({"a": 1.0}))
    assert first.queries == 1
