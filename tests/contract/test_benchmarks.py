"""Every table that comes with archwright keeps the contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import archwright.benchmark
from archwright.benchmark import BENCHMARKS, Column, load_benchmark, open_table, write_table
from archwright.space import Choice, Space
from archwright.testing.benchmarks import check_table

FOLDER = Path(archwright.benchmark.__file__).parent / "tables"
BUILT_IN = [name for name in BENCHMARKS.names() if not BENCHMARKS.get(name).format]


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_table_keeps_the_contract(name: str) -> None:
    table = load_benchmark(name)
    check_table(table)
    assert table.name == name
    assert table.header["provenance"]
    assert table.path.stat().st_size < 8e6


def test_every_file_in_the_folder_is_registered() -> None:
    files = {path.stem for path in FOLDER.glob("*.table")} if FOLDER.is_dir() else set()
    assert files == set(BUILT_IN)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        (Column("val_accuracy", "", "max", "val"), 0.5, "has no unit"),
        (Column("val_accuracy", "fraction", "max", "test"), 0.5, "is of 'test'"),
        (Column("val_accuracy", "fraction", "max", "val"), 50.0, "is not in fraction"),
        (Column("val_accuracy", "nats", "max", "val"), 0.5, "val_accuracy is in nats"),
        (Column("training_seconds", "seconds", "min"), -1.0, "training_seconds is negative"),
    ],
)
def test_the_contract_notices(column: Column, values: float, message: str, tmp_path: Path) -> None:
    space = Space(a=Choice(1, 2), name="two")
    numbers = np.full(2, values)
    path = write_table(
        tmp_path / "t.table", space, np.array([[0], [1]]), [(column, numbers)], name="t"
    )
    with pytest.raises(AssertionError, match=message):
        check_table(open_table(path))
