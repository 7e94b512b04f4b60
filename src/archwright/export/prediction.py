"""Predictions for a file: a table out, one row for each row in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archwright.data.image_folder import image_files
from archwright.errors import ExportError
from archwright.export.model import Model, load_model
from archwright.files import whole_file
from archwright.space import Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict_file", "prediction_frame"]


def predict_file(
    model: str | Path | Model,
    data: Any,
    out: str | Path | None = None,
    *,
    space: Space | str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """Predict for all rows of a file, and write the answers as CSV if asked to.

    Args:
        model: Folder of a model, or a model.
        data: What `Model.predict` takes: a CSV, Parquet or .npz file, a folder of images, ...
        out: The CSV file to write, in UTF-8; replaced in one step if it is there. None writes
            nothing.
        space: See `load_model`.
        **options: How to read `data`: `delimiter`, `encoding` ...

    Returns:
        See `prediction_frame`.

    Raises:
        ExportError: If the model cannot be read or the answers cannot be written.
        DataError: If the data do not fit the model: names missing columns and places.
    """
    loaded = model if isinstance(model, Model) else load_model(model, space=space)
    frame = prediction_frame(loaded, data, **options)
    if out is not None:
        _write_csv(frame, Path(out))
    return frame


def prediction_frame(model: Model, data: Any, **options: Any) -> pd.DataFrame:
    """Return the answers for all rows, in their order.

    Columns: `file` for a folder of images; `prediction`, for several targets one for each,
    `prediction_TARGET`; for a classification, `probability_CLASS` for each class.
    """
    import pandas as pd

    outputs = model.outputs(data, **options)
    answers = model.answers(outputs)
    columns: dict[str, Any] = {}
    if files := _files(data, len(outputs)):
        columns["file"] = files
    if answers.ndim == 1:
        columns["prediction"] = answers
    else:
        columns |= {
            f"prediction_{name}": answers[:, index]
            for index, name in enumerate(_targets(model, answers.shape[1]))
        }
    if model.task.is_classification:
        for index, name in enumerate(model.classes):
            columns[f"probability_{name}"] = model.probabilities(outputs)[:, index]
    return pd.DataFrame(columns)


def _targets(model: Model, count: int) -> list[str]:
    names = model.preprocessing.target_names if model.preprocessing else ()
    return list(names) if len(names) == count else [str(index) for index in range(count)]


def _files(data: Any, rows: int) -> list[str]:
    """Return the names of the images in a folder, in the order in which they are read."""
    if not isinstance(data, str | Path):
        return []
    folder = Path(data).expanduser()
    if not folder.is_dir():
        return []
    names = [file.relative_to(folder).as_posix() for file in image_files(folder)]
    return names if len(names) == rows else []


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    try:
        with whole_file(path) as file:
            frame.to_csv(file, index=False, float_format=_digits)
    except OSError as error:
        reason = error.strerror or error
        raise ExportError(f"{path}: the predictions cannot be written ({reason})") from error


def _digits(value: Any) -> str:
    """Write a number so that seven digits, more than a float32 network can mean, are kept."""
    return np.format_float_positional(value, precision=7, fractional=False, trim="0")
