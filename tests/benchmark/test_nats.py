from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark import Column, open_table, write_table
from archwright.benchmark.converting import convert
from archwright.benchmark.nats import NATS, create
from archwright.errors import BenchmarkError, OutOfDomainError
from archwright.space import Choice, Space
from archwright.space.catalog.nasbench201 import nasbench201
from archwright.space.catalog.nats_size import nats_size

from .official_nats import made_up, real_cells, write_folder

RECORDS = "nats_bench_records_short.json.gz"
CELLS = (0, 1, 2, 284)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nats")


@pytest.fixture(scope="module")
def invented(folder: Path) -> NATS:
    """Made-up values of four cells, with curves."""
    space = nasbench201()
    texts = [space.format(space.at(cell)) for cell in range(300)]
    cells = {cell: made_up("tss", cell, texts[cell]) for cell in CELLS}
    source = write_folder(folder / "invented", cells, texts)
    return create(convert(source, curves=True), "tss", seed=0)


def published(folder: Path, shared_data: Path, space: str) -> NATS:
    path = folder / f"{space}.table"
    if not path.exists():
        made = nasbench201() if space == "tss" else nats_size()
        texts = [made.format(made.at(cell)) for cell in range(300)]
        cells = real_cells(shared_data / RECORDS, space)
        convert(write_folder(folder / space, cells, texts), path, curves=True)
    return create(path, space, seed=0)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("index", "dataset", "expected"),
    [
        (0, "cifar10-valid", (63.364, 63.24, math.nan, 7.221093, 2.548979)),
        (11, "cifar100", (33.64, 32.76, 33.2, 24.924114, 0.830250)),
        (284, "cifar10-valid", (72.876, 72.41, math.nan, 4.875794, 2.389493)),
    ],
)
def test_published_answers_come_out(
    folder: Path,
    shared_data: Path,
    index: int,
    dataset: str,
    expected: tuple[float, float, float, float, float],
) -> None:
    info = published(folder, shared_data, "tss").get_more_info(index, dataset, is_random=False)
    keys = ("valid-accuracy", "test-accuracy", "valtest-accuracy", "train-per-time")
    found = [info.get(key, math.nan) for key in (*keys, "valid-per-time")]
    # x-valid and ori-test were read off to the last digit, times to six digits
    assert found == pytest.approx(expected, abs=6e-7, nan_ok=True)


@pytest.mark.shared_data
def test_published_simulations_come_out(folder: Path, shared_data: Path) -> None:
    size = published(folder, shared_data, "sss")
    expected = {
        "cifar10": (41.62583088874817, 0.016367009),
        "cifar100": (73.92866325378418, 0.019713897),
        "ImageNet16-120": (143.5110206604004, 0.020596315),
    }
    total = 0.0
    for dataset, (seconds, latency) in expected.items():
        _, found_latency, found, used = size.simulate_train_eval("8:8:40:32:40", dataset, hp="12")
        total += found
        assert (found, used) == (pytest.approx(seconds, rel=1e-14), total)
        assert found_latency == pytest.approx(latency, abs=6e-10)
    topology = published(folder, shared_data, "tss")
    assert topology.simulate_train_eval(284, "cifar10")[2] == pytest.approx(
        12 * 4.875794370969136 + 2.389493485291799, rel=1e-14
    )


@pytest.mark.shared_data
def test_published_costs_come_out(folder: Path, shared_data: Path) -> None:
    info = published(folder, shared_data, "tss").get_cost_info(0, "cifar10")
    assert (info["flops"], info["params"]) == (15.64737, 0.129306)
    assert info["latency"] == 0.0139359758611311
    assert info["T-train@epoch"] == pytest.approx(14.442185997962952, rel=1e-14)
    assert info["T-ori-test@total"] == pytest.approx(12 * 1.0195916947864352, rel=1e-14)


