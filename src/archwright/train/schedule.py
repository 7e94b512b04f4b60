"""The learning rate as a function of the step, and nothing else."""

from __future__ import annotations

import math

from archwright.train.recipe import Recipe

__all__ = ["learning_rate"]

_RISE = 0.3
"""Part of the steps over which "one-cycle" rises."""
_START, _END = 1 / 25, 1 / 250_000
"""Where "one-cycle" starts and ends, as parts of its peak."""


def learning_rate(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """Return the learning rate of a step, counted from 0.

    Args:
        recipe: Names the schedule, its peak, the warm-up and the number of epochs.
        step: In [0, epochs * steps_per_epoch).
        steps_per_epoch: Steps in one epoch.
    """
    total = recipe.epochs * steps_per_epoch
    warmup = 0 if recipe.schedule == "one-cycle" else round(recipe.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    progress = (step - warmup) / max(total - warmup, 1)  # in [0, 1)
    return recipe.learning_rate * _factor(recipe.schedule, progress)


def _factor(schedule: str, progress: float) -> float:
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return _blend(1.0, 0.0, progress)
    if schedule == "step":
        return 0.1 ** ((progress >= 0.5) + (progress >= 0.75))
    if progress < _RISE:
        return _blend(_START, 1.0, progress / _RISE)
    return _blend(1.0, _END, (progress - _RISE) / (1 - _RISE))


def _blend(start: float, end: float, progress: float) -> float:
    """Half a cosine wave from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
