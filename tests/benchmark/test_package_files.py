"""NAS-Bench-Graph, AnalogNAS-Bench and HW-NAS-Bench: pickles, some of them from packages."""

from __future__ import annotations

import os
import pickle
import sys
import types
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.benchmark import Table, open_table
from archwright.benchmark.converting import convert, packaged_file
from archwright.benchmark.hardware_file import METRICS
from archwright.errors import BenchmarkError, FormatError, MissingDependencyError
from archwright.space.catalog.nasbench201 import nasbench201


class Runs:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def written(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


def packaged(tmp_path: Path, benchmark: str, package: str) -> Table:
    try:
        version(package)
    except PackageNotFoundError:
        pytest.skip(f"{package} is not installed (extra: tables)")
    return open_table(convert(None, tmp_path / "a.table", benchmark=benchmark))


GRAPH: dict[Any, Any] = {
    61237: {"valid_perf": np.float64(0.79), "perf": 0.8, "latency": 0.004, "para": 0.765191},
    1111: {"valid_perf": 0.5, "perf": 0.25, "latency": 0.001, "para": np.float64(0.5)},
}


def test_one_file_of_graphs_becomes_a_table(tmp_path: Path) -> None:
    table = open_table(convert(written(tmp_path / "cora.bench", GRAPH)))
    assert (table.name, table.datasets, len(table)) == ("nasbench-graph", ("cora",), 2)
    expected = {
        "val_accuracy": 0.79, "test_accuracy": 0.8, "latency_seconds": 0.004, "parameters": 765_191
    }  # fmt: skip
    assert table.query("61237").metrics == expected
    assert table.query("1111").metrics["parameters"] == 500_000


def test_a_folder_of_graphs_becomes_one_table_with_datasets(tmp_path: Path) -> None:
    folder = tmp_path / "light"
    folder.mkdir()
    written(folder / "cora.bench", GRAPH)
    written(folder / "proteins.bench", {1111: GRAPH[1111]})
    table = open_table(convert(folder))
    assert table.datasets == ("cora", "proteins")
    proteins = table.with_dataset("proteins")
    assert "val_roc_auc" in {metric.name for metric in proteins.metrics}
    assert np.isnan(proteins.values("test_roc_auc", [table.row("61237")])).all()
    assert table.header["domain"] == "2 of the 26,206 architectures"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1], "pickle: expected a dict, got list"),
        ({"a": {}}, "record 'a': expected an integer and a dict, got {}"),
        ({1111: 5}, "record 1111: expected an integer and a dict, got 5"),
        ({1111: {"perf": 1}}, "record 1111, field valid_perf: expected a number from 0, got None"),
        ({1111: {**GRAPH[1111], "para": -1}}, "field para: expected a number from 0, got -1"),
        ({1119: GRAPH[1111]}, "record 1119: .* at character 3: expected .*; got '9'"),
        ({88888: GRAPH[1111]}, "record 88888: .*skips only"),
        ({71234: GRAPH[1111], 75551: GRAPH[1111]}, "expected the hash .* of its architecture, got"),
    ],
)
def test_what_is_wrong_with_graphs_is_told(tmp_path: Path, value: Any, message: str) -> None:
    with pytest.raises(FormatError, match=rf"cora\.bench, .*{message}"):
        convert(written(tmp_path / "cora.bench", value))


def test_a_folder_without_graphs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "light").mkdir()
    with pytest.raises(
        FormatError, match=r"folder: expected files that end in '\.bench', got none"
    ):
        convert(tmp_path / "light", benchmark="nasbench-graph")


def test_the_package_of_graphs_gives_the_published_facts(tmp_path: Path) -> None:
    table = packaged(tmp_path, "nasbench-graph", "nas-bench-graph")
    assert "nas_bench_graph" not in sys.modules
    assert len(table) == 26_206
    cora = table.with_dataset("cora")
    found = cora.query("61237").metrics
    assert found["val_accuracy"] == pytest.approx(0.79)
    assert found["test_accuracy"] == pytest.approx(0.804667, abs=5e-7)
    assert found["latency_seconds"] == pytest.approx(0.0036519, abs=5e-8)
    assert found["parameters"] == 765_191
    assert cora.query("81111").metrics["val_accuracy"] == pytest.approx(0.786667, abs=5e-7)
    best = {
        "cora": (77016, 0.831333), "citeseer": (47206, 0.715667), "pubmed": (21512, 0.786),
        "cs": (21506, 0.912624), "physics": (45155, 0.930049), "photo": (30747, 0.927896),
        "computers": (20407, 0.855834), "arxiv": (81344, 0.723865), "proteins": (85414, 0.792634),
    }  # fmt: skip
    for dataset, (number, value) in best.items():
        view = table.with_dataset(dataset)
        metric = "test_roc_auc" if dataset == "proteins" else "test_accuracy"
        row, accuracy = view.best(metric)
        assert (row, accuracy) == (table.row(str(number)), pytest.approx(value, abs=5e-7))
    proteins = table.with_dataset("proteins").values("val_roc_auc")
    assert (~np.isnan(proteins)).sum() == 2_021
    assert cora.best("val_accuracy")[0] == table.row("87072")


