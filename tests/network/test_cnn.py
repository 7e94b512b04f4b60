from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archwright.errors import NetworkError, UnknownNameError
from archwright.network import build, parameters
from archwright.network.cnn import Residual
from archwright.network.layers import activation, normalization_1d, normalization_2d
from archwright.space import Architecture, space_named

SPACE = space_named("cnn")


def architecture(stages: list[dict[str, int]], **values: Any) -> Architecture:
    defaults = {
        "normalization": "none",
        "residual": False,
        "activation": "relu",
        "pooling": "avg",
        "dropout": 0.0,
    }
    return SPACE.architecture(defaults | {"stages": stages} | values)


def stage(depth: int = 1, width: int = 8, kernel: int = 3, stride: int = 1) -> dict[str, int]:
    return {"depth": depth, "width": width, "kernel": kernel, "stride": stride}


@settings(max_examples=20)
@given(
    st.integers(0, 2**32),
    st.sampled_from([(1, 8, 8), (3, 5, 9), (8, 8, 1)]),
    st.integers(1, 4),
)
def test_formula_counts_what_is_built(seed: int, shape: tuple[int, ...], outputs: int) -> None:
    chosen = SPACE.sample(rng=np.random.default_rng(seed))
    network = build(chosen, shape, outputs, seed=0)
    assert parameters(chosen, shape, outputs) == sum(p.numel() for p in network.parameters())


def test_parameters_by_hand() -> None:
    two = [stage(depth=2, width=16, kernel=5), stage(width=8, stride=2)]
    plain = 25 * 3 * 16 + 16 + 25 * 16 * 16 + 16 + 9 * 16 * 8 + 8 + (8 + 1) * 10
    assert parameters(architecture(two), (3, 32, 32), 10) == plain
    # Normalization brings scale and shift and takes the bias; shortcuts project where shapes
    # differ: 3 to 16 channels, and 16 to 8 with a stride; not between the two of 16.
    expected = plain + (16 + 16 + 8) + 3 * 16 + 16 * 8
    richer = architecture(two, normalization="batch", residual=True)
    assert parameters(richer, (3, 32, 32), 10) == expected


def test_plain_network_is_made_of_sequentials() -> None:
    chosen = architecture([stage(depth=2)], normalization="group", pooling="max", dropout=0.3)
    network = build(chosen, (1, 8, 8), 10, seed=0)
    leaves = {n: type(m) for n, m in network.named_modules() if not list(m.children())}
    assert leaves == {
        "stages.0.conv_1.convolution": nn.Conv2d,
        "stages.0.conv_1.normalization": nn.GroupNorm,
        "stages.0.conv_1.activation": nn.ReLU,
        "stages.0.conv_2.convolution": nn.Conv2d,
        "stages.0.conv_2.normalization": nn.GroupNorm,
        "stages.0.conv_2.activation": nn.ReLU,
        "pooling": nn.AdaptiveMaxPool2d,
        "flatten": nn.Flatten,
        "dropout": nn.Dropout,
        "head": nn.Linear,
    }
    inner = [m for m in network.modules() if list(m.children())]
    assert all(type(module) is nn.Sequential for module in inner)


def test_shortcut_adds_its_input_before_the_activation() -> None:
    chosen = architecture([stage(depth=2, width=8, stride=2)], residual=True)
    network = build(chosen, (1, 8, 8), 10, seed=0)
    first, second = network.stages[0]
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = torch.relu(first.convolution(x) + first.shortcut(x))
    assert torch.equal(first(x), y)
    assert torch.equal(second(y), torch.relu(second.convolution(y) + y))
    assert isinstance(second, Residual)
    assert isinstance(second.shortcut, nn.Identity)


@pytest.mark.parametrize("size", [1, 2, 5, 8])
@pytest.mark.parametrize("kernel", [3, 5])
def test_only_strides_shrink_the_map(size: int, kernel: int) -> None:
    chosen = architecture([stage(kernel=kernel), stage(kernel=kernel, depth=2)])
    network = build(chosen, (1, size, size), 10, seed=0)
    assert network.stages(torch.zeros(2, 1, size, size)).shape[2:] == (size, size)
    if size > 1:
        halved = build(architecture([stage(stride=2)]), (1, size, size), 10, seed=0)
        side = (size + 1) // 2
        assert halved.stages(torch.zeros(2, 1, size, size)).shape[2:] == (side, side)


def test_digits_take_three_strides() -> None:
    deep = architecture([stage(stride=2, width=64, depth=3)] * 3)
    assert build(deep, (1, 8, 8), 10, seed=0)(torch.zeros(3, 1, 8, 8)).shape == (3, 10)


def test_stride_over_one_pixel_is_an_error() -> None:
    chosen = architecture([stage(stride=2), stage(stride=2), stage(stride=2)])
    message = r"stages.2.stride is 2, but the map .* has only 1x1 pixels \(input \(1, 4, 4\)\)"
    for attempt in (
        lambda: build(chosen, (1, 4, 4), 10, seed=0),
        lambda: parameters(chosen, (1, 4, 4), 10),
    ):
        with pytest.raises(NetworkError, match=message):
            attempt()
    build(chosen, (1, 4, 5), 10, seed=0)  # there is still something to stride over


def test_tabular_input_is_an_error() -> None:
    message = r"needs inputs of shape \(channels, height, width\); got \(13,\): use the space 'mlp'"
    with pytest.raises(NetworkError, match=message):
        build(architecture([stage()]), (13,), 10, seed=0)
    with pytest.raises(NetworkError, match=message):
        parameters(architecture([stage()]), (13,), 10)


def test_even_kernel_is_an_error() -> None:
    space = space_named("cnn", kernel=(3, 4))
    values = dict(architecture([stage()]).values) | {"stages": [stage(), stage(kernel=4)]}
    with pytest.raises(NetworkError, match=r"stages.1.kernel must be odd.*got 4"):
        build(space.architecture(values), (1, 8, 8), 10, seed=0)


def test_groups_divide_the_channels() -> None:
    assert [normalization_2d("group", c).num_groups for c in (8, 12, 7, 64, 2, 1)] == [
        4,
        4,
        1,
        8,
        1,
        1,
    ]


def test_unknown_layers_are_errors() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown activation 'rely'.*did you mean 'relu'"):
        activation("rely")
    with pytest.raises(
        UnknownNameError, match=r"unknown normalization 'group'.*none, batch, layer"
    ):
        normalization_1d("group", 8)
    with pytest.raises(
        UnknownNameError, match=r"unknown normalization 'layer'.*none, batch, group"
    ):
        normalization_2d("layer", 8)
    space = space_named("cnn", pooling=("avg", "median"))
    values = dict(architecture([stage()]).values) | {"pooling": "median"}
    with pytest.raises(UnknownNameError, match="unknown pooling 'median'"):
        build(space.architecture(values), (1, 8, 8), 10, seed=0)
