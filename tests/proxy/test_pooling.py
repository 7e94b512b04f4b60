"""Average pooling by convolution gives torch's numbers to the last bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archwright.proxy import Watch
from archwright.proxy.pooling import average_pool

CASES: list[dict[str, Any]] = [
    {"kernel_size": 3, "stride": 1, "padding": 1, "count_include_pad": False},
    {"kernel_size": 3, "stride": 1, "padding": 1},
    {"kernel_size": 2},
    {"kernel_size": 2, "stride": 2, "padding": 0},
    {"kernel_size": (3, 2), "stride": (2, 1), "padding": (1, 0), "count_include_pad": False},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 2, "divisor_override": 3},
    {"kernel_size": 5, "stride": 3, "padding": 2},
    {"kernel_size": [8, 8]},
]


def values(dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(5, 6, 9, 8, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_same_bits(case: dict[str, Any], dtype: torch.dtype) -> None:
    x = values(dtype)
    assert torch.equal(average_pool(x, **case), F.avg_pool2d(x, **case))


@pytest.mark.parametrize("size", [32, 16, 8])
def test_same_bits_on_the_maps_of_a_cell(size: int) -> None:
    x = torch.randn(4, 512 // size, size, size, generator=torch.Generator().manual_seed(0))
    pooling = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    with Watch():
        found = pooling(x)
    assert torch.equal(found, pooling(x))


def test_other_layouts_and_single_samples_are_left_to_torch() -> None:
    for x in (values().to(memory_format=torch.channels_last), values()[0], values()[:, :, ::2]):
        assert torch.equal(average_pool(x, 3, 1, 1), F.avg_pool2d(x, 3, 1, 1))


@pytest.mark.parametrize("case", CASES[:5], ids=str)
def test_same_gradients_and_their_gradients(case: dict[str, Any]) -> None:
    def twice(pool: Any) -> tuple[Tensor, Tensor]:
        x = values().requires_grad_()
        (first,) = torch.autograd.grad(
            pool(x.square(), **case).square().sum(), x, create_graph=True
        )
        (second,) = torch.autograd.grad(first.square().sum(), x)
        return first, second

    for found, expected in zip(twice(average_pool), twice(F.avg_pool2d), strict=True):
        torch.testing.assert_close(found, expected)
