"""Write NATS-Bench's own folders and files, from records in memory or from the short real ones."""

from __future__ import annotations

import bz2
import gzip
import json
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

Cells = dict[int, dict[str, Any]]
"""States by schedule, by cell."""

SETS = {
    "cifar10-valid": ["x-valid", "ori-test"],
    "cifar10": ["ori-test"],
    "cifar100": ["x-valid", "x-test", "ori-test"],
    "ImageNet16-120": ["x-valid", "x-test", "ori-test"],
}


def real_cells(file: Path, space: str) -> Cells:
    """Return the published records in a JSON file, in their original types."""
    with gzip.open(file) as stream:
        records = json.load(stream)[space]
    cells: Cells = {}
    for cell, schedules in records.items():
        cells[int(cell)] = {name: _original(state) for name, state in schedules.items()}
    return cells


def _original(state: dict[str, Any]) -> dict[str, Any]:
    trials = {}
    for key, trial in state["all_results"].items():
        dataset, seed = key.split("|")
        by_epoch = ("train_acc1es", "train_acc5es", "train_losses", "train_times")
        numbers = {f: trial[f] and {int(e): v for e, v in trial[f].items()} for f in by_epoch}
        numbers["train_times"] = OrderedDict(numbers["train_times"])
        trials[dataset, int(seed)] = {
            **trial,
            **numbers,
            "params": np.float64(trial["params"]),
            "flop": np.float64(trial["flop"]),
        }
    return {**state, "all_results": trials}


def made_up(space: str, cell: int, text: str, *, seed: int = 0) -> dict[str, Any]:
    """Return states with random numbers, with what the published long schedule leaves out."""
    rng = np.random.default_rng((seed, cell))
    seeds = {
        "tss": {"12": (111,), "200": (777, 888, 999)[: 1 + cell % 3]},
        "sss": {"01": (777,), "12": (777, 888, 999), "90": (777,)},
    }[space]
    states = {}
    for schedule, all_seeds in seeds.items():
        trials = {
            (dataset, one): _trial(
                rng, dataset, one, int(schedule), space == "tss" and schedule == "200"
            )
            for dataset in SETS
            for one in (
                (*all_seeds, 777)
                if (space, schedule, dataset) == ("tss", "12", "cifar10-valid")
                else all_seeds
            )
        }
        states[schedule] = {
            "arch_index": cell,
            "arch_str": text,
            "all_results": trials,
            "dataset_seed": {d: sorted(s for e, s in trials if e == d) for d in SETS},
            "clear_net_done": True,
        }
    return states


def _trial(
    rng: np.random.Generator, dataset: str, seed: int, epochs: int, long: bool
) -> dict[str, Any]:
    def numbers(highest: float) -> dict[int, float]:
        return dict(enumerate((rng.random(epochs) * highest).tolist()))

    keys = [
        f"{name}@{epoch}"
        for name in SETS[dataset]
        for epoch in range(epochs)
        if not long or _is_kept(dataset, name) or epoch == epochs - 1
    ]
    timed = [f"{name}@{epoch}" for name in SETS[dataset] for epoch in range(epochs)]
    seconds = float(rng.random()) * 20
    return {
        "name": dataset,
        "train_acc1es": numbers(100),
        "train_acc5es": None if long else numbers(100),
        "train_losses": numbers(5),
        "train_times": OrderedDict.fromkeys(range(epochs), seconds),
        "arch_config": {"channel": 16, "num_cells": 5, "class_num": 10},
        "params": 0.129306,
        "flop": 15.64737,
        "seed": f"{seed:04d}",
        "epochs": epochs,
        "latency": [0.0139359758611311] if seed != 999 else None,
        "eval_names": SETS[dataset][::-1],
        "eval_acc1es": {key: float(rng.random()) * 100 for key in keys},
        "eval_losses": {key: float(rng.random()) * 5 for key in keys},
        "eval_times": dict.fromkeys(timed, seconds / 7),
        "net_state_dict": None,
    }


def _is_kept(dataset: str, name: str) -> bool:
    return name == ("x-valid" if dataset == "cifar10-valid" else "ori-test")


def write_cell(folder: Path, cell: int, states: dict[str, Any]) -> Path:
    path = folder / f"{cell:06d}.pickle.pbz2"
    path.write_bytes(bz2.compress(pickle.dumps(OrderedDict(states), 4)))
    return path


def write_folder(folder: Path, cells: Cells, texts: list[str]) -> Path:
    folder.mkdir()
    meta = {
        "meta_archs": texts,
        "total_archs": len(texts),
        "arch2infos": None,
        "evaluated_indexes": set(),
    }
    (folder / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(meta, 4)))
    for cell, states in cells.items():
        write_cell(folder, cell, states)
    return folder


def write_whole(path: Path, cells: Cells, texts: list[str]) -> Path:
    content = {"meta_archs": texts, "arch2infos": cells, "evaluated_indexes": set(cells)}
    path.write_bytes(bz2.compress(pickle.dumps(content, 4)))
    return path
