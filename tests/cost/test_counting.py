from __future__ import annotations

import copy
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.flop_counter import FlopCounterMode

from archwright.cost import Counts, count
from archwright.errors import NetworkError


def lenet() -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh()),
        *(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


class _Twice(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x, x)


def test_lenet_by_hand() -> None:
    parameters = (25 + 1) * 6 + (6 * 25 + 1) * 16 + 401 * 120 + 121 * 84 + 85 * 10
    macs = 28 * 28 * 6 * 25 + 10 * 10 * 16 * 6 * 25 + 400 * 120 + 120 * 84 + 84 * 10
    assert (parameters, macs) == (61706, 416520)
    assert count(lenet(), (1, 28, 28)) == Counts(parameters, macs, 4 * parameters)


@pytest.mark.parametrize(
    ("widths", "parameters"),
    [((784, 200, 10), 159_010), ((784, 50, 10), 39_760), ((784, 200, 200, 200, 10), 239_410)],
)
def test_published_mlp_counts(widths: tuple[int, ...], parameters: int) -> None:
    layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    counts = count(nn.Sequential(*layers), widths[:1])
    assert counts.parameters == parameters
    assert counts.macs == parameters - sum(widths[1:])  # all but the biases


@given(
    groups=st.integers(1, 3),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    size=st.tuples(st.integers(8, 12), st.integers(8, 12)),
)
def test_convolution_is_output_times_filter(
    groups: int,
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: int,
    padding: int,
    dilation: int,
    size: tuple[int, int],
) -> None:
    layer = nn.Conv2d(
        groups * inputs, groups * outputs, kernel, stride, padding, dilation, groups=groups
    )
    height, width = layer(torch.zeros(1, groups * inputs, *size)).shape[2:]
    expected = height * width * groups * outputs * inputs * kernel[0] * kernel[1]
    assert count(layer, (groups * inputs, *size)).macs == expected


@pytest.mark.parametrize(
    ("layer", "shape", "macs"),
    [
        (nn.Conv1d(4, 6, 3, padding=1), (4, 10), 10 * 6 * 4 * 3),
        (nn.Conv3d(2, 3, 2), (2, 4, 4, 4), 27 * 3 * 2 * 8),
        (nn.ConvTranspose2d(4, 6, 3, stride=2), (4, 5, 5), 25 * 4 * 6 * 9),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (4, 5, 5), 25 * 4 * 3 * 9),
        (nn.Linear(5, 7), (3, 4, 5), 3 * 4 * 5 * 7),
        (nn.Linear(5, 7, bias=False), (5,), 35),
        (_Twice(nn.Bilinear(4, 4, 3)), (4,), 4 * 4 * 3),
        (nn.LSTM(8, 16, num_layers=2, batch_first=True), (5, 8), 5 * 64 * (8 + 16 + 16 + 16)),
        (nn.GRU(8, 16, bidirectional=True, batch_first=True), (5, 8), 2 * 5 * 48 * (8 + 16)),
        (nn.BatchNorm2d(3), (3, 8, 8), 0),
        (nn.MaxPool2d(2), (3, 8, 8), 0),
        (nn.Identity(), (3,), 0),
    ],
)
def test_layer_by_hand(layer: nn.Module, shape: tuple[int, ...], macs: int) -> None:
    assert count(layer, shape).macs == macs


