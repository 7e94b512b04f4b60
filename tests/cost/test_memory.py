from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from archwright.cost import peak_memory
from archwright.errors import NetworkError

FLOAT = 4


def test_one_layer_by_hand() -> None:
    weights, inputs, outputs = (100 + 1) * 50, 8 * 100, 8 * 50
    assert peak_memory(nn.Linear(100, 50), (100,), 8) == FLOAT * (weights + inputs + outputs)


def test_inference_frees_what_is_no_longer_needed() -> None:
    batch, features, hidden = 16, 10, 200
    network = nn.Sequential(
        *(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()),
        *(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3)),
    )
    weights = sum(p.numel() for p in network.parameters())
    # However deep, only two hidden maps are alive at once: what a layer reads and what it writes.
    expected = weights + batch * features + 2 * batch * hidden
    assert peak_memory(network, (features,), batch) == FLOAT * expected


def test_operations_in_place_take_no_memory() -> None:
    batch, features = 16, 50
    network = nn.Sequential(nn.Linear(features, features), nn.ReLU(inplace=True))
    weights = features * (features + 1)
    assert peak_memory(network, (features,), batch) == FLOAT * (weights + 2 * batch * features)


def test_training_keeps_activations_and_makes_gradients() -> None:
    batch, features, hidden = 16, 10, 200
    network = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))
    first, second = (features + 1) * hidden, hidden + 1
    # While the activation's backward pass writes the gradient of the hidden map: the weights, the
    # input, the activation that was kept, the incoming and the outgoing gradient of the hidden
    # map, the gradients of the last layer; and of the loss and of its one, a number each.
    at_activation = first + second + batch * features + 3 * batch * hidden + second + 2
    # While the first layer's gradients are written: the gradient of the hidden map, and all
    # gradients of the weights. The loss and its gradient are alive to the end.
    at_first = 2 * (first + second) + batch * features + batch * hidden + 2
    found = peak_memory(network, (features,), batch, training=True)
    assert found == FLOAT * max(at_activation, at_first)


def test_training_grows_with_depth_and_inference_does_not() -> None:
    def network(depth: int) -> nn.Sequential:
        return nn.Sequential(*(nn.Tanh() for _ in range(depth)))

    map_bytes = FLOAT * 64 * 1000
    assert peak_memory(network(5), (1000,), 64) == 3 * map_bytes  # the input, and two maps
    assert peak_memory(network(9), (1000,), 64) == 3 * map_bytes

    def training(depth: int) -> int:
        layers = nn.Sequential(nn.Linear(10, 1000, bias=False), *network(depth))
        return peak_memory(layers, (10,), 64, training=True)

    assert training(9) - training(5) == 4 * map_bytes


def test_tied_weights_are_there_once() -> None:
    network = nn.Sequential(nn.Linear(30, 30), nn.Linear(30, 30))
    network[1].weight = network[0].weight
    assert peak_memory(network, (30,)) == FLOAT * (900 + 60 + 3 * 30)


def test_agrees_with_the_allocator() -> None:
    network = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(32, 10),
    ).eval()
    inputs = torch.zeros(16, 3, 32, 32)
    fixed = inputs.nbytes + sum(
        tensor.nbytes for tensor in (*network.parameters(), *network.buffers())
    )
    with torch.no_grad():
        network(inputs)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            network(inputs)
    live = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    # The kernels' own workspace is in the one and not in the other.
    assert peak_memory(network, (3, 32, 32), 16) - fixed == pytest.approx(peak, rel=0.25)


class _ReadsValues(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(20, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) if x.sum().item() == 0 else x


def test_network_that_reads_values_is_run_instead() -> None:
    assert peak_memory(_ReadsValues(), (20,), 5) == FLOAT * (420 + 2 * 5 * 20)


def test_network_keeps_its_state() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    network[1].eval()
    before = copy.deepcopy(network.state_dict())
    peak_memory(network, (4,), 3, training=True)
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_wrong_input_is_an_error() -> None:
    with pytest.raises(NetworkError, match=r"does not accept a batch of shape \(3, 7\)"):
        peak_memory(nn.Linear(4, 2), (7,), 3)


def test_several_outputs_are_an_error() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x

    with pytest.raises(NetworkError, match="returns one tensor; got tuple"):
        peak_memory(Two(), (4,))


@pytest.mark.cuda
def test_allocator_peak_on_cuda() -> None:
    network = nn.Sequential(nn.Linear(512, 4096), nn.ReLU(), nn.Linear(4096, 10))
    counted = peak_memory(network, (512,), 256, training=True)
    assert peak_memory(network.cuda(), (512,), 256, training=True) == pytest.approx(
        counted, rel=0.25
    )
