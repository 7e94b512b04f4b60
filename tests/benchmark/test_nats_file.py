from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from archwright.benchmark import Table, open_table
from archwright.benchmark.converting import convert
from archwright.errors import FormatError
from archwright.space.catalog.nasbench201 import nasbench201
from archwright.space.catalog.nats_size import nats_size

from .official_nats import SETS, Cells, made_up, real_cells, write_cell, write_folder, write_whole

RECORDS = "nats_bench_records_short.json.gz"
PARTS = {
    "cifar10-valid": {"x-valid": "val", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"x-valid": "val", "x-test": "test", "ori-test": "valtest"},
    "ImageNet16-120": {"x-valid": "val", "x-test": "test", "ori-test": "valtest"},
}


def texts_of(space: str) -> list[str]:
    made = nasbench201() if space == "tss" else nats_size()
    return [made.format(made.at(cell)) for cell in range(400)]


def some_cells(space: str) -> Cells:
    texts = texts_of(space)
    return {cell: made_up(space, cell, texts[cell]) for cell in (0, 1, 2, 7, 284)}


def number(table: Table, metric: str, row: int, epochs: int, seed: int) -> float:
    [column] = [c for c in table.columns if (c.dataset, c.name) == (table.dataset, metric)]
    if not column.epochs:
        return float(table.values(metric, [row])[0])
    repeat = column.seeds.index(seed)
    return float(table.values(metric, [row], epochs=epochs, repeat=repeat)[0])


def assert_final_values(path: Path, cells: Cells, texts: list[str]) -> int:
    """Compare what every training ended with; return how many numbers there were."""
    table, count = open_table(path), 0
    table.verify()
    for cell, states in cells.items():
        row = table.row(texts[cell])
        for schedule, state in states.items():
            for (dataset, seed), trial in state["all_results"].items():
                bound, epochs = table.with_dataset(dataset), int(schedule)
                last = epochs - 1
                expected = {
                    "train_accuracy": trial["train_acc1es"][last],
                    "train_loss": trial["train_losses"][last],
                    "training_seconds": sum(trial["train_times"].values()),
                    "parameters": round(trial["params"] * 1e6),
                    "macs": round(trial["flop"] * 1e6),
                }
                if trial["train_acc5es"] is not None:
                    expected["train_top5_accuracy"] = trial["train_acc5es"][last]
                if trial["latency"]:
                    expected["latency_seconds"] = trial["latency"][0]
                for name, part in PARTS[dataset].items():
                    expected[f"{part}_accuracy"] = trial["eval_acc1es"][f"{name}@{last}"]
                    expected[f"{part}_loss"] = trial["eval_losses"][f"{name}@{last}"]
                    times = [trial["eval_times"][f"{name}@{epoch}"] for epoch in range(epochs)]
                    expected[f"{part}_seconds"] = math.fsum(times)
                for metric, value in expected.items():
                    found = number(bound, metric, row, epochs, seed)
                    if metric.endswith("seconds"):
                        assert found == pytest.approx(value, rel=1e-14)
                    else:
                        assert found == value, (metric, cell, schedule, dataset, seed)
                    count += 1
    return count


def assert_curves(path: Path, cells: Cells, texts: list[str]) -> None:
    table = open_table(path)
    fields = {"train_accuracy": "train_acc1es", "train_loss": "train_losses"}
    for cell, states in cells.items():
        row = table.row(texts[cell])
        for schedule, state in states.items():
            for (dataset, seed), trial in state["all_results"].items():
                bound = table.with_dataset(f"{dataset}.curve{int(schedule)}")
                assert bound.epochs == tuple(range(1, int(schedule) + 1))
                for epoch in range(int(schedule)):
                    for metric, field in fields.items():
                        found = number(bound, metric, row, epoch + 1, seed)
                        assert found == trial[field][epoch]
                    for name, part in PARTS[dataset].items():
                        found = number(bound, f"{part}_accuracy", row, epoch + 1, seed)
                        expected = trial["eval_acc1es"].get(f"{name}@{epoch}", math.nan)
                        assert found == expected or (math.isnan(found) and math.isnan(expected))


