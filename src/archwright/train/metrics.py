"""Run a network over a split and say how good it is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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
    if any(module.training for module in network.modules()):
        network.eval()
    try:
        with torch.no_grad():
            batches = torch.split(inputs, _ROWS if inputs.dim() <= 2 else _IMAGES)
            return torch.cat([network(b.to(like.device, like.dtype)) for b in batches])
    finally:
        if was_training:
            network.train()


def _classification(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Count in numpy: for some hundred rows the calls are the cost."""
    logits, targets = logits.detach().cpu().double(), targets.cpu()
    classes = logits.shape[1]
    loss = functional.cross_entropy(logits, targets)
    scores, wanted = logits.numpy(), targets.numpy()
    pairs = np.bincount(wanted * classes + scores.argmax(1), minlength=classes * classes)
    table = pairs.reshape(classes, classes).astype(np.float64)  # (true class, predicted class)
    hits, true, predicted = table.diagonal(), table.sum(1), table.sum(0)
    occurs, involved = true > 0, true + predicted > 0
    metrics = {
        "accuracy": hits.sum() / len(wanted),
        "balanced_accuracy": (hits[occurs] / true[occurs]).mean(),
        "f1_macro": (2 * hits[involved] / (true + predicted)[involved]).mean(),
        "loss": loss,
    }
    if classes == 2 and occurs.all():
        margins = scores[:, 1] - scores[:, 0]
        metrics["auc"] = _auc(margins[wanted == 1], margins[wanted == 0])
    return {name: float(value) for name, value in metrics.items()}


def _auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """Probability that a positive scores above a negative, ties counting half."""
    ranked = np.sort(negatives)
    below, not_above = (np.searchsorted(ranked, positives, side) for side in ("left", "right"))
    return float((below.sum() + not_above.sum()) / (2 * len(positives) * len(negatives)))


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
