from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
import torch
from torch import nn

from archwright.cost import count
from archwright.errors import NetworkError
from archwright.network import build, parameters
from archwright.network.nats_size import published_flops
from archwright.space import space_named

SPACE = space_named("nats-size")

# Parameters and multiply-adds, published and recomputed with the authors' networks.
PUBLISHED = {
    "8:8:8:8:8": (11_714, 4_481_114),
    "8:8:8:16:32": (49_202, 6_840_650),
    "8:8:40:32:40": (144_834, 21_827_994),
    "64:64:64:64:64": (713_674, 274_399_882),
    "8:16:24:32:40": (115_490, 15_339_930),
    "16:16:32:32:64": (225_466, 33_866_378),
}


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_costs(text: str) -> None:
    chosen = SPACE.parse(text)
    assert (parameters(chosen, (3, 32, 32), 10), published_flops(chosen)) == PUBLISHED[text]


def test_published_costs_of_the_other_datasets() -> None:
    chosen = SPACE.parse("8:8:40:32:40")
    assert parameters(chosen, (3, 32, 32), 100) == 148_524
    assert parameters(chosen, (3, 16, 16), 120) == 149_344
    assert published_flops(chosen, outputs=100) == 21_831_684
    assert published_flops(chosen, (3, 16, 16), 120) == 5_461_816


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 9, 6)])
def test_what_is_built_has_the_published_costs(shape: tuple[int, ...]) -> None:
    chosen = [*SPACE.sample_many(6, rng=np.random.default_rng(0)), SPACE.parse("16:24:24:40:40")]
    for architecture in chosen:
        network = build(architecture, shape, 7, seed=0)
        counts = count(network, shape)
        assert counts.parameters == parameters(architecture, shape, 7)
        assert counts.macs + 7 == published_flops(architecture, shape, 7)
        assert network(torch.zeros(2, *shape)).shape == (2, 7)


@pytest.mark.shared_data
def test_published_records(shared_data) -> None:  # type: ignore[no-untyped-def]
    classes = {"cifar10": 10, "cifar10-valid": 10, "cifar100": 100, "ImageNet16-120": 120}
    with gzip.open(shared_data / "nats_bench_records_short.json.gz") as file:
        records = json.load(file)["sss"]
    seen = 0
    for index, budgets in records.items():
        for record in budgets.values():
            for name, found in record["all_results"].items():
                outputs = classes[name.split("|")[0]]
                shape = (3, 16, 16) if outputs == 120 else (3, 32, 32)
                chosen = SPACE.at(int(index))
                assert found["params"] == parameters(chosen, shape, outputs) / 1e6
                assert found["flop"] == published_flops(chosen, shape, outputs) / 1e6
                seen += 1
    assert seen >= 24


def test_every_smaller_network_is_reached_by_single_steps() -> None:
    """What the formula promises to the search for the smallest network."""
    rows = SPACE.codes_by_index()
    found = np.array([parameters(SPACE.at(i), (1, 8, 8), 3) for i in range(len(rows))])
    grid = found.reshape((8,) * 5)
    better = np.zeros_like(grid, dtype=bool)
    for axis in range(5):
        lowest = np.minimum.accumulate(grid, axis=axis)
        better |= lowest < grid
    assert np.flatnonzero(~better).tolist() == [int(found.argmin())] == [0]


def test_each_number_is_what_leaves_its_parts() -> None:
    network = build(SPACE.parse("8:16:24:32:40"), (3, 32, 32), 10, seed=0)
    values, shapes = torch.zeros(1, 3, 32, 32), {}
    for name, part in network.named_children():
        values = part(values)
        shapes[name] = tuple(values.shape[1:])
    assert list(shapes.items())[:6] == [
        ("stem", (8, 32, 32)),
        ("cell_1", (8, 32, 32)),
        ("reduction_1", (16, 16, 16)),
        ("cell_2", (24, 16, 16)),
        ("reduction_2", (32, 8, 8)),
        ("cell_3", (40, 8, 8)),
    ]


def test_cells_that_change_the_channels() -> None:
    network = build(SPACE.parse("8:16:24:24:24"), (3, 32, 32), 10, seed=0)
    wider, same = network.cell_2, network.cell_3
    assert isinstance(same.edge_0_3, nn.Identity)
    assert [type(part) for part in wider.edge_0_3] == [nn.Conv2d, nn.BatchNorm2d]  # no ReLU
    assert wider.edge_0_3.convolution.kernel_size == (1, 1)
    channels = {
        name: (unit.convolution.in_channels, unit.convolution.out_channels)
        for name, unit in wider.named_children()
    }
    from_input = {"edge_0_1", "edge_0_2", "edge_0_3"}
    assert channels == {n: (16 if n in from_input else 24, 24) for n in channels}
    assert len(channels) == 6


def test_every_parameter_gets_a_gradient() -> None:
    network = build(SPACE.parse("8:16:8:24:16"), (1, 8, 8), 3, seed=0)
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(8, 3, generator=rng)
    (network(torch.randn(8, 1, 8, 8, generator=rng)) * weights).sum().backward()
    assert all(p.grad.any() for p in network.parameters())


def test_inputs_that_cannot_be_taken() -> None:
    chosen = SPACE.at(0)
    with pytest.raises(NetworkError, match=r"'nats-size' needs inputs of shape"):
        build(chosen, (64,), 10, seed=0)
    for attempt in (
        lambda: build(chosen, (1, 2, 2), 10, seed=0),
        lambda: parameters(chosen, (1, 2, 2), 10),
        lambda: published_flops(chosen, (1, 2, 2)),
    ):
        with pytest.raises(NetworkError, match=r"'nats-size' halve the map 2 times"):
            attempt()
