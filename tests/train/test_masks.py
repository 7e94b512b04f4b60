from __future__ import annotations

import pytest
import torch
from torch import nn

from archwright.train.masks import Masks
from archwright.train.streams import dropout_mask


def _masks(layers: list[nn.Module], seed: int, rows: int = 7) -> Masks:
    rng = torch.Generator().manual_seed(seed)
    return Masks(layers, 3, rows, rng=rng, dtype=torch.float64)


def _of(masks: Masks, layer: nn.Module) -> torch.Tensor:
    mask = masks.of(layer)
    assert mask is not None
    return mask


def test_masks_are_those_of_the_layers_one_after_the_other() -> None:
    rates = (0.1, 1.0, 0.5)
    first, all_of_it, last = drops = [nn.Dropout(p) for p in rates]
    layers = [first, nn.Linear(3, 5), nn.ReLU(), all_of_it, nn.Linear(5, 9), last]
    masks, twin = _masks(layers, seed=2), torch.Generator().manual_seed(2)
    for _ in range(3):  # steps
        masks.draw()
        for layer, p, width in zip(drops, rates, (3, 5, 9), strict=True):
            alone = dropout_mask(torch.empty(width, 7, dtype=torch.float64), p, twin)
            torch.testing.assert_close(_of(masks, layer), alone, rtol=1e-15, atol=0)


def test_a_mask_is_always_the_same_buffer() -> None:
    drop = nn.Dropout(0.5)
    masks = _masks([nn.Linear(3, 400), drop], seed=0)
    before = _of(masks, drop)
    masks.draw()
    first = before.clone()
    masks.draw()
    assert _of(masks, drop) is before
    assert not torch.equal(first, before)


@pytest.mark.parametrize("layer", [nn.Dropout(0.0), nn.Linear(3, 3)])
def test_layers_that_drop_nothing_have_no_mask_and_draw_nothing(layer: nn.Module) -> None:
    masks = _masks([layer], seed=0)
    assert masks.of(layer) is None
    masks.draw()
