"""An encoder of official benchmark files, written from their descriptions and from nothing else."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

POLYNOMIAL = 0x82F63B78
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32)


def frame(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    return length + masked(length) + payload + masked(payload)


def varint(number: int) -> bytes:
    encoded = b""
    while number >= 128:
        encoded += bytes([number % 128 + 128])
        number //= 128
    return encoded + bytes([number])


def evaluation(doubles: Sequence[float]) -> bytes:
    body = b"".join(
        bytes([number << 3 | 1]) + struct.pack("<d", value)
        for number, value in enumerate(doubles, 1)
    )
    return b"\x0a" + varint(len(body)) + body


def metrics(evaluations: Iterable[Sequence[float]], parameters: int, seconds: float) -> bytes:
    """Five doubles per evaluation: epoch, training seconds, train, validation, test accuracy."""
    body = b"".join(map(evaluation, evaluations))
    return body + b"\x10" + varint(parameters) + b"\x19" + struct.pack("<d", seconds)


@dataclass
class Record:
    digest: str
    epochs: int
    matrix: str
    labels: str
    evaluations: list[list[float]]
    parameters: int
    seconds: float

    @property
    def message(self) -> bytes:
        return metrics(self.evaluations, self.parameters, self.seconds)

    def payload(self, **changes: object) -> bytes:
        parts = {
            "hash": self.digest,
            "epochs": self.epochs,
            "matrix": self.matrix,
            "labels": self.labels,
            "metrics": base64.b64encode(self.message).decode(),
        }
        return json.dumps(list({**parts, **changes}.values())).encode()
