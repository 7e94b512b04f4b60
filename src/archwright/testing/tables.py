"""A small benchmark table from a formula, for trying strategies and comparisons on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from archwright.benchmark import Column, Table, open_table, write_table
from archwright.space import Choice, Space

__all__ = ["toy_table"]

_OPTIONS = ("none", "skip", "conv1", "conv3")


def toy_table(
    path: str | Path,
    *,
    edges: int = 4,
    trainings: int = 3,
    epochs: tuple[int, ...] = (4, 12),
    seconds: bool = True,
    test: bool = True,
    seed: int = 0,
) -> Table:
    """Write and open a table of every architecture of a space of `4 ** edges`.

    Each option of each edge adds its share to the accuracy, two neighbouring edges add a little
    together, every training adds noise; longer trainings are better and cost more. So evolution
    does better than random search, and no answer is certain.

    Args:
        path: Where to write it.
        edges: How many decisions.
        trainings: How many recorded trainings of each architecture.
        epochs: Lengths of training.
        seconds: Whether training times are recorded.
        test: Whether test accuracies are recorded.
        seed: Of the formula's numbers.
    """
    rng = np.random.default_rng(seed)
    space = Space({f"edge_{k}": Choice(*_OPTIONS) for k in range(edges)}, name="toy")
    size = len(_OPTIONS) ** edges
    codes = space.codes_of(np.arange(size))
    single = rng.normal(size=(edges, len(_OPTIONS)))
    pairs = 0.3 * rng.normal(size=(edges, len(_OPTIONS), len(_OPTIONS)))
    worth = single[np.arange(edges), codes].sum(axis=1)
    worth += pairs[np.arange(edges - 1), codes[:, :-1], codes[:, 1:]].sum(axis=1)
    worth = 0.9 + 0.01 * worth / np.sqrt(edges)
    shape = (size, len(epochs), trainings)
    validation = worth[:, None, None] - 0.2 / np.array(epochs)[:, None] + np.zeros(shape)
    validation += 0.001 * rng.normal(size=shape)
    column = partial(Column, epochs=epochs, repeats=trainings)
    columns = [(column("val_accuracy", "fraction", "max", "val"), validation)]
    if test:
        values = validation - 0.004 + 0.001 * rng.normal(size=shape)
        columns.append((column("test_accuracy", "fraction", "max", "test"), values))
    if seconds:
        each = 2.0 + (codes == _OPTIONS.index("conv3")).sum(axis=1)
        spent = each[:, None, None] * np.array(epochs)[:, None] * rng.uniform(0.9, 1.1, shape)
        columns.append((column("training_seconds", "seconds", "min", "train"), spent))
    write_table(path, space, codes, columns, name="toy", notes=["made by a formula"])
    return open_table(path)
