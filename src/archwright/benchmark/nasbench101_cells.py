"""The cells of a NAS-Bench-101 file: each is entered once, and checked against its hash.

A hash takes 0.1 ms to compute, which is longer than reading all records of a cell. So the package
brings 16 bits for each of the 423,624 hashes: the exclusive or of its eight pairs of bytes. A
wrong hash agrees with them once in 65,536 times; where it does not, the hash itself is computed
and compared. A file with all cells must have exactly the published set of hashes besides.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from math import isqrt
from typing import NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from archwright.errors import SpaceError
from archwright.space import Architecture
from archwright.space.catalog.nasbench101 import OPERATIONS, NASBench101, nasbench101

__all__ = ["CellError", "Cells", "Known", "New", "folded", "published_bits"]

_LABELS = {name.encode(): code for code, name in enumerate(("none", *OPERATIONS))}
_ZERO = ord("0")
_ALL_HASHES = "a7f10bf770c1b5b8a221e37824e42b3b1a237a5d21ccf545bbe8e23abd933403"


class Known(NamedTuple):
    """A cell that has a row, and the texts that its records repeat."""

    row: int
    matrix: bytes
    labels: bytes


class New(NamedTuple):
    """A cell that appears for the first time, at a place in the batch."""

    place: int
    digest: bytes
    matrix: bytes
    labels: bytes


class CellError(ValueError):
    """A record's cell is not what it should be; `index` is its place in the batch."""

    def __init__(self, index: int, field: str, message: str) -> None:
        super().__init__(message)
        self.index = index
        self.field = field


