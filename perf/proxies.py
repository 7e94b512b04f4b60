"""Scores of untrained networks: NASWOT and the pruning family against what one would write.

Ten fixed cells of NAS-Bench-201 at full width (16 channels, 5 cells a stage), images of 32x32. All
that is compared takes turns on each network, so the machine's load strikes all alike.

NASWOT, batch 128, seconds without building the network:

    reference   forward and backward of ones to find the live ReLUs, a second forward with two
                products for each module that has "ReLU" in the name of its class
    clean       one forward without gradients, the same hooks and products
    once        the same, each ReLU hooked once
    ours, ours once    archwright with the reference's way to count, and with each ReLU once
    forward     one forward pass without gradients, nothing else
    ours bare   the same inside archwright, so that the rest is the cost of its kernels

All of a kind must agree to the last bit, or the script stops. Pruning family, batch 64: all in
units of one forward and backward pass of the cross entropy.

Small networks, 100 perceptrons of 1-3 hidden layers with ReLU and without dropout on 128 inputs of
64 features: what building and scoring take beside the forward pass, which is all that networks of
equal shapes could share. See docs/decisions/0030.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.network import build
from archwright.proxy import Batch, Passes, score, score_many
from archwright.space import space_named

SHAPE, CLASSES = (3, 32, 32), 10
FIVE = ("grad_norm", "snip", "fisher", "jacob_cov", "synflow")
GOALS_AT_LEAST = {"reference / ours": 5.0, "clean / ours": 2.0}
GOALS_AT_MOST = {"kernels / forward": 0.3, "five / pass": 2.9, "six / pass": 6.5}


def networks(count: int) -> list[nn.Module]:
    space = space_named("nasbench201")
    cells = space.sample_many(count, rng=np.random.default_rng(201))
    return [build(cell, SHAPE, CLASSES, seed=0) for cell in cells]


def hooked(network: nn.Module, hook: Callable[..., None], *, once: bool) -> list[Any]:
    return [
        module.register_forward_hook(hook)
        for module in network.modules()
        if (type(module) is nn.ReLU if once else "ReLU" in str(type(module)))
    ]


class Kernel:
    """The sum of C C^T + (1 - C) (1 - C)^T over what is hooked."""

    def __init__(self, batch: int) -> None:
        self.total = np.zeros((batch, batch))
        self.tagged: set[nn.Module] = set()
        self.tagging = False

    def tag(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        """Remember the module if a gradient comes back to it."""
        output.register_hook(lambda gradient: self.tagged.add(module) and None)

    def count(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        """Add one module's products."""
        if self.tagging and module not in self.tagged:
            return
        codes = (inputs[0].flatten(1) > 0).float()
        ones = codes @ codes.T
        zeros = (1.0 - codes) @ (1.0 - codes.T)
        self.total += ones.cpu().numpy() + zeros.cpu().numpy()

    def score(self) -> float:
        """Return the logarithm of its determinant."""
        return float(np.linalg.slogdet(self.total)[1])


def reference(network: nn.Module, batch: Batch) -> float:
    kernel = Kernel(len(batch))
    kernel.tagging = True
    handles = hooked(network, kernel.tag, once=False)
    inputs = batch.inputs.clone().requires_grad_()
    outputs = network(inputs)
    outputs.backward(torch.ones_like(outputs))
    for handle in handles:
        handle.remove()
    network.zero_grad()
    handles = hooked(network, kernel.count, once=False)
    network(batch.inputs.clone())
    for handle in handles:
        handle.remove()
    return kernel.score()


def clean(network: nn.Module, batch: Batch, *, once: bool = False) -> float:
    kernel = Kernel(len(batch))
    handles = hooked(network, kernel.count, once=once)
    with torch.no_grad():
        network(batch.inputs)
    for handle in handles:
        handle.remove()
    return kernel.score()


def forward(network: nn.Module, batch: Batch) -> None:
    with torch.no_grad():
        network(batch.inputs)


def bare(network: nn.Module, batch: Batch) -> None:
    with Passes(network, batch) as passes, torch.no_grad():
        passes.forward()


