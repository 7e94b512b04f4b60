"""From raw labels to class codes or numbers: which task it is, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.data.columns import text_levels, to_number
from archwright.data.options import LoadOptions
from archwright.data.raw import Places, RawData
from archwright.data.records import Problem
from archwright.data.splitting import rows_needed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Labels", "label_column", "read_labels"]

_FEW = 20
"""Up to so many distinct whole numbers are taken for classes."""

_CLASSES_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels, understood.

    Args:
        values: `(rows,)` int64 class codes, or `(rows, targets)` float64.
        class_names: Name of each code; empty for numbers.
        reason: Why it is this task, for the user; "" if the user said so.
    """

    values: NDArray[np.generic]
    class_names: tuple[str, ...]
    reason: str

    @property
    def is_classification(self) -> bool:
        """Whether the values are class codes."""
        return self.values.ndim == 1


def label_column(
    series: pd.Series[Any], *, task: str | None, places: Places, problems: list[Problem]
) -> NDArray[np.generic] | None:
    """Read a label column of a frame: `(rows,)` numbers, or text with `None` where missing.

    Numbers written as text are numbers. Returns `None` after reporting that they are not.
    """
    import pandas as pd

    types = pd.api.types
    if types.is_numeric_dtype(series.dtype) and not types.is_bool_dtype(series.dtype):
        values = series.to_numpy(np.float64, na_value=np.nan)
        return values if task == "regression" else _whole(values)
    text = text_levels(series)
    numbers = np.array([*(to_number(level) for level in text.levels), np.nan])
    wrong = np.flatnonzero(np.isnan(numbers[:-1]))
    if not len(wrong):
        return _whole(numbers[text.codes])
    share = float(np.isin(text.codes, wrong, invert=True)[text.codes >= 0].mean())
    if task == "regression" or (task is None and share > 0.5 and len(text.levels) > _FEW):
        name = str(series.name)
        for row in text.rows_of(wrong.tolist())[:5].tolist():
            problems.append(
                Problem(
                    places.at(row, name),
                    f"the label {text.levels[text.codes[row]]!r} is not a number",
                    "correct it or pass task='classification'",
                )
            )
        return None
    return np.array([*text.levels, None], dtype=object)[text.codes]


def _whole(values: NDArray[np.float64]) -> NDArray[np.generic]:
    """Return whole numbers as such, so that classes are called 1 and not 1.0."""
    whole = (np.abs(values) < 2**53) & (values == np.floor(values))
    return values.astype(np.int64) if whole.all() else values


def read_labels(raw: RawData, options: LoadOptions, problems: list[Problem]) -> Labels | None:
    """Decide the task and turn raw labels into codes or numbers.

    Every reason why they cannot be used is added to `problems`; `None` if there is no use in
    going on.
    """
    place = raw.places.column(", ".join(raw.label_names)) if raw.label_names else raw.places.name
    if not len(raw):
        problems.append(Problem(raw.places.name, "there are no rows", "give some data"))
        return None
    missing = _missing(raw.labels)
    if missing.any():
        _report_missing(place, raw.places, np.flatnonzero(missing), problems)
        if missing.all():
            return None
    task, reason = _task(raw, options, missing)
    if task == "regression":
        return _numbers(raw, missing, place, reason, problems)
    labels = _codes(raw, missing, place, reason, problems)
    if labels is not None:
        _check_classes(raw, labels, missing, options, place, problems)
    return labels


def _missing(labels: NDArray[np.generic]) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.zeros(len(labels), dtype=bool)
    if labels.dtype == object:
        import pandas as pd

        missing = np.asarray(pd.isna(labels))
    elif labels.dtype.kind == "f":
        values = labels.astype(np.float64).reshape(len(labels), -1)
        missing = np.atleast_1d(np.isnan(values).any(axis=1))
    return missing


def _report_missing(
    place: str, places: Places, rows: NDArray[np.int64], problems: list[Problem]
) -> None:
    count = "1 label is" if len(rows) == 1 else f"{len(rows)} labels are"
    problems.append(
        Problem(
            place,
            f"{count} missing ({places.some(rows.tolist())})",
            "fill in or remove these rows; a missing label cannot be learned from",
        )
    )


def _task(raw: RawData, options: LoadOptions, missing: NDArray[np.bool_]) -> tuple[str, str]:
    """Return the task and, unless the user said which, the reason."""
    if options.task is not None:
        return options.task, ""
    name = ", ".join(raw.label_names)
    if raw.class_names:
        return "classification", f"classification: the labels of {name!r} are named classes"
    labels = raw.labels
    if labels.ndim == 2:
        return "regression", f"regression: several targets ({name})"
    if labels.dtype.kind not in "iuf":
        return "classification", f"classification: the labels in {name!r} are text"
    present = labels[~missing].astype(np.float64)
    distinct = np.unique(present)
    if (distinct != np.floor(distinct)).any():
        return "regression", f"regression: the labels in {name!r} are fractional numbers"
    count = len(distinct)
    few = count <= _FEW and count * 2 <= len(present)
    if few or (raw.kind == "image" and labels.dtype.kind in "iu"):
        reason = f"classification: {count} distinct whole numbers in {name!r}"
        return "classification", f"{reason} (task='regression' makes it a regression)"
    reason = f"regression: {count} distinct numbers in {name!r}"
    return "regression", f"{reason} (task='classification' makes it a classification)"


