"""Trainings of NATS-Bench and NAS-Bench-201, cell by cell, become columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.benchmark.columns import Column
from archwright.benchmark.contents import Contents
from archwright.benchmark.nats_state import DATASETS, QUANTITIES, Training
from archwright.errors import FormatError, SpaceError
from archwright.space.catalog.nasbench201 import NASBench201
from archwright.space.catalog.nats_size import NATSSize

__all__ = ["CURVE", "Trainings"]

CURVE = ".curve"
"""What stands between a dataset and a schedule in the name of the dataset with its curves."""

_SIZES = ("parameters", "macs", "latency_seconds")
_MILLION = 1e6
_GROWTH = 1 << 10  # rows
_NOTES = (
    "epochs are training schedules of different length, each run from its beginning to its end; "
    "a repeat is a seed of the authors, and most cells lack some of them",
    "training_seconds are the authors' mean over machines; val_seconds, test_seconds and "
    "valtest_seconds are those of evaluating on the set after every epoch",
    "cifar10-valid: trained on half of the training images, val is the other half, test the test "
    "images; cifar10: trained on all, test only; cifar100 and ImageNet16-120: val and test are "
    "halves of the test images, valtest is both",
    "latency_seconds is for a batch of 256 images; macs count convolutions and linear layers",
)

_Key = tuple[str, int, int]
"""Dataset, schedule, seed."""


class Trainings:
    """All trainings read so far.

    Args:
        space: What the cells belong to.
        curves: Whether to keep what was recorded after each epoch.
    """

    def __init__(self, space: NASBench201 | NATSSize, *, curves: bool) -> None:
        self._space = space
        self._rows: dict[int, int] = {}  # index of the cell: row
        self._final: dict[_Key, npt.NDArray[np.float64]] = {}  # (rows, quantities and sizes)
        self._curves: dict[_Key, npt.NDArray[np.float64]] | None = {} if curves else None

    def text(self, path: Path, cell: int) -> str:
        """Return the published text of a cell.

        Raises:
            FormatError: If the space has no such cell.
        """
        try:
            return self._space.format(self._space.at(cell))
        except SpaceError as error:
            raise FormatError(path, f"cell {cell}", str(error)) from error

    def row(self, path: Path, cell: int) -> int:
        """Return the row of a cell that comes for the first time.

        Raises:
            FormatError: If it has come already.
        """
        if cell in self._rows:
            raise FormatError(path, f"cell {cell}", "expected each cell once, got it again")
        self._rows[cell] = len(self._rows)
        return self._rows[cell]

    def add(self, path: Path, row: int, schedule: str, training: Training) -> None:
        """Keep a training of a cell.

        Raises:
            FormatError: If it is of another length than its schedule.
        """
        epochs = len(training.curves)
        if epochs != int(schedule):
            raise FormatError(
                path,
                f"schedule {schedule!r}, training {(training.dataset, training.seed)}",
                f"expected {int(schedule)} epochs, got {epochs}",
            )
        key = (training.dataset, epochs, training.seed)
        sizes = (
            _count(training.parameters),
            _count(training.flops),
            training.latency,
        )
        self._final[key] = _put(self._final.get(key), row, np.append(training.curves[-1], sizes))
        if self._curves is not None:
            self._curves[key] = _put(self._curves.get(key), row, training.curves)

    def contents(self) -> Contents:
        """Return everything as columns."""
        columns: list[tuple[Column, npt.NDArray[Any]]] = []
        for dataset in DATASETS:
            columns += self._finals(dataset)
        for dataset, epochs, _ in sorted(self._curves or {}, key=_in_order):
            if not any(column.dataset == f"{dataset}{CURVE}{epochs}" for column, _ in columns):
                columns += self._curves_of(dataset, epochs)
        cells = len(self._rows)
        whole = cells == self._space.size
        return Contents(
            f"nats-{'topology' if isinstance(self._space, NASBench201) else 'size'}",
            self._space,
            self._space.codes_by_index()[list(self._rows)],
            columns,
            notes=_NOTES,
            domain="" if whole else f"{cells:,} of the {self._space.size:,} cells",
        )

    def _finals(self, dataset: str) -> list[tuple[Column, npt.NDArray[Any]]]:
        """Return what the trainings on one dataset ended with."""
        keys = [key for key in self._final if key[0] == dataset]
        if not keys:
            return []
        schedules = tuple(sorted({epochs for _, epochs, _ in keys}))
        seeds = tuple(sorted({seed for *_, seed in keys}))
        width = len(QUANTITIES) + len(_SIZES)
        rows = len(self._rows)
        numbers = np.full((width, rows, len(schedules), len(seeds)), np.nan)
        for key in keys:
            values = _filled(self._final[key], rows)  # (rows, width)
            numbers[:, :, schedules.index(key[1]), seeds.index(key[2])] = values.T
        grid: dict[str, Any] = {"epochs": schedules, "repeats": len(seeds), "seeds": seeds}
        columns = _described(dataset, numbers[: len(QUANTITIES)], grid)
        for name, values in zip(_SIZES, numbers[len(QUANTITIES) :], strict=True):
            columns.append(_size(dataset, name, values, grid))
        return columns

    def _curves_of(self, dataset: str, epochs: int) -> list[tuple[Column, npt.NDArray[Any]]]:
        """Return the trainings on one dataset under one schedule, epoch by epoch."""
        assert self._curves is not None  # there are some
        keys = sorted(key for key in self._curves if key[:2] == (dataset, epochs))
        rows = len(self._rows)
        parts = [_filled(self._curves.pop(key), rows) for key in keys]  # (rows, epochs, quantities)
        numbers = np.stack(parts, axis=-1).transpose(2, 0, 1, 3)
        seeds = tuple(seed for *_, seed in keys)
        grid = {"epochs": tuple(range(1, epochs + 1)), "repeats": len(seeds), "seeds": seeds}
        return _described(f"{dataset}{CURVE}{epochs}", numbers, grid)


def _in_order(key: _Key) -> tuple[int, int, int]:
    return DATASETS.index(key[0]), *key[1:]


def _described(
    dataset: str, numbers: npt.NDArray[np.float64], grid: dict[str, Any]
) -> list[tuple[Column, npt.NDArray[Any]]]:
    """Return columns of the quantities that are recorded at all."""
    columns: list[tuple[Column, npt.NDArray[Any]]] = []
    for name, values in zip(QUANTITIES, numbers, strict=True):
        if np.isnan(values).all():
            continue
        part, _, quantity = name.rpartition("_")
        split = {"training": "", "valtest": "test"}.get(part, part.partition("_")[0])
        unit, direction = {
            "accuracy": ("percent", "max"),
            "loss": ("nats", "min"),
            "seconds": ("seconds", "min"),
        }[quantity]
        columns.append((Column(f"{dataset}/{name}", unit, direction, split, **grid), values))
    return columns


def _size(
    dataset: str, name: str, values: npt.NDArray[np.float64], grid: dict[str, Any]
) -> tuple[Column, npt.NDArray[Any]]:
    """Return a column without axes, unless trainings of a cell disagree about it."""
    unit = "seconds" if name == "latency_seconds" else "count"
    flat = values.reshape(len(values), -1)  # (rows, trainings)
    there = ~np.isnan(flat)
    first = flat[np.arange(len(flat)), there.argmax(axis=1)]
    if np.where(there, flat == first[:, None], True).all():
        return Column(f"{dataset}/{name}", unit, "min"), first
    return Column(f"{dataset}/{name}", unit, "min", **grid), values


def _count(millions: float) -> float:
    """Return a count that was written in millions."""
    return float(round(millions * _MILLION))


def _put(
    array: npt.NDArray[np.float64] | None, row: int, values: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Put the values of a row into an array `(rows, ...)` that grows as needed."""
    have = 0 if array is None else len(array)
    if array is None or row >= have:
        larger = np.full((max(row + 1, have * 5 // 4 + _GROWTH), *values.shape), np.nan)
        if array is not None:
            larger[:have] = array
        array = larger
    array[row] = values
    return array


def _filled(array: npt.NDArray[np.float64], rows: int) -> npt.NDArray[np.float64]:
    """Return exactly the first rows; NaN behind the last one that was put in."""
    if len(array) >= rows:
        return array[:rows]
    missing = np.full((rows - len(array), *array.shape[1:]), np.nan)
    return np.concatenate((array, missing))
