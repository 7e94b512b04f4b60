import itertools
import math

import pytest
import torch
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, score
from archwright.proxy.patterns import different_units
from archwright.testing.proxies import toy_batch, toy_networks


def test_four_units_with_three_patterns():
    units = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]]).bool()
    assert different_units(units.T).shape == (1, 3)


@pytest.mark.parametrize("samples", [3, 24, 25, 60])
def test_patterns_are_exact_for_any_number_of_samples(samples):
    codes = torch.rand(samples, 40, generator=torch.Generator().manual_seed(0)) > 0.5
    codes[:, 20:30] = codes[:, :10]
    expected = {tuple(column) for column in codes.T.tolist()}
    assert different_units(codes).shape[1] == len(expected)


def test_patterns_are_bounded_by_the_powers_of_two():
    codes = torch.tensor(list(itertools.product([False, True], repeat=4)) * 5).T
    assert different_units(codes).shape[1] == 2**4


def test_agrees_with_a_loop_over_units():
    network, batch = toy_networks()["cell"].double(), toy_batch(torch.float64)
    with torch.no_grad():
        first = network[2](network[1](network[0](batch.inputs)))
        second = network[5](network[4](network[3](first)))
    patterns = set()
    for maps in (first, second):
        for unit in maps.flatten(1).T:
            patterns.add(tuple(value > 0 for value in unit.tolist()))
    assert score(network, batch, "swap", init="keep").value == len(patterns)


def test_repeating_units_changes_nothing():
    network = nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 2))
    wide = nn.Sequential(nn.Linear(4, 12, bias=False), nn.ReLU(), nn.Linear(12, 2))
    with torch.no_grad():
        wide[0].weight.copy_(torch.cat([network[0].weight, 2 * network[0].weight]))
    batch = Batch.noise((4,), 10)
    values = [score(net, batch, "swap", init="keep").value for net in (network, wide)]
    assert values[0] == values[1]


def test_mean_over_draws_of_the_weights():
    network, batch = toy_networks()["gelu"], toy_batch()
    found = score(network, batch, "swap", repeats=4)
    assert found.value * 4 == pytest.approx(round(found.value * 4))
    assert found.details["deviation"] > 0


def test_few_samples_cannot_tell_large_networks_apart():
    network = nn.Sequential(nn.Linear(4, 300), nn.ReLU())
    few = score(network, Batch.noise((4,), 3), "swap")
    many = score(network, Batch.noise((4,), 12), "swap")
    assert few.value == 8
    assert "close to the 8 patterns that there are" in few.note
    assert "patterns that there are" not in many.note


def test_preferred_size_weighs_the_score():
    network, batch = toy_networks()["cell"], toy_batch()
    thousands = sum(p.numel() for p in network.parameters()) / 1000
    plain = score(network, batch, "swap", repeats=2).value
    exact = score(network, batch, "swap", repeats=2, mu=thousands, sigma=1.0).value
    larger = score(network, batch, "swap", repeats=2, mu=thousands + 2, sigma=8.0).value
    assert exact == plain
    assert larger == pytest.approx(plain * math.exp(-0.5))


def test_linear_network_has_no_patterns():
    assert score(toy_networks()["linear"], toy_batch(), "swap").status == "no_relu"


@pytest.mark.parametrize("options", [{"mu": 1.0}, {"sigma": 1.0}, {"mu": 1.0, "sigma": 0.0}])
def test_preference_needs_both_numbers(options):
    with pytest.raises(ProxyError, match="mu and a positive sigma go together"):
        score(toy_networks()["cell"], toy_batch(), "swap", **options)


def test_no_repeats_are_refused():
    with pytest.raises(ProxyError, match="needs samples and repeats; got 16 and 0"):
        score(toy_networks()["cell"], toy_batch(), "swap", repeats=0)
