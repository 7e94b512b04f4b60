from __future__ import annotations

import csv
import html
import json
from pathlib import Path

import numpy as np
import pytest

from archwright.cli.scoring import read_proxies
from archwright.cli.values import UsageError
from archwright.frontdoor.score_files import read_scores, write_scores
from archwright.space import space_named
from archwright.testing.benchmarks import synthetic_table
from archwright.testing.tables import toy_table
from archwright.trial import Scores

MLP = ("--space", "mlp", "--data", "wine", "--batch-size", "16")
CELLS = (
    *("--space", "nasbench201", "--skeleton", "stem=2", "--skeleton", "cells=1"),
    *("--data", "digits", "--architectures", "2", "--batch-size", "8"),
)


def test_score_prints_the_best_with_sizes_beside_and_goes_on(run, tmp_path: Path) -> None:
    arguments = ("score", *MLP, "--proxy", "naswot,synflow", "--out", "s.csv")
    code, out, err = run(*arguments, "--samples", "2")
    assert code == 0, err
    assert "2 architectures scored, kept as scores-wine-mlp-" in out
    head = next(line for line in out.splitlines() if line.startswith("rank"))
    assert head.split() == ["rank", "naswot", "synflow", "params", "flops", "architecture"]
    assert "naswot: grows with the network" in out
    first = read_scores(tmp_path / "s.csv")
    code, out, err = run(*arguments, "--samples", "3", "--json")
    assert code == 0, err
    assert "2 trials were finished before" in err
    found = json.loads(out)
    assert len(found["architectures"]) == 3
    assert found["architectures"][1]["params"] == first.mean("params")[1]
    rows = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    assert [row["architecture"] for row in rows][:2] == list(first.architectures)
    code, out, _ = run("leaderboard", found["name"])
    assert code == 0
    assert "naswot" in out


def test_correlate_compares_files_with_a_table(run, tmp_path: Path) -> None:
    space = space_named("nasbench201")
    synthetic_table(space, tmp_path / "cells.table", epochs=(12,), repeats=1)
    scored = run(
        *("score", "--space", "nasbench201", "--skeleton", "stem=2", "--skeleton", "cells=1"),
        *("--data", "digits", "--proxy", "l2_norm", "--samples", "4", "--out", "s.csv"),
    )
    assert scored[0] == 0, scored[2]
    arguments = ("score", "correlate", "--scores", "s.csv", "--benchmark", "cells.table")
    code, out, err = run(*arguments, "--out", "found")
    assert code == 0, err
    assert "The number of parameters alone ranks 4 architectures by val_accuracy" in out
    assert "correlation.csv, scatter.png, scores.csv, report.html in found" in out
    assert (tmp_path / "found/report.html").stat().st_size > 10_000
    code, out, err = run(*arguments, "--json")
    assert code == 0, err
    assert {row["proxy"] for row in json.loads(out)} == {"params", "flops", "l2_norm"}
    for extra, message in (
        (("--metric", "val_loss"), "unknown metric of table 'synthetic' 'val_loss'"),
        (("--scores", "none.csv"), "none.csv cannot be read"),
    ):
        code, _, err = run(*arguments, *extra)
        assert code == 2
        assert message in err


