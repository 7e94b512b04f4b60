"""Synaptic flow: counted paths, numbers beyond float32, and what must not matter."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from archwright.errors import ProxyError
from archwright.network import build
from archwright.proxy import Batch, make_proxy, score
from archwright.space import space_named
from archwright.testing.proxies import toy_batch, toy_networks


def chain(*widths: int, weight: float = 1.0) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs, bias=False)
        nn.init.constant_(layer.weight, weight)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def flow(network: nn.Module, inputs: int, name: str = "synflow") -> float:
    found = score(network, Batch.noise((inputs,), 2), name)
    assert found.ok, found
    return found.raw


def test_weights_of_one() -> None:
    found = score(chain(2, 3, 1), Batch.noise((2,), 4), "synflow")
    assert found.raw == 12.0
    assert found.value == math.log(12)


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_each_layer_of_a_chain_gives_the_sum_of_outputs(depth: int) -> None:
    torch.manual_seed(0)
    widths = [4, *[5] * depth]
    network = chain(*widths)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    total = torch.ones(4, dtype=torch.float64)
    for parameter in network.parameters():
        total = parameter.detach().double().abs() @ total
    assert flow(network, 4) == pytest.approx(depth * float(total.sum()), rel=1e-12)


def test_signs_do_not_matter_and_a_factor_is_a_factor() -> None:
    torch.manual_seed(0)
    network = chain(4, 6, 3)
    for parameter in network.parameters():
        nn.init.normal_(parameter)
    plain = flow(network, 4)
    with torch.no_grad():
        network[0].weight.mul_(-2.5)
    assert flow(network, 4) == pytest.approx(2.5 * plain, rel=1e-6)


def test_a_residual_sum_adds_its_paths() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = chain(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.inner(x)

    network = nn.Sequential(Residual(), chain(3, 1))
    # R = sum of (1 + 3) over 3 inputs = 12; through the inner layer 9; through the last all 12.
    assert flow(network, 3) == 9 + 12


def test_batch_normalization_is_passed_by() -> None:
    network = nn.Sequential(*chain(4, 6, 2))
    plain = flow(network, 4)
    normalization = nn.BatchNorm1d(6)
    nn.init.constant_(normalization.weight, 7.0)
    network.insert(1, normalization)
    assert flow(network, 4) == plain


def test_the_variant_with_normalization_differs_and_cannot_take_one_pixel() -> None:
    network, batch = toy_networks()["cell"], toy_batch()
    assert score(network, batch, "synflow_bn").value != score(network, batch, "synflow").value
    failed = score(
        nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)), Batch.noise((4,), 2), "synflow_bn"
    )
    assert failed.status == "unsupported"
    assert "one sample whose map has one pixel" in failed.reason


def test_numbers_beyond_float32_and_beyond_float64() -> None:
    found = score(chain(*[64] * 31), Batch.noise((64,), 2), "synflow")
    assert found.raw == 30 * 64.0**31  # 10**57
    assert found.value == pytest.approx(math.log(30) + 31 * math.log(64))
    beyond = score(chain(*[64] * 31, weight=2.0**40), Batch.noise((64,), 2), "synflow")
    assert beyond.status == "overflow"
    assert "more flows than float64 can tell" in beyond.reason
    assert (beyond.raw, math.isnan(beyond.value)) == (math.inf, True)


def test_no_flow_is_degenerate() -> None:
    for name in ("synflow", "logsynflow"):
        found = score(chain(4, 6, 2, weight=0.0), Batch.noise((4,), 2), name)
        assert found.status == "degenerate"
        assert "nothing flows" in found.reason


def test_logsynflow_of_weights_of_one() -> None:
    """dR/dW is 1 for the six weights of the first layer and 2 for the three of the second."""
    expected = 6 * math.log(2) + 3 * math.log(3)
    assert flow(chain(2, 3, 1), 2, "logsynflow") == pytest.approx(expected, rel=1e-12)


def test_logsynflow_where_the_flow_falls() -> None:
    class Centred(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x - x.mean(1, keepdim=True)

    network = nn.Sequential(chain(1, 2), Centred(), chain(2, 1))
    with torch.no_grad():
        network[2][0].weight.copy_(torch.tensor([[0.0, 10.0]]))  # R = 5 (b - a)
    found = score(network, Batch.noise((1,), 2), "logsynflow")
    assert found.status == "unsupported"
    assert "a normalization that subtracts a mean" in found.reason
    assert score(network, Batch.noise((1,), 2), "synflow").raw == 10.0


def test_logsynflow_with_running_statistics() -> None:
    network = nn.Sequential(chain(2, 3), nn.BatchNorm1d(3, eps=0.0))
    nn.init.constant_(network[1].running_var, 0.25)
    found = score(network, Batch.noise((2,), 2), "logsynflow", normalization="eval")
    assert found.value == pytest.approx(6 * math.log(3), rel=1e-9)  # outputs doubled: dR/dW = 2
    assert flow(network, 2, "logsynflow") == pytest.approx(6 * math.log(2), rel=1e-9)
    with pytest.raises(ProxyError, match=r"normalization must be one of identity, eval; got 'x'"):
        make_proxy("logsynflow", normalization="x")


def test_tokens_start_from_ones_behind_their_embedding() -> None:
    network = nn.Sequential(nn.Embedding(10, 2), nn.Flatten(), *chain(6, 3, 1))
    tokens = torch.zeros((4, 3), dtype=torch.long)
    assert score(network, Batch(tokens), "synflow").raw == 36.0


def test_against_a_double_copy_on_a_cell() -> None:
    cell = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|none~0|avg_pool_3x3~1|nor_conv_3x3~2|"
    space = space_named("nasbench201")
    network = build(space.parse(cell), (3, 8, 8), 10, seed=0)
    copy = build(space.parse(cell), (3, 8, 8), 10, seed=0).double()
    for module in copy.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.forward = lambda x: x  # type: ignore[method-assign]
    with torch.no_grad():
        for parameter in copy.parameters():
            parameter.abs_()
    copy(torch.ones(1, 3, 8, 8, dtype=torch.float64)).sum().backward()
    expected = sum(
        float((m.weight.detach() * m.weight.grad).abs().sum())
        for m in copy.modules()
        if isinstance(m, (nn.Conv2d, nn.Linear)) and m.weight.grad is not None
    )
    assert score(network, Batch.noise((3, 8, 8), 2), "synflow").raw == pytest.approx(
        expected, rel=1e-12
    )
    assert all(p.dtype == torch.float32 for p in network.parameters())
