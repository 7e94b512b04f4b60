"""From anybody's file of recorded results to a table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.benchmark.columns import Column
from archwright.benchmark.import_cells import IN_ORDER, architecture_columns, read_codes
from archwright.benchmark.import_metrics import (
    Meaning,
    inferred,
    stated,
    to_number,
    to_numbers,
)
from archwright.benchmark.import_rows import Rows, read_rows
from archwright.benchmark.writing import write_table
from archwright.errors import BenchmarkError, DataError, UnknownNameError
from archwright.space import Space

__all__ = ["ALL_OTHERS", "IN_ORDER", "Imported", "import_table"]

ALL_OTHERS = "*"
"""Among the metrics: all other columns whose names tell what they are."""

_SHOWN = 3


@dataclass(frozen=True)
class Imported:
    """What became of a file.

    Args:
        path: The table.
        rows: Its architectures.
        columns: Column of the file and what it became.
        left_out: Columns of the file that were not taken, each with the reason.
    """

    path: Path
    rows: int
    columns: tuple[tuple[str, Column], ...]
    left_out: tuple[tuple[str, str], ...]


def import_table(
    source: str | Path,
    destination: str | Path,
    space: Space,
    *,
    architecture: str | None = None,
    metrics: Iterable[str] = (),
    dataset: str = "",
    epochs: int | None = None,
    epochs_column: str | None = None,
    repeat_column: str | None = None,
    missing: Iterable[float] = (),
    name: str | None = None,
) -> Imported:
    """Make a table of a CSV, Parquet or `.npz` file with a row for each architecture.

    A file may also have a row for each architecture and epoch budget, or repeat, or both. An
    array `(rows, several)` of an `.npz` whose columns no other array names is taken for repeats.

    Args:
        source: The file.
        destination: The table.
        space: What the architectures belong to.
        architecture: The column that says which architecture a row is about: published text,
            codes `(rows, slots)` or published index; or `IN_ORDER` where rows stand in the
            published order. Found out by default; one column per decision works too.
        metrics: Which columns to take and what they are, each like
            "val_accuracy=acc,unit=percent,split=val,direction=max,dataset=cifar10"; whatever is
            left out is inferred from the names. `ALL_OTHERS`, also the default, means all
            columns whose names tell it.
        dataset: Dataset of all metrics that do not name one.
        epochs: The budget of all accuracies, errors, losses and times, where the file has one.
        epochs_column: The column with the epoch budget of each row.
        repeat_column: The column that tells repeats apart: seeds, or any names.
        missing: Numbers that mean a missing value, such as -1. NaN and empty cells always do.
        name: The benchmark's name; that of the file by default.

    Raises:
        DataError: If rows cannot be used; lists each with its row and column. Nothing is written.
        UnknownNameError: If there is no such column.
        BenchmarkError: If something cannot be inferred, or no metric is left.
        FormatError: If the file is damaged.
    """
    path = Path(source)
    rows = read_rows(path)
    problems: list[str] = []
    chosen = architecture_columns(rows, space, architecture)
    codes = read_codes(rows, space, chosen, problems)
    axes = _Axes.of(rows, epochs_column, repeat_column, problems)
    taken = {*chosen, *(c for c in (epochs_column, repeat_column) if c is not None)}
    meanings, left_out = _meanings(rows, list(metrics), taken)
    numbers = {one.source: _numbers(rows, one.source, problems, missing) for one in meanings}
    axes.check(rows, numbers)
    if not problems:
        unique, places = axes.arranged(rows, codes, problems)
    if problems:
        raise DataError(_summary(rows, problems), problems)
    arrays = []
    for one in meanings:
        values = axes.spread(numbers[one.source], places, len(unique))
        arrays.append(_column(one, values, axes, epochs, dataset))
    content = path.read_bytes()
    facts = {
        "file": path.name,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    written = write_table(
        destination,
        space,
        unique,
        arrays,
        name=name or path.name.partition(".")[0],
        provenance={"sources": [facts], "imported": [one.source for one in meanings]},
    )
    became = zip((one.source for one in meanings), (column for column, _ in arrays), strict=True)
    return Imported(written, len(unique), tuple(became), tuple(left_out))


def _meanings(
    rows: Rows, given: list[str], taken: set[str]
) -> tuple[list[Meaning], list[tuple[str, str]]]:
    """Return what is imported, and which columns are left out for which reason."""
    meanings = [stated(text, rows.columns) for text in given if text != ALL_OTHERS]
    if given and ALL_OTHERS not in given:
        return meanings, []
    taken = taken | {meaning.source for meaning in meanings}
    left_out: list[tuple[str, str]] = []
    for source, values in rows.columns.items():
        if source in taken or (values.dtype.kind == "U" and not _some_numbers(values)):
            continue
        meaning = inferred(source, values)
        if isinstance(meaning, str):
            left_out.append((source, meaning))
        else:
            meanings.append(meaning)
    if not meanings:
        reasons = "; ".join(reason for _, reason in left_out) or "no column holds numbers"
        raise BenchmarkError(
            f"{rows.name} has no metric that could be told by its name: {reasons}. Say it like "
            f"'val_accuracy=COLUMN,unit=percent'"
        )
    return meanings, left_out


def _some_numbers(values: NDArray[Any]) -> bool:
    """Return whether a column of texts is meant as one of numbers: half of it are some."""
    return 2 * sum(to_number(text) is not None for text in values.tolist()) >= len(values)


def _numbers(
    rows: Rows, source: str, problems: list[str], missing: Iterable[float]
) -> NDArray[np.float64]:
    """Return a column as numbers; what is none becomes a problem with its place."""
    values = rows.columns[source]
    if values.dtype.kind == "U":
        for row, text in enumerate(values.tolist()):
            if to_number(text) is None:
                problems.append(
                    f"{rows.name}, {rows.place(row)}, column {source!r}: must be a number, or "
                    f"empty where it is missing; got {text!r}"
                )
    if values.dtype.kind not in "iufbU" or values.ndim > 2:
        raise BenchmarkError(
            f"column {source!r} of {rows.name} must hold numbers, one or a few for each row; "
            f"got {values.dtype} of {values.shape}"
        )
    numbers = to_numbers(values)
    for row in np.unique(np.argwhere(np.isinf(numbers))[:, 0]).tolist():
        problems.append(f"{rows.name}, {rows.place(row)}, column {source!r}: must be finite")
    numbers[np.isin(numbers, list(missing))] = np.nan
    return numbers


def _summary(rows: Rows, problems: Sequence[str]) -> str:
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{count} in {rows.name}, nothing was written: {'; '.join(problems[:_SHOWN])}{more}"


@dataclass(frozen=True)
class _Axes:
    """Which budget and which repeat each row of the file is about.

    Args:
        epochs: The budgets, ascending; empty without a column of them.
        repeats: The repeats' names; empty without a column of them.
        at: Of each row, which budget and which repeat `(rows, 2)`.
    """

    epochs: tuple[int, ...]
    repeats: tuple[str, ...]
    at: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Rows, epochs: str | None, repeat: str | None, problems: list[str]) -> _Axes:
        for name in (epochs, repeat):
            if name is not None and name not in rows.columns:
                raise UnknownNameError(f"column of {rows.name}", name, rows.columns)
        at = np.zeros((len(rows), 2), dtype=np.int64)
        budgets: tuple[int, ...] = ()
        names: tuple[str, ...] = ()
        if epochs is not None:
            numbers = _numbers(rows, epochs, problems, ())
            for row in np.flatnonzero(~((numbers >= 1) & (numbers == np.floor(numbers)))).tolist():
                problems.append(
                    f"{rows.name}, {rows.place(row)}, column {epochs!r}: must be a whole number "
                    f"of epochs from 1 up; got {rows.columns[epochs][row].item()!r}"
                )
                numbers[row] = 1
            found, at[:, 0] = np.unique(numbers, return_inverse=True)
            budgets = tuple(map(int, found.tolist()))
        if repeat is not None:
            labels, at[:, 1] = np.unique(rows.columns[repeat], return_inverse=True)
            names = tuple(map(str, labels.tolist()))
        return cls(budgets, names, at)

    def check(self, rows: Rows, numbers: Mapping[str, NDArray[np.float64]]) -> None:
        """Check that no column has several numbers in a row where rows are single trainings.

        Raises:
            BenchmarkError: If one has.
        """
        for source, values in numbers.items():
            if values.ndim > 1 and (self.epochs or self.repeats):
                raise BenchmarkError(
                    f"column {source!r} of {rows.name} has {values.shape[1]} numbers in a row; "
                    f"with a column of epochs or repeats there must be one"
                )

    def arranged(
        self, rows: Rows, codes: NDArray[Any], problems: list[str]
    ) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Return the different codes, and which of them each row is about."""
        unique, places = np.unique(codes, axis=0, return_inverse=True)
        places = places.reshape(-1)
        first: dict[tuple[int, int, int], int] = {}
        for row, key in enumerate(zip(places.tolist(), *self.at.T.tolist(), strict=True)):
            if key in first:
                problems.append(
                    f"{rows.name}, {rows.place(row)}: is about the same architecture, epochs and "
                    f"repeat as {rows.place(first[key])}; name the column that tells them apart"
                )
            first.setdefault(key, row)
        return unique, places

    def spread(
        self, numbers: NDArray[np.float64], places: NDArray[np.int64], architectures: int
    ) -> NDArray[np.float64]:
        """Return numbers of rows as those of architectures: `(architectures, epochs, repeats)`."""
        if numbers.ndim == 2:
            values = np.full((architectures, 1, numbers.shape[1]), np.nan)
            values[places, 0] = numbers
            return values
        shape = (architectures, max(1, len(self.epochs)), max(1, len(self.repeats)))
        values = np.full(shape, np.nan)
        values[places, self.at[:, 0], self.at[:, 1]] = numbers
        return values


