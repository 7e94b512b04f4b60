"""New data brought into the form of the training data, or refused with the reason."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from archwright.data.columns import read_table
from archwright.data.options import LoadOptions
from archwright.data.pixel_inputs import PixelInputs
from archwright.data.raw import Places, Table
from archwright.data.records import Problem
from archwright.data.sources import read_inputs
from archwright.data.table_inputs import TableInputs
from archwright.errors import DataError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["pixels_for", "refuse", "table_for"]


def refuse(problems: Sequence[Problem]) -> None:
    """Raise for problems, if there are any.

    Raises:
        DataError: With the first as its message, and all of them.
    """
    if problems:
        lines = [str(problem) for problem in problems]
        left = len(lines) - 1
        more = "" if not left else f" (and {left} more problem{'s' if left > 1 else ''})"
        raise DataError(lines[0] + more, lines)


def table_for(
    inputs: TableInputs, source: Any, target_names: Sequence[str], options: Mapping[str, Any]
) -> Table:
    """Return the columns that `inputs` was fitted to.

    Raises:
        DataError: If columns are missing or unknown, or values cannot be read.
    """
    problems: list[Problem] = []
    categories = tuple(name for name, kind in inputs.kinds.items() if kind == "category")
    known = {"header": not inputs.positional, "categorical": categories}
    chosen = LoadOptions.of(None, {**known, **options})
    frame, places = _frame(inputs, source, chosen, problems)
    refuse(problems)
    frame = _fitting(inputs, frame, places, target_names, problems)
    refuse(problems)
    table = read_table(frame, places=places, problems=problems, notes=[], kinds=inputs.kinds)
    refuse(problems)
    return table


def _frame(
    inputs: TableInputs, source: Any, options: LoadOptions, problems: list[Problem]
) -> tuple[Any, Places]:
    import pandas as pd

    read, places = read_inputs(source, options, problems)
    if isinstance(read, pd.DataFrame) or read is None:
        return read, places
    if read.ndim == 1:
        read = read.reshape(-1, 1)
    if read.ndim != 2 or read.shape[1] != len(inputs.kinds):
        problems.append(
            Problem(
                places.name,
                f"inputs have shape {read.shape}, expected (rows, {len(inputs.kinds)})",
                f"give the columns {_listed(list(inputs.kinds))}",
            )
        )
    return pd.DataFrame(read).set_axis([str(i) for i in range(read.shape[-1])], axis=1), places


def _fitting(
    inputs: TableInputs,
    frame: pd.DataFrame,
    places: Places,
    target_names: Sequence[str],
    problems: list[Problem],
) -> pd.DataFrame:
    """Return the expected columns in the expected order; what is missing or unknown is told."""
    wanted = list(inputs.kinds)
    names = [str(name) for name in frame.columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        message = f"several columns are called {_listed(twice)}"
        problems.append(Problem(places.name, message, "give each column a name of its own"))
        return frame
    numbered = names == [str(index) for index in range(len(names))]
    if numbered and len(names) == len(wanted) and (inputs.positional or set(names) != set(wanted)):
        return frame.set_axis(wanted, axis=1)
    needed = [name for name in wanted if inputs.kinds[name] != "dropped"]
    for name in (name for name in needed if name not in names):
        error = UnknownNameError("column", name, names)
        near = str(error).partition("(")[2].partition("?)")[0]
        hint = f" ({near}?)" if near else ""
        remedy = "add the column; the network was trained with it"
        problems.append(Problem(places.name, f"column {name!r} is missing{hint}", remedy))
    unknown = [name for name in names if name not in wanted and name not in target_names]
    if unknown:
        problems.append(
            Problem(
                places.name,
                f"columns {_listed(unknown)} were not there in training",
                f"remove them; expected are {_listed(wanted)}",
            )
        )
    if problems:
        return frame
    return frame.reindex(columns=wanted)


def _listed(names: Sequence[str], limit: int = 20) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(map(repr, names[:limit])) + more


def pixels_for(inputs: PixelInputs, source: Any, options: Mapping[str, Any]) -> NDArray[np.generic]:
    """Return arrays `(rows, *input_shape)`; flat rows of as many values are reshaped.

    Raises:
        DataError: If the shape is another one, or files cannot be read.
    """
    problems: list[Problem] = []
    size = {"image_size": inputs.input_shape[1:]} if len(inputs.input_shape) == 3 else {}
    read, places = read_inputs(
        source, LoadOptions.of(None, {**size, **options}), problems, mode=inputs.mode
    )
    refuse(problems)
    values = _numbers(read, places, problems)
    refuse(problems)
    assert values is not None
    shape = inputs.input_shape
    if values.ndim == len(shape) and values.shape == shape:
        values = values[None]
    if values.shape[1:] != shape and math.prod(values.shape[1:]) == math.prod(shape):
        values = _reshaped(values, shape)
    if values.shape[1:] != shape:
        expected = ", ".join(["rows", *map(str, shape)])
        raise DataError(
            f"{places.name}: inputs have shape {values.shape}, expected ({expected}); give data "
            "of the form of the training data"
        )
    if not np.isfinite(values).all():
        bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
        raise DataError(
            f"{places.name}: inputs are not finite numbers ({places.some(bad.tolist())}); "
            "correct or remove these rows"
        )
    return _in_range(inputs, values, places)


def _reshaped(values: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.generic]:
    if values.ndim == 4 and values.shape[1:] == (*shape[1:], shape[0]):
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    return values.reshape(len(values), *shape)


def _in_range(
    inputs: PixelInputs, values: NDArray[np.generic], places: Places
) -> NDArray[np.generic]:
    """Refuse numbers on another scale than the bytes that the training data were."""
    if inputs.divisor == 1 or values.dtype == np.uint8 or not values.size:
        return values
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 255 or 0 < high <= 1:
        raise DataError(
            f"{places.name}: values go from {low:g} to {high:g}, expected bytes from 0 to 255; "
            "give images as the training images were"
        )
    return values


def _numbers(read: Any, places: Places, problems: list[Problem]) -> NDArray[np.generic] | None:
    if read is None:
        return None
    if isinstance(read, torch.Tensor):
        read = read.detach().cpu().numpy()
    if isinstance(read, np.ndarray):
        return read
    table = read_table(read, places=places, problems=problems, notes=[])
    if table.categories:
        name = next(iter(table.categories))
        problems.append(Problem(places.column(name), "is not numeric", "give one value a column"))
    return table.numeric
