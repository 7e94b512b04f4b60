from __future__ import annotations

import pytest
import torch
from torch import nn as tnn

from archwright import nn
from archwright.errors import SpaceError


def test_outside_a_search_the_first_candidate_is_the_module() -> None:
    assert type(nn.Choice(relu=tnn.ReLU, gelu=tnn.GELU)) is tnn.ReLU
    linear = tnn.Linear(2, 2)
    assert nn.Choice(linear, tnn.Identity()) is linear
    assert type(nn.Choice([tnn.GELU, tnn.ReLU])) is tnn.GELU
    assert type(nn.Choice({"wide": lambda: tnn.Linear(2, 9), "none": tnn.Identity})) is tnn.Linear


def test_outside_a_search_only_the_first_candidate_is_made() -> None:
    def never() -> tnn.Module:
        raise AssertionError

    assert type(nn.Choice(first=tnn.ReLU, second=never)) is tnn.ReLU


def test_outside_a_search_values_are_the_first_ones() -> None:
    assert nn.integer("width", 16, 64, step=16) == 16
    assert nn.choice("kernel", 5, 3) == 5
    assert nn.choice("kind", "a", "b") == "a"
    assert nn.real("rate", 0.1, 0.5) == 0.1
    assert nn.real("rate", 1e-4, 0.5, log=True) == 1e-4
    assert nn.integer("width", 16, 16) == 16


def test_module_with_choices_is_an_ordinary_module() -> None:
    class Net(tnn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = tnn.Sequential(tnn.Linear(3, 4), nn.Choice(relu=tnn.ReLU, tanh=tnn.Tanh))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x)

    network = Net()
    assert list(network.state_dict()) == ["body.0.weight", "body.0.bias"]
    assert network(torch.full((1, 3), -1.0)).shape == (1, 4)
    assert type(network.body[1]) is tnn.ReLU


def test_fewer_than_two_candidates_are_an_error() -> None:
    for make in (lambda: nn.Choice(relu=tnn.ReLU), lambda: nn.Choice([tnn.ReLU])):
        with pytest.raises(SpaceError, match=r"needs at least two candidates; got (relu|ReLU):"):
            make()
    with pytest.raises(SpaceError, match="needs at least two candidates; got none"):
        nn.Choice()
    with pytest.raises(SpaceError, match="'kernel' needs at least two options; got only 3"):
        nn.choice("kernel", 3)
    with pytest.raises(SpaceError, match="at least one option"):
        nn.choice("kernel")


def test_two_candidates_of_one_name_are_an_error() -> None:
    with pytest.raises(SpaceError, match="two candidates have one name; got Linear, Linear: name"):
        nn.Choice(tnn.Linear(2, 2), tnn.Linear(2, 2, bias=False))


def test_candidate_that_is_no_module_is_an_error() -> None:
    with pytest.raises(SpaceError, match=r"candidate 'b' must be a module, .* got 3"):
        nn.Choice(a=tnn.ReLU, b=3)  # type: ignore[arg-type]
    with pytest.raises(SpaceError, match=r"candidate 'a' must return an nn.Module; got 3"):
        nn.Choice(a=lambda: 3, b=tnn.ReLU)  # type: ignore[arg-type,return-value]
    with pytest.raises(SpaceError, match=r"candidates are named by text; got 1"):
        nn.Choice({1: tnn.ReLU, 2: tnn.GELU})  # type: ignore[dict-item]


def test_candidate_that_needs_arguments_is_an_error() -> None:
    message = r"'Linear' cannot be called without arguments \(missing a required argument: 'in_fe"
    with pytest.raises(SpaceError, match=message):
        nn.Choice(tnn.ReLU, tnn.Linear)


def test_lambda_without_a_name_is_an_error() -> None:
    with pytest.raises(SpaceError, match="a lambda has no name to show; name it by keyword"):
        nn.Choice(tnn.ReLU, lambda: tnn.GELU())


def test_wrong_ranges_are_errors() -> None:
    with pytest.raises(SpaceError, match="low must not exceed high"):
        nn.integer("width", 5, 3)
    with pytest.raises(SpaceError, match="low must be below high"):
        nn.real("rate", 0.5, 0.1)
