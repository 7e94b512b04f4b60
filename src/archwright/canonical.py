"""One text for one value: the form that keys, fingerprints and golden files are made of."""

from __future__ import annotations

import hashlib
import json

__all__ = ["digest", "dumps"]

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def dumps(value: object) -> str:
    """Write a JSON value in its one canonical form: sorted keys, no spaces.

    Raises:
        ValueError: If the value holds NaN or an infinity.
        TypeError: If the value is not made of JSON types.

    Example:
        >>> dumps({"b": 1, "a": (1, 2)})
        '{"a":[1,2],"b":1}'
    """
    return _ENCODER.encode(value)


def digest(value: object, *, length: int = 32) -> str:
    """Return `length` hexadecimal digits of the SHA-256 of the canonical form.

    The same in every process, on every machine and in every version.

    Example:
        >>> digest({"a": 1}, length=8)
        '015abd7f'
    """
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:length]
