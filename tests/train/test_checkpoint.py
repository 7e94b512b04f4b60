from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from archwright.data import Split, Task
from archwright.errors import EvaluationError
from archwright.train import Fitted, Recipe, fit
from archwright.train.checkpoint import read_checkpoint, write_checkpoint

Maker = Callable[..., nn.Sequential]
Splits = tuple[Split, Split]

# What the child process and the uninterrupted run both do; the child is killed while it does it.
SCENE = """
import sys, time, torch
from pathlib import Path
from torch import nn
from archwright.data import Split, Task
from archwright.train import Recipe, fit

def scene(kind, checkpoint, pause):
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(150, 1, 8, 8, generator=rng)
    targets = torch.randint(3, (150,), generator=rng)
    train, validation = Split(inputs[:101], targets[:101]), Split(inputs[101:], targets[101:])
    torch.manual_seed(1)
    recipe = Recipe(epochs=40, batch_size=20, ema_decay=0.9, patience=30, clip_norm=1.0)
    if kind == "dense":
        network = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 30), nn.BatchNorm1d(30), nn.ReLU(), nn.Dropout(0.2),
            nn.Linear(30, 3),
        )
    else:
        recipe = recipe.replace(augment=("crop", "flip", "cutout"), optimizer="sgd")
        network = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.2), nn.RReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
        )
    return fit(
        network, train, validation, recipe, task=Task("classification", 3), seed=4,
        checkpoint=checkpoint, checkpoint_seconds=0.0, on_epoch=lambda *_: time.sleep(pause),
    )
"""


def _scene(kind: str, checkpoint: Path | None = None) -> Fitted:
    namespace: dict[str, Any] = {}
    exec(SCENE, namespace)
    fitted: Fitted = namespace["scene"](kind, checkpoint, 0.0)
    return fitted


def _kill_midway(kind: str, checkpoint: Path, pause: float) -> None:
    """Start a child, wait until it has written two more checkpoints, and kill it at once."""
    code = f"{SCENE}\nscene({kind!r}, Path({str(checkpoint)!r}), {pause})"
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        stamps: set[int] = set()
        deadline = time.monotonic() + 120
        while len(stamps) < 3 and time.monotonic() < deadline:
            assert child.poll() is None, "the child ended before it could be killed"
            if checkpoint.exists():
                stamps.add(checkpoint.stat().st_mtime_ns)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert len(stamps) == 3


@pytest.mark.parametrize("kind", ["dense", "eager"])
def test_a_killed_training_resumes_bit_for_bit(tmp_path: Path, kind: str) -> None:
    checkpoint = tmp_path / "deep" / "training.safetensors"
    for pause in (0.03, 0.02):
        _kill_midway(kind, checkpoint, pause)
        _, facts = read_checkpoint(checkpoint)
        assert 0 < facts["epoch"] < 40
    resumed, whole = _scene(kind, checkpoint), _scene(kind)
    assert resumed.engine == kind
    assert resumed.curve == whole.curve
    assert resumed.metrics == whole.metrics
    assert (resumed.epochs_run, resumed.best_epoch) == (whole.epochs_run, whole.best_epoch)
    states = resumed.network.state_dict(), whole.network.state_dict()
    for name in states[0]:
        assert torch.equal(states[0][name], states[1][name]), name
    assert resumed.duration_seconds > facts["seconds"]


def test_a_finished_training_is_not_done_again(
    mlp: Maker, digits: Splits, ten: Task, tmp_path: Path
) -> None:
    path = tmp_path / "training"
    first = fit(mlp(10), *digits, Recipe(epochs=2), task=ten, seed=0, checkpoint=path)
    told: list[int] = []
    again = fit(
        mlp(10, seed=9),
        *digits,
        Recipe(epochs=2),
        task=ten,
        seed=0,
        checkpoint=path,
        on_epoch=lambda epoch, _: told.append(epoch),
    )
    assert told == []
    assert again.metrics == first.metrics
    assert again.duration_seconds == first.duration_seconds
    for one, other in zip(again.network.parameters(), first.network.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("change", ["seed", "recipe", "network", "data"])
def test_the_checkpoint_of_another_training_is_refused(
    mlp: Maker, digits: Splits, ten: Task, tmp_path: Path, change: str
) -> None:
    path = tmp_path / "training"
    train, validation = digits
    fit(mlp(10), train, validation, Recipe(epochs=1), task=ten, seed=0, checkpoint=path)
    other = Split(train.inputs, train.targets, rows_hash="other")
    with pytest.raises(EvaluationError, match="belongs to another training") as caught:
        fit(
            mlp(11 if change == "network" else 10),
            other if change == "data" else train,
            validation,
            Recipe(epochs=2 if change == "recipe" else 1),
            task=ten,
            seed=1 if change == "seed" else 0,
            checkpoint=path,
        )
    assert caught.value.status == "invalid"


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\x08" + b"\0" * 7 + b"{}      "])
def test_a_file_that_is_no_checkpoint_is_refused(
    mlp: Maker, digits: Splits, ten: Task, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "training"
    path.write_bytes(content)
    with pytest.raises(EvaluationError, match="is not a checkpoint of a training"):
        fit(mlp(10), *digits, Recipe(epochs=1), task=ten, seed=0, checkpoint=path)
    assert path.read_bytes() == content


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    write_checkpoint(path, {"x": torch.ones(3)}, {"epoch": 1})

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_checkpoint(path, {"x": torch.zeros(3)}, {"epoch": 2})
    tensors, facts = read_checkpoint(path)
    assert facts == {"epoch": 1}
    assert torch.equal(tensors["x"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["state"]


def test_the_file_is_synced_before_it_takes_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def spy(*args: Any, _real: Any = real, _name: str = name) -> Any:
            calls.append(_name)
            return _real(*args)

        monkeypatch.setattr(os, name, spy)
    write_checkpoint(tmp_path / "state", {"x": torch.ones(3)}, {})
    assert calls == ["fsync", "replace", "fsync"]


def test_what_killed_processes_left_is_swept_up_after_a_while(tmp_path: Path) -> None:
    old, new, foreign = (tmp_path / n for n in (".state.a.tmp", ".state.b.tmp", ".other.c.tmp"))
    for left in (old, new, foreign):
        left.touch()
    for left in (old, foreign):
        os.utime(left, (time.time() - 3600, time.time() - 3600))
    write_checkpoint(tmp_path / "state", {"x": torch.ones(3)}, {})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".other.c.tmp", ".state.b.tmp", "state"]
