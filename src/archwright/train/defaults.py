"""A recipe that suits the amount of data, for users who do not want to choose one."""

from __future__ import annotations

from archwright.data import Task
from archwright.train.recipe import Recipe

__all__ = ["recipe_for"]

_STEPS = 3000
_EPOCHS = (8, 60)
_BATCHES = ((2_000, 32), (10_000, 64), (50_000, 128))  # below so many rows, this batch
_LARGEST_BATCH = 256
_FEW_ROWS = 1000


def recipe_for(rows: int, task: Task) -> Recipe:
    """Return the default recipe for data of this size.

    Small data get small batches and many epochs, so that a candidate takes some hundreds to a few
    thousand steps; early stopping keeps the best epoch. Below a thousand rows the steps are
    shorter and decay the weights: there the danger is to learn the rows by heart.

    Args:
        rows: Rows of the training split.
        task: Classification smooths its labels a little.
    """
    batch = next((size for below, size in _BATCHES if rows < below), _LARGEST_BATCH)
    least, most = _EPOCHS
    epochs = min(most, max(least, round(_STEPS / max(1, rows // batch))))
    few = rows < _FEW_ROWS
    return Recipe(
        epochs=epochs,
        batch_size=batch,
        learning_rate=1e-3 if few else 2e-3,
        weight_decay=1.0 if few else 1e-2,
        label_smoothing=0.05 if task.kind == "classification" else 0.0,
        patience=max(8, epochs // 4),
    )
