"""An open table: rows by whatever names an architecture, recorded numbers by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from archwright.benchmark._checks import checked_number, checked_repeat, shapes
from archwright.benchmark._finding import Finder
from archwright.benchmark._plan import Plan, drawn
from archwright.benchmark._stored import Repeat, StoredColumn, tuple_reader
from archwright.benchmark.columns import Column
from archwright.benchmark.format import map_file, verify_file
from archwright.errors import BenchmarkError, FormatError, OutOfDomainError, UnknownNameError
from archwright.space import Architecture, Space
from archwright.trial import Measurement, MetricInfo

__all__ = ["Row", "Table", "open_table"]

Row: TypeAlias = int | str | Architecture
"""What names a row: its number, an architecture, its key, published hash or published text."""


def open_table(
    path: str | Path, *, dataset: str | None = None, space: Space | None = None
) -> Table:
    """Open a table file. Its columns are mapped into memory, not read.

    Args:
        path: The file.
        dataset: Which of its datasets to answer for; the first one by default.
        space: The space, where it has rules and so cannot be rebuilt from the file.

    Raises:
        BenchmarkError: If there is no such file, or the space is another one.
        FormatError: If the file is no table or is damaged; names the byte.
        UnknownNameError: If the table has no such dataset.
    """
    table = Table(Path(path), space=space)
    return table.with_dataset(dataset) if dataset else table


class Table:
    """Recorded evaluations of the architectures of one space; read-only, shared by many searches.

    A table answers for one dataset at a time (`with_dataset` gives a view for another one), and
    tells training, validation and test values apart by the names of its metrics. Every number
    that it returns is a copy.

    Args:
        path: A file that `write_table` wrote.
        space: The space, where it cannot be rebuilt from the file.

    Raises:
        BenchmarkError: As `open_table`.
        FormatError: As `open_table`.
    """

    def __init__(self, path: Path, *, space: Space | None = None) -> None:
        mapped = map_file(path)
        self.path = path
        self.header: Mapping[str, Any] = mapped.header
        self.sha256 = mapped.sha256
        self._arrays = mapped.arrays
        self._stored = self._bound_columns()
        self._given_space = space
        if space is not None and space.to_json() != self.header["space"]:
            raise BenchmarkError(
                f"{path} is a table of the space {self.header['space']!r}; got {space.to_json()!r}"
            )
        datasets = dict.fromkeys(stored.column.dataset for stored in self._stored)
        self.datasets: tuple[str, ...] = tuple(name for name in datasets if name)
        self.dataset = self.datasets[0] if self.datasets else ""

    def _bound_columns(self) -> list[StoredColumn]:
        """Return the columns with their numbers; the header and the arrays fit together."""
        try:
            columns = [Column.from_json(data) for data in self.header["columns"]]
            expected = shapes(self.header, columns, self._arrays)
        except (KeyError, TypeError, IndexError, BenchmarkError) as error:
            raise FormatError(self.path, "header", f"is not that of a table: {error!r}") from error
        for name, array in self._arrays.items():
            if array.shape != expected.get(name):
                raise FormatError(
                    self.path,
                    f"array {name!r}",
                    f"must have the shape {expected.get(name)}; got {array.shape}",
                )
        numbers = (self._arrays[f"column {number}"] for number in range(len(columns)))
        return [StoredColumn(*pair) for pair in zip(columns, numbers, strict=True)]

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return str(self.header["name"])

    @cached_property
    def space(self) -> Space:
        """What the architectures belong to.

        Raises:
            SpaceError: If it has rules; pass the space to `open_table` then.
        """
        return self._given_space or Space.from_json(self.header["space"])

    @property
    def domain(self) -> str:
        """Which architectures the table covers, in words."""
        return self.header.get("domain") or f"{len(self):,} architectures of {self.space.name!r}"

    @property
    def codes(self) -> NDArray[Any]:
        """Codes of all rows `(rows, slots)`, read-only."""
        return self._arrays["codes"]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Every column, of all datasets."""
        return tuple(stored.column for stored in self._stored)

    def numbers_of(self, column: Column) -> NDArray[Any]:
        """Return the numbers of a column as the file keeps them, read-only.

        Returns:
            `(rows, epochs, repeats)`, without the axes that the column does not have.

        Raises:
            UnknownNameError: If the table has no such column.
        """
        for number, stored in enumerate(self._stored):
            if stored.column == column:
                return self._arrays[f"column {number}"]
        names = [known.full_name for known in self.columns]
        raise UnknownNameError(f"column of {self._described}", column.full_name, names)

    @property
    def metrics(self) -> tuple[MetricInfo, ...]:
        """What is recorded for the bound dataset: name, direction, unit and split of each."""
        final = (stored.column for stored in self._named.values())
        return tuple(column.info for column in final if column.moment == "final")

    @cached_property
    def epochs(self) -> tuple[int, ...]:
        """The budgets that were trained separately, ascending; the last one is the full one."""
        return tuple(sorted({e for one in self._named.values() for e in one.column.epochs}))

    @cached_property
    def repeats(self) -> int:
        """How many independent trainings an architecture has at most; 0 if none are told apart."""
        return max((one.column.repeats for one in self._named.values()), default=0)

    @property
    def cost_metric(self) -> str | None:
        """The metric that says what an evaluation cost, in seconds; None if there is none."""
        name = self.header.get("cost_metric")
        return name if (name, "final") in self._named else None

    @cached_property
    def _named(self) -> dict[tuple[str, str], StoredColumn]:
        """Columns of the bound dataset by (name, moment); its own go before those of all."""
        named: dict[tuple[str, str], StoredColumn] = {}
        for dataset in dict.fromkeys((self.dataset, "")):
            for stored in self._stored:
                if stored.column.dataset == dataset:
                    named.setdefault((stored.column.name, stored.column.moment), stored)
        return named

    @cached_property
    def _finder(self) -> Finder:
        return Finder(self.name, self.domain, self.space, self._arrays)

    @cached_property
    def _plans(self) -> dict[tuple[int | None, bool], Plan]:
        return {}

    def with_dataset(self, dataset: str) -> Table:
        """Return a view of the same file that answers for another dataset.

        Raises:
            UnknownNameError: If the table has no such dataset.
        """
        if dataset not in self.datasets:
            raise UnknownNameError(f"dataset of table {self.name}", dataset, self.datasets)
        view = object.__new__(Table)
        view.__dict__.update(self.__dict__)
        view.dataset = dataset
        for name in ("epochs", "repeats", "_named", "_plans"):  # they depend on the dataset
            view.__dict__.pop(name, None)
        return view

    def verify(self) -> None:
        """Read the whole file and compare it with its checksum.

        Raises:
            FormatError: If it was changed or damaged after it was written.
        """
        verify_file(self.path)

    def __len__(self) -> int:
        return len(self.codes)

    def architecture(self, row: int) -> Architecture:
        """Return the architecture of a row.

        Raises:
            OutOfDomainError: If there is no such row.
        """
        return self._finder.architecture(self._finder.number(row))

    def row(self, named: Row) -> int:
        """Return the row of an architecture.

        Args:
            named: An architecture; its key or published hash, 32 hexadecimal digits; its
                published text; or the number of its row, which in a complete table of a space
                with a published order is the published index.

        Raises:
            OutOfDomainError: If the table does not have it; says why.
        """
        return self._finder.row(named)

    def __contains__(self, named: Row) -> bool:
        """Return whether anything is recorded about an architecture; see `row`."""
        try:
            self.row(named)
        except OutOfDomainError:
            return False
        return True

    def rows_of(self, codes: NDArray[Any], *, partial: bool = False) -> NDArray[np.int64]:
        """Return the rows `(architectures,)` of many architectures at once.

        Args:
            codes: Canonical codes `(architectures, slots)`.
            partial: Give -1 for those that the table does not have, instead of raising.

        Raises:
            OutOfDomainError: If the table does not have one of them.
            SpaceError: If a code is outside its domain.
        """
        return self._finder.rows_of(codes, partial=partial)

    @property
    def keeps_hashes(self) -> bool:
        """Whether the file itself keeps the published hashes; else they are computed."""
        return "hashes" in self._arrays

    def hashes(self) -> tuple[list[str], NDArray[np.int64]]:
        """Return the published hashes in ascending order, and their rows `(rows,)`.

        Raises:
            BenchmarkError: If the space has no published hashes.
        """
        return self._finder.hashes()

    @overload
    def query(
        self,
        named: Row,
        *,
        epochs: int | None = None,
        repeat: Literal["all"],
        halfway: bool = False,
    ) -> tuple[Measurement, ...]: ...
    @overload
    def query(
        self,
        named: Row,
        *,
        epochs: int | None = None,
        repeat: int | Literal["mean", "drawn"] = "mean",
        halfway: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Measurement: ...
    def query(
        self,
        named: Row,
        *,
        epochs: int | None = None,
        repeat: int | str = "mean",
        halfway: bool = False,
        rng: np.random.Generator | None = None,
    ) -> Measurement | tuple[Measurement, ...]:
        """Return what is recorded about one architecture.

        Args:
            named: What `row` takes.
            epochs: The budget; the full one by default.
            repeat: The number of one training, "drawn" for a random one, "mean" over those that
                are there, or "all" for one measurement of each that is there.
            halfway: Values after half of the epochs, of the same training.
            rng: One number is drawn from it for "drawn".

        Returns:
            Metrics by name, in the table's units; `cost_seconds` of the training; epochs as
            `step`. Metrics that this architecture lacks are left out and listed in
            `info["missing"]`; `info["repeats"]` counts the trainings behind a mean, where they
            are fewer than the table's.

        Raises:
            OutOfDomainError: If the table does not have the architecture.
            BenchmarkError: If it lacks the budget, the repeat or halfway values, or has recorded
                nothing of this architecture.
        """
        row, plan = self.row(named), self._plan(epochs, halfway)
        if repeat == "mean":
            return plan.measure(row, repeat)
        if repeat == "all":
            return tuple(plan.measure(row, number) for number in plan.repeats_there(row))
        if repeat == "drawn":
            return plan.measure(row, drawn(plan.repeats_there(row), rng))
        return plan.measure(row, checked_number(repeat, self.repeats, ("mean", "drawn", "all")))

    def values(
        self,
        metric: str,
        rows: Sequence[int] | NDArray[Any] | None = None,
        *,
        epochs: int | None = None,
        repeat: Repeat = "mean",
        halfway: bool = False,
    ) -> NDArray[np.float64]:
        """Return one metric of many architectures at once.

        Args:
            metric: A name in `metrics`.
            rows: Their rows; all of the table by default.
            epochs: The budget; the full one by default.
            repeat: The number of one training, an array of one number for each row, "mean" over
                those that are there, or "all".
            halfway: Values after half of the epochs, of the same training.

        Returns:
            float64 `(rows,)`, or `(rows, repeats)` for "all"; NaN where nothing is recorded.

        Raises:
            UnknownNameError: If the table has no such metric.
            BenchmarkError: If it lacks the budget, the repeat or halfway values.
            OutOfDomainError: If there is no such row.
        """
        stored = self._column(metric, halfway)
        budget = self._budget(epochs, stored.column)
        exact = None if rows is None else self._checked_rows(rows)
        count = len(self) if exact is None else len(exact)
        return stored.gather(exact, budget, checked_repeat(repeat, stored.column, count))

    def reader(
        self,
        metrics: Sequence[str],
        *,
        epochs: int | None = None,
        repeat: int | str = "mean",
        halfway: bool = False,
    ) -> Callable[[Architecture | int], tuple[float, ...]]:
        """Return a function that reads some metrics of one architecture, faster than `query`.

        Args:
            metrics: Names in `metrics`.
            epochs: The budget; the full one by default.
            repeat: The number of one training, or "mean" over those that are there.
            halfway: Values after half of the epochs, of the same training.

        Returns:
            A function from an architecture, or the number of a row, to the values in this
            order; it raises as `row`, and BenchmarkError where a value is missing.

        Raises:
            UnknownNameError: If the table has no such metric.
            BenchmarkError: If it lacks the budget, the repeat or halfway values.
        """
        stored = [self._column(metric, halfway) for metric in metrics]
        if not stored:
            raise BenchmarkError("a reader needs a metric at least; got none")
        budgets = [self._budget(epochs, one.column) for one in stored]
        if repeat != "mean":
            for repeats in {one.column.repeats for one in stored} - {0}:
                repeat = checked_number(repeat, repeats, ("mean",))
        values_of, exact_values_of = tuple_reader(stored, budgets, repeat)
        place, space, row_of, rows = self._finder.place, self.space, self.row, len(self)

        def read(named: Architecture | int) -> tuple[float, ...]:
            row = -1
            if isinstance(named, Architecture):
                row = place(named.codes) if named.space is space else -1
            elif type(named) is int and named < rows:
                row = named
            if row < 0:
                row = row_of(named)
            values = values_of(row)
            if (total := sum(values)) == total:  # none of them is NaN
                return values
            values = exact_values_of(row)
            if any(value != value for value in values):
                missing = [m for m, value in zip(metrics, values, strict=True) if value != value]
                raise BenchmarkError(
                    f"table {self.name!r} has no {', '.join(missing)} of row {row} "
                    f"(epochs={epochs!r}, repeat={repeat!r})"
                )
            return values

        return read

    def best(
        self, metric: str, *, epochs: int | None = None, repeat: int | str = "mean"
    ) -> tuple[int, float]:
        """Return the row with the best value of a metric, the first of equal ones, and the value.

        Raises:
            UnknownNameError: If the table has no such metric.
            BenchmarkError: If it lacks the budget or the repeat, or nothing is recorded.
        """
        values = self.values(metric, epochs=epochs, repeat=repeat)
        sign = 1.0 if self._column(metric).column.direction == "max" else -1.0
        if np.isnan(values).all():
            raise BenchmarkError(f"table {self.name!r} has recorded no {metric!r}")
        row = int(np.nanargmax(sign * values))
        return row, float(values[row])

    def random_repeat(self, rng: np.random.Generator) -> int:
        """Return the number of a random training; one number is drawn from the generator."""
        return int(rng.integers(max(1, self.repeats)))

    def _column(self, metric: str, halfway: bool = False) -> StoredColumn:
        final = self._named.get((metric, "final"))
        if final is None:
            names = [info.name for info in self.metrics]
            raise UnknownNameError(f"metric of {self._described}", metric, names)
        if not halfway or not final.column.epochs:
            return final
        if (metric, "halfway") in self._named:
            return self._named[metric, "halfway"]
        halves = [name for name, moment in self._named if moment == "halfway"]
        raise BenchmarkError(
            f"{self._described} has no halfway values of {metric!r}; "
            f"it has those of: {', '.join(halves) or 'nothing'}"
        )

    def _budget(self, epochs: int | None, column: Column | None = None) -> int | None:
        """Return the budget to read at: the full one for None."""
        if epochs is None and self.epochs:
            epochs = self.epochs[-1]
        known, what = self.epochs, self._described
        if column is not None and column.epochs:
            known, what = column.epochs, f"column {column.full_name!r} of table {self.name!r}"
        if epochs is None or epochs in known:
            return epochs
        listed = ", ".join(map(str, known))
        has = f"it has those of: {listed}" if known else "it tells no budgets apart"
        raise BenchmarkError(f"{what} has no values of {epochs!r} epochs; {has}")

    def _plan(self, epochs: int | None, halfway: bool) -> Plan:
        plan = self._plans.get((epochs, halfway))
        if plan is None:
            budget = self._budget(epochs)
            plan = Plan(
                self._described,
                self._columns_at(budget, halfway),
                budget,
                halfway=halfway,
                cost_metric=self.cost_metric,
            )
            self._plans[epochs, halfway] = plan
        return plan

    def _columns_at(self, budget: int | None, halfway: bool) -> list[StoredColumn]:
        """Return what is recorded at a budget, and what does not depend on budgets."""
        halves = [one for (_, moment), one in self._named.items() if moment == "halfway"]
        if halfway and not halves:
            raise BenchmarkError(f"{self._described} has no halfway values")
        wanted = "halfway" if halfway else "final"
        return [
            one
            for (_, moment), one in self._named.items()
            if (budget in one.column.epochs and moment == wanted) or not one.column.epochs
        ]

    @property
    def _described(self) -> str:
        return f"table {self.name!r}" + (f" on {self.dataset}" if self.dataset else "")

    def _checked_rows(self, rows: Sequence[int] | NDArray[Any]) -> NDArray[np.int64]:
        exact = np.asarray(rows)
        if exact.ndim != 1 or (exact.dtype.kind not in "iu" and len(exact)):
            raise BenchmarkError(
                f"rows must be whole numbers in one dimension; got {exact.dtype} of {exact.shape}"
            )
        if len(exact) and not 0 <= exact.min() <= exact.max() < len(self):
            wrong = exact[(exact < 0) | (exact >= len(self))]
            self._finder.number(int(wrong[0]))  # raises
        return exact.astype(np.int64, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.path, self.dataset, self._given_space)

    def __repr__(self) -> str:
        return f"<{self._described}: {len(self):,} rows, {self.path.name}>"


def _reopened(path: Path, dataset: str | None, space: Space | None) -> Table:
    return open_table(path, dataset=dataset, space=space)
