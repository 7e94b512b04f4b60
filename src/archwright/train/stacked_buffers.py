"""Buffers and calls of a stack: what its operations are written with.

See `stacked_program.py` for the idea.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import torch
from torch import Tensor

__all__ = ["Call", "Program", "Value", "Weights", "collect_copy", "hand_on", "release"]

Call = Callable[[], object]


class Weights(Protocol):
    """The weights of the networks of a stack, found by their name in a network."""

    count: int
    dtype: torch.dtype

    def value(self, name: str) -> Tensor:
        """Return a parameter or buffer of all networks, `(networks, *shape)`, a view."""

    def gradient(self, name: str) -> Tensor:
        """Return its gradient, likewise."""

    def generators(self) -> Sequence[torch.Generator]:
        """Return what dropout is drawn from, for each network."""


@dataclass(eq=False)
class Value:
    """Something computed on the way.

    Args:
        data: `(networks, channels, pixels, batch)`, contiguous.
        size: Height and width.
        uses: How many operations read it.
        wanted: Whether any weight below depends on it.
        kept: Whether a backward call reads `data`, so that it must stay as it is.
        zero: Whether it is nothing but zeros.
        gradient: While the backward pass is written: where the gradient has been collected.
    """

    data: Tensor
    size: tuple[int, int]
    uses: int = 0
    wanted: bool = True
    kept: bool = False
    zero: bool = False
    gradient: Tensor | None = None

    @property
    def lines(self) -> Tensor:
        """The data with one line a channel, `(networks, channels, pixels * batch)`."""
        return self.data.flatten(2)


class Program:
    """The calls of one step for a number of networks and of rows.

    Args:
        weights: Of the networks.
        batch: Rows of each network.
        training: Whether there is a backward pass.

    Attributes:
        inputs: Where the inputs go, `(networks, channels, pixels, batch)`.
        outputs: Where the outputs are, `(networks, outputs, batch)`.
        output_gradient: Where the gradient of the outputs goes, likewise.
    """

    def __init__(self, weights: Weights, batch: int, *, training: bool) -> None:
        self.weights, self.batch, self.training = weights, batch, training
        self._forward: list[Call] = []
        self._backward: list[Call] = []
        self._pending: list[tuple[Value, Callable[[Tensor], list[Call]]]] = []
        self._free: dict[int, list[Tensor]] = {}
        self._bordered: dict[tuple[int, ...], Tensor] = {}
        self._zeros: dict[tuple[int, ...], Tensor] = {}

    def forward(self) -> None:
        """Compute the outputs from the inputs."""
        with torch.inference_mode():  # calls cost less; all buffers are made outside
            for call in self._forward:
                call()

    def backward(self) -> None:
        """Write the gradients of all weights from the gradient of the outputs."""
        with torch.inference_mode():  # calls cost less; all buffers are made outside
            for call in self._backward:
                call()

    def source(self, shape: torch.Size) -> Value:
        """Return the input; no gradient is formed for it."""
        height, width = shape[-2:] if len(shape) == 3 else (1, 1)
        self.inputs = self.new(shape[0], height * width)
        return Value(self.inputs, (height, width), wanted=False, kept=True)

    def new(self, channels: int, pixels: int) -> Tensor:
        """Return a buffer of its own, `(networks, channels, pixels, batch)`."""
        return self.empty(self.weights.count, channels, pixels, self.batch)

    def empty(self, *shape: int) -> Tensor:
        """Return a buffer of its own."""
        return torch.empty(shape, dtype=self.weights.dtype)

    def take(self, *shape: int) -> Tensor:
        """Return a buffer that may have served another purpose before; see `give`."""
        free = self._free.get(prod(shape))
        return free.pop().view(shape) if free else self.empty(*shape)

    def give(self, buffer: Tensor) -> None:
        """Say that calls written from now on may use a buffer for something else."""
        self._free.setdefault(buffer.numel(), []).append(buffer.view(-1))

    def bordered(self, *shape: int) -> Tensor:
        """Return the buffer of this shape whose borders are zero and stay so."""
        if shape not in self._bordered:
            self._bordered[shape] = self.empty(*shape).zero_()
        return self._bordered[shape]

    def zeros(self, *shape: int) -> Tensor:
        """Return the buffer of zeros of this shape; nothing may write into it."""
        if shape not in self._zeros:
            self._zeros[shape] = self.empty(*shape).zero_()
        return self._zeros[shape]

    def add(
        self, value: Value, forward: Sequence[Call], backward: Callable[[Tensor], list[Call]]
    ) -> Value:
        """Write the calls of an operation.

        Args:
            value: Its result.
            forward: What computes it.
            backward: Given the gradient of the result, hands gradients to the inputs (see
                `collect`) and returns the calls.
        """
        self._forward += forward
        if self.training:
            self._pending.append((value, backward))
        return value

    def collect(
        self, value: Value, write: Callable[[Tensor], Call], add: Callable[[Tensor], Call]
    ) -> Call:
        """Return the call that brings a part of the gradient of a value.

        Args:
            value: Gets it.
            write: Makes the call that writes into a buffer, for the first part.
            add: Makes the call that adds to a buffer, for every other part.
        """
        if value.gradient is None:
            value.gradient = self.take(*value.data.shape)
            return write(value.gradient)
        return add(value.gradient)

    def finish(self, outputs: Value) -> None:
        """Write the backward pass."""
        self.outputs = outputs.data.squeeze(2)
        if not self.training:
            return
        outputs.gradient = torch.empty_like(outputs.data)
        self.output_gradient = outputs.gradient.squeeze(2)
        while self._pending:
            value, backward = self._pending.pop()
            gradient = value.gradient
            if gradient is None:  # nothing reads it
                continue
            value.gradient = None
            self._backward += backward(gradient)


def hand_on(program: Program, value: Value, gradient: Tensor) -> list[Call]:
    """Make a buffer the gradient of a value, or add it to what is there."""
    gradient = gradient.view(value.data.shape)
    if value.gradient is None:
        value.gradient = gradient
        return []
    into = value.gradient
    program.give(gradient)
    return [lambda: into.add_(gradient)]


def release(program: Program, buffer: Tensor) -> list[Call]:
    """Give a gradient back for later calls; for the end of a list of calls."""
    program.give(buffer)
    return []


def collect_copy(program: Program, x: Value, gradient: Tensor) -> Call:
    """Return the call that adds a gradient, of the same shape, to that of a value."""
    return program.collect(
        x, lambda dx: lambda: dx.copy_(gradient), lambda dx: lambda: dx.add_(gradient)
    )
