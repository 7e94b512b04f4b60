"""NAS-Bench-Macro: read `nas-bench-macro_cifar10.json`.

X. Su, T. Huang, Y. Li, S. You, F. Wang, C. Qian, C. Zhang, C. Xu: Prioritized Architecture
Sampling with Monto-Carlo Tree Search. CVPR 2021. [Su2021prioritized]_

An object from eight digits to three test accuracies, their mean and deviation, parameters and
multiply-accumulates. Mean and deviation are not kept: they follow from the three.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from archwright.benchmark.columns import Column
from archwright.benchmark.contents import Contents, Format, Reading, is_number
from archwright.errors import FormatError, SpaceError
from archwright.space.catalog.nasbench_macro import nasbench_macro

__all__ = ["FORMAT", "read_macro"]

EPOCHS = 50
_REPEATS = 3
_LONGEST = 1 << 26
_TOLERANCE = 2e-4  # percent; the file has six digits
_BEGINNING = re.compile(rb'\s*\{\s*"[012]{8}"\s*:')


def read_macro(path: Path, reading: Reading) -> Contents:
    """Read the file.

    Args:
        path: The file.
        reading: Strict means that means and deviations are compared with the accuracies.

    Raises:
        FormatError: If it is no such file; names the architecture and the field.
    """
    records = _loaded(path)
    space = nasbench_macro()
    codes, accuracies, sizes = [], [], []
    for text, record in records.items():
        place = f"record {text!r}"
        try:
            codes.append(space.parse(text).codes)
        except SpaceError as error:
            raise FormatError(path, place, str(error)) from error
        runs = _numbers(path, place, record, "test_acc", _REPEATS)
        if reading.strict:
            _compare(path, place, record, runs)
        accuracies.append(runs)
        sizes.append([_count(path, place, record, field) for field in ("params", "flops")])
    reading.progress(path.stat().st_size, path.stat().st_size)
    numbers, counts = np.array(accuracies), np.array(sizes)
    accuracy = Column("test_accuracy", "percent", "max", "test", epochs=(EPOCHS,), repeats=_REPEATS)
    return Contents(
        "nasbench-macro",
        space,
        np.array(codes, np.uint8),
        [
            (accuracy, numbers[:, None, :]),
            (Column("parameters", "count", "min"), counts[:, 0]),
            (Column("macs", "count", "min"), counts[:, 1]),
        ],
        notes=(
            "test_accuracy is the best over the epochs of a training, so it is chosen on the "
            "test images; the benchmark has no validation accuracy",
        ),
        domain="" if len(codes) == space.size else f"{len(codes):,} of the {space.size:,} networks",
    )


def _loaded(path: Path) -> dict[str, Any]:
    if (size := path.stat().st_size) > _LONGEST:
        raise FormatError(path, f"byte {_LONGEST}", f"expected at most so many bytes, got {size}")
    try:
        records = json.loads(path.read_bytes(), object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise FormatError(path, "JSON", f"expected an object of architectures: {error}") from error
    if not isinstance(records, dict) or not records:
        raise FormatError(path, "JSON", "expected an object of architectures, got another value")
    return records


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return found


def _numbers(path: Path, place: str, record: Any, field: str, count: int) -> list[float]:
    """Return the percentages in a field."""
    values = record.get(field) if isinstance(record, dict) else None
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(is_number(v) and 0 <= v <= 100 for v in values)
    ):
        raise FormatError(
            path, f"{place}, field {field}", f"expected {count} percentages, got {values!r}"
        )
    return [float(value) for value in values]


def _count(path: Path, place: str, record: dict[str, Any], field: str) -> int:
    value = record.get(field)
    if not is_number(value) or value != int(value) or value < 0:
        raise FormatError(path, f"{place}, field {field}", f"expected a count, got {value!r}")
    return int(value)


def _compare(path: Path, place: str, record: dict[str, Any], runs: list[float]) -> None:
    """Check that mean and deviation are those of the accuracies."""
    mean = math.fsum(runs) / len(runs)
    deviation = math.sqrt(math.fsum((run - mean) ** 2 for run in runs) / len(runs))
    for field, expected in (("mean_acc", mean), ("std", deviation)):
        value = record.get(field)
        if not is_number(value) or not abs(value - expected) <= _TOLERANCE:
            raise FormatError(
                path,
                f"{place}, field {field}",
                f"expected {expected:.6f}, which follows from test_acc, got {value!r}",
            )


def _detects(path: Path, head: bytes) -> bool:
    return _BEGINNING.match(head) is not None


FORMAT = Format("NAS-Bench-Macro accuracies (.json)", _detects, read_macro)