def test_ablate_and_kernels_write_pictures(run, tmp_path: Path) -> None:
    small = ("--space", "mlp", "--data", "wine", "--architectures", "2", "--batch-size", "8")
    arguments = ("score", "ablate", *small, "--draws", "2", "--part", "batches", "--out", "a")
    code, out, err = run(*arguments, "--proxy", "synflow")
    assert code == 0, err
    assert "4 of 4 scores" in err
    assert "ablation.csv, scores.csv, ablation.png, report.html in a" in out
    code, out, err = run(*arguments, "--proxy", "synflow", "--json")
    assert code == 0, err
    assert [row["part"] for row in json.loads(out)] == ["batches"]
    code, out, err = run("score", "kernels", *CELLS, "--out", "k.png")
    assert code == 0, err
    assert out == "kernels: k.png\n"
    assert (tmp_path / "k.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "wine"], "score needs --space NAME"),
        (["--space", "mlp"], "score needs --data DATA"),
        ([*MLP, "--proxy", "naswat", "--samples", "1"], "unknown proxy 'naswat'"),
        ([*MLP, "--proxy", "naswot:bits=1", "--samples", "1"], "unknown option of proxy 'naswot'"),
        ([*MLP, "--proxy", "naswot:x", "--samples", "1"], "--proxy must look like NAME or NAME:"),
        ([*MLP, "--proxy", "snip", "--noise", "--samples", "1"], "snip: needs labels"),
        ([*MLP], "too many to score all; say how many with samples"),
        (["--space", "darts", "--data", "digits", "--samples", "1"], "nothing builds networks"),
        (["--space", "cnn", "--data", "wine", "--samples", "1"], "cnn"),
        (
            ["ablate", "--space", "mlp", "--data", "wine", "--out", "a", "--proxy", "naswot,snip"],
            "score ablate takes one proxy; got 'naswot,snip'",
        ),
        (
            ["kernels", "--space", "mlp", "--data", "wine", "--out", "k.png", "--path", "x"],
            "--path and --dataset belong to a benchmark",
        ),
        (["kernels", *CELLS, "--out", "k.bmp"], "unknown figure format 'bmp'"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(run, tmp_path: Path, arguments, message) -> None:
    code, out, err = run("score", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.rstrip().splitlines()[-1].startswith("archwright: ")
    assert list(tmp_path.iterdir()) == []


def test_search_takes_a_prescreen(run, tmp_path: Path) -> None:
    code, _, err = run(
        *("search", "wine", "--trials", "2", "--epochs", "1", "--folds", "1", "--no-finalize"),
        *("--name", "one", "--prescreen", "params:4:2"),
    )
    assert code == 0, err
    assert "prescreen: 4 of 4 candidates scored" in err
    page = (tmp_path / "runs/one/report.html").read_text("utf-8")
    assert "prescreen.kept" in page
    assert "prescreen.scores" not in page
    code, _, err = run("search", "wine", "--prescreen", "params")
    assert code == 2
    assert "a prescreen must look like naswot:100" in err


def test_search_takes_a_guide(run, tmp_path: Path) -> None:
    code, _, err = run(
        *("search", "wine", "--trials", "3", "--epochs", "1", "--folds", "1", "--no-finalize"),
        *("--name", "one", "--guide", "naswot+params", "--strategy", "filtered"),
        *("--option", "candidates=3", "--option", "base=random"),
    )
    assert code == 0, err
    assert "candidates scored" in err
    page = (tmp_path / "runs/one/report.html").read_text("utf-8")
    assert "guide.proxies" in page
    code, _, err = run("resume", "one", "--trials", "4", "--no-finalize")
    assert code == 0, err
    assert "stopped: all 4 trials done" in err
    code, _, err = run("search", "wine", "--guide", "naswot")
    assert code == 2
    assert "'evolution' does not look at scores" in err
    code, _, err = run("search", "wine", "--strategy", "filtered")
    assert code == 2
    assert "Give one, such as guide='naswot' (--guide naswot)" in err


def test_a_comparison_takes_stored_scores_as_a_guide(run, tmp_path: Path) -> None:
    table = toy_table(tmp_path / "toy.table", edges=3)
    good = table.values("val_accuracy")[:, None, None]
    texts = tuple(table.space.format(table.architecture(row)) for row in range(len(table)))
    scores = Scores("toy", texts, ("good",), good, np.full(good.shape, "ok"), good)
    write_scores(scores, tmp_path / "scores.csv")
    code, out, err = run(
        *("compare", str(tmp_path / "toy.table"), "--guide", str(tmp_path / "scores.csv")),
        *("--strategy", "filtered:base=random,guide=good", "--strategy", "predictor:guide=null"),
        *("--budget", "12trials", "--repeats", "2", "--out", str(tmp_path / "compared")),
    )
    assert code == 0, err
    assert "filtered" in out
    assert "guide = ['good']" in html.unescape((tmp_path / "compared/report.html").read_text())
    code, _, err = run(
        *("compare", str(tmp_path / "toy.table"), "--strategy", "filtered"),
        *("--out", str(tmp_path / "other")),
    )
    assert code == 2
    assert "'filtered' chooses by scores and needs a guide" in err


def test_proxies_are_read() -> None:
    assert read_proxies(None) == [("naswot", {})]
    assert read_proxies(["a, b", "zen:repeats=2,gamma=0.1"]) == [
        *(("a", {}), ("b", {})),
        ("zen", {"repeats": 2, "gamma": 0.1}),
    ]
    with pytest.raises(UsageError, match="--proxy must look like"):
        read_proxies(["zen:repeats"])
