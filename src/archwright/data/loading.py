"""The front door of the room: `load` and `check`."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archwright.data.dataset import Dataset
from archwright.data.labels import Labels, read_labels
from archwright.data.new_rows import refuse
from archwright.data.options import LoadOptions
from archwright.data.pixel_inputs import PixelInputs
from archwright.data.preprocessing import Preprocessing
from archwright.data.raw import RawData, Table
from archwright.data.records import Problem, Split, Task
from archwright.data.sources import DATASETS, existing, read
from archwright.data.splitting import split_rows
from archwright.data.table_inputs import TableInputs

__all__ = ["check", "load"]

_log = logging.getLogger(__name__)

Rows = NDArray[np.int64]


def load(source: Any, options: LoadOptions | None = None, **keywords: Any) -> Dataset:
    """Read data, split them and make tensors of them.

    Args:
        source: A known name (`DATASETS`), a path of a file or of a folder of images, arrays
            `(X, y)` or `(X_train, y_train, X_test, y_test)`, a pandas DataFrame, a PyTorch
            dataset, or the `spec` of a dataset.
        options: See `LoadOptions`.
        **keywords: Single fields of `LoadOptions`.

    Raises:
        UnknownNameError: If a name or an option is not known.
        DataError: If the data cannot be used; `problems` lists every reason.
        EnvironmentProblem: If a known set is neither at hand nor to be had.

    Example:
        >>> dataset = load("wine", seed=1)
        >>> dataset.input_shape, dataset.task.outputs, len(dataset.train)
        ((13,), 3, 106)
    """
    source, chosen = _unpack(source, options, keywords)
    problems: list[Problem] = []
    raw, labels = _examine(source, chosen, problems)
    refuse(problems)
    assert raw is not None
    assert labels is not None
    return _assemble(raw, labels, chosen, _spec(source, chosen))


def check(source: Any, options: LoadOptions | None = None, **keywords: Any) -> list[Problem]:
    """Return every reason why `load` would refuse, in the order in which they were found.

    Args and errors other than those about the data are those of `load`.
    """
    source, chosen = _unpack(source, options, keywords)
    problems: list[Problem] = []
    _examine(source, chosen, problems)
    return problems


def _unpack(
    source: Any, options: LoadOptions | None, keywords: Mapping[str, Any]
) -> tuple[Any, LoadOptions]:
    if isinstance(source, Mapping) and "source" in source:
        keywords = {**source.get("options", {}), **keywords}
        source = source["source"]
    return source, LoadOptions.of(options, keywords)


def _examine(
    source: Any, options: LoadOptions, problems: list[Problem]
) -> tuple[RawData | None, Labels | None]:
    if isinstance(options.test_source, str | Path):
        existing(Path(options.test_source))
    raw = read(source, options, problems)
    if raw is None:
        return None, None
    labels = read_labels(raw, options, problems)
    main = len(raw) - raw.test_rows
    if labels is not None and not labels.is_classification and main < 3:
        message = f"there are {main} rows, too few for three splits"
        problems.append(Problem(raw.places.name, message, "give at least 3 rows"))
    return raw, labels


def _spec(source: Any, options: LoadOptions) -> dict[str, Any] | None:
    in_memory = not isinstance(source, str | Path)
    if in_memory or not isinstance(options.test_source, str | Path | None):
        return None
    known = isinstance(source, str) and source in DATASETS
    where = source if known else str(Path(source).expanduser().absolute())
    return {"source": where, "options": options.to_json()}


def _assemble(
    raw: RawData, labels: Labels, options: LoadOptions, spec: dict[str, Any] | None
) -> Dataset:
    notes = [*raw.notes, labels.reason] if labels.reason else list(raw.notes)
    rows = _rows(raw, labels, options)
    preprocessing = _fit(raw, labels, rows["train"], options, notes)
    splits = {
        name: _split(raw, labels, preprocessing, chosen, options.device)
        for name, chosen in rows.items()
    }
    numbers = dict(rows)
    if raw.test_rows:
        numbers["test"] = rows["test"] - (len(raw) - raw.test_rows)
    for note in notes:
        _log.info("%s: %s", raw.name, note)
    return Dataset(
        raw.name,
        raw.kind,
        preprocessing.task,
        splits["train"],
        splits["validation"],
        preprocessing,
        numbers,
        {name: split.hash for name, split in splits.items()},
        tuple(notes),
        spec,
        splits.get("test"),
    )


def _rows(raw: RawData, labels: Labels, options: LoadOptions) -> dict[str, Rows]:
    """Return positions in `raw` for each split; no "test" if there is none."""
    main = len(raw) - raw.test_rows
    codes = labels.values[:main].astype(np.int64) if labels.is_classification else None
    test = 0.0 if raw.test_rows else options.test
    rows = split_rows(main, codes, validation=options.validation, test=test, seed=options.seed)
    if raw.test_rows:
        rows["test"] = np.arange(main, len(raw))
    elif not len(rows["test"]):
        del rows["test"]
    return rows


def _fit(
    raw: RawData, labels: Labels, train: Rows, options: LoadOptions, notes: list[str]
) -> Preprocessing:
    inputs: TableInputs | PixelInputs
    if isinstance(raw.inputs, Table):
        inputs = TableInputs.fit(
            raw.inputs, train, numeric=options.numeric, max_levels=options.max_levels, notes=notes
        )
        if not inputs.feature_names:
            message = "every column has one value only in the training rows"
            refuse([Problem(raw.places.name, message, "give columns that differ between rows")])
    else:
        inputs = PixelInputs.fit(raw.inputs, train, mode=raw.image_mode)
    if labels.is_classification:
        task = Task("classification", len(labels.class_names), labels.class_names)
        return Preprocessing(inputs, task, raw.label_names)
    values = labels.values[train].astype(np.float64)
    scale = values.std(axis=0)
    scale[scale <= 1e-12 * np.abs(values.mean(axis=0))] = 1.0
    task = Task("regression", values.shape[1])
    mean = tuple(values.mean(axis=0).tolist())
    return Preprocessing(inputs, task, raw.label_names, mean, tuple(scale.tolist()))


def _split(
    raw: RawData, labels: Labels, preprocessing: Preprocessing, rows: Rows, device: str
) -> Split:
    inputs = preprocessing.inputs
    if isinstance(inputs, TableInputs):
        assert isinstance(raw.inputs, Table)
        tensor = torch.from_numpy(inputs.transform(raw.inputs, rows)).to(device)
    else:
        assert not isinstance(raw.inputs, Table)
        tensor = inputs.transform(raw.inputs, rows, device=device)
    values = labels.values[rows]
    if not labels.is_classification:
        values = preprocessing.standardise(values.astype(np.float64))
    start = len(raw) - raw.test_rows
    numbers = rows - start if raw.test_rows and len(rows) and rows[0] >= start else rows
    return Split(
        tensor,
        torch.from_numpy(values).to(device),
        hashlib.blake2b(numbers.tobytes(), digest_size=16).hexdigest(),
        raw.content_hash(rows),
    )
