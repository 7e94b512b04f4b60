"""What a comparison looks up: the columns of a benchmark table as plain arrays by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from archwright.errors import BenchmarkError, StrategyError, UnknownNameError
from archwright.seeding import generator
from archwright.space import Architecture, Space
from archwright.trial import Measured, MetricInfo, Objective

__all__ = ["Draws", "Recorded", "TableLike", "facts"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LARGEST_MAP = 2**22
_BLOCK = 256  # evaluations whose recorded trainings are drawn at once


class TableLike(Protocol):
    """What a comparison needs of a benchmark table (`archwright.benchmark.Table` has it)."""

    @property
    def name(self) -> str:
        """The benchmark's name."""

    @property
    def space(self) -> Space:
        """Its search space."""

    @property
    def dataset(self) -> str:
        """The data set that the metrics below belong to; empty if there is one only."""

    @property
    def datasets(self) -> tuple[str, ...]:
        """All data sets."""

    @property
    def metrics(self) -> tuple[MetricInfo, ...]:
        """The metrics of the bound data set."""

    @property
    def epochs(self) -> tuple[int, ...]:
        """The lengths of training that are recorded."""

    @property
    def cost_metric(self) -> str | None:
        """Name of what an evaluation costs, in seconds; None if that was not recorded."""

    @property
    def header(self) -> Mapping[str, Any]:
        """What the table says of itself: provenance, notes ..."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def row(self, named: Architecture) -> int:
        """Return the row of an architecture; raises OutOfDomainError if there is none."""

    def __contains__(self, named: Architecture) -> bool:
        """Return whether an architecture has a row."""

    def rows_of(self, codes: np.ndarray) -> np.ndarray:
        """Return the rows `(architectures,)` of canonical codes `(architectures, slots)`."""

    def with_dataset(self, dataset: str) -> TableLike:
        """Return the same table with another data set bound."""

    def values(
        self, metric: str, rows: Any = None, *, epochs: int | None = None, repeat: Any = "mean"
    ) -> np.ndarray:
        """Return a metric of rows: `(rows,)`, or `(rows, repeats)` for the repeat "all"."""

    def architecture(self, row: int) -> Architecture:
        """Return the architecture of a row."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """The arrays of one objective, one reported metric and the cost, by row.

    Args:
        table: The benchmark.
        objective: By what strategies choose.
        recorded: Which training an evaluation sees: "drawn", "mean" or its number.
        validation: Numbers `(rows, trainings)` that a strategy can be told.
        counts: How many trainings there are to draw from, for all rows or `(rows,)`.
        test: Reported numbers `(rows, trainings)` of the same trainings; None where there are none.
        cost: Seconds `(rows, trainings)`; None if they were not recorded.
        means: The means over recorded trainings `(rows,)`, of validation and of the report.
        measured: What the two are; the second is None without a report.
        recordings: How many trainings of each architecture are recorded.
    """

    table: TableLike
    objective: Objective
    recorded: str | int
    validation: Floats
    counts: int | Integers
    test: Floats | None
    cost: Floats | None
    means: tuple[Floats, Floats | None]
    measured: tuple[Measured, Measured | None]
    recordings: int

    @classmethod
    def read(
        cls,
        table: TableLike,
        objective: Objective,
        *,
        epochs: int | None = None,
        report: str | None = None,
        recorded: str | int = "drawn",
    ) -> Recorded:
        """Read the columns of a comparison.

        Args:
            table: The benchmark, with its data set bound.
            objective: By what strategies choose; not a test metric.
            epochs: Length of training that strategies see; the longest if not given.
            report: What is told of answers, "[DATASET/]METRIC[@EPOCHS]"; the objective's twin on
                the test split if not given, where the table has one.
            recorded: Which training an evaluation sees.

        Raises:
            UnknownNameError: If the table has no such metric, data set or number of epochs.
            StrategyError: If the objective is on the test split.
            BenchmarkError: If nothing is recorded, or `recorded` is no such training.
        """
        info = _info(table, objective.metric, f"metric in the objective {str(objective)!r}:")
        if info.split == "test":
            raise StrategyError(
                f"the objective {objective} is on the test split, which a search must not see; "
                f"choose by a validation metric, and the test metric is reported of the answers"
            )
        epochs = _epochs(table, epochs)
        every = _column(table, objective.metric, epochs)
        pick = _Pick(every, recorded)
        means = _means(every)
        reported = _Report.of(table, objective.metric, epochs, report)
        cost = None
        if table.cost_metric is not None:
            cost = pick.of(_column(table, table.cost_metric, epochs))
        return cls(
            table,
            objective,
            recorded,
            pick.of(every),
            pick.counts,
            None if reported is None or not reported.same else pick.of(reported.every),
            None if cost is None else np.nan_to_num(cost, nan=0.0),
            (means, None if reported is None else _means(reported.every)),
            (
                _measured(info, table.dataset, epochs, objective.direction, means),
                None if reported is None else reported.measured,
            ),
            every.shape[1],
        )

    @property
    def sign(self) -> float:
        """1 if a higher objective is better, -1 if a lower one is."""
        return 1.0 if self.objective.direction == "max" else -1.0

    def trainings(self, rows: Integers, draws: Draws, evaluation: int) -> Integers:
        """Return which training each row shows; row `i` is evaluation number `evaluation` of `i`.

        Args:
            rows: `(repeats,)`.
            draws: Of the same repeats.
            evaluation: Which one of each repeat.
        """
        if isinstance(self.counts, int):
            if self.counts == 1:  # nothing to draw
                return np.zeros(len(rows), dtype=np.int64)
            return (draws.of(evaluation) * self.counts).astype(np.int64)
        return (draws.of(evaluation) * self.counts[rows]).astype(np.int64)

    def training(self, row: int, draws: Draws, evaluation: int) -> int:
        """Return which training a row shows in a single repeat."""
        counts = self.counts
        if isinstance(counts, int) and counts == 1:
            return 0
        most = counts if isinstance(counts, int) else counts.item(row)
        return int(draws.of(evaluation).item(0) * most)

    @cached_property
    def space(self) -> Space:
        """What strategies search: the table's space, or the part of it that is recorded."""
        space = self.table.space
        if len(self.table) == space.size:
            return space
        return space.restricted(f"it is in the table {self.table.name!r}", self.table.__contains__)

    @cached_property
    def row_of_number(self) -> Integers | None:
        """Rows by the number of the architecture; None unless the table has every number."""
        space = self.space
        if not space.is_product or len(self.table) > _LARGEST_MAP:
            return None
        return self.table.rows_of(space.codes_of(np.arange(len(self.table))))


