"""Pooling of a stack; to torch the rows of a batch are channels, which are innermost."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from archwright.train.stacked_buffers import Call, Program, Value, hand_on, release

__all__ = ["average_pool", "max_pool", "mean"]

_max_forward = torch.ops.aten.max_pool2d_with_indices.out
_max_backward = torch.ops.aten.max_pool2d_with_indices_backward.grad_input
_mean_forward = torch.ops.aten.avg_pool2d.out
_mean_backward = torch.ops.aten.avg_pool2d_backward.grad_input


def max_pool(program: Program, pool: nn.MaxPool2d, x: Value) -> Value:
    """The greatest value of each window."""
    how = (_pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding), (1, 1), pool.ceil_mode)
    y = _pooled(program, pool, x)
    images, maps = _images(x.data, x.size), _images(y.data, y.size)
    where = _images(torch.empty(y.data.shape, dtype=torch.int64), y.size)
    x.kept = True

    def backward(dy: Tensor) -> list[Call]:
        if not x.wanted:
            return release(program, dy)
        dx = program.take(*x.data.shape)
        d_images, d_maps = _images(dx, x.size), _images(dy, y.size)
        call: Call = lambda: _max_backward(d_maps, images, *how, where, grad_input=d_images)  # noqa: E731
        return [call, *release(program, dy), *hand_on(program, x, dx)]

    forward: Call = lambda: _max_forward(images, *how, out=maps, indices=where)  # noqa: E731
    return program.add(y, [forward], backward)


def average_pool(program: Program, pool: nn.AvgPool2d, x: Value) -> Value:
    """The mean of each window."""
    how = (
        *(_pair(pool.kernel_size), _pair(pool.stride), _pair(pool.padding)),
        *(pool.ceil_mode, pool.count_include_pad, pool.divisor_override),
    )
    y = _pooled(program, pool, x)
    images, maps = _images(x.data, x.size), _images(y.data, y.size)

    def backward(dy: Tensor) -> list[Call]:
        if not x.wanted:
            return release(program, dy)
        dx = program.take(*x.data.shape)
        d_images, d_maps = _images(dx, x.size), _images(dy, y.size)
        call: Call = lambda: _mean_backward(d_maps, images, *how, grad_input=d_images)  # noqa: E731
        return [call, *release(program, dy), *hand_on(program, x, dx)]

    return program.add(y, [lambda: _mean_forward(images, *how, out=maps)], backward)


def _pooled(program: Program, pool: nn.Module, x: Value) -> Value:
    """Return a value of the size that a pool makes of another one."""
    height, width = pool(x.data.new_zeros(1, 1, *x.size)).shape[2:]
    return Value(program.new(x.data.shape[1], height * width), (height, width), wanted=x.wanted)


def _images(data: Tensor, size: tuple[int, int]) -> Tensor:
    """View maps as `(networks * channels, batch, height, width)`."""
    count, channels, _, batch = data.shape
    return data.view(count * channels, *size, batch).permute(0, 3, 1, 2)


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def mean(program: Program, x: Value) -> Value:
    """Mean over the pixels."""
    y = Value(program.new(x.data.shape[1], 1), (1, 1), wanted=x.wanted)
    source, into, pixels = x.data, y.data, x.data.shape[2]

    def backward(dy: Tensor) -> list[Call]:
        if not x.wanted:
            return release(program, dy)
        call = program.collect(
            x,
            lambda dx: lambda: torch.div(dy.expand_as(dx), pixels, out=dx),
            lambda dx: lambda: dx.add_(dy, alpha=1 / pixels),
        )
        return [call, *release(program, dy)]

    return program.add(y, [lambda: torch.mean(source, 2, keepdim=True, out=into)], backward)
