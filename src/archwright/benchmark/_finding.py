"""From whatever names an architecture to its row; no dictionary is built when a table is opened."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import index
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from archwright.benchmark._buckets import place_function, places
from archwright.benchmark._numbering import Numbering, is_dense
from archwright.errors import BenchmarkError, OutOfDomainError, SpaceError
from archwright.space import Architecture, Space

__all__ = ["Finder"]

_HASH_BYTES = 16
_HEX = frozenset("0123456789abcdef")


class Finder:
    """Finds the rows of one table.

    Args:
        name: The table's name, for messages.
        domain: Which architectures it covers, in words.
        space: Its space.
        arrays: Its "codes"; its "numbers", ascending, with their "buckets" where some between
            are not there, and "number_rows", where these are not 0, 1, 2 ...; "hashes" and
            "hash_rows" likewise, where it has them.
    """

    def __init__(
        self, name: str, domain: str, space: Space, arrays: Mapping[str, NDArray[Any]]
    ) -> None:
        self._name = name
        self._domain = domain
        self._space = space
        self._arrays = arrays
        self._numbering = Numbering(space)
        numbers = arrays["numbers"]
        self._dense = is_dense(numbers)
        self.place: Callable[[Sequence[int | float]], int] = self._place()

    def _place(self) -> Callable[[Sequence[int | float]], int]:
        """Return the function from canonical codes to their row, -1 if there is none."""
        number_of, count = self._numbering.of, len(self._arrays["numbers"])
        rows = self._arrays["number_rows"].data if "number_rows" in self._arrays else None

        def dense(codes: Sequence[int | float]) -> int:
            number = number_of(codes)
            if number >= count:
                return -1
            return number if rows is None else int(rows[number])

        def sparse(codes: Sequence[int | float]) -> int:
            place = place_of(codes)
            return place if place < 0 else int(rows[place])  # type: ignore[index]

        if self._dense:
            return dense
        place_of = place_function(number_of, self._arrays["numbers"], self._arrays["buckets"])
        return place_of if rows is None else sparse

    def row(self, named: int | str | Architecture) -> int:
        """Return what `Table.row` does."""
        if isinstance(named, Architecture):
            self._check_own(named)
            row = self.place(named.codes)
            return row if row >= 0 else self._not_covered(named)
        if isinstance(named, str):
            return self._row_of_text(named)
        return self.number(named)

    def number(self, row: int) -> int:
        """Return the number of a row if there is such a row.

        Raises:
            OutOfDomainError: If there is none.
        """
        whole = not isinstance(row, bool) and hasattr(row, "__index__")
        if whole and 0 <= (number := index(row)) < len(self._arrays["numbers"]):
            return number
        last = len(self._arrays["numbers"]) - 1
        raise OutOfDomainError(
            f"rows of table {self._name!r} are numbered 0 to {last}; got {row!r}"
        )

    def architecture(self, row: int) -> Architecture:
        """Return the architecture of a row that is there."""
        codes = self._arrays["codes"][row].tolist()
        return Architecture(self._space, self._numbering.exact(codes))

    def rows_of(self, codes: NDArray[Any], *, partial: bool = False) -> NDArray[np.int64]:
        """Return what `Table.rows_of` does."""
        numbers, known = self._numbering.many(codes), self._arrays["numbers"]
        if self._dense:
            place = np.where(numbers < len(known), numbers, -1)
        else:
            place = places(numbers, known, self._arrays["buckets"])
        lacking = len(place) > 0 and int(place.min()) < 0
        if lacking and not partial:
            first = self._numbering.exact(np.asarray(codes)[place.argmin()].tolist())
            self._not_covered(Architecture(self._space, first))
        rows = self._arrays.get("number_rows")
        if rows is None:
            return place
        found = rows[place].astype(np.int64)
        return np.where(place < 0, -1, found) if lacking else found

    def hashes(self) -> tuple[list[str], NDArray[np.int64]]:
        """Return what `Table.hashes` does."""
        if "hashes" in self._arrays:
            text, width = self._arrays["hashes"].tobytes().hex(), 2 * _HASH_BYTES
            listed = [text[start : start + width] for start in range(0, len(text), width)]
            return listed, self._arrays["hash_rows"].astype(np.int64)
        hash_of = self._hash_of()
        if hash_of is None:
            raise BenchmarkError(f"the space {self._space.name!r} has no published hashes")
        pairs = sorted((hash_of(architecture), row) for row, architecture in self._architectures())
        return [text for text, _ in pairs], np.array([row for _, row in pairs], dtype=np.int64)

    def _row_of_text(self, text: str) -> int:
        if len(text) == 2 * _HASH_BYTES and _HEX.issuperset(text):
            row = self._row_of_hash(text)
            row = self._digests.get(text, -1) if row < 0 else row
            if row >= 0:
                return row
            raise OutOfDomainError(
                f"no architecture of table {self._name!r} has the key or hash {text!r}"
            )
        try:
            return self.row(self._space.parse(text))
        except SpaceError as error:
            raise OutOfDomainError(
                f"table {self._name!r} covers {self._domain}: {error}"
            ) from error

    def _row_of_hash(self, text: str) -> int:
        """Return the row with a published hash, -1 if the file keeps none, or not this one."""
        if "hashes" not in self._arrays:
            return -1
        view, wanted = self._arrays["hashes"].reshape(-1).data, bytes.fromhex(text)

        def at(place: int) -> bytes:
            return bytes(view[place * _HASH_BYTES : (place + 1) * _HASH_BYTES])

        count = len(self._arrays["hashes"])
        place = bisect_left(range(count), wanted, key=at)
        if place == count or at(place) != wanted:
            return -1
        return int(self._arrays["hash_rows"][place])

    @cached_property
    def _digests(self) -> dict[str, int]:
        """Rows by key, and by published hash where the file keeps none; made on first use."""
        rows = list(self._architectures())
        found = {architecture.key: row for row, architecture in rows}
        hash_of = self._hash_of()
        if "hashes" not in self._arrays and hash_of is not None:
            found |= {hash_of(architecture): row for row, architecture in rows}
        return found

    def _hash_of(self) -> Callable[[Architecture], str] | None:
        """Return the function to published hashes that are told apart from texts, if any."""
        hash_of: Callable[[Architecture], str] | None = getattr(self._space, "hash", None)
        if hash_of is None or not isinstance(hash_of(self.architecture(0)), str):
            return None
        return hash_of

    def _architectures(self) -> list[tuple[int, Architecture]]:
        return [(row, self.architecture(row)) for row in range(len(self._arrays["codes"]))]

    def _check_own(self, architecture: Architecture) -> None:
        if architecture.space is self._space or architecture.space == self._space:
            return
        raise OutOfDomainError(
            f"table {self._name!r} covers {self._domain}; {architecture!r} belongs to another "
            f"space, {_described(architecture.space)}"
        )

    def _not_covered(self, architecture: Architecture) -> NoReturn:
        raise OutOfDomainError(
            f"table {self._name!r} covers {self._domain}; {architecture!r} is none of them"
        )


def _described(space: Space) -> str:
    return repr(space.to_json()) if space.catalog is not None else repr(space.name)
