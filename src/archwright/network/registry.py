"""Which function builds the networks of which space, by the space's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, cast

from torch import nn

from archwright.errors import NetworkError
from archwright.registry import Registry
from archwright.space import Architecture, Space

__all__ = ["BUILDERS", "FORMULAS", "Builder", "Formula", "Shape", "builder_of"]

Shape: TypeAlias = tuple[int, ...]
"""Shape of one input, without the batch axis."""

Builder: TypeAlias = Callable[[Architecture, Shape, int], nn.Module]
"""(architecture, input_shape, outputs) -> network that maps (batch, *input_shape) to
(batch, outputs)."""


@dataclass(frozen=True, slots=True)
class Formula:
    """The number of parameters of a space's networks in closed form.

    Args:
        parameters: (architecture, input_shape, outputs) -> number; raises `NetworkError` exactly
            where the builder does.
        monotone: Whether, in the given space, an architecture that no single edit makes smaller is
            the smallest of all.
    """

    parameters: Callable[[Architecture, Shape, int], int]
    monotone: Callable[[Space], bool]


BUILDERS: Registry[Builder] = Registry("network builder", group="archwright.builders")
BUILDERS.register(
    "mlp", "archwright.network.mlp:build_mlp", summary="linear layers in a plain Sequential"
)
BUILDERS.register(
    "cnn", "archwright.network.cnn:build_cnn", summary="convolutional stages and a linear head"
)
for _name, _target in (
    ("nasbench101", "archwright.network.nasbench101:build_nasbench101"),
    ("nasbench1shot1", "archwright.network.nasbench101:build_nasbench101"),
    ("nasbench201", "archwright.network.nasbench201:build_nasbench201"),
    ("nats-size", "archwright.network.nats_size:build_nats_size"),
    ("nasbench-macro", "archwright.network.nasbench_macro:build_nasbench_macro"),
):
    BUILDERS.register(_name, _target, summary="the network of the published benchmark")

FORMULAS: Registry[Formula] = Registry("parameter formula", group="archwright.formulas")
FORMULAS.register("mlp", "archwright.network.mlp:FORMULA", summary="sum over the linear layers")
FORMULAS.register("cnn", "archwright.network.cnn:FORMULA", summary="sum over the convolutions")
for _name, _target in (
    ("nasbench101", "archwright.network.nasbench101:FORMULA"),
    ("nasbench1shot1", "archwright.network.nasbench101:FORMULA"),
    ("nasbench201", "archwright.network.nasbench201:FORMULA"),
    ("nats-size", "archwright.network.nats_size:FORMULA"),
    ("nasbench-macro", "archwright.network.nasbench_macro:FORMULA"),
):
    FORMULAS.register(_name, _target, summary="sum over the convolutions")


def builder_of(space: Space) -> Builder:
    """Return what builds the space's networks: its own builder, or the one for its name.

    Raises:
        NetworkError: If there is neither.
    """
    if space.builder is not None:
        return cast(Builder, space.builder)
    if space.name in BUILDERS:
        return BUILDERS.get(space.name)
    raise NetworkError(
        f"nothing builds networks for the space {space.name!r}; bind a function "
        f"(architecture, input_shape, outputs) -> nn.Module with space.bind(function), or name the "
        f"space after one of: {', '.join(BUILDERS.names())}"
    )
