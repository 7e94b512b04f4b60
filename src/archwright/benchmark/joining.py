"""Two tables of one space become one: accuracies of one benchmark, latencies of another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.benchmark.columns import Column
from archwright.benchmark.table import Table, open_table
from archwright.benchmark.writing import write_table
from archwright.errors import BenchmarkError, UnknownNameError

__all__ = ["join_tables"]


def join_tables(
    first: Table,
    second: Table,
    destination: str | Path,
    *,
    metrics: Iterable[str] | None = None,
    dataset: str | None = None,
    rename: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Table:
    """Write a table with all of one table, and columns of another beside it.

    Rows are those of the first table; what the second one lacks is missing there.

    Args:
        first: The table that says which architectures there are.
        second: A table of the same space.
        destination: Where to write.
        metrics: Which of the second table's metrics to take, of all its datasets; all of them by
            default.
        dataset: Dataset of the columns taken; "" for what holds for every dataset of the first
            table. What the second table says by default.
        rename: New names for some of them.
        name: The benchmark's name; that of the first by default.

    Raises:
        BenchmarkError: If the tables are of different spaces, have no architecture in common, or
            both have a column of one name.
        UnknownNameError: If the second table has no such metric.
    """
    if first.space != second.space:
        raise BenchmarkError(
            f"tables that are joined must be of one space; {first.name!r} is of "
            f"{first.space.to_json()!r}, {second.name!r} of {second.space.to_json()!r}"
        )
    rows = second.rows_of(first.codes, partial=True)
    if rows.max() < 0:
        raise BenchmarkError(f"{first.name!r} and {second.name!r} have no architecture in common")
    kept = [(column, first.numbers_of(column)) for column in first.columns]
    taken = [
        (_renamed(column, dataset, rename or {}), _at(second.numbers_of(column), rows))
        for column in _chosen(second, metrics)
    ]
    _check_names(first, [column for column, _ in taken])
    path = write_table(
        destination,
        first.space,
        first.codes,
        kept + taken,
        name=name or first.name,
        provenance={"joined": [_facts(first), _facts(second)]},
        notes=[*first.header["notes"], *second.header["notes"]],
        domain=first.header.get("domain", ""),
        cost_metric=first.header.get("cost_metric"),
        hashes=_hashes(first),
    )
    return open_table(path)


def _chosen(table: Table, metrics: Iterable[str] | None) -> list[Column]:
    if metrics is None:
        return list(table.columns)
    wanted, names = set(metrics), {column.name for column in table.columns}
    if unknown := sorted(wanted - names):
        raise UnknownNameError(f"metric of table {table.name!r}", unknown[0], sorted(names))
    return [column for column in table.columns if column.name in wanted]


def _renamed(column: Column, dataset: str | None, rename: Mapping[str, str]) -> Column:
    name = rename.get(column.name, column.name)
    return replace(column, name=name, dataset=column.dataset if dataset is None else dataset)


def _check_names(table: Table, columns: Iterable[Column]) -> None:
    there = {(column.full_name, column.moment) for column in table.columns}
    for column in columns:
        if (column.full_name, column.moment) in there:
            raise BenchmarkError(
                f"both tables have a column {column.full_name!r}; choose metrics=, or give it "
                f"another name with rename={{{column.name!r}: ...}}"
            )


def _at(numbers: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return the numbers of some rows; NaN where a row is -1."""
    if rows.min() >= 0:
        return numbers[rows]
    found = numbers[np.maximum(rows, 0)].astype(np.float64)
    found[rows < 0] = np.nan
    return found


def _facts(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "sha256": table.sha256,
        "provenance": table.header["provenance"],
    }


def _hashes(table: Table) -> NDArray[Any] | None:
    """Return the published hashes that the file keeps, row by row."""
    if not table.keeps_hashes:
        return None
    listed, rows = table.hashes()
    by_row = np.empty(len(table), dtype="S32")
    by_row[rows] = listed
    return by_row
