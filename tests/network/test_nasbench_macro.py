from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from archwright.cost import count
from archwright.errors import NetworkError
from archwright.network import build, parameters, smallest
from archwright.network.nasbench_macro import (
    InvertedResidual,
    MacroSkeleton,
    build_nasbench_macro,
    published_flops,
)
from archwright.space import space_named

SPACE = space_named("nasbench-macro")

PUBLISHED = {
    "00000000": (387_882, 7_713_280),
    "11111111": (1_588_874, 53_246_464),
    "22222222": (2_932_586, 105_660_928),
    "22212220": (1_985_514, 85_164_544),
}


@pytest.mark.parametrize("text", PUBLISHED)
def test_published_costs(text: str) -> None:
    chosen = SPACE.parse(text)
    assert (parameters(chosen, (3, 32, 32), 10), published_flops(chosen)) == PUBLISHED[text]


@pytest.mark.shared_data
def test_costs_of_the_whole_published_table(shared_data) -> None:  # type: ignore[no-untyped-def]
    with np.load(shared_data / "nas_bench_macro_cifar10.npz") as table:
        codes, expected, flops = table["arch"].tolist(), table["params"], table["flops"]
    architectures = [SPACE.from_codes(row) for row in codes]
    assert len(architectures) == 6561
    found = [parameters(a, (3, 32, 32), 10) for a in architectures]
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal([published_flops(a) for a in architectures], flops)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 9, 6)])
@pytest.mark.parametrize("skeleton", [MacroSkeleton(), MacroSkeleton(stem=4, features=32)])
def test_what_is_built_has_these_costs(shape: tuple[int, ...], skeleton: MacroSkeleton) -> None:
    space = SPACE.bind(partial(build_nasbench_macro, skeleton=skeleton))
    for architecture in space.sample_many(5, rng=np.random.default_rng(0)):
        network = build(architecture, shape, 7, seed=0)
        counts = count(network, shape)
        assert counts.parameters == parameters(architecture, shape, 7)
        assert counts.macs == published_flops(architecture, shape, 7, skeleton=skeleton)
        assert network(torch.zeros(2, *shape)).shape == (2, 7)


def test_equivalent_strings_have_equal_costs() -> None:
    distinct = space_named("nasbench-macro", equivalence="isomorphism")
    for row in SPACE.codes_by_index()[::7].tolist():
        one, other = SPACE.from_codes(row), distinct.from_codes(row)
        assert parameters(one, (3, 32, 32), 10) == parameters(other, (3, 32, 32), 10)
        assert published_flops(one) == published_flops(other)
    assert smallest(distinct, (3, 32, 32), 10).parameters == 387_882
    assert smallest(SPACE, (3, 32, 32), 10).exact


def test_layers_by_their_decisions() -> None:
    network = build(SPACE.parse("01202011"), (3, 32, 32), 10, seed=0)
    kinds = {name: type(layer) for name, layer in network.layers.named_children()}
    assert kinds == {
        "layer_1": nn.Sequential,  # an identity that changes the shape
        "layer_2": InvertedResidual,
        "layer_3": InvertedResidual,
        "layer_4": nn.Identity,
        "layer_5": InvertedResidual,
        "layer_6": nn.Sequential,
        "layer_7": InvertedResidual,
        "layer_8": InvertedResidual,
    }
    first = network.layers.layer_1
    assert [type(part) for part in first] == [nn.Conv2d, nn.BatchNorm2d]
    assert (first.convolution.kernel_size, first.convolution.stride) == ((1, 1), (2, 2))
    block = network.layers.layer_3
    assert not block.shortcut
    assert block.depthwise.convolution.kernel_size == (5, 5)
    assert block.depthwise.convolution.stride == (2, 2)
    assert block.depthwise.convolution.groups == 6 * 64
    parts = (block.expand, block.depthwise, block.project)
    assert [[type(part) for part in unit] for unit in parts] == [
        [nn.Conv2d, nn.BatchNorm2d, nn.ReLU],
        [nn.Conv2d, nn.BatchNorm2d, nn.ReLU],
        [nn.Conv2d, nn.BatchNorm2d],
    ]


def test_shortcut_where_the_shape_stays() -> None:
    x = torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    same = InvertedResidual(4, 4, 3, 3, 1)
    torch.testing.assert_close(same(x), x + same.project(same.depthwise(same.expand(x))))
    for changed in (InvertedResidual(4, 6, 3, 3, 1), InvertedResidual(4, 4, 5, 6, 2)):
        expected = changed.project(changed.depthwise(changed.expand(x)))
        torch.testing.assert_close(changed(x), expected)


def test_every_parameter_gets_a_gradient() -> None:
    network = build(SPACE.parse("12021020"), (1, 16, 16), 3, seed=0)
    rng = torch.Generator().manual_seed(0)
    weights = torch.randn(8, 3, generator=rng)
    (network(torch.randn(8, 1, 16, 16, generator=rng)) * weights).sum().backward()
    assert all(p.grad.any() for p in network.parameters())


def test_inputs_that_cannot_be_taken() -> None:
    chosen = SPACE.parse("00000000")
    with pytest.raises(NetworkError, match=r"'nasbench-macro' needs inputs of shape"):
        build(chosen, (64,), 10, seed=0)
    for attempt in (
        lambda: build(chosen, (1, 4, 4), 10, seed=0),
        lambda: parameters(chosen, (1, 4, 4), 10),
        lambda: published_flops(chosen, (1, 4, 4)),
    ):
        with pytest.raises(NetworkError, match=r"halve the map 3 times here, .* 4x4 pixels"):
            attempt()


@pytest.mark.parametrize("sizes", [{"stem": 0}, {"features": 2.0}, {"stem": True}])
def test_skeleton_of_impossible_size(sizes: dict[str, object]) -> None:
    with pytest.raises(NetworkError, match=r"MacroSkeleton.\w+ must be a whole number of at least"):
        MacroSkeleton(**sizes)  # type: ignore[arg-type]