def _column(
    meaning: Meaning,
    values: NDArray[np.float64],
    axes: _Axes,
    epochs: int | None,
    dataset: str,
) -> tuple[Column, NDArray[np.float64]]:
    """Return a column of the table and its numbers; what depends on nothing gets no axes."""
    fixed = not meaning.split and meaning.unit != "seconds"
    budgets = axes.epochs or (() if fixed or epochs is None else (epochs,))
    repeats = len(axes.repeats) or (values.shape[2] if values.shape[2] > 1 else 0)
    if fixed and _same_in_rows(values):
        budgets, repeats = (), 0
        values = _known(values)[:, None, None]
    decimal = repeats == len(axes.repeats) and all(text.isdecimal() for text in axes.repeats)
    column = Column(
        meaning.name,
        meaning.unit,
        meaning.direction,
        meaning.split,
        epochs=budgets,
        repeats=repeats,
        seeds=tuple(map(int, axes.repeats)) if decimal else (),
        dataset=meaning.dataset or (dataset if "/" not in meaning.name else ""),
        moment=meaning.moment,
    )
    return column, values.reshape(len(values), *column.shape)


def _same_in_rows(values: NDArray[np.float64]) -> bool:
    """Return whether all known numbers of an architecture are the same, for each of them."""
    known = _known(values)[:, None, None]
    return bool((np.isnan(values) | (values == known)).all())


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the first known number of each architecture `(architectures,)`; NaN without one."""
    flat = values.reshape(len(values), -1)
    first = np.isnan(flat).argmin(axis=1)
    known: NDArray[np.float64] = flat[np.arange(len(flat)), first]
    return known
