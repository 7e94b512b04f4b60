"""Delimited text files: CSV and its relatives, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from archwright.data.columns import MISSING, to_number
from archwright.data.options import LoadOptions
from archwright.data.raw import Places
from archwright.data.records import Problem
from archwright.errors import UnknownNameError

if TYPE_CHECKING:
    import _csv

    import pandas as pd

__all__ = ["SUFFIXES", "Delimited", "read_delimited"]

SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data")
"""Endings of files that are read as delimited text, before an optional ".gz"."""

_DELIMITERS = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS = {
    b"\xef\xbb\xbf": "utf-8",
    b"\xff\xfe": "utf-16-le",
    b"\xfe\xff": "utf-16-be",
}
_ENCODINGS = ("utf-8", "cp1252", "latin-1", "utf-16", "cp437", "shift_jis", "gb18030", "big5")
_SAMPLE = 1 << 16
_SAMPLE_ROWS = 1000
_SHOWN = 10
_BLANK_LINE = re.compile(r"^ +$", re.MULTILINE)
_COMMA_NUMBER = re.compile(r"[+-]?\d+,\d+")


@dataclass(frozen=True, eq=False)
class Delimited:
    """One file, read.

    Args:
        frame: Columns as text, or as numbers where every value is one.
        places: From rows to lines of the file.
        header: Whether the first line named the columns.
        notes: What was found out about the file.
    """

    frame: pd.DataFrame
    places: Places
    header: bool
    notes: tuple[str, ...]


def read_delimited(
    path: Path, options: LoadOptions, problems: list[Problem], *, as_text: Sequence[str] = ()
) -> Delimited | None:
    """Read a file; every line that does not fit becomes a problem, and the others are read.

    Args:
        path: The file; ".gz" is decompressed.
        options: `delimiter`, `encoding`, `header` and `decimal` are used.
        problems: What is wrong is added here.
        as_text: Columns whose values are kept as they are written ("007").
    """
    notes: list[str] = []
    text = _text(path, options.encoding, problems, notes)
    if text is None:
        return None
    tab = ".tsv" in path.suffixes or ".tab" in path.suffixes
    delimiter = options.delimiter or ("\t" if tab else _find_delimiter(text))
    try:
        widths = Counter(map(len, _rows(text, delimiter)))
    except csv.Error as error:
        remedy = "close every quoted field, and double quotes inside of one"
        problems.append(Problem(path.name, f"cannot be read as delimited text ({error})", remedy))
        return None
    widths.pop(0, None)
    width = max(widths, key=lambda fields: (widths[fields], fields))
    sample = _sample(text, delimiter, width)
    header = _has_header(sample) if options.header is None else options.header
    names = _names(sample[0], path, problems) if header else [str(i) for i in range(width)]
    decimal = options.decimal or _find_decimal(sample[header:], delimiter, notes)
    lines = cache(partial(_lines, text, delimiter, width))
    even = text
    opened = _open_quote(text, delimiter) if '"' in text else None
    if opened is not None:
        place = f"{path.name}, line {opened}"
        problems.append(Problem(place, "a quote is opened and never closed", "close it"))
    if len(widths) > 1 or opened is not None:
        _report_ragged(path, text, delimiter, width, problems)
        even = _without_ragged(text, delimiter, width)
    frame = _parse(even, delimiter, decimal, header, names, as_text)
    frame = _without_index(frame, notes) if header else frame

    def numbers(rows: Sequence[int]) -> list[object]:
        return [lines()[row + header] for row in rows]

    return Delimited(frame, Places(path.name, "line", numbers), header, tuple(notes))


def _text(
    path: Path, encoding: str | None, problems: list[Problem], notes: list[str]
) -> str | None:
    """Return the decoded file with line ends as newlines, or `None` with a problem."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            remedy = "copy or download the file again"
            problems.append(Problem(path.name, f"is not a whole gzip file ({error})", remedy))
            return None
    text = _decode(path, data, encoding, problems, notes)
    if text is None:
        return None
    if not text.strip():
        remedy = "give a file with a line for each row"
        problems.append(Problem(path.name, "the file is empty", remedy))
        return None
    if "\0" in text:
        offset = text.index("\0")
        remedy = "give a text file, or pass its encoding, such as encoding='utf-16-le'"
        problems.append(Problem(f"{path.name}, character {offset}", "is a zero byte", remedy))
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n").rstrip() + "\n"
    return _BLANK_LINE.sub("", text) if "\n " in text else text


