"""From an architecture to a network, and from a module with choices to a space.

A *builder* is a function (architecture, input_shape, outputs) -> `nn.Module`. It is bound to one
space (`space.bind(builder)`) or registered in `BUILDERS` under the name of a kind of space.
`space_of` makes a space, bound to its builder, from an ordinary module that uses
`archwright.nn.Choice`.

    from archwright.space import space_named
    space = space_named("mlp")
    architecture = space.architecture(
        {"hidden": [64, 50], "activation": "relu", "dropout": 0.0, "normalization": "none"})
    parameters(architecture, (1, 8, 8), 10)                   # 7920, without building it
    network = build(architecture, (1, 8, 8), 10, seed=0)      # an nn.Sequential
"""

from archwright.network.building import build
from archwright.network.counting import Smallest, parameters, smallest
from archwright.network.modules import ModuleBuilder, space_of
from archwright.network.references import load_space, reference_of
from archwright.network.registry import BUILDERS, FORMULAS, Formula, builder_of
from archwright.network.skeleton import Skeleton

__all__ = [
    "BUILDERS",
    "FORMULAS",
    "Formula",
    "ModuleBuilder",
    "Skeleton",
    "Smallest",
    "build",
    "builder_of",
    "load_space",
    "parameters",
    "reference_of",
    "smallest",
    "space_of",
]
