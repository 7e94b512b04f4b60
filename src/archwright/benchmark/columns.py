"""What one column of a table says, and in which type its numbers are kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from archwright.errors import BenchmarkError
from archwright.trial import MetricInfo

__all__ = ["Column", "narrowest"]

_NAME = re.compile(r"[A-Za-z_][\w.]*")
_DATASET = re.compile(r"[\w.\-]*")
_AXES = ("epochs", "repeats")
_WORDS = {
    "direction": ("max", "min"),
    "split": ("train", "val", "test", ""),
    "moment": ("final", "halfway"),
}
_WHOLE = tuple(np.dtype(name) for name in ("<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<i8"))
_EXACT_IN_FLOAT = 2.0**53


@dataclass(frozen=True, slots=True)
class Column:
    """One recorded quantity of every architecture of a table.

    Its numbers are an array `(rows, epochs, repeats)`; axes that it does not have are left out.

    Args:
        name: As in `Measurement.metrics`: "val_accuracy", "training_seconds", "parameters".
            Starts with the split if it has one. "cifar100/val_accuracy" names the dataset too.
        unit: "fraction" (in [0, 1]), "percent" (in [0, 100]), "seconds", "ms", "mJ", "count",
            "nats" ...
        direction: "max" if higher is better, "min" if lower is.
        split: "train", "val", "test", or "" for what does not depend on data.
        axes: "epochs", "repeats" or both, in this order; follows from the next two if left out.
        epochs: The budgets that were trained separately, ascending; empty without such an axis.
        repeats: Number of independent trainings of each; 0 without such an axis.
        seeds: Their seeds, where known.
        dataset: What was trained on; empty if it holds for every dataset of the table.
        moment: "final", or "halfway" for the state after half of the epochs.

    Raises:
        BenchmarkError: If a field has no such value, or two of them contradict each other.

    Example:
        >>> Column("cifar100/val_accuracy", "percent", "max", "val", epochs=(12, 200)).dataset
        'cifar100'
    """

    name: str
    unit: str = ""
    direction: str = "max"
    split: str = ""
    axes: tuple[str, ...] | None = field(default=None, kw_only=True)
    epochs: tuple[int, ...] = field(default=(), kw_only=True)
    repeats: int = field(default=0, kw_only=True)
    seeds: tuple[int, ...] = field(default=(), kw_only=True)
    dataset: str = field(default="", kw_only=True)
    moment: str = field(default="final", kw_only=True)

    def __post_init__(self) -> None:
        dataset, slash, name = self.name.rpartition("/")
        if slash:
            if self.dataset not in ("", dataset):
                raise BenchmarkError(
                    f"column {self.name!r} names the dataset {dataset!r}; got {self.dataset!r} too"
                )
            _set(self, name=name, dataset=dataset)
        _set(self, epochs=tuple(map(int, self.epochs)), seeds=tuple(map(int, self.seeds)))
        if self.axes is not None and "repeats" not in self.axes and self.repeats == 1:
            _set(self, repeats=0)
        self._check()
        _set(self, axes=self._axes())

    def _check(self) -> None:
        where = f"column {self.full_name!r}"
        if not _NAME.fullmatch(self.name) or not _DATASET.fullmatch(self.dataset):
            raise BenchmarkError(
                f"{where}: a name is letters, digits, '_' and '.', after its dataset and '/' if "
                f"it has one, such as 'cifar100/val_accuracy'"
            )
        for word, allowed in _WORDS.items():
            if (value := getattr(self, word)) not in allowed:
                raise BenchmarkError(
                    f"{where}: {word} must be one of {', '.join(map(repr, allowed))}; got {value!r}"
                )
        if list(self.epochs) != sorted(set(self.epochs)) or any(e < 1 for e in self.epochs):
            raise BenchmarkError(f"{where}: epochs must ascend from 1 up; got {self.epochs!r}")
        if self.repeats < 0 or (self.seeds and len(self.seeds) != self.repeats):
            raise BenchmarkError(
                f"{where}: repeats must be 0 or more, and one for each seed; "
                f"got {self.repeats!r} with the seeds {self.seeds!r}"
            )
        if self.axes is not None and tuple(self.axes) != self._axes():
            raise BenchmarkError(
                f"{where}: axes must be {self._axes()!r} for epochs {self.epochs!r} and "
                f"{self.repeats!r} repeats; got {self.axes!r}"
            )
        if self.moment == "halfway" and not self.epochs:
            raise BenchmarkError(f"{where}: halfway needs epochs; got none")

    def _axes(self) -> tuple[str, ...]:
        has = (bool(self.epochs), bool(self.repeats))
        return tuple(axis for axis, present in zip(_AXES, has, strict=True) if present)

    @property
    def full_name(self) -> str:
        """Dataset and name, "cifar100/val_accuracy"; the name alone without a dataset."""
        return f"{self.dataset}/{self.name}" if self.dataset else self.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the numbers of one architecture: (epochs, repeats), or less."""
        return (len(self.epochs),) * bool(self.epochs) + (self.repeats,) * bool(self.repeats)

    @property
    def info(self) -> MetricInfo:
        """What an evaluator would say about it."""
        return MetricInfo(self.name, self.direction, self.unit, self.split)

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are not empty."""
        values = {part.name: getattr(self, part.name) for part in fields(self)}
        del values["axes"]
        return {name: value for name, value in values.items() if value not in ("", (), 0)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Column:
        """Rebuild what `to_json` wrote.

        Raises:
            TypeError: If it is no such object.
        """
        listed = {name: tuple(data[name]) for name in ("epochs", "seeds") if name in data}
        return cls(**{**data, **listed})


def _set(column: Column, **values: object) -> None:
    for name, value in values.items():
        object.__setattr__(column, name, value)


def narrowest(values: np.ndarray) -> np.ndarray:
    """Return the same numbers in the smallest type that keeps every one of them exactly.

    Whole numbers become integers, others float32 where nothing is lost, and float64 else.

    Example:
        >>> [narrowest(np.array(v)).dtype.str for v in ([1.0, 300.0], [0.5], [0.1], [1, -1])]
        ['<u2', '<f4', '<f8', '|i1']
    """
    if values.dtype.kind == "f":
        if _whole(values):
            return _narrowest_whole(values.astype("<i8"))
        single = values.astype("<f4")
        same = np.array_equal(single.astype(values.dtype), values, equal_nan=True)
        return single if same else values.astype("<f8")
    return _narrowest_whole(values)


def _whole(values: np.ndarray) -> bool:
    # Cheap refusal first: most columns show at their beginning that they are not whole.
    head = values.reshape(-1)[:64]
    for part in (head, values):
        if not bool(np.isfinite(part).all() and (np.floor(part) == part).all()):
            return False
    return bool(values.size and np.abs(values).max() <= _EXACT_IN_FLOAT)


def _narrowest_whole(values: np.ndarray) -> np.ndarray:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    for kind in _WHOLE:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return values.astype(kind)
    raise BenchmarkError(f"whole numbers must be within 64 bits with a sign; got {high!r}")
