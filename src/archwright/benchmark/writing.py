"""From arrays to a table file."""

from __future__ import annotations

import math
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archwright.benchmark._buckets import bucketed
from archwright.benchmark._numbering import Numbering, is_dense
from archwright.benchmark.columns import Column, narrowest
from archwright.benchmark.format import write_file
from archwright.errors import BenchmarkError
from archwright.space import Space

__all__ = ["write_table"]

_MOST_INDEXED = 1_000_000  # code vectors of a space whose published order is looked up


def write_table(
    path: str | Path,
    space: Space,
    codes: np.ndarray,
    columns: Sequence[tuple[Column, np.ndarray]],
    *,
    name: str,
    provenance: Mapping[str, Any] | None = None,
    notes: Iterable[str] = (),
    domain: str = "",
    cost_metric: str | None = None,
    hashes: np.ndarray | None = None,
) -> Path:
    """Write a table in one step: whole, or not at all.

    Rows may come in any order. They are kept in the published order of the space where it has
    one, else by the numbers of their codes; numbers are kept in the smallest type that loses
    nothing.

    Args:
        path: Where; by convention it ends in ".table". A file that is there is replaced.
        space: What the architectures belong to.
        codes: Canonical codes `(rows, slots)`, as `Architecture.codes` has them.
        columns: Columns and their numbers `(rows, epochs, repeats)`, without the axes that a
            column does not have. NaN is a missing value.
        name: The benchmark's name.
        provenance: Where the numbers come from, JSON: "sources" (objects with "file",
            "size_bytes", "sha256"), "card", versions ...
        notes: Known facts that a reader should see.
        domain: In words, which architectures of the space are in the table, if not all.
        cost_metric: Name of the column that says what an evaluation cost, in seconds;
            "training_seconds" where there is one.
        hashes: Published hashes of the rows, 32 hexadecimal digits each, by which they can be
            looked up too.

    Returns:
        The path.

    Raises:
        BenchmarkError: If shapes do not fit, two rows have one architecture, two columns one
            name, or a number is infinite; says which.
        SpaceError: If a code is outside its domain.
    """
    rows = _checked_codes(space, codes)
    _check_names(columns)
    order, numbers = _ordered(space, rows)
    arrays = [("codes", _narrow_codes(space, rows)[order]), *_lookup(numbers)]
    if hashes is not None:
        arrays += _hash_lookup(hashes, order)
    for number, (column, values) in enumerate(columns):
        arrays.append((f"column {number}", narrowest(_checked(column, values, len(rows)))[order]))
    header = {
        "name": name,
        "space": space.to_json(),
        "rows": len(rows),
        "columns": [column.to_json() for column, _ in columns],
        "domain": domain,
        "cost_metric": _cost_metric(cost_metric, columns),
        "provenance": {**(provenance or {}), "written_with": _versions()},
        "notes": list(notes),
    }
    return write_file(Path(path), header, arrays)


def _checked_codes(space: Space, codes: np.ndarray) -> np.ndarray:
    rows, width = np.asarray(codes), len(space.slots)
    if rows.ndim != 2 or rows.shape[1] != width or not len(rows):
        raise BenchmarkError(
            f"codes of {space.name!r} must have the shape (rows, {width}), with a row at least; "
            f"got {rows.shape}"
        )
    return rows


def _check_names(columns: Sequence[tuple[Column, np.ndarray]]) -> None:
    if not columns:
        raise BenchmarkError("a table needs a column at least; got none")
    counts = Counter((column.full_name, column.moment) for column, _ in columns)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise BenchmarkError(f"columns must have different names; got {twice[0][0]!r} twice")


def _ordered(space: Space, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order in which rows are kept, and their numbers in this order."""
    numbering = Numbering(space)
    numbers = numbering.many(rows)
    order = np.argsort(numbers, kind="stable")
    same = np.flatnonzero(numbers[order][1:] == numbers[order][:-1])
    if len(same):
        first, second = order[same[0]], order[same[0] + 1]
        raise BenchmarkError(
            f"rows {first} and {second} are the same architecture, {rows[first].tolist()!r}; "
            f"a table holds each one once, with its repeats in an axis"
        )
    if (codes := _published_order(space)) is not None:
        published = numbering.many(codes)
        by_number = np.argsort(published, kind="stable")
        place = np.searchsorted(published, numbers, sorter=by_number)
        order = np.argsort(by_number[place], kind="stable")
    return order, numbers[order]


def _published_order(space: Space) -> np.ndarray | None:
    """Return the codes of all in published order, where every code vector has a place in it."""
    vectors = math.prod(slot.size or 0 for slot in space.slots)
    if vectors > _MOST_INDEXED or not hasattr(space, "codes_by_index"):
        return None
    codes: np.ndarray = space.codes_by_index()
    return codes if len(codes) == vectors else None


def _lookup(numbers: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the numbers ascending, how to find one, and which row each has if not its place."""
    by_number = np.argsort(numbers, kind="stable")
    ascending = numbers[by_number]
    arrays = [("numbers", ascending)]
    if not is_dense(ascending):
        arrays.append(("buckets", bucketed(ascending)))
    if not np.array_equal(by_number, np.arange(len(numbers))):
        arrays.append(("number_rows", by_number.astype("<i4")))
    return arrays


def _hash_lookup(hashes: np.ndarray, order: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Return the hashes ascending, 16 bytes each, and which row each one has."""
    kept = np.asarray(hashes).astype("S32")[order]
    by_hash = np.argsort(kept, kind="stable")
    text = b"".join(kept[by_hash].tolist())
    try:
        digits = np.frombuffer(bytes.fromhex(text.decode("ascii")), dtype="|u1")
        return [
            ("hashes", digits.reshape(len(order), 16)),
            ("hash_rows", by_hash.astype("<i4")),
        ]
    except ValueError as error:
        raise BenchmarkError(
            f"hashes must be one text of 32 hexadecimal digits for each row: {error}"
        ) from error


def _narrow_codes(space: Space, rows: np.ndarray) -> np.ndarray:
    return rows.astype(Numbering(space).code_type)


def _checked(column: Column, values: np.ndarray, rows: int) -> np.ndarray:
    where, exact = f"column {column.full_name!r}", np.asarray(values)
    expected = (rows, *column.shape)
    if exact.shape != expected or exact.dtype.kind not in "iuf":
        raise BenchmarkError(
            f"{where}: its numbers must have the shape {expected} "
            f"({', '.join(('rows', *(column.axes or ())))}); got {exact.dtype} of {exact.shape}"
        )
    if exact.dtype.kind == "f" and np.isinf(exact).any():
        row = int(np.argwhere(np.isinf(exact))[0][0])
        raise BenchmarkError(f"{where}, row {row}: must be finite, or NaN where it is missing")
    return exact


def _cost_metric(given: str | None, columns: Sequence[tuple[Column, np.ndarray]]) -> str | None:
    seconds = {column.name for column, _ in columns if column.unit == "seconds"}
    if given is not None and given not in seconds:
        raise BenchmarkError(
            f"cost_metric must be a column in seconds ({', '.join(sorted(seconds)) or 'none'}); "
            f"got {given!r}"
        )
    return given or ("training_seconds" if "training_seconds" in seconds else None)


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "numpy": np.__version__}
