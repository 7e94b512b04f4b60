"""The file of a table: a prefix, a JSON header, and columns that begin at multiples of 64 bytes.

    offset  bytes  what
    0       8      the magic text
    8       4      format version, uint32
    12      4      length of the header, uint32
    16      32     SHA-256 of everything from byte 48 on
    48      ...    the header: UTF-8 JSON
    ...            arrays, row-major, little-endian, each from a multiple of 64

Opening reads prefix and header and maps the rest; whether every array lies inside the file is
checked, the checksum only when asked for.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from archwright import canonical
from archwright.errors import BenchmarkError, FormatError
from archwright.files import whole_file

__all__ = ["MAGIC", "SUFFIX", "Mapped", "is_table", "map_file", "verify_file", "write_file"]

MAGIC = b"\x93AWTABLE"
"""First eight bytes; the first one is in no text file."""
SUFFIX = ".table"
VERSION = 1

_PREFIX = struct.Struct("<8sII32s")
_ALIGNMENT = 64
_LONGEST_HEADER = 1 << 24
_TYPES = ("|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<i8", "<f4", "<f8")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Mapped:
    """An open file.

    Args:
        header: The header without its list of arrays.
        arrays: Read-only arrays over the mapped file, by name.
        sha256: What the prefix promises, 64 hexadecimal digits.
    """

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    sha256: str


def is_table(path: Path) -> bool:
    """Return whether a file begins like a table."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def write_file(
    path: Path, header: Mapping[str, Any], arrays: Sequence[tuple[str, np.ndarray]]
) -> Path:
    """Write a file in one step.

    Args:
        path: Where; a file that is there is replaced.
        header: Facts of JSON types, without "arrays" and "format".
        arrays: Names and arrays, of the types that tables hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        _write(file, header, arrays)
    return path


def _write(
    file: BinaryIO, header: Mapping[str, Any], arrays: Sequence[tuple[str, np.ndarray]]
) -> None:
    exact = [(name, np.ascontiguousarray(array)) for name, array in arrays]
    listed = [
        {"name": name, "dtype": array.dtype.str, "shape": array.shape} for name, array in exact
    ]
    text = canonical.dumps({"format": VERSION, **header, "arrays": listed}).encode()
    if len(text) > _LONGEST_HEADER:
        raise BenchmarkError(
            f"the header of a table is at most {_LONGEST_HEADER} bytes; got {len(text)} bytes: "
            f"shorten provenance and notes"
        )
    checksum = hashlib.sha256()
    file.seek(_PREFIX.size)
    for part in _parts(text, [array for _, array in exact]):
        file.write(part)
        checksum.update(part)
    file.seek(0)
    file.write(_PREFIX.pack(MAGIC, VERSION, len(text), checksum.digest()))


def _parts(text: bytes, arrays: Sequence[np.ndarray]) -> Iterator[bytes | memoryview]:
    """Yield everything behind the prefix, in order."""
    yield text
    place = _PREFIX.size + len(text)
    for array in arrays:
        start = _aligned(place)
        yield bytes(start - place)
        if array.size:
            yield array.data.cast("B")
        place = start + array.nbytes


def _aligned(place: int) -> int:
    return -(-place // _ALIGNMENT) * _ALIGNMENT


def map_file(path: Path) -> Mapped:
    """Open a file without reading its columns.

    Raises:
        FormatError: If it is no table, of a version that is not known, or damaged where its
            beginning shows it; names the byte.
        BenchmarkError: If there is no such file.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length, sha256 = _read_prefix(path, file.read(_PREFIX.size))
            text = file.read(length)
            if len(text) < length:
                raise FormatError(
                    path,
                    f"byte {_PREFIX.size}",
                    f"the header must be {length} bytes; the file has {len(text)} left",
                )
            header = _read_header(path, text)
            places = list(_places(path, header, _PREFIX.size + length, size))
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (FileNotFoundError, IsADirectoryError) as error:
        raise BenchmarkError(f"there is no table file {str(path)!r}") from error
    arrays = {name: _array(content, *place) for name, place in places}
    return Mapped(header, arrays, sha256)


def _read_prefix(path: Path, prefix: bytes) -> tuple[int, str]:
    if prefix[: len(MAGIC)] != MAGIC:
        raise FormatError(
            path,
            "byte 0",
            f"a table begins with {MAGIC!r}; got {prefix[: len(MAGIC)]!r}. Make one of another "
            f"file with: archwright benchmark convert, or import",
        )
    if len(prefix) < _PREFIX.size:
        raise FormatError(
            path, f"byte {len(prefix)}", f"a table is at least {_PREFIX.size} bytes long"
        )
    _, version, length, digest = _PREFIX.unpack(prefix)
    if version != VERSION:
        raise FormatError(
            path, "byte 8", f"this archwright reads version {VERSION}; got version {version}"
        )
    if not 0 < length <= _LONGEST_HEADER:
        raise FormatError(
            path, "byte 12", f"a header has 1 to {_LONGEST_HEADER} bytes; got {length}"
        )
    return length, digest.hex()


def _read_header(path: Path, text: bytes) -> dict[str, Any]:
    place = f"byte {_PREFIX.size}"
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(path, place, f"the header must be JSON; {error}") from error
    if not isinstance(header, dict) or not isinstance(header.get("arrays"), list):
        raise FormatError(path, place, "the header must be an object with a list of arrays")
    return header


def _places(
    path: Path, header: dict[str, Any], place: int, size: int
) -> Iterator[tuple[str, tuple[str, tuple[int, ...], int]]]:
    """Yield name, type, shape and offset of each array; all of them lie inside the file."""
    for number, listed in enumerate(header.pop("arrays")):
        where = f"byte {_PREFIX.size}, array {number}"
        try:
            name, kind, shape = listed["name"], listed["dtype"], tuple(listed["shape"])
        except (TypeError, KeyError) as error:
            raise FormatError(
                path, where, f"needs name, dtype and shape; got {listed!r}"
            ) from error
        if kind not in _TYPES:
            raise FormatError(
                path, f"{where} ({name})", f"dtype must be one of {_TYPES}; got {kind!r}"
            )
        if not all(type(extent) is int and extent >= 0 for extent in shape):
            raise FormatError(path, f"{where} ({name})", f"is no shape: {shape!r}")
        start = _aligned(place)
        place = start + math.prod(shape) * np.dtype(kind).itemsize
        if place > size:
            raise FormatError(
                path,
                f"byte {start}",
                f"array {name!r} must end at byte {place}; the file has {size} bytes",
            )
        yield name, (kind, shape, start)
    if place != size:
        raise FormatError(
            path, f"byte {place}", f"the file must end here; it has {size - place} bytes more"
        )


def _array(content: mmap.mmap, kind: str, shape: tuple[int, ...], start: int) -> np.ndarray:
    flat = np.frombuffer(content, dtype=kind, count=math.prod(shape), offset=start)
    native = flat.dtype.newbyteorder("=")  # a view, but for machines of the other byte order
    return flat.astype(native, copy=False).reshape(shape)


def verify_file(path: Path) -> None:
    """Read a whole file and compare it with its checksum.

    Raises:
        FormatError: If they differ.
    """
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        _, expected = _read_prefix(path, file.read(_PREFIX.size))
        while chunk := file.read(_CHUNK):
            checksum.update(chunk)
    if checksum.hexdigest() != expected:
        raise FormatError(
            path,
            "byte 16",
            f"the checksum is {expected}; the content has {checksum.hexdigest()}: it was changed "
            f"or damaged after it was written",
        )
