"""Walk serialised protocol buffers by hand: tags, wire types, no generated classes.

A message is a list of fields, each `tag | value`; the tag is a varint of `number << 3 | wire type`.
Wire types: 0 varint, 1 eight bytes, 2 length and bytes, 5 four bytes; 3 and 4 (groups) are from
before 2008 and not read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Field", "WireError", "fields"]

VARINT, EIGHT_BYTES, LENGTH_DELIMITED, FOUR_BYTES = 0, 1, 2, 5
_DOUBLE = struct.Struct("<d")
_VARINT_BYTES = 10


class WireError(ValueError):
    """The bytes are no message; `offset` is the byte at which this shows.

    `index` is for a reader of many messages: which of them it is.
    """

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(f"byte {offset} of the message: {message}")
        self.offset = offset
        self.index = 0


class Field(NamedTuple):
    """One field as it stands in a message: number, wire type, value and where its tag is."""

    number: int
    wire: int
    value: int | bytes
    offset: int

    def integer(self) -> int:
        """Return the value of a varint field.

        Raises:
            WireError: If it is of another wire type.
        """
        return int(self._expected(VARINT, "an integer"))

    def double(self) -> float:
        """Return the value of a field of eight bytes as a float64.

        Raises:
            WireError: If it is of another wire type.
        """
        return float(_DOUBLE.unpack(bytes(self._expected(EIGHT_BYTES, "a double")))[0])

    def message(self) -> bytes:
        """Return the bytes of an embedded message or string.

        Raises:
            WireError: If it is of another wire type.
        """
        return bytes(self._expected(LENGTH_DELIMITED, "a message"))

    def _expected(self, wire: int, what: str) -> int | bytes:
        if self.wire != wire:
            raise WireError(
                self.offset,
                f"expected field {self.number} to be {what} (wire type {wire}), "
                f"got wire type {self.wire}",
            )
        return self.value


def fields(message: bytes, origin: int = 0) -> Iterator[Field]:
    r"""Yield the fields of a message, in its order.

    Args:
        message: The serialised message.
        origin: What to add to offsets: where the message begins in the one that it is part of.

    Raises:
        WireError: If the bytes are no message.

    Example:
        >>> [(field.number, field.integer()) for field in fields(b"\x10\x96\x01")]
        [(2, 150)]
    """
    position = 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position, origin)
        number, wire = tag >> 3, tag & 7
        if not number:
            raise WireError(origin + start, "expected a field number of at least 1, got 0")
        value: int | bytes
        if wire == VARINT:
            value, position = _varint(message, position, origin)
        elif wire in (EIGHT_BYTES, FOUR_BYTES, LENGTH_DELIMITED):
            size = 8 if wire == EIGHT_BYTES else 4
            if wire == LENGTH_DELIMITED:
                size, position = _varint(message, position, origin)
            value = message[position : position + size]
            if len(value) < size:
                raise WireError(
                    origin + start,
                    f"expected {size} bytes for field {number}, got the last {len(value)}",
                )
            position += size
        else:
            raise WireError(
                origin + start, f"expected wire type 0, 1, 2 or 5 in field {number}, got {wire}"
            )
        yield Field(number, wire, value, origin + start)


def _varint(message: bytes, position: int, origin: int) -> tuple[int, int]:
    """Return the integer at a position, and the position after it."""
    value = 0
    for count, byte in enumerate(message[position : position + _VARINT_BYTES]):
        value |= (byte & 127) << 7 * count
        if byte < 128:
            return value, position + count + 1
    raise WireError(
        origin + position,
        f"expected an integer that ends within {_VARINT_BYTES} bytes, got "
        f"{message[position : position + _VARINT_BYTES].hex() or 'the end'}",
    )
