"""Independent random streams from one root seed, by name.

Whoever needs randomness derives a stream with words that say what it is for, so that adding a
consumer never shifts another one's draws:

    rng = generator(study_seed, "strategy")
    weights_seed = derive_seed(study_seed, "trial", 17, "weights")
"""

from __future__ import annotations

import hashlib

import numpy as np

from archwright.canonical import dumps

__all__ = ["derive_seed", "generator"]


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


def generator(seed: int, *labels: str | int) -> np.random.Generator:
    """Return a fresh numpy generator for the stream named by the labels."""
    return np.random.default_rng(derive_seed(seed, *labels))
