from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archwright.benchmark.torch_archive import SKIPPED, is_torch, read_torch
from archwright.errors import FormatError


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


VALUE = {
    "meta_archs": ["a", "b"],
    "arch2infos": {0: {"less": {"acc": {0: 1.5}, "seed": np.float64(0.1)}}},
    "weights": OrderedDict(a=torch.ones(3, 4), b=torch.nn.Parameter(torch.zeros(2))),
    "half": torch.ones(2, dtype=torch.bfloat16),
    "shape": torch.Size([1, 2]),
}
EXPECTED = {
    "meta_archs": ["a", "b"],
    "arch2infos": {0: {"less": {"acc": {0: 1.5}, "seed": 0.1}}},
    "weights": {"a": SKIPPED, "b": SKIPPED},
    "half": SKIPPED,
    "shape": (1, 2),
}


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_come_back_and_weights_do_not(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "a.pth"
    torch.save(VALUE, path, _use_new_zipfile_serialization=zipped)
    assert is_torch(path.read_bytes()[:64])
    found = read_torch(path)
    assert found == EXPECTED
    assert str(found["half"]) == "SKIPPED"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_does_not(tmp_path: Path, zipped: bool) -> None:
    path, target = tmp_path / "a.pth", tmp_path / "made"
    torch.save({"a": Runs(target)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(FormatError, match=r"a.pth, byte \d+ of the pickle: .*mkdir, which could"):
        read_torch(path)
    assert not target.exists()


def test_modules_are_refused(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 3), tmp_path / "a.pth")
    with pytest.raises(FormatError, match=r"got torch\.nn\.modules\.linear\.Linear"):
        read_torch(tmp_path / "a.pth")


def test_programs_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
        archive.writestr("a/constants.pkl", b"N.")
    with pytest.raises(FormatError, match="expected saved objects, got a TorchScript program"):
        read_torch(tmp_path / "a.pt")


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(b"something else entirely")
    with pytest.raises(FormatError, match=r"byte 0: expected what torch\.save writes, got b'some"):
        read_torch(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/other", b"")
    with pytest.raises(FormatError, match=r"expected one member data.pkl, got \[\]"):
        read_torch(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(1, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"M\xe9\x03", b"M\xea\x03"))
    with pytest.raises(
        FormatError, match=r"expected magic number and version 1001, got \[\d+, 1002"
    ):
        read_torch(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_files_are_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "a.pth"
    torch.save({"a": list(range(100))}, path, _use_new_zipfile_serialization=zipped)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(FormatError, match="the file is damaged"):
        read_torch(path)


def test_long_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save("x" * 100_000, path)
    with pytest.raises(FormatError, match="expected at most 1000 bytes, but the file goes on"):
        read_torch(path, limit_bytes=1000)
