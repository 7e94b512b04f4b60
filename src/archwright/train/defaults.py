"""A recipe that suits the amount of data, for users who do not want to choose one."""

from __future__ import annotations

from archwright.data import Task
from archwright.train.recipe import Recipe

__all__ = ["recipe_for"]

_STEPS = {"classification": 3000, "regression": 6000}
_EPOCHS = {"classification": (8, 60), "regression": (8, 120)}
_EPOCHS_FOR_FEW = 40
_BATCHES = ((200, 32), (10_000, 64), (50_000, 128))  # below so many rows, this batch
_LARGEST_BATCH = 256
_FEW_ROWS = 1000


def recipe_for(rows: int, task: Task) -> Recipe:
    """Return the default recipe for data of this size.

    Small data get small batches and many epochs, so that a candidate takes some hundreds to a few
    thousand steps; early stopping keeps the best epoch. Below a thousand rows the weights decay
    strongly: there the danger is to learn the rows by heart.

    Args:
        rows: Rows of the training split.
        task: Classification smooths its labels a little. Regression on a thousand rows or more
            trains for longer and averages the weights: its error is noisy from epoch to epoch.
    """
    batch = next((size for below, size in _BATCHES if rows < below), _LARGEST_BATCH)
    few, regression = rows < _FEW_ROWS, task.kind == "regression"
    least, most = _EPOCHS[task.kind]
    most = _EPOCHS_FOR_FEW if few else most
    epochs = min(most, max(least, round(_STEPS[task.kind] / max(1, rows // batch))))
    return Recipe(
        epochs=epochs,
        batch_size=batch,
        learning_rate=2e-3,
        weight_decay=1.0 if few else 1e-2,
        label_smoothing=0.0 if regression else 0.05,
        ema_decay=0.998 if regression and not few else None,
        # The rate falls to zero over all epochs; much of the gain comes late.
        patience=max(8, epochs // 2),
    )
