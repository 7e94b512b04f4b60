"""Counting differing bits: packed words and products of matrices against one comparison."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from archwright.proxy import agreement
from archwright.proxy.agreement import differences, differences_on_device, packed


def compared(values: torch.Tensor) -> np.ndarray:
    bits = (values > 0).numpy()
    return (bits[:, None] != bits[None]).sum(2)


@pytest.mark.parametrize("batch", [1, 2, 9, 130])
@pytest.mark.parametrize("units", [1, 7, 64, 700, 20_000])
def test_differences_of_packed_codes(batch: int, units: int) -> None:
    values = torch.randn(batch, units, generator=torch.Generator().manual_seed(units))
    values[:, ::5] = 0.0
    expected = compared(values) if batch < 100 or units < 1000 else None
    on_device = differences_on_device(values).numpy()
    assert expected is None or (on_device == expected).all()
    for threads in (1, 3):
        assert (differences([packed(values)], threads=threads) == on_device).all()


def test_codes_one_after_the_other_are_one_long_code() -> None:
    parts = [torch.randn(6, n, generator=torch.Generator().manual_seed(n)) for n in (3, 70, 129)]
    found = differences([packed(part) for part in parts], threads=1)
    assert (found == compared(torch.cat(parts, 1))).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_precision_has_codes(dtype: torch.dtype) -> None:
    values = torch.randn(6, 90, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert (differences([packed(values)], threads=1) == compared(values)).all()
    assert (differences_on_device(values).numpy() == compared(values)).all()


def test_long_codes_are_multiplied_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agreement, "_EXACT", 100)
    values = torch.randn(5, 777, generator=torch.Generator().manual_seed(0))
    assert (differences_on_device(values).numpy() == compared(values)).all()


def test_zero_not_a_number_and_negative_zero_are_off() -> None:
    values = torch.tensor([[0.0, -0.0, float("nan"), -1.0], [1.0, 1.0, 1.0, 1.0]])
    assert differences([packed(values)], threads=1).tolist() == [[0, 4], [4, 0]]
