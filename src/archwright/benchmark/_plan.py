"""What one query reads, worked out once for each budget and moment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from archwright.benchmark._stored import Scalar, StoredColumn
from archwright.errors import BenchmarkError
from archwright.trial import Measurement

__all__ = ["Plan", "drawn"]


class Plan:
    """The columns that a query at one budget reads, and how they become a measurement.

    Args:
        where: The table, for messages.
        stored: The columns.
        epochs: The budget; None for a table without.
        halfway: Whether values are those after half of the epochs.
        cost_metric: What says how much the training cost.
    """

    def __init__(
        self,
        where: str,
        stored: Sequence[StoredColumn],
        epochs: int | None,
        *,
        halfway: bool,
        cost_metric: str | None,
    ) -> None:
        self._where = where
        self._stored = tuple(stored)
        self._epochs = epochs
        self._cost_metric = cost_metric
        self._step = 0 if epochs is None else epochs // 2 if halfway else epochs
        self._halfway = halfway
        self._repeated = [one for one in stored if one.column.repeats]
        trained = [one.column.name for one in stored if one.column.epochs or one.column.split]
        self._trained = frozenset(trained)
        self._scalars: dict[int | str, list[tuple[str, Scalar]]] = {}

    def repeats_there(self, row: int) -> list[int]:
        """Return the numbers of the trainings of a row that are recorded.

        Raises:
            BenchmarkError: If there is none.
        """
        recorded: set[int] = set()
        for one in self._repeated:
            recorded |= one.repeats_there(row, self._epochs)
        if not recorded:
            raise BenchmarkError(f"{self._where} has no trainings of row {row} told apart")
        return sorted(recorded)

    def measure(self, row: int, repeat: int | str) -> Measurement:
        """Return one training of a row, or the mean over those that are there.

        Raises:
            BenchmarkError: If nothing is recorded.
        """
        scalars = self._scalars.get(repeat)
        if scalars is None:
            scalars = [(one.column.name, one.scalar(self._epochs, repeat)) for one in self._stored]
            self._scalars[repeat] = scalars
        read = {name: scalar(row) for name, scalar in scalars}
        metrics = {name: value for name, value in read.items() if value == value}
        info: dict[str, Any] = {"repeat": repeat}
        if self._halfway:
            info["halfway"] = True
        if len(metrics) < len(read):
            self._check_some(row, repeat, metrics)
            info["missing"] = [name for name in read if name not in metrics]
        if repeat == "mean":
            self._count(row, info)
        cost = metrics.get(self._cost_metric or "", 0.0)
        return Measurement(metrics, cost, self._step, info=info)

    def _count(self, row: int, info: dict[str, Any]) -> None:
        """Say how many trainings are behind a mean, if they are fewer than there could be."""
        fewer = {
            one.column.name: count
            for one in self._repeated
            if 0 < (count := one.count(row, self._epochs)) < one.column.repeats
        }
        if fewer:
            info["repeats"] = fewer

    def _check_some(self, row: int, repeat: int | str, metrics: dict[str, float]) -> None:
        if not metrics or (self._trained and self._trained.isdisjoint(metrics)):
            which = "" if repeat == "mean" else f" in training {repeat}"
            at = "" if self._epochs is None else f" at {self._epochs} epochs"
            raise BenchmarkError(f"{self._where} has recorded nothing of row {row}{at}{which}")


def drawn(there: Sequence[int], rng: np.random.Generator | None) -> int:
    """Return one of the trainings that are there, drawn at random."""
    if rng is None:
        raise BenchmarkError("repeat='drawn' draws a training at random: pass rng=")
    return there[int(rng.integers(len(there)))]
