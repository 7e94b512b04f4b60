"""A hash table over numbers, laid out as one array, so that it is mapped with the rest of a table.

Open addressing with linear probing: the number that stands at `place` of the sorted numbers is
found at the first bucket from `bucket_of(number)` on that holds `place + 1`; 0 ends the search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["bucket_bits", "bucketed", "place_function", "places"]

_FACTOR = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: spreads numbers over the high bits
_MASK = 2**64 - 1

_T = TypeVar("_T")


def bucket_bits(rows: int) -> int:
    """Return the bits of a bucket's address: at most half of the buckets are in use."""
    return max(4, (2 * rows - 1).bit_length())


def _buckets_of(numbers: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    spread = numbers.astype(np.uint64) * np.uint64(_FACTOR)  # modulo 2**64
    return (spread >> np.uint64(64 - bucket_bits(rows))).astype(np.int64)


def bucketed(numbers: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the buckets of ascending, different numbers; the last bucket is empty."""
    buckets = _buckets_of(numbers, len(numbers))
    order = np.argsort(buckets, kind="stable")
    count = np.arange(len(numbers))
    taken = count + np.maximum.accumulate(buckets[order] - count)  # each one behind the last
    table = np.zeros(max((1 << bucket_bits(len(numbers))) + 1, int(taken[-1]) + 2), dtype=np.int32)
    table[taken] = order + 1
    return table


def place_function(
    number_of: Callable[[_T], int], numbers: NDArray[np.int64], table: NDArray[Any]
) -> Callable[[_T], int]:
    """Return the function from what has a number to its place among the numbers, -1 for none.

    Args:
        number_of: Its number.
        numbers: All numbers, ascending.
        table: Their buckets.
    """
    known, buckets, shift = numbers.data, table.data, 64 - bucket_bits(len(numbers))

    def place_of(named: _T) -> int:
        number = number_of(named)
        bucket = (number * _FACTOR & _MASK) >> shift
        while place := buckets[bucket]:
            if known[place - 1] == number:
                return int(place) - 1
            bucket += 1
        return -1

    return place_of


def places(
    wanted: NDArray[np.int64], numbers: NDArray[np.int64], table: NDArray[Any]
) -> NDArray[np.int64]:
    """Return what `place_function` finds for many numbers at once."""
    buckets = _buckets_of(wanted, len(numbers))
    found = table[buckets].astype(np.int64) - 1
    open_ = np.flatnonzero((found >= 0) & (numbers[found] != wanted))
    while len(open_):
        buckets[open_] += 1
        found[open_] = table[buckets[open_]].astype(np.int64) - 1
        again = (found[open_] >= 0) & (numbers[found[open_]] != wanted[open_])
        open_ = open_[again]
    return found