def trial(index: int, dataset: str, seed: int, hp: str) -> dict[str, dict[object, float]]:
    space = nasbench201()
    states = made_up("tss", index, space.format(space.at(index)))
    found: dict[str, dict[object, float]] = states[hp]["all_results"][dataset, seed]
    return found


def test_one_seed_the_mean_or_a_random_one(invented: NATS) -> None:
    seeds = (777, 888, 999)
    each = [trial(2, "cifar100", seed, "200")["eval_acc1es"]["x-test@199"] for seed in seeds]
    key = "test-accuracy"
    for seed, accuracy in zip(seeds, each, strict=True):
        assert invented.get_more_info(2, "cifar100", hp="200", is_random=seed)[key] == accuracy
    mean = invented.get_more_info(2, "cifar100", hp="200", is_random=False)[key]
    assert mean == pytest.approx(np.mean(each))
    drawn = {invented.get_more_info(2, "cifar100", hp="200")[key] for _ in range(60)}
    assert drawn == set(each)


def test_one_random_seed_is_used_for_all_sets(invented: NATS) -> None:
    seeds = (777, 888, 999)
    pairs = {
        (record["train_acc1es"][199], record["eval_acc1es"]["ori-test@199"])
        for record in (trial(2, "cifar100", seed, "200") for seed in seeds)
    }
    for _ in range(30):
        info = invented.get_more_info(2, "cifar100", hp="200")
        assert (info["train-accuracy"], info["valtest-accuracy"]) in pairs


def test_earlier_epochs(invented: NATS) -> None:
    record = trial(2, "cifar10-valid", 888, "200")
    info = invented.get_more_info(2, "cifar10-valid", 24, "200", is_random=888)
    assert info["valid-accuracy"] == record["eval_acc1es"]["x-valid@24"]
    assert info["train-all-time"] == pytest.approx(25 * record["train_times"][24])
    assert info["valid-per-time"] == pytest.approx(record["eval_times"]["x-valid@24"])
    assert "test-accuracy" not in info  # evaluated at the end only
    last = invented.get_more_info(2, "cifar10-valid", 199, "200", is_random=888)
    assert last == invented.get_more_info(2, "cifar10-valid", None, "200", is_random=888)


def test_simulation_where_validation_is_missing_takes_both_halves(invented: NATS) -> None:
    record = trial(0, "cifar100", 777, "200")
    accuracy, latency, seconds, total = invented.simulate_train_eval(
        0, "cifar100", iepoch=9, hp="200", account_time=False
    )
    assert accuracy == record["eval_acc1es"]["ori-test@9"]
    expected = 10 * record["train_times"][9] + record["eval_times"]["x-valid@199"]
    assert seconds == pytest.approx(expected)
    assert latency == 0.0139359758611311
    assert total == invented.used_time


def test_time_is_accounted(invented: NATS) -> None:
    invented.reset_time()
    first = invented.simulate_train_eval(1, "cifar10")
    second = invented.simulate_train_eval(2, "ImageNet16-120", hp="200")
    invented.simulate_train_eval(2, "cifar10", account_time=False)
    assert invented.used_time == second[3] == first[2] + second[2]
    invented.reset_time()
    assert invented.used_time == 0


def test_indices_and_texts(invented: NATS) -> None:
    text = (
        "|avg_pool_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+"
        "|nor_conv_1x1~0|skip_connect~1|skip_connect~2|"
    )
    assert (len(invented), invented[0], invented.arch(0)) == (15_625, text, text)
    assert next(iter(invented)) == text

    class Cell:
        def tostr(self) -> str:
            return text

    space = nasbench201()
    for given in (0, text, Cell(), space.at(0)):
        assert invented.query_index_by_arch(given) == 0
    assert invented.query_index_by_arch("nonsense") == -1
    assert invented.query_index_by_arch(7.5) == -1
    with pytest.raises(ValueError, match="an index must be from 0 to 15624; got 15625"):
        invented.query_index_by_arch(15_625)
    assert 0 <= invented.random() < 15_625
    assert invented.search_space_name == "topology"


