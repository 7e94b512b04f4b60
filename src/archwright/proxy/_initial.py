"""Weights that published proxies start from, drawn into the network's own tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archwright.proxy.passes import Passes

__all__ = ["INITIAL", "draw_weights"]

INITIAL = ("keep", "kaiming_in", "kaiming_out", "normal")

_NORMALIZATIONS = (
    nn.modules.batchnorm._BatchNorm,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.modules.instancenorm._InstanceNorm,
)


def draw_weights(passes: Passes, how: str, generator: torch.Generator) -> None:
    """Draw the weights of convolutions and linear maps; biases become 0, normalizations scale by 1.

    Weights are drawn in float32 on the CPU, so that a seed means the same ones on every device.
    Embeddings and all else stay as they are. Call it inside `Passes.scratch`.

    Args:
        passes: Of the network.
        how: "keep", which changes nothing; "normal", of mean 0 and deviation 1; "kaiming_in" or
            "kaiming_out", normal with variance 2 / fan.
        generator: On the CPU.

    Raises:
        Unscored: If there are no such weights, or one is computed from other parameters.
    """
    if how == "keep":
        return
    for weight in passes.weights.values():
        _fill(weight, how, generator)
    for layer in passes.layers.values():
        _set(layer.bias, 0)
    for module in passes.network.modules():
        if isinstance(module, _NORMALIZATIONS):
            _set(module.weight, 1)
            _set(module.bias, 0)


def _fill(weight: Tensor, how: str, generator: torch.Generator) -> None:
    drawn = torch.empty(weight.shape)
    if how == "normal":
        drawn.normal_(generator=generator)
    else:
        nn.init.kaiming_normal_(
            drawn,
            mode="fan_in" if how == "kaiming_in" else "fan_out",
            nonlinearity="relu",
            generator=generator,
        )
    weight.data.copy_(drawn)  # below autograd: graphs that the caller holds stay valid


def _set(tensor: object, value: float) -> None:
    if isinstance(tensor, Tensor):
        tensor.data.fill_(value)
