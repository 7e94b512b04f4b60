"""Networks of NAS-Bench-101 [Ying2019nasbench101]_.

A stem; three stacks of three equal cells, with a 2x2 maximum over the map before the second and
third stack, whose first cell doubles the channels; the mean over all pixels, and a linear head.

A cell is a graph; `vertex_channels` says how many channels each vertex has. A vertex applies its
operation to the sum of its inputs: earlier vertices, of which the first channels are taken where
they have more, and the cell's input through a projection of its own for each edge. The output is
the concatenation of the vertices that lead to it, plus the projected input if that does too.
Operations with weights and projections are convolution without bias, batch normalization, ReLU;
with kernel k, from a to b channels, k k a b + 2 b parameters.

Initial weights are those of the authors: convolutions from a truncated normal distribution with
variance 1 / fan-in, the head uniform after Glorot with zero bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add
from typing import TypeAlias

import torch
from torch import Tensor, nn

from archwright.errors import NetworkError
from archwright.network.operations import TruncatedNormalConv2d, head, named
from archwright.network.registry import Formula, Shape
from archwright.network.skeleton import Skeleton, halved, image_of, with_momentum
from archwright.space import Architecture
from archwright.space.catalog.nasbench1shot1 import NASBench1Shot1
from archwright.space.catalog.nasbench101 import NASBench101

__all__ = [
    "FORMULA",
    "PUBLISHED",
    "Cell",
    "build_nasbench101",
    "cell_parameters",
    "nasbench101_parameters",
    "vertex_channels",
]

PUBLISHED = Skeleton(stem=128, cells=3, stacks=3)

Matrix: TypeAlias = Sequence[Sequence[int]]
"""Edges of a cell, `(vertices, vertices)`: [x][y] is 1 if x leads to y; upper triangular."""

_MOMENTUM = 0.003  # TensorFlow's 0.997 is what is kept of the running statistics
_KERNELS = {"conv3x3-bn-relu": 3, "conv1x1-bn-relu": 1}


class Cell(nn.Module):
    """One cell; vertex 1 applies `operation_1` and projects the input by `edge_0_1`.

    Args:
        matrix: Edges of the pruned cell.
        operations: Names of the interior vertices' operations.
        inputs: Channels of the cell's input.
        outputs: Channels of its output.
        last: Number of the output vertex in the decisions' names.
    """

    def __init__(
        self, matrix: Matrix, operations: Sequence[str], inputs: int, outputs: int, last: int
    ) -> None:
        super().__init__()
        self.channels = vertex_channels(matrix, inputs, outputs)
        end = len(matrix) - 1
        self._sources = [[x for x in range(1, y) if matrix[x][y]] for y in range(end + 1)]
        self._operations = [f"operation_{vertex}" for vertex in range(1, end)]
        self._projections = [""] * (end + 1)  # by vertex; none where empty
        for vertex in range(1, end + 1):
            width = self.channels[vertex]
            if matrix[0][vertex]:
                name = self._projections[vertex] = f"edge_0_{last if vertex == end else vertex}"
                self.add_module(name, _conv_bn_relu(inputs, width, 1))
            if vertex < end:
                operation = _operation(operations[vertex - 1], width)
                self.add_module(self._operations[vertex - 1], operation)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, inputs, height, width)` to `(batch, outputs, height, width)`."""
        vertices = [x]
        for vertex, operation in enumerate(self._operations, 1):
            width = self.channels[vertex]
            terms = [_first(vertices[source], width) for source in self._sources[vertex]]
            terms += self._projected(x, vertex)
            vertices.append(getattr(self, operation)(reduce(add, terms)))
        feeding = [vertices[source] for source in self._sources[-1]]
        joined = feeding if len(feeding) < 2 else [torch.cat(feeding, dim=1)]
        return reduce(add, joined + self._projected(x, -1))

    def _projected(self, x: Tensor, vertex: int) -> list[Tensor]:
        name = self._projections[vertex]
        return [getattr(self, name)(x)] if name else []


def vertex_channels(matrix: Matrix, inputs: int, outputs: int) -> tuple[int, ...]:
    """Return the channels of every vertex of a pruned cell.

    The interior vertices that lead to the output share its channels equally, the first of them
    taking one more where that leaves a rest; any other has as many as the widest vertex that it
    leads to.

    Raises:
        NetworkError: If more vertices lead to the output than it has channels.

    Example:
        >>> vertex_channels([[0, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], 8, 15)
        (8, 8, 7, 15)
    """
    end = len(matrix) - 1
    channels = [inputs, *([0] * (end - 1)), outputs]
    feeding = [vertex for vertex in range(1, end) if matrix[vertex][end]]
    if len(feeding) > outputs:
        raise NetworkError(
            f"{len(feeding)} vertices of the cell share its output of {outputs} channels, so that "
            f"some would have none: use a skeleton with a wider stem"
        )
    for place, vertex in enumerate(feeding):
        channels[vertex] = outputs // len(feeding) + (place < outputs % len(feeding))
    for vertex in range(end - 1, 0, -1):
        if not channels[vertex]:
            channels[vertex] = max(channels[y] for y in range(vertex, end) if matrix[vertex][y])
    return tuple(channels)


