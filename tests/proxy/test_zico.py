import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, score
from archwright.proxy._batches import Spread
from archwright.proxy.zico import layer_score
from archwright.testing.proxies import toy_batch, toy_networks


def spread_of(*gradients):
    spread = Spread()
    for gradient in gradients:
        spread.add(torch.tensor(gradient, dtype=torch.float64))
    return spread


def test_layer_of_two_weights_by_hand():
    spread = spread_of([1.0, 2.0], [3.0, -2.0])
    assert spread.variance.sqrt().tolist() == [1.0, 2.0]
    size = torch.tensor([2.0, 2.0])
    assert layer_score(size, spread) == pytest.approx(math.log(3), abs=1e-12)


def test_layer_with_equal_gradients_is_left_out():
    assert layer_score(torch.tensor([0.1, 0.3]), spread_of([0.1, 0.3], [0.1, 0.3])) is None


def test_spread_agrees_with_numpy():
    rows = np.random.default_rng(0).normal(5, 1, (7, 11))
    spread = spread_of(*rows.tolist())
    np.testing.assert_allclose(spread.variance.numpy(), rows.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread.mean.numpy(), rows.mean(axis=0), rtol=1e-12)


@pytest.mark.parametrize("batches", [2, 3])
def test_agrees_with_a_loop_over_weights(batches):
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    gradients = []
    for part in range(batches):
        rows = slice(part * 12 // batches, (part + 1) * 12 // batches)
        network.zero_grad()
        F.cross_entropy(network.train()(batch.inputs[rows]), batch.targets[rows]).backward()
        layers = [network[i].weight.grad.flatten().numpy().copy() for i in (0, 3, 8)]
        gradients.append(layers)
    expected = 0.0
    for layer in zip(*gradients, strict=True):
        ratios = [np.mean(np.abs(g)) / np.std(g) for g in zip(*layer, strict=True) if np.std(g) > 0]
        expected += math.log(sum(ratios))
    network.zero_grad(set_to_none=True)
    found = score(network, batch, "zico", init="keep", batches=batches)
    assert found.value == pytest.approx(expected, abs=1e-8)


def test_scaling_the_loss_changes_nothing():
    # A linear network under squared error: outputs and targets times a scale the loss by a**2.
    network = nn.Linear(5, 2, bias=False).double()
    inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).double()
    targets = torch.randn(8, 2, generator=torch.Generator().manual_seed(1)).double()
    plain = score(network, Batch(inputs, targets), "zico", init="keep")
    with torch.no_grad():
        network.weight *= 3
    scaled = score(network, Batch(inputs, 3 * targets), "zico", init="keep")
    assert scaled.value == pytest.approx(plain.value, rel=1e-12)


def test_equal_batches_have_no_score():
    half = toy_batch().first(6)
    batch = Batch(torch.cat([half.inputs] * 2), torch.cat([half.targets] * 2))
    found = score(toy_networks()["cell"], batch, "zico", init="keep")
    assert (found.status, found.ok) == ("degenerate", False)
    assert "no gradient differs" in found.reason


def test_kaiming_weights_do_not_depend_on_those_of_the_network():
    one, other = toy_networks()["cell"], toy_networks()["cell"]
    with torch.no_grad():
        other[0].weight += 1
    values = [score(network, toy_batch(), "zico", seed=3).value for network in (one, other)]
    assert values[0] == values[1] != score(one, toy_batch(), "zico", seed=4).value


def test_batch_must_be_large_enough_to_be_cut():
    with pytest.raises(ProxyError, match="batch of 3 samples cannot be cut into 2 parts"):
        score(toy_networks()["cell"], toy_batch().first(3), "zico")


def test_one_batch_is_refused():
    with pytest.raises(ProxyError, match="at least 2 batches; got 1"):
        score(toy_networks()["cell"], toy_batch(), "zico", batches=1)


def test_unknown_weights_are_refused():
    with pytest.raises(ProxyError, match=r"init must be one of keep, .*; got 'ones'"):
        score(toy_networks()["cell"], toy_batch(), "zico", init="ones")


def test_infinite_gradients_have_no_score():
    network = nn.Linear(2, 2)
    with torch.no_grad():
        network.weight.fill_(1e25)
    found = score(network, Batch(1e10 + torch.rand(4, 2), torch.zeros(4, 2)), "zico", init="keep")
    assert (found.status, found.reason) == ("nan", "gradients of the loss are not finite")


def test_tiny_gradients_do_not_vanish():
    network = nn.Linear(5, 2, bias=False)
    inputs = torch.randn(8, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.randn(8, 2, generator=torch.Generator().manual_seed(1))
    plain = score(network, Batch(inputs, targets), "zico", init="keep")
    with torch.no_grad():
        network.weight *= 1e-25
    tiny = score(network, Batch(inputs, 1e-25 * targets), "zico", init="keep")
    assert tiny.value == pytest.approx(plain.value, rel=1e-4)
