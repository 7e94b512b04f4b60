import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Passes, Unscored, score
from archwright.proxy._inputs import noise
from archwright.proxy._maps import block_names
from archwright.proxy.az_nas import entropy, trainability
from archwright.testing.proxies import toy_batch, toy_networks


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride=1):
        super().__init__()
        self.convolution = nn.Conv2d(inputs, outputs, 3, stride, 1)

    def forward(self, x):
        return self.convolution(x.relu())


def blocks():
    """Return a stem, a chain and a list of blocks, and a head."""
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)),
        nn.Sequential(Block(4, 4), Block(4, 6, stride=2)),
        Block(6, 5),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 3),
    )


def test_identity_covariance_has_the_logarithm_of_the_channels():
    orthogonal, _ = torch.linalg.qr(torch.randn(64, 17).double())
    rows = torch.cat([orthogonal[:, :16], -orthogonal[:, :16]])  # centred, equal variances
    block = rows.reshape(2, 8, 8, 16).movedim(-1, 1)
    assert entropy(block) == pytest.approx(2.772589, abs=1e-6)


def test_one_direction_has_no_entropy():
    direction = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert entropy(direction.repeat(1, 3, 1, 1)) == pytest.approx(0, abs=1e-6)


def test_constant_map_has_no_entropy_at_all():
    with pytest.raises(Unscored, match="no variance"):
        entropy(torch.ones(2, 3, 4, 4))


def test_infinite_map_has_no_entropy():
    with pytest.raises(Unscored, match="not finite"):
        entropy(torch.full((2, 3, 4, 4), torch.inf))


def signs(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(2, shape, generator=generator).double() * 2 - 1


def test_trainability_is_zero_at_spectral_norm_one():
    # One channel of signs has G^T G / rows = 1; the block multiplies by minus one.
    out = signs(2, 1, 4, 4)
    assert trainability(out, -out) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("factor", [0.2, 0.5, 0.99, 1.01, 3.0])
def test_trainability_is_never_positive(factor):
    out = signs(2, 1, 4, 4)
    expected = 2 - factor - 1 / (factor + 1e-6)
    assert trainability(out, factor * out) == pytest.approx(expected, abs=1e-9)
    assert trainability(out, factor * out) < 1e-6


def test_block_that_passes_its_input_on_is_untrainable():
    out = signs(2, 3, 4, 4)
    assert trainability(out, out.clone()) == -math.inf


def test_pixels_move_into_channels_where_the_map_shrinks():
    inner, outer = torch.randn(2, 3, 4, 6).double(), signs(2, 5, 2, 3)
    matrix = np.zeros((12, 5))
    for b in range(2):
        for h in range(2):
            for w in range(3):
                pixels = inner[b, :, 2 * h : 2 * h + 2, 2 * w : 2 * w + 2].flatten().numpy()
                matrix += np.outer(pixels, outer[b, :, h, w].numpy()) / 12
    largest = np.linalg.svd(matrix, compute_uv=False)[0]
    expected = 2 - largest - 1 / (largest + 1e-6)
    assert trainability(outer, inner) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [(3, 4), (7, 4), (8, 2)])
def test_maps_must_shrink_by_a_whole_factor(size):
    with pytest.raises(Unscored, match="no whole fraction"):
        trainability(signs(2, 3, 4, 4), signs(2, 3, *size))


def found_blocks(network):
    with Passes(network, toy_batch()) as passes:
        return block_names(passes, passes.batch.inputs[:2])


def test_blocks_are_the_composite_members_of_chains():
    assert found_blocks(blocks()) == ["1.0", "1.1", "2"]


def test_wrapped_network_is_opened():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = blocks()
            self.inner = nn.Module()

        def forward(self, x):
            return self.body(x)

    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.wrapped = Wrapper()

        def forward(self, x):
            return self.wrapped(x)

    assert found_blocks(Twice()) == ["wrapped.body.1.0", "wrapped.body.1.1", "wrapped.body.2"]


def test_plain_network_has_its_convolutions():
    assert found_blocks(toy_networks()["cell"]) == ["0", "3"]


