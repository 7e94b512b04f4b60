"""Tables with named columns: which one is the label, which are left out, what the rest hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archwright.data.columns import read_table
from archwright.data.delimited import read_delimited
from archwright.data.labels import label_column
from archwright.data.options import LoadOptions
from archwright.data.raw import Places, RawData
from archwright.data.records import Problem
from archwright.errors import MissingDependencyError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_of", "raw_from_frame", "read_parquet", "read_table_file"]

_LABEL_NAMES = ("target", "label", "class", "y")
"""Columns taken for the label, in any case, when the user does not say which one is."""


def read_table_file(path: Path, options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """Read a delimited or Parquet file, and the test file if there is one."""
    main = _read_file(path, options, problems)
    if main is None:
        return None
    frame, places, header, notes = main
    test = None
    if options.test_source is not None:
        second = replace(options, header=header)
        read = _read_file(Path(options.test_source), second, problems)
        if read is None:
            return None
        test = read[:2]
    return raw_from_frame(
        frame,
        options,
        problems,
        name=path.name.split(".")[0],
        places=places,
        positional=not header,
        notes=notes,
        test=test,
    )


def _read_file(
    path: Path, options: LoadOptions, problems: list[Problem]
) -> tuple[pd.DataFrame, Places, bool, list[str]] | None:
    if not path.is_file():
        problems.append(Problem(str(path), "there is no such file", "correct the path"))
        return None
    if path.suffix in (".parquet", ".pq"):
        frame = read_parquet(path, problems)
        return None if frame is None else (frame, Places(path.name), True, [])
    as_text = [str(name) for name in options.categorical]
    read = read_delimited(path, options, problems, as_text=as_text)
    return None if read is None else (read.frame, read.places, read.header, list(read.notes))


def read_parquet(path: Path, problems: list[Problem]) -> pd.DataFrame | None:
    """Read a Parquet file.

    Raises:
        MissingDependencyError: If pyarrow is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise MissingDependencyError(
            "pyarrow", extra="parquet", needed_for="reading a Parquet file"
        ) from None
    import pandas as pd

    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        message = f"is not a readable Parquet file ({error})"
        problems.append(Problem(path.name, message, "write the file again"))
        return None
    return frame_of(frame)


