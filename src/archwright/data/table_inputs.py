"""A table as network inputs: statistics of the training rows, applied to any rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.data.raw import Category, Table

__all__ = ["CategoryFeatures", "NumericFeature", "TableInputs"]

_RARE = 5
"""A level seen less often in the training rows has no feature of its own."""

_LONG_TAIL = 10.0
"""A column with a training value so many standard deviations away is compressed."""


@dataclass(frozen=True, slots=True)
class NumericFeature:
    """One numeric column.

    Args:
        name: Of the column.
        fill: Median, used where the value is missing.
        indicator: Whether a second feature says that the value is missing.
        log: Whether values become sign(v) log(1 + |v|) with v = (x - fill) / unit first.
        unit: See `log`.
        mean: Of the training rows, after `log`.
        scale: Their standard deviation.
    """

    name: str
    fill: float
    indicator: bool
    log: bool
    unit: float
    mean: float
    scale: float


@dataclass(frozen=True, slots=True)
class CategoryFeatures:
    """One column of categories.

    Args:
        name: Of the column.
        levels: Those with a feature of their own.
        missing: Whether a feature says that the value is missing.
        other: Whether a feature stands for all levels not listed.
    """

    name: str
    levels: tuple[str, ...]
    missing: bool
    other: bool

    @property
    def single(self) -> bool:
        """Whether one feature, -1 or +1, says it all."""
        return len(self.levels) == 2 and not self.missing and not self.other

    def feature_names(self) -> list[str]:
        """Return the name of each feature."""
        if self.single:
            return [f"{self.name}={self.levels[1]}"]
        extra = ["(missing)"] * self.missing + ["(other)"] * self.other
        return [f"{self.name}={level}" for level in (*self.levels, *extra)]

    def write(self, category: Category, rows: NDArray[np.int64], out: NDArray[np.float32]) -> None:
        """Write the features of some rows into `out`, which holds zeros.

        A level that has no feature stays at zero everywhere, as does a missing value if none was
        missing in the training rows.
        """
        spot = {level: index for index, level in enumerate(self.levels)}
        other = len(self.levels) + self.missing if self.other else -1
        missing = len(self.levels) if self.missing else -1
        table = np.array([*(spot.get(level, other) for level in category.levels), missing])
        columns = table[category.codes[rows]]
        if self.single:
            out[:, 0] = np.array([-1, 1, 0], dtype=np.float32)[columns]
            return
        present = np.flatnonzero(columns >= 0)
        out[present, columns[present]] = 1


@dataclass(frozen=True)
class TableInputs:
    """Turns tables into `(rows, features)` float32.

    Args:
        kinds: Every column that the training data had, in order, and how it is read.
        positional: Whether the columns have no names but positions.
        numeric: Numeric features, in order; constant ones are left out.
        categories: Category features.
    """

    kinds: Mapping[str, str]
    positional: bool
    numeric: tuple[NumericFeature, ...]
    categories: tuple[CategoryFeatures, ...]

    kind = "table"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return (len(self.feature_names),)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each feature, in order."""
        names = [feature.name for feature in self.numeric]
        names += [f"{feature.name} (missing)" for feature in self.numeric if feature.indicator]
        for category in self.categories:
            names += category.feature_names()
        return tuple(names)

    @classmethod
    def fit(
        cls,
        table: Table,
        rows: NDArray[np.int64],
        *,
        numeric: str,
        max_levels: int,
        notes: list[str],
    ) -> TableInputs:
        """Learn from some rows of a table, and from no others.

        Args:
            table: All columns.
            rows: The training rows.
            numeric: "standard", "log" or "auto".
            max_levels: Most levels of one category with features of their own.
            notes: Columns that are left out or cut are told here.
        """
        return cls(
            dict(table.kinds),
            table.positional,
            _fit_numeric(table, rows, numeric, notes),
            _fit_categories(table, rows, max_levels, notes),
        )

    def transform(self, table: Table, rows: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Return the features of some rows, of all if `None`."""
        if rows is None:
            rows = np.arange(len(table))
        out = np.zeros((len(rows), len(self.feature_names)), dtype=np.float32)
        start = len(self.numeric) + sum(feature.indicator for feature in self.numeric)
        if self.numeric:
            self._write_numeric(table, rows, out[:, :start])
        for feature in self.categories:
            stop = start + len(feature.feature_names())
            feature.write(table.categories[feature.name], rows, out[:, start:stop])
            start = stop
        return out

    def _write_numeric(
        self, table: Table, rows: NDArray[np.int64], out: NDArray[np.float32]
    ) -> None:
        position = {name: index for index, name in enumerate(table.numeric_names)}
        chosen = [position[feature.name] for feature in self.numeric]
        values = table.numeric[rows].astype(np.float64)
        if chosen != list(range(values.shape[1])):
            values = values[:, chosen]
        missing = np.isnan(values)
        for index in np.flatnonzero(missing.any(axis=0)).tolist():
            values[missing[:, index], index] = self.numeric[index].fill
        for index, feature in enumerate(self.numeric):
            if feature.log:
                values[:, index] = _compress(values[:, index], feature.fill, feature.unit)
        values -= [feature.mean for feature in self.numeric]
        values /= [feature.scale for feature in self.numeric]
        count = len(self.numeric)
        out[:, :count] = values
        flagged = [index for index, feature in enumerate(self.numeric) if feature.indicator]
        out[:, count:] = missing[:, flagged]

    def to_json(self) -> dict[str, Any]:
        """Return a JSON value for `from_json`."""
        return {
            "kind": self.kind,
            "columns": [[name, kind] for name, kind in self.kinds.items()],
            "positional": self.positional,
            "numeric": [asdict(feature) for feature in self.numeric],
            "categories": [asdict(feature) for feature in self.categories],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TableInputs:
        """Rebuild what `to_json` wrote."""
        return cls(
            {name: kind for name, kind in data["columns"]},
            data["positional"],
            tuple(NumericFeature(**feature) for feature in data["numeric"]),
            tuple(
                CategoryFeatures(**{**feature, "levels": tuple(feature["levels"])})
                for feature in data["categories"]
            ),
        )


def _compress(values: NDArray[np.float64], center: float, unit: float) -> NDArray[np.float64]:
    """Return sign(v) log(1 + |v|) of v = (x - center) / unit."""
    moved = (values - center) / unit
    return np.copysign(np.log1p(np.abs(moved)), moved)


def _fit_numeric(
    table: Table, rows: NDArray[np.int64], scaling: str, notes: list[str]
) -> tuple[NumericFeature, ...]:
    values = table.numeric[rows].astype(np.float64)
    missing = np.isnan(values)
    gaps = np.atleast_1d(missing.any(axis=0))
    fills = np.median(values, axis=0) if not gaps.all() else np.zeros(values.shape[1])
    for index in np.flatnonzero(gaps).tolist():
        present = values[~missing[:, index], index]
        fills[index] = np.median(present) if len(present) else 0.0
    values = np.where(missing, fills, values) if gaps.any() else values
    means, scales = values.mean(axis=0), values.std(axis=0)
    constant = (scales <= 1e-12 * np.abs(means)).tolist()
    features = []
    for index, name in enumerate(table.numeric_names):
        if constant[index]:
            notes.append(f"left out column {name!r}: it has one value in all training rows")
            continue
        column, mean, scale = values[:, index], float(means[index]), float(scales[index])
        tail = float(np.abs(column - mean).max()) / scale
        log = scaling == "log" or (scaling == "auto" and tail > _LONG_TAIL)
        fill, unit = float(fills[index]), 1.0
        if log:
            unit = _unit(column, fill)
            column = _compress(column, fill, unit)
            mean, scale = float(column.mean()), float(column.std())
        features.append(NumericFeature(name, fill, bool(gaps[index]), log, unit, mean, scale))
    return tuple(features)


def _unit(column: NDArray[np.float64], center: float) -> float:
    """Return a typical distance from the centre: half the quartile range, if it is not zero."""
    low, high = np.quantile(column, [0.25, 0.75])
    if high > low:
        return float(high - low) / 2
    distance = np.abs(column - center)
    return float(np.median(distance[distance > 0]))


def _fit_categories(
    table: Table, rows: NDArray[np.int64], max_levels: int, notes: list[str]
) -> tuple[CategoryFeatures, ...]:
    features = []
    for name, category in table.categories.items():
        codes = category.codes[rows]
        counts = np.bincount(codes[codes >= 0], minlength=len(category.levels))
        seen = np.flatnonzero(counts)
        missing = bool((codes < 0).any())
        if len(seen) + missing < 2:
            notes.append(f"left out column {name!r}: it has one value in all training rows")
            continue
        kept = _common(counts, seen.tolist(), max_levels)
        if len(kept) == max_levels < len(seen):
            notes.append(
                f"column {name!r} has {len(seen)} categories; the {max_levels} most frequent have "
                "features of their own, the others share one (max_levels= changes that)"
            )
        levels = tuple(category.levels[index] for index in kept)
        features.append(CategoryFeatures(name, levels, missing, len(kept) < len(seen)))
    return tuple(features)


def _common(counts: NDArray[np.int64], seen: Sequence[int], max_levels: int) -> list[int]:
    """Return the levels with features of their own, sorted: not rare, and the most frequent."""
    if len(seen) <= 2:
        return sorted(seen)
    often = [index for index in seen if counts[index] >= _RARE] or list(seen)
    most = sorted(often, key=lambda index: (-counts[index], index))[:max_levels]
    return sorted(int(index) for index in most)
