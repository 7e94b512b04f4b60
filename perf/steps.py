"""Steps of small dense networks: by hand against autograd, two threads against taking turns.

    python perf/steps.py

Hidden layers of 150 and 149 units with SiLU on 30 inputs, batch 64, one thread: gradients of a
step by the dense stepper and by autograd, in turns. Then a population of 8 networks of 1-3
layers on 64 inputs, trained by two threads and one after the other, for several batch sizes: where
side by side begins to pay decides `_SHORT_STEP` of `train/population.py`.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import nn

from archwright.data import Split, Task
from archwright.train import Recipe, fit_many
from archwright.train.training import Training

KINDS = {
    "plain": ("none", 0.0),
    "dropout": ("none", 0.3),
    "batch normalisation": ("batch", 0.0),
    "both": ("batch", 0.3),
    "layer normalisation, dropout": ("layer", 0.3),
}
NORMS = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm}
CLASSES = Task("classification", 10)


def network(inputs: int, hidden: list[int], norm: str, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in hidden:
        layers.append(nn.Linear(inputs, width))
        layers += [NORMS[norm](width)] if norm in NORMS else []
        layers += [nn.SiLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, CLASSES.outputs))


def rows(count: int, features: int) -> Split:
    rng = torch.Generator().manual_seed(0)
    targets = torch.randint(CLASSES.outputs, (count,), generator=rng)
    return Split(torch.randn(count, features, generator=rng), targets)


def seconds_of_steps(training: Training, steps: int) -> float:
    batch, loss = torch.arange(64), torch.zeros(())
    with training.stepper.epoch():
        started = time.perf_counter()
        for _ in range(steps):
            training.stepper.gradients(batch, loss)
        return (time.perf_counter() - started) / steps


def single_steps(rounds: int, steps: int) -> dict[str, dict[str, float]]:
    """Return microseconds of a step by each stepper, and the median ratio within a turn."""
    torch.set_num_threads(1)
    found = {}
    for kind, (norm, dropout) in KINDS.items():
        times: dict[str, list[float]] = {"auto": [], "eager": []}
        for _ in range(rounds):
            for engine, values in times.items():
                own = network(30, [150, 149], norm, dropout)
                training = Training(
                    own, rows(400, 30), None, Recipe(), task=CLASSES, seed=0, engine=engine
                )
                seconds_of_steps(training, 10)
                values.append(seconds_of_steps(training, steps))
        ratios = [slow / quick for slow, quick in zip(times["eager"], times["auto"], strict=True)]
        found[kind] = {
            "dense": 1e6 * statistics.median(times["auto"]),
            "eager": 1e6 * statistics.median(times["eager"]),
            "eager / dense": statistics.median(ratios),
        }
    return found


def population(batch: int, norm: str, dropout: float, workers: int) -> float:
    sizes = random.Random(0)
    networks = [
        network(64, [sizes.randrange(50, 201) for _ in range(1 + k % 3)], norm, dropout)
        for k in range(8)
    ]
    recipe = Recipe(epochs=batch // 8 + 4, batch_size=batch, patience=None)
    started = time.perf_counter()
    fit_many(
        networks,
        rows(2000, 64),
        None,
        recipe,
        task=CLASSES,
        seeds=range(8),
        workers=workers,
    )
    return time.perf_counter() - started


def side_by_side(rounds: int) -> dict[str, dict[str, float]]:
    """Return how many times as fast two threads are, by batch size, plain and with both."""
    torch.set_num_threads(2)
    found: dict[str, dict[str, float]] = {}
    for batch in (32, 64, 128, 256):
        found[str(batch)] = {}
        for kind in ("plain", "both"):
            ratios = [
                population(batch, *KINDS[kind], workers=1)
                / population(batch, *KINDS[kind], workers=2)
                for _ in range(rounds)
            ]
            found[str(batch)][kind] = statistics.median(ratios)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("perf/results/steps.json"))
    arguments = parser.parse_args()
    report = {
        "microseconds": single_steps(arguments.rounds, arguments.steps),
        "two threads, by batch size": side_by_side(arguments.rounds),
        "torch": torch.__version__,
    }
    print(json.dumps(report, indent=1))
    arguments.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    slowest = min(found["eager / dense"] for found in report["microseconds"].values())
    return int(slowest < 1)


if __name__ == "__main__":
    sys.exit(main())
