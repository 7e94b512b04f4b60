"""Crop, flip and cutout for a whole batch at once, on the device it lies on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["augment"]


def augment(images: Tensor, names: Sequence[str], *, rng: torch.Generator) -> Tensor:
    """Return changed copies of the images; a fresh draw for each of them.

    Args:
        images: `(batch, channels, height, width)`.
        names: Any of "crop" (shift by up to an eighth of the side, zeros at the border), "flip"
            (left to right, every second one) and "cutout" (a square of a quarter of the side set
            to zero, at a random place, cut off at the border); done in this order.
        rng: Draws all of it; on the same device as the images.
    """
    if "crop" in names:
        images = _crop(images, rng)
    if "flip" in names:
        images = _flip(images, rng)
    if "cutout" in names:
        images = _cutout(images, rng)
    return images


def _uniform(images: Tensor, high: int, rng: torch.Generator) -> Tensor:
    """Draw one integer in [0, high) per image, `(batch,)`."""
    return torch.randint(high, (len(images),), generator=rng, device=images.device)


def _crop(images: Tensor, rng: torch.Generator) -> Tensor:
    batch, _, height, width = images.shape
    pad_rows, pad_columns = max(height // 8, 1), max(width // 8, 1)
    padded = functional.pad(images, (pad_columns, pad_columns, pad_rows, pad_rows))
    top = _uniform(images, 2 * pad_rows + 1, rng)[:, None]
    left = _uniform(images, 2 * pad_columns + 1, rng)[:, None]
    rows = top + torch.arange(height, device=images.device)  # (batch, height)
    columns = left + torch.arange(width, device=images.device)  # (batch, width)
    which = torch.arange(batch, device=images.device)[:, None, None]
    picked = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return picked.permute(0, 3, 1, 2)  # (batch, channels, height, width)


def _flip(images: Tensor, rng: torch.Generator) -> Tensor:
    chosen = _uniform(images, 2, rng).bool()[:, None, None, None]
    return torch.where(chosen, images.flip(-1), images)


def _cutout(images: Tensor, rng: torch.Generator) -> Tensor:
    height, width = images.shape[-2:]
    rows = _inside(height, _uniform(images, height, rng), max(height // 4, 1))
    columns = _inside(width, _uniform(images, width, rng), max(width // 4, 1))
    hole = rows[:, None, :, None] & columns[:, None, None, :]  # (batch, 1, height, width)
    return images.masked_fill(hole, 0)


def _inside(size: int, centre: Tensor, side: int) -> Tensor:
    """Say which of `size` positions lie in a window of `side`, `(batch, size)`."""
    distance = torch.arange(size, device=centre.device) - (centre[:, None] - side // 2)
    return (distance >= 0) & (distance < side)
