from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import NetworkError
from archwright.network import BUILDERS, FORMULAS, build, builder_of, parameters
from archwright.space import SPACES, Architecture, Choice, Integer, Space, space_named

SPACE = Space(width=Integer(4, 8), activation=Choice("relu", "gelu"))
ARCHITECTURE = SPACE.architecture({"width": 5, "activation": "relu"})


def bound(make: Callable[[Architecture, tuple[int, ...], int], Any]) -> Architecture:
    return SPACE.bind(make).architecture(ARCHITECTURE.values)


def linear(architecture: Architecture, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    width = architecture["width"]
    return nn.Sequential(nn.Linear(input_shape[0], width), nn.Linear(width, outputs))


@pytest.mark.parametrize("name", BUILDERS.names())
def test_every_builder_keeps_the_contract(name: str) -> None:
    assert name in SPACES
    space = space_named(name)
    for architecture in space.sample_many(10, rng=np.random.default_rng(0)):
        network = build(architecture, (3, 9, 8), 4, seed=7)
        assert network.training
        assert all(p.device.type == "cpu" for p in network.parameters())
        assert network(torch.zeros(5, 3, 9, 8)).shape == (5, 4)
        count = sum(p.numel() for p in network.parameters() if p.requires_grad)
        assert parameters(architecture, (3, 9, 8), 4) == count
        again = build(architecture, (3, 9, 8), 4, seed=7)
        for one, other in zip(network.parameters(), again.parameters(), strict=True):
            assert torch.equal(one, other)


def test_every_formula_has_a_builder() -> None:
    assert set(FORMULAS.names()) <= set(BUILDERS.names())


def test_weights_depend_on_the_seed_only() -> None:
    architecture = bound(linear)
    torch.manual_seed(1)
    first = build(architecture, (3,), 2, seed=9)
    torch.manual_seed(2)
    torch.rand(5)
    second = build(architecture, (3,), 2, seed=9)
    other = build(architecture, (3,), 2, seed=10)
    assert torch.equal(first[0].weight, second[0].weight)
    assert not torch.equal(first[0].weight, other[0].weight)


def test_global_generator_is_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    architecture = bound(linear)
    build(architecture, (3,), 2, seed=9)
    parameters(architecture, (3,), 2)
    with torch.device("meta"):
        build(architecture, (3,), 2, seed=9)
    with pytest.raises(NetworkError):
        build(bound(lambda *_: nn.Linear(7, 7)), (3,), 2, seed=9)
    assert torch.equal(torch.rand(4), expected)


def test_threads_do_not_mix_their_weights() -> None:
    architecture = space_named("mlp").sample(rng=np.random.default_rng(0))
    alone = build(architecture, (3,), 2, seed=0)
    found: list[nn.Module] = []

    def work(seed: int) -> None:
        for _ in range(20):
            network = build(architecture, (3,), 2, seed=seed)
            if seed == 0:
                found.append(network)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 20
    assert all(torch.equal(alone[1].weight, network[1].weight) for network in found)


def test_meta_device_builds_without_weights() -> None:
    with torch.device("meta"):
        network = build(bound(linear), (3,), 2, seed=0)
    assert all(p.is_meta for p in network.parameters())


def test_default_device_does_not_matter_otherwise() -> None:
    expected = build(bound(linear), (3,), 2, seed=0)[0].weight
    with torch.device("cpu"):
        assert torch.equal(build(bound(linear), (3,), 2, seed=0)[0].weight, expected)


def test_own_builder_wins_over_the_name() -> None:
    space = space_named("mlp")
    assert builder_of(space) is BUILDERS.get("mlp")
    assert builder_of(space.bind(linear)) is linear


def test_check_leaves_state_and_modes_alone() -> None:
    def frozen(*_: Any) -> nn.Module:
        network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.BatchNorm1d(2))
        network[1].eval()
        return network

    network = build(bound(frozen), (3,), 2, seed=0)
    assert [module.training for module in network.modules()] == [True, True, False, True]
    assert network[2].num_batches_tracked == 0


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_layers_get_their_shape() -> None:
    architecture = bound(lambda *_: nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(2)))
    network = build(architecture, (3,), 2, seed=0)
    assert torch.equal(network[0].weight, build(architecture, (3,), 2, seed=0)[0].weight)
    assert parameters(architecture, (3,), 2) == 4 * 4 + 5 * 2


