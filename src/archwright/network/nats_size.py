"""Networks of the size part of NATS-Bench [Dong2021nats]_: one cell, five numbers of channels.

    stem  image -> c1    first cell   c1 -> c1    first reduction   c1 -> c2
                         second cell  c2 -> c3    second reduction  c3 -> c4
                         third cell   c4 -> c5    head              c5 -> outputs

The cell has a 3x3 convolution on every edge but 0->3, which skips. Where a cell changes the number
of channels the edges from its input do so: the convolutions by themselves, the skip by a 1x1
convolution and a normalization. Everything else is as in NAS-Bench-201.
"""

from __future__ import annotations

from torch import nn

from archwright.network.nasbench201 import Cell, Reduction
from archwright.network.operations import conv_bn, head, named, relu_conv_bn
from archwright.network.registry import Formula, Shape
from archwright.network.skeleton import halved, image_of
from archwright.space import Architecture

__all__ = ["FORMULA", "build_nats_size", "nats_size_parameters", "published_flops"]

_NAME = "nats-size"
_HALVINGS = 2
_EDGES = ("edge_0_1", "edge_0_2", "edge_1_2", "edge_0_3", "edge_1_3", "edge_2_3")


def build_nats_size(architecture: Architecture, input_shape: Shape, outputs: int) -> nn.Sequential:
    """Build the network of five numbers of channels; weights are torch's own.

    Args:
        architecture: Of the space `nats-size`.
        input_shape: (channels, height, width).
        outputs: Length of one output.

    Raises:
        NetworkError: If the input is no image, or too small for two halvings.
    """
    channels, height, width = image_of(input_shape, _NAME)
    odd = [any(side % 2 for side in size) for size in halved(height, width, _HALVINGS, _NAME)]
    c1, c2, c3, c4, c5 = _widths(architecture)
    return named(
        stem=conv_bn(channels, c1, 3),
        cell_1=_cell(c1, c1),
        reduction_1=Reduction(c1, c2, odd=odd[0]),
        cell_2=_cell(c2, c3),
        reduction_2=Reduction(c3, c4, odd=odd[1]),
        cell_3=_cell(c4, c5),
        normalization=nn.BatchNorm2d(c5),
        activation=nn.ReLU(),
        **head(c5, outputs),
    )


def _cell(inputs: int, outputs: int) -> Cell:
    edges: dict[str, nn.Module] = {}
    for name in _EDGES:
        before = inputs if name.startswith("edge_0") else outputs
        if name != "edge_0_3":
            edges[name] = relu_conv_bn(before, outputs, 3)
        else:
            edges[name] = nn.Identity() if before == outputs else conv_bn(before, outputs, 1)
    return Cell(edges)


def nats_size_parameters(architecture: Architecture, input_shape: Shape, outputs: int) -> int:
    """Return the number of parameters."""
    channels, height, width = image_of(input_shape, _NAME)
    halved(height, width, _HALVINGS, _NAME)
    stem, *weights = _weights(architecture)
    c1, c2, c3, c4, c5 = _widths(architecture)
    normalized = c1 + 5 * (c1 + c3 + c5) + 2 * (c2 + c4) + c5
    normalized += sum(after for before, after in ((c2, c3), (c4, c5)) if before != after)
    return channels * stem + sum(weights) + 2 * normalized + (c5 + 1) * outputs


def published_flops(
    architecture: Architecture, input_shape: Shape = (3, 32, 32), outputs: int = 10
) -> int:
    """Return what the tables call FLOPs: multiply-adds of convolutions and of the head.

    It is `archwright.cost.count(...).macs` plus `outputs`, since the tables count the bias of the
    head as well. The tables hold it in millions.
    """
    channels, height, width = image_of(input_shape, _NAME)
    whole, half, quarter = (h * w for h, w in halved(height, width, _HALVINGS, _NAME))
    stem, *weights = _weights(architecture)
    pixels = (whole, half, half, quarter, quarter)
    maps = sum(p * w for p, w in zip(pixels, weights, strict=True))
    return whole * channels * stem + maps + (_widths(architecture)[-1] + 1) * outputs


def _weights(architecture: Architecture) -> tuple[int, ...]:
    """Return the convolutions' weights: of the stem per input channel, and of the five parts."""
    c1, c2, c3, c4, c5 = _widths(architecture)
    reductions = (10 * a * b + 9 * b * b for a, b in ((c1, c2), (c3, c4)))
    cells = (
        18 * a * b + 27 * b * b + (a * b if a != b else 0)
        for a, b in ((c1, c1), (c2, c3), (c4, c5))
    )
    first, second, third = cells
    return (9 * c1, first, next(reductions), second, next(reductions), third)


def _widths(architecture: Architecture) -> tuple[int, ...]:
    return tuple(architecture.values.values())


# From any other size, some single number of channels can be made smaller that saves parameters.
FORMULA = Formula(nats_size_parameters, monotone=lambda space: True)
