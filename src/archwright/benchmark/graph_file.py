"""NAS-Bench-Graph: read the `.bench` files, one per dataset, of the package nas-bench-graph.

Y. Qin, Z. Zhang, X. Wang, Z. Zhang, W. Zhu: NAS-Bench-Graph: Benchmarking Graph Neural
Architecture Search. NeurIPS 2022 Datasets and Benchmarks. [Qin2022nasbenchgraph]_

A file is a pickle of a dict from the published hash to validation and test performance, latency in
seconds and parameters in millions. All files of the folder become one table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.benchmark.columns import Column
from archwright.benchmark.contents import Contents, Format, Reading, is_number
from archwright.benchmark.unpickling import NUMBERS, unpickle
from archwright.errors import FormatError, SpaceError
from archwright.space.catalog.nasbench_graph import nasbench_graph

__all__ = ["FORMAT", "read_graph"]

_SUFFIX = ".bench"
_FIELDS = ("valid_perf", "perf", "latency", "para")
_RANKED = ("proteins",)  # its performance is the area under the ROC curve, not an accuracy
_MILLION = 1e6


def read_graph(path: Path, reading: Reading) -> Contents:
    """Read one `.bench` file, or all of a folder.

    Args:
        path: The file or the folder.
        reading: Told how many files have been read.

    Raises:
        FormatError: If one is no such file or names what it must not; names the record.
    """
    files = sorted(path.glob(f"*{_SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise FormatError(path, "folder", f"expected files that end in {_SUFFIX!r}, got none")
    found = {}
    for done, file in enumerate(files, 1):
        found[file.stem] = _records(file)
        reading.progress(done, len(files))
    hashes = sorted(set().union(*found.values()))
    codes = _codes(path, hashes)
    columns = [pair for name, records in found.items() for pair in _columns(name, records, hashes)]
    size = int(nasbench_graph().size)
    return Contents(
        "nasbench-graph",
        nasbench_graph(),
        codes,
        columns,
        notes=(
            "val_accuracy and test_accuracy are fractions",
            "proteins has 2,021 architectures, and the area under the ROC curve for accuracy",
        ),
        domain="" if len(hashes) == size else f"{len(hashes):,} of the {size:,} architectures",
    )


def _records(path: Path) -> dict[int, list[float]]:
    """Return the four numbers of each hash."""
    content = unpickle(path, NUMBERS)
    if not isinstance(content, dict) or not content:
        raise FormatError(path, "pickle", f"expected a dict, got {type(content).__name__}")
    records: dict[int, list[float]] = {}
    for key, record in content.items():
        place = f"record {key!r}"
        if type(key) is not int or not isinstance(record, dict):
            raise FormatError(path, place, f"expected an integer and a dict, got {record!r}")
        records[key] = values = []
        for field in _FIELDS:
            value = record.get(field)
            if not is_number(value) or not 0 <= value < np.inf:
                raise FormatError(
                    path, f"{place}, field {field}", f"expected a number from 0, got {value!r}"
                )
            values.append(float(value))
    return records


def _codes(path: Path, hashes: list[int]) -> npt.NDArray[np.uint8]:
    space = nasbench_graph()
    codes = []
    for number in hashes:
        try:
            architecture = space.of_hash(number)
        except SpaceError as error:
            raise FormatError(path, f"record {number}", str(error)) from error
        if space.hash(architecture) != number:
            raise FormatError(
                path,
                f"record {number}",
                f"expected the hash {space.hash(architecture)} of its architecture, got {number}",
            )
        codes.append(architecture.codes)
    return np.array(codes, np.uint8)


def _columns(
    dataset: str, records: dict[int, list[float]], hashes: list[int]
) -> list[tuple[Column, npt.NDArray[Any]]]:
    missing = [np.nan] * len(_FIELDS)
    values = np.array([records.get(number, missing) for number in hashes], float)  # (rows, fields)
    metric = "roc_auc" if dataset in _RANKED else "accuracy"
    return [
        (Column(f"{dataset}/val_{metric}", "fraction", "max", "val"), values[:, 0]),
        (Column(f"{dataset}/test_{metric}", "fraction", "max", "test"), values[:, 1]),
        (Column(f"{dataset}/latency_seconds", "seconds", "min"), values[:, 2]),
        (Column(f"{dataset}/parameters", "count", "min"), _counts(values[:, 3])),
    ]


def _counts(millions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return whole numbers; the file has them in millions, with rounding errors."""
    return np.round(millions * _MILLION)


def _detects(path: Path, head: bytes) -> bool:
    if path.is_dir():
        return any(path.glob(f"*{_SUFFIX}"))
    return path.suffix == _SUFFIX or b"valid_perf" in head


FORMAT = Format(
    "NAS-Bench-Graph performances (.bench, or their folder)",
    _detects,
    read_graph,
    ("nas-bench-graph", "nas_bench_graph/light"),
)