class Cells:
    """All cells of a file in order of appearance.

    Args:
        space: The space, of 7 vertices.
    """

    def __init__(self, space: NASBench101) -> None:
        self.space = space
        self.known: dict[bytes, Known] = {}
        self.records = array("q")  # number of the record that each row appeared in first
        self.offsets = array("q")  # its byte
        self._texts: dict[bytes, bytes] = {}
        self._codes: list[npt.NDArray[np.uint8]] = []
        self._interior = space.max_vertices - 2
        self._edges = len(space.slots) - self._interior

    def __len__(self) -> int:
        return len(self.known)

    @property
    def codes(self) -> npt.NDArray[np.uint8]:
        """Canonical codes `(rows, slots)`."""
        return np.concatenate(self._codes)

    @property
    def hashes(self) -> npt.NDArray[np.bytes_]:
        """Published hashes `(rows,)`."""
        return np.array(list(self.known), "S32")

    @property
    def are_all(self) -> bool:
        """Whether this is every cell of the space."""
        return len(self) == self.space.size

    @property
    def have_published_hashes(self) -> bool:
        """Whether the set of hashes is the published one."""
        return sha256(b"\n".join(sorted(self.known))).hexdigest() == _ALL_HASHES

    def enter(self, new: New, record: int, offset: int) -> Known:
        """Give the next row to a cell, which `check` is asked about later.

        Args:
            new: The cell; its hash has none yet.
            record: Number of its record in the file.
            offset: Byte of its record.
        """
        same = self._texts.setdefault  # 5,000 matrices and 400 lists of labels are in 423,624 cells
        known = Known(len(self.known), same(new.matrix, new.matrix), same(new.labels, new.labels))
        self.known[new.digest] = known
        self.records.append(record)
        self.offsets.append(offset)
        return known

    def check(self, new: Sequence[New]) -> None:
        """Keep the codes of new cells, once each is a cell of the space with the right hash.

        Args:
            new: Cells that were entered since the last call, in this order.

        Raises:
            CellError: If one is not; says which and why.
        """
        if not new:
            return
        raw = np.zeros((len(new), self._edges + self._interior), np.uint8)  # (cells, slots)
        by_size: dict[int, list[int]] = {}
        for place, cell in enumerate(new):
            by_size.setdefault(isqrt(len(cell.matrix)), []).append(place)
        for size, places in by_size.items():
            self._read(raw, np.array(places), size, [new[place] for place in places])
        codes = self.space.canonical_many(raw)
        numbers, (published, bits) = self.space.numbers(codes), published_bits()
        nearest = np.searchsorted(published, numbers).clip(max=len(published) - 1)
        if (wrong := np.flatnonzero(published[nearest] != numbers)).size:
            self._explain(new[int(wrong[0])])
        given = folded([cell.digest for cell in new])
        for place in np.flatnonzero(given != bits[nearest]).tolist():
            self._compare(new[place], codes[place])
        self._codes.append(codes)

    def _read(
        self,
        raw: npt.NDArray[np.uint8],
        places: npt.NDArray[np.int64],
        size: int,
        cells: Sequence[New],
    ) -> None:
        """Fill in the codes of cells whose matrices have one size."""
        labels = []
        for cell in cells:
            names = cell.labels.split(b",")
            if (
                not 2 <= size <= self._interior + 2
                or len(cell.matrix) != size**2
                or cell.matrix.strip(b"01")
                or len(names) != size
                or (names[0], names[-1]) != (b"input", b"output")
                or any(name not in _LABELS for name in names[1:-1])
            ):
                self._explain(cell)
            labels.append([_LABELS[name] for name in names[1:-1]])
        digits = np.frombuffer(b"".join(cell.matrix for cell in cells), np.uint8) - _ZERO
        matrices = digits.reshape(len(cells), size, size)
        if (below := np.tril(matrices).any(axis=(1, 2))).any():
            self._explain(cells[int(np.flatnonzero(below)[0])])
        for source, target in zip(*np.triu_indices(size, 1), strict=True):
            last = target if target < size - 1 else self._interior + 1  # the output's number
            raw[places, source + last * (last - 1) // 2] = matrices[:, source, target]
        if size > 2:
            raw[places, self._edges : self._edges + size - 2] = labels

    def _compare(self, cell: New, codes: npt.NDArray[np.uint8]) -> None:
        """Raise an error if the hash of a record is not that of its cell."""
        expected = self.space.hash(Architecture(self.space, tuple(codes.tolist())))
        if cell.digest.decode() != expected:
            raise CellError(
                cell.place,
                "hash",
                f"expected {expected}, the hash of the record's cell, got {cell.digest.decode()}",
            )

    def _explain(self, cell: New) -> NoReturn:
        """Raise the reason why texts are no cell of the space."""
        names = cell.labels.decode("ascii", "replace").split(",")
        size = len(names)
        if cell.matrix.strip(b"01") or len(cell.matrix) != size**2:
            raise CellError(
                cell.place,
                "matrix",
                f"expected {size} x {size} digits 0 or 1 for the labels {','.join(names)!r}, "
                f"got {len(cell.matrix)} characters: {cell.matrix.decode('ascii', 'replace')!r}",
            )
        digits = np.frombuffer(cell.matrix, np.uint8) - _ZERO
        try:
            self.space.of_cell(digits.reshape(size, size), names)
        except SpaceError as error:
            raise CellError(
                cell.place, "matrix and labels", f"expected a cell of the published space: {error}"
            ) from error
        raise CellError(
            cell.place,
            "matrix and labels",
            f"expected a cell that is written pruned, got {cell.matrix!r} and {names!r}",
        )


def folded(digests: Sequence[bytes]) -> npt.NDArray[np.uint16]:
    """Return 16 bits for each hash, `(hashes,)`.

    Args:
        digests: 32 hexadecimal digits each.
    """
    pairs = np.frombuffer(bytes.fromhex(b"".join(digests).decode()), "<u2").reshape(-1, 8)
    bits: npt.NDArray[np.uint16] = np.bitwise_xor.reduce(pairs, axis=1)
    return bits


@cache
def published_bits() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16]]:
    """Return the numbers of all cells, ascending, and 16 bits of the hash of each."""
    space = nasbench101()
    numbers = space.numbers(space.codes_by_index())
    data = files(__package__).joinpath("nasbench101_hashes.bin").read_bytes()
    order = np.argsort(numbers)
    return numbers[order], np.frombuffer(data, "<u2")[order]  # the file is in published order
