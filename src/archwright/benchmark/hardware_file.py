"""HW-NAS-Bench: read the part for NAS-Bench-201 of `HW-NAS-Bench-v1_0.pickle`.

C. Li, Z. Yu, Y. Fu, Y. Zhang, Y. Zhao, H. You, Q. Yu, Y. Wang, C. Hao, Y. Lin: HW-NAS-Bench:
Hardware-Aware Neural Architecture Search Benchmark. ICLR 2021. [Li2021hwnasbench]_

A pickle of a dict: "nasbench201" to dataset to metric to 15,625 numbers in the published order of
cells. What the file has beside it, operator look-up tables of the FBNet space, is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.benchmark.columns import Column
from archwright.benchmark.contents import Contents, Format, Reading
from archwright.benchmark.unpickling import NUMBERS, Numbers, unpickle
from archwright.errors import FormatError
from archwright.space.catalog.nasbench201 import nasbench201

__all__ = ["FORMAT", "METRICS", "read_hardware"]

METRICS = {
    "edgegpu_latency": ("edgegpu_latency_ms", "ms", "min"),
    "edgegpu_energy": ("edgegpu_energy_mj", "mJ", "min"),
    "raspi4_latency": ("raspi4_latency_ms", "ms", "min"),
    "edgetpu_latency": ("edgetpu_latency_ms", "ms", "min"),
    "pixel3_latency": ("pixel3_latency_ms", "ms", "min"),
    "eyeriss_latency": ("eyeriss_latency_ms", "ms", "min"),
    "eyeriss_energy": ("eyeriss_energy_mj", "mJ", "min"),
    "eyeriss_arithmetic_intensity": ("eyeriss_arithmetic_intensity", "operations/bit", "max"),
    "fpga_latency": ("fpga_latency_ms", "ms", "min"),
    "fpga_energy": ("fpga_energy_mj", "mJ", "min"),
}
"""The file's metrics, and what their columns are called: name, unit, direction."""

_PART = "nasbench201"
_LIMIT_BYTES = 1 << 30


def read_hardware(path: Path, reading: Reading) -> Contents:
    """Read the file.

    Args:
        path: The file.
        reading: Told when it has been read.

    Raises:
        FormatError: If it is no such file or names what it must not; names dataset and metric.
    """
    content = unpickle(path, NUMBERS, limit_bytes=_LIMIT_BYTES)
    datasets = content.get(_PART) if isinstance(content, dict) else None
    if not isinstance(datasets, dict) or not datasets:
        raise FormatError(path, f"field {_PART}", f"expected datasets, got {datasets!r}")
    space = nasbench201()
    codes = space.codes_by_index()
    columns = []
    for dataset, metrics in datasets.items():
        place = f"field {_PART}.{dataset}"
        if not isinstance(metrics, dict):
            raise FormatError(path, place, f"expected metrics, got {type(metrics).__name__}")
        for metric, (name, *described) in METRICS.items():
            if metric in metrics:
                values = _values(path, f"{place}.{metric}", metrics[metric], len(codes))
                columns.append((Column(f"{dataset}/{name}", *described), values))
    if not columns:
        raise FormatError(path, f"field {_PART}", f"expected metrics such as {next(iter(METRICS))}")
    reading.progress(1, 1)
    return Contents(
        "hw-nasbench",
        space,
        codes,
        columns,
        notes=(
            "latencies and energies are for one image; a cell that the device cannot run (-1 in "
            "the file) is missing",
        ),
    )


def _values(path: Path, place: str, values: Any, count: int) -> npt.NDArray[np.float64]:
    """Return the numbers of one metric `(cells,)`; NaN for what a device does not support."""
    given = values.values if isinstance(values, Numbers) else values
    try:
        numbers = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (count,):
        raise FormatError(path, place, f"expected {count} numbers, got {str(given)[:60]!r}")
    bad = ~np.isfinite(numbers) | ((numbers < 0) & (numbers != -1))
    if bad.any():
        cell = int(np.flatnonzero(bad)[0])
        raise FormatError(path, f"{place}, cell {cell}", f"expected a size, got {numbers[cell]}")
    return np.where(numbers == -1, np.nan, numbers)


def _detects(path: Path, head: bytes) -> bool:
    return path.name.startswith("HW-NAS-Bench") or b"edgegpu_latency" in head


FORMAT = Format("HW-NAS-Bench measurements (.pickle)", _detects, read_hardware)
