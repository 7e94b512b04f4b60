from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, Table, join_tables, open_table, write_table
from archwright.errors import BenchmarkError, UnknownNameError
from archwright.space import space_named
from archwright.testing.benchmarks import check_table, synthetic_columns

SPACE = space_named("nasbench101", max_vertices=4)
CODES = np.array([architecture.codes for architecture in SPACE.enumerate()])
LATENCY = Column("latency_ms", "ms", "min")
ENERGY = Column("cpu/energy", "mJ", "min")


@pytest.fixture
def accuracies(tmp_path: Path) -> Table:
    columns = synthetic_columns(60, epochs=(4, 12))
    hashes = np.array([SPACE.hash(architecture) for architecture in SPACE.enumerate()])[:60]
    path = tmp_path / "a.table"
    return open_table(
        write_table(path, SPACE, CODES[:60], columns, name="a", hashes=hashes, notes=["one"])
    )


@pytest.fixture
def latencies(tmp_path: Path) -> Table:
    rows = np.arange(30, 91)
    columns = [(LATENCY, rows[::-1]), (ENERGY, rows + 0.5)]
    path = tmp_path / "b.table"
    return open_table(write_table(path, SPACE, CODES[30:], columns, name="b", notes=["two"]))


def test_columns_meet_by_architecture(accuracies: Table, latencies: Table, tmp_path: Path) -> None:
    joined = join_tables(accuracies, latencies, tmp_path / "c.table")
    check_table(joined)
    assert len(joined) == 60
    assert joined.columns == (*accuracies.columns, LATENCY, ENERGY)
    for row in range(60):
        architecture = joined.architecture(row)
        read = joined.values("latency_ms", [row])[0]
        if row in accuracies.rows_of(CODES[30:60]).tolist():
            assert read == latencies.query(architecture).metrics["latency_ms"]
        else:
            assert np.isnan(read)
    every = accuracies.values("val_accuracy", epochs=4, repeat="all")
    assert np.array_equal(joined.values("val_accuracy", epochs=4, repeat="all"), every)
    assert joined.hashes()[0] == accuracies.hashes()[0]
    assert joined.cost_metric == "training_seconds"
    assert joined.header["notes"] == ["one", "two"]
    assert [part["name"] for part in joined.header["provenance"]["joined"]] == ["a", "b"]


def test_what_is_taken_may_be_chosen(accuracies: Table, latencies: Table, tmp_path: Path) -> None:
    joined = join_tables(
        accuracies,
        latencies,
        tmp_path / "c.table",
        metrics=["energy"],
        dataset="",
        rename={"energy": "energy_mj"},
        name="both",
    )
    assert joined.name == "both"
    assert [metric.name for metric in joined.metrics][-1] == "energy_mj"
    assert joined.datasets == ()


def test_what_does_not_fit_is_refused(accuracies: Table, latencies: Table, tmp_path: Path) -> None:
    out = tmp_path / "c.table"
    with pytest.raises(BenchmarkError, match=r"both tables have a column 'parameters'; .*rename="):
        join_tables(accuracies, accuracies, out)
    with pytest.raises(UnknownNameError, match="metric of table 'b' 'power'; allowed: energy, lat"):
        join_tables(accuracies, latencies, out, metrics=["power"])
    other = write_table(out, SPACE, CODES[60:], [(ENERGY, np.zeros(31))], name="far")
    with pytest.raises(BenchmarkError, match="'a' and 'far' have no architecture in common"):
        join_tables(accuracies, open_table(other), out)
    space = space_named("nasbench101", max_vertices=3)
    codes = np.array([architecture.codes for architecture in space.enumerate()])
    small = write_table(out, space, codes, [(ENERGY, np.zeros(len(codes)))], name="small")
    with pytest.raises(BenchmarkError, match=r"must be of one space; 'a' is of .*_vertices': 4"):
        join_tables(accuracies, open_table(small), out)


def test_numbers_of_a_column(latencies: Table) -> None:
    assert latencies.numbers_of(LATENCY).dtype == np.uint8
    with pytest.raises(UnknownNameError, match="'power'; allowed: latency_ms, cpu/energy"):
        latencies.numbers_of(Column("power"))