def _decode(
    path: Path, data: bytes, encoding: str | None, problems: list[Problem], notes: list[str]
) -> str | None:
    skipped = 0
    for mark, marked in _BYTE_ORDER_MARKS.items():
        if data.startswith(mark) and encoding in (None, marked, marked[:6], f"{marked}-sig"):
            notes.append(f"{path.name} starts with the byte order mark of {marked}")
            encoding, skipped = marked, len(mark)
            break
    try:
        return data[skipped:].decode(encoding or "utf-8")
    except LookupError:
        raise UnknownNameError("text encoding", encoding, _ENCODINGS) from None
    except UnicodeDecodeError as error:
        offset = error.start + skipped
        line = data.count(b"\n", 0, offset) + 1
        problems.append(
            Problem(
                f"{path.name}, line {line}, byte offset {offset}",
                f"byte 0x{data[offset]:02x} is not {encoding or 'utf-8'}",
                "save the file as UTF-8 or pass its encoding, such as encoding='cp1252'",
            )
        )
        return None


def _rows(text: str, delimiter: str) -> _csv.Reader:
    return csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)


def _find_delimiter(text: str) -> str:
    """Return the separator that cuts the first lines into equally many fields, and most."""
    sample = text[:_SAMPLE]
    if len(sample) < len(text):
        sample = sample[: sample.rfind("\n") + 1] or sample
    best, best_score = _DELIMITERS[0], (0.0, 0)
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(map(len, _rows(sample, delimiter)))
        except csv.Error:
            continue
        widths.pop(0, None)
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]))
        score = (count / widths.total(), width) if width > 1 else (0.0, 0)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _sample(text: str, delimiter: str, width: int) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in _rows(text, delimiter):
        if len(row) == width:
            rows.append([cell.strip() for cell in row])
            if len(rows) > _SAMPLE_ROWS:
                break
    return rows


def _has_header(sample: list[list[str]]) -> bool:
    """Whether the first row names the columns.

    It does if none of its fields is a number, and either some column has numbers below, or all
    fields are different and none comes up again as a value of its column.
    """
    first, rest = sample[0], sample[1:]
    named = [cell for cell in first if cell]
    if not named or any(_numeric(cell) or cell.lower() in MISSING for cell in named):
        return False
    columns = list(zip(*rest, strict=True))
    if any(_mostly_numbers(column) for column in columns):
        return True
    below = zip(first, columns, strict=False)  # no columns if there are no rows below
    return len(set(named)) == len(named) and all(name not in column for name, column in below)


def _numeric(cell: str) -> bool:
    return to_number(cell) == to_number(cell) or bool(_COMMA_NUMBER.fullmatch(cell))


def _mostly_numbers(column: Sequence[str]) -> bool:
    present = [cell for cell in column if cell.lower() not in MISSING]
    return sum(map(_numeric, present)) * 2 > len(present)


def _names(first: list[str], path: Path, problems: list[Problem]) -> list[str]:
    """Return the names of the columns; a name that comes twice is told and gets a number."""
    names = [name or f"column_{index}" for index, name in enumerate(first)]
    twice = [name for name, count in Counter(names).items() if count > 1]
    for name in twice:
        places = [str(index) for index, other in enumerate(names) if other == name]
        problems.append(
            Problem(
                f"{path.name}, line 1",
                f"{len(places)} columns are called {name!r} (positions {', '.join(places)})",
                "give each column a name of its own, or pass header=False if it is no header",
            )
        )
    return [
        f"{name} ({names[:index].count(name) + 1})" if name in names[:index] else name
        for index, name in enumerate(names)
    ]


