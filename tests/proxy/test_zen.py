import math
import statistics

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import ProxyError
from archwright.proxy import Batch, Passes, score
from archwright.proxy._maps import feature_map
from archwright.testing.proxies import network_state, toy_batch, toy_networks


def plain():
    """Return one convolution, global pooling and a head."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )


def pooled_cell():
    """Return two convolutions with normalization, global pooling and a head."""
    network = toy_networks()["cell"]
    network[6], network[8] = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 3)
    return network


def test_one_convolution_is_linear_in_gamma():
    # Where f is linear, f(x) - f(x + gamma e) is gamma times a draw that gamma does not change.
    batch = toy_batch(torch.float64)
    small, large = (score(plain().double(), batch, "zen", gamma=g).value for g in (0.01, 0.05))
    assert large - small == pytest.approx(math.log(5), abs=1e-9)


def test_scaling_the_map_adds_the_logarithm():
    class Scaled(nn.Module):
        def __init__(self, factor):
            super().__init__()
            self.layer, self.factor = nn.Conv2d(3, 4, 3, bias=False), factor

        def forward(self, x):
            return (self.factor * self.layer(x)).mean((2, 3))

    values = [score(Scaled(factor), toy_batch(), "zen", repeats=3).value for factor in (1.0, 4.0)]
    assert values[1] - values[0] == pytest.approx(math.log(4), abs=1e-6)


@pytest.mark.parametrize("variance", ["running", "batch"])
def test_agrees_with_a_loop_over_samples(variance):
    batch = toy_batch(torch.float64)
    network = pooled_cell().double()
    found = score(network, batch, "zen", samples=3, repeats=2, seed=4, variance=variance)
    with Passes(network, batch, seed=4) as passes:
        draws = [passes.generator("zen", repeat) for repeat in range(2)]
    running = [[1.0] * 6, [1.0] * 8]
    values = []
    for draw in draws:
        weights = [torch.empty(network[i].weight.shape).normal_(generator=draw) for i in (0, 3, 8)]
        x = torch.randn(3, 3, 8, 8, generator=draw).double()
        e = torch.randn(3, 3, 8, 8, generator=draw).double()
        maps = []
        for z in (x, x + 0.01 * e):
            for layer, stride in ((0, 1), (1, 2)):
                z = F.conv2d(z, weights[layer].double(), stride=stride, padding=1)
                for channel in range(z.shape[1]):
                    of = z[:, channel].clone()
                    mixed = 0.9 * running[layer][channel] + 0.1 * float(of.var())
                    running[layer][channel] = float(of.var()) if variance == "batch" else mixed
                    z[:, channel] = (of - of.mean()) / (of.var(correction=0) + 1e-5).sqrt()
                z = z.relu()
            maps.append(z)
        total = sum(float((a - b).abs().sum()) for a, b in zip(*maps, strict=True)) / 3
        scales = sum(0.5 * math.log(statistics.fmean(channels)) for channels in running)
        values.append(math.log(total) + scales)
    assert found.value == pytest.approx(statistics.fmean(values), abs=1e-8)
    precision = 1.96 * statistics.pstdev(values) / math.sqrt(2)
    assert found.details["precision"] == pytest.approx(precision, abs=1e-8)


def test_data_and_weights_do_not_matter():
    one, other = toy_networks()["cell"], toy_networks()["cell"]
    with torch.no_grad():
        other[0].weight += 1
    other[1].running_var.fill_(9)
    first = score(one, toy_batch(), "zen", repeats=2)
    second = score(other, Batch(torch.zeros(1, 3, 8, 8)), "zen", repeats=2)
    assert first.value == second.value


def test_map_is_what_goes_into_global_pooling():
    batch = toy_batch()
    network = pooled_cell().eval()
    with torch.no_grad():
        expected = network[:6](batch.inputs)
    with Passes(network, batch) as passes, torch.no_grad():
        network.eval()
        torch.testing.assert_close(feature_map(passes, passes.batch.inputs), expected)


def test_map_is_found_behind_functions():
    batch = toy_batch()
    network = toy_networks()["functional"]
    with torch.no_grad():
        x = F.relu(network.first(batch.inputs))
        expected = network.second(network.second(x).relu() + x).clamp(min=0)
    with Passes(network, batch) as passes, torch.no_grad():
        torch.testing.assert_close(feature_map(passes, passes.batch.inputs), expected)


def test_maps_of_one_pixel_count_where_there_are_no_others():
    network = nn.Sequential(nn.Conv2d(3, 5, 1), nn.ReLU(), nn.Flatten(), nn.Linear(5, 2))
    batch = Batch(torch.randn(4, 3, 1, 1))
    with Passes(network, batch) as passes:
        assert feature_map(passes, batch.inputs).shape == (4, 5, 1, 1)


def test_module_can_be_named():
    network, batch = toy_networks()["gelu"], toy_batch()
    assert score(network, batch, "zen", features="5", repeats=2).ok


def test_network_without_maps_is_told_how_to_score_it():
    found = score(toy_networks()["gelu"], toy_batch(), "zen")  # images are flattened at once
    assert found.status == "unsupported"
    assert 'features="path.of.module"' in found.reason


def test_unknown_module_is_refused():
    with pytest.raises(ProxyError, match=r"no module 'stage\.3'"):
        score(toy_networks()["cell"], toy_batch(), "zen", features="stage.3")


def test_module_that_is_not_called_is_refused():
    network = plain()
    network.unused = nn.Identity()
    network.forward = lambda x: nn.Sequential(*list(network)[:4])(x)
    found = score(network, toy_batch(), "zen", features="unused")
    assert found.status == "unsupported"
    assert "does not call 'unused'" in found.reason


def test_map_that_ignores_the_inputs_is_degenerate():
    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return (0 * self.layer(x)).mean((2, 3))

    found = score(Constant(), toy_batch(), "zen")
    assert (found.status, found.raw) == ("degenerate", -math.inf)


def test_deep_plain_network_overflows_with_a_reason():
    network = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(120)))
    found = score(network, toy_batch(), "zen", repeats=1)
    assert found.status == "overflow"
    assert "beyond the range" in found.reason


def test_normalization_without_statistics_is_put_back():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False, track_running_stats=False)
    )
    before = network_state(network)
    assert score(network, toy_batch(), "zen", repeats=2).ok
    assert network_state(network) == before
    assert network[1].track_running_stats is False
    assert network[1].running_var is None


def test_constant_channels_have_no_deviation():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    network[0].register_forward_hook(lambda module, inputs, output: output * 0)
    found = score(network, toy_batch(), "zen", repeats=1, variance="batch")
    assert found.status == "degenerate"


def test_gamma_must_be_positive():
    with pytest.raises(ProxyError, match=r"a positive gamma; got 16, 32 and 0\.0"):
        score(plain(), toy_batch(), "zen", gamma=0.0)


def test_unknown_variance_is_refused():
    with pytest.raises(ProxyError, match="variance must be one of running, batch; got 'mean'"):
        score(plain(), toy_batch(), "zen", variance="mean")
