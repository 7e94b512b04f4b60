"""Inputs that proxies draw for themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from archwright.proxy.passes import Passes
from archwright.proxy.proxy import Unscored

__all__ = ["noise"]


def noise(
    passes: Passes, samples: int, generator: torch.Generator, *, side: int | None = None
) -> Tensor:
    """Draw normal inputs of mean 0 and deviation 1, on the network's device.

    Args:
        passes: Its batch says what shape and precision the network takes.
        samples: How many.
        generator: On the CPU.
        side: Height and width for a network of images; None for those of the batch.

    Raises:
        Unscored: If the network takes whole numbers, which have no noise.
    """
    given = passes.batch.inputs
    if not given.is_floating_point():
        raise Unscored("unsupported", "the network takes whole numbers, and noise has none")
    shape = list(given.shape[1:])
    if side is not None and len(shape) == 3:
        shape[1:] = [side, side]
    return torch.randn((samples, *shape), generator=generator).to(given)
