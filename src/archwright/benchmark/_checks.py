"""Whether the parts of a table file fit together, and whether what is asked of it makes sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.benchmark._buckets import bucket_bits
from archwright.benchmark._numbering import is_dense
from archwright.benchmark._stored import Repeat
from archwright.benchmark.columns import Column
from archwright.errors import BenchmarkError

__all__ = ["checked_number", "checked_repeat", "shapes"]

_HASH_BYTES = 16


def shapes(
    header: Mapping[str, Any], columns: Sequence[Column], arrays: Mapping[str, NDArray[Any]]
) -> dict[str, tuple[int, ...]]:
    """Return the shape that each array must have."""
    rows, width = header["rows"], arrays["codes"].shape[-1]
    expected: dict[str, tuple[int, ...]] = {"codes": (rows, width), "hashes": (rows, _HASH_BYTES)}
    expected |= {name: (rows,) for name in ("numbers", "number_rows", "hash_rows")}
    if not is_dense(arrays["numbers"]):
        expected["buckets"] = (max(len(arrays["buckets"]), (1 << bucket_bits(rows)) + 1),)
    needed = ["numbers", *(f"column {number}" for number in range(len(columns)))]
    if lacking := [name for name in needed if name not in arrays]:
        raise KeyError(lacking[0])
    if not isinstance(header["space"], dict) or not isinstance(header["name"], str) or not rows:
        raise TypeError("name, space or rows")
    return expected | {f"column {n}": (rows, *column.shape) for n, column in enumerate(columns)}


def checked_number(repeat: object, repeats: int, words: Sequence[str]) -> int:
    """Return the number of a training.

    Raises:
        BenchmarkError: If it is none.
    """
    if isinstance(repeat, int | np.integer) and not isinstance(repeat, bool):
        if 0 <= repeat < repeats:
            return int(repeat)
        if not repeats and repeat == 0:
            return 0
    numbers = f"a number from 0 to {repeats - 1}" if repeats else "0"
    raise BenchmarkError(
        f"repeat must be {', '.join(map(repr, words))} or {numbers}; got {repeat!r}"
    )


def checked_repeat(repeat: Repeat, column: Column, rows: int) -> Repeat:
    if isinstance(repeat, np.ndarray):
        if repeat.shape != (rows,) or repeat.dtype.kind not in "iu":
            raise BenchmarkError(
                f"repeat must be one whole number for each of {rows} rows; "
                f"got {repeat.dtype} of {repeat.shape}"
            )
        if column.repeats and rows:
            checked_number(int(repeat.min()), column.repeats, ())
            checked_number(int(repeat.max()), column.repeats, ())
        return repeat
    if isinstance(repeat, str) and repeat in ("mean", "all"):
        return repeat
    return checked_number(repeat, column.repeats or 1, ("mean", "all"))