@pytest.mark.parametrize("space", ["tss", "sss"])
def test_a_folder_becomes_a_table_of_equal_numbers(tmp_path: Path, space: str) -> None:
    cells, texts, told = some_cells(space), texts_of(space), []
    folder = write_folder(tmp_path / "NATS-simple", cells, texts)
    path = convert(folder, progress=lambda done, total: told.append((done, total)))
    assert path == tmp_path / "NATS-simple.table"
    assert assert_final_values(path, cells, texts) > 500
    assert told == [(done, 5) for done in range(1, 6)]
    table = open_table(path)
    assert table.datasets == tuple(SETS)
    assert table.epochs == ((12, 200) if space == "tss" else (1, 12, 90))
    assert table.name == {"tss": "nats-topology", "sss": "nats-size"}[space]
    source = table.header["provenance"]["sources"][0]
    assert (source["file"], source["files"]) == ("NATS-simple", 6)


def test_what_a_seed_or_an_epoch_lacks_is_missing(tmp_path: Path) -> None:
    cells, texts = some_cells("tss"), texts_of("tss")
    table = open_table(convert(write_folder(tmp_path / "a", cells, texts), curves=True))
    c100 = table.with_dataset("cifar100")
    [column] = [c for c in table.columns if c.full_name == "cifar100/val_accuracy"]
    assert column.seeds == (111, 777, 888, 999)
    there = ~np.isnan(c100.values("val_accuracy", epochs=200, repeat="all"))
    assert there.sum(axis=1).tolist() == [1 + cell % 3 for cell in (0, 1, 2, 7, 284)]
    assert not there[:, 0].any()  # seed 111 is of the short schedule
    assert "val_accuracy" not in c100.query(0, epochs=200, repeat=1).info.get("missing", ())
    names = [metric.name for metric in table.with_dataset("cifar10").metrics]
    assert "val_accuracy" not in names
    curve = table.with_dataset("cifar100.curve200").values("val_accuracy", epochs=199)
    assert np.isnan(curve).all()


@pytest.mark.parametrize("space", ["tss", "sss"])
def test_curves_are_kept_when_asked_for(tmp_path: Path, space: str) -> None:
    texts = texts_of(space)
    cells = {cell: made_up(space, cell, texts[cell]) for cell in (0, 2)}
    path = convert(write_folder(tmp_path / "a", cells, texts), curves=True)
    assert_final_values(path, cells, texts)
    assert_curves(path, cells, texts)


def test_files_in_one_piece_say_the_same(tmp_path: Path) -> None:
    cells, texts = some_cells("tss"), texts_of("tss")
    packed = write_whole(tmp_path / "NATS.pickle.pbz2", cells, texts)
    assert_final_values(convert(packed), cells, texts)
    renamed = {
        cell: {"less": states["12"], "full": states["200"]} for cell, states in cells.items()
    }
    content = {"meta_archs": texts, "arch2infos": renamed, "evaluated_indexes": set(cells)}
    for zipped in (True, False):
        path = tmp_path / f"NAS-Bench-201-{zipped}.pth"
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        assert_final_values(convert(path), cells, texts)


@pytest.mark.shared_data
@pytest.mark.parametrize("space", ["tss", "sss"])
def test_published_records_become_equal_numbers(
    tmp_path: Path, shared_data: Path, space: str
) -> None:
    cells, texts = real_cells(shared_data / RECORDS, space), texts_of(space)
    path = convert(write_folder(tmp_path / "NATS", cells, texts), curves=True)
    assert assert_final_values(path, cells, texts) > 100
    assert_curves(path, cells, texts)


Change = Callable[[dict[str, Any]], Any]


