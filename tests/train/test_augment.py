from __future__ import annotations

import torch
from torch.nn import functional

from archwright.train.augment import augment


def _rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _images(count: int = 64, side: int = 16) -> torch.Tensor:
    return 1 + torch.rand(count, 3, side, side, generator=_rng(1))


def test_crop_shifts_the_whole_image_and_fills_with_zeros() -> None:
    images = _images()
    changed = augment(images, ("crop",), rng=_rng())
    padded = functional.pad(images, (2, 2, 2, 2))
    shifts = set()
    for before, after in zip(padded, changed, strict=True):
        fits = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if torch.equal(before[:, top : top + 16, left : left + 16], after)
        ]
        assert len(fits) == 1
        shifts.update(fits)
    assert len(shifts) > 10


def test_flip_turns_about_half_of_the_images() -> None:
    images = _images(200)
    changed = augment(images, ("flip",), rng=_rng())
    same = [torch.equal(a, b) for a, b in zip(images, changed, strict=True)]
    turned = [torch.equal(a.flip(-1), b) for a, b in zip(images, changed, strict=True)]
    assert all(a != b for a, b in zip(same, turned, strict=True))
    assert 70 < sum(turned) < 130


def test_cutout_clears_one_square_of_a_quarter_of_the_side() -> None:
    changed = augment(_images(200), ("cutout",), rng=_rng())
    holes = changed == 0
    assert torch.equal(holes[:, 0], holes[:, 2])
    areas = holes[:, 0].sum((1, 2))
    assert int(areas.max()) == 16
    assert int(areas.min()) >= 4  # cut off at a corner
    rows = holes[:, 0].any(2).sum(1)
    columns = holes[:, 0].any(1).sum(1)
    assert torch.equal(rows * columns, areas)


def test_the_same_seed_draws_the_same_and_the_input_is_kept() -> None:
    images = _images()
    kept = images.clone()
    names = ("crop", "flip", "cutout")
    first = augment(images, names, rng=_rng())
    assert torch.equal(first, augment(images, names, rng=_rng()))
    assert not torch.equal(first, augment(images, names, rng=_rng(1)))
    assert torch.equal(images, kept)
    assert first.shape == images.shape


def test_one_pixel_images_survive() -> None:
    images = torch.ones(5, 1, 1, 1)
    assert augment(images, ("crop", "flip", "cutout"), rng=_rng()).shape == images.shape
