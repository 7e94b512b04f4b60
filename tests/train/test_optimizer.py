from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archwright.train import Recipe
from archwright.train.flat import Flat
from archwright.train.optimizer import Optimizer

Maker = Callable[..., nn.Sequential]


def _reference(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    groups = [
        {"params": [p for p in network.parameters() if p.dim() >= 2]},
        {"params": [p for p in network.parameters() if p.dim() < 2], "weight_decay": 0.0},
    ]
    common: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    if recipe.optimizer == "sgd":
        nesterov = recipe.momentum > 0
        return torch.optim.SGD(groups, momentum=recipe.momentum, nesterov=nesterov, **common)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, **common)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adam"},
        {"optimizer": "adamw"},
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "momentum": 0.0},
    ],
    ids=["adam", "adamw", "sgd", "sgd-plain"],
)
def test_steps_are_those_of_torch(
    mlp: Maker, options: dict[str, Any], decay: float, dtype: torch.dtype
) -> None:
    recipe = Recipe(weight_decay=decay, learning_rate=0.05, **options)
    network = mlp(7, 5, inputs=4, outputs=3, normalization=nn.LayerNorm, dtype=dtype)
    twin = copy.deepcopy(network)
    reference = _reference(twin, recipe)
    optimizer = Optimizer(recipe, flat := Flat(network))
    rng = torch.Generator().manual_seed(0)
    for step in range(20):
        inputs = torch.randn(8, 4, generator=rng, dtype=dtype)
        for one in (network, twin):
            one.zero_grad(set_to_none=False)
            one(inputs).square().sum().backward()
        rate = 0.05 / (1 + step)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        optimizer.step(rate)
    tolerance = 1e-4 if dtype is torch.float32 else 1e-11
    for parameter, other in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=tolerance, atol=tolerance)
    assert float(optimizer.state["step"]) == 20
    assert flat.values.isfinite().all()


def test_biases_and_norms_do_not_decay(mlp: Maker) -> None:
    network = mlp(4, normalization=nn.LayerNorm)
    before = copy.deepcopy(network)
    optimizer = Optimizer(Recipe(optimizer="adamw", weight_decay=0.5), Flat(network))
    optimizer.step(0.1)  # all gradients are zero, so only decay moves anything
    for parameter, old in zip(network.parameters(), before.parameters(), strict=True):
        factor = 1 - 0.1 * 0.5 if parameter.dim() >= 2 else 1.0
        torch.testing.assert_close(parameter.detach(), old.detach() * factor)


def _rmsprop(
    weights: np.ndarray, gradients: list[np.ndarray], rates: list[float], decay: np.ndarray
) -> np.ndarray:
    """TensorFlow's rule, written down weight by weight."""
    found = []
    for place, weight in enumerate(weights):
        square, momentum = 1.0, 0.0
        for all_gradients, rate in zip(gradients, rates, strict=True):
            gradient = all_gradients[place] + decay[place] * weight
            square += (gradient**2 - square) * (1 - 0.9)
            momentum = 0.7 * momentum + rate * gradient / math.sqrt(square + 1.0)
            weight -= momentum
        found.append(weight)
    return np.array(found)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_rmsprop_steps_are_those_of_tensorflow(mlp: Maker, decay: float) -> None:
    recipe = Recipe(optimizer="rmsprop-tf", weight_decay=decay, momentum=0.7)
    network = mlp(3, inputs=2, outputs=2, dtype=torch.float64)
    optimizer = Optimizer(recipe, flat := Flat(network))
    before = flat.trained.numpy(force=True).copy()
    decays = np.where(np.arange(flat.weights) < flat.decayed, decay, 0.0)
    rng = torch.Generator().manual_seed(0)
    gradients, rates = [], [0.5 / (1 + step) for step in range(10)]
    for rate in rates:
        flat.gradients.copy_(3 * torch.randn(flat.weights, generator=rng, dtype=torch.float64))
        gradients.append(flat.gradients.numpy().copy())
        optimizer.step(rate)
        np.testing.assert_array_equal(flat.gradients.numpy(), gradients[-1])
    expected = _rmsprop(before, gradients, rates, decays)
    np.testing.assert_allclose(flat.trained.numpy(force=True), expected, rtol=1e-12)


def test_rmsprop_by_hand(mlp: Maker) -> None:
    network = mlp(3, dtype=torch.float64)
    optimizer = Optimizer(Recipe(optimizer="rmsprop-tf", weight_decay=0.0), flat := Flat(network))
    before = flat.trained.clone()
    flat.gradients.fill_(2.0)
    optimizer.step(0.1)  # the mean square goes from 1 to 0.9 + 0.1 * 4
    first = 0.1 * 2 / math.sqrt(1.3 + 1)
    torch.testing.assert_close(flat.trained, before - first)
    flat.gradients.fill_(0.0)
    optimizer.step(0.1)  # momentum alone
    torch.testing.assert_close(flat.trained, before - first - 0.9 * first)
