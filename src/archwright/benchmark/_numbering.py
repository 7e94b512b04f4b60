"""Which number a table finds an architecture by: its codes as digits, or a digest of them."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Callable, Sequence
from operator import mul

import numpy as np

from archwright.space import Space

__all__ = ["Numbering", "is_dense"]

_LIMIT = 2**63
_EXACT_IN_FLOAT = 2**53
_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz"
_AS_DIGITS = _DIGITS.ljust(256, b"?")  # from a code to the digit that stands for it


def is_dense(numbers: np.ndarray) -> bool:
    """Return whether ascending, different numbers are 0, 1, 2 ... without a gap."""
    return int(numbers[-1]) == len(numbers) - 1


class Numbering:
    """Numbers of the architectures of one space, in [0, 2**63), in the order of their codes.

    Where code vectors fit into 63 bits, they are digits of a number: in the base of the largest
    slot, which Python reads fastest, if that fits; else with as many digits as each slot has
    codes, as `Space.numbers` does. Other spaces (with real decisions, or very large) get 63 bits
    of a digest of the codes; two architectures with one number cannot be in the same table then,
    which the writer checks.

    Args:
        space: The space.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        sizes = [slot.size for slot in space.slots]
        whole = [size for size in sizes if size is not None]
        self.code_type = np.dtype("<f8" if None in sizes else _code_type(whole))
        base = max(whole, default=1)
        ranked = len(whole) == len(sizes) and math.prod(whole) < _LIMIT
        even = ranked and 1 < base <= len(_DIGITS) and base ** len(whole) < _LIMIT
        bases = [base] * len(whole) if even else whole
        self._sizes = np.array(whole)
        self._weights = _weights(bases) if ranked else None
        self._exact_in_float = math.prod(bases) < _EXACT_IN_FLOAT
        self.of = _reader(base, self._weights, even=even)

    def many(self, codes: np.ndarray) -> np.ndarray:
        """Return the numbers `(architectures,)`, int64, of codes `(architectures, slots)`.

        Raises:
            SpaceError: If a code is outside its domain.
        """
        if self._weights is None:
            return np.array([self.of(row) for row in codes.tolist()], dtype=np.int64)
        narrow = codes.dtype == np.uint8 and codes.shape[1:] == self._sizes.shape
        if not narrow or (codes >= self._sizes).any():
            self._space.numbers(codes)  # raises if anything is wrong, and says what
        if self._exact_in_float:  # several times faster
            return (codes.astype(np.float64) @ np.array(self._weights, np.float64)).astype(np.int64)
        numbers: np.ndarray = codes.astype(np.int64) @ np.array(self._weights, np.int64)
        return numbers

    def exact(self, codes: Sequence[int | float]) -> tuple[int | float, ...]:
        """Return stored codes as an architecture has them: whole ones as integers."""
        if self.code_type.kind != "f":
            return tuple(codes)
        return tuple(
            code if slot.size is None else int(code)
            for code, slot in zip(codes, self._space.slots, strict=True)
        )


def _weights(bases: Sequence[int]) -> list[int]:
    """Return what a code of each slot counts, the first slot most."""
    return [math.prod(bases[slot + 1 :]) for slot in range(len(bases))]


def _reader(
    base: int, weights: Sequence[int] | None, *, even: bool
) -> Callable[[Sequence[int | float]], int]:
    """Return the function from the codes of one architecture to its number."""
    if weights is None:
        return _digest
    if even:
        # Several times faster than a sum of products, for it never leaves C.
        return lambda codes: int(bytes(codes).translate(_AS_DIGITS), base)  # type: ignore[arg-type]
    return lambda codes: sum(map(mul, codes, weights))


def _digest(codes: Sequence[int | float]) -> int:
    text = struct.pack(f"<{len(codes)}d", *codes)
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def _code_type(sizes: Sequence[int]) -> str:
    highest = max(sizes, default=1) - 1
    return next(kind for kind in ("|u1", "<u2", "<i4", "<i8") if highest <= np.iinfo(kind).max)
