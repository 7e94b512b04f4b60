"""Every proxy on 1,000 random networks of five spaces: is there a number, and how soon?

    python perf/proxy_spaces.py [--networks 1000] [--no-save]

Perceptrons on a table, free chains of convolutions, and the cells of NAS-Bench-101, NAS-Bench-201
and the sizes of NATS-Bench at half of their width and one cell a stage, on images of 8x8 pixels.
Nothing is chosen: cells whose output does not depend on their input are among them.

For each space and proxy it counts the networks that have a number, and those that have none with
the status that says why; a number that is not finite, or none without a reason, breaks the run. So
does a proxy that takes longer than its limit for one network, in seconds on one thread, and one
whose scores grow with the network but carry no warning that compares spaces.

Proxies that repeat themselves are given fewer repeats than published, since neither question
depends on these.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archwright.data import Dataset, load
from archwright.evaluate.building import with_skeleton
from archwright.network import build
from archwright.proxy import PROXIES, Batch, Proxy, make_proxy, score_many
from archwright.space import Space, space_named

RESULTS = Path(__file__).parent / "results" / "proxy_spaces.json"
SMALL = {"stem": 8, "cells": 1}
FEWER: dict[str, dict[str, Any]] = {
    "swap": {"repeats": 2},
    "zen": {"repeats": 2},
    "gradsign": {"samples": 8},
    "ntk": {"samples": 8, "repeats": 1},
    "regions": {"samples": 100, "draws": 1, "repeats": 1},
}
ROWS = 64
LIMIT = 5.0  # seconds for one network and one proxy
SLOWER = {"grasp": 10.0, "gradsign": 10.0, "ntk": 10.0}


def spaces() -> dict[str, tuple[Space, Dataset]]:
    """Return five spaces and what their networks are for."""
    digits, wine = load("digits", seed=0), load("wine", seed=0)
    cells = ("nasbench101", "nasbench201")
    return {
        "mlp": (space_named("mlp"), wine),
        "cnn": (space_named("cnn"), digits),
        **{name: (with_skeleton(space_named(name), **SMALL), digits) for name in cells},
        "nats-size": (space_named("nats-size"), digits),
    }


def proxies() -> list[Proxy]:
    return [make_proxy(name, **FEWER.get(name, {})) for name in PROXIES.names()]


def scored(space: Space, data: Dataset, count: int) -> tuple[dict[str, Any], list[str]]:
    """Return what is counted by proxy, and what is wrong."""
    batch = Batch.of(data.train, ROWS, seed=0)
    statuses: dict[str, Counter[str]] = defaultdict(Counter)
    slowest: dict[str, float] = defaultdict(float)
    problems: list[str] = []
    rng = np.random.default_rng(0)
    for number in range(count):
        cell = space.sample(rng=rng)
        network = build(cell, data.input_shape, data.task.outputs, seed=number)
        for name, score in next(score_many([network], batch, proxies(), seeds=(number,))).items():
            statuses[name][score.status] += 1
            slowest[name] = max(slowest[name], score.seconds)
            if score.ok != math.isfinite(score.value) or (not score.ok and not score.reason):
                problems.append(f"{name}: {score.value} ({score.status}) of {cell}")
            if score.seconds > SLOWER.get(name, LIMIT):
                problems.append(f"{name}: {score.seconds:.1f} s for {cell}")
            if score.ok and PROXIES.get(name).size_bound and "one space" not in score.note:
                problems.append(f"{name}: no warning that scores grow with the network")
    found = {
        name: {**dict(own), "slowest, seconds": round(slowest[name], 3)}
        for name, own in statuses.items()
    }
    return found, problems


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--no-save", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, Any] = {"networks": arguments.networks, "torch": torch.__version__}
    problems: list[str] = []
    every = spaces()
    for name, (space, data) in every.items():
        started = time.perf_counter()
        found, wrong = scored(space, data, arguments.networks // len(every))
        problems += [f"{name}, {problem}" for problem in wrong]
        report[name] = found
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    print(table(report, list(every)))
    for problem in problems[:20]:
        print(problem, file=sys.stderr)
    print(f"{len(problems)} problems")
    report["problems"] = len(problems)
    report["cores"] = os.cpu_count()
    if not arguments.no_save:
        RESULTS.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if problems else 0


def table(report: dict[str, Any], names: list[str]) -> str:
    """Return numbers found in each space, the slowest, and the reasons of all others."""
    lines = [f"{'proxy':12}" + "".join(f"{name:>13}" for name in names) + "  slowest s  others"]
    for proxy in report[names[0]]:
        cells = [report[name][proxy] for name in names]
        worst = max(cell["slowest, seconds"] for cell in cells)
        others: Counter[str] = Counter()
        for cell in cells:
            others.update({k: v for k, v in cell.items() if k not in ("ok", "slowest, seconds")})
        text = ", ".join(f"{count} {status}" for status, count in others.items())
        counts = "".join(f"{cell.get('ok', 0):>13}" for cell in cells)
        lines.append(f"{proxy:12}{counts}{worst:11.2f}  {text}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
