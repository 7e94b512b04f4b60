"""What a long recording has done so far, in a file that survives a kill at any moment.

One line a record, with a checksum before it, forced to disk before the next begins. A line that was
cut off by a crash is dropped; a damaged line before the last one is an error.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from archwright.canonical import dumps
from archwright.errors import BenchmarkError, FormatError

__all__ = ["Journal"]

_TABLE = "another table (space, data, recipe, epochs, repeats, seed or samples differ)"


class Journal:
    """The records of one recording, in the order in which they were made.

    Args:
        path: Made if it is not there.
        identity: Of what is recorded; a journal of something else is refused.
        what: What something else would be, in words.

    Raises:
        BenchmarkError: If the file cannot be written, belongs to another recording, or another
            process is writing to it.
        FormatError: If it is damaged.
    """

    def __init__(self, path: Path, identity: str, *, what: str = _TABLE) -> None:
        self.path = path
        self._what = what
        self.records: list[dict[str, Any]] = []
        try:
            self._file: BinaryIO = path.open("a+b")
        except OSError as error:
            raise BenchmarkError(
                f"{path} cannot be written: {error.strerror or error}; name a file in a folder "
                "that is there and that you may write to"
            ) from error
        try:
            self._lock()
            self.records = list(self._read(identity))
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not self.records:
            self.path.unlink()  # nothing to go on with
        self._file.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record; it is on disk when this returns.

        Raises:
            BenchmarkError: If it cannot be written.
        """
        text = dumps(record).encode()
        try:
            self._file.write(b"%08x %s\n" % (zlib.crc32(text), text))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise BenchmarkError(
                f"{self.path} cannot be written: {error.strerror or error}; what was recorded "
                "before is kept, go on when there is room"
            ) from error
        self.records.append(dict(record))

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # not on Windows, where two builds at a time are not caught
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BenchmarkError(
                f"{self.path} is being written by another process; wait for it, or name another "
                "file"
            ) from error

    def _read(self, identity: str) -> Iterator[dict[str, Any]]:
        """Yield the records that are there; begin the file, or cut off what is not whole."""
        self._file.seek(0)
        lines = self._file.read().splitlines(keepends=True)
        if lines and not lines[-1].endswith(b"\n"):
            size = sum(map(len, lines[:-1]))
            self._file.truncate(size)
            lines.pop()
        if not lines:
            self.append({"identity": identity})
            self.records.clear()
            return
        head, *records = (self._parsed(n, line) for n, line in enumerate(lines, 1))
        if head.get("identity") != identity:
            raise BenchmarkError(
                f"{self.path} holds the progress of {self._what}; delete it or name another file"
            )
        yield from records

    def _parsed(self, number: int, line: bytes) -> dict[str, Any]:
        mark, _, text = line.rstrip(b"\n").partition(b" ")
        if mark != b"%08x" % zlib.crc32(text):
            raise FormatError(
                self.path,
                f"line {number}",
                f"the checksum is {mark[:8]!r}, but the line has {zlib.crc32(text):08x}; delete "
                "the file to begin again",
            )
        found: dict[str, Any] = json.loads(text)
        return found
