"""Arrays in memory, in `.npz` files and in PyTorch datasets."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archwright.data.columns import TOO_LARGE
from archwright.data.labels import label_column
from archwright.data.options import LoadOptions
from archwright.data.raw import Places, RawData, Table
from archwright.data.records import Problem
from archwright.errors import DataError

__all__ = ["channels_first", "raw_from_arrays", "raw_from_dataset", "read_npz"]

Array = NDArray[np.generic]

_INPUT_NAMES = ("x", "X", "inputs", "images", "data")
_LABEL_NAMES = ("y", "Y", "labels", "targets", "label", "target")
_CLASS_NAMES = ("classes", "class_names")
_CHANNELS = (1, 3, 4)


def raw_from_arrays(
    inputs: Any,
    labels: Any,
    options: LoadOptions,
    problems: list[Problem],
    *,
    name: str = "arrays",
    feature_names: Sequence[str] = (),
    class_names: Sequence[str] = (),
    test: tuple[Any, Any] | None = None,
) -> RawData | None:
    """Read inputs and labels that are arrays, or look like ones.

    Two dimensions make a table (of bytes: an array), three and four make images, `(rows, height,
    width)`, `(rows, height, width, channels)` or `(rows, channels, height, width)`.
    """
    places = Places(name)
    x, y = _array(inputs, "inputs", places, problems), _labels(labels, options, places, problems)
    test_rows = 0
    if test is not None and x is not None and y is not None:
        second_places = Places(f"{name} (test)")
        x2 = _array(test[0], "inputs", second_places, problems)
        y2 = _labels(test[1], options, second_places, problems)
        if x2 is None or y2 is None or not _alike(x, x2, places, problems):
            return None
        if not _as_many(x2, y2, second_places, problems):
            return None
        places, test_rows = places.followed_by(second_places, len(x)), len(x2)
        if not _as_many(x, y, places, problems):
            return None
        x, y = np.concatenate([x, x2]), np.concatenate([y, y2])
    if x is None or y is None or not _as_many(x, y, places, problems):
        return None
    if not len(x):
        problems.append(Problem(places.name, "there are no rows", "give some data"))
        return None
    names = ("target",) if y.ndim == 1 else tuple(f"target_{i}" for i in range(y.shape[1]))
    kind, values = _inputs(x, feature_names, places, problems)
    return RawData(name, kind, values, y, names, tuple(class_names), test_rows, places)


def _array(values: Any, what: str, places: Places, problems: list[Problem]) -> Array | None:
    if hasattr(values, "toarray"):
        problems.append(Problem(places.name, f"{what} are sparse", "call .toarray() first"))
        return None
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    try:
        array = np.asarray(values)
    except ValueError as error:
        problems.append(Problem(places.name, f"{what} are no array ({error})", "make rows alike"))
        return None
    if array.ndim == 1 and what == "inputs":
        array = array.reshape(-1, 1)
    if array.dtype == bool:
        array = array.astype(np.uint8) if array.ndim > 2 else array.astype(np.float32)
    if array.dtype == object and what == "inputs":
        array = _numbers_in(array)
    if array.dtype.kind not in "iuf" and what == "inputs":
        remedy = "give numbers, or a pandas DataFrame for columns of text"
        problems.append(Problem(places.name, f"inputs have dtype {array.dtype}", remedy))
        return None
    return array


def _numbers_in(array: NDArray[Any]) -> Array:
    """Return an array of Python numbers as one of floats, another one as it is."""
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        return array


def _labels(
    labels: Any, options: LoadOptions, places: Places, problems: list[Problem]
) -> Array | None:
    array = _array(labels, "labels", places, problems)
    if array is None:
        return None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind in "OUSbT" and array.ndim == 1:
        import pandas as pd

        series = pd.Series(array, name="target")
        return label_column(series, task=options.task, places=places, problems=problems)
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        message = f"labels have shape {array.shape} and dtype {array.dtype}"
        remedy = "give one label per row, or a row of numbers for several targets"
        problems.append(Problem(places.name, message, remedy))
        return None
    return array


def _alike(x: Array, test: Array, places: Places, problems: list[Problem]) -> bool:
    if x.shape[1:] == test.shape[1:]:
        return True
    message = f"training inputs have shape {x.shape[1:]} and test inputs {test.shape[1:]}"
    problems.append(Problem(places.name, message, "give arrays of the same form"))
    return False


def _as_many(x: Array, y: Array, places: Places, problems: list[Problem]) -> bool:
    if len(x) == len(y):
        return True
    message = f"there are {len(x)} inputs but {len(y)} labels"
    problems.append(Problem(places.name, message, "give one label per input"))
    return False


def _inputs(
    x: Array, feature_names: Sequence[str], places: Places, problems: list[Problem]
) -> tuple[str, Table | Array]:
    if x.ndim == 2 and x.dtype != np.uint8:
        return "tabular", numeric_table(x, feature_names, places, problems)
    if x.dtype.kind == "f":
        flat = np.isfinite(x).reshape(len(x), -1).all(axis=1)
        bad = np.flatnonzero(~flat)
        if len(bad):
            message = f"inputs are not finite numbers ({places.some(bad.tolist())})"
            problems.append(Problem(places.name, message, "correct or remove these rows"))
    if x.ndim in (3, 4):
        return "image", channels_first(x)
    return "array", x


def numeric_table(x: Array, names: Sequence[str], places: Places, problems: list[Problem]) -> Table:
    """Return a table of numeric columns, checked for infinite values and empty columns."""
    columns = tuple(map(str, names)) or tuple(str(index) for index in range(x.shape[1]))
    values: NDArray[Any] = x if x.dtype.kind == "f" else x.astype(np.float64)
    # The bound as float64: as a Python float it would become the infinity of a narrower array.
    rows, wrong = np.nonzero(np.abs(values) > np.float64(TOO_LARGE))
    for row, column in list(zip(rows.tolist(), wrong.tolist(), strict=True))[:10]:
        message = f"{float(values[row, column])!r} is not a finite number"
        place = places.at(row, columns[column])
        problems.append(Problem(place, message, "correct it or make it NaN if it is unknown"))
    empty = np.isnan(values).all(axis=0)
    for column in np.flatnonzero(empty).tolist():
        place = places.column(columns[column])
        problems.append(Problem(place, "every value is missing", "remove the column"))
    kinds = dict.fromkeys(columns, "numeric")
    return Table(kinds, values, columns, positional=not names)


def channels_first(x: Array) -> Array:
    """Return images as `(rows, channels, height, width)`."""
    if x.ndim == 3:
        return x[:, None]
    first_may_be = x.shape[1] in _CHANNELS
    last = x.shape[3] in _CHANNELS and (not first_may_be or x.shape[3] < min(x.shape[1:3]))
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) if last else x


def read_npz(path: Path, options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """Read `x` and `y`, or `x_train`, `y_train`, `x_test` and `y_test`, from an `.npz` file.

    An array `classes` or `class_names` names the codes of the labels.
    """
    arrays = open_npz(path, problems)
    if arrays is None:
        return None
    train = _find(arrays, "_train"), _find(arrays, "_train", labels=True)
    test = _find(arrays, "_test"), _find(arrays, "_test", labels=True)
    plain = _find(arrays), _find(arrays, labels=True)
    main = train if train[0] is not None else plain
    if main[0] is None or main[1] is None:
        message = f"has arrays {', '.join(arrays) or 'none'}, not inputs and labels"
        remedy = "name them x and y, or x_train, y_train, x_test and y_test"
        problems.append(Problem(path.name, message, remedy))
        return None
    classes = next((arrays[name] for name in _CLASS_NAMES if name in arrays), ())
    return raw_from_arrays(
        *main,
        options,
        problems,
        name=path.stem,
        class_names=[str(name) for name in classes],
        test=test if test[0] is not None and test[1] is not None else None,
    )


def open_npz(path: Path, problems: list[Problem]) -> dict[str, Array] | None:
    """Return the arrays of an `.npz` file; nothing in it is executed."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        message = f"is not an .npz file of plain arrays ({error})"
        remedy = "write it with numpy.savez and arrays of numbers or text, not of objects"
        problems.append(Problem(path.name, message, remedy))
        return None