def test_find_best(invented: NATS) -> None:
    means = {
        index: np.mean(
            [
                trial(index, "cifar100", seed, "200")["eval_acc1es"]["x-valid@199"]
                for seed in (777, 888, 999)[: 1 + index % 3]
            ]
        )
        for index in CELLS
    }
    best = max(means, key=lambda index: means[index])
    found = invented.find_best("cifar100", "x-valid", hp="200")
    assert found == (best, pytest.approx(means[best]))
    assert invented.find_best("cifar100", "x-valid", FLOP_max=16, hp="200") == found
    index, accuracy = invented.find_best("cifar100", "x-valid", Param_max=0.1)
    assert (index, math.isnan(accuracy)) == (-1, True)
    with pytest.raises(BenchmarkError, match=r"enforce_all needs all 15625 .* the table has 4"):
        invented.find_best("cifar100", "x-valid", enforce_all=True)


def test_network_configurations(invented: NATS) -> None:
    config = invented.get_net_config(0, "cifar100")
    assert config == {
        "name": "infer.tiny", "C": 16, "N": 5, "arch_str": invented[0], "num_classes": 100
    }  # fmt: skip


def test_what_cannot_be_answered_is_said(invented: NATS, folder: Path) -> None:
    for call, message in (
        (
            lambda: invented.get_more_info(0, "mnist"),
            "dataset must be one of cifar10-valid, .*'mni",
        ),
        (
            lambda: invented.get_more_info(0, "cifar10", hp="90"),
            "hp must be one of 12, 200; got '90",
        ),
        (
            lambda: invented.get_more_info(0, "cifar10", 12),
            "iepoch of hp='12' must be 0 to 11; got 12",
        ),
        (
            lambda: invented.get_more_info(0, "cifar10", is_random=5),
            "cell 0 was trained on cifar10 with hp='12' and the seeds 111; got 5",
        ),
        (
            lambda: invented.simulate_train_eval(0, "cifar10-valid"),
            "dataset must be one of cifar10, cifar100, ImageNet16-120; got 'cifar10-valid'",
        ),
        (
            lambda: invented.find_best("cifar10", "x-valid"),
            "must be one of train, ori-test; got 'x-",
        ),
        (lambda: create(invented.table, "nats"), "search_space must be one of tss, .*got 'nats'"),
        (
            lambda: create(invented.table, "sss"),
            "'sss' needs a table of nats-size; got one of 'nats-t",
        ),
    ):
        with pytest.raises(BenchmarkError, match=message):
            call()
    with pytest.raises(OutOfDomainError, match="covers 4 of the 15,625 cells"):
        invented.get_more_info(3, "cifar10")
    with pytest.raises(OutOfDomainError, match="this is no architecture of 'nats-topology': 'x'"):
        invented.get_more_info("x", "cifar10")  # type: ignore[arg-type]


def test_a_table_without_curves_says_how_to_get_them(folder: Path) -> None:
    space = nasbench201()
    text = space.format(space.at(0))
    source = write_folder(folder / "small", {0: made_up("tss", 0, text)}, [text])
    api = create(convert(source), "topology")
    assert api.get_more_info(0, "cifar10", 11)
    with pytest.raises(BenchmarkError, match=r"no values of epoch 3: convert .* curves=True"):
        api.get_more_info(0, "cifar10", 3)


def test_another_table_is_refused(tmp_path: Path) -> None:
    columns = [(Column("val_accuracy", "fraction", "max", "val"), np.array([0.5]))]
    space = Space(a=Choice(1, 2))
    path = write_table(tmp_path / "a.table", space, np.array([[0]]), columns, name="mine")
    with pytest.raises(BenchmarkError, match="needs a table of NATS-Bench; got one of 'mine'"):
        NATS(open_table(path))
