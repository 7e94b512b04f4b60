"""Networks of NAS-Bench-201 [Dong2020nasbench201]_, also the topology part of NATS-Bench.

A stem; three stacks of five equal cells, with a residual block between stacks that halves the map
and doubles the channels; normalization, ReLU, the mean over all pixels, and a linear head. A cell
has four nodes, and a node is the sum of its incoming edges; every edge has weights of its own.
Operations with weights are ReLU, convolution without bias, batch normalization.

With n1 and n3 the numbers of 1x1 and 3x3 edges of the cell, the published skeleton has
73,306 + 28,000 n1 + 243,040 n3 parameters for ten classes. Edges that lead nowhere count too.

The published residual block pools without padding, which odd maps do not bear; here the mean of
what is left at the border is taken. For even maps there is no difference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

from torch import Tensor, nn

from archwright.network.operations import (
    Zero,
    average_pool,
    conv_bn,
    head,
    named,
    relu_conv_bn,
)
from archwright.network.registry import Formula, Shape
from archwright.network.skeleton import Skeleton, halved, image_of, with_momentum
from archwright.space import Architecture, Space

__all__ = [
    "FORMULA",
    "PUBLISHED",
    "Cell",
    "Reduction",
    "build_nasbench201",
    "nasbench201_parameters",
    "published_flops",
]

PUBLISHED = Skeleton(stem=16, cells=5, stacks=3)

_NAME = "nasbench201"
_OPERATIONS: Mapping[str, Callable[[int], nn.Module]] = {
    "none": lambda channels: Zero(),
    "skip_connect": lambda channels: nn.Identity(),
    "nor_conv_1x1": lambda channels: relu_conv_bn(channels, channels, 1),
    "nor_conv_3x3": lambda channels: relu_conv_bn(channels, channels, 3),
    "avg_pool_3x3": lambda channels: average_pool(),
}


class Cell(nn.Module):
    """Four nodes; the operation from node j to node i is the submodule `edge_<j>_<i>`.

    Args:
        edges: The six operations by name, in any order.
    """

    def __init__(self, edges: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.edge_0_1 = edges["edge_0_1"]
        self.edge_0_2 = edges["edge_0_2"]
        self.edge_1_2 = edges["edge_1_2"]
        self.edge_0_3 = edges["edge_0_3"]
        self.edge_1_3 = edges["edge_1_3"]
        self.edge_2_3 = edges["edge_2_3"]

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, channels, height, width)` to maps of the same size."""
        node_1 = self.edge_0_1(x)
        node_2 = self.edge_0_2(x) + self.edge_1_2(node_1)
        node_3: Tensor = self.edge_0_3(x) + self.edge_1_3(node_1) + self.edge_2_3(node_2)
        return node_3


class Reduction(nn.Module):
    """A residual block that halves the map: shortcut(x) + conv_b(conv_a(x)).

    Args:
        inputs: Channels before.
        outputs: Channels after.
        odd: Whether the map has an odd side.
    """

    def __init__(self, inputs: int, outputs: int, *, odd: bool) -> None:
        super().__init__()
        self.conv_a = relu_conv_bn(inputs, outputs, 3, stride=2)
        self.conv_b = relu_conv_bn(outputs, outputs, 3)
        self.shortcut = named(
            pooling=nn.AvgPool2d(2, stride=2, ceil_mode=odd),
            convolution=nn.Conv2d(inputs, outputs, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs, height, width)` to `(batch, outputs, height / 2, width / 2)`."""
        y: Tensor = self.shortcut(x) + self.conv_b(self.conv_a(x))
        return y


def build_nasbench201(
    architecture: Architecture,
    input_shape: Shape,
    outputs: int,
    *,
    skeleton: Skeleton = PUBLISHED,
) -> nn.Sequential:
    """Build the network of a cell; weights are torch's own.

    The operation of a decision is at `stacks.<stack>.cell_<n>.edge_0_1`, and so on.

    Args:
        architecture: Of the space `nasbench201`.
        input_shape: (channels, height, width).
        outputs: Length of one output.
        skeleton: What surrounds the cells.

    Raises:
        NetworkError: If the input is no image, or too small for so many stacks.
    """
    channels, height, width = image_of(input_shape, _NAME)
    sizes = halved(height, width, skeleton.stacks - 1, _NAME)
    stacks = nn.Sequential()
    before = skeleton.stem
    for stack, after in enumerate(skeleton.widths):
        parts: dict[str, nn.Module] = {}
        if stack:
            odd = any(side % 2 for side in sizes[stack - 1])
            parts["reduction"] = Reduction(before, after, odd=odd)
        for n in range(1, skeleton.cells + 1):
            values = architecture.values.items()
            parts[f"cell_{n}"] = Cell({edge: _OPERATIONS[name](after) for edge, name in values})
        stacks.append(named(**parts))
        before = after
    network = named(
        stem=conv_bn(channels, skeleton.stem, 3),
        stacks=stacks,
        normalization=nn.BatchNorm2d(before),
        activation=nn.ReLU(),
        **head(before, outputs),
    )
    return with_momentum(network, skeleton)


def nasbench201_parameters(
    architecture: Architecture,
    input_shape: Shape,
    outputs: int,
    *,
    skeleton: Skeleton = PUBLISHED,
) -> int:
    """Return the number of parameters, linear in the numbers of 1x1 and 3x3 edges."""
    channels, height, width = image_of(input_shape, _NAME)
    halved(height, width, skeleton.stacks - 1, _NAME)
    ones, threes = _convolutions(architecture)
    widths = skeleton.widths
    squares, sums = sum(w * w for w in widths), sum(widths)
    cells = (ones + 9 * threes) * squares + 2 * (ones + threes) * sums
    stem = (9 * channels + 2) * skeleton.stem
    reductions = sum(10 * a * b + 9 * b * b + 4 * b for a, b in pairwise(widths))
    return stem + skeleton.cells * cells + reductions + 2 * widths[-1] + (widths[-1] + 1) * outputs


def published_flops(
    architecture: Architecture,
    input_shape: Shape = (3, 32, 32),
    outputs: int = 10,
    *,
    skeleton: Skeleton = PUBLISHED,
) -> int:
    """Return what the tables call FLOPs: multiply-adds of convolutions and of the head.

    It is `archwright.cost.count(...).macs` plus `outputs`, since the tables count the bias of the
    head as well. The tables hold it in millions.
    """
    channels, height, width = image_of(input_shape, _NAME)
    pixels = [h * w for h, w in halved(height, width, skeleton.stacks - 1, _NAME)]
    ones, threes = _convolutions(architecture)
    widths = skeleton.widths
    cells = (ones + 9 * threes) * sum(p * w * w for p, w in zip(pixels, widths, strict=True))
    stem = 9 * channels * skeleton.stem * pixels[0]
    reductions = sum(
        p * (10 * a * b + 9 * b * b) for p, (a, b) in zip(pixels[1:], pairwise(widths), strict=True)
    )
    return stem + skeleton.cells * cells + reductions + (widths[-1] + 1) * outputs


def _convolutions(architecture: Architecture) -> tuple[int, int]:
    operations = list(architecture.values.values())
    return operations.count("nor_conv_1x1"), operations.count("nor_conv_3x3")


def _monotone(space: Space) -> bool:
    """The cell that stands for equivalent ones need not be the smallest of them."""
    return space.catalog is None or space.catalog["equivalence"] == "none"


FORMULA = Formula(nasbench201_parameters, monotone=_monotone)