def inputs_of(arrays: Mapping[str, Array]) -> Array | None:
    """Return the inputs among the arrays of an `.npz` file without asking for labels."""
    for suffix in ("", "_test", "_train"):
        found = _find(arrays, suffix)
        if found is not None:
            return found
    return None


def _find(arrays: Mapping[str, Array], suffix: str = "", *, labels: bool = False) -> Array | None:
    names = _LABEL_NAMES if labels else _INPUT_NAMES
    return next((arrays[name + suffix] for name in names if name + suffix in arrays), None)


def raw_from_dataset(
    dataset: torch.utils.data.Dataset[Any], options: LoadOptions, problems: list[Problem]
) -> RawData | None:
    """Read every item of a PyTorch dataset into memory."""
    name = type(dataset).__name__
    test = None
    if options.test_source is not None:
        test = _materialise(options.test_source, problems)
        if test is None:
            return None
    main = _materialise(dataset, problems)
    classes = getattr(dataset, "classes", ())
    return (
        None
        if main is None
        else raw_from_arrays(
            *main, options, problems, name=name, class_names=[str(c) for c in classes], test=test
        )
    )


def _materialise(dataset: Any, problems: list[Problem]) -> tuple[Any, Any] | None:
    name = type(dataset).__name__
    if isinstance(dataset, torch.utils.data.TensorDataset) and len(dataset.tensors) == 2:
        return dataset.tensors[0], dataset.tensors[1]
    if not hasattr(dataset, "__len__"):
        raise DataError(f"{name} has no length; give a dataset with __len__ and __getitem__")
    inputs, labels = [], []
    for index in range(len(dataset)):
        item = dataset[index]
        if not isinstance(item, tuple | list) or len(item) != 2:
            message = f"item {index} is not a pair of input and label; got {type(item).__name__}"
            problems.append(Problem(name, message, "return (input, label)"))
            return None
        inputs.append(np.asarray(item[0]))
        labels.append(np.asarray(item[1]))
    shapes = {values.shape for values in inputs}
    if len(shapes) > 1:
        some = ", ".join(str(shape) for shape in sorted(shapes)[:3])
        problems.append(Problem(name, f"inputs have different shapes: {some}", "resize them"))
        return None
    return (np.stack(inputs), np.stack(labels)) if inputs else (np.empty((0, 1)), np.empty(0))
