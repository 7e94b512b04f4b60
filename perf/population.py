"""Population training against the ways in which such networks are usually trained.

    python perf/population.py [--networks 20] [--rounds 3] [--seconds 4] [--out perf/results/...]

Task: one epoch of each of 20 dense networks (1-3 hidden layers of 50-200 units) on 60,000 inputs of
784, batch 64, Adam at 0.001. With ARCHWRIGHT_SHARED_DATA set, the 10,000 training digits of
mnist_20k.npz are used instead of synthetic ones.

    a    a DataLoader that turns one PIL image after the other into a normalised tensor
    b    tensors in memory, sliced; `torch.optim.Adam` as it comes
    b3   the same with fused=True
    e    `archwright.train.fit_many`, or `fit` for the single network

All engines take turns in one process, so that a busy machine slows each of them; compare ratios,
not seconds. The slow ones (a, b, b3) run some steps of each network in turn, with one processor
thread and with all of them; the better of the two counts, scaled to whole epochs. Ours runs whole.

A second task has 6 small convolutional networks on 1,000 images of 3 x 32 x 32, batch 64: `fit`
for one after the other with all threads (s), or with one (s1), against `fit_many` (e).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from archwright.data import Split, Task
from archwright.train import Recipe, fit, fit_many

BATCH = 64
TASK = Task("classification", 10)
RECIPE = Recipe(epochs=1, batch_size=BATCH, optimizer="adam", schedule="constant", weight_decay=0.0)
GOALS = {
    "population_over_a": 10.0,
    "population_over_b": 2.0,
    "single_over_a": 6.0,
    "single_over_b3": 1.0,
    "convolutions_over_s": 1.0,
}
Batches = Iterator[tuple[Tensor, Tensor]]


def images() -> tuple[np.ndarray, np.ndarray]:
    """Return uint8 images `(rows, 28, 28)` and their classes."""
    if folder := os.environ.get("ARCHWRIGHT_SHARED_DATA"):
        with np.load(Path(folder) / "mnist_20k.npz", allow_pickle=False) as file:
            return file["x_train"].reshape(-1, 28, 28), file["y_train"].astype(np.int64)
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (60_000, 28, 28), dtype=np.uint8), rng.integers(0, 10, 60_000)


def shapes_of(count: int) -> list[list[int]]:
    rng = random.Random(0)
    return [[rng.randint(50, 200) for _ in range(rng.randint(1, 3))] for _ in range(count)]


def network(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Flatten()]
    before = 784
    for width in widths:
        layers += [nn.Linear(before, width), nn.ReLU()]
        before = width
    return nn.Sequential(*layers, nn.Linear(before, 10))


def convolutional(width: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 3
    for stride in (1, 2, 2):
        layers += [
            nn.Conv2d(before, width, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


class PerSample(Dataset[tuple[Tensor, int]]):
    """What the usual tutorial does: one image, one transform, one sample at a time."""

    def __init__(self, pixels: np.ndarray, classes: np.ndarray) -> None:
        self.pixels, self.classes = pixels, classes

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        image = Image.fromarray(self.pixels[row])
        tensor = torch.from_numpy(np.array(image, np.uint8, copy=True)).view(1, 28, 28)
        tensor = tensor.contiguous().to(torch.get_default_dtype()).div(255)
        mean, deviation = torch.as_tensor([0.1307]), torch.as_tensor([0.3081])
        return tensor.clone().sub_(mean[:, None, None]).div_(deviation[:, None, None]), int(
            self.classes[row]
        )


def loaded(pixels: np.ndarray, classes: np.ndarray) -> Batches:
    return iter(DataLoader(PerSample(pixels, classes), BATCH, shuffle=True))


def sliced(split: Split) -> Batches:
    for rows in torch.randperm(len(split)).split(BATCH):
        yield split.inputs[rows], split.targets[rows]


def steps_per_second(
    widths: list[int], batches: Batches, seconds: float, *, threads: int, fused: bool | None
) -> float:
    """Train with autograd and `torch.optim` for a while; the first two steps do not count."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    net = network(widths)
    optimizer = torch.optim.Adam(net.parameters(), fused=fused)
    done, started = -2, time.perf_counter()
    for inputs, targets in batches:
        loss = nn.functional.cross_entropy(net(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        done += 1
        if done == 0:
            started = time.perf_counter()
        if done > 0 and time.perf_counter() - started > seconds:
            break
    elapsed = time.perf_counter() - started
    torch.set_num_threads(before)
    return done / elapsed


def measure(arguments: argparse.Namespace) -> dict[str, dict[str, list[float]]]:
    """Return seconds for one epoch, one value a round, by task and engine."""
    pixels, classes = images()
    inputs = torch.from_numpy(pixels).float().div_(255).sub_(0.1307).div_(0.3081).flatten(1)
    split = Split(inputs, torch.from_numpy(classes))
    shapes = shapes_of(arguments.networks)
    single = [125, 125]
    steps = -(-len(split) // BATCH)
    counts = sorted({1, torch.get_num_threads()})
    times: dict[str, dict[str, list[float]]] = {"population": {}, "single": {}, "convolutions": {}}

    def usual(
        name: str, make: Callable[[], Batches], fused: bool | None, widths: list[list[int]]
    ) -> None:
        task = "single" if len(widths) == 1 else "population"
        share = arguments.seconds / len(widths) / len(counts)
        for threads in counts:
            rates = [
                steps_per_second(w, make(), share, threads=threads, fused=fused) for w in widths
            ]
            key = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
            times[task].setdefault(key, []).append(sum(steps / rate for rate in rates))

    def ours(widths: list[list[int]]) -> None:
        networks = [network(w) for w in widths]
        started = time.perf_counter()
        if len(widths) == 1:
            fit(networks[0], split, None, RECIPE, task=TASK, seed=0)
        else:
            found = fit_many(networks, split, None, RECIPE, task=TASK, seeds=range(len(networks)))
            for one in found:
                if isinstance(one, Exception):
                    raise one
        task = "single" if len(widths) == 1 else "population"
        times[task].setdefault("e", []).append(time.perf_counter() - started)

    pictures = Split(torch.randn(1000, 3, 32, 32), torch.randint(10, (1000,)))
    widths_of_convolutions = (8, 8, 16, 16, 24, 32)

    def convolutions(name: str, threads: int | None) -> None:
        networks = [convolutional(width) for width in widths_of_convolutions]
        started = time.perf_counter()
        if name == "e":
            fit_many(networks, pictures, None, RECIPE, task=TASK, seeds=range(len(networks)))
        else:
            recipe = RECIPE.replace(threads=threads)
            for seed, one in enumerate(networks):
                fit(one, pictures, None, recipe, task=TASK, seed=seed)
        times["convolutions"].setdefault(name, []).append(time.perf_counter() - started)

    def round_of_turns() -> None:
        for name, threads in (("s", None), ("e", None), ("s1", 1), ("e", None)):
            convolutions(name, threads)
        for widths in (shapes, [single]):
            usual("a", lambda: loaded(pixels, classes), None, widths)
            ours(widths)
            usual("b", lambda: sliced(split), None, widths)
            ours(widths)
            usual("b3", lambda: sliced(split), True, widths)

    fit(network(single), split.fraction(0.1, seed=0), None, RECIPE, task=TASK, seed=0)  # warm up
    for _ in range(arguments.rounds):
        round_of_turns()
    return times


def summary(times: dict[str, list[float]]) -> dict[str, float]:
    """Return the median over the rounds, for the usual engines the better number of threads."""
    medians = {name: statistics.median(values) for name, values in times.items()}
    best: dict[str, float] = {}
    for name, value in medians.items():
        engine = name.split(",")[0]
        best[engine] = min(value, best.get(engine, float("inf")))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="per usual engine and round")
    parser.add_argument("--out", type=Path, default=Path("perf/results/population.json"))
    arguments = parser.parse_args()
    times = measure(arguments)
    best = {task: summary(values) for task, values in times.items()}
    ratios = {
        f"{task}_over_{engine}": best[task][engine] / best[task]["e"]
        for task in best
        for engine in best[task]
        if engine != "e"
    }
    for task, values in times.items():
        print(f"\n{task}: seconds for one epoch, median (least - most) of the rounds")
        for name, seconds in sorted(values.items()):
            middle = statistics.median(seconds)
            print(f"  {name:14} {middle:8.2f} ({min(seconds):.2f} - {max(seconds):.2f})")
    print()
    for name, ratio in ratios.items():
        goal = GOALS.get(name)
        note = "" if goal is None else f"  goal {goal:g}: {'met' if ratio >= goal else 'MISSED'}"
        print(f"{name:20} {ratio:6.2f}{note}")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "data": "mnist" if os.environ.get("ARCHWRIGHT_SHARED_DATA") else "synthetic",
        "networks": arguments.networks,
        "rounds": arguments.rounds,
        "seconds_per_engine": arguments.seconds,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "machine": platform.machine(),
        "seconds": times,
        "ratios": ratios,
        "goals": GOALS,
    }
    arguments.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0 if all(ratios[name] >= goal for name, goal in GOALS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
