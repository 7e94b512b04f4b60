"""From the files that benchmarks publish to tables: detect the format, read it, write a table."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any

from archwright.benchmark.contents import Format, Progress, Reading
from archwright.benchmark.format import SUFFIX, is_table
from archwright.benchmark.writing import write_table
from archwright.errors import BenchmarkError, FormatError, MissingDependencyError
from archwright.registry import Registry

__all__ = ["READERS", "convert", "packaged_file"]

READERS: Registry[Format] = Registry("benchmark format", group="archwright.benchmark_formats")
"""Formats of foreign files that `convert` reads, by the benchmark's name."""

for _name, _module, _summary in (
    ("nasbench101", "nasbench101_file", "NAS-Bench-101: nasbench_full.tfrecord, _only108.tfrecord"),
    ("nats", "nats_file", "NATS-Bench: folder -simple, NATS-*.pickle.pbz2; NAS-Bench-201: .pth"),
    ("nasbench-macro", "macro_file", "NAS-Bench-Macro: nas-bench-macro_cifar10.json"),
    ("nasbench-graph", "graph_file", "NAS-Bench-Graph: .bench files, package nas-bench-graph"),
    ("analog-nasbench", "analog_file", "AnalogNAS-Bench: data.anb, package analog-nasbench"),
    ("hw-nasbench", "hardware_file", "HW-NAS-Bench: HW-NAS-Bench-v1_0.pickle, the part for 201"),
):
    READERS.register(_name, f"archwright.benchmark.{_module}:FORMAT", summary=_summary)

_HEAD_BYTES = 1 << 16
_OFFICIAL = {
    "3d64db8180fb1b0207212f9032205064312b6907a3bbc81eabea10db2f5c7e9c": "nasbench_full.tfrecord",
    "4c39c3936e36a85269881d659e44e61a245babcb72cb374eacacf75d0e5f4fd1": "nasbench_only108.tfrecord",
}
_logger = logging.getLogger(__name__)


def convert(
    source: str | Path | None,
    destination: str | Path | None = None,
    *,
    benchmark: str | None = None,
    strict: bool = True,
    curves: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Make a table of a file that a benchmark has published.

    The file is read without the benchmark's own software, and nothing that it contains is run.
    The table is written in one step: whole, or not at all.

    Args:
        source: The file or folder; None for the installed package that brings it.
        destination: The table; by default beside the source, with ".table" after its name.
        benchmark: A name in `READERS`; found from the file itself by default.
        strict: Whether to verify every checksum that the format has.
        curves: Whether to keep what was recorded after every epoch, where there is that. Such a
            table is many times larger.
        progress: Told (done, all) now and then, in bytes or files.

    Returns:
        The path of the table.

    Raises:
        FormatError: If the file is damaged or of no known format; names the record, the byte or
            the field.
        BenchmarkError: If there is no such file, or no destination where one is needed.
        UnknownNameError: If there is no such benchmark.
        MissingDependencyError: If the package that brings the file is not installed.
    """
    path = _brought(benchmark, destination) if source is None else Path(source)
    if not path.exists():
        raise BenchmarkError(f"there is no file or folder {str(path)!r} to convert")
    target = Path(destination) if destination else path.with_name(path.name + SUFFIX)
    kind = READERS.get(benchmark) if benchmark else _detected(path)
    reading = Reading(strict, curves) if progress is None else Reading(strict, curves, progress)
    contents = kind.read(path, reading)
    sources = [_fingerprint(path)]
    _logger.info("%s: %d architectures of %s", path, len(contents.codes), contents.name)
    return write_table(
        target,
        contents.space,
        contents.codes,
        contents.columns,
        name=contents.name,
        provenance={"sources": sources, "format": kind.what, **_versions(kind)},
        notes=contents.notes,
        domain=contents.domain,
        hashes=contents.hashes,
    )


def packaged_file(package: str, inside: str) -> Path:
    """Return a data file or folder of an installed package, without importing the package.

    Args:
        package: The name under which it is installed.
        inside: The path of the file or folder, as the package lists it.

    Raises:
        MissingDependencyError: If it is not installed.
        BenchmarkError: If it is, but has no such file.
    """
    try:
        listed = files(package) or []
    except PackageNotFoundError:
        raise MissingDependencyError(
            package, extra="tables", needed_for=f"the table of {package}"
        ) from None
    for file in listed:
        located = Path(str(file.locate()))
        for place, path in zip((file, *file.parents), (located, *located.parents), strict=False):
            if place.as_posix() == inside:
                return path
    raise BenchmarkError(f"package {package!r} {version(package)} brings no file {inside!r}")


def _brought(benchmark: str | None, destination: str | Path | None) -> Path:
    """Return the file that a package brings for a benchmark."""
    kind = READERS.get(benchmark) if benchmark else None
    if kind is None or kind.package is None:
        packaged = [entry.name for entry in READERS if READERS.get(entry.name).package]
        raise BenchmarkError(
            f"without a source, benchmark must be one that a package brings: "
            f"{', '.join(packaged)}; got {benchmark!r}"
        )
    if destination is None:
        raise BenchmarkError(
            f"destination must be given for the file of package {kind.package[0]!r}: a table "
            f"does not belong beside it"
        )
    return packaged_file(*kind.package)


def _detected(path: Path) -> Format:
    """Return the format of a file or folder."""
    head = b""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        if is_table(path):
            raise BenchmarkError(f"{path} is a table already; open it with open_table")
    for entry in READERS:
        kind = READERS.get(entry.name)
        if kind.detects(path, head):
            return kind
    known = "; ".join(READERS.get(entry.name).what for entry in READERS)
    raise FormatError(
        path,
        "byte 0",
        f"expected one of: {known}; got {head[:16]!r}. If it is one, say which: benchmark=...",
    )


def _fingerprint(path: Path) -> dict[str, Any]:
    """Return name, size and SHA-256 of a file; of a folder, of the list of those of its files."""
    if path.is_file():
        digest = _sha256(path)
        facts = {"file": path.name, "size_bytes": path.stat().st_size, "sha256": digest}
        return facts | ({"official": _OFFICIAL[digest]} if digest in _OFFICIAL else {})
    listing, size = hashlib.sha256(), 0
    members = sorted(_members(path))
    for member in members:
        name = member.relative_to(path).as_posix()
        listing.update(f"{_sha256(member)}  {name}\n".encode())
        size += member.stat().st_size
    return {
        "file": path.name,
        "files": len(members),
        "size_bytes": size,
        "sha256": listing.hexdigest(),
    }


def _members(folder: Path) -> Iterator[Path]:
    return (member for member in folder.rglob("*") if member.is_file())


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions(kind: Format) -> dict[str, Any]:
    if kind.package is None:
        return {}
    try:
        return {"package": f"{kind.package[0]} {version(kind.package[0])}"}
    except PackageNotFoundError:
        return {}
