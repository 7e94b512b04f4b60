"""Files of recorded results, as people have them: delimited text, Parquet, `.npz`."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import BenchmarkError, DataError, FormatError, MissingDependencyError

__all__ = ["Rows", "read_rows"]

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_LABELS = ("columns", "fields", "names", "metrics")


@dataclass(frozen=True)
class Rows:
    """Columns of equal length, with the place of each row in the file.

    Args:
        name: The file's name.
        columns: Texts or numbers `(rows,)`, or numbers `(rows, several)`, by name.
        place: From a row to words: "line 18".
    """

    name: str
    columns: dict[str, NDArray[Any]]
    place: Callable[[int], str]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))


def read_rows(path: Path) -> Rows:
    """Read a file; its ending says how.

    Raises:
        BenchmarkError: If there is no such file, or it has another ending.
        FormatError: If it is damaged.
        DataError: If rows of a text file do not fit its header; lists them all.
        MissingDependencyError: If reading Parquet needs a package that is not installed.
    """
    if not path.is_file():
        raise BenchmarkError(f"there is no file {str(path)!r} to import")
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    suffix = suffixes[-1].lower() if suffixes else ""
    if suffix in _DELIMITERS:
        return _delimited(path, _DELIMITERS[suffix])
    if suffix in (".parquet", ".pq"):
        return _parquet(path)
    if suffix == ".npz":
        return _archive(path)
    raise BenchmarkError(
        f"what is imported ends in .csv, .tsv (also .gz), .parquet or .npz; got {path.name!r}. "
        f"Files that benchmarks publish are read by: archwright benchmark convert"
    )


def _delimited(path: Path, delimiter: str) -> Rows:
    table = csv.reader(io.StringIO(_text(path)), delimiter=delimiter, strict=True)
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    problems: list[str] = []
    try:
        for cells in table:
            if not cells:
                continue
            if not header:
                header = [cell.strip() for cell in cells]
            elif len(cells) != len(header):
                problems.append(
                    f"{path.name}, line {table.line_num}: has {len(cells)} fields; "
                    f"the header has {len(header)}"
                )
            else:
                rows.append(cells)
                lines.append(table.line_num)
    except csv.Error as error:
        where = f"line {table.line_num}"
        raise FormatError(path, where, f"is no delimited text: {error}") from error
    _check_header(path, header, problems)
    if problems:
        raise DataError(f"{len(problems)} rows cannot be read; the first: {problems[0]}", problems)
    if not rows:
        raise FormatError(path, "line 1", "has no rows below its header")
    by_column = zip(header, zip(*rows, strict=True), strict=True)
    columns = {name: np.array(cells) for name, cells in by_column}
    return Rows(path.name, columns, lambda row: f"line {lines[row]}")


def _check_header(path: Path, header: list[str], problems: list[str]) -> None:
    for name, count in Counter(header).items():
        if count > 1 or not name:
            what = f"{count} columns are called {name!r}" if name else "a column has no name"
            problems.append(f"{path.name}, line 1: {what}; give each one a name of its own")


def _text(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise FormatError(path, "byte 0", f"is no whole gzip file: {error}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(
            path, f"byte {error.start}", f"must be UTF-8; got 0x{data[error.start]:02x}"
        ) from error


def _parquet(path: Path) -> Rows:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise MissingDependencyError(
            "pyarrow", extra="parquet", needed_for=f"reading {path.name}"
        ) from error
    try:
        table = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise FormatError(path, "byte 0", f"is no whole Parquet file: {error}") from error
    columns = {
        name: _exact(column.to_numpy(zero_copy_only=False))
        for name, column in zip(table.column_names, table.columns, strict=True)
    }
    if not columns or not table.num_rows:
        raise FormatError(path, "byte 0", "has no rows")
    return Rows(path.name, columns, lambda row: f"row {row}")


def _archive(path: Path) -> Rows:
    arrays: dict[str, NDArray[Any]] = {}
    member = ""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            for member in archive.files:
                arrays[member] = _exact(archive[member])
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        place = f"array {member!r}" if member else "byte 0"
        raise FormatError(path, place, f"cannot be read: {error}") from error
    rows = max((len(array) for array in arrays.values() if array.ndim), default=0)
    if not rows:
        raise FormatError(path, "byte 0", "has no arrays with rows")
    columns: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        if array.ndim and len(array) == rows:
            columns |= _spread(name, array, arrays)
    return Rows(path.name, columns, lambda row: f"row {row}")


def _spread(
    name: str, array: NDArray[Any], arrays: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Return an array as one column, or as several where another array names them."""
    if array.ndim != 2 or array.dtype.kind != "f":
        return {name: array}
    for label, texts in arrays.items():
        if texts.ndim == 1 and texts.dtype.kind == "U" and len(texts) == array.shape[1]:
            prefix = "" if label in _LABELS else f"{name}_"
            return {f"{prefix}{text}": array[:, place] for place, text in enumerate(texts.tolist())}
    return {name: array}


def _exact(array: NDArray[Any]) -> NDArray[Any]:
    """Return texts as str, whatever they came as."""
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    if array.dtype.kind == "O":
        return np.array(["" if value is None else str(value) for value in array.tolist()])
    return array
