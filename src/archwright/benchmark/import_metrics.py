"""What a column of somebody's file means: said by the user, or told by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archwright.errors import BenchmarkError, UnknownNameError

__all__ = ["Meaning", "inferred", "stated", "to_number", "to_numbers"]

_SPLITS = {
    **dict.fromkeys(("val", "valid", "validation", "eval"), "val"),
    "test": "test",
    **dict.fromkeys(("train", "training"), "train"),
}
_QUANTITIES = {
    # words: (what it is called here, direction, unit; None: by its values)
    **dict.fromkeys(("acc", "accuracy", "top1", "accuracies"), ("accuracy", "max", None)),
    **dict.fromkeys(("err", "error"), ("error", "min", None)),
    **dict.fromkeys(("loss", "nll"), ("loss", "min", "nats")),
    **dict.fromkeys(("time", "seconds", "duration", "s"), ("seconds", "min", "seconds")),
    **dict.fromkeys(("params", "parameters", "param"), ("parameters", "min", "count")),
    **dict.fromkeys(("flops", "flop"), ("flops", "min", "count")),
    "macs": ("macs", "min", "count"),
    "latency": ("latency", "min", "ms"),
    "energy": ("energy", "min", "mJ"),
    "throughput": ("throughput", "max", "1/s"),
}
_DATASETS = re.compile(r"cifar_?10(0)?|image_?net(_?\d+)*|mnist|fashion_?mnist|svhn|digits")
_OPTIONS = ("unit", "direction", "split", "dataset", "moment")


@dataclass(frozen=True)
class Meaning:
    """What a column of the file becomes.

    Args:
        source: Its name in the file.
        name: The metric's name.
        unit: As in `Column`.
        direction: As in `Column`.
        split: As in `Column`.
        dataset: As in `Column`.
        moment: As in `Column`.
    """

    source: str
    name: str
    unit: str
    direction: str
    split: str = ""
    dataset: str = ""
    moment: str = "final"


def stated(text: str, columns: dict[str, NDArray[Any]]) -> Meaning:
    """Read "NAME=COLUMN,unit=percent,direction=max,split=val,dataset=cifar10".

    What is left out is inferred: from NAME, then from COLUMN. COLUMN alone is inferred wholly.

    Raises:
        BenchmarkError: If the text has another form, or something cannot be inferred.
        UnknownNameError: If there is no such column or option.
    """
    head, *rest = text.split(",")
    name, equals, source = head.partition("=")
    source = source if equals else name
    if source not in columns:
        raise UnknownNameError("column", source, columns)
    options: dict[str, str] = {}
    for part in rest:
        key, equals_too, value = part.partition("=")
        if key not in _OPTIONS:
            raise UnknownNameError(f"option in the metric {text!r}", key, _OPTIONS)
        if not equals_too:
            raise BenchmarkError(f"options of a metric look like unit=percent; got {part!r}")
        options[key] = value
    words = inferred(name, columns[source])
    guess = inferred(source, columns[source]) if isinstance(words, str) else words
    if isinstance(guess, str):
        if missing := [option for option in ("unit", "direction") if option not in options]:
            raise BenchmarkError(
                f"metric {text!r} needs {' and '.join(missing)}: {guess}. Write it like "
                f"'{head},unit=ms,direction=min'"
            )
        guess = Meaning(source, name, "", "", _split_of(name))
    chosen = {
        "unit": guess.unit,
        "direction": guess.direction,
        "split": _split_of(name) if equals else guess.split,
        "dataset": "" if "/" in name else guess.dataset,
        **options,
    }
    return Meaning(source, name if equals else guess.name, **chosen)


def inferred(source: str, values: NDArray[Any]) -> Meaning | str:
    """Return what a column means by its name, or in words why that is not known."""
    words = [word for word in re.split(r"[^a-z0-9]+", source.lower()) if word]
    known = [_QUANTITIES[word] for word in words if word in _QUANTITIES]
    splits = [_SPLITS[word] for word in words if word in _SPLITS]
    dataset = _dataset(words)
    if not known and not splits:
        return f"the name {source!r} does not say what it is"
    quantity, direction, unit = known[0] if known else ("accuracy", "max", None)
    clean = re.sub(r"\W+", "_", source.strip())
    if unit is None:
        unit = _share(values)
        if unit is None:
            return f"the values of {source!r} are neither fractions nor percentages"
        if not splits:
            return f"{source!r} does not say whether it is of the training, val or test split"
    split = splits[0] if splits else ""
    if quantity == "seconds":
        name = "training_seconds" if split in ("train", "") and len(words) <= 2 else clean
        own = split if name.startswith(f"{split}_") else ""
        return Meaning(source, name, unit, direction, own, dataset)
    if unit == "count" and words[-1] == "m":
        unit = "millions"
    spare = [w for w in words if w not in _QUANTITIES and w not in _SPLITS]
    if dataset:
        spare = [word for word in spare if word not in dataset.split("_")]
    if split and not spare:
        return Meaning(source, f"{split}_{quantity}", unit, direction, split, dataset)
    if not spare and quantity in ("parameters", "flops", "macs"):
        return Meaning(source, quantity, unit, direction, "", dataset)
    name = clean if not split or clean.startswith(split) else f"{split}_{clean}"
    return Meaning(source, name, unit, direction, split)


def to_number(text: str) -> float | None:
    """Return the number that a cell says, NaN for an empty one; None if it says none."""
    if not text.strip():
        return float("nan")
    try:
        return float(text)
    except ValueError:
        return None


def to_numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return a column as float64; NaN for what is no number."""
    if values.dtype.kind != "U":
        return values.astype(np.float64)
    read = map(to_number, values.tolist())
    return np.array([float("nan") if number is None else number for number in read])


def _dataset(words: Sequence[str]) -> str:
    """Return the data set that some neighbouring words name; empty if none do."""
    for count in range(len(words), 0, -1):
        for start in range(len(words) - count + 1):
            joined = "_".join(words[start : start + count])
            if _DATASETS.fullmatch(joined):
                return joined
    return ""


def _split_of(name: str) -> str:
    return _SPLITS.get(name.rpartition("/")[2].partition("_")[0], "")


def _share(values: NDArray[Any]) -> str | None:
    """Return whether numbers are fractions or percentages; None if they are neither."""
    numbers = to_numbers(values)
    known = numbers[np.isfinite(numbers)]
    if not len(known) or known.min() < 0 or known.max() > 100:
        return None
    return "fraction" if known.max() <= 1 else "percent"
