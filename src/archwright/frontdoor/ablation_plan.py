"""What an ablation scores: the settings, the architectures, and every single score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archwright import network, train
from archwright.data import Dataset, load
from archwright.errors import BenchmarkError, ProxyError, UnknownNameError
from archwright.evaluate.building import with_skeleton
from archwright.evaluate.proxy import ProxyEvaluator
from archwright.frontdoor.preparing import default_recipe
from archwright.proxy import Batch, Proxy, score
from archwright.report.ablation import DRAWS
from archwright.seeding import derive_seed, generator
from archwright.space import Architecture, Space
from archwright.trial import Measured

if TYPE_CHECKING:
    from torch import nn

    from archwright.benchmark import Table

__all__ = ["PARTS", "Floats", "Job", "Key", "Plan", "chosen", "recorded", "spread"]

PARTS = (*DRAWS, "sizes", "training")
"""What an ablation can do."""

Key: TypeAlias = tuple[str, int, int, int]
Floats: TypeAlias = NDArray[np.float64]

_BANDS = (50, 100)  # percentiles of the recorded results that architectures are drawn from
_SETTINGS = (
    *("batch_size", "sizes", "epochs", "recipe", "options", "seed"),
    *("space_options", "skeleton", "data_options"),
)


@dataclass(frozen=True)
class Job:
    """One score to compute: its part, architecture and draw, and the batch size."""

    part: str
    architecture: int
    draw: int
    size: int

    @property
    def key(self) -> Key:
        """What tells it from all others."""
        return self.part, self.architecture, self.draw, self.size


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that decides the scores."""

    space: Space
    data: Dataset
    proxy: Proxy
    draws: int
    parts: tuple[str, ...]
    batch_size: int
    sizes: tuple[int, ...]
    epochs: int
    recipe: train.Recipe
    seed: int
    facts: Mapping[str, Any]

    @classmethod
    def make(
        cls,
        space: str | Space,
        data: Any,
        proxy: str,
        draws: int,
        parts: Sequence[str],
        settings: Mapping[str, Any],
    ) -> Plan:
        """Read the settings, load space and data, and check everything."""
        given = dict(settings)
        seed, options = given.pop("seed", 0), given.pop("options", {})
        made = network.load_space(space, **given.pop("space_options", {}))
        skeleton = given.pop("skeleton", {})
        made = with_skeleton(made, **skeleton) if skeleton else made
        data_options = {"seed": seed, **given.pop("data_options", {})}
        loaded = data if isinstance(data, Dataset) else load(data, **data_options)
        noise = "noise" in parts
        scorer = ProxyEvaluator(made, loaded, [(proxy, options)], noise=noise, seed=seed)
        own = scorer.proxies[0]
        rows = len(loaded.train)
        epochs = given.pop("epochs", 10)
        recipe = default_recipe(loaded).replace(
            **{"epochs": epochs, "patience": None, **given.pop("recipe", {})}
        )
        plan = cls(
            made,
            loaded.for_search(),
            own,
            draws,
            tuple(parts),
            given.pop("batch_size", None) or min(own.batch_size or 2, rows),
            tuple(size for size in given.pop("sizes", (16, 32, 64, 128, 256)) if size <= rows),
            recipe.epochs,
            recipe,
            seed,
            {},
        )
        for name in given:
            raise UnknownNameError("setting of an ablation", name, _SETTINGS)
        plan.check()
        facts = scorer.describe() | plan.described()
        return cls(**{**vars(plan), "facts": facts})

    def check(self) -> None:
        """Refuse parts that there are not, and numbers out of range."""
        for part in self.parts:
            if part not in PARTS:
                raise UnknownNameError("part of an ablation", part, PARTS)
        numbers = {"draws": self.draws, "batch_size": self.batch_size, "epochs": self.epochs}
        for name, value in numbers.items():
            if type(value) is not int or value < 1:
                raise ProxyError(f"{name} must be a whole number of at least 1; got {value!r}")
        if not self.parts or (self.parts == ("sizes",) and not self.sizes):
            raise ProxyError(
                f"an ablation needs parts, and batch sizes of at most {len(self.data.train)} rows; "
                f"got {self.parts!r} and {self.sizes!r}"
            )

    def described(self) -> dict[str, Any]:
        """Return JSON facts besides those of the evaluator."""
        told: dict[str, Any] = {
            "space": self.space.to_json(),
            "builder": network.reference_of(self.space),
            "draws": self.draws,
            "parts": list(self.parts),
            "batch size": self.batch_size,
        }
        if "sizes" in self.parts:
            told["sizes"] = list(self.sizes)
        return told | ({"recipe": self.recipe.to_json()} if "training" in self.parts else {})

    def jobs(self, architectures: int) -> Iterator[Job]:
        """Yield every score of so many architectures, part by part."""
        for part in self.parts:
            sizes = self.sizes if part == "sizes" else (self.batch_size,)
            draws = self.epochs + 1 if part == "training" else self.draws
            for architecture in range(architectures):
                for size in sizes:
                    for draw in range(draws):
                        yield Job(part, architecture, draw, size)

    def build(self, architecture: Architecture, draw: int = 0) -> nn.Module:
        """Build a network with the weights of a draw."""
        seed = derive_seed(self.seed, "ablation", "weights", draw, *architecture.codes)
        shape, outputs = self.data.input_shape, self.data.task.outputs
        built = network.build(architecture, shape, outputs, seed=seed)
        return built.to(self.data.train.inputs.device)

    def batch(self, job: Job) -> Batch:
        """Return the rows, or the noise, of a score."""
        draw = job.draw if job.part in ("batches", "noise", "sizes") else 0
        seed = derive_seed(self.seed, "ablation", "batch", draw)
        if job.part == "noise":
            noise = Batch.noise(self.data.input_shape, job.size, seed=seed)
            return noise.to(self.data.train.inputs.device)
        return Batch.of(self.data.train, job.size, seed=seed)

    def scored(self, built: nn.Module, job: Job, **more: Any) -> dict[str, Any]:
        """Score a network, and return the record of it."""
        found = score(built, self.batch(job), self.proxy, seed=self.seed)
        value = found.value if found.ok else None
        return {"key": list(job.key), "value": value, "status": found.status, **more}


