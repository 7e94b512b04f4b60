"""All weights of a network as views of one buffer.

An optimizer step, the averaged weights, the norm of the gradient and a checkpoint are then one
operation each, however many parameters there are:

    values    | decayed parameters | other parameters | float buffers and frozen parameters |
    gradients | decayed parameters | other parameters |
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from archwright.errors import NetworkError

__all__ = ["Flat"]


class Flat:
    """The weights of one network, moved into one buffer for as long as it is trained.

    Args:
        network: Its parameters and floating-point buffers become views of `values`, and the
            parameters' gradients views of `gradients`. `release` undoes it.
        memory: Buffers to use, for values and gradients; None to make them.

    Attributes:
        values: Everything that training changes, `(weights + buffers,)`.
        gradients: `(weights,)`, zero at first.
        decayed: How many of the leading weights belong to parameters of two and more axes.
        integers: Buffers that are not floating point, by name; they stay where they are.
    """

    def __init__(self, network: nn.Module, memory: tuple[Tensor, Tensor] | None = None) -> None:
        trained = [p for p in network.parameters() if p.requires_grad]
        self._parameters = sorted(trained, key=lambda p: p.dim() < 2)  # stable: decayed ones first
        self._others = [
            *(p for p in network.parameters() if not p.requires_grad),
            *(b for b in network.buffers() if b.is_floating_point()),
        ]
        self.integers = {n: b for n, b in network.named_buffers() if not b.is_floating_point()}
        self._check()
        like = self._parameters[0]
        self.weights = sum(p.numel() for p in self._parameters)
        self.decayed = sum(p.numel() for p in self._parameters if p.dim() >= 2)
        size = self.weights + sum(t.numel() for t in self._others)
        self.move(memory or (like.new_empty(size).detach(), like.new_empty(self.weights).detach()))

    def move(self, memory: tuple[Tensor, Tensor]) -> None:
        """Go to other buffers, for values and gradients; the gradients become zero."""
        self.values, self.gradients = memory[0], memory[1].zero_()
        for tensor, view in self._views(self.values):
            view.copy_(tensor.detach())
            tensor.data = view
        for parameter, view in zip(self._parameters, self._slices(self.gradients), strict=False):
            parameter.grad = view

    def place(self, tensor: Tensor) -> int:
        """Return where a parameter or buffer begins in `values`."""
        return int(tensor.storage_offset() - self.values.storage_offset())

    @property
    def trained(self) -> Tensor:
        """The weights that the optimizer changes, `(weights,)`, a view."""
        return self.values[: self.weights]

    def gradient_of(self, parameter: Tensor) -> Tensor:
        """Return the view of `gradients` that belongs to a parameter."""
        assert parameter.grad is not None
        return parameter.grad

    def release(self) -> None:
        """Give every parameter and buffer a storage of its own again; gradients are dropped."""
        for tensor in (*self._parameters, *self._others):
            tensor.data = tensor.data.clone(memory_format=torch.preserve_format)
        for parameter in self._parameters:
            parameter.grad = None

    def _check(self) -> None:
        kinds = {(t.dtype, t.device) for t in (*self._parameters, *self._others)}
        if not self._parameters:
            raise NetworkError("the network has no parameters that require a gradient to train")
        if len(kinds) > 1:
            raise NetworkError(
                "all parameters of a network must share one floating-point type and device to be "
                f"trained; got {sorted(map(str, kinds))}"
            )

    def _views(self, buffer: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        tensors = [*self._parameters, *self._others]
        return zip(tensors, self._slices(buffer), strict=True)

    def _slices(self, buffer: Tensor) -> Iterator[Tensor]:
        """Yield one view per tensor, in the tensor's own memory layout."""
        start = 0
        for tensor in (*self._parameters, *self._others):
            if start + tensor.numel() > buffer.numel():
                return
            flat = buffer[start : start + tensor.numel()]
            start += tensor.numel()
            if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
                outer, depth, height, width = tensor.shape
                yield flat.view(outer, height, width, depth).permute(0, 3, 1, 2)
            else:
                yield flat.view(tensor.shape)
