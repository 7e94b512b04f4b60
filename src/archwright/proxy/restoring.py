"""Leaving a network as it was, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from archwright.errors import ProxyError

__all__ = ["preserved", "replaced"]

T = TypeVar("T")


@contextmanager
def preserved(network: nn.Module) -> Iterator[None]:
    """Put everything back at the end, also after an exception.

    That is: the values of parameters and buffers and which tensors they are, gradients, what
    requires them, train and eval modes, and the state of torch's generators. Parameters are written
    back below autograd, and buffers are copies meanwhile, so that a graph which the caller still
    holds stays valid.

    Raises:
        ProxyError: If a lazy layer has no weights yet.
    """
    modules = list(network.modules())
    modes = [module.training for module in modules]
    tables = [(m, dict(m._parameters), dict(m._buffers)) for m in modules]
    tensors = _tensors(modules)
    values = [tensor.detach().clone() for tensor in tensors]
    grads = [(p, p.grad, p.requires_grad) for p in tensors if isinstance(p, nn.Parameter)]
    states = _generator_states(tensors)
    try:
        _lend_buffers(modules)
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode
        for module, parameters, buffers in tables:
            _refill(module._parameters, parameters)
            _refill(module._buffers, buffers)
        for tensor, value in zip(tensors, values, strict=True):
            tensor.data.copy_(value)
        for parameter, grad, required in grads:
            parameter.requires_grad_(required)
            parameter.grad = grad
        for generator, state in states:
            if not torch.equal(generator.get_state(), state):  # the network draws for itself
                generator.set_state(state)


@contextmanager
def replaced(network: nn.Module, function: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Give all parameters and buffers other values, possibly in another precision.

    The parameters stay the same objects, and their memory is not written to.

    Args:
        network: What is changed.
        function: From old values to new; must not change what it is given.
    """
    tensors = _tensors(network.modules())
    values = [tensor.data for tensor in tensors]
    try:
        for tensor, value in zip(tensors, values, strict=True):
            tensor.data = function(value)
        yield
    finally:
        for tensor, value in zip(tensors, values, strict=True):
            tensor.data = value


def _lend_buffers(modules: Iterable[nn.Module]) -> None:
    """Replace all buffers by copies; those that are one tensor stay one."""
    copies: dict[int, Tensor] = {}
    for module in modules:
        for name, buffer in module._buffers.items():
            if buffer is not None:
                if id(buffer) not in copies:
                    copies[id(buffer)] = buffer.detach().clone()
                module._buffers[name] = copies[id(buffer)]


def _refill(table: dict[str, T], entries: dict[str, T]) -> None:
    table.clear()
    table.update(entries)


def _tensors(modules: Iterable[nn.Module]) -> list[Tensor]:
    """Return all parameters and buffers, each once."""
    held = [(*module._parameters.values(), *module._buffers.values()) for module in modules]
    tensors = list({id(t): t for some in held for t in some if t is not None}.values())
    if any(map(is_lazy, tensors)):
        raise ProxyError(
            "expected a network with known shapes; got a lazy layer that has seen no input: "
            "run the network once before scoring it"
        )
    return tensors


def _generator_states(tensors: list[Tensor]) -> list[tuple[torch.Generator, Tensor]]:
    generators = [torch.default_generator]
    devices = {tensor.device for tensor in tensors if tensor.device.type == "cuda"}
    generators += [torch.cuda.default_generators[device.index] for device in devices]
    return [(generator, generator.get_state()) for generator in generators]
