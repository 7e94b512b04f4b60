from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, Table, open_table, write_table
from archwright.benchmark.format import MAGIC, is_table, map_file, write_file
from archwright.errors import BenchmarkError, FormatError

PREFIX = 48


@pytest.fixture
def damaged(cells: Table, tmp_path: Path) -> Path:
    """Return a copy to damage."""
    return Path(shutil.copy(cells.path, tmp_path / "damaged.table"))


def header_of(data: bytes) -> tuple[dict, bytes]:
    (length,) = struct.unpack_from("<I", data, 12)
    return json.loads(data[PREFIX : PREFIX + length]), data[PREFIX + length :]


def with_header(path: Path, **changes: object) -> None:
    """Exchange parts of the header in place; the rest of the file keeps its offsets."""
    data = path.read_bytes()
    header, rest = header_of(data)
    text = json.dumps(header | changes).encode()
    columns = rest.lstrip(b"\0")
    padding = -(PREFIX + len(text)) % 64
    prefix = data[:12] + struct.pack("<I", len(text)) + data[16:PREFIX]
    path.write_bytes(prefix + text + bytes(padding) + columns)


def test_arrays_begin_at_multiples_of_64_and_come_back_equal(tmp_path: Path) -> None:
    arrays = [
        ("a", np.arange(5, dtype="|u1")),
        ("b", np.linspace(0, 1, 12).reshape(3, 4)),
        ("none", np.zeros((0, 2), "<f4")),
        ("c", np.array([[-5]], dtype="<i8")),
    ]
    path = write_file(tmp_path / "a.table", {"name": "é"}, arrays)
    mapped = map_file(path)
    assert mapped.header == {"format": 1, "name": "é"}
    for name, array in arrays:
        assert np.array_equal(mapped.arrays[name], array)
        assert mapped.arrays[name].dtype == array.dtype
        assert not mapped.arrays[name].flags.writeable
        assert mapped.arrays[name].ctypes.data % 64 == 0 or not array.size
    assert is_table(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.table"]


def test_same_content_is_the_same_file(cells: Table, tmp_path: Path) -> None:
    columns = [(Column("val_accuracy", "fraction", "max", "val"), cells.values("val_accuracy"))]
    paths = [
        write_table(tmp_path / f"{n}.table", cells.space, cells.codes, columns, name="x")
        for n in range(2)
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("length", [0, 3, 20, 47, 48, 100, 2000])
def test_a_truncated_beginning_names_the_byte(damaged: Path, length: int) -> None:
    damaged.write_bytes(damaged.read_bytes()[:length])
    with pytest.raises(FormatError, match=r"damaged\.table, byte \d+: "):
        open_table(damaged)


def test_a_truncated_end_names_the_array(damaged: Path) -> None:
    size = damaged.stat().st_size
    with damaged.open("r+b") as file:
        file.truncate(size - 1)
    message = rf"array 'column 8' must end at byte {size}; the file has {size - 1} bytes"
    with pytest.raises(FormatError, match=message):
        open_table(damaged)


def test_bytes_behind_the_end_are_refused(damaged: Path) -> None:
    size = damaged.stat().st_size
    with damaged.open("ab") as file:
        file.write(b"more")
    with pytest.raises(FormatError, match=rf"byte {size}: the file must end here; it has 4 bytes"):
        open_table(damaged)


@pytest.mark.parametrize(
    ("offset", "new", "message"),
    [
        (0, b"\x89PNG", r"byte 0: a table begins with .*; got b'\\x89PNG"),
        (8, b"\x09", "byte 8: this archwright reads version 1; got version 9"),
        (12, b"\0\0\0\0", "byte 12: a header has 1 to 16777216 bytes; got 0"),
        (12, b"\xff\xff\xff\xff", "byte 12: a header has 1 to 16777216 bytes; got 4294967295"),
        (48, b"[", "byte 48: the header must be JSON"),
        (48, b"\xff", "byte 48: the header must be JSON"),
    ],
)
def test_a_wrong_prefix_is_refused(damaged: Path, offset: int, new: bytes, message: str) -> None:
    data = bytearray(damaged.read_bytes())
    data[offset : offset + len(new)] = new
    damaged.write_bytes(bytes(data))
    with pytest.raises(FormatError, match=message):
        open_table(damaged)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arrays": 3}, "byte 48: the header must be an object with a list of arrays"),
        ({"arrays": [{"name": "codes"}]}, "array 0: needs name, dtype and shape"),
        (
            {"arrays": [{"name": "codes", "dtype": "|O8", "shape": [1]}]},
            r"array 0 \(codes\): dtype must be one of .*; got '\|O8'",
        ),
        (
            {"arrays": [{"name": "codes", "dtype": "|u1", "shape": [-1, 6]}]},
            r"array 0 \(codes\): is no shape: \(-1, 6\)",
        ),
        (
            {"arrays": [{"name": "codes", "dtype": "|u1", "shape": [2**62, 2**62]}]},
            "array 'codes' must end at byte",
        ),
        ({"rows": 7}, r"array 'codes': must have the shape \(7, 6\); got \(15625, 6\)"),
        ({"rows": "many"}, "must have the shape"),
        ({"columns": [{"name": "a"}] * 20}, "header: is not that of a table: KeyError"),
        ({"columns": [{"nome": "a"}]}, "header: is not that of a table: TypeError"),
        ({"columns": [{"name": "a b"}]}, "header: is not that of a table: BenchmarkError"),
        ({"space": 3}, "header: is not that of a table: TypeError"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(damaged: Path, changes: dict, message: str) -> None:
    with_header(damaged, **changes)
    with pytest.raises(FormatError, match=message):
        open_table(damaged)


def test_verify_finds_any_changed_byte(cells: Table, damaged: Path) -> None:
    cells.verify()
    size = damaged.stat().st_size
    for offset in (PREFIX + 20, size // 2, size - 1):
        data = bytearray(cells.path.read_bytes())
        data[offset] ^= 4
        damaged.write_bytes(bytes(data))
        if offset > PREFIX + 20:
            table = open_table(damaged)
            with pytest.raises(FormatError, match=r"byte 16: the checksum is .*changed or damaged"):
                table.verify()


def test_no_such_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.table", tmp_path):
        with pytest.raises(BenchmarkError, match="there is no table file"):
            open_table(path)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.table"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_file(path, {"name": object()}, [])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_header_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"at most 16777216 bytes; got .*shorten"):
        write_file(tmp_path / "a.table", {"notes": "x" * (1 << 24)}, [])
    assert list(tmp_path.iterdir()) == []


def test_magic_is_no_text() -> None:
    assert MAGIC[0] > 127
