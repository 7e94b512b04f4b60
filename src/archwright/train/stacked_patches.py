"""Convolutions of a stack that do not keep the size of the map: with stride, or without padding.

They take one product for each network, of the kernels and of the patches: for each element of the
kernel a copy of the pixels that it meets, with zeros where it lies beyond the border.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from archwright.train.stacked_buffers import Call, Program, Value, release

__all__ = ["padding_of", "patches", "size_of"]


def padding_of(module: nn.Conv2d) -> tuple[int, int]:
    """Return the rows and columns of zeros on each side."""
    padding = module.padding
    if padding == "same":
        return (module.kernel_size[0] // 2, module.kernel_size[1] // 2)
    return (0, 0) if isinstance(padding, str) else (padding[0], padding[1])


def size_of(module: nn.Conv2d, size: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width of what a convolution makes of a map."""
    kernel, stride, padding = module.kernel_size, module.stride, padding_of(module)
    height, width = ((size[i] + 2 * padding[i] - kernel[i]) // stride[i] + 1 for i in (0, 1))
    return height, width


def patches(
    program: Program, module: nn.Conv2d, path: str, x: Value, y: Value
) -> tuple[list[Call], Callable[[Tensor], list[Call]]]:
    """Return what computes y from x, and the backward calls for the gradient of y."""
    name, count, inputs = f"{path}.weight", program.weights.count, module.in_channels
    weight = program.weights.value(name).flatten(2)  # (networks, outputs, inputs * kernel)
    shape = (count, inputs, *module.kernel_size, *y.size, program.batch)
    copies = program.empty(*shape).zero_()
    lines, y_lines = copies.view(count, weight.shape[2], -1), y.lines

    def backward(dy: Tensor) -> list[Call]:
        d_weight = program.weights.gradient(name).flatten(2)
        dy_lines = dy.flatten(2)
        calls: list[Call] = [lambda: torch.bmm(dy_lines, lines.mT, out=d_weight)]
        if x.wanted:
            d_copies = program.take(*shape)
            d_lines = d_copies.view(lines.shape)
            calls.append(lambda: torch.bmm(weight.mT, dy_lines, out=d_lines))
            calls += _collect(program, module, x, d_copies)
            program.give(d_copies)
        return [*calls, *release(program, dy)]

    forward = [_copy(copy, part) for copy, part in _pairs(module, copies, x.data, x.size)]
    return [*forward, lambda: torch.bmm(weight, lines, out=y_lines)], backward


def _collect(program: Program, module: nn.Conv2d, x: Value, d_copies: Tensor) -> list[Call]:
    """Add the gradients of the copies to that of x."""
    calls: list[Call] = []
    if x.gradient is None:
        into = x.gradient = program.take(*x.data.shape)
        calls.append(lambda: into.zero_())
    pairs = _pairs(module, d_copies, x.gradient, x.size)
    return [*calls, *(_add(part, copy) for copy, part in pairs)]


def _pairs(
    module: nn.Conv2d, copies: Tensor, data: Tensor, size: tuple[int, int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield for each element of the kernel its copy and the pixels it meets, within the map.

    Args:
        module: The convolution.
        copies: `(networks, channels, kernel rows, kernel columns, height, width, batch)`.
        data: `(networks, channels, pixels, batch)`.
        size: Height and width of the map.
    """
    image = data.view(*data.shape[:2], *size, data.shape[3])
    padding, (rows, columns) = padding_of(module), copies.shape[4:6]
    for i in range(module.kernel_size[0]):
        down, from_rows = _within(i - padding[0], module.stride[0], rows, size[0])
        for j in range(module.kernel_size[1]):
            right, from_columns = _within(j - padding[1], module.stride[1], columns, size[1])
            if down.start < down.stop and right.start < right.stop:
                yield copies[:, :, i, j, down, right], image[:, :, from_rows, from_columns]


def _within(offset: int, stride: int, count: int, length: int) -> tuple[slice, slice]:
    """Return which of `count` positions meet an axis of this length, and where on it."""
    first = max(0, -(offset // stride))
    last = min(count, (length - 1 - offset) // stride + 1)
    begin = first * stride + offset
    return slice(first, last), slice(begin, begin + (last - first - 1) * stride + 1, stride)


def _copy(into: Tensor, source: Tensor) -> Call:
    return lambda: into.copy_(source)


def _add(into: Tensor, source: Tensor) -> Call:
    return lambda: into.add_(source)
