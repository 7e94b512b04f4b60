"""Operations of published cells, with their parts by name.

ReLUs are not in place: where a node of a cell feeds several edges they read the same tensor, and
scores that hook into a network see what each module returned.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

__all__ = [
    "ReLUConvBN",
    "TruncatedNormalConv2d",
    "Zero",
    "average_pool",
    "conv_bn",
    "head",
    "named",
    "relu_conv_bn",
    "truncated_normal_",
]

_LIMIT = 2.0  # standard deviations
_LOSS = 0.87962566103423978  # deviation of a standard normal that is cut there


class Zero(nn.Module):
    """No connection: zeros in the shape of the input.

    A product, so that the input stays part of the graph and gets a gradient, of zeros.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, height, width)` to as many zeros."""
        return x.mul(0.0)


class TruncatedNormalConv2d(nn.Conv2d):
    """A convolution without bias, with the initial weights of TensorFlow's variance scaling.

    They have the variance 1 / fan-in, and none is further than two deviations of the uncut
    distribution from zero.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights."""
        fan_in = self.weight[0].numel()
        truncated_normal_(self.weight, fan_in**-0.5)


@torch.no_grad()
def truncated_normal_(tensor: Tensor, deviation: float) -> Tensor:
    """Fill a tensor from a normal distribution cut at two deviations, mean 0.

    What lies outside is drawn again: many times faster than torch's inverse error function.

    Args:
        tensor: Changed in place; on the meta device nothing happens.
        deviation: What the result has, after the cut.
    """
    if tensor.is_meta:
        return tensor
    flat = tensor.normal_().view(-1)
    outside = (flat.abs() > _LIMIT).nonzero().squeeze(1)
    while len(outside):
        drawn = torch.randn(len(outside), dtype=tensor.dtype, device=tensor.device)
        flat[outside] = drawn
        outside = outside[drawn.abs() > _LIMIT]
    return tensor.mul_(deviation / _LOSS)


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution without bias that keeps the size of the map, then normalization."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return named(convolution=convolution, normalization=nn.BatchNorm2d(outputs))


class ReLUConvBN(nn.Sequential):
    """The same behind a ReLU; a class of the published name, which some scores go by."""


def relu_conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> ReLUConvBN:
    """Return a ReLU, a convolution without bias that keeps the size of the map, normalization."""
    parts: dict[str, nn.Module] = {
        "activation": nn.ReLU(),
        "convolution": nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        "normalization": nn.BatchNorm2d(outputs),
    }
    return ReLUConvBN(OrderedDict(parts))


def average_pool() -> nn.AvgPool2d:
    """Return the mean over the pixels of a 3x3 window that lie inside the map."""
    return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)


def head(inputs: int, outputs: int) -> dict[str, nn.Module]:
    """Return the mean over all pixels and a linear map, by name."""
    return {
        "pooling": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "head": nn.Linear(inputs, outputs),
    }


def named(**parts: nn.Module) -> nn.Sequential:
    """Return the modules as a chain, each under its name."""
    return nn.Sequential(OrderedDict(parts))