def _numbers(
    raw: RawData,
    missing: NDArray[np.bool_],
    place: str,
    reason: str,
    problems: list[Problem],
) -> Labels | None:
    if raw.labels.dtype.kind not in "iufb" or raw.class_names:
        problems.append(Problem(place, "the labels are not numbers", "pass task='classification'"))
        return None
    values = raw.labels.astype(np.float64).reshape(len(raw), -1)
    bad = np.flatnonzero(np.isinf(values).any(axis=1))
    if len(bad):
        problems.append(
            Problem(
                place,
                f"labels are infinite ({raw.places.some(bad.tolist())})",
                "correct or remove these rows",
            )
        )
        return None
    present = values[~missing]
    for index in np.flatnonzero(present.max(axis=0) == present.min(axis=0)):
        where = raw.places.column(raw.label_names[index])
        problems.append(
            Problem(
                where,
                f"every label is {float(present[0, index])!r}, there is nothing to learn",
                "choose another target",
            )
        )
    return Labels(values, (), reason)


def _codes(
    raw: RawData,
    missing: NDArray[np.bool_],
    place: str,
    reason: str,
    problems: list[Problem],
) -> Labels | None:
    if raw.labels.ndim != 1:
        problems.append(Problem(place, "classification has one label column", "pass one target"))
        return None
    if raw.class_names:
        return _named_codes(raw, place, reason, problems)
    present = raw.labels[~missing]
    present = present.astype(str) if present.dtype.kind not in "iuf" else present
    distinct, inverse = np.unique(present, return_inverse=True)
    codes = np.zeros(len(raw), dtype=np.int64)
    codes[~missing] = inverse
    names = tuple(_name(value) for value in distinct.tolist())
    main = len(raw) - raw.test_rows
    learned = np.unique(codes[:main][~missing[:main]])
    if len(learned) < len(distinct):
        _report_new_classes(raw, codes, learned, names, problems)
    return Labels(codes, names, reason)


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _named_codes(raw: RawData, place: str, reason: str, problems: list[Problem]) -> Labels | None:
    codes = raw.labels
    wrong = np.flatnonzero((codes < 0) | (codes >= len(raw.class_names)))  # type: ignore[operator]
    if codes.dtype.kind not in "iu" or len(wrong):
        found = codes[wrong[0]] if len(wrong) else codes.dtype
        problems.append(
            Problem(
                place,
                f"labels must be whole numbers from 0 to {len(raw.class_names) - 1}, one for each "
                f"class name; got {found!s}",
                "correct the labels or the list of class names",
            )
        )
        return None
    return Labels(codes.astype(np.int64), raw.class_names, reason)


def _report_new_classes(
    raw: RawData,
    codes: NDArray[np.int64],
    learned: NDArray[np.int64],
    names: Sequence[str],
    problems: list[Problem],
) -> None:
    from difflib import get_close_matches

    known = [names[code] for code in learned]
    for code in np.setdiff1d(np.arange(len(names)), learned).tolist():
        rows = np.flatnonzero(codes == code)
        near = get_close_matches(names[code], known, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        problems.append(
            Problem(
                raw.places.at(int(rows[0]), raw.label_names[0]),
                f"class {names[code]!r}{hint} is only in the test split ({len(rows)} rows)",
                "write the labels of both files alike",
            )
        )


def _check_classes(
    raw: RawData,
    labels: Labels,
    missing: NDArray[np.bool_],
    options: LoadOptions,
    place: str,
    problems: list[Problem],
) -> None:
    main = len(raw) - raw.test_rows
    codes = labels.values[:main][~missing[:main]].astype(np.int64)
    counts = np.bincount(codes, minlength=len(labels.class_names))
    present = np.flatnonzero(counts)
    if len(present) == 1:
        only = labels.class_names[present[0]]
        problems.append(
            Problem(
                place,
                f"there is one class only, {only!r}",
                "give rows of at least two classes, or choose another target",
            )
        )
        return
    needed = rows_needed(test=0 if raw.test_rows else options.test)
    rare = [int(code) for code in present if counts[code] < needed]
    if len(rare) > _CLASSES_SHOWN and len(rare) > len(present) / 2:
        problems.append(
            Problem(
                place,
                f"{len(rare)} of {len(present)} classes have fewer than {needed} rows",
                "choose another target, or pass task='regression' if it is a quantity",
            )
        )
        return
    for code in rare:
        rows = np.flatnonzero((labels.values[:main] == code) & ~missing[:main])
        problems.append(
            Problem(
                place,
                f"class {labels.class_names[code]!r} has {_rows(len(rows))} "
                f"({raw.places.some(rows.tolist())}) but needs {needed}, one for each split",
                "add rows of this class, join it with another one, or remove it",
            )
        )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