def chosen(
    plan: Plan, architectures: int | Sequence[Architecture], table: Table | None, metric: str
) -> list[Architecture]:
    """Return the architectures of an ablation; see `ablate`."""
    if not isinstance(architectures, int):
        return list(architectures)
    if architectures < 1:
        raise ProxyError(f"architectures must be at least 1; got {architectures!r}")
    if table is not None:
        return spread(table, plan.space, architectures, metric=metric, seed=plan.seed)
    rng = generator(plan.seed, "ablation", "architectures")
    drawn = {a.key: a for a in plan.space.sample_many(50 * architectures, rng=rng)}
    return list(drawn.values())[:architectures]


def spread(
    table: Table, space: Space, count: int, *, metric: str = "val_accuracy", seed: int = 0
) -> list[Architecture]:
    """Return architectures of ascending recorded results: one of each band above the median.

    Ten of them are one for each five percentiles, as in the paper.

    Args:
        table: What is recorded.
        space: The architectures belong to it.
        count: How many bands.
        metric: By which.
        seed: Which one of each band.

    Raises:
        BenchmarkError: If the table is of another space, or too small.
        UnknownNameError: If it has no such metric.
    """
    info = next((info for info in table.metrics if info.name == metric), None)
    if info is None:
        raise UnknownNameError(
            f"metric of table {table.name!r}", metric, [info.name for info in table.metrics]
        )
    if table.space.name != space.name or len(table) < 2 * count:
        raise BenchmarkError(
            f"table {table.name!r} has {len(table):,} architectures of {table.space.name!r}; "
            f"{count} bands above the median of {space.name!r} need at least {2 * count}"
        )
    values = table.values(metric)
    order = np.argsort(values if info.direction == "max" else -values, kind="stable")
    order = order[~np.isnan(values[order])]
    edges = np.linspace(*_BANDS, count + 1) / 100 * len(order)
    rng, rows = generator(seed, "ablation", "bands"), []
    for low, high in pairwise(edges.astype(int).tolist()):
        rows.append(int(order[rng.integers(low, max(low + 1, high))]))
    return [space.from_codes(table.architecture(row).codes) for row in rows]


def recorded(
    architectures: Sequence[Architecture], table: Table | None, metric: str
) -> tuple[Floats | None, Measured | None]:
    """Return what a table recorded of architectures `(architectures,)`, and what that is."""
    if table is None:
        return None, None
    info = next(info for info in table.metrics if info.name == metric)
    every = table.values(metric)
    best = int(np.nanargmax(every if info.direction == "max" else -every))
    epochs = table.epochs[-1] if table.epochs else None
    measured = Measured(
        *(metric, info.unit, info.direction, table.dataset, epochs, float(every[best]), best)
    )
    return every[table.rows_of(np.array([a.codes for a in architectures]))], measured
