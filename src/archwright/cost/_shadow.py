"""A copy of a network on the meta device: all of its shapes, none of its numbers."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from types import NoneType

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from archwright.errors import NetworkError

__all__ = ["real_copy", "shadow"]

_UNCHANGEABLE = (int, float, str, NoneType, torch.dtype, torch.device, torch.Size)
_COPYING = ("__deepcopy__", "__getstate__", "__setstate__", "__reduce_ex__")
_HOOKS = {name for name in vars(nn.Module()) if "_hooks" in name}


def shadow(network: nn.Module) -> nn.Module:
    """Return a copy whose tensors live on the meta device and take no memory.

    Tied parameters stay tied, and the original is not touched. Forward hooks are left out, so
    that whoever observes the original does not see the copy run.

    Raises:
        NetworkError: If a lazy layer has no shape yet.
    """
    network = _uncompiled(network)
    memo: dict[int, object] = {}
    for tensor in _tensors(network):
        if id(tensor) not in memo:
            memo[id(tensor)] = _meta_like(tensor)
    return _copy(network, memo)


def real_copy(network: nn.Module) -> nn.Module:
    """Return an independent copy with the same numbers, on the same device, without hooks."""
    network = _uncompiled(network)
    memo: dict[int, object] = {
        # Only leaves can be deep-copied; anything else a module keeps is copied by value.
        id(tensor): tensor.detach().clone()
        for tensor in _tensors(network)
        if not tensor.is_leaf
    }
    return _copy(network, memo)


def _uncompiled(network: nn.Module) -> nn.Module:
    original = getattr(network, "_orig_mod", None)  # what torch.compile wraps
    return original if isinstance(original, nn.Module) else network


def _tensors(network: nn.Module) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()
    for module in network.modules():
        yield from (value for value in vars(module).values() if isinstance(value, Tensor))


def _meta_like(tensor: Tensor) -> Tensor:
    if is_lazy(tensor):
        raise NetworkError(
            "expected a network with known shapes; got a lazy layer that has seen no input: "
            "run the network once before measuring its cost"
        )
    empty = torch.empty_strided(
        tensor.size(), tensor.stride(), dtype=tensor.dtype, device=torch.device("meta")
    )
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(empty, requires_grad=tensor.requires_grad)
    return empty


def _copy(module: nn.Module, memo: dict[int, object]) -> nn.Module:
    """Deep-copy a module without its hooks; several times faster than `copy.deepcopy`.

    Most of what a module holds are numbers and empty tables of hooks, which need no copying.
    """
    known = memo.get(id(module))
    if isinstance(known, nn.Module):
        return known
    if _copies_itself(type(module)):
        return _without_hooks(copy.deepcopy(module, memo))
    clone: nn.Module = object.__new__(type(module))
    memo[id(module)] = clone
    for name, value in vars(module).items():
        if isinstance(value, _UNCHANGEABLE):
            vars(clone)[name] = value
        elif name in _HOOKS:
            vars(clone)[name] = OrderedDict()
        elif name == "_compiled_call_impl":
            vars(clone)[name] = None
        elif name == "_modules":
            children = module._modules.items()
            copies = {key: None if child is None else _copy(child, memo) for key, child in children}
            vars(clone)[name] = copies
        else:
            vars(clone)[name] = copy.deepcopy(value, memo)
    return clone


def _copies_itself(kind: type[nn.Module]) -> bool:
    """Whether the class has its own idea of how it is copied."""
    return any(getattr(kind, name, None) is not getattr(nn.Module, name, None) for name in _COPYING)


def _without_hooks(network: nn.Module) -> nn.Module:
    for module in network.modules():
        for name in _HOOKS & vars(module).keys():
            vars(module)[name] = OrderedDict()
    return network
