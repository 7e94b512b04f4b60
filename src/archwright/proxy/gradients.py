"""One forward pass, and the backward passes that start from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.proxy.proxy import Unscored

__all__ = ["ChannelSaliency", "gradients_of", "input_gradients", "loss_of"]


def loss_of(outputs: Tensor, targets: Tensor | None) -> Tensor:
    """Return the mean cross entropy, or the mean squared error where the targets are values.

    Args:
        outputs: `(batch, outputs)`.
        targets: `(batch,)` class codes or `(batch, outputs)` values.

    Raises:
        ProxyError: If there are no targets, or they do not fit the outputs.
    """
    if targets is None:
        raise ProxyError("a proxy that reads a loss needs targets; the batch has none")
    if targets.is_floating_point():
        if targets.shape != outputs.shape:
            raise ProxyError(
                f"targets of shape {tuple(targets.shape)} do not fit outputs of shape "
                f"{tuple(outputs.shape)}"
            )
        return F.mse_loss(outputs, targets.to(outputs.dtype))
    if outputs.dim() < 2 or not 0 <= int(targets.min()) <= int(targets.max()) < outputs.shape[1]:
        raise ProxyError(
            f"classes {int(targets.min())} to {int(targets.max())} do not fit outputs of shape "
            f"{tuple(outputs.shape)}: build the network with as many outputs as there are classes"
        )
    return F.cross_entropy(outputs, targets)


def gradients_of(
    value: Tensor, weights: Mapping[str, Tensor], *, retain: bool = False, create: bool = False
) -> dict[str, Tensor]:
    """Return the gradient of a number with respect to each weight; zeros where it has no part.

    Args:
        value: A number, the end of a graph.
        weights: By the names of their layers.
        retain: Whether the graph is needed again.
        create: Whether the gradients are to be differentiated themselves.
    """
    found = torch.autograd.grad(
        value,
        list(weights.values()),
        retain_graph=retain or create,
        create_graph=create,
        allow_unused=True,
    )
    pairs = zip(weights.items(), found, strict=True)
    return {n: torch.zeros_like(w) if g is None else g for (n, w), g in pairs}


def input_gradients(outputs: Tensor, inputs: Sequence[Tensor], *, retain: bool) -> Tensor:
    """Return the gradient of the sum of all outputs, one row for each sample.

    Batch statistics make it a sum over the batch: row i is d(sum of all outputs)/d(input i).

    Args:
        outputs: `(batch, outputs)`.
        inputs: Each `(batch, ...)`.
        retain: Whether the graph is needed again.

    Returns:
        `(batch, features)`.

    Raises:
        Unscored: If the outputs do not depend on the inputs.
    """
    found = torch.autograd.grad(outputs.sum(), inputs, retain_graph=retain, allow_unused=True)
    rows = [gradient.flatten(1) for gradient in found if gradient is not None]
    if not rows:
        raise Unscored("degenerate", "the outputs do not depend on the inputs")
    return torch.cat(rows, dim=1)


class ChannelSaliency:
    """Half the squared sum of output times gradient of each channel, mean over the batch.

    A layer that is called several times gets the sum over its calls.

    Args:
        layers: Convolutions and linear maps, by name.
        copies: Whether to keep copies of the outputs, for networks that change them in place.
    """

    def __init__(self, layers: Mapping[str, nn.Module], *, copies: bool) -> None:
        self.values: dict[str, Tensor] = {}
        self.changed = False  # an output was changed in place, so that copies are needed
        self.listening = False  # whether the backward pass that runs is that of the loss
        self._layers = layers
        self._copies = copies

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Note the outputs of the layers in a forward pass; the backward pass does the rest."""
        handles = [
            layer.register_forward_hook(partial(self._called, name))
            for name, layer in self._layers.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _called(self, name: str, layer: nn.Module, inputs: Any, output: Tensor) -> None:
        if output.requires_grad:
            kept = output.detach().clone() if self._copies else output.detach()
            last = isinstance(layer, nn.Linear)
            attach: Any = output.register_hook
            attach(partial(self._reached, name, kept, kept._version, last))

    def _reached(self, name: str, output: Tensor, version: int, last: bool, grad: Tensor) -> None:
        """Add one call's saliency; channels are the last axis or the second."""
        if not self.listening:
            return
        self.changed |= output._version != version
        product = output * grad.detach()
        if last:
            sums = product.flatten(1, -2).sum(1) if product.dim() > 2 else product
        else:
            sums = product.flatten(2).sum(2)  # (batch, channels)
        saliency = sums.square().mean(0).mul(0.5)
        self.values[name] = self.values[name] + saliency if name in self.values else saliency
