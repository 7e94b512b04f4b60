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
SPACES.register(
    "nasbench101",
    "archwright.space.catalog.nasbench101:nasbench101",
    summary="cells of NAS-Bench-101: graphs of up to 7 vertices and 9 edges, with three operations",
)
SPACES.register(
    "nasbench1shot1",
    "archwright.space.catalog.nasbench1shot1:nasbench1shot1",
    summary="the subspaces 1, 2 and 3 of NAS-Bench-101 that one-shot methods can search",
)
SPACES.register(
    "nasbench201",
    "archwright.space.catalog.nasbench201:nasbench201",
    summary="cells of NAS-Bench-201 and NATS-Bench: one of five operations on each of six edges",
)
SPACES.register(
    "nats-size",
    "archwright.space.catalog.nats_size:nats_size",
    summary="network sizes of NATS-Bench: five numbers of channels",
)
SPACES.register(
    "nasbench-macro",
    "archwright.space.catalog.nasbench_macro:nasbench_macro",
    summary="networks of NAS-Bench-Macro: one of three blocks in each of eight layers",
)
SPACES.register(
    "nasbench-graph",
    "archwright.space.catalog.nasbench_graph:nasbench_graph",
    summary="graph networks of NAS-Bench-Graph: four nodes, the input and operation of each",
)
SPACES.register(
    "darts",
    "archwright.space.catalog.darts:darts",
    summary="cells of DARTS and NAS-Bench-301: two inputs and operations of each of four nodes",
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
