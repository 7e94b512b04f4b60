import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from archwright.proxy import Batch, Passes, Unscored
from archwright.proxy._initial import draw_weights
from archwright.testing.proxies import network_state


def wide():
    return nn.Sequential(
        nn.Conv2d(32, 64, 3, groups=2),
        nn.BatchNorm2d(64),
        nn.Flatten(),
        nn.LayerNorm(64),
        nn.Linear(64, 400),
    )


def drawn(how, seed=0, dtype=torch.float32):
    network = wide().to(dtype)
    with torch.no_grad():
        network[1].weight.fill_(7)
        network[3].bias.fill_(7)
    with Passes(network, Batch.noise((32, 3, 3), 4), seed=seed) as passes:
        draw_weights(passes, how, passes.generator("test"))
        return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("how", "convolution", "linear"),
    [
        ("normal", 1.0, 1.0),
        ("kaiming_in", (2 / (16 * 9)) ** 0.5, (2 / 64) ** 0.5),
        ("kaiming_out", (2 / (64 * 9)) ** 0.5, (2 / 400) ** 0.5),
    ],
)
def test_deviation_of_the_weights(how, convolution, linear):
    values = drawn(how)
    # 9,216 and 25,600 draws: four standard errors are 3 % and 1.8 %.
    assert float(values["0.weight"].std()) == pytest.approx(convolution, rel=0.03)
    assert float(values["4.weight"].std()) == pytest.approx(linear, rel=0.018)


def test_biases_become_zero_and_normalizations_neutral():
    values = drawn("normal")
    for name in ("0.bias", "1.bias", "3.bias", "4.bias"):
        assert not values[name].any()
    for name in ("1.weight", "3.weight"):
        assert bool((values[name] == 1).all())


def test_seed_decides_the_weights_in_every_precision():
    one, same, wider = drawn("normal"), drawn("normal"), drawn("normal", dtype=torch.float64)
    assert torch.equal(one["0.weight"], same["0.weight"])
    assert torch.equal(one["0.weight"].double(), wider["0.weight"])
    assert not torch.equal(one["0.weight"], drawn("normal", seed=1)["0.weight"])


def test_keep_changes_nothing():
    network = wide()
    with Passes(network, Batch.noise((32, 3, 3), 4)) as passes:
        before = {name: value.clone() for name, value in network.state_dict().items()}
        draw_weights(passes, "keep", passes.generator("test"))
        assert all(torch.equal(before[name], v) for name, v in network.state_dict().items())


def test_everything_is_put_back():
    network = wide()
    before = network_state(network)
    with Passes(network, Batch.noise((32, 3, 3), 4)) as passes, passes.scratch():
        draw_weights(passes, "kaiming_in", passes.generator("test"))
        assert network_state(network)["tensors"] != before["tensors"]
    assert network_state(network) == before


def test_computed_weights_are_refused():
    network = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)))
    with (
        Passes(network, Batch.noise((3,), 4)) as passes,
        pytest.raises(Unscored, match="remove the parametrization first"),
    ):
        draw_weights(passes, "normal", passes.generator("test"))
