from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, open_table, write_table
from archwright.space import space_named
from archwright.testing.benchmarks import synthetic_table

Run = Callable[..., tuple[int, str, str]]
SPACE = space_named("nasbench101", max_vertices=4)
CHAIN = "010001000/input,conv3x3-bn-relu,output"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "cells.table"
    return synthetic_table(SPACE, path, name="cells").path


@pytest.fixture
def table(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "cells.table"))


def test_list(run: Run) -> None:
    code, out, _ = run("benchmark", "list")
    assert code == 0
    assert "nasbench_full.tfrecord" in out
    code, out, _ = run("benchmark", "list", "--json")
    assert {"nasbench101", "nasbench101-mini", "hw-nas-bench"} <= {
        row["benchmark"] for row in json.loads(out)
    }


@pytest.mark.usefixtures("table")
def test_info(run: Run) -> None:
    code, out, _ = run("benchmark", "info", "cells.table", "--verify")
    assert code == 0
    assert "cells: 91 architectures of 'nasbench101'" in out
    assert "file: cells.table" in out
    assert "verified: the content is what was written" in out
    assert "val_accuracy (halfway)" in out
    assert "4, 12, 36, 108" in out
    assert "card: made up" in out
    code, out, _ = run("benchmark", "info", "cells.table", "--json")
    facts = json.loads(out)
    assert (facts["name"], facts["rows"], facts["verified"]) == ("cells", 91, False)


def test_info_of_a_damaged_table(run: Run, table: Path) -> None:
    data = bytearray(table.read_bytes())
    data[-1] ^= 1
    table.write_bytes(bytes(data))
    assert run("benchmark", "info", "cells.table")[0] == 0
    code, _, err = run("benchmark", "info", "cells.table", "--verify")
    assert code == 2
    assert "cells.table, byte 16: the checksum is" in err


def test_query(run: Run, table: Path) -> None:
    bound = open_table(table)
    row = bound.row(CHAIN)
    for text in (CHAIN, str(row), SPACE.hash(SPACE.parse(CHAIN))):
        code, out, _ = run("benchmark", "query", "cells.table", text, "--epochs", "36", "--json")
        assert code == 0
        found = json.loads(out)
        assert found["row"] == row
        assert found["architecture"] == CHAIN
        assert found["measurements"] == [bound.query(row, epochs=36).to_json()]
    code, out, _ = run("benchmark", "query", "cells.table", CHAIN, "--repeat", "all", "--json")
    assert len(json.loads(out)["measurements"]) == 3
    code, out, _ = run("benchmark", "query", "cells.table", CHAIN, "--repeat", "all", "--halfway")
    assert code == 0
    assert f"row {row}: {CHAIN}" in out
    assert "repeat 2" in out
    code, out, _ = run("benchmark", "query", "cells.table", CHAIN, "--repeat", "1")
    assert code == 0
    assert "fraction" in out


