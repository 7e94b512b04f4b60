"""NATS-Bench and NAS-Bench-201: read their folders and files of pickles.

* X. Dong, Y. Yang: NAS-Bench-201. ICLR 2020. [Dong2020nasbench201]_
* X. Dong, L. Liu, K. Musial, B. Gabrys: NATS-Bench. TPAMI 2021. [Dong2021nats]_

A cell was trained from scratch on four datasets, under two or three schedules of different length,
with one to three seeds. A table keeps what each training ended with: the schedules are its epoch
budgets, the seeds its repeats. With `curves`, "cifar100.curve200" and the like are more datasets,
with the state after each epoch of one schedule.

A folder is read cell by cell. A file in one piece can only be read into memory whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archwright.benchmark.contents import Contents, Format, Reading
from archwright.benchmark.nats_columns import Trainings
from archwright.benchmark.nats_state import trainings_of
from archwright.benchmark.torch_archive import is_torch, read_torch
from archwright.benchmark.unpickling import NUMBERS, open_bz2, unpickle
from archwright.errors import FormatError
from archwright.space.catalog.nasbench201 import NASBench201, nasbench201
from archwright.space.catalog.nats_size import NATSSize, nats_size

__all__ = ["FORMAT", "read_nats"]

_SUFFIX = ".pickle.pbz2"
_CELL_NAME = re.compile(r"(\d+)\.pickle\.pbz2")
_WHOLE_LIMIT_BYTES = 1 << 36
_HEAD_BYTES = 64
_SCHEDULES = {"less": "12", "full": "200"}  # what NAS-Bench-201 calls them


def read_nats(path: Path, reading: Reading) -> Contents:
    """Read a `-simple` folder, a monolithic `.pickle.pbz2` or a `.pth` of NAS-Bench-201.

    Args:
        path: The folder or file.
        reading: Whether to keep curves; told how many cells have been read.

    Raises:
        FormatError: If a file is damaged, names what it must not, or says something that is not
            possible; names the file, the cell, the training and the field.
    """
    cells = _folder(path) if path.is_dir() else _whole(path)
    trainings: Trainings | None = None
    for done, total, file, cell, schedules in cells:
        if trainings is None:
            trainings = Trainings(_space(file, cell, schedules), curves=reading.curves)
        text = trainings.text(file, cell)
        row = trainings.row(file, cell)
        for name, state in schedules.items():
            for training in trainings_of(file, state, cell, text, name):
                trainings.add(file, row, name, training)
        reading.progress(done, total)
    if trainings is None:
        raise FormatError(path, "folder", f"expected cells such as '000000{_SUFFIX}', got none")
    return trainings.contents()


_Cell = tuple[int, int, Path, int, dict[str, Any]]
"""How many cells are read, of how many; the file, the cell's index, and its states."""


def _folder(path: Path) -> Iterator[_Cell]:
    """Yield the cells of a folder, one file each."""
    names = [_CELL_NAME.fullmatch(file.name) for file in sorted(path.iterdir())]
    found = [(int(name[1]), path / name[0]) for name in names if name]
    for done, (cell, file) in enumerate(sorted(found), 1):
        states = unpickle(file, NUMBERS, opener=open_bz2)
        yield done, len(found), file, cell, _schedules(file, cell, states)


def _whole(path: Path) -> Iterator[_Cell]:
    """Yield the cells of a file that holds all of them."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if is_torch(head):
        content = read_torch(path, limit_bytes=_WHOLE_LIMIT_BYTES)
    else:
        content = unpickle(path, NUMBERS, opener=open_bz2, limit_bytes=_WHOLE_LIMIT_BYTES)
    cells = content.get("arch2infos") if isinstance(content, dict) else None
    if not isinstance(cells, dict) or not cells:
        raise FormatError(path, "field arch2infos", f"expected cells, got {type(cells).__name__}")
    total = len(cells)
    for done, cell in enumerate(sorted(cells), 1):
        if type(cell) is not int:
            raise FormatError(path, "field arch2infos", f"expected whole numbers, got {cell!r}")
        yield done, total, path, cell, _schedules(path, cell, cells.pop(cell))


def _schedules(path: Path, cell: int, states: Any) -> dict[str, Any]:
    """Return the states by the length of their schedule, as text: "12", "200"."""
    if not isinstance(states, dict) or not states:
        raise FormatError(path, f"cell {cell}", f"expected states, got {type(states).__name__}")
    named: dict[Any, Any] = {_SCHEDULES.get(name, name): state for name, state in states.items()}
    for name in named:
        if not isinstance(name, str) or not name.isdecimal() or not int(name):
            raise FormatError(
                path, f"cell {cell}", f"expected schedules such as '12' and '200', got {name!r}"
            )
    return named


def _space(path: Path, cell: int, schedules: dict[str, Any]) -> NASBench201 | NATSSize:
    """Return the space that a cell's text is of."""
    state = next(iter(schedules.values()))
    text = state.get("arch_str") if isinstance(state, dict) else None
    if not isinstance(text, str):
        raise FormatError(path, f"cell {cell}, field arch_str", f"expected text, got {text!r}")
    return nasbench201() if text.startswith("|") else nats_size()


def _detects(path: Path, head: bytes) -> bool:
    if path.is_dir():
        return any(_CELL_NAME.fullmatch(file.name) for file in path.iterdir())
    return path.name.endswith((_SUFFIX, ".pth")) or is_torch(head)


FORMAT = Format(
    "NATS-Bench (-simple folder, .pickle.pbz2) or NAS-Bench-201 (.pth)", _detects, read_nats
)
