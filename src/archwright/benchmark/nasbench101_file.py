"""NAS-Bench-101: read `nasbench_full.tfrecord` and `nasbench_only108.tfrecord`.

C. Ying, A. Klein, E. Christiansen, E. Real, K. Murphy, F. Hutter: NAS-Bench-101: towards
reproducible neural architecture search. ICML 2019. [Ying2019nasbench101]_

A file holds a record for each cell, epoch budget and repeat, in any order; repeats are told apart
by the order in which they appear, as the official API does. Of a record, everything is kept but
the evaluation before training, the epochs reached and the checkpoint paths.

Memory is bounded by the final arrays: a file of the full size takes 0.7 GB.
"""

from __future__ import annotations

import binascii
import re
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from archwright.benchmark.columns import Column
from archwright.benchmark.contents import Contents, Format, Reading
from archwright.benchmark.nasbench101_cells import CellError, Cells, Known, New
from archwright.benchmark.nasbench101_records import (
    Metrics,
    RecordError,
    decode_metrics,
    message_of,
    parts_of,
)
from archwright.benchmark.protobuf import WireError
from archwright.benchmark.tfrecord import Batch, is_tfrecord, place_of, record_batches
from archwright.errors import FormatError
from archwright.space.catalog.nasbench101 import nasbench101

__all__ = ["BUDGETS", "FORMAT", "REPEATS", "read_nasbench101"]

BUDGETS = (4, 12, 36, 108)
REPEATS = 3

_QUANTITIES = ("training_seconds", "train_accuracy", "val_accuracy", "test_accuracy")
_MOMENTS = ("halfway", "final")
_HASH = re.compile(rb"[0-9a-f]{32}")
_GROWTH = 1 << 14  # numbers

# What is left of a payload without its texts, with the separators of either JSON style.
_SKELETONS = {
    separator.join((b"[", b"%d" % epochs, b"", b"", b"]")): epochs
    for epochs in BUDGETS
    for separator in (b", ", b",")
}


def read_nasbench101(path: Path, reading: Reading) -> Contents:
    """Read a file of NAS-Bench-101 records.

    Args:
        path: The file.
        reading: Strict means that the checksum of every payload is verified.

    Raises:
        FormatError: If a record is damaged, is no record of this benchmark, or contradicts
            another one; names its number, its byte and the field.
    """
    records = _Records(path)
    total = path.stat().st_size
    for batch in record_batches(path, verify_payloads=reading.strict):
        records.add(batch)
        reading.progress(batch.end, total)
    return records.contents()


def _detects(path: Path, head: bytes) -> bool:
    return is_tfrecord(head) or path.suffix == ".tfrecord"


FORMAT = Format("NAS-Bench-101 records (.tfrecord)", _detects, read_nasbench101)


