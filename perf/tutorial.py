"""The tutorial's story on real digits: evolve a perceptron, and what the usual loop would take.

    ARCHWRIGHT_SHARED_DATA=FOLDER python perf/tutorial.py [--epochs 10]

FOLDER holds mnist_20k.npz: 10,000 training digits and the 10,000 official test digits. A population
of 20 perceptrons (1-3 hidden layers of 50-200 units, ReLU) evolves for 5 generations; the winner is
trained once more on all 10,000 training digits and tested once.

The usual loop trains the very same networks one after the other from a DataLoader that turns one
PIL image after the other into a normalised tensor, with autograd and torch.optim.Adam. It is timed
in the same process: some steps of every fifth network, with one thread and with all (the faster one
counts), scaled to all steps of all networks. Ours is the whole run, last training and test too.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from population import loaded, network, steps_per_second

import archwright as aw
from archwright.data import Split
from archwright.space import space_named
from archwright.trial import Trial

POPULATION, GENERATIONS, BATCH = 20, 5, 64
CHILDREN = POPULATION // 2
TRIALS = POPULATION + (GENERATIONS - 1) * CHILDREN
SPACE = space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))


class Generations(aw.Callback):
    """Prints the best so far at the end of each generation."""

    def __init__(self) -> None:
        self.best: list[float] = []

    def on_trial(self, trial: Trial) -> None:
        """Follow the best."""
        score = trial.metrics["val_accuracy"]
        self.best.append(max([score, *self.best[-1:]]))
        done = len(self.best)
        if done >= POPULATION and (done - POPULATION) % CHILDREN == 0:
            print(f"generation {(done - POPULATION) // CHILDREN + 1}: best {self.best[-1]:.4f}")


def usual_seconds(
    pixels: np.ndarray, classes: np.ndarray, shapes: list[list[int]], epochs: int, share: float
) -> tuple[float, float]:
    """Return what the usual loop takes for all networks, and for the first, by sampled steps."""
    steps = -(-len(pixels) // BATCH) * epochs
    seconds = []
    for widths in shapes:
        rate = max(
            steps_per_second(widths, loaded(pixels, classes), share, threads=threads, fused=None)
            for threads in (1, torch.get_num_threads())
        )
        seconds.append(steps / rate)
    return sum(seconds), seconds[0]


def single_seconds(split: Split, widths: list[int], epochs: int) -> float:
    from archwright.data import Task
    from archwright.train import fit

    recipe = aw.Recipe(epochs=epochs, batch_size=BATCH, optimizer="adam", schedule="constant")
    started = time.perf_counter()
    fit(network(widths), split, None, recipe, task=Task("classification", 10), seed=0)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.5, help="seconds sampled per network")
    parser.add_argument("--out", type=Path, default=Path("perf/results/tutorial.json"))
    arguments = parser.parse_args()
    file = Path(os.environ["ARCHWRIGHT_SHARED_DATA"]) / "mnist_20k.npz"
    data = aw.load(file, seed=0)
    pixels = np.load(file, allow_pickle=False)
    rows = data.rows["train"]
    images, classes = pixels["x_train"][rows], pixels["y_train"][rows].astype(np.int64)

    listen = Generations()
    started = time.perf_counter()
    found = aw.search(
        data,
        space=SPACE,
        strategy="evolution",
        strategy_options={"population": POPULATION},
        trials=TRIALS,
        recipe={"epochs": arguments.epochs, "batch_size": BATCH, "patience": None},
        seed=0,
        callback=listen,
    )
    ours = time.perf_counter() - started
    assert listen.best == sorted(listen.best), "the best validation accuracy fell"
    shapes = [list(trial.architecture["hidden"]) for trial in found.trials]
    sampled = shapes[:: max(1, len(shapes) // 12)]
    usual, _ = usual_seconds(images, classes, sampled, arguments.epochs, arguments.share)
    usual *= len(shapes) / len(sampled)
    singles = []
    for _ in range(3):
        mine = single_seconds(data.train, shapes[0], arguments.epochs)
        theirs = usual_seconds(images, classes, shapes[:1], arguments.epochs, 2.0)[1]
        singles.append(theirs / mine)
    test = found.test_metrics["test_accuracy"]
    report = {
        "trials": len(shapes),
        "epochs": arguments.epochs,
        "test_accuracy": test,
        "best_validation_by_trial": listen.best,
        "seconds_ours_whole_run": ours,
        "seconds_usual_loop_training_only": usual,
        "whole_run_ratio": usual / ours,
        "single_network_ratio": fmean(singles),
    }
    print(f"test accuracy {test:.4f} (goal 0.955)")
    print(f"whole run {ours:.1f} s, usual loop {usual:.1f} s: {usual / ours:.1f}x (goal 10x)")
    print(f"single network: {fmean(singles):.1f}x (goal 6x)")
    arguments.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