class _Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class _PlainAttention(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.scaled_dot_product_attention(x, x, x)


def test_attention_counts_scores_and_averages() -> None:
    positions, features = 5, 16
    scores = 2 * positions * positions * features  # QK^T and AV, over all heads
    projections = 4 * positions * features * features
    assert count(_Attention(), (positions, features)).macs == projections + scores
    assert count(_PlainAttention(), (4, positions, 4)).macs == scores
    layer = nn.TransformerEncoderLayer(features, 4, 32, batch_first=True)
    expected = projections + scores + 2 * positions * features * 32
    assert count(layer, (positions, features)).macs == expected


def test_embedding_is_free() -> None:
    network = nn.Sequential(nn.Embedding(1000, 8), nn.Flatten(), nn.Linear(24, 2))
    counts = count(network, (3,), dtype=torch.long)
    assert counts == Counts(parameters=8050, macs=48, size_bytes=4 * 8050)


def test_plain_tensor_products_count() -> None:
    class Products(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores = torch.einsum("bij,bkj->bik", x, x)  # (batch, rows, rows)
            return scores @ x + x[0, 0].dot(x[0, 0])

    rows, columns = 3, 4
    expected = 2 * rows * rows * columns + columns
    assert count(Products(), (rows, columns)).macs == expected


def test_folding_batch_norm_changes_nothing() -> None:
    convolution, norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
    apart = count(nn.Sequential(convolution, norm), (3, 9, 9))
    folded = count(fuse_conv_bn_eval(convolution.eval(), norm.eval()), (3, 9, 9))
    assert folded.macs == apart.macs == 7 * 7 * 8 * 3 * 9


def test_tied_and_frozen_parameters() -> None:
    network = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6))
    network[2].weight = network[0].weight
    network[2].bias.requires_grad_(False)
    counts = count(network, (6,))
    assert counts.parameters == 36 + 6
    assert counts.size_bytes == 4 * (36 + 6 + 6)
    assert counts.macs == 72


def test_size_includes_buffers_and_their_types() -> None:
    # Scale, shift, mean and variance of two channels, and a counter of eight bytes.
    assert count(nn.BatchNorm1d(2), (2,)).size_bytes == 4 * 4 * 2 + 8
    assert count(nn.Linear(4, 2).half(), (4,), dtype=torch.half).size_bytes == 2 * 10


def test_network_keeps_its_state() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 2))
    network[1].eval()
    seen: list[object] = []
    network[0].register_forward_hook(lambda *arguments: seen.append(arguments))
    before = copy.deepcopy(network.state_dict())
    generator = torch.get_rng_state()
    count(network, (4,))
    assert [module.training for module in network.modules()] == [True, True, False, True, True]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(generator, torch.get_rng_state())
    assert seen == []


class _ReadsValues(nn.Module):
    """Cannot be followed on the meta device, where tensors have no values."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.recurrent = nn.LSTM(4, 3, batch_first=True)
        self.block = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum().item() >= 0:
            x = self.layer(x)
        return self.recurrent(self.block(x))[0]


def test_network_that_reads_values_is_run_instead() -> None:
    positions = 5
    attention = 4 * positions * 16 + 2 * positions * positions * 4
    expected = positions * 16 + attention + 2 * positions * 4 * 8 + positions * 12 * (4 + 3)
    assert count(_ReadsValues(), (positions, 4)).macs == expected


def test_network_on_meta_is_counted_too() -> None:
    with torch.device("meta"):
        network = lenet()
    assert count(network, (1, 28, 28)).macs == 416_520


def test_tensors_that_are_no_parameters_are_followed() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.matrix = torch.ones(4, 3) @ torch.ones(3, 3, requires_grad=True)  # no leaf

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x @ self.matrix

    assert count(Fixed(), (4,)) == Counts(0, 12, 0)


def test_wrong_input_is_an_error() -> None:
    with pytest.raises(
        NetworkError, match=r"does not accept an input of shape \(1, 7\).*float32: RuntimeError"
    ):
        count(nn.Linear(4, 2), (7,))


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_layer_without_shape_is_an_error() -> None:
    with pytest.raises(NetworkError, match="lazy layer that has seen no input: run the network"):
        count(nn.LazyLinear(3), (4,))


def test_ordinary_networks_need_no_symbolic_mathematics() -> None:
    code = """
import sys, torch
from archwright.cost import count
from torch import nn
count(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
                    nn.Conv2d(4, 4, 3, groups=4), nn.GroupNorm(2, 4), nn.GELU(),
                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 8), nn.LayerNorm(8),
                    nn.SiLU(), nn.Dropout(0.5), nn.Linear(8, 2)), (1, 12, 12))
assert "sympy" not in sys.modules and "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_agrees_with_torchs_own_counter() -> None:
    with FlopCounterMode(display=False) as oracle:
        lenet()(torch.zeros(1, 1, 28, 28))
    assert 2 * count(lenet(), (1, 28, 28)).macs == oracle.get_total_flops()
