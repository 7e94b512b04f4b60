from __future__ import annotations

from pathlib import Path

import pytest

from archwright.benchmark import open_table
from archwright.benchmark.converting import READERS, convert
from archwright.errors import BenchmarkError, FormatError, UnknownNameError

from .official_files import frame
from .test_macro_file import some, written
from .test_nasbench101_file import records


def test_every_reader_can_be_loaded_and_says_what_it_reads() -> None:
    names = {entry.name for entry in READERS}
    assert names >= {"nasbench101", "nats", "nasbench-macro", "nasbench-graph", "hw-nasbench"}
    assert len({READERS.get(name).what for name in names}) == len(names)


def test_formats_are_told_apart_without_their_usual_names(tmp_path: Path) -> None:
    path = written(tmp_path / "something", some())
    assert open_table(convert(path)).name == "nasbench-macro"
    payloads = [record.payload() for record in records(1, seed=0)]
    (tmp_path / "other").write_bytes(b"".join(map(frame, payloads)))
    assert open_table(convert(tmp_path / "other")).name == "nasbench101"


def test_the_destination_may_be_chosen_and_is_replaced(tmp_path: Path) -> None:
    source = written(tmp_path / "macro.json", some())
    target = tmp_path / "sub" / "mine.table"
    for _ in range(2):
        assert convert(source, target) == target
    assert [file.name for file in target.parent.iterdir()] == ["mine.table"]
    sources = open_table(target).header["provenance"]["sources"]
    assert sources[0]["file"] == "macro.json"
    assert len(sources[0]["sha256"]) == 64


def test_unknown_files_are_refused_with_what_is_known(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello")
    with pytest.raises(
        FormatError, match=r"notes.txt, byte 0: expected one of: .*NAS-Bench-101.*; got b'hello'"
    ):
        convert(path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(FormatError, match=r"byte 0: expected one of: .*; got b''"):
        convert(tmp_path / "folder")


def test_a_table_is_not_converted_again(tmp_path: Path) -> None:
    table = convert(written(tmp_path / "macro.json", some()))
    with pytest.raises(BenchmarkError, match="is a table already"):
        convert(table)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"there is no file or folder '.*missing' to convert"):
        convert(tmp_path / "missing")
    with pytest.raises(UnknownNameError, match=r"unknown benchmark format 'nasbench102' \(did you"):
        convert(written(tmp_path / "macro.json", some()), benchmark="nasbench102")


def test_without_a_source_a_package_must_bring_it(tmp_path: Path) -> None:
    for benchmark in (None, "nasbench101"):
        with pytest.raises(
            BenchmarkError, match=rf"a package brings: .*nasbench-graph; got {benchmark!r}"
        ):
            convert(None, tmp_path / "a.table", benchmark=benchmark)
    with pytest.raises(BenchmarkError, match="destination must be given for the file of package"):
        convert(None, benchmark="nasbench-graph")
