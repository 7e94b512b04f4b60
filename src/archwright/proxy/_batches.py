"""Gradients of several minibatches, and of single samples."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from archwright.errors import ProxyError
from archwright.proxy.batch import Batch
from archwright.proxy.gradients import gradients_of, loss_of
from archwright.proxy.passes import Passes, all_finite, logits_of
from archwright.proxy.proxy import Unscored

__all__ = ["Spread", "batch_gradients", "checked", "sample_losses"]


class Spread:
    """Mean and variance of tensors that come one after the other (Welford's recurrence), float64.

    Equal tensors have a variance of exactly zero, which differences of large sums have not; and
    the squares of small gradients do not vanish.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: Tensor | None = None
        self._squares: Tensor | None = None

    def add(self, values: Tensor) -> None:
        """Take in one more tensor of the same shape."""
        self.count += 1
        if self.mean is None:
            self.mean = values.to(torch.float64, copy=True)
            self._squares = torch.zeros_like(self.mean)
            return
        before = values.double() - self.mean
        self.mean = self.mean + before / self.count
        assert self._squares is not None
        self._squares += before * (values.double() - self.mean)

    @property
    def variance(self) -> Tensor:
        """Population variance."""
        assert self._squares is not None
        return self._squares / self.count


def batch_gradients(passes: Passes, parts: int) -> Iterator[dict[str, Tensor]]:
    """Yield the gradients of the loss on each of `parts` equal parts of the batch.

    Args:
        passes: With targets.
        parts: The first samples are the first part.

    Raises:
        ProxyError: If a part would have fewer than two samples, or there are no targets.
        Unscored: If a gradient is not finite.
    """
    batch = passes.batch
    size = len(batch) // parts
    if size < 2:
        raise ProxyError(
            f"a batch of {len(batch)} samples cannot be cut into {parts} parts of at least 2: "
            f"give more samples"
        )
    for part in range(parts):
        rows = slice(part * size, (part + 1) * size)
        yield _gradients(passes, Batch(batch.inputs[rows], _rows(batch.targets, rows)))


def _rows(targets: Tensor | None, rows: slice) -> Tensor | None:
    return None if targets is None else targets[rows]


def _gradients(passes: Passes, batch: Batch) -> dict[str, Tensor]:
    loss = loss_of(logits_of(passes.forward(batch.inputs)), batch.targets)
    return checked(gradients_of(loss, passes.weights))


def checked(gradients: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return gradients.

    Raises:
        Unscored: If one is not finite.
    """
    if not all_finite(list(gradients.values())):
        raise Unscored("nan", "gradients of the loss are not finite")
    return gradients


def sample_losses(outputs: Tensor, targets: Tensor | None) -> Tensor:
    """Return the loss of each sample, `(batch,)`; their mean is `loss_of`."""
    loss_of(outputs.detach(), targets)  # checks that they fit
    assert targets is not None
    if targets.is_floating_point():
        losses = F.mse_loss(outputs, targets.to(outputs.dtype), reduction="none")
    else:
        losses = F.cross_entropy(outputs, targets, reduction="none")
    return losses.reshape(len(losses), -1).mean(1)
