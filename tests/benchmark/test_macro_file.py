from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.benchmark import open_table
from archwright.benchmark.converting import convert
from archwright.errors import FormatError
from archwright.space.catalog.nasbench_macro import nasbench_macro

Records = dict[str, dict[str, Any]]


def record(*accuracies: float, params: int = 387_882, flops: int = 7_713_280) -> dict[str, Any]:
    runs = list(accuracies)
    mean, std = round(float(np.mean(runs)), 6), round(float(np.std(runs)), 6)
    return {"test_acc": runs, "mean_acc": mean, "std": std, "params": params, "flops": flops}


def some() -> Records:
    return {
        "00000000": record(45.36, 45.41, 45.32),
        "22212220": record(93.0, 93.25, 93.13, params=1_985_514, flops=85_164_544),
    }


def written(path: Path, records: Any) -> Path:
    path.write_text(json.dumps(records))
    return path


def test_every_number_is_the_written_one(tmp_path: Path) -> None:
    table = open_table(convert(written(tmp_path / "macro.json", some())))
    assert (table.name, len(table), table.epochs, table.repeats) == ("nasbench-macro", 2, (50,), 3)
    for text, expected in some().items():
        row = table.row(text)
        assert table.values("test_accuracy", [row], repeat="all").tolist() == [expected["test_acc"]]
        assert table.values("parameters", [row])[0] == expected["params"]
        assert table.values("macs", [row])[0] == expected["flops"]
    assert table.header["domain"] == "2 of the 6,561 networks"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update({"0000000": {}}), "record '0000000': .*character 7"),
        (lambda r: r.update({"33333333": {}}), "record '33333333': "),
        (lambda r: r.update({"11111111": 5}), "'11111111', field test_acc: expected 3 percentages"),
        (lambda r: r["00000000"].update(test_acc=[1, 2]), r"3 percentages, got \[1, 2\]"),
        (lambda r: r["00000000"].update(test_acc=[1, 2, 101]), "field test_acc: expected"),
        (lambda r: r["00000000"].update(test_acc=[1, 2, True]), "field test_acc: expected"),
        (lambda r: r["00000000"].update(mean_acc=45.4), "mean_acc: expected 45.363333, .*got 45.4"),
        (lambda r: r["00000000"].update(std=None), "field std: expected 0.03.*, got None"),
        (lambda r: r["00000000"].update(params=1.5), "field params: expected a count, got 1.5"),
        (lambda r: r["00000000"].pop("flops"), "field flops: expected a count, got None"),
    ],
)
def test_what_is_wrong_is_told_with_architecture_and_field(
    tmp_path: Path, change: Callable[[Records], Any], message: str
) -> None:
    records = some()
    change(records)
    with pytest.raises(FormatError, match=rf"macro\.json, .*{message}"):
        convert(written(tmp_path / "macro.json", records), benchmark="nasbench-macro")
    assert [file.name for file in tmp_path.iterdir()] == ["macro.json"]


def test_means_are_compared_only_when_strict(tmp_path: Path) -> None:
    records = some()
    records["00000000"]["mean_acc"] = 99
    path = written(tmp_path / "macro.json", records)
    assert len(open_table(convert(path, strict=False))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "JSON: expected an object of architectures: "),
        ("[" * 100_000, "JSON: expected an object of architectures: "),
        ("[]", "JSON: expected an object of architectures, got another value"),
        ("{}", "JSON: expected an object of architectures, got another value"),
        ('{"00000000": 1, "00000000": 2}', "'00000000' stands there twice"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "macro.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=re.escape(message)):
        convert(path, benchmark="nasbench-macro")


@pytest.mark.shared_data
def test_the_published_records_give_the_published_facts(tmp_path: Path, shared_data: Path) -> None:
    data = np.load(shared_data / "nas_bench_macro_cifar10.npz")
    parts = (data["arch"], data["test_acc"], data["mean_acc"], data["std"], data["params"])
    records = {
        "".join(map(str, arch)): {
            "test_acc": runs, "mean_acc": mean, "std": std, "params": params, "flops": flops
        }
        for arch, runs, mean, std, params, flops in zip(
            *(part.tolist() for part in (*parts, data["flops"])), strict=True
        )
    }  # fmt: skip
    table = open_table(convert(written(tmp_path / "macro.json", records)))
    assert len(table) == 6_561
    assert table.header["domain"] == ""
    for text, mean, params, macs in (
        ("00000000", 45.3633, 387_882, 7_713_280),
        ("11111111", 91.9300, 1_588_874, 53_246_464),
        ("22222222", 92.9533, 2_932_586, 105_660_928),
        ("22212220", 93.126663, 1_985_514, 85_164_544),
        ("22212202", 93.126663, 1_985_514, 85_164_544),
    ):
        found = table.query(text).metrics
        assert found["test_accuracy"] == pytest.approx(mean, abs=5e-5)
        assert (found["parameters"], found["macs"]) == (params, macs)
    row, best = table.best("test_accuracy")
    assert table.space.format(table.architecture(row)) in ("22212220", "22212202")
    assert best == pytest.approx(93.126663, abs=5e-6)
    accuracies = table.values("test_accuracy")
    assert accuracies.mean() == pytest.approx(90.2466, abs=5e-5)
    merged = nasbench_macro(equivalence="isomorphism")
    for arch, accuracy in zip(data["arch"].tolist(), accuracies, strict=True):
        text = merged.format(merged.from_codes(arch))
        assert table.values("test_accuracy", [table.row(text)])[0] == accuracy
