"""What NATS-Bench and NAS-Bench-201 record about one cell, checked and put into arrays.

A state is a dict: the cell's text and number, and the trainings by (dataset, seed). A training has
percentages, losses and seconds for each epoch, of the training images by epoch, of the other sets
by "set@epoch"; some sets were evaluated after the last epoch only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archwright.benchmark.contents import is_number
from archwright.errors import FormatError

__all__ = ["DATASETS", "QUANTITIES", "SETS", "Training", "trainings_of"]

SETS: dict[str, dict[str, str]] = {
    "cifar10-valid": {"x-valid": "val", "ori-test": "test"},
    "cifar10": {"ori-test": "test"},
    "cifar100": {"x-valid": "val", "x-test": "test", "ori-test": "valtest"},
    "ImageNet16-120": {"x-valid": "val", "x-test": "test", "ori-test": "valtest"},
}
"""The published names of the sets that each dataset is evaluated on, and what they are to us."""

DATASETS = tuple(SETS)
QUANTITIES = (
    *("train_accuracy", "train_top5_accuracy", "train_loss", "training_seconds"),
    *(
        f"{part}_{quantity}"
        for part in ("val", "test", "valtest")
        for quantity in ("accuracy", "loss", "seconds")
    ),
)
"""What is recorded at an epoch; seconds are summed from the first epoch on."""

_LONGEST = 1000  # epochs


class Training(NamedTuple):
    """One training of one cell.

    Args:
        dataset: A name in `DATASETS`.
        seed: The authors' seed.
        curves: `(epochs, quantities)`, float64; NaN where nothing is recorded.
        parameters: In millions.
        flops: In millions.
        latency: Seconds for a batch of 256; NaN if it was not measured.
    """

    dataset: str
    seed: int
    curves: npt.NDArray[np.float64]  # (epochs, quantities)
    parameters: float
    flops: float
    latency: float


class _Place(NamedTuple):
    """Where a value stands, for messages."""

    path: Path
    words: str

    def inside(self, name: object) -> _Place:
        return _Place(self.path, f"{self.words}, field {name}")

    def refuse(self, expected: str, got: object) -> FormatError:
        shown = repr(got)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        return FormatError(self.path, self.words, f"expected {expected}, got {shown}")


def trainings_of(path: Path, state: Any, cell: int, text: str, budget: str) -> Iterator[Training]:
    """Yield the trainings in a state.

    Args:
        path: The file, for messages.
        state: What was unpickled.
        cell: The published index that it must be of.
        text: The published text of this cell.
        budget: The name of the training schedule, for messages.

    Raises:
        FormatError: If it is no state of this cell, or a value is missing or not possible; names
            the training and the field.
    """
    place = _Place(path, f"cell {cell}, schedule {budget!r}")
    if not isinstance(state, dict) or not isinstance(state.get("all_results"), dict):
        raise place.refuse("a state with all_results", state)
    if (found := (state.get("arch_index"), state.get("arch_str"))) != (cell, text):
        raise place.refuse(f"the state of {(cell, text)}", found)
    for key, trial in state["all_results"].items():
        if not isinstance(key, tuple) or len(key) != 2 or key[0] not in SETS:
            raise place.refuse(f"(dataset, seed) with a dataset of {', '.join(DATASETS)}", key)
        if type(key[1]) is not int or not isinstance(trial, dict):
            raise place.refuse("a whole seed and a training", (key, trial))
        yield _training(_Place(path, f"{place.words}, training {key}"), *key, trial)


def _training(place: _Place, dataset: str, seed: int, trial: dict[Any, Any]) -> Training:
    epochs = trial.get("epochs")
    if type(epochs) is not int or not 1 <= epochs <= _LONGEST:
        raise place.inside("epochs").refuse(f"1 to {_LONGEST}", epochs)
    if trial.get("name") != dataset or not _is_seed(trial.get("seed"), seed):
        found = (trial.get("name"), trial.get("seed"))
        raise place.inside("name and seed").refuse(f"{(dataset, seed)}", found)
    curves = np.full((epochs, len(QUANTITIES)), np.nan)
    columns = ("train_acc1es", "train_acc5es", "train_losses", "train_times")
    for column, field in enumerate(columns):
        _fill(place.inside(field), curves[:, column], trial.get(field))
    for field, quantity in (("eval_acc1es", 0), ("eval_losses", 1), ("eval_times", 2)):
        _fill_sets(place.inside(field), dataset, curves, quantity, trial.get(field))
    for column, name in enumerate(QUANTITIES):
        if name.endswith("_seconds"):
            curves[:, column] = np.cumsum(curves[:, column])
    _check(place, curves)
    return Training(
        dataset,
        seed,
        curves,
        _number(place.inside("params"), trial.get("params")),
        _number(place.inside("flop"), trial.get("flop")),
        _latency(place.inside("latency"), trial.get("latency")),
    )


def _is_seed(written: Any, seed: int) -> bool:
    """Return whether a training's own seed, text like "0777" or a number, is the key's."""
    if isinstance(written, str):
        return written.isdecimal() and int(written) == seed
    return type(written) is int and written == seed


def _fill(place: _Place, column: npt.NDArray[np.float64], values: Any) -> None:
    """Put the values of a dict or list by epoch into a column; there may be none at all."""
    if values is None:
        return
    pairs = enumerate(values) if isinstance(values, list) else _items(place, values)
    for epoch, value in pairs:
        if type(epoch) is not int or not 0 <= epoch < len(column):
            raise place.refuse(f"epochs from 0 to {len(column) - 1}", epoch)
        column[epoch] = np.nan if value is None else _number(place, value)


def _fill_sets(
    place: _Place, dataset: str, curves: npt.NDArray[np.float64], quantity: int, values: Any
) -> None:
    """Put the values of a dict by "set@epoch" into their columns."""
    names = SETS[dataset]
    first = {name: 4 + 3 * ("val", "test", "valtest").index(part) for name, part in names.items()}
    for key, value in _items(place, values):
        name, _, epoch = key.rpartition("@") if isinstance(key, str) else ("", "", "")
        if name not in first or not epoch.isdecimal() or int(epoch) >= len(curves):
            raise place.refuse(
                f"keys set@epoch with a set of {', '.join(names)} and an epoch below {len(curves)}",
                key,
            )
        curves[int(epoch), first[name] + quantity] = _number(place, value)


def _items(place: _Place, values: Any) -> Any:
    if not isinstance(values, dict):
        raise place.refuse("a dict", values)
    return values.items()


def _number(place: _Place, value: Any) -> float:
    if not is_number(value) or not value == value or abs(value) == float("inf"):
        raise place.refuse("a number", value)
    return float(value)


def _latency(place: _Place, value: Any) -> float:
    if value is None or value == []:
        return float("nan")
    if not isinstance(value, list):
        raise place.refuse("a list of seconds", value)
    return float(np.mean([_number(place, seconds) for seconds in value]))


def _check(place: _Place, curves: npt.NDArray[np.float64]) -> None:
    """Check that percentages are percentages and nothing is negative."""
    for column, name in enumerate(QUANTITIES):
        values = curves[:, column]
        most = 100 if name.endswith("accuracy") else np.inf
        wrong = np.flatnonzero((values < 0) | (values > most))
        if wrong.size:
            what = "a percentage" if most == 100 else "a number from 0"
            raise place.inside(f"{name}, epoch {wrong[0]}").refuse(what, float(values[wrong[0]]))
