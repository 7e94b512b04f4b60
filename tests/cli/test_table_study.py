"""Studies that look their trials up in a table, on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from archwright.run import Study
from archwright.space import Choice, Space
from archwright.testing.benchmarks import synthetic_table
from archwright.testing.fakes import ToyEvaluator

Run = Callable[..., tuple[int, str, str]]
SPACE = Space({f"slot_{i}": Choice(*"abc") for i in range(3)}, name="toy")


def begun(folder: Path) -> None:
    table = synthetic_table(SPACE, folder / "toy.table")
    store = folder / "s.db"
    Study(
        SPACE, "random", table, objective="max:val_accuracy", budget=5, store=store, name="toy"
    ).run()


def test_a_study_on_a_table_is_resumed(run: Run, tmp_path: Path) -> None:
    begun(tmp_path)
    code, out, err = run("resume", "toy", "--store", "s.db", "--trials", "9")
    assert code == 0, err
    assert "best: trial" in out
    assert "(9/9)" in err
    assert "stopped: all 9 trials done" in err
    code, out, err = run("resume", "toy", "--store", "s.db", "--trials", "12", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["trials"] == 12
    assert found["stopped"] == "all 12 trials done"
    assert found["out"] is None
    assert set(found["best"]) == {"trial", "architecture", "metrics"}


def test_a_table_that_is_gone_is_named(run: Run, tmp_path: Path) -> None:
    begun(tmp_path)
    (tmp_path / "toy.table").unlink()
    code, _, err = run("resume", "toy", "--store", "s.db", "--trials", "9")
    assert code == 2
    assert "put it back" in err


def test_a_study_of_python_objects_says_how_to_go_on(run: Run, tmp_path: Path) -> None:
    Study(SPACE, "random", ToyEvaluator(), objective="max:val_score", budget=2, store="s.db").run()
    code, _, err = run("resume", "study", "--store", "s.db", "--trials", "9")
    assert code == 2
    assert "made from Python objects" in err
