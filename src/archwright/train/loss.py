"""What is minimised: cross-entropy for classes, squared error for standardised quantities."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from archwright.data import Task
from archwright.train.recipe import Recipe

__all__ = ["Loss"]


class Loss:
    """The loss of a task under a recipe.

    Args:
        task: Classification or regression.
        recipe: Gives label smoothing and class weights; both are for classification.
        targets: Of the training split, for the class weights.
        dtype: Floating-point type of the network.

    Attributes:
        class_weights: `(classes,)` with mean 1 over the training rows, or None.
        smoothing: Share of each target that is spread over all classes.
    """

    def __init__(self, task: Task, recipe: Recipe, targets: Tensor, dtype: torch.dtype) -> None:
        self.task = task
        self.smoothing = recipe.label_smoothing
        self.class_weights: Tensor | None = None
        if task.is_classification and recipe.class_weights == "balanced":
            counts = torch.bincount(targets, minlength=task.outputs)
            weights = len(targets) / (task.outputs * counts.clamp(min=1).double())
            self.class_weights = weights.to(dtype)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss of a batch, `()`; `outputs` are `(batch, outputs)`."""
        if self.task.is_classification:
            return functional.cross_entropy(
                outputs, targets, weight=self.class_weights, label_smoothing=self.smoothing
            )
        return functional.mse_loss(outputs, targets)

    def target_table(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """Return what each class asks of the log-probabilities, `(classes, classes)`.

        Row y is t_y with loss(y) = -t_y . log p, before division by the weights of the batch.
        """
        classes = self.task.outputs
        weights = self.class_weights
        if weights is None:
            weights = torch.ones(classes, dtype=dtype, device=device)
        table = (self.smoothing / classes * weights).expand(classes, classes).clone()
        table.diagonal().add_((1 - self.smoothing) * weights)
        return table
