"""What a record of the NAS-Bench-101 files says: JSON around base64 around a protocol buffer.

A payload is the JSON array `[hash, epochs, matrix as 0s and 1s, labels, metrics]`; the metrics are
the base64 of a message `ModelMetrics`: 1 = evaluations (repeated message), 2 = trainable parameters
(varint), 3 = total seconds (double). An evaluation has the doubles 1 = epoch, 2 = training seconds,
3, 4, 5 = training, validation and test accuracy, and may have 6 = checkpoint path. A double that
is missing is 0. The first evaluation is before training, the second halfway, the third final.

Every official record has one of a few layouts, so a batch of messages is compared with that layout
at once and its numbers are taken from known offsets; the others are walked field by field.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.benchmark.protobuf import WireError, fields

__all__ = ["Metrics", "RecordError", "decode_metrics", "message_of", "parts_of"]

EVALUATIONS = 3
DOUBLES = 5
_EVALUATION_BYTES = 2 + 9 * DOUBLES  # tag, length, then a tag and eight bytes per double
_BODY_BYTES = EVALUATIONS * _EVALUATION_BYTES
_VARINT_BYTES = 5  # the longest that a positive int32 takes
_LONGEST = _BODY_BYTES + 1 + _VARINT_BYTES + 9
_SHORTEST = _LONGEST - _VARINT_BYTES + 1
_TAG_PARAMETERS, _TAG_SECONDS = 0x10, 0x19

# The bytes of the three evaluations and the tag behind them: what is not a number is fixed.
_TAGS = np.frombuffer(
    (b"\x0a\x2d" + b"".join(bytes([tag]) + bytes(8) for tag in (9, 17, 25, 33, 41))) * EVALUATIONS
    + bytes([_TAG_PARAMETERS]),
    np.uint8,
)
_FIXED = np.flatnonzero(_TAGS)


class RecordError(ValueError):
    """A record that says something else than it should; `field` is the part that does."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Metrics:
    """The numbers of some records.

    Args:
        evaluations: `(records, 2, 4)`, float64: halfway and final; training seconds, then
            training, validation and test accuracy as fractions.
        parameters: `(records,)`, int64.
        seconds: `(records,)`, float64: training and evaluation together.
    """

    evaluations: npt.NDArray[np.float64]  # (records, moments, quantities)
    parameters: npt.NDArray[np.int64]  # (records,)
    seconds: npt.NDArray[np.float64]  # (records,)


def parts_of(payload: bytes) -> tuple[bytes, int, bytes, bytes, bytes]:
    """Return hash, epochs, matrix, labels and the base64 of the metrics, read as JSON.

    Raises:
        RecordError: If the payload is not that.
    """
    try:
        parts = json.loads(payload)
    except ValueError as error:  # UnicodeDecodeError is one too
        got = _shown(payload)
        raise RecordError("JSON", f"expected a JSON array, got {got}: {error}") from None
    if not isinstance(parts, list) or len(parts) != 5:
        got = f"{len(parts)} elements" if isinstance(parts, list) else type(parts).__name__
        raise RecordError("JSON", f"expected an array of 5 elements, got {got}")
    texts = []
    names = ("hash", "matrix", "labels", "metrics")
    for name, part in zip(names, parts[:1] + parts[2:], strict=True):
        if not isinstance(part, str) or not part.isascii():
            raise RecordError(name, f"expected ASCII text, got {part!r}")
        texts.append(part.encode())
    if type(parts[1]) is not int:
        raise RecordError("epochs", f"expected an integer, got {parts[1]!r}")
    return texts[0], parts[1], texts[1], texts[2], texts[3]


def message_of(text: bytes) -> bytes:
    """Decode base64 strictly, but for line ends, which some encoders insert.

    Raises:
        RecordError: If it is no base64; says where.
    """
    text = b"".join(text.replace(b"\\n", b"").replace(b"\\/", b"/").split())
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as error:
        raise RecordError(
            "metrics", f"expected base64, got {_shown(text)} ({len(text)} characters): {error}"
        ) from None


