"""Convolutions and linear layers of a stack.

With x the input of a layer, y its output and d for the derivative of the loss, for each network,

    1x1 convolution      y = W x, dW = dy x', dx = W' dy

A wider convolution is a 1x1 convolution of shifted copies: a copy for each shift to the side, with
zeros beyond the border, while shifts up and down are offsets into the copy. On maps of few pixels,
where nearly every output pixel sees every input pixel, it is one product with the matrix that has
the kernel at each position.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from archwright.train.stacked_buffers import Call, Program, Value, release
from archwright.train.stacked_patches import padding_of, patches, size_of

__all__ = ["convolution", "linear"]

_FEW_PIXELS = 4
"""Up to so many, a convolution is one product with the matrix of the whole map."""

_Calls = tuple[list[Call], Callable[[Tensor], list[Call]]]


def convolution(program: Program, module: nn.Conv2d, path: str, x: Value) -> Value:
    """A convolution, the faster way if it keeps the size of the map."""
    kernel, pixels = module.kernel_size, x.size[0] * x.size[1]
    padding = padding_of(module)
    same = module.stride == (1, 1) and kernel[0] == kernel[1] == 2 * padding[0] + 1
    same = same and padding[0] == padding[1]
    size = x.size if same else size_of(module, x.size)
    y = Value(program.new(module.out_channels, size[0] * size[1]), size)
    x.kept = True
    if not same:
        forward, backward = patches(program, module, path, x, y)
    elif kernel[0] == 1:
        forward, backward = _product(program, path, x, y)
    elif pixels <= _FEW_PIXELS:
        forward, backward = _whole_map(program, module, path, x, y)
    else:
        forward, backward = _shifted(program, module, path, x, y)
    if module.bias is not None:
        forward, backward = _with_bias(program, path, y, forward, backward)
    return program.add(y, forward, backward)


def _with_bias(
    program: Program,
    path: str,
    y: Value,
    forward: list[Call],
    backward: Callable[[Tensor], list[Call]],
) -> _Calls:
    bias = program.weights.value(f"{path}.bias").unsqueeze(2)  # (networks, channels, 1)
    lines = y.lines

    def with_bias(dy: Tensor) -> list[Call]:
        d_bias = program.weights.gradient(f"{path}.bias")
        d_lines = dy.flatten(2)
        return [lambda: torch.sum(d_lines, 2, out=d_bias), *backward(dy)]

    return [*forward, lambda: lines.add_(bias)], with_bias


def _product(program: Program, path: str, x: Value, y: Value) -> _Calls:
    """Y = W x, for each network."""
    name = f"{path}.weight"
    weight = program.weights.value(name).flatten(2)  # (networks, outputs, inputs)
    x_lines, y_lines = x.lines, y.lines

    def backward(dy: Tensor) -> list[Call]:
        d_weight = program.weights.gradient(name).flatten(2)
        dy_lines = dy.flatten(2)
        calls: list[Call] = [lambda: torch.bmm(dy_lines, x_lines.mT, out=d_weight)]
        if x.wanted:
            calls.append(_collect_product(program, x, weight.mT, dy_lines))
        return [*calls, *release(program, dy)]

    return [lambda: torch.bmm(weight, x_lines, out=y_lines)], backward


def _collect_product(program: Program, x: Value, weight: Tensor, lines: Tensor) -> Call:
    """Add `weight @ lines` to the gradient of x."""

    def write(into: Tensor) -> Call:
        target = into.view(*into.shape[:1], -1, lines.shape[2])
        return lambda: torch.bmm(weight, lines, out=target)

    def add(into: Tensor) -> Call:
        target = into.view(*into.shape[:1], -1, lines.shape[2])
        return lambda: torch.baddbmm(target, weight, lines, out=target)

    return program.collect(x, write, add)


def _whole_map(program: Program, module: nn.Conv2d, path: str, x: Value, y: Value) -> _Calls:
    """One product over channels and pixels, `(outputs * pixels, inputs * pixels)`."""
    name, count, batch = f"{path}.weight", program.weights.count, program.batch
    outputs, inputs, k = module.out_channels, module.in_channels, module.kernel_size[0]
    pixels = x.data.shape[2]
    places = _places(x.size, k).to(program.weights.dtype)  # (k * k, pixels * pixels)
    weight = program.weights.value(name).view(count, outputs * inputs, k * k)
    placed = program.empty(count, outputs * inputs, pixels * pixels)
    matrix = program.empty(count, outputs, pixels, inputs, pixels)
    by_kernel = placed.view(count, outputs, inputs, pixels, pixels).transpose(2, 3)
    flat = matrix.view(count, outputs * pixels, inputs * pixels)
    x_all, y_all = x.data.view(count, -1, batch), y.data.view(count, -1, batch)

    def backward(dy: Tensor) -> list[Call]:
        d_weight = program.weights.gradient(name).view(count, outputs * inputs, k * k)
        dy_all = dy.view(count, -1, batch)
        d_flat = program.take(*flat.shape)
        d_matrix = d_flat.view(matrix.shape)
        calls: list[Call] = [
            lambda: torch.bmm(dy_all, x_all.mT, out=d_flat),
            lambda: by_kernel.copy_(d_matrix),
            lambda: d_weight.copy_(placed @ places.T),
        ]
        program.give(d_flat)
        if x.wanted:
            calls.append(_collect_product(program, x, flat.mT, dy_all))
        return [*calls, *release(program, dy)]

    forward: list[Call] = [
        lambda: torch.matmul(weight, places, out=placed),
        lambda: matrix.copy_(by_kernel),
        lambda: torch.bmm(flat, x_all, out=y_all),
    ]
    return forward, backward


def _places(size: tuple[int, int], k: int) -> Tensor:
    """Return which element of a kernel lies between two pixels, `(k * k, outputs * inputs)`."""
    height, width = size
    places = torch.zeros(k, k, height, width, height, width)
    for i in range(k):
        for j in range(k):
            for row in range(height):
                for column in range(width):
                    up, left = row + i - k // 2, column + j - k // 2
                    if 0 <= up < height and 0 <= left < width:
                        places[i, j, row, column, up, left] = 1
    return places.view(k * k, -1)


def _shifted(program: Program, module: nn.Conv2d, path: str, x: Value, y: Value) -> _Calls:
    """Products with copies shifted to the side, one for each shift up and down."""
    name, count = f"{path}.weight", program.weights.count
    outputs, inputs, k = module.out_channels, module.in_channels, module.kernel_size[0]
    weight = program.weights.value(name)  # (networks, outputs, inputs, k, k)
    rows = program.empty(k, count, outputs, k, inputs)
    wide = _Wide(program.empty(*_wide_shape(program, x, k)).zero_(), x)
    y_lines, rows_flat = y.lines, rows.flatten(3)

    def backward(dy: Tensor) -> list[Call]:
        d_weight = program.weights.gradient(name)
        d_rows, dy_lines = torch.empty_like(rows), dy.flatten(2)
        d_flat = d_rows.flatten(3)
        calls: list[Call] = [
            *(_bmm(dy_lines, wide.offset(i).mT, d_flat[i]) for i in range(k)),
            lambda: d_weight.copy_(d_rows.permute(1, 2, 4, 0, 3)),
        ]
        if x.wanted:
            calls += _back_through(program, weight, x, Value(dy, y.size))
        return [*calls, *release(program, dy)]

    forward = [
        lambda: rows.copy_(weight.permute(3, 0, 1, 4, 2)),
        *wide.fill,
        *_row_products(rows_flat, wide, y_lines, first=True),
    ]
    return forward, backward


def _back_through(program: Program, weight: Tensor, x: Value, dy: Value) -> list[Call]:
    """Convolve dy with the kernels turned around, into the gradient of x."""
    count, outputs, inputs, k, _ = weight.shape
    turned = program.empty(k, count, inputs, k, outputs)
    flat = turned.flatten(3)
    wide = _Wide(program.bordered(*_wide_shape(program, dy, k)), dy)
    first = x.gradient is None
    if x.gradient is None:
        x.gradient = program.take(*x.data.shape)
    into = x.gradient.flatten(2)
    return [
        lambda: turned.copy_(weight.flip(3, 4).permute(3, 0, 2, 4, 1)),
        *wide.fill,
        *_row_products(flat, wide, into, first=first),
    ]


def _wide_shape(program: Program, x: Value, k: int) -> tuple[int, ...]:
    height, width = x.size
    channels = x.data.shape[1]
    return (program.weights.count, k, channels, height + 2 * (k // 2), width, program.batch)


class _Wide:
    """Copies of a map shifted to the side, with rows of zeros above and below."""

    def __init__(self, buffer: Tensor, x: Value) -> None:
        k, half = buffer.shape[1], buffer.shape[1] // 2
        (height, width), batch = x.size, x.data.shape[3]
        image = x.data.view(*x.data.shape[:2], height, width, batch)
        self._lines = buffer.view(buffer.shape[0], k * buffer.shape[2], -1)
        self._line, self._length = width * batch, height * width * batch
        self.rows = k
        self.fill: list[Call] = []
        for j in range(k):
            shift = j - half
            low, high = max(0, -shift), min(width, width - shift)
            if low < high:
                into = buffer[:, j, :, half : half + height, low:high]
                self.fill.append(_copy(into, image[:, :, :, low + shift : high + shift]))

    def offset(self, row: int) -> Tensor:
        """The copies as they lie for one row of the kernel, `(networks, k * channels, L)`."""
        return self._lines[:, :, row * self._line : row * self._line + self._length]


def _row_products(weights: Tensor, wide: _Wide, into: Tensor, *, first: bool) -> list[Call]:
    calls = []
    for row in range(wide.rows):
        make = _bmm if first and row == 0 else _baddbmm
        calls.append(make(weights[row], wide.offset(row), into))
    return calls


def _bmm(a: Tensor, b: Tensor, into: Tensor) -> Call:
    return lambda: torch.bmm(a, b, out=into)


def _baddbmm(a: Tensor, b: Tensor, into: Tensor) -> Call:
    return lambda: torch.baddbmm(into, a, b, out=into)


def _copy(into: Tensor, source: Tensor) -> Call:
    return lambda: into.copy_(source)


def linear(program: Program, module: nn.Linear, path: str, x: Value) -> Value:
    """A linear layer of flat values."""
    assert x.size == (1, 1)
    x.kept = True
    y = Value(program.new(module.out_features, 1), x.size)
    forward, backward = _product(program, path, x, y)
    if module.bias is not None:
        forward, backward = _with_bias(program, path, y, forward, backward)
    return program.add(y, forward, backward)
