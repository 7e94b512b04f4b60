from __future__ import annotations

import os
from pathlib import Path

import pytest

from archwright.files import TEMPORARY, sync_folder, whole_file


def test_a_file_takes_its_place_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    with whole_file(path) as file:
        file.write(b"1")
        assert not path.exists()
        (unfinished,) = path.parent.iterdir()
        assert unfinished.name.startswith(".facts.json.")
        assert unfinished.suffix == TEMPORARY
    assert path.read_bytes() == b"1"
    with whole_file(path) as file:
        file.write(b"2")
        assert path.read_bytes() == b"1"
    assert path.read_bytes() == b"2"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match="bytes-like"), whole_file(path) as file:
        file.writelines([b"ne", "w"])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_the_name_and_the_name_at_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, n=name, r=real: (calls.append(n), r(*a))[1])
    with whole_file(tmp_path / "a") as file:
        file.write(b"1")
    assert calls == ["fsync", "replace", "fsync"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), whole_file(tmp_path / "nowhere" / "a"):
        pass
    with pytest.raises(FileNotFoundError, match="nowhere"):
        sync_folder(tmp_path / "nowhere")