def _find_decimal(rows: list[list[str]], delimiter: str, notes: list[str]) -> str:
    """Return "," if numbers are written 3,14 (and it does not separate fields)."""
    if delimiter == ",":
        return "."
    cells = [cell for row in rows for cell in row]
    commas = sum(1 for cell in cells if _COMMA_NUMBER.fullmatch(cell))
    points = sum(1 for cell in cells if "." in cell and to_number(cell) == to_number(cell))
    if commas <= points:
        return "."
    notes.append("numbers are written with a decimal comma")
    return ","


def _lines(text: str, delimiter: str, width: int) -> list[int]:
    """Return the first line, from 1, of each row that has the right number of fields."""
    lines, end = [], 0
    reader = _rows(text, delimiter)
    for row in reader:
        if len(row) == width:
            lines.append(end + 1)
        end = reader.line_num
    return lines


def _report_ragged(
    path: Path, text: str, delimiter: str, width: int, problems: list[Problem]
) -> None:
    reader, end = _rows(text, delimiter), 0
    remedy = f"correct the line, and quote fields that contain {delimiter!r}"
    ragged = []
    for row in reader:
        if len(row) not in (0, width):
            ragged.append((end + 1, len(row)))
        end = reader.line_num
    for line, fields in ragged[:_SHOWN]:
        count = "1 field" if fields == 1 else f"{fields} fields"
        place = f"{path.name}, line {line}"
        problems.append(Problem(place, f"has {count}, the other lines have {width}", remedy))
    if len(ragged) > _SHOWN:
        more = f"{len(ragged) - _SHOWN} more lines do not have {width} fields"
        problems.append(Problem(path.name, more, remedy))


def _open_quote(text: str, delimiter: str) -> int | None:
    """Return the line in which the last row starts, if a quote in it has no end.

    A field with an open quote swallows everything up to the end, with it a row put there.
    """
    rows = Counter(map(len, _rows(text, delimiter))).total()
    if Counter(map(len, _rows(f"{text}{delimiter}\n", delimiter))).total() > rows:
        return None
    reader, end = _rows(text, delimiter), 0
    for _ in range(rows - 1):
        next(reader)
        end = reader.line_num
    return end + 1


def _without_ragged(text: str, delimiter: str, width: int) -> str:
    kept = io.StringIO()
    writer = csv.writer(kept, delimiter=delimiter, lineterminator="\n")
    writer.writerows(row for row in _rows(text, delimiter) if len(row) == width)
    return kept.getvalue()


def _parse(
    text: str,
    delimiter: str,
    decimal: str,
    header: bool,
    names: list[str],
    as_text: Sequence[str],
) -> pd.DataFrame:
    import pandas as pd

    markers = {form for m in MISSING for form in (m, m.upper(), m.title())} | {"NaN"}
    return pd.read_csv(
        io.StringIO(text),
        sep=delimiter,
        decimal=decimal,
        header=0 if header else None,
        names=names,
        index_col=False,
        dtype=dict.fromkeys([name for name in as_text if name in names], str),
        skipinitialspace=True,
        na_values=sorted(markers),
        keep_default_na=False,
        low_memory=False,
    )


def _without_index(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Leave out unnamed columns that hold row numbers or nothing at all."""
    for index, name in enumerate(list(frame.columns)):
        if name != f"column_{index}":
            continue
        column = frame[name]
        numbers = column.dtype.kind == "i" and (column.diff().dropna() == 1).all()
        if (index == 0 and numbers) or column.isna().all():
            frame = frame.drop(columns=name)
            what = "row numbers" if numbers else "nothing"
            notes.append(f"left out column {index}, which has no name and holds {what}")
    return frame
