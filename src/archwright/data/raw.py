"""What a source gives before anything is fitted: inputs, labels, and where each row came from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Category", "Places", "RawData", "Table"]


@dataclass(frozen=True, eq=False)
class Places:
    """Tells users where a row is in what they gave.

    Args:
        name: The source in words, "people.csv".
        unit: What a row is called there: "row", "line", "image".
        numbers: Row numbers (from 0) to what the user sees as their number or name.
        then: A second source whose rows follow after `rows` of this one.
        rows: Rows of this source; needed only with `then`.
    """

    name: str
    unit: str = "row"
    numbers: Callable[[Sequence[int]], Sequence[object]] = lambda rows: rows
    then: Places | None = None
    rows: int = 0

    def at(self, row: int, column: str | None = None) -> str:
        """Return the place of one row, and of one column in it."""
        if self.then is not None and row >= self.rows:
            return self.then.at(row - self.rows, column)
        place = f"{self.name}, {self.unit} {self.numbers([row])[0]}"
        return place if column is None else f"{place}, column {column!r}"

    def column(self, column: str) -> str:
        """Return the place of a whole column."""
        return f"{self.name}, column {column!r}"

    def some(self, rows: Sequence[int], limit: int = 10) -> str:
        """Return "lines 3, 7 and 12", cut after `limit`."""
        shown = [int(row) for row in rows[:limit]]
        if self.then is not None:
            words = [self.at(row) for row in shown]
        else:
            words = [str(number) for number in self.numbers(shown)]
        left = len(rows) - len(shown)
        if left:
            text = f"{', '.join(words)} and {left} more"
        else:
            text = " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
        unit = self.unit if len(rows) == 1 else f"{self.unit}s"
        return text if self.then is not None else f"{unit} {text}"

    def followed_by(self, then: Places, rows: int) -> Places:
        """Return the places of this source's `rows` rows and then those of another."""
        return Places(self.name, self.unit, self.numbers, then, rows)


@dataclass(frozen=True, eq=False)
class Category:
    """One column of categories.

    Args:
        codes: `(rows,)` int32, index into `levels`; -1 where the value is missing.
        levels: The distinct values, sorted.
    """

    codes: NDArray[np.int32]
    levels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """Columns read into numbers and categories, nothing fitted.

    Args:
        kinds: Column name to "numeric", "category", "date" or "dropped", in the source's order.
        numeric: `(rows, features)` of the numeric features; NaN where missing.
        numeric_names: Their names; a date column makes several.
        categories: Column name to its codes.
        positional: Whether the names are only the positions of columns without names.
    """

    kinds: dict[str, str]
    numeric: NDArray[np.floating]
    numeric_names: tuple[str, ...]
    categories: dict[str, Category] = field(default_factory=dict)
    positional: bool = False

    def __len__(self) -> int:
        return len(self.numeric)


@dataclass(frozen=True, eq=False)
class RawData:
    """The rows of one source.

    Args:
        name: What the data are called.
        kind: "tabular", "image" or "array".
        inputs: A table, or an array `(rows, channels, height, width)` or `(rows, ...)`.
        labels: `(rows,)` numbers, or text with `None` where missing; `(rows, targets)` floats.
        label_names: Name of each target.
        class_names: Names of the codes if `labels` are codes with names.
        test_rows: How many of the last rows are a test split that the source brought.
        places: Where rows are.
        notes: What the reader decided, for the user.
        image_mode: "grey" or "rgb" for images read from files; "" otherwise.
    """

    name: str
    kind: str
    inputs: Table | NDArray[np.generic]
    labels: NDArray[np.generic]
    label_names: tuple[str, ...] = ("target",)
    class_names: tuple[str, ...] = ()
    test_rows: int = 0
    places: Places = field(default_factory=lambda: Places("data"))
    notes: tuple[str, ...] = ()
    image_mode: str = ""

    def __len__(self) -> int:
        return len(self.labels)

    def content_hash(self, rows: NDArray[np.int64]) -> str:
        """Return a digest of the raw values of some rows, in their order.

        Independent of the other rows, of the process and of the machine.
        """
        digest = hashlib.blake2b(digest_size=16)
        if isinstance(self.inputs, Table):
            digest.update(_bytes(self.inputs.numeric[rows]))
            for name, category in self.inputs.categories.items():
                digest.update(name.encode())
                digest.update(_level_hashes(category.levels)[category.codes[rows]].tobytes())
        else:
            digest.update(_bytes(self.inputs[rows]))
        digest.update(_bytes(self.labels[rows]))
        return digest.hexdigest()


def _bytes(values: NDArray[Any]) -> bytes:
    head = f"{values.dtype.kind}{values.shape}".encode()
    if values.dtype == object:
        return head + "\x1f".join(map(str, values.ravel().tolist())).encode()
    if values.dtype.kind == "f":
        values = values + values.dtype.type(0)  # one zero: -0.0 is written like 0.0
    return head + np.ascontiguousarray(values).tobytes()


def _level_hashes(levels: tuple[str, ...]) -> NDArray[np.uint64]:
    """Return one number per level, and a last one for missing values (code -1)."""
    hashes = [
        int.from_bytes(hashlib.blake2b(level.encode(), digest_size=8).digest(), "little")
        for level in levels
    ]
    return np.array([*hashes, 0], dtype=np.uint64)