class _Records:
    """The records seen so far: their cells, and their numbers by budget, cell and repeat."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cells = Cells(nasbench101())
        self._counts = {budget: bytearray() for budget in BUDGETS}  # repeats seen, by row
        self._parameters = np.full(0, -1, np.int64)  # (rows,)
        self._numbers: dict[int, list[npt.NDArray[Any]]] = {}  # budget: columns (rows * repeats,)

    def add(self, batch: Batch) -> None:
        """Take in the records of a batch."""
        known, counts = self._cells.known, self._counts
        rows, slots, budgets, texts = [], [], [], []
        new: list[New] = []
        for index, payload in enumerate(batch.payloads):
            pieces = payload.split(b'"')
            epochs = _SKELETONS.get(b"".join(pieces[::2])) if len(pieces) == 9 else None
            if epochs is not None:
                _, digest, _, matrix, _, labels, _, text, _ = pieces
            else:
                digest, epochs, matrix, labels, text = self._parts(batch, index)
            cell = known.get(digest)
            if cell is None:
                new.append(New(index, digest, matrix, labels))
                cell = self._enter(batch, new[-1])
            elif cell[1] != matrix or cell[2] != labels:
                self._contradict(batch, index, cell, (matrix, labels))
            row, count = cell[0], counts[epochs]
            repeat = count[row]
            if repeat == REPEATS:
                self._refuse(batch, index, "epochs", _too_many(digest, epochs))
            count[row] = repeat + 1
            rows.append(row)
            slots.append(row * REPEATS + repeat)
            budgets.append(epochs)
            texts.append(text)
        try:
            self._cells.check(new)
        except CellError as error:
            self._refuse(batch, error.index, error.field, str(error))
        metrics = self._metrics(batch, self._messages(batch, texts))
        self._store_parameters(batch, np.array(rows), metrics.parameters)
        self._store(np.array(budgets), np.array(slots), metrics)

    def _parts(self, batch: Batch, index: int) -> tuple[bytes, int, bytes, bytes, bytes]:
        """Read a payload that is not laid out as the official ones are."""
        try:
            digest, epochs, matrix, labels, text = parts_of(batch.payloads[index])
        except RecordError as error:
            self._refuse(batch, index, error.field, str(error))
        if epochs not in BUDGETS:
            allowed = ", ".join(map(str, BUDGETS))
            self._refuse(batch, index, "epochs", f"expected one of {allowed}, got {epochs}")
        return digest, epochs, matrix, labels, text

    def _enter(self, batch: Batch, new: New) -> Known:
        """Give a row to a cell that appears for the first time; it is checked with its batch."""
        if not _HASH.fullmatch(new.digest):
            shown = new.digest.decode("ascii", "replace")
            self._refuse(batch, new.place, "hash", f"expected 32 hexadecimal digits, got {shown!r}")
        for count in self._counts.values():
            count.append(0)
        return self._cells.enter(new, batch.first + new.place, batch.offsets[new.place])

    def _contradict(
        self, batch: Batch, index: int, known: Known, texts: tuple[bytes, bytes]
    ) -> NoReturn:
        first = place_of(self._cells.records[known.row], self._cells.offsets[known.row])
        field = "matrix" if known.matrix != texts[0] else "labels"
        expected, got = (
            f"{pair[0].decode()}/{pair[1].decode('ascii', 'replace')}"
            for pair in ((known.matrix, known.labels), texts)
        )
        self._refuse(
            batch, index, field, f"expected {expected!r} as in {first}, same hash; got {got!r}"
        )

    def _messages(self, batch: Batch, texts: list[bytes]) -> list[bytes]:
        """Decode the base64 of a batch: all at once, or one by one if anything is unusual."""
        decode = binascii.a2b_base64
        try:
            messages = [decode(text) for text in texts]
        except binascii.Error:
            messages = []
        # Lenient decoding skips what is no base64, and the lengths tell.
        if messages and all(
            len(text) == (len(message) + 2) // 3 * 4
            for text, message in zip(texts, messages, strict=True)
        ):
            return messages
        messages = []
        for index, text in enumerate(texts):
            try:
                messages.append(message_of(text))
            except RecordError as error:
                self._refuse(batch, index, error.field, str(error))
        return messages

    def _metrics(self, batch: Batch, messages: list[bytes]) -> Metrics:
        """Decode the metrics of a batch and check that they are what they are said to be."""
        try:
            metrics = decode_metrics(messages)
        except WireError as wrong:
            self._refuse(batch, wrong.index, "metrics", str(wrong))
        numbers = metrics.evaluations
        good = np.isfinite(numbers) & (numbers >= 0)
        good[..., 1:] &= numbers[..., 1:] <= 1
        if not good.all():
            index, moment, quantity = np.argwhere(~good)[0].tolist()
            self._refuse(
                batch,
                index,
                f"metrics, {_MOMENTS[moment]} {_QUANTITIES[quantity]}",
                f"expected {'a fraction' if quantity else 'seconds'}, "
                f"got {numbers[index, moment, quantity]}",
            )
        good = np.isfinite(metrics.seconds) & (metrics.seconds >= 0)
        if not good.all():
            index = int(np.flatnonzero(~good)[0])
            got = metrics.seconds[index]
            self._refuse(batch, index, "metrics, total_time", f"expected seconds, got {got}")
        return metrics

    def _store_parameters(
        self, batch: Batch, rows: npt.NDArray[np.int64], parameters: npt.NDArray[np.int64]
    ) -> None:
        self._parameters = _grown(self._parameters, len(self._cells), -1)
        new = self._parameters[rows] < 0
        self._parameters[rows[new][::-1]] = parameters[new][::-1]  # the first of each row stays
        if (wrong := np.flatnonzero(self._parameters[rows] != parameters)).size:
            index = int(wrong[0])
            self._refuse(
                batch,
                index,
                "metrics, trainable_parameters",
                f"expected {self._parameters[rows[index]]} as in the other records of its cell, "
                f"got {parameters[index]}",
            )

    def _store(
        self, budgets: npt.NDArray[np.int64], slots: npt.NDArray[np.int64], metrics: Metrics
    ) -> None:
        """Put numbers into their places, in float32 as long as that loses nothing."""
        numbers = np.column_stack(
            (metrics.evaluations.reshape(len(slots), -1), metrics.seconds)
        )  # (records, columns)
        size = len(self._cells) * REPEATS
        for epochs in np.unique(budgets).tolist():
            chosen = budgets == epochs
            empty = [np.empty(0, np.float32)] * numbers.shape[1]
            columns = self._numbers.setdefault(epochs, empty)
            for number, values in enumerate(numbers[chosen].T):
                column = _grown(columns[number], size, np.nan)
                if column.dtype == np.float32 and (values.astype(np.float32) != values).any():
                    column = column.astype(np.float64)
                column[slots[chosen]] = values
                columns[number] = column

    def contents(self) -> Contents:
        """Return everything as columns."""
        rows, size = len(self._cells), int(self._cells.space.size)
        if self._cells.are_all and not self._cells.have_published_hashes:
            raise FormatError(
                self._path,
                "field hash",
                f"expected the {size:,} published hashes, got others among them",
            )
        budgets = tuple(budget for budget in BUDGETS if budget in self._numbers)
        grid: dict[str, Any] = {"epochs": budgets, "repeats": REPEATS}
        columns: list[tuple[Column, npt.NDArray[Any]]] = []
        for moment in reversed(_MOMENTS):
            for quantity in _QUANTITIES[1:] + _QUANTITIES[:1]:
                number = _MOMENTS.index(moment) * len(_QUANTITIES) + _QUANTITIES.index(quantity)
                described = _described(quantity, moment=moment, **grid)
                columns.append((described, self._gathered(number, budgets)))
        columns.append(
            (Column("total_seconds", "seconds", "min", **grid), self._gathered(-1, budgets))
        )
        columns.append((Column("parameters", "count", "min"), self._parameters[:rows]))
        return Contents(
            "nasbench101",
            self._cells.space,
            self._cells.codes,
            columns,
            notes=_notes(self._counts, budgets, rows),
            domain="" if rows == size else f"{rows:,} of the {size:,} cells",
            hashes=self._cells.hashes,
        )

    def _gathered(self, number: int, budgets: tuple[int, ...]) -> npt.NDArray[Any]:
        """Return one column `(rows, epochs, repeats)` and let go of its parts."""
        rows = len(self._cells)
        parts = []
        for budget in budgets:
            columns = self._numbers[budget]
            full = _grown(columns[number], rows * REPEATS, np.nan)[: rows * REPEATS]
            parts.append(full.reshape(rows, REPEATS))
            columns[number] = np.empty(0, np.float32)
        return np.stack(parts, axis=1)

    def _refuse(self, batch: Batch, index: int, field: str, message: str) -> NoReturn:
        raise FormatError(self._path, f"{batch.place(index)}, field {field}", message)


def _described(quantity: str, **grid: Any) -> Column:
    if quantity == "training_seconds":
        return Column(quantity, "seconds", "min", **grid)
    return Column(quantity, "fraction", "max", quantity.partition("_")[0], **grid)


def _grown(column: npt.NDArray[Any], size: int, fill: float) -> npt.NDArray[Any]:
    """Return the column with room for `size` numbers at least."""
    if len(column) >= size:
        return column
    larger = np.full(max(size, len(column) * 5 // 4 + _GROWTH), fill, column.dtype)
    larger[: len(column)] = column
    return larger


def _too_many(digest: bytes, epochs: int) -> str:
    return (
        f"expected at most {REPEATS} records of the cell {digest.decode()} at {epochs} epochs, "
        f"got another one"
    )


def _notes(counts: dict[int, bytearray], budgets: tuple[int, ...], rows: int) -> tuple[str, ...]:
    notes = ["accuracies are of 9,984 of the 10,000 images of each split"]
    expected = REPEATS * rows * len(budgets)
    if missing := expected - sum(sum(counts[budget]) for budget in budgets):
        notes.append(f"{missing:,} of {expected:,} trainings are missing: NaN")
    return tuple(notes)
