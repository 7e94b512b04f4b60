"""A forward pass that is watched: activations are seen wherever they are called, dropout is off.

Modules, functions of `torch.nn.functional` and methods of tensors all end up in the same torch
functions, and these are what is watched; so `x.relu()` counts like `nn.ReLU`. Only what a scripted
or compiled module does inside stays unseen.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from archwright.proxy.pooling import average_pool

__all__ = ["Leaving", "OnActivation", "Watch", "switch_off_drops"]

Leaving = Callable[[Tensor], None]
OnActivation = Callable[[Tensor, bool], Leaving | None]
"""Called with the tensor that goes into an activation, before it is computed, and with whether the
activation is linear on both sides of zero, as ReLU is. What it returns is called with the output.
"""

_Arguments = tuple[Sequence[Any], Mapping[str, Any]]

_Methods: Any = Tensor

# Linear on both sides of zero.
_KINKED: frozenset[Any] = frozenset(
    {
        F.relu,
        F.relu6,
        F.leaky_relu,
        F.rrelu,
        F.prelu,
        F.relu_,
        F.leaky_relu_,
        F.rrelu_,
        torch.relu,
        torch.relu_,
        torch.prelu,
        torch.rrelu,
        torch.rrelu_,
        _Methods.relu,
        _Methods.relu_,
        _Methods.prelu,
    }
)
# Curved, but with the same two sides.
_CURVED: frozenset[Any] = frozenset(
    {
        F.gelu,
        F.silu,
        F.mish,
        F.elu,
        F.elu_,
        F.celu,
        F.celu_,
        F.selu,
        F.selu_,
        F.hardswish,
        F.softplus,
        torch.celu,
        torch.celu_,
        torch.selu,
        torch.selu_,
    }
)
# A ReLU where the lower bound is zero: position and name of that bound.
_BOUNDED: Mapping[Any, tuple[int, str]] = {
    **dict.fromkeys(
        [
            torch.clamp,
            torch.clamp_,
            torch.clip,
            torch.clip_,
            torch.clamp_min,
            torch.clamp_min_,
            _Methods.clamp,
            _Methods.clamp_,
            _Methods.clip,
            _Methods.clip_,
            _Methods.clamp_min,
            _Methods.clamp_min_,
        ],
        (1, "min"),
    ),
    F.hardtanh: (1, "min_val"),
    F.hardtanh_: (1, "min_val"),
    F.threshold: (1, "threshold"),
    torch.threshold: (1, "threshold"),
    torch.threshold_: (1, "threshold"),
}
_DROPOUTS: frozenset[Any] = frozenset(
    {
        F.dropout,
        F.dropout1d,
        F.dropout2d,
        F.dropout3d,
        F.alpha_dropout,
        F.feature_alpha_dropout,
        torch.dropout,
        torch.dropout_,
        torch.alpha_dropout,
        torch.alpha_dropout_,
        torch.feature_dropout,
        torch.feature_dropout_,
        torch.feature_alpha_dropout,
        torch.feature_alpha_dropout_,
    }
)
_RECURRENT: frozenset[Any] = frozenset({torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu})
_NORMALIZATIONS: frozenset[Any] = frozenset({F.batch_norm, torch.batch_norm})
_PRODUCTS: frozenset[Any] = frozenset(
    {
        torch.mul,
        torch.multiply,
        _Methods.mul,
        _Methods.mul_,
        _Methods.multiply,
        _Methods.__mul__,
        _Methods.__rmul__,
        _Methods.__imul__,
    }
)
_ATTENTION_SIGNATURE = inspect.signature(F.multi_head_attention_forward)


class Watch(TorchFunctionMode):
    """Inside it dropout does nothing, and activations are told of.

    Args:
        on_activation: Told of each call of an activation function, in order.
        on_zero_product: Told of each product with the number zero, with the result.
        on_embedding: Given what comes out of an embedding; returns what goes on.
        identity_normalization: Whether batch normalization returns its input.
    """

    def __init__(
        self,
        on_activation: OnActivation | None = None,
        *,
        on_zero_product: Leaving | None = None,
        on_embedding: Callable[[Tensor], Tensor] | None = None,
        identity_normalization: bool = False,
    ) -> None:
        super().__init__()
        self._on_activation = on_activation
        self._on_zero_product = on_zero_product
        self._on_embedding = on_embedding
        self._handlers: dict[Any, Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]] = {
            **dict.fromkeys(_DROPOUTS, _unchanged),
            **dict.fromkeys(_RECURRENT, _without_dropout),
            F.scaled_dot_product_attention: _attention_product,
            F.multi_head_attention_forward: _attention,
            F.avg_pool2d: _average_pool,
        }
        if identity_normalization:
            self._handlers |= dict.fromkeys(_NORMALIZATIONS, _unchanged)
        if on_activation:
            self._handlers |= dict.fromkeys(_KINKED | _CURVED | _BOUNDED.keys(), self._activation)
        if on_embedding:
            self._handlers |= dict.fromkeys((F.embedding, torch.embedding), self._embedding)
        if on_zero_product:
            self._handlers |= dict.fromkeys(_PRODUCTS, self._product)

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        handler = self._handlers.get(func)
        if handler is None:
            return func(*args, **(kwargs or {}))
        return handler(func, args, kwargs or {})

    def _activation(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        assert self._on_activation is not None
        if func in _BOUNDED and not _bound_is_zero(func, args, kwargs):
            return func(*args, **kwargs)
        leaving = self._on_activation(_first(args, kwargs), func not in _CURVED)
        output = func(*args, **kwargs)
        if leaving:
            leaving(output)
        return output

    def _product(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        output = func(*args, **kwargs)
        factors = (*args, *kwargs.values())
        if any(isinstance(factor, (int, float)) and factor == 0 for factor in factors):
            assert self._on_zero_product is not None
            self._on_zero_product(output)
        return output

    def _embedding(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        assert self._on_embedding is not None
        return self._on_embedding(func(*args, **kwargs))


def switch_off_drops(network: nn.Module) -> None:
    """Put modules that drop whole paths or blocks into eval mode: they are known by name only."""
    for module in network.modules():
        if type(module).__name__.startswith(("Drop", "StochasticDepth")):
            module.training = False


def _first(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    tensor: Tensor = args[0] if args else kwargs["input"]
    return tensor


def _bound_is_zero(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    position, name = _BOUNDED[func]
    bound = args[position] if len(args) > position else kwargs.get(name)
    return isinstance(bound, (int, float)) and bound == 0


def _unchanged(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    return _first(args, kwargs)


def _without_dropout(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    # The rate of dropout is the one argument that is a float.
    return func(*(0.0 if isinstance(value, float) else value for value in args), **kwargs)


def _average_pool(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Tensor:
    return average_pool(*args, **kwargs)


def _attention_product(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    position = 4  # query, key, value, attn_mask, dropout_p
    if len(args) > position:
        return func(*args[:position], 0.0, *args[position + 1 :], **kwargs)
    return func(*args, **{**kwargs, "dropout_p": 0.0})


def _attention(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    bound = _ATTENTION_SIGNATURE.bind(*args, **kwargs)
    bound.arguments["dropout_p"] = 0.0
    return func(*bound.args, **bound.kwargs)
