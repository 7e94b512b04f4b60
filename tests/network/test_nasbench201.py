from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from archwright.cost import count
from archwright.errors import NetworkError
from archwright.network import build, parameters, smallest
from archwright.network.nasbench201 import (
    Cell,
    Reduction,
    build_nasbench201,
    published_flops,
)
from archwright.network.operations import ReLUConvBN, Zero
from archwright.network.skeleton import Skeleton
from archwright.space import Architecture, space_named

SPACE = space_named("nasbench201")
SMALL = Skeleton(stem=4, cells=1)
EDGES = tuple(SPACE.decisions)
TASKS = (((3, 32, 32), 10), ((3, 32, 32), 100), ((3, 16, 16), 120))  # the published datasets


def cell(*operations: str) -> Architecture:
    """Operations in the order of the edges, shortened."""
    names = {"0": "none", "s": "skip_connect", "1": "nor_conv_1x1", "3": "nor_conv_3x3"}
    names["p"] = "avg_pool_3x3"
    return SPACE.architecture(
        {edge: names[o] for edge, o in zip(EDGES, operations[0], strict=True)}
    )


def everywhere(operation: str) -> Architecture:
    return cell(operation * 6)


# Parameters and multiply-adds of the published tables, in millions.
PUBLISHED = {
    0: (0.129306, 15.64737),
    11: (0.802426, 113.95137),
    284: (0.101306, 11.71521),
    13714: (1.073466, 153.27297),
    6111: (1.073466, 153.27297),
    1462: (1.531546, 220.11969),
    1651: (0.073306, 7.78305),
}


@pytest.mark.parametrize("index", PUBLISHED)
def test_published_costs(index: int) -> None:
    chosen = SPACE.at(index)
    millions, flops = PUBLISHED[index]
    assert parameters(chosen, (3, 32, 32), 10) == round(millions * 1e6)
    assert published_flops(chosen) == round(flops * 1e6)


def test_published_costs_of_all_cells_on_all_datasets() -> None:
    extra = (0, 5850, 7150)  # parameters of the head for more classes
    for architecture in SPACE.enumerate():
        codes = architecture.codes
        ones, threes = codes.count(2), codes.count(3)
        for (shape, outputs), more in zip(TASKS, extra, strict=True):
            expected = 73_306 + 28_000 * ones + 243_040 * threes + more
            assert parameters(architecture, shape, outputs) == expected
            flops = (
                7_783_050 + 3_932_160 * ones + 35_389_440 * threes + (more if more < 7000 else 0)
            )
            if shape == (3, 16, 16):
                flops = 1_953_400 + 983_040 * ones + 8_847_360 * threes
            assert published_flops(architecture, shape, outputs) == flops


@pytest.mark.parametrize("seed", range(4))
def test_what_is_built_has_the_published_costs(seed: int) -> None:
    for architecture in SPACE.sample_many(5, rng=np.random.default_rng(seed)):
        shape, outputs = TASKS[seed % 3]
        counts = count(build(architecture, shape, outputs, seed=0), shape)
        assert counts.parameters == parameters(architecture, shape, outputs)
        assert counts.macs + outputs == published_flops(architecture, shape, outputs)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 7, 9), (2, 1, 5)])
@pytest.mark.parametrize("skeleton", [SMALL, Skeleton(stem=3, cells=2, stacks=2)])
def test_other_skeletons(shape: tuple[int, ...], skeleton: Skeleton) -> None:
    space = SPACE.bind(partial(build_nasbench201, skeleton=skeleton))
    for architecture in space.sample_many(5, rng=np.random.default_rng(0)):
        network = build(architecture, shape, 4, seed=0)
        assert network(torch.zeros(2, *shape)).shape == (2, 4)
        counts = count(network, shape)
        assert counts.parameters == parameters(architecture, shape, 4)
        expected = published_flops(architecture, shape, 4, skeleton=skeleton)
        assert counts.macs + 4 == expected


@pytest.mark.shared_data
def test_parameters_of_a_published_table(shared_data) -> None:  # type: ignore[no-untyped-def]
    with np.load(shared_data / "nasbench201_params_flops_half.npz") as table:
        index, millions = table["index"].tolist(), table["params_m"]
    found = [parameters(SPACE.at(i), (3, 32, 32), 10) for i in index]
    assert len(found) == 4722
    np.testing.assert_array_equal(found, np.rint(millions * 1e6))


def test_smallest_is_found_downhill() -> None:
    assert smallest(SPACE, (3, 32, 32), 10).parameters == 73_306
    assert smallest(SPACE, (3, 32, 32), 10).exact
    distinct = space_named("nasbench201", equivalence="isomorphism")
    assert not smallest(distinct, (3, 32, 32), 10).exact


def test_paths_carry_the_decisions() -> None:
    network = build(cell("01s3p0"), (3, 32, 32), 10, seed=0)
    modules = dict(network.named_modules())
    assert [n for n in modules if n.startswith("stacks.") and n.count(".") == 2][:8] == [
        *(f"stacks.0.cell_{i}" for i in range(1, 6)),
        *("stacks.1.reduction", "stacks.1.cell_1", "stacks.1.cell_2"),
    ]
    kinds = {edge: type(modules[f"stacks.2.cell_5.{edge}"]) for edge in EDGES}
    assert kinds == {
        "edge_0_1": Zero,
        "edge_0_2": ReLUConvBN,
        "edge_1_2": nn.Identity,
        "edge_0_3": ReLUConvBN,
        "edge_1_3": nn.AvgPool2d,
        "edge_2_3": Zero,
    }
    inner = modules["stacks.2.cell_5.edge_0_3"]
    assert [type(part) for part in inner.children()] == [nn.ReLU, nn.Conv2d, nn.BatchNorm2d]
    assert not inner.activation.inplace
    assert inner.convolution.bias is None
    assert (inner.normalization.eps, inner.normalization.momentum) == (1e-5, 0.1)
    assert inner.normalization.affine
    assert [type(part) for part in network.stem] == [nn.Conv2d, nn.BatchNorm2d]