def test_constructor_that_reads_tensors_is_counted() -> None:
    def make(architecture: Architecture, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        rates = torch.linspace(0, 0.5, 2).tolist()
        return nn.Sequential(nn.Dropout(rates[1]), nn.Linear(*input_shape, outputs))

    assert parameters(bound(make), (3,), 2) == 8


def test_frozen_and_tied_parameters() -> None:
    def make(*_: Any) -> nn.Module:
        network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        network[1].weight = network[0].weight
        network[1].bias.requires_grad_(False)
        return network

    assert parameters(bound(make), (2,), 2) == 4 + 2


def test_same_space_with_another_builder_is_counted_anew() -> None:
    assert parameters(bound(linear), (3,), 2) == 4 * 5 + 6 * 2
    assert parameters(bound(lambda *_: nn.Linear(3, 2)), (3,), 2) == 8


def test_space_without_builder_is_an_error() -> None:
    message = r"nothing builds networks for the space 'custom'; bind a function.*: cnn, mlp"
    with pytest.raises(NetworkError, match=message):
        build(ARCHITECTURE, (3,), 2, seed=0)
    with pytest.raises(NetworkError, match=message):
        parameters(ARCHITECTURE, (3,), 2)


def test_builder_that_raises_is_an_error_with_its_architecture() -> None:
    def broken(*_: Any) -> nn.Module:
        raise KeyError("width")

    message = (
        r"<custom: width=5, activation='relu'> on inputs of shape \(3,\) with outputs=2: the "
        r"builder raised KeyError: 'width'"
    )
    with pytest.raises(NetworkError, match=message):
        build(bound(broken), (3,), 2, seed=0)


def test_builder_without_network_is_an_error() -> None:
    with pytest.raises(NetworkError, match=r"must return an nn.Module; got 'network'"):
        build(bound(lambda *_: "network"), (3,), 2, seed=0)


def test_failing_module_is_named_with_its_input() -> None:
    def make(*_: Any) -> nn.Module:
        inner = nn.Sequential(nn.ReLU(), nn.Linear(6, 2))
        return nn.Sequential(nn.Linear(3, 5), inner)

    message = r"module '1.1' on input \(2, 5\) raised RuntimeError: mat1 and mat2"
    with pytest.raises(NetworkError, match=message):
        build(bound(make), (3,), 2, seed=0)


def test_failing_forward_of_the_whole_network_is_named() -> None:
    class Fails(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no way")

    message = r"module '\(the whole network\)' on input \(2, 3\) raised RuntimeError: no way"
    with pytest.raises(NetworkError, match=message):
        build(bound(lambda *_: Fails()), (3,), 2, seed=0)


@pytest.mark.parametrize(
    ("network", "found"),
    [
        (nn.Linear(3, 4), r"\(2, 4\)"),
        (nn.Unflatten(1, (3, 1)), r"\(2, 3, 1\)"),
        (nn.LSTM(3, 2), "tuple"),
    ],
)
def test_wrong_output_is_an_error(network: nn.Module, found: str) -> None:
    message = rf"must map \(2, 3\) to \(batch, outputs\) = \(2, 2\); got {found}: end it with"
    with pytest.raises(NetworkError, match=message):
        build(bound(lambda *_: network), (3,), 2, seed=0)


def test_out_of_memory_is_not_the_architectures_fault() -> None:
    def huge(*_: Any) -> nn.Module:
        return nn.Linear(2**40, 2**20)

    with pytest.raises(RuntimeError, match="can't allocate memory") as caught:
        build(bound(huge), (3,), 2, seed=0)
    assert not isinstance(caught.value, NetworkError)

    class Huge(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        build(bound(lambda *_: Huge()), (3,), 2, seed=0)


@pytest.mark.parametrize(
    ("shape", "outputs"), [((), 2), ((0,), 2), ((3, -1), 2), ((3.0,), 2), ((3,), 0)]
)
def test_wrong_shapes_are_errors(shape: tuple[Any, ...], outputs: int) -> None:
    with pytest.raises(NetworkError, match=r"must be positive whole numbers.*outputs="):
        build(bound(linear), shape, outputs, seed=0)
    with pytest.raises(NetworkError, match=r"must be positive whole numbers.*outputs="):
        parameters(bound(linear), shape, outputs)
