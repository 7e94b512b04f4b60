from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from archwright import network
from archwright.benchmark import Table, open_table
from archwright.data import Dataset, load
from archwright.errors import (
    BenchmarkError,
    EnvironmentProblem,
    NetworkError,
    SpaceError,
    UnknownNameError,
)
from archwright.evaluate import recorders
from archwright.evaluate.building import SECONDS, Record, Recording, with_skeleton
from archwright.evaluate.table_building import build_table, chosen, progress_file
from archwright.seeding import derive_seed
from archwright.space import Architecture, Choice, Real, Space, space_named
from archwright.train import Recipe, fit, measure

RECIPE = Recipe(batch_size=128, optimizer="sgd", learning_rate=0.05)


def cells(**sizes: int) -> Space:
    return with_skeleton(space_named("nasbench101", max_vertices=3), stem=2, cells=1, **sizes)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    whole = load("digits", seed=0)
    return replace(whole, train=whole.train.fraction(0.2, seed=0))


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load("wine", seed=0)


def recording(data: Dataset, space: Space | None = None, **settings: object) -> Recording:
    chosen: dict[str, object] = {"epochs": (1, 2), "repeats": 2, "norm_momentum": 0.1}
    return Recording(space or cells(), data, RECIPE, **{**chosen, **settings})  # type: ignore[arg-type]


def narrow() -> Space:
    """Six small dense networks."""
    return Space({"width": Choice(4, 8, 12), "bias": Choice(True, False)}, name="narrow").bind(
        build_narrow
    )


def build_narrow(architecture: Architecture, shape: tuple[int, ...], outputs: int) -> nn.Module:
    width, bias = architecture["width"], architecture["bias"]
    return nn.Sequential(
        nn.Linear(shape[0], width, bias=bias), nn.ReLU(), nn.Linear(width, outputs)
    )


def build_fragile(architecture: Architecture, shape: tuple[int, ...], outputs: int) -> nn.Module:
    if architecture["width"] == 4:
        raise ValueError("four is too narrow")
    built = build_narrow(architecture, shape, outputs)
    if architecture["width"] == 8:
        nn.init.constant_(built[0].weight, 1e30)  # type: ignore[index]  # a Sequential
    return built


def same_but_for_seconds(one: Table, other: Table) -> bool:
    names = [metric.name for metric in one.metrics if metric.name != SECONDS]
    assert names == [metric.name for metric in other.metrics if metric.name != SECONDS]
    return all(
        np.array_equal(column_of(one, name), column_of(other, name), equal_nan=True)
        for name in names
    )


def column_of(table: Table, name: str) -> np.ndarray:
    if name in ("parameters", "macs"):
        return table.values(name)
    return np.stack([table.values(name, epochs=e, repeat="all") for e in table.epochs])


def test_a_table_has_what_each_training_gives_alone(digits: Dataset, tmp_path: Path) -> None:
    made = recording(digits)
    table = open_table(build_table(made, tmp_path / "a.table", name="a"))
    table.verify()
    assert (len(table), table.epochs, table.repeats) == (7, (1, 2), 2)
    architecture = made.space.from_codes(table.architecture(3).codes)  # with its builder
    root = derive_seed(0, "table", architecture.key, 2, 1)
    built = network.build(architecture, (1, 8, 8), 10, seed=derive_seed(root, "weights"))
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1
    seed = derive_seed(root, "training")
    fit(built, digits.train, None, RECIPE.replace(epochs=2), task=digits.task, seed=seed)
    found = table.query(architecture, epochs=2, repeat=1).metrics
    for split in ("train", "validation", "test"):
        measured = measure(built, getattr(digits, split), task=digits.task)
        loss = found[f"{split.removesuffix('idation')}_loss"]
        assert loss == pytest.approx(measured["loss"], abs=1e-3)
    assert found["parameters"] == sum(p.numel() for p in built.parameters())
    assert found[SECONDS] > 0


def test_the_header_tells_how_it_was_made(digits: Dataset, tmp_path: Path) -> None:
    made = recording(digits)
    path = build_table(made, tmp_path / "a.table", name="mine", card={"text": "small"})
    header = open_table(path).header
    provenance = header["provenance"]
    assert header["name"] == "mine"
    assert provenance["recipe"] == json.loads(json.dumps(RECIPE.to_json()))
    assert provenance["data"]["hashes"] == dict(digits.hashes)
    assert provenance["card"] == {"text": "small"}
    assert provenance["missing"] == []
    assert network.load_space(provenance["builder"]) == made.space
    assert any("test split" in note for note in header["notes"])
    assert {m.name: m.split for m in open_table(path).metrics}["test_accuracy"] == "test"


def test_a_sample_is_drawn_without_repetition(digits: Dataset, tmp_path: Path) -> None:
    made = recording(digits, epochs=(1,), repeats=1)
    for samples in (2, 5):
        keys = [a.key for a in chosen(made, samples)]
        assert len(set(keys)) == samples
        assert keys == [a.key for a in chosen(made, samples)]
    table = open_table(build_table(made, tmp_path / "a.table", name="a", samples=2))
    assert len(table) == 2
    assert table.header["domain"] == "2 architectures drawn at random"


