"""What a network does, as a graph of operations, and what makes two networks equal in structure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

__all__ = ["structure_of", "traced"]


def structure_of(network: nn.Module) -> str:
    """Return a text that is equal for networks that compute the same but for their weights.

    It has the class of every module, its plain attributes and the shapes of its parameters; what
    an attribute does not show of itself makes two networks differ, never agree.
    """
    lines = []
    for name, module in network.named_modules():
        plain = {k: v for k, v in vars(module).items() if k not in _INTERNAL}
        shapes = [(n, t.shape) for n, t in module.named_parameters(recurse=False)]
        lines.append(f"{name} {type(module)!r} {plain!r} {shapes!r}")
    return "\n".join(lines)


_INTERNAL = frozenset(vars(nn.Module())) - {"training"}


def traced(network: nn.Module, inputs: torch.Size, known: Callable[[nn.Module], bool]) -> fx.Graph:
    """Return the operations of a network, found out on two inputs of zeros."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.no_grad():
            like = next(network.parameters())
            return _Tracer(like.new_zeros(2, *inputs), known).trace(network)
    finally:
        for module, mode in modes:
            module.training = mode


class _Tracer(fx.Tracer):
    """Takes known modules as a whole, whatever their class is called, and knows the shapes.

    Networks may ask for the shape of a value to decide what to do.
    """

    def __init__(self, example: Tensor, known: Callable[[nn.Module], bool]) -> None:
        super().__init__()
        self._known = known
        self._values: dict[fx.Node, Any] = {}
        self._example = example
        self._running = False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return self._known(m) or super().is_leaf_module(m, module_qualified_name)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        self._running = True
        try:
            value = self._values[node] = self._run(node)
        finally:
            self._running = False
        node.meta["shape"] = value.shape if isinstance(value, Tensor) else None
        return node

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if self._running:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        if self._running:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Shaped(node, self, self._values[node])

    def _run(self, node: fx.Node) -> Any:
        arguments = fx.map_arg(node.args, self._values.__getitem__)
        options = fx.map_arg(node.kwargs, self._values.__getitem__)
        match node.op:
            case "placeholder":
                return self._example
            case "call_module":
                return self.root.get_submodule(str(node.target)).forward(*arguments, **options)
            case "call_function" if callable(node.target):
                return node.target(*arguments, **options)
            case "call_method":
                return getattr(arguments[0], str(node.target))(*arguments[1:], **options)
        return None


class _Shaped(fx.Proxy):
    """A value that is not computed yet but knows its shape."""

    def __init__(self, node: fx.Node, tracer: fx.Tracer, value: Any) -> None:
        super().__init__(node, tracer)
        if isinstance(value, Tensor):
            self.shape = value.shape
