"""Scores as CSV files: for other programs, and to go on with later.

A row for each architecture and seed: `space`, `architecture` (its published text), `seed`, then for
every proxy its value (empty where there is none), `NAME status` and `NAME seconds`. Numbers are
written so that reading gives the same ones.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from archwright.errors import FormatError, ProxyError
from archwright.trial import Scores

__all__ = ["read_scores", "write_scores"]

_FIRST = ("space", "architecture", "seed")
_ENDS = ("", " status", " seconds")


def write_scores(scores: Scores, path: str | Path) -> Path:
    """Write scores as a CSV file; an older one is replaced in one step."""
    import pandas as pd

    from archwright.report import write_csv

    head = [*_FIRST, *(f"{name}{end}" for name in scores.proxies for end in _ENDS)]
    rows = [
        [scores.space, text, seed, *_cells(scores, row, seed)]
        for row, text in enumerate(scores.architectures)
        for seed in range(scores.seeds)
    ]
    return write_csv(pd.DataFrame(rows, columns=head), path)


def _cells(scores: Scores, row: int, seed: int) -> list[Any]:
    found: list[Any] = []
    for place in range(len(scores.proxies)):
        value = float(scores.values[row, seed, place])
        seconds = float(scores.seconds[row, seed, place])
        status = str(scores.statuses[row, seed, place])
        found += ["" if math.isnan(value) else repr(value), status, repr(seconds)]
    return found


def read_scores(path: str | Path) -> Scores:
    """Read what `write_scores` wrote.

    Raises:
        ProxyError: If there is no such file.
        FormatError: If it is no file of scores; names the line.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProxyError(
            f"{file} cannot be read ({error}); name a file that archwright score wrote with --out"
        ) from error
    lines = list(csv.reader(io.StringIO(text)))
    head, rows = (lines[0], lines[1:]) if lines else ([], [])
    proxies = tuple(head[len(_FIRST) :: len(_ENDS)])
    expected = [*_FIRST, *(f"{name}{end}" for name in proxies for end in _ENDS)]
    if head != expected or not proxies or not rows:
        raise FormatError(
            file,
            "line 1",
            "must name the columns space, architecture, seed, and three for each proxy, with rows "
            f"below; got {', '.join(head)!r:.120} and {len(rows)} rows",
        )
    return _parsed(file, proxies, rows)


def _parsed(file: Path, proxies: tuple[str, ...], rows: list[list[str]]) -> Scores:
    texts = list(dict.fromkeys("".join(row[1:2]) for row in rows))
    seeds = len(rows) // len(texts)
    if len(texts) * seeds != len(rows):
        raise FormatError(
            file,
            f"line {len(rows) + 1}",
            f"expected as many seeds of each of {len(texts)} architectures; got {len(rows)} rows",
        )
    numbers = []
    for number, row in enumerate(rows):
        line, place = number + 2, [rows[0][0], texts[number // seeds], str(number % seeds)]
        if row[:3] != place or len(row) != len(_FIRST) + len(_ENDS) * len(proxies):
            raise FormatError(
                file,
                f"line {line}",
                f"expected space, architecture and seed {place} and {len(proxies)} proxies; got "
                f"{row[:3]} and {len(row)} cells",
            )
        try:
            cells = [float(cell) if cell else math.nan for cell in row[3::3]]
            numbers.append((cells, row[4::3], [float(cell) for cell in row[5::3]]))
        except ValueError as error:
            raise FormatError(file, f"line {line}", f"expected numbers: {error}") from error
    shape = (len(texts), seeds, len(proxies))
    values, statuses, seconds = (np.array(part) for part in zip(*numbers, strict=True))
    return Scores(
        rows[0][0],
        tuple(texts),
        proxies,
        values.reshape(shape),
        statuses.reshape(shape).astype("<U16"),
        seconds.reshape(shape),
        facts={"file": file.name},
    )
