from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest

from archwright.benchmark.tfrecord import masked_crc, record_batches
from archwright.errors import FormatError

from .official_files import Record, crc32c, frame, masked

EXAMPLE = Record(
    "b49ac8c578b4561d79ac7087988f1c61",
    108,
    "010001000",
    "input,conv3x3-bn-relu,output",
    [[0, 0, 0.1, 0.1, 0.1], [54, 500.5, 0.9, 0.85, 0.84], [108, 1000.25, 1, 0.9375, 0.93]],
    10177674,
    1200,
)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def payloads(path: Path, **options: object) -> list[bytes]:
    return [p for batch in record_batches(path, **options) for p in batch.payloads]  # type: ignore[arg-type]


def test_encoder_writes_the_published_record() -> None:
    record = frame(EXAMPLE.payload())
    assert crc32c(b"123456789") == 0xE3069283
    assert (len(EXAMPLE.message), len(EXAMPLE.payload()), len(record)) == (155, 298, 314)
    assert record[:12].hex() == "2a01000000000000" + struct.pack("<I", 0xAD215DA8).hex()
    assert record[-4:] == struct.pack("<I", 0x89B2FC35)
    assert hashlib.sha256(record).hexdigest() == (
        "048edc819a48abbf6d1e0d11ee6b92dd70ea748ade96f98f5ea50eba4b8a109a"
    )


def test_masked_checksums_are_the_published_ones() -> None:
    assert masked_crc(b"123456789") == 0xC78AB0E5
    assert masked_crc(b"") == 0xA282EAD8
    assert masked_crc(EXAMPLE.payload()) == 0x89B2FC35


@pytest.mark.parametrize("chunk", [1, 16, 17, 100, 1 << 20])
def test_records_come_back_in_order_whatever_is_read_at_a_time(tmp_path: Path, chunk: int) -> None:
    sizes = [0, 1, 300, 7, 0, 299, 5000, 12]
    expected = [bytes([n]) * size for n, size in enumerate(sizes)]
    path = written(tmp_path / "a", b"".join(map(frame, expected)))
    batches = list(record_batches(path, chunk_bytes=chunk))
    assert [p for batch in batches for p in batch.payloads] == expected
    starts = [sum(size + 16 for size in sizes[:n]) for n in range(len(sizes))]
    assert [offset for batch in batches for offset in batch.offsets] == starts
    assert [batch.first for batch in batches] == [
        sum(len(b.payloads) for b in batches[:n]) for n in range(len(batches))
    ]
    assert batches[-1].end == path.stat().st_size


def test_wrong_length_is_told_with_its_record_and_byte(tmp_path: Path) -> None:
    data = bytearray(frame(b"one") + frame(b"two"))
    data[19] ^= 1
    path = written(tmp_path / "a", bytes(data))
    with pytest.raises(
        FormatError, match=r"a, record 1 at byte 19, field length: expected the checksum 0x\w{8} of"
    ):
        payloads(path)
    with pytest.raises(FormatError, match="record 1 at byte 19"):
        payloads(path, verify_payloads=False)


def test_wrong_payload_is_told_unless_that_is_switched_off(tmp_path: Path) -> None:
    data = bytearray(frame(b"one") + frame(b"two"))
    data[19 + 12] ^= 1
    path = written(tmp_path / "a", bytes(data))
    with pytest.raises(
        FormatError, match=r"record 1 at byte 19, field payload: expected the checksum 0x\w{8} of"
    ):
        payloads(path)
    assert payloads(path, verify_payloads=False) == [b"one", b"uwo"]


@pytest.mark.parametrize("chunk", [10, 1 << 20])
@pytest.mark.parametrize("cut", [1, 4, 5, 7, 14])
def test_truncated_end_is_told_with_its_byte(tmp_path: Path, chunk: int, cut: int) -> None:
    path = written(tmp_path / "a", (frame(b"one") + frame(b"two"))[:-cut])
    what = "into the record's 12-byte header" if cut > 7 else r"of the record's 19 bytes"
    with pytest.raises(FormatError, match=f"record 1 at byte 19: the file ends .*{what}"):
        for _ in record_batches(path, chunk_bytes=chunk):
            pass


def test_a_length_that_no_record_has_is_refused(tmp_path: Path) -> None:
    length = struct.pack("<Q", 1 << 40)
    path = written(tmp_path / "a", length + masked(length) + b"x" * 100)
    with pytest.raises(FormatError, match="at most 67108864 bytes, got 1099511627776"):
        payloads(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="byte 0: expected TFRecord records, got an empty file"):
        payloads(written(tmp_path / "a", b""))
