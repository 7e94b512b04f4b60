from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from archwright.errors import NetworkError
from archwright.train.flat import Flat


def test_parameters_become_views_and_keep_their_values(mlp: Callable[..., nn.Sequential]) -> None:
    network = mlp(5, 6, normalization=nn.BatchNorm1d)
    before = copy.deepcopy(network.state_dict())
    flat = Flat(network)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name])
    flat.values.zero_()
    assert all(not p.any() for p in network.parameters())
    assert all(not b.any() for b in network.buffers())


def test_weights_come_before_biases_norms_and_buffers(mlp: Callable[..., nn.Sequential]) -> None:
    flat = Flat(mlp(5, inputs=4, outputs=3, normalization=nn.BatchNorm1d))
    assert flat.decayed == 4 * 5 + 5 * 3
    assert flat.weights == flat.decayed + 5 + 3 + 5 + 5
    assert flat.values.numel() == flat.weights + 5 + 5
    assert list(flat.integers) == ["2.num_batches_tracked"]


def test_backward_writes_into_the_flat_gradients(mlp: Callable[..., nn.Sequential]) -> None:
    network = mlp(5)
    twin = copy.deepcopy(network)
    flat = Flat(network)
    inputs = torch.randn(7, 64)
    network(inputs).sum().backward()
    twin(inputs).sum().backward()
    for parameter, other in zip(network.parameters(), twin.parameters(), strict=True):
        assert other.grad is not None
        torch.testing.assert_close(flat.gradient_of(parameter), other.grad)
    assert flat.gradients.square().sum() > 0


def test_release_gives_every_parameter_its_own_memory(mlp: Callable[..., nn.Sequential]) -> None:
    network = mlp(5, normalization=nn.BatchNorm1d)
    flat = Flat(network)
    before = copy.deepcopy(network.state_dict())
    flat.release()
    flat.values.fill_(9)
    for name, value in network.state_dict().items():
        torch.testing.assert_close(value, before[name])
    sizes = {p.untyped_storage().nbytes() for p in network.parameters()}
    assert max(sizes) == 4 * 64 * 5
    assert all(p.grad is None for p in network.parameters())


def test_shared_and_frozen_parameters_are_held_once(mlp: Callable[..., nn.Sequential]) -> None:
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    tied[1].weight = tied[0].weight
    tied[1].bias.requires_grad_(False)
    flat = Flat(tied)
    assert flat.weights == 16 + 4
    assert flat.values.numel() == 16 + 4 + 4
    flat.values.zero_()
    assert not tied[1].weight.any()
    assert not tied[1].bias.any()


def test_channels_last_weights_keep_their_layout() -> None:
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = network.weight.detach().clone()
    Flat(network)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network.weight.detach(), before)


def test_a_network_without_parameters_is_refused() -> None:
    with pytest.raises(NetworkError, match="no parameters that require a gradient"):
        Flat(nn.Sequential(nn.Flatten(), nn.ReLU()))


def test_mixed_types_are_refused() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(NetworkError, match=r"one floating-point type .*torch.float64"):
        Flat(network)
