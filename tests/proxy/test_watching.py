"""What a watched forward pass sees, and what it switches off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.proxy import Batch, Passes, Watch
from archwright.proxy.watching import switch_off_drops

KINKED: dict[str, Callable[[Tensor], Tensor]] = {
    "ReLU": nn.ReLU(),
    "ReLU in place": nn.ReLU(inplace=True),
    "ReLU6": nn.ReLU6(),
    "LeakyReLU": nn.LeakyReLU(),
    "LeakyReLU in place": nn.LeakyReLU(inplace=True),
    "PReLU": nn.PReLU(),
    "RReLU": nn.RReLU(),
    "Threshold": nn.Threshold(0, 0),
    "Hardtanh": nn.Hardtanh(0, 1),
    "relu": F.relu,
    "relu_": F.relu_,
    "relu by name": lambda x: F.relu(input=x),
    "torch.relu": torch.relu,
    "method": Tensor.relu,
    "method in place": lambda x: x.clone().relu_(),
    "clamp": lambda x: x.clamp(min=0),
    "clamp by position": lambda x: torch.clamp(x, 0.0, 6.0),
    "clip": lambda x: x.clip(0),
    "clamp_min": lambda x: torch.clamp_min(x, 0),
    "clamp in place": lambda x: x.clone().clamp_(min=0),
    "threshold": lambda x: F.threshold(x, 0.0, 0.0),
}
CURVED: dict[str, Callable[[Tensor], Tensor]] = {
    "GELU": nn.GELU(),
    "SiLU": nn.SiLU(),
    "Mish": nn.Mish(),
    "ELU": nn.ELU(),
    "CELU": nn.CELU(),
    "SELU": nn.SELU(),
    "Hardswish": nn.Hardswish(),
    "Softplus": nn.Softplus(),
}
UNSEEN: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "lower bound of one": lambda x: x.clamp(min=1),
    "upper bound": lambda x: x.clamp(max=0),
    "bound by tensor": lambda x: x.clamp(min=torch.ones(1)),
    "hardtanh": F.hardtanh,
    "threshold of one": lambda x: F.threshold(x, 1.0, 0.0),
    "dropout": F.dropout,
}


def seen(function: Callable[[Tensor], Tensor], x: Tensor) -> list[tuple[Tensor, bool, Tensor]]:
    found: list[tuple[Tensor, bool, Tensor]] = []

    def enter(values: Tensor, kinked: bool) -> Callable[[Tensor], None]:
        before = values.clone()
        return lambda output: found.append((before, kinked, output))

    with Watch(enter):
        function(x)
    return found


@pytest.mark.parametrize("name", [*KINKED, *CURVED])
def test_activations_are_seen_once_with_what_goes_in(name: str) -> None:
    x = torch.randn(4, 5)
    before = x.clone()
    found = seen({**KINKED, **CURVED}[name], x)
    assert len(found) == 1
    values, kinked, output = found[0]
    assert torch.equal(values, before)
    assert kinked == (name in KINKED)
    assert output.shape == x.shape


@pytest.mark.parametrize("name", UNSEEN)
def test_other_functions_are_not(name: str) -> None:
    assert seen(UNSEEN[name], torch.randn(4, 5)) == []


def test_zero_products_are_told_of() -> None:
    found: list[Tensor] = []
    x = torch.ones(3)
    with Watch(on_zero_product=found.append):
        _ = x * 0, 0.0 * x, x.mul(0), torch.mul(x, 0.0), torch.mul(x, other=0)
        _ = x * 2, x * torch.zeros(3), x.clone().mul_(3)
    assert len(found) == 5


DROPPING: dict[str, Callable[[], nn.Module]] = {
    "Dropout": lambda: nn.Dropout(0.5),
    "Dropout in place": lambda: nn.Dropout(0.5, inplace=True),
    "AlphaDropout": lambda: nn.AlphaDropout(0.5),
    "FeatureAlphaDropout": lambda: nn.FeatureAlphaDropout(0.5),
    "Dropout1d": lambda: nn.Dropout1d(0.5),
    "TransformerEncoderLayer": lambda: nn.TransformerEncoderLayer(6, 2, 8, 0.5, batch_first=True),
    "torch.dropout": lambda: Calling(lambda x, p: torch.dropout(x, p, True)),
    "scaled product": lambda: Calling(
        lambda x, p: F.scaled_dot_product_attention(x, x, x, None, p)
    ),
    "scaled product by name": lambda: Calling(
        lambda x, p: F.scaled_dot_product_attention(x, x, x, dropout_p=p)
    ),
    "GRU": lambda: First(nn.GRU(6, 6, 2, dropout=0.5, batch_first=True)),
    "LSTM": lambda: First(nn.LSTM(6, 6, 2, dropout=0.5, batch_first=True)),
    "RNN": lambda: First(nn.RNN(6, 6, 2, dropout=0.5, batch_first=True)),
    "DropPath": lambda: DropPath(),
}


class Calling(nn.Module):
    """Calls a function with a rate of dropout: none in eval mode."""

    def __init__(self, function: Callable[[Tensor, float], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, 0.5 if self.training else 0.0)


class First(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)[0]


class DropPath(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.bernoulli(torch.full((len(x), 1, 1), 0.5)) if self.training else x


@pytest.mark.parametrize("name", DROPPING)
def test_nothing_is_dropped_and_nothing_is_drawn(name: str) -> None:
    torch.manual_seed(0)
    module = DROPPING[name]()
    x = torch.randn(4, 3, 6)
    expected = module.eval()(x.clone())
    state = torch.get_rng_state()
    with Passes(module, Batch(x)) as passes:
        found = passes.forward()
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), state)


def test_modules_that_drop_paths_go_by_name() -> None:
    network = nn.Sequential(DropPath(), nn.Dropout(), nn.Linear(2, 2)).train()
    switch_off_drops(network)
    assert [module.training for module in network] == [False, False, True]


def test_normalization_may_be_passed_by() -> None:
    x = torch.randn(4, 3, 2, 2)
    normalization = nn.BatchNorm2d(3)
    with Watch(identity_normalization=True):
        assert normalization(x) is x
    with Watch():
        assert torch.equal(normalization(x), nn.BatchNorm2d(3)(x))


def test_embeddings_may_be_replaced() -> None:
    with Watch(on_embedding=torch.ones_like):
        assert torch.equal(nn.Embedding(5, 3)(torch.tensor([1, 2])), torch.ones(2, 3))
