"""A benchmark table of one's own: every architecture of a space, trained on one's data.

`Recording` says what is trained: a number of repeats at each epoch budget, every one with a
schedule of its own, from weights and an order of the data that follow from one seed. It knows how
to train a few architectures; `table_building.py` goes through all of them and writes the table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from inspect import signature
from typing import Any

from torch import nn

from archwright import network, train
from archwright.canonical import digest
from archwright.data import Dataset, Split
from archwright.errors import ArchwrightError, BenchmarkError, NetworkError, UnknownNameError
from archwright.evaluate.feasibility import counts_of
from archwright.seeding import derive_seed
from archwright.space import Architecture, Space

__all__ = ["COUNTS", "SECONDS", "Record", "Recording", "with_skeleton"]

_SPLITS = ("train", "val", "test")
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_PART = 8
COUNTS = ("parameters", "macs")
SECONDS = "training_seconds"

Stop = Callable[[], bool]


@dataclass(frozen=True)
class Record:
    """What was measured of one architecture.

    Args:
        codes: Of the architecture.
        counts: Parameters and multiply-accumulates; empty if it could not be built.
        values: For each metric, and for the seconds, the values `(budgets, repeats)`; None where
            a training failed.
        missing: Why, as (budget, repeat, reason).
    """

    codes: tuple[int | float, ...]
    counts: Mapping[str, float]
    values: Mapping[str, Sequence[Sequence[float | None]]]
    missing: tuple[tuple[int, int, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON."""
        return {
            "codes": list(self.codes),
            "counts": dict(self.counts),
            "values": {name: [list(row) for row in rows] for name, rows in self.values.items()},
            "missing": [list(entry) for entry in self.missing],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Record:
        """Rebuild what `to_json` wrote."""
        missing = tuple((int(e), int(r), str(why)) for e, r, why in data["missing"])
        return cls(tuple(data["codes"]), data["counts"], data["values"], missing)


@dataclass(frozen=True, eq=False)
class Recording:
    """How each architecture is trained and measured.

    Args:
        space: Must have a network builder.
        data: With a test split: a table has test values, so it is read with every training.
        recipe: How to train; its `epochs` are replaced by each budget, and `patience` must be
            None.
        epochs: The budgets, ascending; each is trained separately, with its own schedule.
        repeats: Independent trainings at each.
        seed: Root of all weights and orders of the data.
        norm_momentum: Share of each new batch in the running statistics of batch normalisation;
            None leaves what the networks have. Short trainings need more than long ones.

    Raises:
        BenchmarkError: If the data have no test split, a budget or the number of repeats is not
            a whole number from 1 up, or the recipe stops early.
    """

    space: Space
    data: Dataset
    recipe: train.Recipe
    epochs: tuple[int, ...]
    repeats: int = 3
    seed: int = 0
    norm_momentum: float | None = None
    _measured: Mapping[str, Split] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        whole = all(type(e) is int and e >= 1 for e in self.epochs)
        if not self.epochs or not whole or list(self.epochs) != sorted(set(self.epochs)):
            raise BenchmarkError(
                f"epochs must be different whole numbers from 1 up, ascending; got {self.epochs!r}"
            )
        if type(self.repeats) is not int or self.repeats < 1:
            raise BenchmarkError(
                f"repeats must be a whole number of at least 1; got {self.repeats!r}"
            )
        if self.norm_momentum is not None and not 0 < self.norm_momentum <= 1:
            raise BenchmarkError(
                f"norm_momentum must be None or a number in (0, 1]; got {self.norm_momentum!r}"
            )
        for name in ("patience", "stop_epoch"):
            if (value := getattr(self.recipe, name)) is not None:
                raise BenchmarkError(
                    f"recipe.{name} must be None, since every budget of a table is trained to its "
                    f"end; got {value!r}"
                )
        if not self.data.has_test:
            raise BenchmarkError(
                f"{self.data.name}: a table has test values, but there is no test split; load "
                f"with test= above 0"
            )
        splits = (self.data.train, self.data.validation, self.data.test)
        object.__setattr__(self, "_measured", dict(zip(_SPLITS, splits, strict=True)))

    @property
    def metrics(self) -> tuple[tuple[str, str, str], ...]:
        """Name, direction and unit of what is measured on each split."""
        if self.data.task.is_classification:
            return (("accuracy", "max", "fraction"), ("loss", "min", "nats"))
        return (("r2", "max", "fraction"), ("rmse", "min", "target"))

    def describe(self) -> dict[str, Any]:
        """Return JSON facts that decide every number: data, recipe, seeds, networks."""
        return {
            "space": self.space.to_json(),
            "builder": network.reference_of(self.space),
            "data": self.data.summary(),
            "recipe": self.recipe.to_json(),
            "epochs": list(self.epochs),
            "repeats": self.repeats,
            "seed": self.seed,
            "norm_momentum": self.norm_momentum,
        }

    @property
    def identity(self) -> str:
        """Digest of what is recorded."""
        return digest(self.describe())

    @property
    def together(self) -> int:
        """How many architectures are best recorded together: networks of images are stacked."""
        return 1 if len(self.data.input_shape) == 3 else _PART

    def record(self, architectures: Sequence[Architecture], stop: Stop) -> list[Record]:
        """Train some architectures in every way, together where that is faster.

        The results do not depend on which architectures are recorded together.

        Args:
            architectures: Of the space.
            stop: Asked often; true ends it with `KeyboardInterrupt`.
        """
        pages = [_Page(self, architecture) for architecture in architectures]
        loose: list[_Page] = []
        for page in pages:
            if page.networks and train.stackable(
                page.networks[0], self.recipe, self.data.train.inputs
            ):
                self._stack(page, stop)
            elif page.networks:
                loose.append(page)
        for budget in range(len(self.epochs) if loose else 0):
            self._population(loose, budget, stop)
        return [page.finished() for page in pages]

    def _stack(self, page: _Page, stop: Stop) -> None:
        """Train all networks of one architecture as a stack."""
        try:
            fitted = self._fitted(page, stop)
        except Exception as error:  # noqa: BLE001 - a failed architecture is data, as in a study
            fitted = [error] * len(page.places)
        for place, one in zip(page.places, fitted, strict=True):
            page.take(place, one)

    def _fitted(self, page: _Page, stop: Stop) -> Sequence[train.Fitted | Exception]:
        recipes = [self.recipe.replace(epochs=self.epochs[e]) for e, _ in page.places]
        return train.fit_stacked(
            page.networks,
            self.data.train,
            None,
            recipes,
            task=self.data.task,
            seeds=page.seeds,
            measured=self._measured,
            scale=self.data.preprocessing.target_scale or None,
            should_stop=stop,
        )

    def _population(self, pages: Sequence[_Page], budget: int, stop: Stop) -> None:
        """Train the networks of several architectures at one budget."""
        wanted = [(p, i) for p in pages for i, (e, _) in enumerate(p.places) if e == budget]
        scale = self.data.preprocessing.target_scale or None
        fitted = train.fit_many(
            [page.networks[i] for page, i in wanted],
            self.data.train,
            None,
            self.recipe.replace(epochs=self.epochs[budget]),
            task=self.data.task,
            seeds=[page.seeds[i] for page, i in wanted],
            scale=scale,
            should_stop=stop,
        )
        for (page, i), one in zip(wanted, fitted, strict=True):
            found: dict[str, float] = {}
            if isinstance(one, train.Fitted):
                for split, rows in self._measured.items():
                    measured = train.measure(one.network, rows, task=self.data.task, scale=scale)
                    found |= {f"{split}_{name}": value for name, value in measured.items()}
            page.take(page.places[i], one, found)


class _Page:
    """The networks of one architecture, and what came of them so far."""

    def __init__(self, recording: Recording, architecture: Architecture) -> None:
        self._recording, self._architecture = recording, architecture
        budgets, repeats = range(len(recording.epochs)), range(recording.repeats)
        # The longest first, so that a stack is filled up with short ones in the end.
        self.places = [(e, r) for e in reversed(budgets) for r in repeats]
        self._names = [f"{s}_{m}" for s in _SPLITS for m, _, _ in recording.metrics]
        self._names.append(SECONDS)
        self._found: dict[tuple[int, int], Mapping[str, float]] = {}
        self._missing: dict[tuple[int, int], str] = {}
        self._counts: dict[str, float] = {}
        self.networks: list[nn.Module] = []
        roots = [
            derive_seed(recording.seed, "table", architecture.key, recording.epochs[e], r)
            for e, r in self.places
        ]
        self.seeds = [derive_seed(root, "training") for root in roots]
        try:
            self.networks = [self._build(derive_seed(root, "weights")) for root in roots]
            counted = counts_of(self.networks[0], recording.data.input_shape)
            self._counts = {name: counted[name] for name in COUNTS}
        except (ArchwrightError, MemoryError) as error:
            self.networks = []
            self._missing = dict.fromkeys(self.places, _reason(error))

    def _build(self, seed: int) -> nn.Module:
        data, momentum = self._recording.data, self._recording.norm_momentum
        built = network.build(self._architecture, data.input_shape, data.task.outputs, seed=seed)
        if momentum is not None:
            for module in built.modules():
                if isinstance(module, _NORMS):
                    module.momentum = momentum
        return built

    def take(
        self,
        place: tuple[int, int],
        result: train.Fitted | Exception,
        found: Mapping[str, float] | None = None,
    ) -> None:
        """Note what came of one training."""
        if isinstance(result, Exception):
            self._missing[place] = _reason(result)
            return
        metrics = {**result.metrics, **(found or {}), SECONDS: result.duration_seconds}
        values = {name: float(metrics[name]) for name in self._names}
        if odd := [name for name, value in values.items() if not math.isfinite(value)]:
            self._missing[place] = f"training diverged: {odd[0]} is {values[odd[0]]!r}"
        else:
            self._found[place] = values

    def finished(self) -> Record:
        """Return the record, when every training was noted."""
        budgets, repeats = range(len(self._recording.epochs)), range(self._recording.repeats)
        values = {
            name: [[self._found.get((e, r), {}).get(name) for r in repeats] for e in budgets]
            for name in self._names
        }
        missing = tuple((e, r, why) for (e, r), why in sorted(self._missing.items()))
        return Record(tuple(self._architecture.codes), self._counts, values, missing)


def _reason(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text if isinstance(error, ArchwrightError) else f"{type(error).__name__}: {text}"


def with_skeleton(space: Space, **sizes: int) -> Space:
    """Return a space of published cells whose networks have other sizes around the cells.

    Args:
        space: Its builder takes a `skeleton`.
        sizes: Fields of the skeleton, such as stem=8, cells=1, stacks=2; the others stay.

    Raises:
        UnknownNameError: If the skeleton has no such field.
        NetworkError: If the builder takes no skeleton, or a size is not allowed.
    """
    builder = network.builder_of(space)
    parameter = signature(builder).parameters.get("skeleton")
    if parameter is None:
        raise NetworkError(
            f"the networks of {space.name!r} have no skeleton to choose; got {sorted(sizes)}"
        )
    known = [f.name for f in fields(parameter.default)]
    for name in sizes:
        if name not in known:
            raise UnknownNameError(f"skeleton option of {space.name}", name, known)
    return space.bind(partial(builder, **{"skeleton": replace(parameter.default, **sizes)}))
