import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Passes, score
from archwright.proxy._inputs import noise
from archwright.proxy.meco import smallest_eigenvalue
from archwright.testing.proxies import toy_batch, toy_networks


def test_identical_channels_give_zero():
    row = torch.tensor([1.0, 2.0, 4.0, 3.0])
    assert smallest_eigenvalue(torch.stack([row, 3 * row + 1])) == pytest.approx(0, abs=1e-12)


def test_uncorrelated_channels_give_one():
    rows = torch.tensor([[1.0, -1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0]])
    assert smallest_eigenvalue(rows) == pytest.approx(1, abs=1e-12)


def test_half_correlated_channels_give_a_half():
    one = torch.tensor([1.0, -1.0, 1.0, -1.0])
    other = torch.tensor([1.0, 1.0, -1.0, -1.0])
    rows = torch.stack([one, 0.5 * one + 0.75**0.5 * other])
    assert smallest_eigenvalue(rows) == pytest.approx(0.5, abs=1e-6)


def test_constant_channel_gives_zero():
    assert smallest_eigenvalue(torch.tensor([[1.0, 2.0, 3.0, 5.0], [1.0, 1.0, 1.0, 1.0]])) == 0


def test_as_many_channels_as_pixels_give_zero():
    assert smallest_eigenvalue(torch.eye(4)) == 0


def slow(output):
    """Correlations by numpy, not-a-number to zero, eigenvalues by the general solver."""
    rows = output[0].flatten(1).numpy()
    with np.errstate(all="ignore"):
        correlations = np.nan_to_num(np.atleast_2d(np.corrcoef(rows)), posinf=0, neginf=0)
    return np.linalg.eigvals(correlations).real.min()


@pytest.mark.parametrize("side", [16, None])
def test_agrees_with_a_loop_over_modules(side):
    network, batch = nn.Sequential(*toy_networks()["cell"][:6]).double(), toy_batch(torch.float64)
    with Passes(network, batch, seed=7) as passes:
        output = noise(passes, 1, passes.generator("meco"), side=side)
    assert output.shape == (1, 3, side or 8, side or 8)
    expected = 0.0
    with torch.no_grad():
        for module in network.train():
            output = module(output)
            expected += slow(output)
    found = score(network, batch, "meco", side=side, seed=7)
    assert found.value == pytest.approx(expected, abs=1e-8)
    assert found.details["maps"] == 6


def test_containers_count_again_where_asked():
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    network = nn.Sequential(inner, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    leaves = score(network, toy_batch(), "meco")
    everything = score(network, toy_batch(), "meco", modules="all")
    assert (leaves.details["maps"], everything.details["maps"]) == (3, 4)
    assert everything.value > leaves.value


def test_network_for_another_size_is_told_how_to_score_it():
    found = score(toy_networks()["in place"], toy_batch(), "meco")
    assert found.status == "unsupported"
    assert "takes no inputs of (3, 64, 64): say side=None" in found.reason
    assert score(toy_networks()["in place"], toy_batch(), "meco", side=None).ok


def test_network_without_maps_is_refused():
    found = score(nn.Linear(4, 2), Batch.noise((4,), 8), "meco")
    assert found.status == "unsupported"
    assert "no module returns maps" in found.reason


def test_one_input_cannot_normalize_one_pixel():
    network = nn.Sequential(nn.Conv2d(3, 4, 8), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))
    found = score(network, toy_batch(), "meco", side=None)
    assert found.status == "unsupported"
    assert "map has one pixel" in found.reason


def test_whole_numbers_have_no_noise():
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(12, 2))
    found = score(network, Batch(torch.randint(9, (4, 3))), "meco")
    assert found.status == "unsupported"
    assert "whole numbers, and noise has none" in found.reason


def test_side_must_be_positive():
    with pytest.raises(ProxyError, match="side must be at least 1 or None; got 0"):
        score(toy_networks()["cell"], toy_batch(), "meco", side=0)
