"""Read what `torch.save` wrote, without torch: the objects, not the weights.

Two layouts exist. Since PyTorch 1.6 a file is a zip archive, whose member `data.pkl` is a pickle
and refers to tensors' storages, other members, by persistent identifiers. Before, it was pickles
one behind the other: a magic number, a version, facts about the machine, the object, the keys of
the storages; then their bytes. Where an object refers to a tensor, `SKIPPED` is put; the weights
themselves are never read. TorchScript archives are programs and refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from archwright.benchmark.unpickling import (
    LIMIT_BYTES,
    NUMBERS,
    Allowed,
    bounded,
    unpickle_stream,
)
from archwright.errors import FormatError

__all__ = ["SKIPPED", "is_torch", "read_torch"]

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_LEGACY_HEAD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_ZIP_HEAD = b"PK\x03\x04"
_MEMBER = "/data.pkl"


class _Skipped:
    """Stands for a tensor, a storage or its type: nothing of it is kept."""

    def __init__(self, *arguments: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __repr__(self) -> str:
        return "SKIPPED"


SKIPPED = _Skipped()
"""What stands where the file has a tensor."""


def _skipped(*arguments: Any) -> _Skipped:
    return SKIPPED


_STORAGES = ("Bool", "Byte", "Char", "Short", "Int", "Long", "Half", "BFloat16", "Float", "Double")
_ALLOWED: Allowed = {
    **NUMBERS,
    **{("torch", f"{kind}Storage"): _Skipped for kind in _STORAGES},
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _skipped,
    ("torch._utils", "_rebuild_tensor_v2"): _skipped,
    ("torch._utils", "_rebuild_parameter"): _skipped,
}


def is_torch(head: bytes) -> bool:
    """Return whether a file with these first bytes may be one that `torch.save` wrote."""
    return head.startswith((_LEGACY_HEAD, _ZIP_HEAD))


def read_torch(path: Path, *, limit_bytes: int = LIMIT_BYTES) -> Any:
    """Return the object in a file; `SKIPPED` stands where it has tensors.

    Args:
        path: The file.
        limit_bytes: How long the pickle may be.

    Raises:
        FormatError: If it is of neither layout, is damaged, or names what it must not.
    """
    with path.open("rb") as file:
        head = file.read(len(_LEGACY_HEAD))
    if head.startswith(_ZIP_HEAD):
        return _zipped(path, limit_bytes)
    if head == _LEGACY_HEAD:
        return _legacy(path, limit_bytes)
    raise FormatError(path, "byte 0", f"expected what torch.save writes, got {head!r}")


def _zipped(path: Path, limit_bytes: int) -> Any:
    with _member(path) as source, bounded(source, path, limit_bytes) as stream:
        return unpickle_stream(
            stream, path, _ALLOWED, again=lambda: _reopened(path), persistent=_skipped
        )


@contextmanager
def _member(path: Path) -> Iterator[BinaryIO]:
    """Open the pickle in an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(_MEMBER)]
            if any(name.endswith("/constants.pkl") for name in archive.namelist()):
                raise FormatError(
                    path,
                    "member constants.pkl",
                    "expected saved objects, got a TorchScript program",
                )
            if len(names) != 1:
                raise FormatError(path, "archive", f"expected one member data.pkl, got {names!r}")
            with archive.open(names[0]) as member:
                yield cast(BinaryIO, member)
    except zipfile.BadZipFile as error:
        raise FormatError(path, "archive", f"the file is damaged: {error}") from error


def _reopened(path: Path) -> BinaryIO:
    archive = zipfile.ZipFile(path)
    [name] = [name for name in archive.namelist() if name.endswith(_MEMBER)]
    return cast(BinaryIO, archive.open(name))


def _legacy(path: Path, limit_bytes: int) -> Any:
    with path.open("rb") as file, bounded(file, path, limit_bytes) as stream:
        start = 0

        def again() -> BinaryIO:
            source = path.open("rb")
            source.seek(start)
            return source

        parts = []
        for allowed in ({}, {}, {}, _ALLOWED):
            start = stream.tell()
            part = unpickle_stream(stream, path, allowed, again=again, persistent=_skipped)
            parts.append(part)
            if len(parts) == 2 and parts != [_MAGIC_NUMBER, _PROTOCOL_VERSION]:
                raise FormatError(
                    path,
                    "byte 0",
                    f"expected magic number and version {_PROTOCOL_VERSION}, got {parts!r}",
                )
        return parts[-1]
