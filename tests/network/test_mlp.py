from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archwright.network import build, parameters
from archwright.space import Architecture, space_named

SPACE = space_named("mlp")


def architecture(**values: Any) -> Architecture:
    defaults = {"activation": "relu", "dropout": 0.0, "normalization": "none"}
    return SPACE.architecture(defaults | values)


@pytest.mark.parametrize(
    ("hidden", "published"),
    [((200,), 159_010), ((50,), 39_760), ((200, 200, 200), 239_410)],
)
def test_published_parameter_counts(hidden: tuple[int, ...], published: int) -> None:
    chosen = architecture(hidden=hidden)
    assert parameters(chosen, (1, 28, 28), 10) == published
    assert sum(p.numel() for p in build(chosen, (784,), 10, seed=0).parameters()) == published


@given(st.integers(0, 2**32), st.sampled_from([(7,), (1, 8, 8)]), st.integers(1, 5))
def test_formula_counts_what_is_built(seed: int, shape: tuple[int, ...], outputs: int) -> None:
    chosen = SPACE.sample(rng=np.random.default_rng(seed))
    network = build(chosen, shape, outputs, seed=seed)
    assert parameters(chosen, shape, outputs) == sum(p.numel() for p in network.parameters())


def test_layers_are_plain_and_named_after_the_decisions() -> None:
    chosen = architecture(hidden=[60, 70], activation="gelu", dropout=0.3, normalization="layer")
    network = build(chosen, (1, 8, 8), 3, seed=0)
    assert type(network) is nn.Sequential
    assert {name: repr(layer) for name, layer in network.named_children()} == {
        "flatten": "Flatten(start_dim=1, end_dim=-1)",
        "hidden_0": "Linear(in_features=64, out_features=60, bias=True)",
        "normalization_0": repr(nn.LayerNorm(60)),
        "activation_0": "GELU(approximate='none')",
        "dropout_0": "Dropout(p=0.3, inplace=False)",
        "hidden_1": "Linear(in_features=60, out_features=70, bias=True)",
        "normalization_1": repr(nn.LayerNorm(70)),
        "activation_1": "GELU(approximate='none')",
        "dropout_1": "Dropout(p=0.3, inplace=False)",
        "head": "Linear(in_features=70, out_features=3, bias=True)",
    }


@pytest.mark.parametrize(
    ("activation", "layer"),
    [("relu", nn.ReLU), ("gelu", nn.GELU), ("silu", nn.SiLU), ("tanh", nn.Tanh)],
)
def test_activations(activation: str, layer: type[nn.Module]) -> None:
    network = build(architecture(hidden=[50], activation=activation), (4,), 2, seed=0)
    assert [type(part) for part in network] == [nn.Flatten, nn.Linear, layer, nn.Linear]


def test_decisions_that_are_left_out_have_their_plain_values() -> None:
    space = space_named("mlp", activation=("relu",), dropout=(0.0,), normalization=("none",))
    network = build(space.architecture({"hidden": [50]}), (4,), 2, seed=0)
    assert [type(part) for part in network] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear]


def test_initial_weights_are_torchs_own() -> None:
    network = build(architecture(hidden=[50]), (4,), 2, seed=5)
    torch.manual_seed(5)
    expected = [nn.Linear(4, 50), nn.Linear(50, 2)]
    assert torch.equal(network.hidden_0.weight, expected[0].weight)
    assert torch.equal(network.head.bias, expected[1].bias)
