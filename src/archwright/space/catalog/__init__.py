"""The spaces that archwright brings, by name. One file per space."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from archwright.errors import UnknownNameError
from archwright.registry import Registry
from archwright.space.space import Space

__all__ = ["SPACES", "space_named"]

SPACES: Registry[Callable[..., Space]] = Registry("space", group="archwright.spaces")
"""Functions that make a space from options, by name."""

SPACES.register(
    "mlp",
    "archwright.space.catalog.mlp:mlp",
    summary="fully connected network: number and width of hidden layers, activation, dropout, "
    "normalization",
)
SPACES.register(
    "cnn",
    "archwright.space.catalog.cnn:cnn",
    summary="chain of convolutional stages: depth, width, kernel and stride of each, "
    "normalization, residual, pooling",
)


def space_named(name: str, **options: Any) -> Space:
    """Return a space of the catalog.

    Args:
        name: A name in `SPACES`.
        options: What the space's own function takes.

    Raises:
        UnknownNameError: If there is no such space, or it has no such option.
        SpaceError: If an option's value is not valid.

    Example:
        >>> space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",)).size
        3465903
    """
    make = SPACES.get(name)
    known = signature(make).parameters
    for option in options:
        if option not in known:
            raise UnknownNameError(f"option of space {name}", option, known)
    return make(**options)
