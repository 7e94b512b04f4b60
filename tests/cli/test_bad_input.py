"""What users get wrong: exit code 2 (3 for the machine), a clear line, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Run = Callable[..., tuple[int, str, str]]

QUICK = ("--trials", "2", "--epochs", "1", "--folds", "1", "--no-finalize")


def table(rows: int = 60) -> list[str]:
    """Return the lines of a table with two numeric columns and two classes."""
    rng = np.random.default_rng(0)
    return ["age,hours,income"] + [
        f"{rng.random():.3f},{rng.random():.3f},{'high' if k % 2 else 'low'}" for k in range(rows)
    ]


def with_line(number: int, text: str) -> list[str]:
    """Return the table with another line at a place, counted from 1 as in a text editor."""
    lines = table()
    lines[number - 1] = text
    return lines


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


BAD_FILES: dict[str, tuple[list[str], list[str]]] = {
    "empty": ([], ["people.csv: the file is empty; give"]),
    "header only": (["age,hours,income"], ["people.csv: there are no rows"]),
    "no label column": (
        ["age,hours,incme", *table()[1:]],
        ["unknown column 'income' (did you mean 'incme'?); allowed: age, hours, incme"],
    ),
    "one class": (
        [line.replace("low", "high") for line in table()],
        ["column 'income': there is one class only, 'high'; give rows of at least two classes"],
    ),
    "ragged": (
        [*with_line(5, "0.1,0.2,low,9")[:8], "0.1", *table()[9:]],
        ["line 5: has 4 fields, the other lines have 3", "line 9: has 1 field"],
    ),
    "all missing": (
        ["age,hours,city,income"] + [",,".join(line.rsplit(",", 1)) for line in table()[1:]],
        ["column 'city': every value is missing; remove the column"],
    ),
    "text in numbers": (
        with_line(8, "oops,0.5,low"),
        ["line 8, column 'age': 'oops' is not a number, the column is numeric"],
    ),
    "labels missing": (
        [*with_line(8, "0.1,0.5,")[:8], "0.1,0.5,NaN", *table()[9:]],
        ["column 'income': 2 labels are missing (lines 8 and 9)"],
    ),
    "other delimiter": (
        ["age;hours,income", "1;2,high"],
        ["unknown column 'income'", "age;hours"],
    ),
}


@pytest.mark.parametrize("command", ["search", "data check"])
@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_explained_with_its_place(
    run: Run, tmp_path: Path, kind: str, command: str
) -> None:
    lines, messages = BAD_FILES[kind]
    if kind == "other delimiter":
        lines = [line.replace(",", ";") for line in table()]
        messages = ["unknown column 'income'", "age;hours;income"]
    (tmp_path / "people.csv").write_text("".join(f"{line}\n" for line in lines))
    arguments = ["people.csv", "--target", "income"]
    if kind == "other delimiter":
        arguments += ["--delimiter", ","]
    code, out, err = run(*command.split(), *arguments, *(QUICK if command == "search" else ()))
    assert code == 2, out + err
    for message in messages:
        assert message in out + err
    assert "Traceback" not in err
    assert files(tmp_path) == ["people.csv"]


def test_a_wrong_encoding_is_named_with_its_place_and_the_right_one_works(
    run: Run, tmp_path: Path
) -> None:
    text = "\n".join(table()).replace("age", "größe") + "\n"
    (tmp_path / "people.csv").write_bytes(text.encode("latin-1"))
    code, _, err = run("search", "people.csv", "--target", "income", *QUICK)
    assert code == 2
    assert "people.csv, line 1, byte offset 2: byte 0xf6 is not utf-8" in err
    code, _, err = run("search", "people.csv", "--target", "income", "--encoding", "klingon")
    assert code == 2
    assert "unknown text encoding 'klingon'" in err
    assert files(tmp_path) == ["people.csv"]
    code, out, err = run(
        "data", "check", "people.csv", "--target", "income", "--encoding", "latin1"
    )
    assert code == 0, err
    assert "no problems found" in out


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("\ufeff" + "\n".join(table()), []),
        ("\n".join(table()).replace(",", ";"), []),
        ("\n".join(table()).replace(",", "\t"), ["--delimiter", "tab"]),
        ("\r\n".join(table()), []),
    ],
    ids=["byte order mark", "semicolons", "tabs", "windows lines"],
)
def test_what_is_only_unusual_is_no_problem(
    run: Run, tmp_path: Path, text: str, options: list[str]
) -> None:
    (tmp_path / "people.csv").write_bytes(text.encode())
    code, _, err = run("search", "people.csv", "--target", "income", *QUICK, *options)
    assert code == 0, err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", "wien"], "did you mean 'wine'"),
        (["search", "nothere.csv"], "nothere.csv: there is no such file or folder"),
        (["search", "wine", "--task", "clustering"], "unknown task 'clustering'"),
        (["search", "wine", "--space", "mpl"], "did you mean 'mlp'"),
        (["search", "wine", "--space", "cnn"], "use the space 'mlp' for such data"),
        (["search", "wine", "--space", "none.py:space"], "no file 'none.py'"),
        (["search", "wine", "--strategy", "randon"], "did you mean 'random'"),
        (["search", "wine", "--objective", "val_accuracy"], "must look like 'max:val_accuracy'"),
        (["search", "wine", "--objective", "max:val_acuracy"], "did you mean 'val_accuracy'"),
        (["search", "wine", "--objective", "max:test_accuracy"], "test_accuracy"),
        (["search", "wine", "--constraint", "parameters<5"], "must look like"),
        (["search", "wine", "--constraint", "params<=5"], "unknown metric"),
        (["search", "wine", "--constraint", "parameters<=100"], "has parameters 853; raise"),
        (["search", "wine", "--constraint", "macs<=10"], "has macs 800; raise the bound to at"),
        (["search", "wine", "--constraint", "size_bytes<=10"], "raise the bound to at least 3412"),
        (["search", "wine", "--constraint", "latency_ms<=1e-7"], "fastest found takes 0.0"),
        (["search", "wine", "--constraint", "val_accuracy>=2"], "val_accuracy is at most 1"),
        (["search", "wine", "--max-time", "soon"], "--max-time must look like 90s, 10m or 1.5h"),
        (["search", "wine", "--trial-time", "0"], "--trial-time must look like"),
        (["search", "wine", "--trial-memory", "much"], "must look like 500MB or 2GiB"),
        (["search", "wine", "--recipe", "epoch=3"], "did you mean 'epochs'"),
        (["search", "wine", "--recipe", "epochs"], "--recipe must look like NAME=VALUE"),
        (["search", "wine", "--recipe", "batch_size=0"], "batch_size must be an integer of at"),
        (["search", "wine", "--recipe", "learning_rate=fast"], "a positive number; got 'fast'"),
        (["search", "wine", "--recipe", "device=cuda:99"], "cuda:99"),
        (["search", "wine", "--option", "popultion=3"], "did you mean 'population'"),
        (["search", "wine", "--option", "population=many"], "'population' must be a whole number"),
        (["search", "wine", "--option", "seed=3"], "'seed' is no option of the strategy"),
        (["search", "wine", "--data-option", "tets=0.1"], "did you mean 'test'"),
        (["search", "wine", "--data-option", "replicates=3"], "unknown data option 'replicates'"),
        (
            ["search", "wine", "--data-option", "test=much"],
            "a fraction in [0, 1); got 'much'",
        ),
        (["search", "wine", "--delimiter", "ab"], "delimiter must be one character; got 'ab'"),
        (["search", "wine", "--executor", "rya"], "unknown executor 'rya'"),
        (["search", "wine", "--workers", "2", "--executor", "serial"], "one worker; got 2"),
        (["search", "wine", "--store", "mysql://x/y"], "mysql"),
        (["search", "wine", "--name", " spaced "], "a study name must be"),
        (["search", "wine", "--trials", "0"], "--trials"),
        (["search", "wine", "--workers", "0"], "--workers"),
        (["search", "wine", "--folds", "100"], "folds must be from 1 to"),
        (["search", "wine", "--trails", "3"], "--trials"),
        (["search"], "Missing argument 'DATA' (see archwright search --help)"),
        (["serach", "wine"], "No such command 'serach'"),
        (["leaderboard", "nope"], "there is no store"),
        (["resume", "nope"], "there is no store"),
        (["worker", "nope"], "there is no store"),
        (["report", "nope"], "there is no store"),
        (["export", "nope", "--out", "x"], "there is no store"),
        (["space", "describe", "mpl"], "did you mean 'mlp'"),
        (["data", "check", "wien"], "did you mean 'wine'"),
        (["predict", "nowhere", "wine"], "nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_options_are_one_line_and_leave_nothing_behind(
    run: Run, tmp_path: Path, arguments: list[str], message: str
) -> None:
    code, out, err = run(*arguments)
    assert code == (3 if "cuda" in message else 2), err
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert err.startswith("archwright: ")
    assert err.count("\n") == 1
    assert files(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_the_environment(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for option in (["--out", "file/out"], ["--out", "file"], ["--store", "file/study.db"]):
        code, out, err = run("search", "wine", *QUICK, *option)
        assert (code, out) == (3, "")
        assert err.startswith("archwright: cannot ")
        assert err.count("\n") == 1
    assert files(tmp_path) == ["file"]


def test_a_damaged_store_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"this is no database\n" * 50)
    for command in (["search", "wine"], ["leaderboard"], ["resume", "x"], ["report", "x"]):
        code, out, err = run(*command, "--store", "study.db")
        assert (code, out) == (2, "")
        assert "study.db is not an SQLite database" in err
        assert err.count("\n") == 1
    assert files(tmp_path) == ["study.db"]


def test_a_taken_name_keeps_what_is_there(run: Run, tmp_path: Path) -> None:
    assert run("search", "wine", *QUICK, "--name", "mine")[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.html")}
    code, _, err = run("search", "wine", *QUICK, "--name", "mine", "--out", "elsewhere")
    assert code == 2
    assert "study 'mine' exists already in runs/archwright.db; continue it with" in err
    assert "archwright resume mine" in err
    assert not (tmp_path / "elsewhere").exists()
    code, _, err = run("search", "wine", *QUICK, "--name", "other", "--out", "runs/mine")
    assert code == 2
    assert "runs/mine holds the results of another search" in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.html")} == before


def test_an_unknown_study_is_named_with_the_nearest(run: Run) -> None:
    assert run("search", "wine", *QUICK, "--name", "wines")[0] == 0
    for command in ("resume", "worker", "leaderboard", "report"):
        code, _, err = run(command, "wimes")
        assert code == 2
        assert "no study 'wimes'" in err
        assert "wines" in err


def test_predict_names_what_the_new_data_lack(run: Run, tmp_path: Path) -> None:
    assert run("search", "wine", "--trials", "1", "--epochs", "1", "--out", "w")[0] == 0
    (tmp_path / "new.csv").write_text("alcohol,malic_acid\n13,2\n")
    code, _, err = run("predict", "w/model", "new.csv", "--out", "predictions.csv")
    assert code == 2
    assert "ash" in err
    assert not (tmp_path / "predictions.csv").exists()
    code, _, err = run("export", "x", "--store", "w/study.db", "--out", "y")
    assert code == 2