def naswot(count: int, rounds: int) -> dict[str, list[float]]:
    """Return seconds of each way, in the order of networks and rounds."""
    batch = Batch.noise(SHAPE, 128)
    ways: dict[str, Callable[[nn.Module, Batch], Any]] = {
        "forward": forward,
        "reference": reference,
        "ours": lambda n, b: float(score(n, b, profile="naswot-icml")),
        "ours bare": bare,
        "clean": clean,
        "ours once": lambda n, b: float(score(n, b)),
        "once": lambda n, b: clean(n, b, once=True),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for network in networks(count):
            found = timed(ways, network, batch, times)
            assert found["ours"] == found["clean"] == found["reference"], found
            assert found["ours once"] == found["once"], found
    return times


def one_pass(network: nn.Module, batch: Batch) -> None:
    F.cross_entropy(network(batch.inputs), batch.targets).backward()
    network.zero_grad()


def pruning(count: int, rounds: int) -> dict[str, list[float]]:
    """Return seconds of one pass, of the five and the six together, and of each alone."""
    batch = Batch(Batch.noise(SHAPE, 64).inputs, torch.arange(64) % CLASSES)

    def together(names: tuple[str, ...]) -> Callable[[nn.Module, Batch], Any]:
        return lambda n, b: [s.value for s in next(score_many([n], b, names)).values()]

    ways: dict[str, Callable[[nn.Module, Batch], Any]] = {
        "pass": one_pass,
        "five": together(FIVE),
        "six": together((*FIVE, "grasp")),
        **{name: together((name,)) for name in (*FIVE, "grasp")},
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for network in networks(count):
            timed(ways, network, batch, times)
    return times


SMALL_SHAPE, SMALL_COUNT = (64,), 100


def small(rounds: int) -> dict[str, list[float]]:
    """Return seconds for each perceptron: to build it, to run it, to score it."""
    space = space_named("mlp", activation=("relu",), dropout=(0.0,))
    architectures = space.sample_many(SMALL_COUNT, rng=np.random.default_rng(0))
    noise = Batch.noise(SMALL_SHAPE, 128)
    batch = Batch(noise.inputs, torch.arange(128) % CLASSES)
    four = ("naswot", "synflow", "jacob_cov", "snip")
    ways: dict[str, Callable[[nn.Module, Batch], Any]] = {
        "forward": forward,
        "naswot": lambda n, b: float(score(n, b, profile="naswot-icml")),
        "four": lambda n, b: [s.value for s in next(score_many([n], b, four)).values()],
        "clean": clean,  # last: numpy's threads go on spinning after it
    }
    times: dict[str, list[float]] = {name: [] for name in ("build", *ways)}
    for _ in range(rounds):
        for architecture in architectures:
            started = clock()
            network = build(architecture, SMALL_SHAPE, CLASSES, seed=0)
            times["build"].append(clock() - started)
            found = timed(ways, network, batch, times)
            singular = math.isnan(found["naswot"])  # fewer units than rows: rounding is no score
            assert singular or math.isclose(found["naswot"], found["clean"]), found
    return times


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
clock = CLOCKS["wall"]


def timed(
    ways: dict[str, Callable[[nn.Module, Batch], Any]],
    network: nn.Module,
    batch: Batch,
    times: dict[str, list[float]],
) -> dict[str, Any]:
    network.train()
    forward(network, batch)
    found = {}
    for name, way in ways.items():
        started = clock()
        found[name] = way(network, batch)
        times[name].append(clock() - started)
    return found


def ratio(times: dict[str, list[float]], above: str, below: str) -> float:
    """Return the median over networks and rounds of the ratios within one turn."""
    pairs = zip(times[above], times[below], strict=True)
    return statistics.median(a / b for a, b in pairs)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--only", choices=["naswot", "pruning", "small"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall", help="cpu: if it is busy")
    parser.add_argument("--out", type=Path, default=Path("perf/results/proxies.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    global clock
    clock = CLOCKS[arguments.clock]
    times: dict[str, dict[str, list[float]]] = {}
    ratios: dict[str, float] = {}
    if arguments.only in (None, "naswot"):
        found = times["naswot"] = naswot(arguments.networks, arguments.rounds)
        for name in ("reference", "clean"):
            ratios[f"{name} / ours"] = ratio(found, name, "ours")
        ratios["once / ours once"] = ratio(found, "once", "ours once")
        ratios["ours / forward"] = ratio(found, "ours", "forward")
        ratios["kernels / forward"] = statistics.median(
            (ours - without) / forward
            for ours, without, forward in zip(
                found["ours"], found["ours bare"], found["forward"], strict=True
            )
        )
    if arguments.only in (None, "pruning"):
        found = times["pruning"] = pruning(arguments.networks, arguments.rounds)
        ratios |= {f"{name} / pass": ratio(found, name, "pass") for name in found if name != "pass"}
    if arguments.only in (None, "small"):
        found = times["small"] = small(arguments.rounds)
        ratios["small: clean / naswot"] = ratio(found, "clean", "naswot")
        ratios["small: forward / build and naswot"] = statistics.median(
            forward / (build + own)
            for forward, build, own in zip(
                found["forward"], found["build"], found["naswot"], strict=True
            )
        )
    for task, values in times.items():
        print(f"{task}: milliseconds, median (least - most)")
        for name, seconds in values.items():
            low, middle, high = (1e3 * how(seconds) for how in (min, statistics.median, max))
            print(f"  {name:10} {middle:8.2f} ({low:.2f} - {high:.2f})")
    broken = False
    for name, value in ratios.items():
        least, most = GOALS_AT_LEAST.get(name), GOALS_AT_MOST.get(name)
        missed = (least is not None and value < least) or (most is not None and value > most)
        broken |= missed
        goal = f"at least {least}: " if least else f"at most {most}: " if most else ""
        print(f"{name:20} {value:6.2f}  {goal}{goal and ('MISSED' if missed else 'met')}")
    record = {
        "networks": arguments.networks,
        "rounds": arguments.rounds,
        "torch": torch.__version__,
        "clock": arguments.clock,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "seconds": times,
        "ratios": ratios,
        "at least": GOALS_AT_LEAST,
        "at most": GOALS_AT_MOST,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