def test_cell_sums_what_its_edges_give() -> None:
    factors = (2.0, 3.0, 5.0, 7.0, 11.0, 13.0)
    edges = {edge: Times(factor) for edge, factor in zip(EDGES, factors, strict=True)}
    # In the order of the string: 01, 02, 12, 03, 13, 23.
    node_1 = 2
    node_2 = 3 + 5 * node_1
    assert float(Cell(edges)(torch.ones(()))) == 7 + 11 * node_1 + 13 * node_2


class Times(nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def test_average_pool_leaves_out_what_is_outside() -> None:
    network = build(everywhere("p"), (1, 8, 8), 2, seed=0)
    pool = network.stacks[0].cell_1.edge_0_1
    ones = torch.ones(1, 1, 5, 4)
    torch.testing.assert_close(pool(ones), ones)


def test_reduction_by_its_parts() -> None:
    block = Reduction(2, 4, odd=False)
    x = torch.randn(3, 2, 6, 4, generator=torch.Generator().manual_seed(0))
    mean = x.view(3, 2, 3, 2, 2, 2).mean(dim=(3, 5))
    shortcut = torch.einsum("bihw,oi->bohw", mean, block.shortcut.convolution.weight[:, :, 0, 0])
    torch.testing.assert_close(block(x), shortcut + block.conv_b(block.conv_a(x)))
    assert block(x).shape == (3, 4, 3, 2)


def test_odd_maps_are_halved_upwards_and_even_ones_as_published() -> None:
    x = torch.randn(1, 2, 5, 4, generator=torch.Generator().manual_seed(0))
    y = Reduction(2, 2, odd=True).shortcut.pooling(x)
    assert y.shape == (1, 2, 3, 2)
    torch.testing.assert_close(y[0, :, 2, 1], x[0, :, 4, 2:].mean(-1))
    even = build(everywhere("s"), (3, 8, 8), 2, seed=0)
    assert not even.stacks[1].reduction.shortcut.pooling.ceil_mode
    odd = build(everywhere("s"), (3, 8, 7), 2, seed=0)
    assert odd.stacks[1].reduction.shortcut.pooling.ceil_mode


def test_zero_keeps_the_graph() -> None:
    x = torch.ones(2, 3, requires_grad=True)
    y = Zero()(x)
    assert torch.equal(y, torch.zeros(2, 3))
    y.sum().backward()
    assert torch.equal(x.grad, torch.zeros(2, 3))


def gradients(architecture: Architecture) -> dict[str, torch.Tensor]:
    space = SPACE.bind(partial(build_nasbench201, skeleton=SMALL))
    network = build(space.from_codes(architecture.codes), (1, 8, 8), 3, seed=0)
    rng = torch.Generator().manual_seed(0)
    x, weights = torch.randn(8, 1, 8, 8, generator=rng), torch.randn(8, 3, generator=rng)
    (network(x) * weights).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    return {name: p.grad for name, p in network.named_parameters()}


@pytest.mark.parametrize("operations", ["333333", "3s1p31", "sp31s3", "ssssss", "1p3131"])
def test_every_parameter_gets_a_gradient(operations: str) -> None:
    assert [name for name, g in gradients(cell(operations)).items() if not g.any()] == []


@pytest.mark.parametrize(
    ("operations", "unreached"),
    [
        ("330300", {"edge_0_1", "edge_0_2"}),  # nodes 1 and 2 lead nowhere
        ("310303", {"edge_0_1"}),  # node 1 leads nowhere
        ("3s1033", set()),
        ("133s00", {"edge_0_1", "edge_0_2", "edge_1_2"}),
    ],
)
def test_what_leads_nowhere_gets_zeros(operations: str, unreached: set[str]) -> None:
    found = {name for name, gradient in gradients(cell(operations)).items() if not gradient.any()}
    assert {name.split(".")[3] for name in found} == unreached
    # All of it: three stacks, one convolution with scale and shift on each edge.
    assert len(found) == 3 * 3 * len(unreached)


def test_input_that_is_no_image() -> None:
    message = r"the space 'nasbench201' needs inputs of shape .*; got \(64,\): use the space 'mlp'"
    for attempt in (
        lambda: build(everywhere("3"), (64,), 10, seed=0),
        lambda: parameters(everywhere("3"), (64,), 10),
        lambda: published_flops(everywhere("3"), (64,)),
    ):
        with pytest.raises(NetworkError, match=message):
            attempt()


def test_image_that_is_too_small() -> None:
    message = r"halve the map 2 times here, but images of 2x1 pixels are down to 1x1 after 1"
    for attempt in (
        lambda: build(everywhere("3"), (1, 2, 1), 10, seed=0),
        lambda: parameters(everywhere("3"), (1, 2, 1), 10),
        lambda: published_flops(everywhere("3"), (1, 2, 1)),
    ):
        with pytest.raises(NetworkError, match=message):
            attempt()
    build(everywhere("3"), (1, 3, 1), 10, seed=0)
