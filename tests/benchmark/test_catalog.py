from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.benchmark import (
    BENCHMARKS,
    READERS,
    Column,
    Table,
    catalog,
    load_benchmark,
    open_table,
    write_table,
)
from archwright.errors import BenchmarkError, UnknownNameError
from archwright.space import SPACES, space_named


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch, cells: Table) -> list[tuple[Any, ...]]:
    """Replace converting by copying a table; return what was asked for."""
    asked: list[tuple[Any, ...]] = []

    def convert(source: Path, destination: Path, *, benchmark: str, **options: object) -> Path:
        asked.append((source, destination, benchmark, options))
        destination.parent.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy(cells.path, destination))

    monkeypatch.setattr(catalog, "convert", convert)
    return asked


@pytest.mark.parametrize("name", BENCHMARKS.names())
def test_entries_fit_together(name: str) -> None:
    benchmark = BENCHMARKS.get(name)
    assert benchmark.name == name
    assert benchmark.space in SPACES
    if benchmark.format:
        assert benchmark.files
        assert benchmark.format in READERS
        assert benchmark.package == (READERS.get(benchmark.format).package is not None)
        assert benchmark.files[0].name in benchmark.help()
    else:
        assert "comes with archwright" in benchmark.help()


def test_a_file_that_is_needed_is_described() -> None:
    message = (
        r"nasbench101 needs the path of its file\. It is made of nasbench_full\.tfrecord \(4, 12, "
        r"36 and 108 epochs, about 1\.95 GB, SHA-256 3d64db81.* google-research/nasbench"
    )
    with pytest.raises(BenchmarkError, match=message):
        load_benchmark("nasbench101")
    with pytest.raises(BenchmarkError, match=r"there is no 'full.tfrecord'. It is made of nasben"):
        load_benchmark("nasbench101", "full.tfrecord")


def test_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'nasbench201'.*such as nasbench20.t"):
        load_benchmark("nasbench20")


def test_a_table_is_opened_by_its_path(cells: Table, make_table: Any) -> None:
    assert load_benchmark(cells.path).sha256 == cells.sha256
    assert load_benchmark(str(cells.path)).sha256 == cells.sha256
    assert load_benchmark("nasbench201", cells.path).sha256 == cells.sha256
    assert load_benchmark("NATS_topology", cells.path).sha256 == cells.sha256
    pairs = [(Column(f"{name}/val_accuracy", "percent"), np.ones(6)) for name in "ab"]
    path = make_table(*pairs).path
    assert load_benchmark(path, dataset="b").dataset == "b"
    with pytest.raises(UnknownNameError, match="dataset of table toy 'c'"):
        load_benchmark(path, dataset="c")
    with pytest.raises(BenchmarkError, match=r"there is no table file 'nowhere.table'"):
        load_benchmark("nowhere.table")


def test_a_table_of_another_space_is_refused(cells: Table) -> None:
    with pytest.raises(
        BenchmarkError, match=r"of the space 'nats-size'; .* is a table of {'catalog"
    ):
        load_benchmark("nats-size", cells.path)


def test_an_official_file_is_converted_once(
    conversions: list, tmp_path: Path, cells: Table
) -> None:
    source = tmp_path / "NATS.pickle.pbz2"
    source.write_bytes(b"official")
    made = tmp_path / "NATS.pickle.pbz2.table"
    for _ in range(2):
        assert load_benchmark("nasbench201", source).path == made
    assert conversions == [(source, made, "nats", {})]
    later = time.time() + 10
    os.utime(source, (later, later))
    load_benchmark("nasbench201", source)
    assert len(conversions) == 2
    load_benchmark("nasbench201", source, curves=True)
    assert conversions[2][3] == {"curves": True}


def test_a_folder_that_changed_is_converted_again(conversions: list, tmp_path: Path) -> None:
    folder = tmp_path / "simple"
    folder.mkdir()
    member = folder / "000000.pickle.pbz2"
    member.write_bytes(b"official")
    load_benchmark("nasbench201", folder)
    load_benchmark("nasbench201", folder)
    assert len(conversions) == 1
    later = time.time() + 10
    os.utime(member, (later, later))
    load_benchmark("nasbench201", folder)
    assert len(conversions) == 2


def test_where_nothing_can_be_written_the_cache_is_used(
    conversions: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHWRIGHT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(catalog.os, "access", lambda *_: False)
    source = tmp_path / "a.pth"
    source.write_bytes(b"official")
    path = load_benchmark("nasbench201", source).path
    assert path.parent == tmp_path / "cache" / "tables"
    assert path.name.startswith("a.pth-")
    monkeypatch.delenv("ARCHWRIGHT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    path = load_benchmark("nasbench201", source).path
    assert path.parent == tmp_path / "xdg" / "archwright" / "tables"


def test_what_a_package_brings_needs_no_path(
    conversions: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARCHWRIGHT_CACHE", str(tmp_path))
    made = tmp_path / "tables" / "analog-nasbench.table"
    for _ in range(2):
        assert load_benchmark("analog-nasbench").path == made
    assert conversions == [(None, made, "analog-nasbench", {})]


def test_what_is_built_in_needs_no_path(
    cells: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "_BUILT_IN", tmp_path)
    benchmark = catalog.Benchmark("mini", "nasbench201")
    assert benchmark.built_in is None
    with pytest.raises(BenchmarkError, match=r"^mini comes with archwright, but is not there"):
        benchmark.load()
    shutil.copy(cells.path, tmp_path / "mini.table")
    assert catalog.Benchmark("mini", "nasbench201").load().sha256 == cells.sha256
    (tmp_path / "other.bin").write_bytes(b"no table")
    with pytest.raises(BenchmarkError, match=r"mini is opened from a table; .*other.bin is none"):
        catalog.Benchmark("mini", "nasbench201").load(tmp_path / "other.bin")


def test_tables_of_own_spaces_have_no_catalog_name(make_table: Any) -> None:
    path = make_table((Column("val_accuracy", "percent"), np.ones(6))).path
    with pytest.raises(BenchmarkError, match="nasbench201 is a benchmark of the space"):
        load_benchmark("nasbench201", path)
    assert open_table(path).space.name == "toy"


def test_mini_tables_open_as_their_benchmark(tmp_path: Path) -> None:
    space = space_named("nasbench101", max_vertices=3)
    codes = np.array([architecture.codes for architecture in space.enumerate()])
    column = (Column("val_accuracy", "fraction", "max", "val"), np.zeros(len(codes)))
    path = write_table(tmp_path / "m.table", space, codes, [column], name="m")
    assert len(load_benchmark("nasbench101-mini", path)) == 7
