"""Stacks of networks of equal structure, against training each alone.

    python perf/stacked.py [--networks 6] [--rounds 3] [--out perf/results/stacked.json]

Task: one epoch of 6 convolutional networks of equal structure, SGD, batch 64. The cell has two
branches of convolutions, a maximum and a projection, one cell on each of three stacks.

    digits-4    1,078 images of 1 x 8 x 8, 4, 8 and 16 channels
    digits-16   the same images, 16, 32 and 64 channels
    photos-8    256 random images of 3 x 32 x 32, 8, 16 and 32 channels
    cells-201   the digits, 10 random cells of NAS-Bench-201, 4, 8 and 16 channels, 6 times each

Engines: `fit` for one after the other on one thread (s1), `fit_many` with all threads (m),
`fit_stacked` on one thread (e). They take turns, so that a busy machine slows each of them; compare
ratios, not seconds. Processor time, which counts s1 and e without what else the machine does, is
`processor_seconds`. The budget is for digits-4, which is what stacks are for.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from archwright.data import Split, Task, load
from archwright.network import build
from archwright.network.nasbench201 import build_nasbench201
from archwright.network.skeleton import Skeleton
from archwright.space import space_named
from archwright.train import Recipe, fit, fit_many, fit_stacked, threads

TASK = Task("classification", 10)
RECIPE = Recipe(epochs=1, batch_size=64, optimizer="sgd", learning_rate=0.05)
GOALS = {"digits-4_over_s1": 2.0, "digits-4_over_m": 1.2}


def unit(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


class Cell(nn.Module):
    """Two branches, a maximum and a projection, as in cells of published benchmarks."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.left = nn.Sequential(unit(inputs, half, 1), unit(half, half, 3))
        self.right = unit(inputs, half, 1)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.around = unit(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs, height, width)` to as many outputs."""
        left = self.left(x)
        return torch.cat([left, self.pool(left + self.right(x))], 1) + self.around(x)


def network(seed: int, channels: int, width: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        unit(channels, width, 3),
        Cell(width, width),
        nn.MaxPool2d(2),
        Cell(width, 2 * width),
        nn.MaxPool2d(2),
        Cell(2 * width, 4 * width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


def photos() -> Split:
    rng = torch.Generator().manual_seed(0)
    inputs = torch.randn(256, 3, 32, 32, generator=rng)
    return Split(inputs, torch.randint(10, (256,), generator=rng))


def cells(count: int) -> list[Callable[[int], nn.Module]]:
    """Return what builds random cells of NAS-Bench-201 for the digits, given a seed."""
    skeleton = Skeleton(stem=4, cells=1, momentum=0.1)
    space = space_named("nasbench201").bind(partial(build_nasbench201, skeleton=skeleton))
    drawn = space.sample_many(count, rng=np.random.default_rng(0))
    return [
        lambda seed, one=one: build(one, (1, 8, 8), 10, seed=seed)  # type: ignore[misc]
        for one in drawn
    ]


def engines(
    split: Split, makers: Sequence[Callable[[int], nn.Module]], count: int
) -> dict[str, Callable[[], object]]:
    seeds = range(count)

    def alone() -> None:
        for make in makers:
            for seed in seeds:
                fit(make(seed), split, None, RECIPE.replace(threads=1), task=TASK, seed=seed)

    def stacked() -> None:
        with threads(1):
            for make in makers:
                networks = [make(seed) for seed in seeds]
                fit_stacked(networks, split, None, RECIPE, task=TASK, seeds=seeds, width=count)

    def many() -> None:
        for make in makers:
            networks = [make(seed) for seed in seeds]
            fit_many(networks, split, None, RECIPE, task=TASK, seeds=seeds)

    return {"s1": alone, "m": many, "e": stacked}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("perf/results/stacked.json"))
    given = parser.parse_args()
    digits = load("digits").train
    seconds: dict[str, dict[str, float]] = {}
    processor: dict[str, dict[str, float]] = {}
    ratios: dict[str, float] = {}
    for name, split, makers in (
        ("digits-4", digits, [partial(network, channels=1, width=4)]),
        ("digits-16", digits, [partial(network, channels=1, width=16)]),
        ("photos-8", photos(), [partial(network, channels=3, width=8)]),
        ("cells-201", digits, cells(given.cells)),
    ):
        chosen = engines(split, makers, given.networks)
        taken: dict[str, list[tuple[float, float]]] = {engine: [] for engine in chosen}
        for _ in range(given.rounds + 1):  # the first round warms up
            for engine, run in chosen.items():
                started = time.perf_counter(), time.process_time()
                run()
                ended = time.perf_counter(), time.process_time()
                taken[engine].append((ended[0] - started[0], ended[1] - started[1]))
        for found, clock in ((seconds, 0), (processor, 1)):
            found[name] = {
                engine: statistics.median(one[clock] for one in values[1:])
                for engine, values in taken.items()
            }
        for engine in ("s1", "m"):
            ratios[f"{name}_over_{engine}"] = seconds[name][engine] / seconds[name]["e"]
        ratios[f"{name}_over_s1_processor"] = processor[name]["s1"] / processor[name]["e"]
        print(name, {e: f"{value:.3f} s" for e, value in seconds[name].items()})
    for name, ratio in ratios.items():
        goal = f" (at least {GOALS[name]})" if name in GOALS else ""
        print(f"{name}: {ratio:.2f}x{goal}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    result = {
        "seconds": seconds,
        "processor_seconds": processor,
        "ratios": ratios,
        "goals": GOALS,
        "cores": os.cpu_count(),
        **versions,
    }
    given.out.write_text(json.dumps(result, indent=1) + "\n")
    return int(any(ratios[name] < goal for name, goal in GOALS.items()))


if __name__ == "__main__":
    sys.exit(main())
