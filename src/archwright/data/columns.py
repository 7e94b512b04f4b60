"""From the columns of a table to numbers and categories: what is in each, and what is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.data.raw import Category, Places, Table
from archwright.data.records import Problem

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "TOO_LARGE", "read_table", "text_levels", "to_number"]

MISSING = frozenset({"", "?", "na", "n/a", "#n/a", "nan", "null", "<na>", "nat"})
"""Text that stands for an unknown value, in lower case and without blanks around it."""

_NO_NUMBER = frozenset({"none", "-", "--", ".", "missing", "unknown"})
"""Text that stands for an unknown value among numbers, and may be a category elsewhere."""

TOO_LARGE = 1e150
"""A number beyond this is taken for infinite: its square is."""

_CELLS_SHOWN = 5
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?")
_OTHER_DATE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}( .*)?")
_DAYS_PER_YEAR = 365.2425


@dataclass(frozen=True, eq=False)
class _Text:
    """A column of text: codes into distinct values without blanks around them, -1 if missing."""

    codes: NDArray[np.int64]
    levels: tuple[str, ...]

    def rows_of(self, levels: Iterable[int]) -> NDArray[np.int64]:
        return np.flatnonzero(np.isin(self.codes, list(levels)))


def read_table(
    frame: pd.DataFrame,
    *,
    places: Places,
    problems: list[Problem],
    notes: list[str],
    categorical: Iterable[str] = (),
    kinds: Mapping[str, str] | None = None,
) -> Table:
    """Read every column of a frame.

    Args:
        frame: Columns named by text.
        places: For the messages.
        problems: Each reason why the table cannot be used is added here.
        notes: Each decision that a user may want to know is added here.
        categorical: Columns that are categories whatever they look like.
        kinds: What each column is, known from earlier data; found out if `None`.
    """
    reader = _Reader(places, problems, notes, frozenset(categorical))
    reader.inferring = kinds is None
    for name in frame.columns:
        reader.read(str(name), frame[name], None if kinds is None else kinds[str(name)])
    return reader.table(len(frame))


class _Reader:
    """Collects the columns of one table."""

    def __init__(
        self, places: Places, problems: list[Problem], notes: list[str], categorical: frozenset[str]
    ) -> None:
        self.places = places
        self.problems = problems
        self.notes = notes
        self.categorical = categorical
        self.inferring = True
        self.kinds: dict[str, str] = {}
        self.numeric: dict[str, NDArray[np.float64]] = {}
        self.categories: dict[str, Category] = {}

    def table(self, rows: int) -> Table:
        names = tuple(self.numeric)
        numeric = np.empty((rows, len(names)))
        for index, name in enumerate(names):
            numeric[:, index] = self.numeric[name]
        return Table(self.kinds, numeric, names, self.categories)

    def read(self, name: str, series: pd.Series[Any], kind: str | None) -> None:
        """Read one column as `kind`, or as what it looks like."""
        import pandas as pd

        types = pd.api.types
        if types.is_timedelta64_dtype(series.dtype):
            series = series.dt.total_seconds()
        dates = types.is_datetime64_any_dtype(series.dtype)
        plain_number = types.is_numeric_dtype(series.dtype) and not types.is_bool_dtype(
            series.dtype
        )
        if kind == "dropped":
            self.kinds[name] = kind
        elif not _readable(series):
            self._unreadable(name, series)
        elif dates and kind in (None, "date"):
            self._add_date(name, _days(series))
        elif plain_number and kind != "category" and name not in self.categorical:
            self._add_number(name, series.to_numpy(np.float64, na_value=np.nan))
        elif types.is_bool_dtype(series.dtype) or isinstance(series.dtype, pd.CategoricalDtype):
            self._read_text(name, text_levels(series), kind or "category")
        else:
            self._read_text(name, text_levels(series), kind)

    def _read_text(self, name: str, text: _Text, kind: str | None) -> None:
        if kind is None:
            kind = self._kind_of(name, text)
        if kind == "category":
            self._add_category(name, text)
        elif kind == "numeric":
            self._add_number(name, self._numbers(name, text))
        elif kind == "date":
            self._add_date(name, self._dates(name, text))
        else:
            self.kinds[name] = kind

    def _kind_of(self, name: str, text: _Text) -> str:
        """Decide what a column of text is."""
        present = int((text.codes >= 0).sum())
        if not present:
            self._nothing_there(name)
            return "dropped"
        if name in self.categorical:
            return "category"
        counts = np.bincount(text.codes[text.codes >= 0], minlength=len(text.levels))
        numbers = np.array([_is_number(level) for level in text.levels])
        if counts[numbers].sum() * 2 >= present and not _coded(counts, numbers):
            return "numeric"
        if all(_ISO_DATE.fullmatch(level) for level in text.levels):
            return "date"
        if all(_OTHER_DATE.fullmatch(level) for level in text.levels):
            self._other_dates(name, text)
            return "dropped"
        if present > 20 and len(text.levels) > 0.9 * present:
            self.notes.append(
                f"left out column {name!r}: {len(text.levels)} different texts in {present} rows "
                "name the rows rather than describe them"
            )
            return "dropped"
        return "category"

    def _add_category(self, name: str, text: _Text) -> None:
        if not text.levels and self.inferring:
            self._nothing_there(name)
        order = np.argsort(np.array(text.levels, dtype=object), kind="stable")
        rank = np.empty(len(order) + 1, dtype=np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        rank[-1] = -1  # code -1, a missing value, stays -1
        self.kinds[name] = "category"
        self.categories[name] = Category(rank[text.codes], tuple(text.levels[i] for i in order))

    def _add_number(self, name: str, values: NDArray[np.float64]) -> None:
        if self.inferring and np.isnan(values).all() and len(values):
            self._nothing_there(name)
        large = np.flatnonzero(np.abs(values) > TOO_LARGE)
        self._report(name, large, values, "is not a finite number", "correct it or leave it empty")
        self.kinds[name] = "numeric"
        self.numeric[name] = values

    def _add_date(self, name: str, days: NDArray[np.float64]) -> None:
        if self.inferring and np.isnan(days).all() and len(days):
            self._nothing_there(name)
        turn = 2 * math.pi * days / _DAYS_PER_YEAR
        self.kinds[name] = "date"
        self.numeric[f"{name} (days)"] = days
        self.numeric[f"{name} (year, sine)"] = np.sin(turn)
        self.numeric[f"{name} (year, cosine)"] = np.cos(turn)

    def _numbers(self, name: str, text: _Text) -> NDArray[np.float64]:
        """Turn text into numbers; every cell that is none becomes a problem."""
        values = np.array([*(to_number(level) for level in text.levels), math.nan])
        wrong = [
            index
            for index, level in enumerate(text.levels)
            if math.isnan(values[index]) and level.lower() not in _NO_NUMBER
        ]
        self._report(
            name,
            text.rows_of(wrong),
            _Shown(text),
            "is not a number, the column is numeric",
            f"correct it, leave it empty if it is unknown, or pass categorical={name!r}",
        )
        return values[text.codes]

    def _dates(self, name: str, text: _Text) -> NDArray[np.float64]:
        import pandas as pd

        stamps = pd.Series(
            pd.to_datetime(list(text.levels), format="ISO8601", utc=True, errors="coerce")
        )
        days = np.append(_days(stamps), math.nan)
        wrong = np.flatnonzero(np.isnan(days[:-1]))
        self._report(
            name,
            text.rows_of(wrong.tolist()),
            _Shown(text),
            "is not a date",
            "write it as YYYY-MM-DD or leave it empty",
        )
        return days[text.codes]

    def _report(
        self, name: str, rows: NDArray[np.int64], values: Any, message: str, remedy: str
    ) -> None:
        """Add one problem per cell, the first few, then how many more there are."""
        for row in rows[:_CELLS_SHOWN].tolist():
            shown = values[row]
            shown = shown if isinstance(shown, str) else float(shown)
            self.problems.append(Problem(self.places.at(row, name), f"{shown!r} {message}", remedy))
        more = rows[_CELLS_SHOWN:].tolist()
        if more:
            self.problems.append(
                Problem(
                    self.places.column(name),
                    f"{len(more)} more such values ({self.places.some(more)})",
                    remedy,
                )
            )

    def _nothing_there(self, name: str) -> None:
        self.problems.append(
            Problem(
                self.places.column(name),
                "every value is missing",
                f"remove the column or pass drop={name!r}",
            )
        )

    def _unreadable(self, name: str, series: pd.Series[Any]) -> None:
        self.kinds[name] = "dropped"
        self.problems.append(
            Problem(
                self.places.column(name),
                f"holds values of type {type(series.iloc[0]).__name__}",
                f"keep numbers, text, dates and truth values, or pass drop={name!r}",
            )
        )

    def _other_dates(self, name: str, text: _Text) -> None:
        row = int(np.flatnonzero(text.codes == 0)[0])
        self.problems.append(
            Problem(
                self.places.at(row, name),
                f"{text.levels[0]!r} is a date whose order of day, month and year is unclear",
                f"write dates as YYYY-MM-DD, or pass drop={name!r}",
            )
        )


class _Shown:
    """The text of a row, for messages."""

    def __init__(self, text: _Text) -> None:
        self.text = text

    def __getitem__(self, row: int) -> str:
        return self.text.levels[int(self.text.codes[row])]


def _readable(series: pd.Series[Any]) -> bool:
    """Whether values can be told apart and are no complex numbers."""
    if series.dtype.kind == "c":
        return False
    if series.dtype != object:
        return True
    return all(issubclass(kind, Hashable) for kind in set(map(type, series)))


def _coded(counts: NDArray[np.int64], numbers: NDArray[np.bool_]) -> bool:
    """Whether numbers and text together are a set of codes, such as 0, 1, 2 and 3+.

    So if all text values come up again and again, and there are few numbers.
    """
    text = ~numbers
    return bool(text.any() and counts[text].min() >= 5 and numbers.sum() <= 20)


def text_levels(series: pd.Series[Any]) -> _Text:
    """Return the distinct texts of a column, blanks around them removed, markers as missing."""
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        codes = series.cat.codes.to_numpy(np.int64)
        found: Iterable[object] = series.cat.categories
    else:
        codes, found = pd.factorize(series)
    merged: dict[str, int] = {}
    recode = [_code(_text_of(value), merged) for value in found]
    recoded = np.array([*recode, -1], dtype=np.int64)[codes]
    return _Text(recoded, tuple(merged))


def _text_of(value: object) -> str:
    """Return a value as text; whole numbers alike, whether a gap made them floats or not."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _code(level: str, merged: dict[str, int]) -> int:
    if level.lower() in MISSING:
        return -1
    return merged.setdefault(level, len(merged))


def to_number(text: str) -> float:
    """Return the number that a text says, NaN if it says none."""
    if "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _is_number(text: str) -> bool:
    return not math.isnan(to_number(text)) or text.lower() in _NO_NUMBER


def _days(series: pd.Series[Any]) -> NDArray[np.float64]:
    """Return days since 1970, NaN where missing."""
    import pandas as pd

    if getattr(series.dtype, "tz", None) is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    stamps = series.to_numpy("datetime64[us]")
    days: NDArray[np.float64] = stamps.astype(np.int64) / (86_400 * 1e6)
    return np.where(pd.isna(stamps), math.nan, days)
