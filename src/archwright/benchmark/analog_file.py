"""AnalogNAS-Bench: read `data.anb` of the package analog-nasbench.

A pickle of a dict from six operation numbers to an object with the accuracies of one NAS-Bench-201
cell on CIFAR-10: as trained, quantised after or during training, with noise, and trained for
analog hardware; then what is left of two of them when the hardware has drifted for a while, as a
mean and an uncertainty. The package's classes are not imported: stand-ins take their fields.

Keys have the edges in the order 01, 02, 03, 12, 13, 23 and operations of their own order, as
`NASBench201.of_op_indices` reads them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from archwright.benchmark.columns import Column
from archwright.benchmark.contents import Contents, Format, Reading, is_number
from archwright.benchmark.unpickling import NUMBERS, Allowed, unpickle
from archwright.errors import FormatError, SpaceError
from archwright.space.catalog.nasbench201 import nasbench201

__all__ = ["FORMAT", "read_analog"]

_ACCURACIES = ("baseline", "ptq", "qat", "noisy", "analog")
_DRIFTING = ("baseline", "analog")
_SECONDS = (60, 3_600, 86_400, 2_592_000)
_NOTES = (
    "all accuracies are of CIFAR-10 test images, in percent; cells were trained once more, so "
    "they are not those of NAS-Bench-201",
    "drift_60 of the cell of six skip_connect is higher than the later ones: kept as published",
)


class _Fields:
    """Stands for the package's classes: holds their fields and does nothing."""


_ALLOWED: Allowed = {
    **NUMBERS,
    ("analognasbench.data", "Architecture"): _Fields,
    ("analognasbench.data", "DriftMeasurement"): _Fields,
}


def read_analog(path: Path, reading: Reading) -> Contents:
    """Read the file.

    Args:
        path: The file.
        reading: Told when it has been read.

    Raises:
        FormatError: If it is no such file or names what it must not; names the record and field.
    """
    content = unpickle(path, _ALLOWED)
    if not isinstance(content, dict) or not content:
        raise FormatError(path, "pickle", f"expected a dict, got {type(content).__name__}")
    space = nasbench201()
    codes, rows = [], []
    for key, record in content.items():
        place = f"record {key!r}"
        if not isinstance(key, tuple) or not isinstance(record, _Fields):
            raise FormatError(path, place, f"expected six numbers and a record, got {record!r}")
        try:
            codes.append(space.of_op_indices(key).codes)
        except SpaceError as error:
            raise FormatError(path, place, str(error)) from error
        rows.append(_row(path, place, vars(record)))
    reading.progress(len(rows), len(rows))
    numbers = np.array(rows)  # (rows, columns)
    columns = [(column, numbers[:, number]) for number, column in enumerate(_columns())]
    return Contents(
        "analog-nasbench",
        space,
        np.array(codes, np.uint8),
        columns,
        notes=_NOTES,
        domain="" if len(codes) == space.size else f"{len(codes):,} of the {space.size:,} cells",
    )


def _columns() -> list[Column]:
    percent: tuple[str, str, str] = ("percent", "max", "test")
    columns = [Column(f"test_accuracy_{name}", *percent) for name in _ACCURACIES]
    for name in _DRIFTING:
        for seconds in _SECONDS:
            drifted = f"test_accuracy_{name}_drift_{seconds}s"
            columns.append(Column(drifted, *percent))
            columns.append(Column(f"{drifted}_uncertainty", "percent", "min", "test"))
    return columns


def _row(path: Path, place: str, record: dict[str, Any]) -> list[float]:
    """Return the numbers of a record in the order of the columns."""
    row = [_number(path, place, record, f"{name}_accuracy") for name in _ACCURACIES]
    for name in _DRIFTING:
        for seconds in _SECONDS:
            field = f"{name}_drift_{seconds}"
            drift = record.get(field)
            if not isinstance(drift, _Fields):
                raise FormatError(
                    path, f"{place}, field {field}", f"expected a drift, got {drift!r}"
                )
            row += [_number(path, place, vars(drift), part, field) for part in _DRIFT_PARTS]
    return row


_DRIFT_PARTS = ("value", "uncertainty")


def _number(path: Path, place: str, record: dict[str, Any], field: str, of: str = "") -> float:
    value = record.get(field)
    if not is_number(value) or not 0 <= value <= 100:
        where = f"{place}, field {of + '.' if of else ''}{field}"
        raise FormatError(path, where, f"expected a percentage, got {value!r}")
    return float(value)


def _detects(path: Path, head: bytes) -> bool:
    return path.suffix == ".anb" or b"analognasbench" in head


FORMAT = Format(
    "AnalogNAS-Bench accuracies (.anb)",
    _detects,
    read_analog,
    ("analog-nasbench", "analognasbench/data.anb"),
)