def test_modules_that_are_called_twice_end_no_block():
    found = score(toy_networks()["functional"], toy_batch(), "az_nas")
    assert found.status == "unsupported"
    assert 'blocks=["path.of.module", ...]' in found.reason


def test_agrees_with_a_loop_over_blocks():
    network, batch = blocks().double(), toy_batch(torch.float64)
    found = score(network, batch, "az_nas", samples=5, init="keep", seed=9)
    with Passes(network, batch, seed=9) as passes:
        draw = passes.generator("az_nas")
        inputs = noise(passes, 5, draw)
    network.train()
    maps = [network[1][0](network[0](inputs))]
    maps.append(network[1][1](maps[0]))
    maps.append(network[2](maps[1]))
    entropies, terms = [], []
    for block in maps:
        rows = block.detach().movedim(1, -1).flatten(0, 2).numpy()
        spectrum = np.linalg.svd(np.cov(rows.T, bias=True), compute_uv=False)
        shares = spectrum / spectrum.sum()
        entropies.append(-sum(share * math.log(share + 1e-8) for share in shares))
    for before, after in pairwise(maps):
        out = torch.randint(2, after.shape, generator=draw).double() * 2 - 1
        (back,) = torch.autograd.grad(after, before, out, retain_graph=True)
        terms.append(trainability(out, back))
    assert found.details["expressivity"] == pytest.approx(sum(entropies), abs=1e-8)
    rises = [b - a for a, b in pairwise(entropies)]
    assert found.details["progressivity"] == pytest.approx(min(rises), abs=1e-8)
    assert found.details["trainability"] == pytest.approx(sum(terms) / len(terms), abs=1e-8)


def test_each_part_can_be_the_score():
    network, batch = blocks(), toy_batch()
    whole = score(network, batch, "az_nas")
    for part, value in whole.details.items():
        assert score(network, batch, "az_nas", part=part).value == value
    assert whole.value == whole.details["expressivity"]
    assert "one of the parts of AZ-NAS" in whole.note


def test_expressivity_is_bounded_by_the_channels():
    details = score(blocks(), toy_batch(), "az_nas").details
    assert 0 < details["expressivity"] < math.log(4) + math.log(6) + math.log(5)
    assert details["trainability"] < 0


class Identity(nn.Module):
    def __init__(self):
        super().__init__()
        self.nothing = nn.Identity()

    def forward(self, x):
        return self.nothing(x)


def test_identity_block_has_no_trainability_but_the_other_parts():
    network = nn.Sequential(Block(3, 4), Identity(), nn.Flatten(), nn.Linear(256, 3))
    found = score(network, toy_batch(), "az_nas", part="trainability")
    assert (found.status, found.raw) == ("degenerate", -math.inf)
    whole = score(network, toy_batch(), "az_nas")
    assert whole.ok
    assert whole.details["trainability"] == -math.inf
    assert whole.details["progressivity"] == pytest.approx(0, abs=1e-12)


def test_named_blocks_are_taken_in_the_order_of_their_calls():
    network, batch = blocks(), toy_batch()
    named = score(network, batch, "az_nas", blocks=["2", "1.0", "1.1"])
    assert named.value == score(network, batch, "az_nas").value


def test_module_that_returns_no_map_is_refused():
    found = score(blocks(), toy_batch(), "az_nas", blocks=["1.0", "5"])
    assert found.status == "unsupported"
    assert "'5' must be called once and return a map" in found.reason


def test_unknown_module_is_refused():
    with pytest.raises(ProxyError, match="no module '9'"):
        score(blocks(), toy_batch(), "az_nas", blocks=["1.0", "9"])


def test_one_block_is_refused():
    with pytest.raises(ProxyError, match="at least 2 blocks; got"):
        score(blocks(), toy_batch(), "az_nas", blocks=["1.0"])


def test_one_sample_is_refused():
    with pytest.raises(ProxyError, match="samples must be at least 2; got 1"):
        score(blocks(), toy_batch(), "az_nas", samples=1)


def test_table_networks_are_refused():
    found = score(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), Batch.noise((4,), 8), "az_nas")
    assert found.status == "unsupported"
    assert "has 0 blocks" in found.reason
