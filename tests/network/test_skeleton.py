from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from archwright.errors import NetworkError
from archwright.network.operations import TruncatedNormalConv2d, truncated_normal_
from archwright.network.skeleton import Skeleton, halved, image_of, with_momentum


def test_channels_double_from_stack_to_stack() -> None:
    assert Skeleton(stem=16, cells=5).widths == (16, 32, 64)
    assert Skeleton(stem=3, cells=1, stacks=1).widths == (3,)


@pytest.mark.parametrize("sizes", [{"stem": 0}, {"cells": -1}, {"stacks": 1.0}, {"cells": True}])
def test_impossible_sizes(sizes: dict[str, object]) -> None:
    message = r"Skeleton.\w+ must be a whole number of at least 1; got"
    with pytest.raises(NetworkError, match=message):
        Skeleton(**{"stem": 8, "cells": 1, **sizes})  # type: ignore[arg-type]


@pytest.mark.parametrize("momentum", [0, 1.5, float("nan")])
def test_impossible_momentum(momentum: float) -> None:
    with pytest.raises(NetworkError, match=r"Skeleton.momentum must be None or a number in \(0, 1"):
        Skeleton(stem=8, cells=1, momentum=momentum)


def test_momentum_of_all_normalizations() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Sequential(nn.BatchNorm2d(2), nn.Identity()))
    with_momentum(network, Skeleton(stem=8, cells=1))
    assert (network[0].momentum, network[1][0].momentum) == (0.1, 0.1)
    assert with_momentum(network, Skeleton(stem=8, cells=1, momentum=0.25)) is network
    assert (network[0].momentum, network[1][0].momentum) == (0.25, 0.25)


def test_halvings_round_up() -> None:
    assert halved(9, 8, 3, "x") == [(9, 8), (5, 4), (3, 2), (2, 1)]
    assert halved(1, 1, 0, "x") == [(1, 1)]
    with pytest.raises(NetworkError, match=r"'x' halve the map 2 times .* 1x2 .* to 1x1 after 1: "):
        halved(1, 2, 2, "x")


def test_images_have_three_axes() -> None:
    assert image_of((1, 8, 9), "x") == (1, 8, 9)
    with pytest.raises(NetworkError, match=r"the space 'x' needs .* got \(8, 9\): use the space"):
        image_of((8, 9), "x")


def test_truncated_normal_has_the_deviation_asked_for() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        drawn = truncated_normal_(torch.empty(40, 50, 50), 0.3)
    assert float(drawn.mean()) == pytest.approx(0, abs=0.003)
    assert float(drawn.std()) == pytest.approx(0.3, rel=0.01)
    # The uncut distribution is wider, and two of its deviations are the edge.
    edge = 2 * 0.3 / 0.8796
    assert float(drawn.abs().max()) == pytest.approx(edge, rel=0.01)
    assert float(drawn.abs().max()) <= edge * 1.0001
    # As much lies near the edge as the normal density says.
    within = float((drawn.abs() < edge / 2).double().mean())
    normal = math.erf(1 / math.sqrt(2)) / math.erf(2 / math.sqrt(2))
    assert within == pytest.approx(normal, abs=0.005)


def test_convolution_is_drawn_by_its_fan_in() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        convolution = TruncatedNormalConv2d(64, 100, 3)
    assert float(convolution.weight.detach().std()) == pytest.approx((64 * 9) ** -0.5, rel=0.01)
    assert (convolution.bias, convolution.padding) == (None, (1, 1))


def test_nothing_is_drawn_on_the_meta_device() -> None:
    state = torch.random.get_rng_state()
    with torch.device("meta"):
        assert TruncatedNormalConv2d(3, 4, 1).weight.is_meta
    assert torch.equal(torch.random.get_rng_state(), state)
