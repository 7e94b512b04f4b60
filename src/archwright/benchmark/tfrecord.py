"""Read TFRecord files without TensorFlow: framing and checksums, in batches.

A record is `length (uint64) | masked CRC-32C of these 8 bytes | payload | masked CRC-32C of it`,
all little endian; a file is nothing but records. The checksum of a length is always verified,
because everything after a wrong length would be garbage; that of a payload unless told otherwise.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import google_crc32c
import numpy as np

from archwright.errors import FormatError

__all__ = ["Batch", "is_tfrecord", "masked_crc", "place_of", "record_batches"]

_MASK_DELTA = 0xA282EAD8
_HEADER = struct.Struct("<QI")
_FOOTER_BYTES = 4
_FRAME_BYTES = _HEADER.size + _FOOTER_BYTES
_LONGEST_RECORD = 1 << 26  # bytes; a longer one is damage, and would not fit into memory
_KNOWN_HEADERS = 1 << 16
_CHUNK_BYTES = 1 << 22


@dataclass(frozen=True, slots=True)
class Batch:
    """Consecutive records of a file.

    Args:
        first: Number of the first of them, from 0.
        offsets: Byte at which each record's frame begins.
        payloads: What each record holds.
        end: Byte after the last of them.
    """

    first: int
    offsets: list[int]
    payloads: list[bytes]
    end: int

    def place(self, index: int) -> str:
        """Return in words where the record with this index of the batch is."""
        return place_of(self.first + index, self.offsets[index])


def place_of(record: int, offset: int) -> str:
    """Return in words where a record is."""
    return f"record {record} at byte {offset}"


def masked_crc(data: bytes) -> int:
    """Return the CRC-32C of the bytes, rotated by 15 bits and shifted as TFRecord stores it.

    Example:
        >>> hex(masked_crc(b"123456789")), hex(masked_crc(b""))
        ('0xc78ab0e5', '0xa282ead8')
    """
    crc: int = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF


def is_tfrecord(head: bytes) -> bool:
    """Return whether a file with these first bytes begins with a record."""
    return len(head) >= _HEADER.size and masked_crc(head[:8]) == _HEADER.unpack_from(head)[1]


def record_batches(
    path: str | Path, *, verify_payloads: bool = True, chunk_bytes: int = _CHUNK_BYTES
) -> Iterator[Batch]:
    """Yield the records of a file in order, some thousands at a time, in bounded memory.

    Args:
        path: The file.
        verify_payloads: Whether to verify each payload's checksum too.
        chunk_bytes: How much is read at a time.

    Raises:
        FormatError: If a length, a payload or the end of the file is damaged; names the record
            and its byte. No record of the batch that it is in has been yielded then.
    """
    known: dict[bytes, int] = {}  # the headers seen so far, verified; most lengths come again
    record, offset, rest = 0, 0, b""
    with open(path, "rb") as file:
        for chunk in _chunks(file, chunk_bytes):
            data = rest + chunk
            batch, used = _framed(path, data, Batch(record, [], [], offset), known)
            if verify_payloads:
                _verify(path, batch, data)
            if batch.payloads:
                yield batch
            record, offset, rest = record + len(batch.payloads), offset + used, data[used:]
    if rest:
        raise FormatError(path, place_of(record, offset), _truncation(rest))
    if not record:
        raise FormatError(path, "byte 0", "expected TFRecord records, got an empty file")


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while chunk := file.read(size):
        yield chunk


def _framed(
    path: str | Path, data: bytes, start: Batch, known: dict[bytes, int]
) -> tuple[Batch, int]:
    """Cut complete records off the front; return them and the bytes that they take."""
    position, end, origin = 0, len(data), start.end
    offsets, payloads = start.offsets, start.payloads
    while end - position >= _FRAME_BYTES:
        header = data[position : position + 12]
        length = known.get(header)
        if length is None:
            length = _length(path, header, place_of(start.first + len(payloads), origin + position))
            if len(known) < _KNOWN_HEADERS:
                known[header] = length
        after = position + 12 + length
        if after + _FOOTER_BYTES > end:
            break
        offsets.append(origin + position)
        payloads.append(data[position + 12 : after])
        position = after + _FOOTER_BYTES
    return Batch(start.first, offsets, payloads, origin + position), position


def _length(path: str | Path, header: bytes, where: str) -> int:
    """Return the length in a header, once its checksum is right."""
    length, stored = _HEADER.unpack(header)
    if (expected := masked_crc(header[:8])) != stored:
        raise FormatError(
            path,
            f"{where}, field length",
            f"expected the checksum 0x{expected:08x} of the length {length}, got 0x{stored:08x}; "
            f"the file is damaged here, or is no TFRecord file",
        )
    if length > _LONGEST_RECORD:
        raise FormatError(
            path,
            f"{where}, field length",
            f"expected at most {_LONGEST_RECORD} bytes, got {length}",
        )
    return int(length)


def _verify(path: str | Path, batch: Batch, data: bytes) -> None:
    """Check the checksum of every payload of a batch that was cut off the front of the data."""
    if not batch.payloads:
        return
    origin = batch.offsets[0]
    ends = np.array([*batch.offsets[1:], batch.end], np.int64) - origin  # (records,)
    window = np.frombuffer(data, np.uint8)
    footers = window[ends[:, None] + np.arange(-4, 0)]  # (records, 4)
    stored = footers.view("<u4")[:, 0]
    crc = np.fromiter(map(google_crc32c.value, batch.payloads), np.uint32, len(batch.payloads))
    masked = (crc >> 15 | crc << 17) + np.uint32(_MASK_DELTA)
    if (wrong := np.flatnonzero(masked != stored)).size:
        index = int(wrong[0])
        raise FormatError(
            path,
            f"{batch.place(index)}, field payload",
            f"expected the checksum 0x{masked[index]:08x} of its "
            f"{len(batch.payloads[index])} bytes, got 0x{stored[index]:08x}; the file is damaged "
            f"here: get it again",
        )


def _truncation(rest: bytes) -> str:
    """Say how much of the last record is missing."""
    if len(rest) < _HEADER.size:
        return f"the file ends {len(rest)} bytes into the record's 12-byte header; it is truncated"
    length = _HEADER.unpack_from(rest)[0] + _FRAME_BYTES
    return f"the file ends after {len(rest)} of the record's {length} bytes; it is truncated"
