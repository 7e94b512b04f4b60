"""Which units are on for which samples, and how many different patterns that makes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Unscored
from archwright.proxy.watching import Watch

__all__ = [
    "different_columns",
    "different_regions",
    "different_units",
    "patterns_per_site",
    "watched_codes",
]

_WORD = 24  # bits that a float32 holds exactly


def watched_codes(passes: Passes, inputs: Tensor, on_codes: Callable[[Tensor], None]) -> None:
    """Run a forward pass without gradients, telling of each activation's codes.

    Args:
        passes: Of the network.
        inputs: `(batch, *input_shape)`.
        on_codes: Called with `(batch, units)` bool, true where the input is above zero.

    Raises:
        Unscored: If no activation was called on the batch.
    """
    calls = 0

    def called(values: Tensor, kinked: bool) -> None:
        nonlocal calls
        if values.dim() >= 2 and len(values) == len(inputs):
            calls += 1
            on_codes(values.detach().flatten(1) > 0)

    with torch.no_grad():
        passes.forward(inputs, Watch(called))
    if not calls:
        raise Unscored("no_relu", "the network calls no activation that is on or off")


def different_units(codes: Tensor) -> Tensor:
    """Return the different columns, as numbers: one word of 24 samples in each row.

    Args:
        codes: `(batch, units)` bool.

    Returns:
        `(words, columns)` int64.
    """
    words = [
        (2.0 ** torch.arange(len(part), device=codes.device)) @ part.float()
        for part in torch.split(codes, _WORD)
    ]
    return different_columns(torch.stack(words).to(torch.int64))


def different_columns(table: Tensor) -> Tensor:
    """Return a table's columns, equal ones once."""
    if len(table) == 1:
        found: Tensor = torch.unique(table)[None]  # much faster than along an axis
        return found
    columns: Tensor = torch.unique(table, dim=1)
    return columns


def patterns_per_site(passes: Passes, inputs: Tensor) -> list[Tensor]:
    """Return the different columns of each activation in one forward pass."""
    found: list[Tensor] = []
    watched_codes(passes, inputs, lambda codes: found.append(different_units(codes)))
    return found


def different_regions(passes: Passes, inputs: Tensor) -> set[bytes]:
    """Return a digest of each sample's code over all activations, equal ones once."""
    parts: list[np.ndarray] = []
    watched_codes(
        passes, inputs, lambda codes: parts.append(np.packbits(codes.cpu().numpy(), axis=1))
    )
    rows = np.concatenate(parts, axis=1)  # (batch, bytes)
    return {hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows}
