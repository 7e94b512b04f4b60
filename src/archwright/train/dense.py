"""The stepper for sequential dense networks: no autograd, no allocation, no wasted product.

A step of a small network is so short that autograd's bookkeeping and fresh memory cost about as
much as the arithmetic. Here the whole step is a list of calls, bound once to buffers that stay in
the processor's cache; `program.py` writes the list.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from archwright.data import Split
from archwright.train.flat import Flat
from archwright.train.loss import Loss
from archwright.train.program import LAYERS, Program
from archwright.train.recipe import Recipe
from archwright.train.streams import Streams

__all__ = ["DenseStepper", "dense_layers"]


class DenseStepper:
    """Hand-derived steps of a chain of dense layers; results as by autograd up to rounding.

    Args:
        layers: The chain, as `dense_layers` returns it; their weights are held by `flat`.
        flat: Gets the gradients.
        split: The training split.
        loss: What to minimise.
        streams: Randomness of dropout.
    """

    name = "dense"

    def __init__(
        self, layers: list[nn.Module], flat: Flat, split: Split, loss: Loss, streams: Streams
    ) -> None:
        self._layers, self._flat, self._loss, self._streams = layers, flat, loss, streams
        self._inputs = split.inputs.flatten(1)  # (rows, features)
        self._targets = split.targets
        self._programs: dict[int, Program] = {}

    def epoch(self) -> AbstractContextManager[None]:
        """Run the steps in inference mode, where calls cost less."""
        return torch.inference_mode()

    def gradients(self, rows: Tensor, loss: Tensor) -> None:
        """Write the gradients and the loss; see `Stepper`."""
        program = self._programs.get(len(rows)) or self._compile(len(rows))
        program.run(self._inputs, self._targets, rows, loss)

    def _compile(self, rows: int) -> Program:
        """Bind the step to buffers for a batch of so many rows: the full one, and the last."""
        with torch.inference_mode(False):  # buffers that may be used in any mode
            program = Program(
                self._layers,
                self._inputs,
                rows,
                flat=self._flat,
                loss=self._loss,
                rng=self._streams.dropout,
            )
        self._programs[rows] = program
        return program


def dense_layers(network: nn.Module, recipe: Recipe, inputs: Tensor) -> list[nn.Module] | None:
    """Return the layers of a network that the dense stepper can train, or None.

    It can if the network is an `nn.Sequential`, nested or not, of linear layers, activations,
    dropout, batch and layer normalisation that ends with a linear layer, with nothing hooked in,
    on a processor, and if the recipe asks for no augmentation, autocast or compilation.
    """
    if recipe.augment or recipe.autocast or recipe.compile or inputs.device.type != "cpu":
        return None
    leaves = _leaves(network)
    if leaves is None:
        return None
    while leaves and _is_flatten(leaves[0]):
        inputs = inputs.flatten(1)
        leaves = leaves[1:]
    leaves = [leaf for leaf in leaves if type(leaf) is not nn.Identity]
    fits = (
        inputs.dim() == 2
        and bool(leaves)
        and type(leaves[-1]) is nn.Linear
        and len(set(map(id, leaves))) == len(leaves)
        and all(map(_is_supported, leaves))
        and all(parameter.requires_grad for parameter in network.parameters())
        and len(list(network.parameters())) == sum(len(list(x.parameters())) for x in leaves)
    )
    return leaves if fits else None


def _leaves(module: nn.Module) -> list[nn.Module] | None:
    """Return the modules in the order they run, or None if that cannot be told from outside."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    backward = (module._backward_hooks, module._backward_pre_hooks)
    if any((*hooks, *backward)) or "forward" in vars(module):
        return None
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        found: list[nn.Module] = []
        for child in module:
            inner = _leaves(child)
            if inner is None:
                return None
            found += inner
        return found
    return None if list(module.children()) else [module]


def _is_flatten(module: nn.Module) -> bool:
    return type(module) is nn.Flatten and (module.start_dim, module.end_dim) == (1, -1)


def _is_supported(module: nn.Module) -> bool:
    if isinstance(module, nn.BatchNorm1d):
        tracked = module.track_running_stats and module.momentum is not None
        return type(module) is nn.BatchNorm1d and module.affine and tracked
    if isinstance(module, nn.LayerNorm):
        whole = len(module.normalized_shape) == 1 and module.elementwise_affine
        return type(module) is nn.LayerNorm and whole and module.bias is not None
    return type(module) in LAYERS
