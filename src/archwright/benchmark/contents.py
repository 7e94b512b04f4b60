"""What reading a foreign file means: how it is told apart, what it gives, and what it is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

from archwright.benchmark.columns import Column
from archwright.space import Space

__all__ = ["Contents", "Format", "Progress", "Reading", "is_number"]

Progress = Callable[[int, int], None]
"""Told (done, all) now and then, in bytes or files."""


def _silent(done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Reading:
    """How to read.

    Args:
        strict: Whether to verify every checksum that the format has.
        curves: Whether to keep what was recorded after every epoch, where there is that.
        progress: Told how far it is.
    """

    strict: bool = True
    curves: bool = False
    progress: Progress = _silent


@dataclass(frozen=True)
class Contents:
    """The arrays of a table, and what is to be known about them.

    Args:
        name: The benchmark's name.
        space: What the architectures belong to.
        codes: Canonical codes `(rows, slots)`.
        columns: Columns and their numbers.
        notes: Known facts that a reader of the table should see.
        domain: Which architectures are in it, in words, if not all.
        hashes: Published hashes of the rows, S32, where there are some.
    """

    name: str
    space: Space
    codes: npt.NDArray[Any]  # (rows, slots)
    columns: list[tuple[Column, npt.NDArray[Any]]]
    notes: tuple[str, ...] = ()
    domain: str = ""
    hashes: npt.NDArray[np.bytes_] | None = None  # (rows,)


@dataclass(frozen=True)
class Format:
    """A kind of foreign file.

    Args:
        what: The file or folder, in words.
        detects: Whether a path with these first bytes (none of a folder) is of this kind.
        read: Reads it; raises FormatError with the place of what is wrong.
        package: The package of the extra "tables" that brings the file, and its path inside.
    """

    what: str
    detects: Callable[[Path, bytes], bool]
    read: Callable[[Path, Reading], Contents]
    package: tuple[str, str] | None = None


def is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)