def test_a_sample_is_uniform_where_several_answers_mean_one_architecture(digits: Dataset) -> None:
    drawn = Counter(
        one.key
        for seed in range(350)
        for one in chosen(recording(digits, epochs=(1,), repeats=1, seed=seed), 1)
    )
    assert len(drawn) == 7
    assert min(drawn.values()) > 25  # 50 expected; five deviations are 33


def test_cells_of_nasbench201_are_recorded_as_stacks(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recording, "_population", None)  # would be called for anything else
    space = with_skeleton(space_named("nasbench201"), stem=4, cells=1)
    texts = (
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        ("|nor_conv_3x3~0|+|avg_pool_3x3~0|nor_conv_1x1~1|+|skip_connect~0|none~1|nor_conv_3x3~2|"),
    )
    nothing, good = recording(digits, space, epochs=(1, 30), repeats=1).record(
        [space.parse(text) for text in texts], lambda: False
    )
    assert nothing.missing == good.missing == ()
    assert np.max(nothing.values["train_accuracy"]) < 0.2  # ten classes
    short, long = np.ravel(good.values["train_accuracy"])
    assert long > short + 0.3


def test_other_networks_are_trained_as_populations(wine: Dataset, tmp_path: Path) -> None:
    together = recording(wine, narrow(), norm_momentum=None)
    table = open_table(build_table(together, tmp_path / "a.table", name="a"))
    architecture = together.space.from_codes(table.architecture(2).codes)
    alone = together.record([architecture], lambda: False)[0]
    value = alone.values["test_loss"][1][0]
    assert table.query(architecture, epochs=2, repeat=0).metrics["test_loss"] == np.float32(value)


def test_regression_is_recorded_in_the_unit_of_the_target(tmp_path: Path) -> None:
    data = load("diabetes", seed=0)
    made = recording(data, narrow(), norm_momentum=None, epochs=(3,))
    table = open_table(build_table(made, tmp_path / "a.table", name="a"))
    assert {m.name for m in table.metrics} >= {"val_r2", "test_rmse", "train_r2"}
    assert table.values("test_rmse").min() > 30


def test_failures_are_missing_with_their_reasons(wine: Dataset, tmp_path: Path) -> None:
    made = recording(wine, narrow().bind(build_fragile), norm_momentum=None)
    table = open_table(build_table(made, tmp_path / "a.table", name="a"))
    values = table.values("val_accuracy", epochs=2, repeat="all")
    widths = [table.architecture(row)["width"] for row in range(len(table))]
    assert [bool(np.isnan(v).all()) for v in values] == [w != 12 for w in widths]
    missing = table.header["provenance"]["missing"]
    reasons = {entry["reason"][:40] for entry in missing}
    assert len(missing) == 4 * 2 * 2
    assert any("four is too narrow" in entry["reason"] for entry in missing)
    assert any("diverged" in reason for reason in reasons)
    assert any("16 trainings failed" in note for note in table.header["notes"])


def test_several_processes_give_the_same_table(wine: Dataset, tmp_path: Path) -> None:
    space = space_named("mlp", max_layers=1, activation=("relu",))
    made = recording(wine, space, epochs=(1,), repeats=2)
    one = build_table(made, tmp_path / "1.table", name="a", samples=20)
    two = build_table(made, tmp_path / "2.table", name="a", samples=20, workers=2)
    assert same_but_for_seconds(open_table(one), open_table(two))