@pytest.fixture
def analog_classes(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Classes by the names of the package, so that pickle can write them."""
    package, module = types.ModuleType("analognasbench"), types.ModuleType("analognasbench.data")
    for name in ("Architecture", "DriftMeasurement"):
        made = type(name, (), {"__module__": "analognasbench.data"})
        setattr(module, name, made)
    package.data = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "analognasbench", package)
    monkeypatch.setitem(sys.modules, "analognasbench.data", module)
    return module


def analog_record(module: types.ModuleType, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    record = module.Architecture()
    for name in ("baseline", "ptq", "qat", "noisy", "analog"):
        setattr(record, f"{name}_accuracy", float(rng.random() * 100))
    for name in ("baseline", "analog"):
        for seconds in (60, 3600, 86400, 2592000):
            drift = module.DriftMeasurement()
            drift.value, drift.uncertainty = (rng.random(2) * 50).tolist()
            setattr(record, f"{name}_drift_{seconds}", drift)
    return record


def test_an_analog_file_becomes_a_table(tmp_path: Path, analog_classes: types.ModuleType) -> None:
    keys = [(1, 1, 2, 1, 1, 1), (1, 1, 1, 2, 1, 1), (0, 1, 2, 3, 4, 0)]
    records = {key: analog_record(analog_classes, seed) for seed, key in enumerate(keys)}
    table = open_table(convert(written(tmp_path / "data.anb", records)))
    space = nasbench201()
    for key, record in records.items():
        found = table.query(space.of_op_indices(key)).metrics
        assert len(found) == 21
        for name in ("baseline", "ptq", "qat", "noisy", "analog"):
            assert found[f"test_accuracy_{name}"] == getattr(record, f"{name}_accuracy")
        drift = record.analog_drift_86400
        assert found["test_accuracy_analog_drift_86400s"] == drift.value
        assert found["test_accuracy_analog_drift_86400s_uncertainty"] == drift.uncertainty
    only_3x3_on_03 = "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|"
    row = table.row(only_3x3_on_03)
    expected = records[1, 1, 2, 1, 1, 1].baseline_accuracy
    assert table.values("test_accuracy_baseline", [row])[0] == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: {}, "pickle: expected a dict, got dict"),
        (lambda r: {"a": r}, "record 'a': expected six numbers and a record, got"),
        (lambda r: {(1,) * 6: 5}, "expected six numbers and a record, got 5"),
        (lambda r: {(1,) * 5: r}, "needs six operation indices from 0 to 4"),
        (lambda r: {(5,) * 6: r}, "needs six operation indices from 0 to 4"),
        (
            lambda r: (setattr(r, "qat_accuracy", 101.0), {(1,) * 6: r})[1],
            r"field qat_accuracy: expected a percentage, got 101.0",
        ),
        (
            lambda r: (setattr(r, "analog_drift_60", 5), {(1,) * 6: r})[1],
            "field analog_drift_60: expected a drift, got 5",
        ),
        (
            lambda r: (setattr(r.analog_drift_60, "value", "x"), {(1,) * 6: r})[1],
            r"field analog_drift_60\.value: expected a percentage, got 'x'",
        ),
    ],
)
def test_what_is_wrong_with_analog_records_is_told(
    tmp_path: Path, analog_classes: types.ModuleType, change: Callable[[Any], Any], message: str
) -> None:
    value = change(analog_record(analog_classes, 0))
    with pytest.raises(FormatError, match=rf"data\.anb, .*{message}"):
        convert(written(tmp_path / "data.anb", value))


def test_the_package_of_analog_accuracies_gives_the_published_facts(tmp_path: Path) -> None:
    table = packaged(tmp_path, "analog-nasbench", "analog-nasbench")
    assert "analognasbench" not in sys.modules
    space = nasbench201()
    for key, accuracy in (((1, 1, 2, 1, 1, 1), 91.70), ((1, 1, 1, 2, 1, 1), 10.0)):
        found = table.query(space.of_op_indices(key)).metrics["test_accuracy_baseline"]
        assert found == pytest.approx(accuracy, abs=0.005)
    assert table.best("test_accuracy_baseline") == (13_714, 94.0664)
    assert space.op_indices(table.architecture(13_714)) == (2, 2, 0, 2, 3, 2)
    best, _ = table.best("test_accuracy_analog")
    assert space.op_indices(table.architecture(best)) == (2, 2, 0, 4, 2, 1)
    expected = {
        "baseline": (10.0, 86.7727, 94.0664), "ptq": (10.0, 85.6730, 93.8408),
        "qat": (10.0, 85.4818, 93.5448), "noisy": (8.4716, 53.2434, 88.3520),
        "analog": (9.8052, 81.3109, 91.3260),
    }  # fmt: skip
    for name, facts in expected.items():
        values = table.values(f"test_accuracy_{name}")
        assert (values.min(), values.mean(), values.max()) == pytest.approx(facts, abs=5e-5)
    assert table.values("test_accuracy_baseline", [1462, 1835, 1651]).tolist() == pytest.approx(
        [93.2424, 60.7836, 10.0]
    )


def hardware(kind: Callable[[Any], Any] = np.asarray) -> tuple[dict[str, Any], np.ndarray]:
    numbers = np.random.default_rng(0).random((15_625, len(METRICS)))
    numbers[7, list(METRICS).index("edgetpu_latency")] = -1
    metrics = {name: kind(numbers[:, n]) for n, name in enumerate(METRICS)}
    part = {"cifar10": {**metrics, "config": [{"C": 16}] * 3}, "cifar100": metrics}
    return {"nasbench201": part, "fbnet": {"cifar100": {"x": {"k3_e1": 0.5}}}}, numbers


@pytest.mark.parametrize("kind", [np.asarray, list, lambda a: [np.float64(x) for x in a]])
@pytest.mark.parametrize("protocol", [2, 4])
def test_hardware_measurements_become_a_table(
    tmp_path: Path, kind: Callable[[Any], Any], protocol: int
) -> None:
    value, numbers = hardware(kind)
    path = written(tmp_path / "HW-NAS-Bench-v1_0.pickle", value, protocol)
    table = open_table(convert(path))
    assert (table.name, table.datasets) == ("hw-nasbench", ("cifar10", "cifar100"))
    assert table.query(0).metrics == {
        name: numbers[0, n] for n, (name, *_) in enumerate(METRICS.values())
    }
    assert {metric.unit for metric in table.metrics} == {"ms", "mJ", "operations/bit"}
    missing = np.isnan(table.values("edgetpu_latency_ms"))
    assert np.flatnonzero(missing).tolist() == [7]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "field nasbench201: expected datasets, got None"),
        ({"nasbench201": {}}, "field nasbench201: expected datasets, got {}"),
        ({"nasbench201": {"cifar10": 5}}, "field nasbench201.cifar10: expected metrics, got int"),
        ({"nasbench201": {"cifar10": {}}}, "expected metrics such as edgegpu_latency"),
        (
            {"nasbench201": {"cifar10": {"fpga_energy": [1.0, 2.0]}}},
            r"cifar10\.fpga_energy: expected 15625 numbers, got '\[1.0, 2.0\]'",
        ),
        (
            {"nasbench201": {"cifar10": {"fpga_energy": [1.0] * 9 + [-2.0] + [1.0] * 15_615}}},
            r"fpga_energy, cell 9: expected a size, got -2.0",
        ),
        ({"nasbench201": {"cifar10": {"fpga_energy": "x"}}}, "15625 numbers, got 'x'"),
    ],
)
def test_what_is_wrong_with_hardware_is_told(tmp_path: Path, value: Any, message: str) -> None:
    path = written(tmp_path / "HW-NAS-Bench-v1_0.pickle", value)
    with pytest.raises(FormatError, match=message):
        convert(path)


@pytest.mark.parametrize("name", ["cora.bench", "data.anb", "HW-NAS-Bench-v1_0.pickle"])
def test_files_that_would_run_code_do_not(tmp_path: Path, name: str) -> None:
    target = tmp_path / "made"
    path = written(tmp_path / name, {1111: Runs(target)})
    with pytest.raises(FormatError, match=rf"{name}, byte \d+ of the pickle: .*mkdir, which could"):
        convert(path)
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_package_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingDependencyError, match=r"pip install 'archwright\[tables\]'"):
        packaged_file("archwright-no-such-package", "a")
    with pytest.raises(BenchmarkError, match=r"package 'numpy' .* brings no file 'no/such\.file'"):
        packaged_file("numpy", "no/such.file")
    assert packaged_file("numpy", "numpy/version.py").is_file()
    assert packaged_file("numpy", "numpy/linalg").is_dir()
