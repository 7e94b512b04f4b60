"""How fast NAS-Bench-101 records are read, against plain Python code that does what its API does.

    python perf/table_reading.py

A file of 5,000 random cells x 4 budgets x 3 repeats is written in the official format. Then the
reader of archwright and a straightforward one take turns. The latter does what the official API
does on loading, without TensorFlow: it cuts records, reads JSON and base64, walks the protocol
buffer into objects, and keeps dicts of floats; both verify checksums. Budget: half the time.
"""

from __future__ import annotations

import base64
import json
import os
import platform
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np

from archwright.benchmark.contents import Reading
from archwright.benchmark.nasbench101_file import BUDGETS, read_nasbench101
from archwright.space.catalog.nasbench101 import nasbench101

CELLS = 5_000
ROUNDS = 5
BUDGET_RATIO = 2.0
RESULT = Path(__file__).parent / "results" / "table_reading.json"


def masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(payload: bytes) -> bytes:
    length = struct.pack("<Q", len(payload))
    ends = struct.pack("<I", masked(length)), struct.pack("<I", masked(payload))
    return length + ends[0] + payload + ends[1]


def varint(number: int) -> bytes:
    digits = [number >> 7 * place & 127 for place in range(max(1, -(-number.bit_length() // 7)))]
    return bytes([digit | 128 for digit in digits[:-1]] + [digits[-1]])


def message(rng: np.random.Generator, epochs: int, parameters: int) -> bytes:
    """Return serialised metrics with random numbers."""
    body = b""
    for part in range(3):
        seconds = np.float32(rng.random() * epochs)
        accuracies = np.float32(rng.integers(900, 9985, 3) / 9984)
        doubles = (part * epochs / 2, seconds, *accuracies)
        tagged = (bytes([8 * n + 9]) + struct.pack("<d", x) for n, x in enumerate(doubles))
        body += b"\x0a\x2d" + b"".join(tagged)
    return body + b"\x10" + varint(parameters) + b"\x19" + struct.pack("<d", epochs * 10.0)


def write(path: Path) -> int:
    """Write the file and return how many records it has."""
    rng, space, payloads = np.random.default_rng(0), nasbench101(), []
    for index in rng.choice(int(space.size), CELLS, replace=False).tolist():
        architecture = space.at(index)
        cell, digest = space.cell(architecture), space.hash(architecture)
        bits = "".join(map(str, cell.matrix.ravel()))
        parameters = int(rng.integers(227_274, 49_979_274))
        for epochs in BUDGETS * 3:
            text = base64.b64encode(message(rng, epochs, parameters)).decode()
            payloads.append(json.dumps([digest, epochs, bits, ",".join(cell.ops), text]).encode())
    rng.shuffle(payloads)
    path.write_bytes(b"".join(map(framed, payloads)))
    return len(payloads)


class Message:
    """A decoded message: field numbers to lists of values."""

    def __init__(self, data: bytes) -> None:
        self.fields: dict[int, list[Any]] = {}
        position = 0
        while position < len(data):
            tag, position = self.varint(data, position)
            if tag & 7 == 0:
                value, position = self.varint(data, position)
            elif tag & 7 == 1:
                [value] = struct.unpack_from("<d", data, position)
                position += 8
            else:
                length, position = self.varint(data, position)
                value = data[position : position + length]
                position += length
            self.fields.setdefault(tag >> 3, []).append(value)

    @staticmethod
    def varint(data: bytes, position: int) -> tuple[int, int]:
        """Return the integer at a position, and the position after it."""
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value, position


def plain_records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while header := file.read(12):
            length, crc = struct.unpack("<QI", header)
            assert crc == masked(header[:8])
            payload = file.read(length)
            assert struct.unpack("<I", file.read(4))[0] == masked(payload)
            yield payload


def plain_reader(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Load a file into dicts, as the official API holds it."""
    fixed: dict[str, Any] = {}
    computed: dict[str, Any] = {}
    for payload in plain_records(path):
        digest, epochs, bits, labels, text = json.loads(payload.decode())
        size = int(np.sqrt(len(bits)))
        matrix = np.array([int(bit) for bit in bits], dtype=np.int8).reshape(size, size)
        metrics = Message(base64.b64decode(text))
        if digest not in fixed:
            fixed[digest] = {
                "module_adjacency": matrix,
                "module_operations": labels.split(","),
                "trainable_parameters": metrics.fields[2][0],
            }
            computed[digest] = {}
        numbers = {}
        for moment, body in zip(("halfway", "final"), metrics.fields[1][1:], strict=True):
            evaluation = Message(body).fields
            numbers[f"{moment}_training_time"] = evaluation[2][0]
            numbers[f"{moment}_train_accuracy"] = evaluation[3][0]
            numbers[f"{moment}_validation_accuracy"] = evaluation[4][0]
            numbers[f"{moment}_test_accuracy"] = evaluation[5][0]
        computed[digest].setdefault(epochs, []).append(numbers)
    return fixed, computed


def seconds_of(read: Any, path: Path) -> float:
    start = time.perf_counter()
    read(path)
    return time.perf_counter() - start


def same(path: Path) -> bool:
    """Return whether both readers find the same numbers."""
    _, computed = plain_reader(path)
    contents = read_nasbench101(path, Reading())
    column = next(values for what, values in contents.columns if what.name == "val_accuracy")
    assert contents.hashes is not None
    plain = [
        [[r["final_validation_accuracy"] for r in computed[digest][epochs]] for epochs in BUDGETS]
        for digest in (value.decode() for value in contents.hashes.tolist())
    ]
    return bool((np.array(plain) == column).all())


def main() -> int:
    """Measure, print, store; return 1 if the budget is broken."""
    readers = {"plain": plain_reader, "ours": lambda path: read_nasbench101(path, Reading())}
    times: dict[str, list[float]] = {name: [] for name in readers}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "some.tfrecord"
        records = write(path)
        assert same(path), "the two readers find different numbers"
        for _ in range(ROUNDS):
            for name, read in readers.items():
                times[name].append(seconds_of(read, path) / records * 1e6)
        size = path.stat().st_size
    median = {name: statistics.median(values) for name, values in times.items()}
    result = {
        "plain_microseconds_per_record": round(median["plain"], 2),
        "our_microseconds_per_record": round(median["ours"], 2),
        "ratio": round(median["plain"] / median["ours"], 2),
        "records": records,
        "bytes_per_record": round(size / records, 1),
        "rounds": ROUNDS,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cores": os.cpu_count(),
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return int(result["ratio"] < BUDGET_RATIO)


if __name__ == "__main__":
    sys.exit(main())
