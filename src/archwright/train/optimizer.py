"""Gradient steps on a flat buffer: the whole network in one fused operation.

Adam and AdamW follow [Kingma2015adam]_ and [Loshchilov2019decoupled]_, SGD with Nesterov momentum
follows [Sutskever2013momentum]_, each as `torch.optim` computes it; decay is applied to the leading
`decayed` weights of the buffer only, so biases and norms are spared.

RMSProp is TensorFlow's, with which NAS-Bench-101 was trained: epsilon is 1 and inside the root, the
mean square begins at 1, and the learning rate is part of the momentum. With gradient g,

    square <- 0.9 square + 0.1 g^2
    momentum <- mu momentum + rate g / sqrt(square + epsilon)
    weights <- weights - momentum
"""

from __future__ import annotations

import torch
from torch import Tensor

from archwright.train.flat import Flat
from archwright.train.recipe import Recipe

__all__ = ["Optimizer"]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_RMSPROP_DECAY, _RMSPROP_EPSILON = 0.9, 1.0
_MOMENTS = {
    "sgd": ("momentum",),
    "adam": ("mean", "square"),
    "adamw": ("mean", "square"),
    "rmsprop-tf": ("momentum", "square"),
}


class Optimizer:
    """The optimizer of a recipe over the flat weights of one network.

    Attributes:
        state: What a checkpoint has to keep, by name: moments `(weights,)` and the step count.
    """

    def __init__(self, recipe: Recipe, flat: Flat) -> None:
        self._kind = recipe.optimizer
        self._momentum = recipe.momentum
        self._first = True
        self.state = {name: torch.zeros_like(flat.gradients) for name in _MOMENTS[self._kind]}
        if self._kind == "rmsprop-tf":
            self.state["square"].fill_(1.0)
        self.state["step"] = torch.zeros((), dtype=torch.float32, device=flat.values.device)
        self._decay = recipe.weight_decay
        self.move(flat)

    def move(self, flat: Flat) -> None:
        """Go on with the weights where they lie now."""
        cut = flat.decayed if self._decay else 0  # without decay one part is enough
        self._parts = [
            self._part(flat, slice(start, end), decay)
            for start, end, decay in ((0, cut, self._decay), (cut, flat.weights, 0.0))
            if end > start
        ]

    def _part(
        self, flat: Flat, where: slice, decay: float
    ) -> tuple[list[Tensor], list[Tensor], list[list[Tensor]], float]:
        moments = [[moment[where]] for name, moment in self.state.items() if name != "step"]
        return [flat.trained[where]], [flat.gradients[where]], moments, decay

    def step(self, learning_rate: float) -> None:
        """Change the weights once, from the gradients as they stand."""
        self.state["step"] += 1
        for weights, gradients, moments, decay in self._parts:
            if self._kind == "sgd":
                self._sgd(weights, gradients, moments, decay, learning_rate)
            elif self._kind == "rmsprop-tf":
                self._rmsprop(weights[0], gradients[0], moments, decay, learning_rate)
            else:
                self._adam(weights, gradients, moments, decay, learning_rate)

    def _adam(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        moments: list[list[Tensor]],
        decay: float,
        learning_rate: float,
    ) -> None:
        mean, square = moments
        fused = torch._fused_adamw_ if self._kind == "adamw" else torch._fused_adam_
        fused(
            weights,
            gradients,
            mean,
            square,
            [],
            [self.state["step"]],
            lr=learning_rate,
            beta1=_BETA1,
            beta2=_BETA2,
            weight_decay=decay,
            eps=_EPSILON,
            amsgrad=False,
            maximize=False,
        )

    def _sgd(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        moments: list[list[Tensor]],
        decay: float,
        learning_rate: float,
    ) -> None:
        torch._fused_sgd_(
            weights,
            gradients,
            moments[0] if self._momentum else [],
            weight_decay=decay,
            momentum=self._momentum,
            lr=learning_rate,
            dampening=0.0,
            nesterov=self._momentum > 0,
            maximize=False,
            is_first_step=False,  # the momentum starts at zero, which gives the same first step
        )

    def _rmsprop(
        self,
        weights: Tensor,
        gradients: Tensor,
        moments: list[list[Tensor]],
        decay: float,
        learning_rate: float,
    ) -> None:
        (momentum,), (square,) = moments
        if decay:
            gradients = gradients.add(weights, alpha=decay)
        square.mul_(_RMSPROP_DECAY).addcmul_(gradients, gradients, value=1 - _RMSPROP_DECAY)
        root = square.add(_RMSPROP_EPSILON).sqrt_()
        momentum.mul_(self._momentum).addcdiv_(gradients, root, value=learning_rate)
        weights.sub_(momentum)
