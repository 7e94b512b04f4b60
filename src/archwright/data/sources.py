"""From whatever a user gives to raw data: one reader for each kind of source."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archwright.data.arrays import (
    inputs_of,
    open_npz,
    raw_from_arrays,
    raw_from_dataset,
    read_npz,
)
from archwright.data.delimited import SUFFIXES, read_delimited
from archwright.data.frames import frame_of, raw_from_frame, read_parquet, read_table_file
from archwright.data.image_folder import is_image, read_image_folder, read_images
from archwright.data.options import LoadOptions
from archwright.data.raw import Places, RawData
from archwright.data.records import Problem
from archwright.errors import DataError, UnknownNameError
from archwright.registry import Registry

__all__ = ["DATASETS", "Reader", "read", "read_inputs"]

Reader = Callable[[LoadOptions, list[Problem]], RawData | None]
"""Reads one named set; adds what is wrong with it to the list."""

DATASETS: Registry[Reader] = Registry("dataset", group="archwright.datasets")
"""Names that `load` takes instead of data."""


def _register() -> None:
    bundled = "archwright.data.bundled:"
    public = "archwright.data.public:"
    add = DATASETS.register
    add("digits", bundled + "digits", summary="1,797 grey images of 8 x 8 pixels, 10 classes")
    add("wine", bundled + "wine", summary="178 rows, 13 numeric columns, 3 classes")
    add(
        "breast_cancer",
        bundled + "breast_cancer",
        summary="569 rows, 30 numeric columns, 2 classes",
        aliases=("breast-cancer",),
    )
    add("diabetes", bundled + "diabetes", summary="442 rows, 10 numeric columns, regression")
    add("mnist", public + "mnist", summary="70,000 grey digits of 28 x 28 pixels (download)")
    add(
        "fashion_mnist",
        public + "fashion_mnist",
        summary="70,000 grey clothes of 28 x 28 pixels (download)",
        aliases=("fashion-mnist",),
    )
    add(
        "cifar10",
        public + "cifar10",
        summary="60,000 images of 32 x 32 pixels, 10 classes (download)",
    )
    add(
        "cifar100",
        public + "cifar100",
        summary="60,000 images of 32 x 32 pixels, 100 classes (download)",
    )


_register()


def read(source: Any, options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """Read a source; what is wrong is added to `problems`.

    Raises:
        UnknownNameError: If it is a word that is neither a known set nor a file.
        DataError: If there is no such file, or it is nothing that can be read.
    """
    if isinstance(source, str | Path):
        return _read_named(source, options, problems)
    if isinstance(source, torch.utils.data.Dataset):
        return raw_from_dataset(source, options, problems)
    if _is_frame(source):
        return _read_frame(source, options, problems)
    if isinstance(source, tuple | list) and len(source) in (2, 4):
        return _read_arrays(tuple(source), options, problems)
    raise DataError(
        f"cannot read data from {type(source).__name__!r}; give a name, a path, arrays (X, y), a "
        "pandas DataFrame or a PyTorch dataset"
    )


def _is_frame(value: Any) -> bool:
    """Whether a value is a pandas DataFrame; if pandas is not imported, it is none."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def _read_named(
    source: str | Path, options: LoadOptions, problems: list[Problem]
) -> RawData | None:
    if isinstance(source, str) and source in DATASETS:
        return DATASETS.get(source)(options, problems)
    path = existing(source)
    if path.is_dir():
        return read_image_folder(path, options, problems)
    kind = _kind(path)
    if kind == "npz":
        return read_npz(path, options, problems)
    if kind == "image":
        raise DataError(f"{path}: is one image; give a folder with a folder for each class")
    return read_table_file(path, options, problems)


def existing(source: str | Path) -> Path:
    """Return the path of a file or folder that is there.

    Raises:
        UnknownNameError: If it is a word that could have been the name of a set.
        DataError: If there is no such file.
    """
    path = Path(source).expanduser()
    if path.exists():
        return path
    word = str(source)
    if isinstance(source, str) and not path.suffix and len(path.parts) == 1:
        hint = "A file or folder of that name does not exist either."
        raise UnknownNameError("dataset", word, DATASETS.names(), hint=hint)
    near = _nearest(path)
    raise DataError(f"{word}: there is no such file or folder{near}; correct the path")