def build_nasbench101(
    architecture: Architecture,
    input_shape: Shape,
    outputs: int,
    *,
    skeleton: Skeleton = PUBLISHED,
) -> nn.Sequential:
    """Build the network of a cell; the decisions' parts are at `stacks.<stack>.cell_<n>`.

    Args:
        architecture: Of the spaces `nasbench101` and `nasbench1shot1`.
        input_shape: (channels, height, width).
        outputs: Length of one output.
        skeleton: What surrounds the cells.

    Raises:
        NetworkError: If the input is no image or too small for so many stacks, or the stem has
            fewer channels than vertices that share them.
    """
    channels, height, width = image_of(input_shape, architecture.space.name)
    sizes = halved(height, width, skeleton.stacks - 1, architecture.space.name)
    space, matrix, operations = _cell(architecture)
    last = space.max_vertices - 1
    stacks = nn.Sequential()
    before = skeleton.stem
    for stack, after in enumerate(skeleton.widths):
        parts: dict[str, nn.Module] = {}
        if stack:
            odd = any(side % 2 for side in sizes[stack - 1])
            parts["downsample"] = nn.MaxPool2d(2, stride=2, ceil_mode=odd)
        for n in range(1, skeleton.cells + 1):
            parts[f"cell_{n}"] = Cell(matrix, operations, before, after, last)
            before = after
        stacks.append(named(**parts))
    end = head(before, outputs)
    nn.init.xavier_uniform_(end["head"].weight)  # type: ignore[arg-type]  # a linear map
    nn.init.zeros_(end["head"].bias)  # type: ignore[arg-type]  # likewise
    stem = _conv_bn_relu(channels, skeleton.stem, 3)
    return with_momentum(named(stem=stem, stacks=stacks, **end), skeleton)


def nasbench101_parameters(
    architecture: Architecture,
    input_shape: Shape,
    outputs: int,
    *,
    skeleton: Skeleton = PUBLISHED,
) -> int:
    """Return the number of parameters."""
    channels, height, width = image_of(input_shape, architecture.space.name)
    halved(height, width, skeleton.stacks - 1, architecture.space.name)
    _, matrix, operations = _cell(architecture)
    total, before = (9 * channels + 2) * skeleton.stem, skeleton.stem
    for after in skeleton.widths:
        total += cell_parameters(matrix, operations, before, after)
        total += (skeleton.cells - 1) * cell_parameters(matrix, operations, after, after)
        before = after
    return total + (before + 1) * outputs


def cell_parameters(matrix: Matrix, operations: Sequence[str], inputs: int, outputs: int) -> int:
    """Return the parameters of one cell: its operations and projections.

    Args:
        matrix: Edges of the pruned cell.
        operations: Names of the interior vertices' operations.
        inputs: Channels of the cell's input.
        outputs: Channels of its output.
    """
    channels = vertex_channels(matrix, inputs, outputs)
    projections = sum(
        (inputs + 2) * width
        for leads, width in zip(matrix[0][1:], channels[1:], strict=True)
        if leads
    )
    kernels = [_KERNELS.get(name, 0) for name in operations]
    widths = channels[1:-1]
    return projections + sum(
        (kernel * kernel * width + 2) * width
        for kernel, width in zip(kernels, widths, strict=True)
        if kernel
    )


def _cell(architecture: Architecture) -> tuple[NASBench101, Matrix, Sequence[str]]:
    """Return the space and the published matrix and interior operations of a cell.

    Raises:
        NetworkError: If the architecture is none of the spaces of such cells.
    """
    space = architecture.space
    if isinstance(space, NASBench1Shot1):
        architecture = space.to_nasbench101(architecture)
        space = architecture.space
    if not isinstance(space, NASBench101):
        raise NetworkError(
            f"networks of NAS-Bench-101 are built from architectures of the catalog's spaces "
            f"'nasbench101' and 'nasbench1shot1'; got one of {type(space).__name__} {space.name!r}"
        )
    cell = space.cell(architecture)
    return space, cell.matrix.tolist(), cell.ops[1:-1]


def _operation(name: str, channels: int) -> nn.Module:
    if name == "maxpool3x3":
        return nn.MaxPool2d(3, stride=1, padding=1)
    return _conv_bn_relu(channels, channels, _KERNELS[name])


def _conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return named(
        convolution=TruncatedNormalConv2d(inputs, outputs, kernel),
        normalization=nn.BatchNorm2d(outputs, momentum=_MOMENTUM),
        activation=nn.ReLU(),
    )


def _first(x: Tensor, channels: int) -> Tensor:
    return x if x.shape[1] == channels else x[:, :channels]


# Validity and canonical form bind the decisions together: a way down can end anywhere.
FORMULA = Formula(nasbench101_parameters, monotone=lambda space: False)
