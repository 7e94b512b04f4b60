from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from archwright.errors import BenchmarkError, FormatError
from archwright.evaluate.journal import Journal


def filled(path: Path, count: int = 3) -> Path:
    with Journal(path, "one") as journal:
        for number in range(count):
            journal.append({"number": number})
    return path


def test_keeps_records_in_order(tmp_path: Path) -> None:
    path = filled(tmp_path / "progress")
    with Journal(path, "one") as journal:
        assert [record["number"] for record in journal.records] == [0, 1, 2]
        journal.append({"number": 3})
    with Journal(path, "one") as journal:
        assert len(journal.records) == 4


def test_a_file_cut_at_any_byte_keeps_what_is_whole(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole").read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole)):
        path = tmp_path / "cut"
        path.write_bytes(whole[:size])
        with Journal(path, "one") as journal:
            lines = sum(end <= size for end in ends)
            assert len(journal.records) == max(0, lines - 1)
            journal.append({"number": 9})
        with Journal(path, "one") as journal:
            assert journal.records[-1] == {"number": 9}


def test_refuses_the_progress_of_something_else(tmp_path: Path) -> None:
    path = filled(tmp_path / "progress")
    with pytest.raises(BenchmarkError, match="holds the progress of another table"):
        Journal(path, "other")
    assert path.read_bytes() == filled(tmp_path / "again").read_bytes()


def test_finds_a_damaged_line(tmp_path: Path) -> None:
    path = filled(tmp_path / "progress")
    data = bytearray(path.read_bytes())
    data[data.index(b'"number":1') + 9] = ord("7")
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"progress, line 3: the checksum is .*delete the file"):
        Journal(path, "one")


def test_two_writers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "progress"
    with Journal(path, "one"), pytest.raises(BenchmarkError, match="by another process"):
        Journal(path, "one")


def test_says_that_a_file_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"cannot be written: No such file .*; name a file"):
        Journal(tmp_path / "nowhere" / "progress", "one")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BenchmarkError, match="cannot be written: Is a directory"):
        Journal(tmp_path / "folder", "one")


def test_says_that_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = filled(tmp_path / "progress")
    with Journal(path, "one") as journal:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(BenchmarkError, match=r"cannot be written: No space left .* is kept"):
            journal.append({"number": 3})
