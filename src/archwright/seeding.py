"""Independent random streams from one root seed, by name.

Whoever needs randomness derives a stream with words that say what it is for, so that adding a
consumer never shifts another one's draws:

    rng = generator(study_seed, "strategy")
    weights_seed = derive_seed(study_seed, "trial", 17, "weights")
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np

from archwright.canonical import dumps

__all__ = ["derive_seed", "derive_seeds", "generator"]


def derive_seed(seed: int, *labels: str | float) -> int:
    """Return a seed in [0, 2**63) that depends on `seed` and every label, in order.

    Independent of the process, its hash seed and the version of Python; `1` and `"1"` are
    different labels.

    Raises:
        TypeError: If the seed or a label is not of a JSON type (a numpy integer is none).

    Example:
        >>> derive_seed(0, "trial", 1) == derive_seed(0, "trial", 1)
        True
        >>> derive_seed(0, "trial", 1) == derive_seed(0, "trial", "1")
        False
    """
    name = dumps((seed, *labels)).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big") >> 1


def derive_seeds(seed: int, *labels: str | float) -> Callable[[int], int]:
    """Return `derive_seed(seed, *labels, number)` as a function of the number, much faster.

    Example:
        >>> derive_seeds(0, "trial")(17) == derive_seed(0, "trial", 17)
        True
    """
    begun = hashlib.blake2b(dumps((seed, *labels))[:-1].encode(), digest_size=8)

    def derived(number: int) -> int:
        whole = begun.copy()
        whole.update(b",%d]" % number)
        return int.from_bytes(whole.digest(), "big") >> 1

    return derived


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """Return a fresh numpy generator for the stream named by the labels."""
    return np.random.default_rng(derive_seed(seed, *labels))
