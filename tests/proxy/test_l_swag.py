import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, score
from archwright.proxy._batches import Spread
from archwright.proxy.l_swag import layer_score
from archwright.testing.proxies import toy_batch, toy_networks


def test_layer_of_three_weights_by_hand():
    spread = Spread()
    for sizes in ([1.0, 2.0, 5.0], [3.0, 6.0, 5.0]):  # deviations 1, 2 and none
        spread.add(torch.tensor(sizes))
    assert layer_score(spread) == pytest.approx(math.log(1 + 1 / 2), abs=1e-12)


def test_layer_without_variance_is_left_out():
    spread = Spread()
    for _ in range(2):
        spread.add(torch.tensor([1.0, 2.0]))
    assert layer_score(spread) is None


def slow(network, batch, layers):
    """Loop over weights for the first factor, over units for the second."""
    gradients = []
    for rows in (slice(0, 6), slice(6, 12)):
        network.zero_grad()
        F.cross_entropy(network.train()(batch.inputs[rows]), batch.targets[rows]).backward()
        gradients.append([network[i].weight.grad.abs().flatten().numpy().copy() for i in layers])
    network.zero_grad(set_to_none=True)
    steadiness = 0.0
    for layer in zip(*gradients, strict=True):
        deviations = [np.std(sizes) for sizes in zip(*layer, strict=True)]
        steadiness += math.log(sum(1 / d for d in deviations if d > 0))
    return steadiness


def patterns(network, inputs, ends):
    counts = []
    with torch.no_grad():
        for end in ends:
            before = network.train()[:end](inputs)
            counts.append(len({tuple((u > 0).tolist()) for u in before.flatten(1).T}))
    return counts


def test_agrees_with_a_loop_over_weights_and_units():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    expected = slow(network, batch, (0, 3, 8)) * sum(patterns(network, batch.inputs, (2, 5)))
    found = score(network, batch, "l_swag")
    assert found.value == pytest.approx(expected, rel=1e-10)


def test_layers_can_be_chosen_by_depth():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    found = score(network, batch, "l_swag", layers=[0.5, 1.0])
    assert found.details["steadiness"] == pytest.approx(slow(network, batch, (3, 8)), rel=1e-10)
    assert found.details["patterns"] == patterns(network, batch.inputs, (2, 5))[1]


def test_equal_batches_have_no_score():
    half = toy_batch().first(6)
    batch = Batch(torch.cat([half.inputs] * 2), torch.cat([half.targets] * 2))
    found = score(toy_networks()["cell"], batch, "l_swag")
    assert found.status == "degenerate"
    assert "no gradient differs" in found.reason


def test_network_without_activations_has_no_patterns():
    assert score(nn.Linear(4, 2), Batch(torch.randn(8, 4), torch.zeros(8, 2)), "l_swag").status == (
        "no_relu"
    )


@pytest.mark.parametrize("layers", [(0.5, 0.5), (-0.1, 1.0), (0.0, 1.5)])
def test_layers_must_be_rising_shares(layers):
    with pytest.raises(ProxyError, match=r"layers must be two rising shares in \[0, 1\]"):
        score(toy_networks()["cell"], toy_batch(), "l_swag", layers=layers)


def test_one_batch_is_refused():
    with pytest.raises(ProxyError, match="needs 2 batches and a sample; got 1, 16"):
        score(toy_networks()["cell"], toy_batch(), "l_swag", batches=1)
