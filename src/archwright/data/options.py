"""What a user may say about data besides where they are."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from archwright.errors import DataError, UnknownNameError

__all__ = ["LoadOptions", "Progress"]

Progress = Callable[[str, int, int | None], None]
"""Called while downloading with the file name, the bytes so far and the total if known."""

_TASKS = ("classification", "regression")
_SCALINGS = ("auto", "standard", "log")


@dataclass(frozen=True)
class LoadOptions:
    """Every keyword of `load` and `check`.

    Raises:
        UnknownNameError: If one of the words that are allowed was expected, and it is another.
        DataError: If a value is of another type, or out of its range; names the keyword.

    Args:
        target: Label column by name or by position (negative from the end); several make a
            regression with several outputs.
        task: "classification" or "regression"; inferred from the labels if `None`.
        validation: Fraction of all rows for the validation split; of the remaining rows where the
            source brings its own test split.
        test: Fraction of all rows for the test split; 0 leaves it out. Not used where the source
            or `test_source` brings one.
        seed: Which rows go into which split.
        test_source: Data of the same form that become the test split.
        delimiter: Separator of a delimited file; found out if `None`.
        encoding: Text encoding of a delimited file; UTF-8 (or what its byte order mark says) if
            `None`.
        header: Whether the first line names the columns; `None` finds out.
        decimal: Decimal mark of a delimited file, "." or ","; found out if `None`.
        categorical: Columns to read as categories although they look like numbers.
        drop: Columns to leave out.
        numeric: Scaling of numeric columns: "standard" centres and scales, "log" compresses long
            tails first, "auto" does so only for columns that have them.
        max_levels: Most levels of one category that get a feature of their own.
        image_size: Height and width to which images are resized; one number means a square.
        data_dir: Folder of the known public sets; the cache of this user if `None`.
        device: Where the tensors live.
        progress: Told about downloads.
    """

    target: str | int | tuple[str | int, ...] | None = None
    task: str | None = None
    validation: float = 0.2
    test: float = 0.2
    seed: int = 0
    test_source: Any = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    decimal: str | None = None
    categorical: tuple[str | int, ...] = ()
    drop: tuple[str | int, ...] = ()
    numeric: str = "auto"
    max_levels: int = 64
    image_size: int | tuple[int, int] | None = None
    data_dir: str | Path | None = None
    device: str = "cpu"
    progress: Progress | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.task is not None and self.task not in _TASKS:
            raise UnknownNameError("task", self.task, _TASKS)
        if self.numeric not in _SCALINGS:
            raise UnknownNameError("scaling of numeric columns", self.numeric, _SCALINGS)
        if self.decimal not in (None, ".", ","):
            raise UnknownNameError("decimal mark", self.decimal, (".", ","))
        self._check_columns()
        self._check_file()
        self._check_split()
        self._check("max_levels", "a whole number of at least 2", _whole(self.max_levels, low=2))
        self._check_image_size()
        self._check("device", "a name such as 'cpu' or 'cuda'", isinstance(self.device, str))

    def _check(self, name: str, expected: str, holds: bool) -> None:
        if not holds:
            raise DataError(f"{name} must be {expected}; got {getattr(self, name)!r:.200}")

    def _check_columns(self) -> None:
        expected = "a column's name or position, or several"
        self._check("target", expected, all(map(_is_column, self.targets)))
        for name in ("categorical", "drop"):
            columns = getattr(self, name)
            holds = isinstance(columns, tuple | list) and all(map(_is_column, columns))
            self._check(name, "a list of columns, by name or position", holds)

    def _check_file(self) -> None:
        self._check("header", "True, False or None", self.header in (None, True, False))
        mark, encoding, folder = self.delimiter, self.encoding, self.data_dir
        one = mark is None or (isinstance(mark, str) and len(mark) == 1)
        self._check("delimiter", "one character", one)
        self._check("encoding", "a name such as 'latin-1'", isinstance(encoding, str | None))
        self._check("data_dir", "a folder", isinstance(folder, str | os.PathLike | None))

    def _check_split(self) -> None:
        validation, test = self.validation, self.test
        inside = _is_part(validation) and validation > 0
        self._check("validation", "a fraction in (0, 1)", inside)
        self._check("test", "a fraction in [0, 1)", _is_part(test))
        self._check("seed", "a whole number of at least 0", _whole(self.seed, low=0))
        if validation + test >= 1:
            raise DataError(
                "validation and test together must leave rows to train on; "
                f"got {validation!r} + {test!r}"
            )

    def _check_image_size(self) -> None:
        if self.image_size is None:
            return
        if self.height_and_width() is None or min(self.height_and_width() or (0,)) < 1:
            raise DataError(
                f"image_size must be one or two whole numbers from 1; got {self.image_size!r}"
            )

    def height_and_width(self) -> tuple[int, int] | None:
        """Return `image_size` as two numbers, or `None` if it is not set (or not understood)."""
        size = self.image_size
        if isinstance(size, int):
            return (size, size)
        if isinstance(size, tuple) and len(size) == 2 and all(isinstance(s, int) for s in size):
            return size
        return None

    @property
    def targets(self) -> tuple[str | int, ...]:
        """The label columns as given, as a tuple."""
        if self.target is None:
            return ()
        return self.target if isinstance(self.target, tuple) else (self.target,)

    @classmethod
    def of(cls, options: LoadOptions | None, keywords: Mapping[str, Any]) -> LoadOptions:
        """Return `options` with the keywords put in.

        Raises:
            UnknownNameError: If a keyword is none of the fields.
            DataError: If a value is not allowed.
        """
        names = [item.name for item in fields(cls)]
        for keyword in keywords:
            if keyword not in names:
                raise UnknownNameError("data option", keyword, names)
        values = {name: _plain(name, value) for name, value in keywords.items()}
        return replace(options or cls(), **values)

    def to_json(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults and can be written as JSON."""
        data: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.compare and value != item.default:
                data[item.name] = _json(item.name, value)
        return data


def _is_column(column: object) -> bool:
    return isinstance(column, str) or _whole(column)


def _is_part(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Real) and 0 <= float(value) < 1


def _whole(value: object, *, low: float = -math.inf) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral) and int(value) >= low


def _plain(name: str, value: Any) -> Any:
    """Accept lists for tuples and the words of a command line for switches."""
    if name == "header" and value == "infer":
        return None
    if name in ("categorical", "drop") and isinstance(value, str | int):
        return (value,)
    if isinstance(value, list) and name in ("target", "categorical", "drop", "image_size"):
        return tuple(value)
    return value


def _json(name: str, value: Any) -> Any:
    if isinstance(value, Path) or name in ("test_source", "data_dir"):
        return str(Path(value).expanduser().absolute())
    return list(value) if isinstance(value, tuple) else value
