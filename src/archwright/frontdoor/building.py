"""A benchmark table from names: what `archwright benchmark build` calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from archwright import network, train
from archwright.data import Dataset, load
from archwright.evaluate.building import Record, Recording, with_skeleton
from archwright.evaluate.table_building import build_table
from archwright.frontdoor.preparing import default_recipe
from archwright.space import Space

__all__ = ["build_benchmark"]


def build_benchmark(
    space: str | Space,
    data: Any,
    out: str | Path,
    *,
    space_options: Mapping[str, Any] | None = None,
    skeleton: Mapping[str, int] | None = None,
    data_options: Mapping[str, Any] | None = None,
    recipe: train.Recipe | Mapping[str, Any] | None = None,
    epochs: Sequence[int] = (4, 12, 36),
    repeats: int = 3,
    samples: int | None = None,
    norm_momentum: float | None = None,
    seed: int = 0,
    workers: int = 1,
    name: str | None = None,
    card: Mapping[str, Any] | None = None,
    on_record: Callable[[int, int, Record], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Path:
    """Train every architecture of a space on data, and write a table of what was measured.

    The same call goes on where a killed one stopped.

    Args:
        space: Name in the catalog, "file.py:NAME", or a `Space`.
        data: What `archwright.data.load` takes, or a loaded `Dataset`; with a test split.
        out: The table.
        space_options: Options of a space of the catalog.
        skeleton: Sizes around the cells of a published space, such as {"stem": 8, "cells": 1}.
        data_options: Options of `load`.
        recipe: A recipe, or single settings that differ from the default for so many rows.
        epochs: Budgets, each trained separately.
        repeats: Independent trainings at each.
        samples: How many architectures; None for all.
        norm_momentum: See `Recording`.
        seed: Root of all randomness, data splits included.
        workers: Processes that train at the same time.
        name: Of the benchmark; that of the file if not given.
        card: Facts for a reader.
        on_record: Hears of every finished architecture, see `build_table`.
        should_stop: Asked often; true ends it soon.

    Returns:
        The path of the table.

    Raises:
        ArchwrightError: If a name, an option, the data or the file is not right; says which.
    """
    made = network.load_space(space, **(space_options or {}))
    if skeleton:
        made = with_skeleton(made, **skeleton)
    options = {"seed": seed, **(data_options or {})}
    loaded = data if isinstance(data, Dataset) else load(data, **options)
    recording = Recording(
        made,
        loaded,
        _recipe(recipe, loaded),
        tuple(epochs),
        repeats,
        seed,
        norm_momentum,
    )
    return build_table(
        recording,
        out,
        name=name or Path(out).stem,
        samples=samples,
        workers=workers,
        card=card,
        on_record=on_record,
        should_stop=should_stop,
    )


def _recipe(given: train.Recipe | Mapping[str, Any] | None, data: Dataset) -> train.Recipe:
    if isinstance(given, train.Recipe):
        return given
    return default_recipe(data).replace(patience=None, **(given or {}))
