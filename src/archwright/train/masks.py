"""The dropout masks of one training step of a dense network, drawn together.

The bits are those that `dropout_mask` would draw for one layer after the other; what is saved is
the calls.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archwright.train.streams import dropout_threshold, random_bits

__all__ = ["Masks"]

_PER_WORD = 4  # elements that one word of 64 bits decides


class Masks:
    """One mask for each dropout layer, `(features, rows)`.

    Args:
        layers: A chain of dense layers.
        features: Of its input.
        rows: Rows in a batch.
        rng: Decides the masks.
        dtype: Of the masks.
    """

    def __init__(
        self,
        layers: Sequence[nn.Module],
        features: int,
        rows: int,
        *,
        rng: torch.Generator,
        dtype: torch.dtype,
    ) -> None:
        self._rng = rng
        self._masks: dict[nn.Module, Tensor] = {}
        drawn: list[tuple[nn.Dropout, int]] = []
        for layer in layers:
            if isinstance(layer, nn.Linear):
                features = layer.out_features
            elif isinstance(layer, nn.Dropout) and layer.p == 1:
                self._masks[layer] = torch.zeros(features, rows, dtype=dtype)
            elif isinstance(layer, nn.Dropout) and layer.p > 0:
                drawn.append((layer, features))
        lengths = [-(-width * rows // _PER_WORD) * _PER_WORD for _, width in drawn]
        self._words = torch.empty(sum(lengths) // _PER_WORD, dtype=torch.int64)
        self._values, self._threshold, self._scale = torch.empty(3, sum(lengths), dtype=dtype)
        start = 0
        for (layer, width), length in zip(drawn, lengths, strict=True):
            own = slice(start, start + length)
            self._threshold[own] = dropout_threshold(layer.p)
            self._scale[own] = 1 / (1 - layer.p)
            self._masks[layer] = self._values[own][: width * rows].view(width, rows)
            start += length

    def of(self, layer: nn.Module) -> Tensor | None:
        """Return the mask of a layer, always the same buffer; None if it drops nothing."""
        return self._masks.get(layer)

    def draw(self) -> None:
        """Fill all masks anew."""
        if len(self._words):
            bits = random_bits(self._words, self._rng)
            self._values.copy_(bits).ge_(self._threshold).mul_(self._scale)
