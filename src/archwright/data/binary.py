"""The binary formats of MNIST and CIFAR: parsed from bytes, nothing in them is executed."""

from __future__ import annotations

import gzip
import math
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archwright.errors import DataError

__all__ = ["parse_cifar", "parse_idx", "read_idx", "read_members"]

Bytes = NDArray[np.uint8]

_LARGEST = 1 << 30
"""No file of these sets has more bytes; a larger one is not one of them."""

_REMEDY = "copy or download the file again"


def read_idx(path: Path) -> Bytes:
    """Read an IDX file of bytes, gzipped if its name ends in ".gz".

    Raises:
        DataError: If it is damaged or something else.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(_LARGEST)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is not a whole gzip file ({error}); {_REMEDY}") from error
    return parse_idx(data, str(path))


def parse_idx(data: bytes, name: str) -> Bytes:
    """Return the array in the bytes of an IDX file.

    Two zero bytes, the type (8: unsigned bytes), the number of dimensions, each dimension as a
    big-endian 32-bit number, then the values.

    Raises:
        DataError: If the bytes are something else.
    """
    if len(data) < 4 or data[:3] != b"\x00\x00\x08" or not 1 <= data[3] <= 4:
        raise DataError(
            f"{name}: starts with {data[:4].hex(' ')!r}, expected '00 00 08' and the number of "
            f"dimensions, as IDX files of bytes do; {_REMEDY}"
        )
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise DataError(
            f"{name}: has {len(data)} bytes, expected {start} before any value; {_REMEDY}"
        )
    shape = [int(side) for side in np.frombuffer(data[4:start], dtype=">u4")]
    if len(data) - start != math.prod(shape):
        raise DataError(
            f"{name}: has {len(data) - start} values, expected {math.prod(shape)} for the shape "
            f"{tuple(shape)}; {_REMEDY}"
        )
    return np.frombuffer(data, dtype=np.uint8, offset=start).reshape(shape)


def parse_cifar(data: bytes, name: str, *, label_bytes: int) -> tuple[Bytes, Bytes]:
    """Return images `(rows, 3, 32, 32)` and labels `(rows,)` of a CIFAR binary file.

    Each record is its labels, one byte each (the last is the fine one), and the three channels.

    Raises:
        DataError: If the length does not fit.
    """
    size = label_bytes + 3 * 32 * 32
    if not data or len(data) % size:
        message = f"{name}: has {len(data)} bytes, expected a multiple of {size}"
        raise DataError(f"{message}; {_REMEDY}")
    records = np.frombuffer(data, dtype=np.uint8).reshape(-1, size)
    return records[:, label_bytes:].reshape(-1, 3, 32, 32), records[:, label_bytes - 1]


def read_members(path: Path, names: Sequence[str]) -> dict[str, bytes]:
    """Return the bytes of files in a gzipped tar archive, or in a folder of the unpacked files.

    Names without folders are compared; nothing is unpacked to disk. What is not there is left
    out.

    Raises:
        DataError: If the archive is damaged.
    """
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in names if (path / name).is_file()}
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and name in names and member.size < _LARGEST:
                    content = archive.extractfile(member)
                    found[name] = b"" if content is None else content.read()
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{path}: is not a whole tar.gz archive ({error}); {_REMEDY}") from error
    return found