def decode_metrics(messages: Sequence[bytes]) -> Metrics:
    """Decode serialised metrics.

    Raises:
        WireError: If one is no such message; its `index` says which.
    """
    lengths = np.fromiter(map(len, messages), np.int64, len(messages))  # (records,)
    window = _window(messages, lengths)  # (records, longest)
    typical = _typical(window, lengths)
    metrics = _sliced(window, lengths)
    for index in np.flatnonzero(~typical).tolist():
        try:
            evaluations, parameters, seconds = _walked(messages[index])
        except WireError as error:
            error.index = index
            raise
        metrics.evaluations[index] = evaluations
        metrics.parameters[index] = parameters
        metrics.seconds[index] = seconds
    return metrics


def _window(messages: Sequence[bytes], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """Return the first bytes of every message, filled with zeros: `(records, longest)`."""
    if lengths.size and lengths.max() <= _LONGEST:
        data = b"".join([message.ljust(_LONGEST, b"\0") for message in messages])
    else:
        data = b"".join([message[:_LONGEST].ljust(_LONGEST, b"\0") for message in messages])
    return np.frombuffer(data, np.uint8).reshape(len(messages), _LONGEST)


def _typical(
    window: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Return which messages have the usual layout, tag for tag: `(records,)`."""
    good = (lengths >= _SHORTEST) & (lengths <= _LONGEST)
    good &= (window[:, _FIXED] == _TAGS[_FIXED]).all(axis=1)
    count = np.clip(lengths - _SHORTEST, 0, _VARINT_BYTES - 1) + 1  # bytes of the varint
    start = _BODY_BYTES + 1
    digits = window[:, start : start + _VARINT_BYTES]  # (records, varint)
    continues = np.arange(_VARINT_BYTES) < count[:, None] - 1
    last = np.arange(_VARINT_BYTES) == count[:, None] - 1
    good &= ((digits >= 128) | ~continues).all(axis=1) & ((digits < 128) | ~last).all(axis=1)
    good &= window[np.arange(len(window)), start + count] == _TAG_SECONDS
    return good


def _sliced(window: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> Metrics:
    """Take the numbers from their usual offsets; garbage where the layout is another."""
    records = len(window)
    body = window[:, :_BODY_BYTES].reshape(records, EVALUATIONS, _EVALUATION_BYTES)
    doubles = body[:, 1:, 2:].reshape(records, EVALUATIONS - 1, DOUBLES, 9)[:, :, 1:, 1:]
    evaluations = np.ascontiguousarray(doubles).view("<f8")[..., 0]

    count = np.clip(lengths - _SHORTEST, 0, _VARINT_BYTES - 1) + 1
    start = _BODY_BYTES + 1
    places = np.arange(_VARINT_BYTES)
    digits = window[:, start : start + _VARINT_BYTES].astype(np.int64) & 127
    parameters = (digits * (places < count[:, None]) << 7 * places).sum(axis=1)

    tail = (start + 1 + count)[:, None] + np.arange(8)  # (records, 8)
    seconds = np.take_along_axis(window, tail, axis=1).view("<f8")[:, 0]
    return Metrics(evaluations.astype(np.float64), parameters, seconds.astype(np.float64))


def _walked(message: bytes) -> tuple[list[list[float]], int, float]:
    """Decode one message field by field."""
    evaluations: list[list[float]] = []
    parameters, seconds = 0, 0.0
    for field in fields(message):
        if field.number == 1:
            body = field.message()
            evaluations.append(_evaluation(body, field.offset + _header_bytes(body)))
        elif field.number == 2:
            parameters = field.integer()
        elif field.number == 3:
            seconds = field.double()
    if len(evaluations) != EVALUATIONS:
        raise WireError(
            len(message), f"expected {EVALUATIONS} evaluations in it, got {len(evaluations)}"
        )
    if parameters >= 1 << 31:
        raise WireError(0, f"expected a count of parameters below 2**31, got {parameters}")
    return [row[1:] for row in evaluations[1:]], parameters, seconds


def _evaluation(body: bytes, origin: int) -> list[float]:
    """Return the five doubles of an evaluation; those that are missing are 0."""
    doubles = [0.0] * DOUBLES
    for field in fields(body, origin):
        if 1 <= field.number <= DOUBLES:
            doubles[field.number - 1] = field.double()
    return doubles


def _header_bytes(body: bytes) -> int:
    """Return how many bytes stand before an embedded message: its tag and its length."""
    return 1 + max(1, (len(body).bit_length() + 6) // 7)


def _shown(text: bytes) -> str:
    return repr(text if len(text) <= 40 else text[:37] + b"...")[1:]
