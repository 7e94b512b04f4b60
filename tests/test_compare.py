"""`aw.compare`: one call from a table to files, without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import archwright as aw
from archwright.errors import EnvironmentProblem, UnknownNameError
from archwright.testing.tables import toy_table


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_table(tmp_path_factory.mktemp("toy") / "toy.table", edges=3).path


@pytest.fixture(scope="module")
def comparison(path: Path) -> aw.ComparisonResult:
    return aw.compare(str(path), ["local-search"], repeats=4, budget=20)


def test_frames(comparison) -> None:
    assert repr(comparison) == (
        "ComparisonResult(Comparison(random, local-search; 4 repeats on toy))"
    )
    assert comparison.frame()["strategy"].tolist() == ["random", "local-search"]
    assert comparison.frame("validation")["mean"].tolist() != comparison.frame()["mean"].tolist()
    assert "mean_test" in comparison.kinds
    assert len(comparison.answers()) == 8
    assert set(comparison.runs()["event"]) == {"incumbent", "end"}
    curves = comparison.curves("test_regret", by="seconds", band="published")
    assert list(curves) == ["strategy", "seconds", "mean", "low", "high", "n"]
    assert comparison.summary().startswith("2 strategies on toy, 4 repeats of 20 evaluations")


def test_files(comparison, tmp_path) -> None:
    assert comparison.plot(tmp_path / "curves.svg", log=True).read_text().startswith("<?xml")
    assert comparison.html(tmp_path / "report.html").exists()
    table = pd.read_csv(comparison.csv(tmp_path / "table.csv"))
    assert table["mean"].tolist() == pytest.approx(comparison.frame()["mean"].tolist())
    folder = comparison.save(tmp_path / "new" / "folder")
    names = ["curves.png", "report.html", "runs.csv", "table.csv"]
    assert sorted(file.name for file in folder.iterdir()) == names
    assert len(pd.read_csv(folder / "runs.csv")) == len(comparison.runs())


def test_a_failed_save_leaves_no_part_of_a_file(comparison, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("os.fsync", lambda handle: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        comparison.save(tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownNameError, match="unknown figure format 'jpg'"):
        comparison.plot(tmp_path / "curves.jpg")


def test_a_folder_that_cannot_be_made(comparison, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot"):
        comparison.save(tmp_path / "file" / "folder")


def test_a_table_and_its_data_set_are_opened_by_name(path) -> None:
    table = toy_table(path.with_name("again.table"), edges=2)
    assert aw.compare(table, [], repeats=1, budget=3).comparison.repeats == 1
    with pytest.raises(UnknownNameError, match="mnist"):
        aw.compare(table, [], repeats=1, budget=3, dataset="mnist")
    with pytest.raises(UnknownNameError, match="unknown benchmark 'nasbench102'"):
        aw.compare("nasbench102", [], budget=3)


def test_comparing_loads_no_torch(path) -> None:
    code = (
        "import sys, archwright as aw\n"
        f"aw.compare({str(path)!r}, ['local-search'], repeats=2, budget=5).save('found')\n"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=path.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
