"""How many bits the codes of each two samples have in common, counted exactly.

A unit of an activation gives one bit for each sample: whether what goes in is above zero. With
codes of n bits that differ in d_ij of them, the kernel is K_ij = n - d_ij: as many as are both one
or both zero. On the CPU codes are packed, 64 bits to a word, and differing bits are counted word by
word, in less than half the time of the product of matrices that other devices take; short codes of
many samples take the product too.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Agreement", "differences", "differences_on_device", "packed"]

_WORDS = 256  # of each code at a time; more would leave the cache
_PAIRS = 1024  # pairs of codes at a time
_MANY = 32  # samples, from which on a product of short codes is faster
_SHORT = 16  # bits for each sample of the batch
_EXACT = 1 << 20  # bits in one product of float32, exact up to 2**24

Words = NDArray[np.uint64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How many bits each two samples of a batch have in common.

    Args:
        counts: `(batch, batch)` int64; `bits` on the diagonal.
        bits: Length of one sample's code.
        sites: Calls of activations that were counted.
        curved: How many of them are not linear on both sides of zero.
        cut_off: Activations that do not count, since the output does not depend on them.
        left_out: Activations that do not count, since their first axis is not the batch.
        finite: Whether all outputs of the network are finite.
    """

    counts: Counts
    bits: int
    sites: int
    curved: int = 0
    cut_off: int = 0
    left_out: int = 0
    finite: bool = True


def packed(values: Tensor) -> NDArray[np.uint8]:
    """Return the codes of `(batch, units)` on the CPU, `(batch, units / 8 rounded up)`."""
    if values.dtype in (torch.float32, torch.float64):
        return np.packbits(values.numpy() > 0, axis=1)
    return np.packbits((values > 0).numpy(), axis=1)


def differences(codes: Iterable[NDArray[np.uint8]], *, threads: int) -> Counts:
    """Return in how many bits each two samples differ, `(batch, batch)`.

    Args:
        codes: Packed, each `(batch, bytes)`, to be read as one long code.
        threads: How many to count with.
    """
    codes = list(codes)
    batch, bits = len(codes[0]), 8 * sum(code.shape[1] for code in codes)
    if batch >= _MANY and bits <= _SHORT * batch:
        ones = torch.from_numpy(np.unpackbits(np.concatenate(codes, axis=1), axis=1))
        return differences_on_device(ones).numpy()
    words = _words(codes)
    parts = [words[:, start : start + _WORDS] for start in range(0, words.shape[1], _WORDS)]
    if threads > 1 and len(parts) > 1:
        with ThreadPoolExecutor(threads) as pool:
            upper = sum(pool.map(_upper_differences, parts))
    else:
        upper = sum(map(_upper_differences, parts))
    assert isinstance(upper, np.ndarray)
    return np.triu(upper) + np.triu(upper, 1).T


def differences_on_device(values: Tensor) -> Tensor:
    """Return the same for `(batch, units)` on its device, int64, by products of zeros and ones."""
    batch = len(values)
    both = torch.zeros((batch, batch), dtype=torch.int64, device=values.device)
    for start in range(0, values.shape[1], _EXACT):
        ones = (values[:, start : start + _EXACT] > 0).to(torch.float32)
        both += (ones @ ones.T).to(torch.int64)
    each = both.diagonal()
    return each[:, None] + each[None, :] - 2 * both


def _words(codes: list[NDArray[np.uint8]]) -> Words:
    """Return codes one after the other as `(batch, words)`, filled up with zeros."""
    filling = -sum(code.shape[1] for code in codes) % 8
    zeros = np.zeros((len(codes[0]), filling), np.uint8)
    return np.concatenate([*codes, zeros], axis=1).view(np.uint64)


def _upper_differences(words: Words) -> Counts:
    """Count differing bits of rows i <= j; below the diagonal the result means nothing."""
    batch = len(words)
    step = max(1, _PAIRS // batch)
    counts = np.zeros((batch, batch), np.int64)
    for row in range(0, batch, step):
        differing = words[row : row + step, None] ^ words[None, row:]
        # At most 64 * 256 for each pair: uint16 holds it.
        counts[row : row + step, row:] = np.bitwise_count(differing).sum(2, dtype=np.uint16)
    return counts