class Draws:
    """Uniform numbers that say which recorded training evaluation `k` of each repeat sees.

    They depend on the repeats' seeds alone, so that they are the same for all strategies.

    Args:
        seeds: Of the repeats.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._seeds = tuple(seeds)
        self._drawn = np.zeros((0, len(seeds)))

    @cached_property
    def _generators(self) -> list[np.random.Generator]:
        return [generator(seed, "recorded training") for seed in self._seeds]

    def of(self, evaluation: int) -> Floats:
        """Return the numbers `(repeats,)` in [0, 1) of an evaluation."""
        while evaluation >= len(self._drawn):
            block = [rng.random(_BLOCK) for rng in self._generators]
            self._drawn = np.concatenate([self._drawn, np.stack(block, axis=1)])
        drawn: Floats = self._drawn[evaluation]
        return drawn


class _Pick:
    """Which recorded trainings an evaluation can see.

    Where some trainings of an architecture are missing, one of the others is drawn.
    """

    def __init__(self, every: Floats, recorded: str | int) -> None:
        self._recorded = recorded
        self._shape = every.shape
        self._order: Integers | None = None
        self.counts: int | Integers = 1
        if recorded == "drawn":
            missing = np.isnan(every)
            self.counts = every.shape[1]
            if missing.any():
                self._order = np.argsort(missing, axis=1, kind="stable")
                self.counts = np.maximum(1, (~missing).sum(axis=1))
        elif recorded != "mean":
            _check_training(recorded, every.shape[1])

    def of(self, values: Floats) -> Floats:
        """Return what can be seen of a column: `(rows, trainings)`."""
        if values.shape[1] == 1:  # does not depend on the training
            values = np.broadcast_to(values, self._shape)
        if self._recorded == "mean":
            return _means(values)[:, None]
        if isinstance(self._recorded, int):
            return np.ascontiguousarray(values[:, self._recorded : self._recorded + 1])
        if self._order is not None:
            return np.take_along_axis(values, self._order, axis=1)
        return np.ascontiguousarray(values)


def _check_training(recorded: object, recordings: int) -> None:
    known = isinstance(recorded, int) and not isinstance(recorded, bool)
    if not known or not 0 <= int(recorded) < recordings:  # type: ignore[call-overload]
        raise BenchmarkError(
            f"recorded must be 'drawn', 'mean' or the number of a training from 0 to "
            f"{recordings - 1}; got {recorded!r}"
        )


@dataclass(frozen=True, eq=False)
class _Report:
    """What is told of answers: another column, of the same trainings or of other ones."""

    every: Floats
    same: bool
    measured: Measured

    @classmethod
    def of(
        cls, table: TableLike, objective: str, epochs: int | None, text: str | None
    ) -> _Report | None:
        if text is None:
            metric = f"test_{objective.removeprefix('val_')}"
            if all(info.name != metric for info in table.metrics):
                return None
            dataset, own_epochs = table.dataset, epochs
        else:
            dataset, metric, own_epochs = _parsed(text, table, epochs)
        bound = table if dataset == table.dataset else table.with_dataset(dataset)
        info = _info(bound, metric, f"metric to report of {bound.name}")
        own_epochs = _epochs(bound, own_epochs)
        every = _column(bound, metric, own_epochs)
        same = dataset == table.dataset and own_epochs == epochs
        measured = _measured(info, dataset, own_epochs, info.direction, _means(every))
        return cls(every, same, measured)


def _parsed(text: str, table: TableLike, epochs: int | None) -> tuple[str, str, int | None]:
    """Read "[DATASET/]METRIC[@EPOCHS]"; what is left out is the objective's."""
    head, at, tail = text.partition("@")
    if at and not tail.isdecimal():
        raise BenchmarkError(
            f"what is reported must look like 'test_accuracy', 'test_accuracy@200' or "
            f"'cifar10/test_accuracy@200'; got {text!r}"
        )
    dataset, slash, metric = head.rpartition("/")
    if slash and dataset not in table.datasets:
        raise UnknownNameError(f"data set of {table.name}", dataset, table.datasets)
    return dataset if slash else table.dataset, metric, int(tail) if at else epochs


