import math

import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Passes, score
from archwright.proxy.near import effective_rank
from archwright.testing.proxies import network_state, toy_batch, toy_networks


def test_equal_singular_values_have_full_rank():
    assert effective_rank(2.5 * torch.eye(5)) == pytest.approx(5, abs=1e-12)


def test_two_unequal_singular_values():
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(1.754765, abs=1e-6)


def test_orthogonal_matrix_has_its_size():
    rows = torch.randn(7, 7, generator=torch.Generator().manual_seed(0)).double()
    orthogonal, _ = torch.linalg.qr(rows)
    assert effective_rank(orthogonal) == pytest.approx(7, abs=1e-10)


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf])
def test_matrix_without_a_rank_counts_nothing(value):
    assert effective_rank(torch.full((3, 3), value)) == 0


def slow(rows):
    values = np.linalg.svd(rows, compute_uv=False)
    shares = [value / values.sum() for value in values]
    return math.exp(-sum(share * math.log(share) for share in shares if share > 0))


def test_agrees_with_a_loop_over_layers():
    network = toy_networks()["gelu"].double()
    batch = toy_batch(torch.float64)
    with Passes(network, batch) as passes:
        generator = passes.generator("near", 0)
    expected, output = 0.0, batch.inputs
    with torch.no_grad():
        for module in network:
            output = module(output)
            if isinstance(module, nn.Flatten):
                continue
            rows = output
            if len(rows) >= rows.shape[1]:  # only the three classes are fewer than the batch
                width = rows.shape[1]
                start = width * int(torch.randint(len(rows) // width, (), generator=generator))
                rows = rows[start : start + width]
            expected += slow(rows.numpy())
    found = score(network, batch, "near")
    assert found.value == pytest.approx(expected, abs=1e-8)
    assert found.details["sites"] == 6
    assert found.note.startswith("5 of 6 outputs have more units than the batch has rows")


def test_maps_give_rows_of_channels():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False)).double()
    batch = toy_batch(torch.float64)
    with Passes(network, batch, seed=2) as passes:
        generator = passes.generator("near", 0)
    with torch.no_grad():
        maps = network(batch.inputs)
    rows = [maps[b, :, h, w].numpy() for b in range(12) for h in range(8) for w in range(8)]
    start = 4 * int(torch.randint(len(rows) // 4, (), generator=generator))
    found = score(network, batch, "near", seed=2)
    assert found.value == pytest.approx(slow(np.stack(rows[start : start + 4])), abs=1e-8)


def test_sequences_of_convolutions_have_channels_second():
    network = nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU())
    found = score(network, Batch.noise((2, 6), 4), "near")
    assert found.ok
    assert found.value <= 6  # two matrices with three columns


def test_scaling_a_layer_changes_nothing():
    network = nn.Sequential(nn.Linear(4, 5, bias=False), nn.ReLU()).double()
    batch = Batch.noise((4,), 10)
    plain = score(network, batch, "near").value
    with torch.no_grad():
        network[0].weight *= 7
    assert score(network, batch, "near").value == pytest.approx(plain, rel=1e-10)


def test_repeats_draw_weights_anew_and_put_everything_back():
    network, batch = toy_networks()["cell"], toy_batch()
    before = network_state(network)
    drawn = [score(network, batch, "near", repeats=2, seed=seed).value for seed in (0, 0, 1)]
    assert network_state(network) == before
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != score(network, batch, "near").value


def test_network_without_layers_is_refused():
    found = score(nn.Flatten(), toy_batch(), "near")
    assert found.status == "unsupported"
    assert "calls no layers and no activations" in found.reason


def test_no_repeats_are_refused():
    with pytest.raises(ProxyError, match="repeats must be at least 1; got 0"):
        score(toy_networks()["cell"], toy_batch(), "near", repeats=0)
