from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from archwright.cli.comparing import Display, read_budget, read_recorded
from archwright.errors import ArchwrightError
from archwright.testing.tables import toy_table
from archwright.trial import Budget

FILES = ["curves.png", "report.html", "runs.csv", "table.csv"]
QUICK = ("--repeats", "3", "--budget", "20trials", "--out", "found")


@pytest.fixture(autouse=True)
def _table(tmp_path: Path) -> None:
    toy_table(tmp_path / "toy.table", edges=3)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text("utf-8").splitlines()))


def test_compare_writes_figure_tables_and_report(run, tmp_path: Path) -> None:
    code, out, err = run("compare", "toy.table", "--strategy", "local-search", *QUICK)
    assert code == 0, err
    assert files(tmp_path / "found") == FILES
    assert "random: 3 of 3 repeats" in err
    assert "local-search: 3 of 3 repeats" in err
    assert "local-search against random: " in out
    assert "curves.png, table.csv, runs.csv, report.html in found" in out
    rows = read_csv(tmp_path / "found/table.csv")
    assert [row["strategy"] for row in rows] == ["random", "local-search"]
    assert all(float(row["mean"]) > 0.8 for row in rows)
    runs = read_csv(tmp_path / "found/runs.csv")
    assert sum(row["event"] == "end" for row in runs) == 6


def test_compare_prints_json_and_takes_options(run) -> None:
    strategy = "regularized-evolution:population=6,sample_size=2,removal=worst"
    code, out, err = run(
        *("compare", "toy.table", "--strategy", strategy, "--json", "--no-random", *QUICK),
        *("--epochs", "4", "--report", "test_accuracy@12", "--recorded", "mean", "--seed", "3"),
        *("--objective", "max:val_accuracy", "--processes", "2"),
    )
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["strategy"] == "regularized-evolution"
    assert row["n"] == 3
    assert row["p"] is None


def test_compare_simulates_workers_for_a_time(run, tmp_path: Path) -> None:
    arguments = ["compare", "toy.table", "--strategy", "local-search", *QUICK]
    arguments[arguments.index("20trials")] = "300s"
    code, out, err = run(*arguments, "--workers", "4")
    assert code == 0, err
    assert "300 seconds of simulated time each on 4 simulated workers" in out
    assert "busy" in (tmp_path / "found/report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["toy.table", *QUICK], "at least one strategy; name it with --strategy NAME"),
        (["toy.table", "--strategy", "ga"], "needs a folder for what it finds; name it with --out"),
        (
            ["toy.table", "--strategy", "local-serch", *QUICK],
            "unknown strategy 'local-serch' (did you mean 'local-search'?)",
        ),
        (["toy.table", "--strategy", "ga:x", *QUICK], "must look like NAME or NAME:OPTION=VALUE"),
        (
            ["toy.table", "--strategy", "ga:size=3", *QUICK],
            "unknown option of strategy 'genetic' 'size'",
        ),
        (["other.table", "--strategy", "ga", *QUICK], "there is no table file 'other.table'"),
        (["nasbench102", "--strategy", "ga", *QUICK], "unknown benchmark 'nasbench102'"),
        (
            ["toy.table", "--strategy", "ga", *QUICK, "--budget", "5 moons"],
            "--budget must look like 500trials (evaluations) or 5e6s",
        ),
        (
            ["toy.table", "--strategy", "ga", *QUICK, "--objective", "max:test_accuracy"],
            "is on the test split, which a search must not see",
        ),
        (["toy.table", "--strategy", "ga", *QUICK, "--dataset", "mnist"], "'mnist'"),
        (["toy.table", "--strategy", "ga", *QUICK, "--epochs", "5"], "epochs of toy 5"),
        (["toy.table", "--strategy", "ga", *QUICK, "--recorded", "9"], "training from 0 to 2"),
        (["toy.table", "--strategy", "ga", *QUICK, "--budget", "1s"], "give a larger budget"),
        (["toy.table", "--strategy", "ga", *QUICK, "--repeats", "0"], "--repeats"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, tmp_path, arguments, message) -> None:
    code, out, err = run("compare", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.rstrip().splitlines()[-1].startswith("archwright: ")
    assert "Traceback" not in err
    assert files(tmp_path) == ["toy.table"]


def test_a_damaged_table_is_named(run, tmp_path: Path) -> None:
    content = (tmp_path / "toy.table").read_bytes()
    (tmp_path / "short.table").write_bytes(content[: len(content) // 2])
    code, _, err = run("compare", "short.table", "--strategy", "ga", *QUICK)
    assert code == 2
    assert "short.table, byte" in err
    assert not (tmp_path / "found").exists()


def test_a_folder_that_cannot_be_made_is_the_environments_fault(run, tmp_path: Path) -> None:
    (tmp_path / "found").write_text("a file")
    code, _, err = run("compare", "toy.table", "--strategy", "ga", *QUICK)
    assert code == 3
    assert "found" in err
    assert (tmp_path / "found").read_text() == "a file"


def test_an_older_result_is_replaced(run, tmp_path: Path) -> None:
    arguments = ("compare", "toy.table", "--strategy", "random", *QUICK)
    assert run(*arguments)[0] == 0
    before = (tmp_path / "found/runs.csv").read_bytes()
    assert run(*arguments, "--seed", "1")[0] == 0
    assert (tmp_path / "found/runs.csv").read_bytes() != before
    assert files(tmp_path / "found") == FILES


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_an_interrupted_comparison_leaves_nothing(command, tmp_path, processes) -> None:
    toy_table(tmp_path / "large.table", edges=6)
    arguments = ["compare", "large.table", "--strategy", "local-search", "--repeats", "5000"]
    arguments += ["--budget", "3000", "--out", "found", "--processes", processes]
    child = subprocess.Popen(
        [*command, *arguments], cwd=tmp_path, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    deadline = time.monotonic() + 60
    try:
        while not (tmp_path / "found").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(2)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 130, err
    assert "Traceback" not in err
    assert files(tmp_path) == ["large.table", "toy.table"]


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("500trials", Budget(trials=500)),
        ("1 trial", Budget(trials=1)),
        ("40", Budget(trials=40)),
        ("5e6", Budget(trials=5_000_000)),
        ("5e6s", Budget(seconds=5e6)),
        ("1.5h", Budget(seconds=5400)),
        ("90 min", Budget(seconds=5400)),
        ("2d", Budget(seconds=172800)),
    ],
)
def test_budgets_are_read(text: str, budget: Budget) -> None:
    assert read_budget(text) == budget


@pytest.mark.parametrize("text", ["", "0", "0s", "1.5trials", "-3", "3weeks", "trials"])
def test_other_budgets_are_refused(text: str) -> None:
    with pytest.raises(ArchwrightError, match="--budget must look like 500trials"):
        read_budget(text)


def test_which_recorded_training_is_read() -> None:
    assert [read_recorded(text) for text in ("drawn", "mean", "2")] == ["drawn", "mean", 2]


def test_on_a_terminal_a_bar_shows_the_strategies() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80)
    with Display(console) as display:
        display.on_progress("[bold]local-search", 0, 10)
        display.on_progress("[bold]local-search", 4, 10)
    assert "[bold]local-search" in screen.getvalue()
    assert "4/10" in screen.getvalue()
