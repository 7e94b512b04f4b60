"""Read pickles of others without running anything that they say.

A pickle is a program: it names functions and calls them. Here a name is looked up in an allow-list
of the format that is being read, and nowhere else; what is not on the list ends the reading. What
is on the list is never the real thing where that could do more than hold data: numpy's types are
rebuilt by stand-ins that accept numbers only.
"""

from __future__ import annotations

import bz2
import io
import pickle
import pickletools
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from archwright.benchmark.pickle_steps import StepError, check_steps
from archwright.errors import FormatError

__all__ = [
    "CONTAINERS",
    "LIMIT_BYTES",
    "NUMBERS",
    "Allowed",
    "Numbers",
    "bounded",
    "open_bz2",
    "open_plain",
    "unpickle",
    "unpickle_stream",
]

Allowed = Mapping[tuple[str, str], Any]
"""What a pickle may name, (module, name), and what is taken for it."""

LIMIT_BYTES = 1 << 28
"""How long a pickle may be, unpacked, unless its format says otherwise.

One that may be longer is read as a stream, and its steps are not looked over first.
"""

_KIND = re.compile(r"[<>|=]?(?:[fiu][1248]|b1|f16)")
_DAMAGE = (
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    MemoryError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def open_plain(path: Path) -> BinaryIO:
    """Open a file as it is."""
    return path.open("rb")


def open_bz2(path: Path) -> BinaryIO:
    """Open a bz2 file for its contents."""
    return cast(BinaryIO, bz2.open(path, "rb"))


def unpickle(
    path: Path,
    allowed: Allowed,
    *,
    opener: Callable[[Path], BinaryIO] = open_plain,
    limit_bytes: int = LIMIT_BYTES,
) -> Any:
    """Read the one pickle in a file.

    Args:
        path: The file.
        allowed: What the pickle may name.
        opener: How to open it: as it is, or packed by bz2.
        limit_bytes: How long the pickle may be, unpacked.

    Raises:
        FormatError: If the pickle names something else, is damaged or is too long; says at which
            byte of it (unpacked).
    """
    with opener(path) as source, bounded(source, path, limit_bytes) as stream:
        if limit_bytes > LIMIT_BYTES:
            return unpickle_stream(stream, path, allowed, again=lambda: opener(path))
        try:
            data = stream.read()
        except (EOFError, OSError) as error:
            raise _damaged(path, error) from error
    try:
        check_steps(data)
    except StepError as error:
        place = f"byte {error.offset} of the pickle"
        raise FormatError(path, place, f"{error}; the file is damaged") from None
    buffer = cast(BinaryIO, io.BufferedReader(io.BytesIO(data)))
    return unpickle_stream(buffer, path, allowed, again=lambda: io.BytesIO(data))


def unpickle_stream(
    stream: BinaryIO,
    path: Path | str,
    allowed: Allowed,
    *,
    again: Callable[[], BinaryIO],
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """Read one pickle and leave the stream behind it.

    Args:
        stream: Where it begins.
        path: The file, for messages.
        allowed: What the pickle may name.
        again: Opens the stream once more at the same place, to find a forbidden name's byte.
        persistent: What to take for a persistent identifier; refused without.

    Raises:
        FormatError: As `unpickle`.
    """
    reader = _Reader(stream, allowed, persistent)
    try:
        with warnings.catch_warnings(action="ignore"):  # about escapes in damaged text
            return reader.load()
    except _Forbidden as error:
        with again() as source:
            byte = _byte_of_name(source, error.number)
        raise FormatError(path, f"byte {byte} of the pickle", str(error)) from None
    except FormatError:
        raise
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path | str, error: Exception) -> FormatError:
    reason = str(error) or type(error).__name__
    return FormatError(path, "pickle", f"cannot be read: {reason}; the file is damaged")


class _Forbidden(Exception):
    """A pickle names something that is not on the list; `number` counts its names from 1."""

    def __init__(self, what: str, number: int, allowed: Allowed) -> None:
        names = ", ".join(sorted(".".join(name) for name in allowed)) or "nothing"
        super().__init__(
            f"this format may name {names}; got {what}, which could run code, so nothing of it "
            f"was run"
        )
        self.number = number


class _Reader(pickle.Unpickler):
    """An unpickler that finds names in an allow-list only."""

    def __init__(
        self, stream: BinaryIO, allowed: Allowed, persistent: Callable[[Any], Any] | None
    ) -> None:
        super().__init__(stream)
        self._allowed = allowed
        self._persistent = persistent
        self._names = 0

    def find_class(self, module_name: str, global_name: str) -> Any:
        self._names += 1
        module = "builtins" if module_name == "__builtin__" else module_name  # old protocols
        try:
            return self._allowed[module, global_name]
        except (KeyError, TypeError):
            name = f"{module_name}.{global_name}"
            raise _Forbidden(name, self._names, self._allowed) from None

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent is None:
            raise pickle.UnpicklingError(f"unexpected persistent identifier {pid!r}")
        return self._persistent(pid)


def _byte_of_name(source: BinaryIO, number: int) -> int | str:
    """Return the position of the opcode that looks up the n-th name; "?" if it is not found."""
    try:
        with warnings.catch_warnings(action="ignore"):
            for opcode, _, position in pickletools.genops(source):
                if opcode.name in ("GLOBAL", "STACK_GLOBAL", "INST"):
                    number -= 1
                    if not number:
                        return position or 0
    except _DAMAGE:
        pass  # what is behind the name may be anything
    return "?"


def bounded(source: BinaryIO, path: Path | str, limit_bytes: int) -> BinaryIO:
    """Return a stream that refuses to give more than a number of bytes.

    Raises:
        FormatError: When more is read; names the file.
    """
    raw = _Bounded(source, path, limit_bytes)
    return cast(BinaryIO, io.BufferedReader(raw, 1 << 16))


class _Bounded(io.RawIOBase):
    def __init__(self, source: BinaryIO, path: Path | str, limit_bytes: int) -> None:
        super().__init__()
        self._source = source
        self._path = path
        self._limit = self._left = limit_bytes

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._limit - self._left

    def readinto(self, buffer: Any) -> int:
        data = self._source.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise FormatError(
                self._path,
                f"byte {self._limit} unpacked",
                f"expected at most {self._limit} bytes, but the file goes on; it is damaged, or "
                f"made to fill the memory",
            )
        buffer[: len(data)] = data
        return len(data)


class _Type:
    """Stands for `numpy.dtype`: a plain number type, in either byte order."""

    def __init__(self, kind: Any, align: Any = False, copy: Any = False) -> None:
        if not isinstance(kind, str) or not _KIND.fullmatch(kind):
            raise pickle.UnpicklingError(f"expected a number type, got {kind!r}")
        self._numpy = np.dtype(kind)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError(f"expected a plain number type, got the state {state!r}")
        if state[1] in "<>":
            self._numpy = self._numpy.newbyteorder(state[1])

    def read(self, data: Any) -> npt.NDArray[Any]:
        """Return the numbers in some bytes."""
        if not isinstance(data, bytes):
            raise pickle.UnpicklingError(f"expected bytes, got {type(data).__name__}")
        return np.frombuffer(data, self._numpy)


class Numbers:
    """Stands for `numpy.ndarray`; `values` are its numbers."""

    def __init__(self) -> None:
        self.values: npt.NDArray[Any] = np.empty(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, fortran, data = state
        self.values = _shaped(kind, data, shape, "F" if fortran else "C")


def _shaped(kind: Any, data: Any, shape: Any, order: str) -> npt.NDArray[Any]:
    if not isinstance(kind, _Type):
        raise pickle.UnpicklingError(f"expected a number type, got {kind!r}")
    return kind.read(data).reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind: Any, data: Any) -> float | int | bool:
    return cast(float, _shaped(kind, data, (), "C").item())


def _array(subtype: Any, shape: Any, kind: Any) -> Numbers:
    return Numbers()


def _from_buffer(data: Any, kind: Any, shape: Any, order: Any) -> Numbers:
    numbers = Numbers()
    numbers.values = _shaped(kind, bytes(data), shape, order)
    return numbers


def _encoded(text: Any, encoding: Any) -> bytes:
    """Stand for `_codecs.encode`, by which old protocols write bytes."""
    if encoding != "latin1" or not isinstance(text, str):
        raise pickle.UnpicklingError(f"expected bytes as latin1, got {encoding!r}")
    return text.encode("latin1")


def _without_default(factory: Any = None, items: Any = ()) -> dict[Any, Any]:
    """Stand for `collections.defaultdict`."""
    return dict(items)


CONTAINERS: Allowed = {
    ("collections", "OrderedDict"): dict,
    ("collections", "defaultdict"): _without_default,
    ("builtins", "list"): list,
    ("builtins", "set"): set,
}
"""Containers of the standard library."""

NUMBERS: Allowed = {
    **CONTAINERS,
    ("_codecs", "encode"): _encoded,
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): Numbers,
    **{
        (f"numpy.{core}.{module}", name): stand_in
        for core in ("core", "_core")
        for module, name, stand_in in (
            ("multiarray", "scalar", _scalar),
            ("multiarray", "_reconstruct", _array),
            ("numeric", "_frombuffer", _from_buffer),
        )
    },
}
"""Containers, and numbers and arrays of numbers of numpy."""