def test_a_stopped_recording_goes_on(digits: Dataset, tmp_path: Path) -> None:
    made, counts = recording(digits, epochs=(1,)), list[int]()

    def build(name: str, stop: Callable[[], bool] | None = None) -> Path:
        return build_table(
            made,
            tmp_path / name,
            name="a",
            on_record=lambda done, total, record: counts.append(done),
            should_stop=stop,
        )

    with pytest.raises(KeyboardInterrupt):
        build("a.table", lambda: len(counts) >= 3)
    assert progress_file(tmp_path / "a.table").exists()
    assert not (tmp_path / "a.table").exists()
    resumed = build("a.table")
    assert counts == [1, 2, 3, 4, 5, 6, 7]
    assert not progress_file(resumed).exists()
    assert same_but_for_seconds(open_table(resumed), open_table(build("b.table")))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_recording_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "a.table"
    script = (
        "from archwright.frontdoor.building import build_benchmark\n"
        "build_benchmark('nasbench101', 'digits', 'OUT', space_options={'max_vertices': 3},\n"
        "    skeleton={'stem': 2, 'cells': 1}, recipe={'batch_size': 256}, epochs=(1, 2),\n"
        "    repeats=2)\n"
    )
    command = [sys.executable, "-c", script.replace("OUT", str(out))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and lines(progress_file(out)) < 4:
        time.sleep(0.01)
    process.kill()
    process.wait()
    before = lines(progress_file(out))
    assert before >= 4
    subprocess.run(command, env=environment, check=True, timeout=120)
    whole = tmp_path / "b.table"
    subprocess.run(
        [sys.executable, "-c", script.replace("OUT", str(whole))],
        env=environment,
        check=True,
        timeout=120,
    )
    assert same_but_for_seconds(open_table(out), open_table(whole))


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_lost_process_is_said_and_nothing_is_lost(
    wine: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[recorders._Crew] = []
    begin = recorders._Crew.__init__

    def remember(crew: recorders._Crew, made: Recording, workers: int) -> None:
        begin(crew, made, workers)
        started.append(crew)

    monkeypatch.setattr(recorders._Crew, "__init__", remember)

    def kill(done: int, total: int, record: Record) -> None:
        for member in started[0]._members:
            member.process.kill()

    space = space_named("mlp", max_layers=1, activation=("relu",))
    made = recording(wine, space, epochs=(1,), repeats=1)
    out = tmp_path / "a.table"
    with pytest.raises(EnvironmentProblem, match=r"ended \(exit code -9\); what was finished"):
        build_table(made, out, name="a", samples=64, workers=2, on_record=kill)
    assert lines(progress_file(out)) > 1
    monkeypatch.undo()
    assert len(open_table(build_table(made, out, name="a", samples=64))) == 64


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": ()}, r"epochs must be different whole numbers from 1 up, ascending; got \(\)"),
        ({"epochs": (2, 1)}, r"ascending; got \(2, 1\)"),
        ({"epochs": (0, 1)}, r"from 1 up, ascending; got \(0, 1\)"),
        ({"repeats": 0}, "repeats must be a whole number of at least 1; got 0"),
        ({"norm_momentum": 2.0}, r"norm_momentum must be None or a number in \(0, 1\]; got 2.0"),
    ],
)
def test_refuses_bad_settings(settings: dict[str, object], message: str, wine: Dataset) -> None:
    with pytest.raises(BenchmarkError, match=message):
        recording(wine, narrow(), **settings)


def test_refuses_recipes_that_stop_early(wine: Dataset) -> None:
    with pytest.raises(BenchmarkError, match=r"recipe\.patience must be None"):
        Recording(narrow(), wine, Recipe(patience=3), (1,))


def test_refuses_data_without_a_test_split() -> None:
    with pytest.raises(BenchmarkError, match=r"there is no test split; load with test= above 0"):
        recording(load("wine", test=0.0), narrow())


def test_refuses_data_that_do_not_fit(wine: Dataset, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"needs inputs of shape \(channels, height, width\)"):
        build_table(recording(wine), tmp_path / "a.table", name="a")
    assert list(tmp_path.iterdir()) == []


def test_refuses_to_replace_a_file(digits: Dataset, tmp_path: Path) -> None:
    (tmp_path / "a.table").write_text("precious")
    with pytest.raises(BenchmarkError, match="is there already; delete it or name another"):
        build_table(recording(digits), tmp_path / "a.table", name="a")


def test_refuses_a_folder_that_is_not_there(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="cannot be written: No such file"):
        build_table(recording(digits), tmp_path / "nowhere" / "a.table", name="a")


def test_refuses_the_progress_of_another_table(digits: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "a.table"
    counts: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        build_table(
            recording(digits),
            out,
            name="a",
            on_record=lambda done, total, record: counts.append(done),
            should_stop=lambda: bool(counts),
        )
    with pytest.raises(BenchmarkError, match="holds the progress of another table"):
        build_table(recording(digits, seed=1), out, name="a")


def test_refuses_too_many_and_too_few(wine: Dataset, tmp_path: Path) -> None:
    made = recording(wine, space_named("mlp"))
    with pytest.raises(BenchmarkError, match="architectures, too many to record all; say how many"):
        build_table(made, tmp_path / "a.table", name="a")
    with pytest.raises(BenchmarkError, match=r"samples must be from 1 to the 6 .*; got 7"):
        build_table(recording(wine, narrow()), tmp_path / "a.table", name="a", samples=7)
    real = Space({"rate": Real(0.0, 1.0)}, name="real").bind(build_narrow)
    with pytest.raises((BenchmarkError, SpaceError), match=r"too many|Real"):
        build_table(recording(wine, real), tmp_path / "a.table", name="a")


def test_refuses_spaces_that_other_processes_cannot_make(wine: Dataset, tmp_path: Path) -> None:
    local = space_named("mlp").bind(lambda *given: nn.LazyLinear(given[2]))
    with pytest.raises(BenchmarkError, match="cannot be made again in other processes; define"):
        build_table(
            replace(recording(wine, local), epochs=(1,)),
            tmp_path / "a.table",
            name="a",
            samples=20,
            workers=2,
        )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BenchmarkError, match="workers must be at least 1; got 0"):
        build_table(recording(wine, narrow()), tmp_path / "a.table", name="a", workers=0)


def test_skeletons(digits: Dataset) -> None:
    assert network.build(next(iter(cells(stacks=1).enumerate())), (1, 8, 8), 10, seed=0)
    with pytest.raises(UnknownNameError, match="skeleton option of nasbench101"):
        cells(stemm=3)
    with pytest.raises(NetworkError, match=r"networks of 'mlp' have no skeleton.*\['stem'\]"):
        with_skeleton(space_named("mlp"), stem=3)
