"""Normalisation and the layers without weights of a stack.

With x the input of a layer, y its output, d for the derivative of the loss and n the normalised
input, for each channel of each network,

    batch normalisation  y = gain n + shift, n = (x - mean) r, r = 1 / deviation
                         dx = gain r (dy - mean(dy) - n mean(dy n))

([Ioffe2015batch]_).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archwright.train.stacked_buffers import (
    Call,
    Program,
    Value,
    collect_copy,
    hand_on,
    release,
)
from archwright.train.streams import dropout_mask

__all__ = [
    "add",
    "channels",
    "concatenate",
    "dropout",
    "flatten",
    "normalization",
    "relu",
    "zeros",
]

_relu_backward = torch.ops.aten.threshold_backward.grad_input


def normalization(program: Program, module: nn.BatchNorm2d, path: str, x: Value) -> Value:
    """Batch normalisation; the normalised values take the place of the input if they may."""
    weights = program.weights
    gain, shift, mean, variance = (
        weights.value(f"{path}.{name}").unsqueeze(2)
        for name in ("weight", "bias", "running_mean", "running_var")
    )  # (networks, channels, 1) each
    y = Value(program.new(*x.data.shape[1:3]), x.size)
    epsilon = module.eps
    if not program.training:
        return _with_known_statistics(program, x, y, (gain, shift, mean, variance), epsilon)
    assert module.momentum is not None
    own = x.uses > 1 or x.kept
    n = torch.empty_like(x.data) if own else x.data
    x.kept = x.kept or not own
    lines, n_lines, y_lines = x.lines, n.flatten(2), y.lines
    count, channels, length = lines.shape
    follow = module.momentum
    none, slack, each = (x.data.new_tensor(number) for number in (0.0, epsilon, 1 / length))
    moments, norm, r = (program.empty(count, channels, 1) for _ in range(3))

    def forward() -> None:  # on small maps the calls are the cost: few, and none takes a number
        torch.sum(lines, 2, keepdim=True, out=moments).mul_(each)
        torch.sub(lines, moments, out=n_lines)
        torch.linalg.vector_norm(n_lines, dim=2, keepdim=True, out=norm)
        mean.lerp_(moments, follow)
        torch.addcmul(none, norm, norm, value=1 / (length - 1), out=r)  # unbiased
        variance.lerp_(r, follow)
        torch.addcmul(slack, norm, norm, value=1 / length, out=r).rsqrt_()
        n_lines.mul_(r)
        torch.mul(n_lines, gain, out=y_lines)
        y_lines.add_(shift)

    minus = x.data.new_tensor(-1 / length)

    def backward(dy: Tensor) -> list[Call]:
        d_gain, d_shift = (
            weights.gradient(f"{path}.{name}").unsqueeze(2) for name in ("weight", "bias")
        )
        d_lines, scratch = dy.flatten(2), program.take(*n_lines.shape)

        def calls() -> None:
            torch.sum(d_lines, 2, keepdim=True, out=d_shift)
            torch.mul(n_lines, d_lines, out=scratch)
            torch.sum(scratch, 2, keepdim=True, out=d_gain)
            torch.mul(n_lines, torch.mul(d_gain, minus, out=moments), out=scratch)
            d_lines.add_(torch.mul(d_shift, minus, out=moments)).add_(scratch)
            d_lines.mul_(torch.mul(r, gain, out=moments))

        program.give(scratch)
        return [calls, *(hand_on(program, x, dy) if x.wanted else release(program, dy))]

    return program.add(y, [forward], backward)


def _with_known_statistics(
    program: Program, x: Value, y: Value, own: tuple[Tensor, ...], epsilon: float
) -> Value:
    gain, shift, mean, variance = own
    lines, y_lines = x.lines, y.lines

    def forward() -> None:
        scale = gain * torch.rsqrt(variance + epsilon)
        torch.mul(lines, scale, out=y_lines)
        y_lines.add_(shift - mean * scale)

    return program.add(y, [forward], lambda dy: [])


def relu(program: Program, x: Value) -> Value:
    """The positive part, in place if it may be."""
    in_place = x.uses == 1 and not x.kept
    data = x.data if in_place else torch.empty_like(x.data)
    y = Value(data, x.size, wanted=x.wanted, kept=True)
    source = x.data

    def backward(dy: Tensor) -> list[Call]:
        if not x.wanted:
            return release(program, dy)
        masked: Call = lambda: _relu_backward(dy, data, 0, grad_input=dy)  # noqa: E731
        return [masked, *hand_on(program, x, dy)]

    return program.add(y, [lambda: torch.clamp_min(source, 0, out=data)], backward)


def flatten(program: Program, x: Value) -> Value:
    """Channels and pixels as one axis, in this order."""
    count, _, _, batch = x.data.shape
    y = Value(x.data.view(count, -1, 1, batch), (1, 1), wanted=x.wanted, kept=x.kept or x.uses > 1)

    def backward(dy: Tensor) -> list[Call]:
        return hand_on(program, x, dy) if x.wanted else release(program, dy)

    return program.add(y, [], backward)


def dropout(program: Program, p: float, x: Value) -> Value:
    """Dropout of flat values, drawn for each network from its own generator."""
    if not program.training or p == 0:
        x.uses -= 1
        return x
    mask = torch.empty_like(x.data)
    y = Value(torch.empty_like(x.data), x.size, wanted=x.wanted)
    source, into = x.data, y.data

    def forward() -> None:
        for own, rng in zip(mask, program.weights.generators(), strict=True):
            dropout_mask(own, p, rng)
        torch.mul(source, mask, out=into)

    def backward(dy: Tensor) -> list[Call]:
        if not x.wanted:
            return release(program, dy)
        return [lambda: dy.mul_(mask), *hand_on(program, x, dy)]

    return program.add(y, [forward], backward)


def zeros(program: Program, x: Value) -> Value:
    """Zero times the input: nothing to compute, forward or backward."""
    x.uses -= 1
    return Value(program.zeros(*x.data.shape), x.size, wanted=False, kept=True, zero=True)


def add(program: Program, inputs: Sequence[Value]) -> Value:
    """The sum of two values; zeros are no work."""
    a, b = inputs
    if a.zero or b.zero:
        other = a if b.zero else b
        other.uses -= 1
        return other
    y = Value(torch.empty_like(a.data), a.size, wanted=a.wanted or b.wanted)
    first, second, into = a.data, b.data, y.data

    def backward(dy: Tensor) -> list[Call]:
        wanted = sorted((x for x in inputs if x.wanted), key=lambda x: x.gradient is None)
        calls = [collect_copy(program, x, dy) for x in wanted[:-1]]
        return [*calls, *(c for x in wanted[-1:] for c in hand_on(program, x, dy))]

    return program.add(y, [lambda: torch.add(first, second, out=into)], backward)


def concatenate(program: Program, inputs: Sequence[Value]) -> Value:
    """Values one after the other along the channels."""
    parts = [x.data for x in inputs]
    joined = torch.cat(parts, 1)
    y = Value(joined, inputs[0].size, wanted=any(x.wanted for x in inputs))

    def backward(dy: Tensor) -> list[Call]:
        pieces = torch.split(dy, [part.shape[1] for part in parts], 1)
        calls = [
            collect_copy(program, x, piece)
            for x, piece in zip(inputs, pieces, strict=True)
            if x.wanted
        ]
        return [*calls, *release(program, dy)]

    return program.add(y, [lambda: torch.cat(parts, 1, out=joined)], backward)


def channels(program: Program, x: Value, start: int, stop: int | None) -> Value:
    """Some channels of a value."""
    part = x.data[:, start:stop]
    if part.shape == x.data.shape:
        x.uses -= 1
        return x
    y = Value(part.contiguous(), x.size, wanted=x.wanted)
    into = y.data

    def backward(dy: Tensor) -> list[Call]:
        if not x.wanted:
            return release(program, dy)

        def write(dx: Tensor) -> Call:
            return lambda: dx.zero_()[:, start:stop].copy_(dy)

        call = program.collect(x, write, lambda dx: lambda: dx[:, start:stop].add_(dy))
        return [call, *release(program, dy)]

    return program.add(y, [lambda: into.copy_(part)], backward)
