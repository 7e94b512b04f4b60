"""Which architecture a row of somebody's file is about."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.benchmark.import_rows import Rows
from archwright.errors import ArchwrightError, BenchmarkError, UnknownNameError
from archwright.space import Architecture, Choice, Integer, Real, Space
from archwright.space.decisions import Decision

__all__ = ["IN_ORDER", "architecture_columns", "read_codes"]

IN_ORDER = "#"
"""Instead of a column: rows stand in the published order of the space."""

_Read = Callable[[int], Architecture]


def architecture_columns(rows: Rows, space: Space, given: str | None) -> tuple[str, ...]:
    """Return the columns that say what a row is about: one, or one for each decision.

    Args:
        rows: The file.
        space: The space.
        given: What the user said: a column, or `IN_ORDER`; None to find out.

    Raises:
        UnknownNameError: If there is no such column.
        BenchmarkError: If nothing was given and nothing is found, or the space has no order.
    """
    if given == IN_ORDER:
        if not hasattr(space, "codes_by_index"):
            raise BenchmarkError(f"the space {space.name!r} has no published order")
        if len(rows) != len(space.codes_by_index()):
            raise BenchmarkError(
                f"{rows.name} has {len(rows)} rows; the published order of {space.name!r} has "
                f"{len(space.codes_by_index())}"
            )
        return ()
    if given is not None:
        if given not in rows.columns:
            raise UnknownNameError(f"column of {rows.name}", given, rows.columns)
        return (given,)
    if all(name in rows.columns for name in space.decisions):
        return tuple(space.decisions)
    for name, column in rows.columns.items():
        if _readable(space, column):
            return (name,)
    raise BenchmarkError(
        f"{rows.name} has no column with architectures of {space.name!r}; say which one it is "
        f"(text as `archwright space describe` shows it, codes or published index), or that rows "
        f"stand in the published order. Columns are: {', '.join(rows.columns)}"
    )


def _readable(space: Space, column: NDArray[Any]) -> bool:
    """Return whether a column holds architectures: texts or codes."""
    if column.dtype.kind != "U" and column.ndim == 1:
        return False  # one number could be anything
    try:
        _reader(space, column)(0)
    except ArchwrightError:
        return False
    return True


def read_codes(rows: Rows, space: Space, names: Iterable[str], problems: list[str]) -> NDArray[Any]:
    """Return canonical codes `(rows, slots)`; zeros for a row with a problem.

    Args:
        rows: The file.
        space: The space.
        names: What `architecture_columns` found.
        problems: Where a row is about no architecture, that is added here with its place.
    """
    chosen = tuple(names)
    if not chosen:
        in_order: NDArray[Any] = space.codes_by_index()  # type: ignore[attr-defined]
        return in_order
    if len(chosen) == 1 and chosen[0] not in space.decisions:
        read = _reader(space, rows.columns[chosen[0]])
    else:
        read = _decision_reader(space, {name: rows.columns[name] for name in chosen})
    codes: list[tuple[int | float, ...]] = []
    for row in range(len(rows)):
        try:
            codes.append(read(row).codes)
        except ArchwrightError as error:
            where = f"column {chosen[0]!r}" if len(chosen) == 1 else "decisions"
            problems.append(f"{rows.name}, {rows.place(row)}, {where}: {error}")
            codes.append((0,) * len(space.slots))
    return np.array(codes)


def _reader(space: Space, column: NDArray[Any]) -> _Read:
    """Return the function from a row to its architecture, for one column."""
    if column.ndim == 2:
        listed = column.tolist()
        return lambda row: space.from_codes(listed[row])
    if column.dtype.kind in "iu":
        at: Callable[[int], Architecture] | None = getattr(space, "at", None)
        if at is None:
            raise BenchmarkError(
                f"architectures of {space.name!r} have no published index; got numbers"
            )
        indices = column.tolist()
        return lambda row: at(indices[row])
    texts = column.tolist()
    return lambda row: space.parse(str(texts[row]).strip())


def _decision_reader(space: Space, columns: dict[str, NDArray[Any]]) -> _Read:
    """Return the function from a row to its architecture, for one column per decision."""
    listed = {name: column.tolist() for name, column in columns.items()}

    def read(row: int) -> Architecture:
        values = {
            name: _value(space.decisions[name], cells[row])
            for name, cells in listed.items()
            if cells[row] != ""  # not open
        }
        return space.architecture(values)

    return read


def _value(decision: Decision, cell: Any) -> Any:
    """Return the value that a cell of a file means."""
    if not isinstance(cell, str):
        whole = isinstance(cell, float) and cell.is_integer() and not isinstance(decision, Real)
        return int(cell) if whole else cell
    if isinstance(decision, Choice):
        return {str(option): option for option in decision.options}.get(cell, cell)
    try:
        value = json.loads(cell)
    except json.JSONDecodeError:
        return cell
    return int(value) if isinstance(decision, Integer) and value == int(value) else value