def _info(table: TableLike, metric: str, what: str) -> MetricInfo:
    found = next((info for info in table.metrics if info.name == metric), None)
    if found is None:
        raise UnknownNameError(what, metric, [info.name for info in table.metrics])
    return found


def _epochs(table: TableLike, epochs: int | None) -> int | None:
    if not table.epochs:
        if epochs is not None:
            raise BenchmarkError(
                f"{table.name} records one length of training only; leave out epochs={epochs!r}"
            )
        return None
    if epochs is None:
        return max(table.epochs)
    if epochs not in table.epochs:
        raise UnknownNameError(
            f"number of epochs of {table.name}", epochs, [str(known) for known in table.epochs]
        )
    return epochs


def _column(table: TableLike, metric: str, epochs: int | None) -> Floats:
    values = np.asarray(table.values(metric, epochs=epochs, repeat="all"), dtype=np.float64)
    return values if values.ndim == 2 else values[:, None]


def _means(every: Floats) -> Floats:
    """Return means `(rows,)` over the trainings that are there; NaN where there is none."""
    known = ~np.isnan(every)
    count = known.sum(axis=1)
    total = np.where(known, every, 0.0).sum(axis=1)
    means = np.full(len(every), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def _measured(
    info: MetricInfo, dataset: str, epochs: int | None, direction: str, means: Floats
) -> Measured:
    if np.isnan(means).all():
        raise BenchmarkError(f"the benchmark has no value of {info.name!r} at all")
    row = int(np.nanargmax(means) if direction == "max" else np.nanargmin(means))
    return Measured(info.name, info.unit, direction, dataset, epochs, float(means[row]), row)


def facts(table: TableLike) -> dict[str, Any]:
    """Return JSON facts of a table for the record."""
    kept = {name: table.header[name] for name in ("provenance", "notes") if name in table.header}
    return {"name": table.name, "rows": len(table), "dataset": table.dataset, **kept}
