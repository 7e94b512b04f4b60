"""Layers by the names that spaces use for them."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from archwright.errors import UnknownNameError

__all__ = ["activation", "normalization_1d", "normalization_2d"]

MOST_GROUPS = 8

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
}


def activation(name: str) -> nn.Module:
    """Return the activation function of that name.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in _ACTIVATIONS:
        raise UnknownNameError("activation", name, _ACTIVATIONS)
    return _ACTIVATIONS[name]()


def normalization_1d(name: str, width: int) -> nn.Module | None:
    """Return the normalization of `(batch, width)`; None for "none".

    Raises:
        UnknownNameError: If there is none of that name.
    """
    match name:
        case "none":
            return None
        case "batch":
            return nn.BatchNorm1d(width)
        case "layer":
            return nn.LayerNorm(width)
    raise UnknownNameError("normalization", name, ("none", "batch", "layer"))


def normalization_2d(name: str, channels: int) -> nn.Module | None:
    """Return the normalization of `(batch, channels, height, width)`; None for "none".

    "group" makes as many groups of equal size as possible, up to 8, each of 2 channels or more:
    one channel alone would be nothing but zero on a map of one pixel.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    match name:
        case "none":
            return None
        case "batch":
            return nn.BatchNorm2d(channels)
        case "group":
            return nn.GroupNorm(_groups(channels), channels)
    raise UnknownNameError("normalization", name, ("none", "batch", "group"))


def _groups(channels: int) -> int:
    groups = math.gcd(channels, MOST_GROUPS)
    return groups // 2 if groups == channels > 1 else groups