def _nearest(path: Path) -> str:
    from difflib import get_close_matches

    if not path.parent.is_dir():
        return f" (nor a folder {str(path.parent)!r})"
    names = [entry.name for entry in path.parent.iterdir()]
    found = get_close_matches(path.name, names, n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _kind(path: Path) -> str:
    """Return "npz", "parquet", "delimited" or "image" by the ending of the name."""
    suffix = path.suffix.lower()
    if suffix == ".gz":
        suffix = Path(path.stem).suffix.lower()
    kinds = {".npz": "npz", ".parquet": "parquet", ".pq": "parquet"}
    kinds.update(dict.fromkeys(SUFFIXES, "delimited"))
    if suffix in kinds:
        return kinds[suffix]
    if is_image(path):
        return "image"
    known = [*SUFFIXES, ".parquet", ".npz"]
    raise DataError(
        f"{path}: files ending in {path.suffix!r} are not read; give {', '.join(known)} "
        "(.gz after a text ending), or a folder of images"
    )


def _read_frame(frame: Any, options: LoadOptions, problems: list[Problem]) -> RawData | None:
    places = Places("DataFrame")
    test = None
    if options.test_source is not None:
        second = options.test_source
        if not _is_frame(second):
            raise DataError(f"test_source must be a DataFrame too; got {type(second).__name__!r}")
        test = (frame_of(second), Places("test DataFrame"))
    return raw_from_frame(
        frame_of(frame), options, problems, name="DataFrame", places=places, test=test
    )


def _read_arrays(
    arrays: tuple[Any, ...], options: LoadOptions, problems: list[Problem]
) -> RawData | None:
    test = options.test_source
    inputs, labels = arrays[:2]
    if len(arrays) == 4:
        test = arrays[2:]
    if test is not None and not (isinstance(test, tuple | list) and len(test) == 2):
        raise DataError(f"test_source must be arrays (X, y) too; got {type(test).__name__!r}")
    held_out = None if test is None else (test[0], test[1])
    if not _is_frame(inputs):
        return raw_from_arrays(inputs, labels, options, problems, test=held_out)
    labels = np.asarray(labels)
    frame = frame_of(inputs)
    if len(labels) != len(frame):
        message = f"there are {len(frame)} inputs but {len(labels)} labels"
        problems.append(Problem("DataFrame", message, "give one label per input"))
        return None
    if held_out is not None:
        labels = np.concatenate([labels, np.asarray(held_out[1])])
        held_out = (frame_of(held_out[0]), Places("test DataFrame"))
    return raw_from_frame(
        frame,
        options,
        problems,
        name="DataFrame",
        places=Places("DataFrame"),
        labels=_plain_labels(labels, options, problems),
        test=held_out,
    )


def _plain_labels(labels: Any, options: LoadOptions, problems: list[Problem]) -> Any:
    """Return labels beside a frame the way labels beside an array are read."""
    flat = np.zeros((len(labels), 1))
    raw = raw_from_arrays(flat, labels, options, problems, name="labels")
    return labels if raw is None else raw.labels


def read_inputs(
    source: Any, options: LoadOptions, problems: list[Problem], *, mode: str = ""
) -> tuple[Any, Places]:
    """Read rows without asking for labels: a frame or an array, and the places of its rows.

    Raises:
        UnknownNameError: If it is a word that is neither a known set nor a file.
        DataError: If there is no such file, or it is nothing that can be read.
    """
    if isinstance(source, str | Path):
        return _read_named_inputs(source, options, problems, mode)
    if _is_frame(source):
        return frame_of(source), Places("DataFrame")
    if isinstance(source, torch.Tensor):
        source = source.detach().cpu().numpy()
    return np.asarray(source), Places("array")


def _read_named_inputs(
    source: str | Path, options: LoadOptions, problems: list[Problem], mode: str
) -> tuple[Any, Places]:
    if isinstance(source, str) and source in DATASETS:
        raw = DATASETS.get(source)(options, problems)
        places = Places(source)
        if raw is None:
            return None, places
        return (raw.inputs if isinstance(raw.inputs, np.ndarray) else _as_frame(raw)), places
    path = existing(source)
    if path.is_dir() or is_image(path):
        return read_images(path, options, problems, mode=mode)
    kind = _kind(path)
    if kind == "npz":
        arrays = open_npz(path, problems)
        inputs = None if arrays is None else inputs_of(arrays)
        if arrays is not None and inputs is None:
            message = f"has arrays {', '.join(arrays) or 'none'}, none of them called x"
            problems.append(Problem(path.name, message, "name the inputs x"))
        return inputs, Places(path.name)
    if kind == "parquet":
        return read_parquet(path, problems), Places(path.name)
    as_text = [str(name) for name in options.categorical]
    read = read_delimited(path, options, problems, as_text=as_text)
    return (None, Places(path.name)) if read is None else (read.frame, read.places)


def _as_frame(raw: RawData) -> Any:
    import pandas as pd

    assert not isinstance(raw.inputs, np.ndarray)
    return pd.DataFrame(raw.inputs.numeric, columns=list(raw.inputs.numeric_names))