def trial(states: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = states["12"]["all_results"]["cifar100", 111]
    return found


TRAINING = r"cell 1, schedule '12', training \('cifar100', 111\)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["12"].pop("all_results"), "cell 1, schedule '12': expected a state"),
        (lambda s: s["12"].update(arch_index=2), r"expected the state of \(1, '.*'\), got \(2"),
        (lambda s: s["12"].update(arch_str="|x~0|"), r"expected the state of \(1"),
        (lambda s: s.update(x=s.pop("12")), "cell 1: expected schedules such as '12' .* got 'x'"),
        (
            lambda s: s["12"]["all_results"].update({"x": {}}),
            r"expected \(dataset, seed\) with a dataset of cifar10-valid, .*, got 'x'",
        ),
        (
            lambda s: s["12"]["all_results"].update({("cifar10", "7"): {}}),
            "expected a whole seed and a training, got",
        ),
        (lambda s: trial(s).update(epochs=0), f"{TRAINING}, field epochs: expected 1 to 1000"),
        (lambda s: trial(s).update(epochs=13), "expected 12 epochs, got 13"),
        (lambda s: trial(s).update(seed="0112"), r"name and seed: expected \('cifar100', 111\)"),
        (lambda s: trial(s).update(name="cifar10"), "name and seed: expected"),
        (lambda s: trial(s).update(train_acc1es=7), "field train_acc1es: expected a dict, got 7"),
        (
            lambda s: trial(s)["train_losses"].update({12: 0.5}),
            "field train_losses: expected epochs from 0 to 11, got 12",
        ),
        (
            lambda s: trial(s)["train_acc1es"].update({3: 101.0}),
            "field train_accuracy, epoch 3: expected a percentage, got 101.0",
        ),
        (
            lambda s: trial(s)["eval_losses"].update({"x-test@4": -1.0}),
            "field test_loss, epoch 4: expected a number from 0, got -1.0",
        ),
        (
            lambda s: trial(s)["eval_times"].update({"x-other@4": 1.0}),
            r"eval_times: expected keys set@epoch with a set of x-valid, x-test, ori-test and an "
            "epoch below 12, got 'x-other@4'",
        ),
        (lambda s: trial(s)["eval_acc1es"].update({"x-test@12": 1.0}), "got 'x-test@12'"),
        (lambda s: trial(s)["eval_acc1es"].update({"x-test@4": None}), "a number, got None"),
        (lambda s: trial(s).update(params=math.nan), "field params: expected a number, got nan"),
        (lambda s: trial(s).update(latency=0.1), "field latency: expected a list of seconds"),
        (lambda s: s.clear(), "cell 1: expected states, got dict"),
    ],
)
def test_what_is_wrong_is_told_with_cell_training_and_field(
    tmp_path: Path, change: Change, message: str
) -> None:
    texts = texts_of("tss")
    cells = {cell: made_up("tss", cell, texts[cell]) for cell in (0, 1)}
    change(cells[1])
    folder = write_folder(tmp_path / "NATS", cells, texts)
    with pytest.raises(FormatError, match=rf"000001\.pickle\.pbz2, .*{message}"):
        convert(folder)
    assert [file.name for file in tmp_path.iterdir()] == ["NATS"]


def test_a_cell_outside_the_space_is_refused(tmp_path: Path) -> None:
    texts = texts_of("tss")
    states = made_up("tss", 0, texts[0])
    folder = write_folder(tmp_path / "NATS", {}, texts)
    write_cell(folder, 15_625, states)
    with pytest.raises(FormatError, match=r"cell 15625: .*0 to 15624"):
        convert(folder)


def test_a_state_without_text_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "NATS", {}, [])
    write_cell(folder, 0, {"12": {}})
    with pytest.raises(FormatError, match="cell 0, field arch_str: expected text, got None"):
        convert(folder)


def test_one_cell_in_two_files_is_refused(tmp_path: Path) -> None:
    texts = texts_of("tss")
    states = made_up("tss", 0, texts[0])
    folder = write_folder(tmp_path / "NATS", {0: states}, texts)
    (folder / "0.pickle.pbz2").write_bytes((folder / "000000.pickle.pbz2").read_bytes())
    with pytest.raises(FormatError, match="cell 0: expected each cell once, got it again"):
        convert(folder)


def test_a_folder_without_cells_is_refused(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "NATS", {}, [])
    with pytest.raises(FormatError, match=r"folder: expected cells such as '000000\.pickle\.pbz2'"):
        convert(folder, benchmark="nats")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "field arch2infos: expected cells, got NoneType"),
        ({"arch2infos": {}}, "field arch2infos: expected cells, got dict"),
        ({"arch2infos": {"a": {}}}, "field arch2infos: expected whole numbers, got 'a'"),
    ],
)
def test_files_in_one_piece_without_cells_are_refused(
    tmp_path: Path, content: Any, message: str
) -> None:
    path = tmp_path / "a.pth"
    torch.save(content, path)
    with pytest.raises(FormatError, match=message):
        convert(path)


def test_trainings_that_disagree_about_sizes_keep_them_apart(tmp_path: Path) -> None:
    texts = texts_of("sss")
    states = made_up("sss", 0, texts[0])
    for (_, seed), one in states["12"]["all_results"].items():
        one["flop"] += seed
    table = open_table(convert(write_folder(tmp_path / "a", {0: copy.deepcopy(states)}, texts)))
    macs = table.values("macs", epochs=12, repeat="all")[0]
    assert macs.tolist() == [792_647_370, 903_647_370, 1_014_647_370]
    assert pickle.dumps(table.values("parameters")[0]) == pickle.dumps(np.float64(129_306))
