from __future__ import annotations

import struct

import pytest

from archwright.benchmark.protobuf import WireError, fields


def test_all_wire_types_are_walked() -> None:
    message = (
        b"\x08\x96\x01"  # 1: varint 150
        + b"\x11" + struct.pack("<d", 2.5)  # 2: eight bytes
        + b"\x1a\x03abc"  # 3: three bytes
        + b"\x25\x01\x00\x00\x00"  # 4: four bytes
        + b"\x80\x01\x00"  # 16: varint 0, tag of two bytes
    )  # fmt: skip
    found = list(fields(message))
    assert [(f.number, f.wire, f.offset) for f in found] == [
        (1, 0, 0), (2, 1, 3), (3, 2, 12), (4, 5, 17), (16, 0, 22)
    ]  # fmt: skip
    assert (found[0].integer(), found[1].double(), found[2].message()) == (150, 2.5, b"abc")


def test_a_field_of_another_type_is_told() -> None:
    [field] = fields(b"\x08\x01", origin=7)
    with pytest.raises(WireError, match=r"byte 7 .*field 1 to be a double .*got wire type 0"):
        field.double()
    with pytest.raises(WireError, match="field 1 to be a message"):
        field.message()
    [field] = fields(b"\x0a\x00")
    with pytest.raises(WireError, match="field 1 to be an integer"):
        field.integer()


@pytest.mark.parametrize(
    ("message", "match"),
    [
        (b"\x0a\x05abc", "byte 0 of the message: expected 5 bytes for field 1, got the last 3"),
        (b"\x08\x01\x11\x00", "byte 2 .*expected 8 bytes for field 2, got the last 1"),
        (b"\x25\x00", "expected 4 bytes for field 4"),
        (b"\x08\x80", "byte 1 .*expected an integer that ends within 10 bytes, got 80"),
        (b"\x08", "byte 1 .*got the end"),
        (b"\x08" + b"\xff" * 11, "byte 1 .*within 10 bytes"),
        (b"\x0b\x00", "expected wire type 0, 1, 2 or 5 in field 1, got 3"),
        (b"\x00\x00", "expected a field number of at least 1, got 0"),
    ],
)
def test_what_is_no_message_is_refused_with_its_byte(message: bytes, match: str) -> None:
    with pytest.raises(WireError, match=match):
        list(fields(message))
