from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from archwright.benchmark import open_table
from archwright.evaluate import table_building

Run = Callable[..., tuple[int, str, str]]

SMALL = ("--epochs", "2", "--epochs", "1", "--repeats", "2", "--samples", "3")


def test_builds_a_table(run: Run) -> None:
    code, out, err = run(
        "benchmark", "build", "mlp", "wine", "--out", "a.table", *SMALL, "--name", "mine"
    )
    assert code == 0
    assert out.startswith("table: a.table (")
    assert "3/3 architectures, about 0 min 0 s left" in err
    table = open_table("a.table")
    assert (table.name, len(table), table.epochs, table.repeats) == ("mine", 3, (1, 2), 2)


def test_options_reach_the_networks(run: Run) -> None:
    code, _, _ = run(
        *("benchmark", "build", "nasbench101", "digits", "--out", "a.table", *SMALL),
        *("--space-option", "max_vertices=3", "--skeleton", "stem=2", "--skeleton", "cells=1"),
        *("--recipe", "batch_size=512", "--norm-momentum", "0.5", "--data-option", "test=0.3"),
    )
    assert code == 0
    table = open_table("a.table")
    made = table.header["provenance"]
    assert made["recipe"]["batch_size"] == 512
    assert made["norm_momentum"] == 0.5
    assert made["data"]["rows"]["test"] == 540
    assert table.values("parameters").max() < 2000


def test_an_interrupted_build_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("benchmark", "build", "mlp", "wine", "--out", "a.table", *SMALL)
    original = table_building.recorded

    def interrupted(*given: object, **options: object) -> object:
        yield next(iter(original(*given, **options)))  # type: ignore[arg-type]  # handed through
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(table_building, "recorded", interrupted)
        code, _, err = run(*command)
    assert code == 130
    assert "everything finished is kept. Go on with the same command" in err
    assert run(*command)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope", "wine"), "unknown space 'nope'"),
        (("mlp", "wine"), "too many to record all; say how many with samples"),
        (("nasbench101", "wine", "--space-option", "max_vertices=3"), "use the space 'mlp'"),
        (("mlp", "wine", "--samples", "2", "--skeleton", "stem=2"), "have no skeleton to choose"),
        (("mlp", "wine", "--samples", "2", "--recipe", "batch=2"), "unknown recipe option 'batch'"),
        (("mlp", "wine", "--samples", "2", "--out", "no/a.table"), "cannot be written"),
        (("mlp", "wine", "--samples", "2", "--out", "taken"), "is there already"),
    ],
)
def test_bad_input_is_one_line(
    run: Run, arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    Path("taken").write_text("precious")
    out = () if "--out" in arguments else ("--out", "a.table")
    code, _, err = run("benchmark", "build", *arguments, *out)
    assert code == 2
    assert message in err.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
