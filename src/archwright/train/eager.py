"""The stepper for any network: forward and backward through autograd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from archwright.data import Split, in_rows
from archwright.train.augment import augment
from archwright.train.flat import Flat
from archwright.train.loss import Loss
from archwright.train.recipe import Recipe
from archwright.train.streams import Streams, own_dropout

__all__ = ["EagerStepper", "Stepper"]


class Stepper(Protocol):
    """Computes the loss and the gradients of one batch; what differs between the engines."""

    name: str

    def epoch(self) -> AbstractContextManager[None]:
        """Set up what steps need, and no longer: between epochs the network is measured."""

    def gradients(self, rows: Tensor, loss: Tensor) -> None:
        """Write the gradients of the mean loss into the flat buffer, and the loss into `loss`.

        Args:
            rows: Row numbers of the batch in the training split, int64, `(batch,)`.
            loss: Where the loss goes, `()`.
        """


class EagerStepper:
    """Autograd over any module, with augmentation, autocast and `torch.compile` where asked.

    Args:
        network: In evaluation mode between epochs, its weights held by `flat`.
        flat: Gets the gradients.
        split: The training split, on the device of the network.
        loss: What to minimise.
        recipe: How.
        streams: Randomness of augmentation and dropout.
    """

    def __init__(
        self,
        network: nn.Module,
        flat: Flat,
        split: Split,
        loss: Loss,
        recipe: Recipe,
        streams: Streams,
    ) -> None:
        self.name = "compiled" if recipe.compile else "eager"
        self._forward = torch.compile(network) if recipe.compile else network
        self._network, self._flat, self._split, self._loss = network, flat, split, loss
        self._recipe, self._streams = recipe, streams
        self._dtype = flat.values.dtype

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """Put the network into training mode, with dropout from the stream of this training."""
        dropout: AbstractContextManager[None] = nullcontext()
        if not self._recipe.compile:  # the compiler does not follow a foreign generator
            dropout = own_dropout(self._network, self._streams.dropout)
        self._network.train()
        try:
            with dropout:
                yield
        finally:
            self._network.eval()

    def gradients(self, rows: Tensor, loss: Tensor) -> None:
        """Write the gradients and the loss; see `Stepper`."""
        inputs = self._split.inputs.index_select(0, rows)
        targets = self._split.targets.index_select(0, rows)
        if self._recipe.augment:
            inputs = in_rows(augment(inputs, self._recipe.augment, rng=self._streams.augment))
        if inputs.dim() == 4 and self._recipe.channels_last:
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        with self._autocast():
            outputs = self._forward(inputs)
        value = self._loss(outputs.to(self._dtype), targets)
        self._flat.gradients.zero_()
        torch.autograd.backward(value)
        loss.copy_(value.detach())

    def _autocast(self) -> AbstractContextManager[object]:
        if not self._recipe.autocast:
            return nullcontext()
        return torch.autocast(self._split.inputs.device.type, dtype=torch.bfloat16)
