"""The interface of NATS-Bench, with its names, over a converted table.

X. Dong, L. Liu, K. Musial, B. Gabrys: NATS-Bench. TPAMI 2021. [Dong2021nats]_

    from archwright.benchmark.nats import create
    api = create("NATS-tss-v1_0-3ffb9-simple.table", "tss", seed=0)
    accuracy, latency, seconds, total = api.simulate_train_eval(6111, "cifar10", hp="12")

Different from the original: random choices come from a generator of the instance's own; an epoch
before the last needs a table that was converted with `curves=True`; weights are not there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.benchmark.nats_columns import CURVE
from archwright.benchmark.nats_state import DATASETS, SETS
from archwright.benchmark.table import Table, open_table
from archwright.errors import BenchmarkError, OutOfDomainError, SpaceError
from archwright.space import Architecture
from archwright.space.catalog.nasbench201 import NASBench201
from archwright.space.catalog.nats_size import NATSSize

__all__ = ["NATS", "create"]

_SPACES = {
    "tss": "nats-topology",
    "topology": "nats-topology",
    "sss": "nats-size",
    "size": "nats-size",
}
_SIMULATED = ("cifar10", "cifar100", "ImageNet16-120")
_CLASSES = {"cifar10-valid": 10, "cifar10": 10, "cifar100": 100, "ImageNet16-120": 120}
_SIZE_CELL = (
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+"
    "|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
)
_PREFERRED_SEED = 888  # where trainings disagree about sizes
_QUANTITIES = ("accuracy", "loss", "seconds")


def create(
    table: Table | str | Path,
    search_space: str,
    fast_mode: bool = False,
    verbose: bool = False,
    *,
    seed: int | None = None,
) -> NATS:
    """Return the interface over a table.

    Args:
        table: A converted table, or the path of one.
        search_space: "tss" or "topology", "sss" or "size".
        fast_mode: Not used: a table opens at once.
        verbose: Not used.
        seed: Of the random choices.

    Raises:
        BenchmarkError: If there is no such search space, or the table is of the other one.
    """
    if search_space not in _SPACES:
        raise BenchmarkError(
            f"search_space must be one of {', '.join(_SPACES)}; got {search_space!r}"
        )
    opened = table if isinstance(table, Table) else open_table(table)
    if opened.name != _SPACES[search_space]:
        raise BenchmarkError(
            f"search_space {search_space!r} needs a table of {_SPACES[search_space]}; "
            f"got one of {opened.name!r}"
        )
    return NATS(opened, seed=seed)


class NATS:
    """What NATS-Bench's own objects answer, with their names and units.

    Args:
        table: A converted table.
        seed: Of the random choices.
    """

    def __init__(self, table: Table, *, seed: int | None = None) -> None:
        space = table.space
        if not isinstance(space, NASBench201 | NATSSize):
            raise BenchmarkError(f"needs a table of NATS-Bench; got one of {table.name!r}")
        self.table = table
        self._space = space
        self._rng = random.Random(seed)
        self._used_time = 0.0
        self._values = lru_cache(maxsize=1024)(self._read)

    @property
    def search_space_name(self) -> str:
        """Either "topology" or "size"."""
        return "topology" if isinstance(self._space, NASBench201) else "size"

    @property
    def used_time(self) -> float:
        """Seconds of all simulated trainings since `reset_time`."""
        return self._used_time

    def reset_time(self) -> None:
        """Set `used_time` to zero."""
        self._used_time = 0.0

    def __len__(self) -> int:
        return int(self._space.size)

    def __getitem__(self, index: int) -> str:
        return self.arch(index)

    def __iter__(self) -> Iterator[str]:
        return (self.arch(index) for index in range(len(self)))

    def arch(self, index: int) -> str:
        """Return the published text of an index.

        Raises:
            ValueError: If there is no such index.
        """
        if not 0 <= index < len(self):
            raise OutOfDomainError(f"an index must be from 0 to {len(self) - 1}; got {index!r}")
        return self._space.format(self._space.at(index))

    def random(self) -> int:
        """Return a random index."""
        return self._rng.randrange(len(self))

    def query_index_by_arch(self, arch: int | str | Any) -> int:
        """Return the index of a text, an index, or an object with `tostr()`; -1 if it is none.

        Raises:
            ValueError: If it is a number that is no index.
        """
        if isinstance(arch, int):
            self.arch(arch)
            return arch
        if isinstance(arch, Architecture):
            return self._space.index(arch)
        text = arch.tostr() if hasattr(arch, "tostr") else arch
        try:
            return self._space.index(self._space.parse(text))
        except SpaceError:
            return -1

    def get_more_info(
        self,
        index: int,
        dataset: str,
        iepoch: int | None = None,
        hp: str = "12",
        is_random: bool | int = True,
    ) -> dict[str, float]:
        """Return loss, accuracy and times of every set.

        Args:
            index: An index, or a text.
            dataset: "cifar10-valid", "cifar10", "cifar100" or "ImageNet16-120".
            iepoch: The epoch, from 0; the last by default.
            hp: The schedule: "12" or "200" of topologies, "01", "12" or "90" of sizes.
            is_random: True for one random seed, False for the mean over seeds, or a seed.

        Returns:
            "train-loss", "train-accuracy", "train-per-time", "train-all-time", and the same of
            "valid", "test" and "valtest" where they were evaluated at that epoch.
        """
        row = self._row(index)
        epochs, bound = self._bound(dataset, hp, iepoch)
        seeds = self._seeds(row, dataset, hp)
        chosen = list(seeds)
        if is_random is True:
            chosen = [self._rng.choice(chosen)]
        elif is_random is not False:
            if is_random not in seeds:
                raise BenchmarkError(
                    f"cell {index} was trained on {dataset} with hp={hp!r} and the seeds "
                    f"{', '.join(map(str, seeds))}; got {is_random!r}"
                )
            chosen = [int(is_random)]
        info: dict[str, float] = {}
        for part in ("train", *SETS[dataset].values()):
            found = {
                quantity: self._mean(bound, row, _metric(part, quantity), epochs, chosen, seeds)
                for quantity in _QUANTITIES
            }
            if found["accuracy"] == found["accuracy"]:
                name = {"val": "valid"}.get(part, part)
                info[f"{name}-loss"] = found["loss"]
                info[f"{name}-accuracy"] = found["accuracy"]
                info[f"{name}-per-time"] = found["seconds"] / epochs
                info[f"{name}-all-time"] = found["seconds"]
        return info

    def simulate_train_eval(
        self,
        arch: int | str | Any,
        dataset: str,
        iepoch: int | None = None,
        hp: str = "12",
        account_time: bool = True,
    ) -> tuple[float, float, float, float]:
        """Return what training and validating an architecture gives and costs.

        Args:
            arch: What `query_index_by_arch` takes.
            dataset: "cifar10" (half of it is validated on), "cifar100" or "ImageNet16-120".
            iepoch: The epoch after which training stops, from 0; the last by default.
            hp: As in `get_more_info`.
            account_time: Whether to add the cost to `used_time`.

        Returns:
            Validation accuracy of a random seed, in percent; latency in seconds; seconds of
            training and of one validation; and `used_time`.
        """
        if dataset not in _SIMULATED:
            raise BenchmarkError(f"dataset must be one of {', '.join(_SIMULATED)}; got {dataset!r}")
        index = self.query_index_by_arch(arch)
        trained = "cifar10-valid" if dataset == "cifar10" else dataset
        info = self.get_more_info(index, trained, iepoch, hp)
        if "valid-accuracy" in info:
            accuracy, validation = info["valid-accuracy"], info["valid-per-time"]
        else:
            last = self.get_more_info(index, trained, None, hp)
            accuracy, validation = info["valtest-accuracy"], last["valid-per-time"]
        seconds = info["train-all-time"] + validation
        if account_time:
            self._used_time += seconds
        return accuracy, self.get_latency(index, dataset), seconds, self._used_time

    def get_cost_info(self, index: int, dataset: str, hp: str = "12") -> dict[str, float]:
        """Return sizes and times of an architecture, averaged over seeds.

        Returns:
            "flops" and "params" in millions, "latency" in seconds for a batch of 256, and
            "T-train@epoch", "T-train@total", "T-x-valid@epoch" ... in seconds.
        """
        row = self._row(index)
        epochs, bound = self._bound(dataset, hp, None)
        seeds = self._seeds(row, dataset, hp)
        info = {}
        for name, metric in (("flops", "macs"), ("params", "parameters")):
            info[name] = self._agreed(bound, row, metric, epochs, seeds) / 1e6
        info["latency"] = self._mean(bound, row, "latency_seconds", epochs, list(seeds), seeds)
        named = {"train": "train", **SETS[dataset]}
        for name, part in named.items():
            metric = _metric(part, "seconds")
            total = self._mean(bound, row, metric, epochs, list(seeds), seeds)
            info[f"T-{name}@epoch"], info[f"T-{name}@total"] = total / epochs, total
        return info

    def get_latency(self, index: int, dataset: str, hp: str = "12") -> float:
        """Return the seconds that a batch of 256 images takes."""
        return self.get_cost_info(index, dataset, hp)["latency"]

    def find_best(
        self,
        dataset: str,
        metric_on_set: str,
        FLOP_max: float | None = None,
        Param_max: float | None = None,
        hp: str = "12",
        enforce_all: bool = False,
    ) -> tuple[int, float]:
        """Return the index with the highest mean accuracy, the first of equal ones, and that.

        Args:
            dataset: As in `get_more_info`.
            metric_on_set: "train", "x-valid", "x-test" or "ori-test".
            FLOP_max: Most millions of multiply-accumulates.
            Param_max: Most millions of parameters.
            hp: As in `get_more_info`.
            enforce_all: Whether to refuse a table that lacks architectures of the space.

        Returns:
            The index and the accuracy in percent; -1 and NaN if none keeps the bounds.
        """
        if enforce_all and len(self.table) < len(self):
            raise BenchmarkError(
                f"enforce_all needs all {len(self)} architectures; the table has {len(self.table)}"
            )
        epochs, bound = self._bound(dataset, hp, None)
        parts = {"train": "train", **SETS[dataset]}
        if metric_on_set not in parts:
            raise BenchmarkError(
                f"metric_on_set of {dataset} must be one of {', '.join(parts)}; "
                f"got {metric_on_set!r}"
            )
        accuracies = bound.values(f"{parts[metric_on_set]}_accuracy", epochs=epochs).copy()
        for most, metric in ((FLOP_max, "macs"), (Param_max, "parameters")):
            if most is not None:
                accuracies[bound.values(metric) / 1e6 > most] = np.nan
        if np.isnan(accuracies).all():
            return -1, float("nan")
        indices = np.array(
            [self._space.index(bound.architecture(row)) for row in range(len(bound))]
        )
        order = np.argsort(indices)
        best = int(order[np.nanargmax(accuracies[order])])
        return int(indices[best]), float(accuracies[best])

    def get_net_config(self, index: int, dataset: str) -> dict[str, Any]:
        """Return what the authors' own networks are built from."""
        classes = _CLASSES[_checked_dataset(dataset)]
        if self.search_space_name == "topology":
            return {
                "name": "infer.tiny",
                "C": 16,
                "N": 5,
                "arch_str": self.arch(index),
                "num_classes": classes,
            }
        return {
            "name": "infer.shape.tiny",
            "channels": self.arch(index),
            "genotype": _SIZE_CELL,
            "num_classes": classes,
        }

    def _row(self, index: int) -> int:
        number = self.query_index_by_arch(index)
        if number < 0:
            raise OutOfDomainError(f"this is no architecture of {self.table.name!r}: {index!r}")
        return self.table.row(self._space.at(number))

    def _bound(self, dataset: str, hp: str, iepoch: int | None) -> tuple[int, Table]:
        """Return the number of epochs trained, and the view that has the values after them."""
        bound = self.table.with_dataset(_checked_dataset(dataset))
        schedules = {str(epochs): epochs for epochs in bound.epochs}
        epochs = schedules.get(str(hp).lstrip("0"))
        if epochs is None:
            raise BenchmarkError(f"hp must be one of {', '.join(schedules)}; got {hp!r}")
        if iepoch is None or iepoch == epochs - 1:
            return epochs, bound
        if not 0 <= iepoch < epochs:
            raise BenchmarkError(f"iepoch of hp={hp!r} must be 0 to {epochs - 1}; got {iepoch!r}")
        curve = f"{dataset}{CURVE}{epochs}"
        if curve not in self.table.datasets:
            raise BenchmarkError(
                f"the table has no values of epoch {iepoch}: convert the files once more with "
                f"curves=True"
            )
        return iepoch + 1, self.table.with_dataset(curve)

    def _seeds(self, row: int, dataset: str, hp: str) -> dict[int, int]:
        """Return the seeds with which a cell was trained, and the repeat of each."""
        epochs, bound = self._bound(dataset, hp, None)
        values = self._values(bound.dataset, "train_accuracy", epochs, row)
        seeds = _column_seeds(bound, "train_accuracy")
        found = {seed: n for n, seed in enumerate(seeds) if values[n] == values[n]}
        if not found:
            raise BenchmarkError(f"the table has no training of row {row} on {dataset}, hp={hp!r}")
        return found

    def _read(self, dataset: str, metric: str, epochs: int, row: int) -> npt.NDArray[np.float64]:
        """Return the values of all repeats."""
        bound = self.table.with_dataset(dataset)
        values = bound.values(metric, [row], epochs=epochs, repeat="all")  # (1, repeats)
        return values.reshape(-1)

    def _mean(
        self,
        bound: Table,
        row: int,
        metric: str,
        epochs: int,
        chosen: list[int],
        seeds: dict[int, int],
    ) -> float:
        """Return the mean of a metric over some seeds; NaN if it is not recorded."""
        if metric not in {info.name for info in bound.metrics}:
            return float("nan")
        values = self._values(bound.dataset, metric, epochs, row)
        if len(values) == 1:
            return float(values[0])
        names = _column_seeds(bound, metric)
        there = [values[names.index(seed)] for seed in chosen if seed in names]
        there = [value for value in there if value == value]
        return float(np.mean(there)) if there else float("nan")

    def _agreed(
        self, bound: Table, row: int, metric: str, epochs: int, seeds: dict[int, int]
    ) -> float:
        """Return a size; where seeds disagree, that of the preferred one."""
        values = self._values(bound.dataset, metric, epochs, row)
        there = values[~np.isnan(values)]
        if len(set(there.tolist())) > 1 and _PREFERRED_SEED in seeds:
            return float(values[seeds[_PREFERRED_SEED]])
        return float(there.mean()) if there.size else float("nan")


def _metric(part: str, quantity: str) -> str:
    return "training_seconds" if (part, quantity) == ("train", "seconds") else f"{part}_{quantity}"


def _column_seeds(bound: Table, metric: str) -> tuple[int, ...]:
    for column in bound.columns:
        if column.dataset == bound.dataset and column.name == metric:
            return column.seeds
    raise AssertionError(metric)  # callers have found it among the metrics


def _checked_dataset(dataset: str) -> str:
    if dataset not in SETS:
        raise BenchmarkError(f"dataset must be one of {', '.join(DATASETS)}; got {dataset!r}")
    return dataset