def test_a_text_of_digits_is_no_row(run: Run, tmp_path: Path) -> None:
    space = space_named("nasbench-macro")
    synthetic_table(space, tmp_path / "macro.table", epochs=(4,))
    for text, row in (("00000012", space.index(space.parse("00000012"))), ("12", 12)):
        code, out, _ = run("benchmark", "query", "macro.table", text, "--json")
        assert (code, json.loads(out)["row"]) == (0, row)
    code, _, err = run("benchmark", "query", "macro.table", "99999999")
    assert code == 2
    assert "rows of table 'synthetic' are numbered 0 to 6560; got 99999999" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("query", "cells.table", CHAIN, "--repeat", "some"), "--repeat must be mean, all or the"),
        (("query", "cells.table", CHAIN, "--repeat", "7"), "from 0 to 2; got 7"),
        (("query", "cells.table", CHAIN, "--epochs", "50"), "has those of: 4, 12, 36, 108"),
        (("query", "cells.table", "0110/0001"), "table 'cells' covers 91 architectures"),
        (("query", "none.table", CHAIN), "there is no table file 'none.table'"),
        (
            ("query", "nasbench101", CHAIN),
            "needs the path of its file. It is made of nasbench_full",
        ),
        (("info", "nasbanch101"), "did you mean 'nasbench101'?"),
        (("top", "cells.table", "accuracy"), "metric of table 'cells' 'accuracy'"),
        (("import", "none.csv", "--space", "mlp", "--out", "o.table"), "no file 'none.csv' to imp"),
        (
            (
                "import",
                "a.csv",
                "--space",
                "mlp",
                "--out",
                "o",
                "--in-order",
                "--architecture",
                "a",
            ),
            "exclude each other",
        ),
        (("convert", "none.tfrecord"), "there is no file or folder 'none.tfrecord' to convert"),
    ],
)
@pytest.mark.usefixtures("table")
def test_mistakes_are_told(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = run("benchmark", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("archwright: ")
    assert "Traceback" not in err


def test_top(run: Run, table: Path) -> None:
    bound = open_table(table)
    code, out, _ = run("benchmark", "top", "cells.table", "val_accuracy", "-n", "3", "--json")
    assert code == 0
    rows = json.loads(out)
    assert rows[0] == {
        "row": bound.best("val_accuracy")[0],
        "val_accuracy": bound.best("val_accuracy")[1],
        "architecture": SPACE.format(bound.architecture(rows[0]["row"])),
    }
    values = [row["val_accuracy"] for row in rows]
    assert values == sorted(bound.values("val_accuracy").tolist(), reverse=True)[:3]
    code, out, _ = run("benchmark", "top", "cells.table", "training_seconds", "--epochs", "4")
    assert code == 0
    assert len(out.splitlines()) == 11


def test_import_then_join(run: Run, table: Path, tmp_path: Path) -> None:
    lines = [f'"{SPACE.format(a)}",{n},{n / 100},x' for n, a in enumerate(SPACE.enumerate())]
    (tmp_path / "mine.csv").write_text("\n".join(["cell,latency,score,remark", *lines]))
    code, out, err = run(
        *("benchmark", "import", "mine.csv", "--out", "mine.table"),
        *("--space", "nasbench101", "--space-option", "max_vertices=4"),
    )
    assert code == 0
    assert "table: mine.table (91 architectures of 'nasbench101'" in out
    assert (
        "left out 'score': the name 'score' does not say what it is; take it with --metric" in err
    )
    code, out, _ = run("benchmark", "join", "cells.table", "mine.table", "--out", "both.table")
    assert code == 0
    joined = open_table(tmp_path / "both.table")
    assert joined.values("latency").sum() == sum(range(91))
    assert len(joined.metrics) == len(open_table(table).metrics) + 1


def test_bad_rows_are_listed(run: Run, tmp_path: Path) -> None:
    rows = [f'"{CHAIN}",0.5', '"nothing",0.5', f'"{CHAIN}",high']
    (tmp_path / "mine.csv").write_text("\n".join(["cell,val_acc", *rows]))
    code, _, err = run(
        *("benchmark", "import", "mine.csv", "--space", "nasbench101", "--out", "mine.table"),
    )
    assert code == 2
    assert "2 problems in the data:" in err
    assert "  mine.csv, line 3, column 'cell'" in err
    assert "  mine.csv, line 4, column 'val_acc': must be a number" in err
    assert not (tmp_path / "mine.table").exists()


def test_convert(run: Run, tmp_path: Path) -> None:
    records = {
        text: {
            "test_acc": [50.0, 51.0, 52.0],
            "mean_acc": 51.0,
            "std": 0.816496580927726,
            "params": 7,
            "flops": 8,
        }
        for text in ("00000000", "11111111")
    }
    (tmp_path / "nas-bench-macro_cifar10.json").write_text(json.dumps(records))
    code, out, err = run(
        "benchmark", "convert", "nas-bench-macro_cifar10.json", "--out", "macro.table"
    )
    assert code == 0, err
    assert "table: macro.table" in out
    assert len(open_table(tmp_path / "macro.table")) == 2


def test_datasets_are_chosen(run: Run, tmp_path: Path) -> None:
    codes = np.array([architecture.codes for architecture in SPACE.enumerate()])
    columns = [
        (Column(f"{name}/val_accuracy", "percent", "max", "val"), np.full(91, value))
        for name, value in (("a", 10), ("b", 20))
    ]
    write_table(tmp_path / "two.table", SPACE, codes, columns, name="two")
    _, out, _ = run("benchmark", "query", "two.table", CHAIN, "--dataset", "b", "--json")
    assert json.loads(out)["measurements"][0]["metrics"] == {"val_accuracy": 20.0}
    code, _, err = run("benchmark", "query", "two.table", CHAIN, "--dataset", "c")
    assert code == 2
    assert "dataset of table two 'c'; allowed: a, b" in err
