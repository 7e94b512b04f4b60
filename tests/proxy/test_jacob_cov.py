"""Jacobian covariance: rows of known correlation, and the authors' formula in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import hadamard
from torch import Tensor, nn

from archwright.proxy import Batch, Passes, score
from archwright.testing.proxies import toy_batch, toy_networks


class Rows(nn.Module):
    """A network whose Jacobian has these rows."""

    def __init__(self, rows: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", rows)

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.rows).sum(1, keepdim=True)


def of_rows(rows: Tensor) -> float:
    return score(Rows(rows), Batch(torch.zeros_like(rows)), "jacob_cov").value


@pytest.mark.parametrize(("batch", "expected"), [(8, -8.0), (128, -128.0)])
def test_uncorrelated_rows(batch: int, expected: float) -> None:
    rows = torch.from_numpy(hadamard(2 * batch)[1 : batch + 1].astype(np.float64))
    assert of_rows(rows) == pytest.approx(expected, abs=1e-6)


def test_two_rows_in_line() -> None:
    row = torch.randn(1, 9, dtype=torch.float64)
    rows = torch.cat([row, 3 * row + 1])
    assert of_rows(rows) == pytest.approx(-99989.6802, abs=1e-3)


def test_scales_of_rows_change_nothing() -> None:
    rows = torch.randn(7, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scales = torch.arange(1.0, 8.0, dtype=torch.float64)[:, None]
    assert of_rows(rows * scales) == pytest.approx(of_rows(rows), rel=1e-12)


def test_a_constant_row_is_degenerate() -> None:
    found = score(Rows(torch.ones(3, 5)), Batch(torch.zeros(3, 5)), "jacob_cov")
    assert found.status == "degenerate"
    assert "the gradient is the same everywhere" in found.reason


def test_outputs_without_inputs_are_degenerate() -> None:
    class Deaf(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x.detach())

    found = score(Deaf(5, 2), Batch(torch.randn(3, 5)), "jacob_cov")
    assert found.status == "degenerate"
    assert "do not depend on the inputs" in found.reason


@pytest.mark.parametrize("name", ["cell", "functional", "in place"])
def test_against_the_formula(name: str) -> None:
    network, batch = toy_networks()[name].double(), toy_batch(torch.float64)
    x = batch.inputs.clone().requires_grad_()
    network(x).sum().backward()
    assert x.grad is not None
    sigma = np.linalg.eigvals(np.corrcoef(x.grad.flatten(1).numpy())).real
    expected = -np.sum(np.log(sigma + 1e-5) + 1 / (sigma + 1e-5))
    assert score(network, batch, "jacob_cov").value == pytest.approx(expected, rel=1e-8)


def test_tokens_are_differentiated_behind_their_embedding() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 3)).double()
    tokens = torch.arange(15).view(5, 3) % 10
    with Passes(network, Batch(tokens)) as passes:
        rows = network[2].weight.sum(0).expand(5, 12)
        assert torch.allclose(passes.jacobian, rows.detach())
