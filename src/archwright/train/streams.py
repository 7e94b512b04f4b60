"""The random streams of one training, all from its seed."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from archwright.seeding import derive_seed

__all__ = ["Streams", "dropout_mask", "dropout_threshold", "own_dropout", "random_bits"]

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class Streams:
    """Independent generators for the order of the data, dropout and augmentation.

    Args:
        seed: Of the training.
        device: Where dropout and augmentation are drawn; the order is always drawn on the
            processor, so it is the same everywhere.
        ambient: Whether torch's global generator belongs to this training too, for modules that
            draw from it themselves.
    """

    def __init__(self, seed: int, device: torch.device, *, ambient: bool) -> None:
        self.order = _generator(seed, "order", torch.device("cpu"))
        self.dropout = _generator(seed, "dropout", device)
        self.augment = _generator(seed, "augment", device)
        self._all = {"order": self.order, "dropout": self.dropout, "augment": self.augment}
        if ambient:
            torch.manual_seed(derive_seed(seed, "ambient"))
            self._all["ambient"] = torch.default_generator

    def state(self) -> dict[str, Tensor]:
        """Return the states by name, uint8."""
        return {name: stream.get_state() for name, stream in self._all.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to a state that `state` returned."""
        for name, stream in self._all.items():
            stream.set_state(state[name])


def _generator(seed: int, label: str, device: torch.device) -> torch.Generator:
    return torch.Generator(device).manual_seed(derive_seed(seed, label))


@contextmanager
def own_dropout(network: nn.Module, rng: torch.Generator) -> Iterator[None]:
    """Let the dropout modules of a network draw from `rng` instead of the global generator.

    Networks that are trained side by side in threads then do not disturb one another.
    """
    chosen = [m for m in network.modules() if type(m) in _DROPOUTS and "forward" not in vars(m)]
    for module in chosen:
        module.forward = functools.partial(_forward, module, rng)
    try:
        yield
    finally:
        for module in chosen:
            del module.forward


def _forward(module: nn.Module, rng: torch.Generator, inputs: Tensor) -> Tensor:
    p = float(module.p)  # type: ignore[arg-type]  # every dropout module has this field
    if not module.training or p == 0:
        return inputs
    if inputs.dim() == 2:  # drawn by feature, as the dense stepper lays its batches out
        mask = inputs.new_empty(inputs.shape[::-1])
        return inputs * dropout_mask(mask, p, rng).t()
    whole = type(module) is nn.Dropout
    shape = inputs.shape if whole else (*inputs.shape[:2], *(1 for _ in inputs.shape[2:]))
    return inputs * dropout_mask(inputs.new_empty(shape), p, rng)


def dropout_mask(mask: Tensor, p: float, rng: torch.Generator) -> Tensor:
    """Fill a contiguous mask with 0 at probability `p` and with 1 / (1 - p) elsewhere.

    Sixteen random bits decide an element, which costs a fifth of what `bernoulli_` does; `p` is
    taken to the nearest multiple of 2**-16.
    """
    if p == 1:
        return mask.zero_()
    words = torch.empty((mask.numel() + 3) // 4, dtype=torch.int64, device=mask.device)
    mask.copy_(random_bits(words, rng)[: mask.numel()].view(mask.shape))
    return mask.ge_(dropout_threshold(p)).mul_(1 / (1 - p))


def random_bits(words: Tensor, rng: torch.Generator) -> Tensor:
    """Fill int64 words `(n,)` with random bits; return them sixteen by sixteen, int16 `(4 n,)`."""
    return words.random_(-(2**63), None, generator=rng).view(torch.int16)


def dropout_threshold(p: float) -> int:
    """Return the smallest of the values -2**15 to 2**15 - 1 of 16 random bits that keep."""
    return round(p * 2**16) - 2**15