def frame_of(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with text for column names and rows numbered from 0."""
    named = frame.reset_index(drop=True)
    named.columns = [str(name) for name in frame.columns]
    return named


def raw_from_frame(
    frame: pd.DataFrame,
    options: LoadOptions,
    problems: list[Problem],
    *,
    name: str,
    places: Places,
    labels: NDArray[np.generic] | None = None,
    positional: bool = False,
    notes: Sequence[str] = (),
    test: tuple[pd.DataFrame, Places] | None = None,
) -> RawData | None:
    """Take a frame apart into a table and labels.

    Args:
        frame: From `frame_of` or a file.
        options: Which columns are what.
        problems: What is wrong is added here.
        name: What the data are called.
        places: Where the rows are.
        labels: Labels that are not in the frame.
        positional: Whether column names are positions.
        notes: What is known already.
        test: A frame with the same columns that is the test split, and its places.
    """
    if not _usable(frame, places, problems):
        return None
    columns = [str(column) for column in frame.columns]
    targets = () if labels is not None else _targets(columns, options, places, problems)
    dropped = _resolve(columns, options.drop, places, problems)
    categorical = _resolve(columns, options.categorical, places, problems)
    known = targets is not None
    targets, dropped, categorical = targets or (), dropped or (), categorical or ()
    test_rows = 0
    if test is not None:
        joined = _append(frame, test[0], places, test[1], problems)
        if joined is None:
            return None
        test_rows, places = len(test[0]), places.followed_by(test[1], len(frame))
        frame = joined
    if labels is None and known:
        labels = _labels(frame, targets, categorical, options, places, problems)
    features = frame.drop(columns=[*targets, *(c for c in dropped if c not in targets)])
    if features.shape[1] == 0:
        remedy = "give at least one column besides the label"
        problems.append(Problem(places.name, "there is no column to learn from", remedy))
        return None
    told = list(notes)
    table = read_table(
        features, places=places, problems=problems, notes=told, categorical=categorical
    )
    if labels is None:
        return None
    table = replace(table, positional=positional)
    return RawData(
        name,
        "tabular",
        table,
        labels,
        tuple(targets) or ("target",),
        test_rows=test_rows,
        places=places,
        notes=tuple(told),
    )


def _usable(frame: pd.DataFrame, places: Places, problems: list[Problem]) -> bool:
    columns = [str(column) for column in frame.columns]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    for column in twice:
        positions = [str(i) for i, other in enumerate(columns) if other == column]
        problems.append(
            Problem(
                places.name,
                f"{len(positions)} columns are called {column!r} "
                f"(positions {', '.join(positions)})",
                "give each column a name of its own",
            )
        )
    if not len(frame):
        problems.append(Problem(places.name, "there are no rows", "give some data"))
    return not twice and len(frame) > 0


def _targets(
    columns: list[str], options: LoadOptions, places: Places, problems: list[Problem]
) -> tuple[str, ...] | None:
    if options.targets:
        return _resolve(columns, options.targets, places, problems)
    found = [column for column in columns if column.lower() in _LABEL_NAMES]
    if len(found) == 1:
        return (found[0],)
    problems.append(
        Problem(
            places.name,
            f"which column is the label? There are {_listed(columns)}",
            "pass target= with a name or a position (-1 is the last column)",
        )
    )
    return None


def _listed(columns: list[str], limit: int = 20) -> str:
    more = f" and {len(columns) - limit} more" if len(columns) > limit else ""
    return ", ".join(columns[:limit]) + more


def _resolve(
    columns: list[str], wanted: Sequence[str | int], places: Places, problems: list[Problem]
) -> tuple[str, ...] | None:
    """Return column names for names and positions; unknown ones become problems."""
    found: list[str] = []
    for column in wanted:
        name = _column(columns, column)
        if name is None:
            error = UnknownNameError("column", column, columns)
            positions = f"{-len(columns)} to {len(columns) - 1}"
            remedy = f"name one of these columns, or give a position from {positions}"
            problems.append(Problem(places.name, str(error), remedy))
        elif name not in found:
            found.append(name)
    return tuple(found) if len(found) == len(set(wanted)) else None


def _column(columns: list[str], wanted: str | int) -> str | None:
    if isinstance(wanted, str) and wanted in columns:
        return wanted
    try:
        position = int(wanted)
    except ValueError:
        return None
    return columns[position] if -len(columns) <= position < len(columns) else None


def _append(
    frame: pd.DataFrame,
    test: pd.DataFrame,
    places: Places,
    test_places: Places,
    problems: list[Problem],
) -> pd.DataFrame | None:
    import pandas as pd

    if not _usable(test, test_places, problems):
        return None
    absent = [str(column) for column in frame.columns if column not in test.columns]
    if absent:
        problems.append(
            Problem(
                test_places.name,
                f"columns {_listed(absent)} of {places.name} are not there",
                "give test data with the same columns",
            )
        )
        return None
    return pd.concat([frame, test[list(frame.columns)]], ignore_index=True)


def _labels(
    frame: pd.DataFrame,
    targets: Sequence[str],
    categorical: Sequence[str],
    options: LoadOptions,
    places: Places,
    problems: list[Problem],
) -> NDArray[np.generic] | None:
    task = options.task if len(targets) == 1 else "regression"
    if len(targets) == 1 and targets[0] in categorical and task is None:
        task = "classification"
    read: list[NDArray[Any] | None] = [
        label_column(frame[name], task=task, places=places, problems=problems) for name in targets
    ]
    columns = [column for column in read if column is not None]
    if len(columns) < len(targets):
        return None
    return columns[0] if len(columns) == 1 else np.stack(columns, axis=1).astype(np.float64)
