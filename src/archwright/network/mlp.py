"""Networks of the `mlp` space: linear layers in a plain `nn.Sequential`."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise

from torch import nn

from archwright.network.layers import activation, normalization_1d
from archwright.network.registry import Formula, Shape
from archwright.space import Architecture

__all__ = ["FORMULA", "build_mlp", "mlp_parameters"]


def build_mlp(architecture: Architecture, input_shape: Shape, outputs: int) -> nn.Sequential:
    """Build flatten, then linear - normalization - activation - dropout per layer, then linear.

    Layers that the architecture does not use are left out rather than kept as identities. The
    initial weights are torch's own for linear layers.
    """
    values = architecture.values
    normalization = values.get("normalization", "none")
    dropout = values.get("dropout", 0.0)
    layers: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten())
    width = math.prod(input_shape)
    for i, units in enumerate(values["hidden"]):
        layers[f"hidden_{i}"] = nn.Linear(width, units)
        if (normalize := normalization_1d(normalization, units)) is not None:
            layers[f"normalization_{i}"] = normalize
        layers[f"activation_{i}"] = activation(values.get("activation", "relu"))
        if dropout:
            layers[f"dropout_{i}"] = nn.Dropout(dropout)
        width = units
    layers["head"] = nn.Linear(width, outputs)
    return nn.Sequential(layers)


def mlp_parameters(architecture: Architecture, input_shape: Shape, outputs: int) -> int:
    """Return the sum of (n_{i-1} + 1) n_i over the layers, and 2 n_i per normalization."""
    values = architecture.values
    widths: tuple[int, ...] = (math.prod(input_shape), *values["hidden"], outputs)
    linear: int = sum((before + 1) * after for before, after in pairwise(widths))
    normalized = values.get("normalization", "none") != "none"
    return linear + (2 * sum(values["hidden"]) if normalized else 0)


# Each unit less and each layer less saves parameters, whatever the other decisions are.
FORMULA = Formula(mlp_parameters, monotone=lambda space: True)
