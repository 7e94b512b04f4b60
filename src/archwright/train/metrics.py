"""Run a network over a split and say how good it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from archwright.data import Split, Task
from archwright.errors import EvaluationError

__all__ = ["measure", "metrics_of", "outputs_of"]

_ROWS, _IMAGES = 1024, 256
"""How many rows, or images, are run at a time."""


def measure(
    network: nn.Module, split: Split, *, task: Task, scale: Sequence[float] | None = None
) -> dict[str, float]:
    """Return the metrics of a network on a split, in evaluation mode.

    Args:
        network: Maps `(batch, *input_shape)` to `(batch, outputs)`.
        split: At least one row.
        task: Decides which metrics there are.
        scale: For regression, the deviation of each target in its own unit, by which the errors
            of standardised targets are multiplied; without it rmse and mae are in deviations.

    Returns:
        Classification: accuracy, balanced_accuracy, f1_macro (fractions in [0, 1], higher is
        better), loss (cross-entropy in nats) and, for two classes that both occur, auc.
        Regression: r2 (at most 1, higher is better), rmse and mae (unit of the target; mean over
        the targets), loss (mean squared error of the standardised targets).

    Raises:
        EvaluationError: If the split is empty.
    """
    if not len(split):
        raise EvaluationError("cannot measure a network on a split of 0 rows; got an empty split")
    outputs = outputs_of(network, split.inputs)
    return metrics_of(outputs, split.targets.to(outputs.device), task=task, scale=scale)


def metrics_of(
    outputs: Tensor, targets: Tensor, *, task: Task, scale: Sequence[float] | None = None
) -> dict[str, float]:
    """Return the metrics of outputs `(rows, outputs)`, at least one row; see `measure`."""
    if task.is_classification:
        return _classification(outputs, targets)
    return _regression(outputs.double(), targets.double().view_as(outputs), scale)


def outputs_of(network: nn.Module, inputs: Tensor) -> Tensor:
    """Return `(rows, outputs)` in evaluation mode, some rows at a time, without gradients."""
    like = next(network.parameters(), inputs)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad():
            batches = torch.split(inputs, _ROWS if inputs.dim() <= 2 else _IMAGES)
            return torch.cat([network(b.to(like.device, like.dtype)) for b in batches])
    finally:
        network.train(was_training)


def _classification(logits: Tensor, targets: Tensor) -> dict[str, float]:
    classes = logits.shape[1]
    loss = functional.cross_entropy(logits.float(), targets)
    pairs = torch.bincount(targets * classes + logits.argmax(1), minlength=classes * classes)
    table = pairs.view(classes, classes).double()  # (true class, predicted class)
    hits, true, predicted = table.diagonal(), table.sum(1), table.sum(0)
    recall = (hits / true)[true > 0]
    f1 = (2 * hits / (true + predicted))[true + predicted > 0]
    metrics = {
        "accuracy": hits.sum() / table.sum(),
        "balanced_accuracy": recall.mean(),
        "f1_macro": f1.mean(),
        "loss": loss,
    }
    if classes == 2 and bool((true > 0).all()):
        metrics["auc"] = _auc(logits[:, 1].double() - logits[:, 0].double(), targets.bool())
    return {name: float(value) for name, value in metrics.items()}


def _auc(scores: Tensor, positive: Tensor) -> Tensor:
    """Probability that a positive scores above a negative, ties counting half."""
    values, group, counts = torch.unique(scores, return_inverse=True, return_counts=True)
    positives = torch.zeros_like(values).index_add_(0, group, positive.double())
    negatives = counts - positives
    below = negatives.cumsum(0) - negatives / 2
    area: Tensor = (positives * below).sum() / (positives.sum() * negatives.sum())
    return area


def _regression(
    outputs: Tensor, targets: Tensor, scale: Sequence[float] | None
) -> dict[str, float]:
    errors = outputs - targets  # (rows, outputs)
    squares = errors.square().sum(0)
    spread = (targets - targets.mean(0)).square().sum(0)
    explained = torch.where(spread > 0, 1 - squares / spread, (squares == 0).double())
    unit = errors.new_tensor(list(scale)) if scale else errors.new_ones(errors.shape[1])
    return {
        "r2": float(explained.mean()),
        "rmse": float(((squares / len(errors)).sqrt() * unit).mean()),
        "mae": float((errors.abs().mean(0) * unit).mean()),
        "loss": float(errors.square().mean()),
    }
