from __future__ import annotations

import base64
import binascii
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.benchmark import open_table
from archwright.benchmark.contents import Reading
from archwright.benchmark.converting import convert
from archwright.benchmark.nasbench101_cells import Cells, folded, published_bits
from archwright.benchmark.nasbench101_file import BUDGETS, read_nasbench101
from archwright.errors import FormatError
from archwright.space.catalog.nasbench101 import hashes_of, nasbench101

from .official_files import Record, frame, metrics

QUANTITIES = ("training_seconds", "train_accuracy", "val_accuracy", "test_accuracy")


def records(cells: int, *, seed: int, exact_in_float32: bool = True) -> list[Record]:
    """Three records at each of four budgets of random cells, in random order."""
    rng, space, made = np.random.default_rng(seed), nasbench101(), []
    kind: Any = np.float32 if exact_in_float32 else np.float64
    for index in rng.choice(int(space.size), cells, replace=False).tolist():
        architecture = space.at(index)
        cell, digest = space.cell(architecture), space.hash(architecture)
        matrix = "".join(map(str, cell.matrix.ravel()))
        parameters = int(rng.integers(227_274, 49_979_274))
        for epochs in BUDGETS:
            for _ in range(3):
                seconds = kind(rng.random() * epochs * 10)
                accuracies = [float(kind(n / 9984)) for n in rng.integers(900, 9985, 9).tolist()]
                evaluations = [
                    [
                        part * epochs / 2,
                        float(kind(seconds * part / 2)),
                        *accuracies[3 * part :][:3],
                    ]
                    for part in range(3)
                ]
                total = float(kind(seconds * 1.25))
                made.append(
                    Record(
                        digest, epochs, matrix, ",".join(cell.ops), evaluations, parameters, total
                    )
                )
    rng.shuffle(made)  # type: ignore[arg-type]
    return made


def write(path: Path, payloads: list[bytes]) -> Path:
    path.write_bytes(b"".join(map(frame, payloads)))
    return path


def assert_equal(path: Path, written: list[Record]) -> None:
    """Compare every number of a table with the records that it was made of."""
    table = open_table(path)
    table.verify()
    seen: dict[tuple[str, int], int] = {}
    columns = {
        (name, halfway, epochs): table.values(name, epochs=epochs, repeat="all", halfway=halfway)
        for name in QUANTITIES
        for halfway in (False, True)
        for epochs in table.epochs
    }
    totals = {
        epochs: table.values("total_seconds", epochs=epochs, repeat="all")
        for epochs in table.epochs
    }
    parameters = table.values("parameters")
    rows = {digest: table.row(digest) for digest in {record.digest for record in written}}
    for record in written:
        row, key = rows[record.digest], (record.digest, record.epochs)
        repeat = seen.get(key, 0)
        seen[key] = repeat + 1
        for name, place in zip(QUANTITIES, range(1, 5), strict=True):
            for halfway in (False, True):
                number = columns[name, halfway, record.epochs][row, repeat]
                assert number == record.evaluations[1 if halfway else 2][place]
        assert totals[record.epochs][row, repeat] == record.seconds
        assert parameters[row] == record.parameters
    assert len(table) == len(rows)


@pytest.mark.parametrize("exact_in_float32", [True, False])
def test_every_number_of_a_converted_file_is_the_written_one(
    tmp_path: Path, exact_in_float32: bool
) -> None:
    written = records(200, seed=1, exact_in_float32=exact_in_float32)
    path = write(tmp_path / "some.tfrecord", [record.payload() for record in written])
    told: list[tuple[int, int]] = []
    table = convert(path, progress=lambda done, total: told.append((done, total)))
    assert table == tmp_path / "some.tfrecord.table"
    assert_equal(table, written)
    assert told[-1] == (path.stat().st_size, path.stat().st_size)
    header = open_table(table).header
    assert header["provenance"]["sources"][0]["size_bytes"] == path.stat().st_size
    assert header["domain"] == "200 of the 423,624 cells"


@pytest.mark.slow
def test_every_number_of_a_large_file_is_the_written_one(tmp_path: Path) -> None:
    written = records(5_000, seed=2)
    path = write(tmp_path / "some.tfrecord", [record.payload() for record in written])
    assert_equal(convert(path), written)


def test_every_architecture_of_the_table_is_the_one_that_was_written(tmp_path: Path) -> None:
    written = records(30, seed=3)
    table = open_table(convert(write(tmp_path / "a.tfrecord", [r.payload() for r in written])))
    space = nasbench101()
    for record in written:
        size = len(record.labels.split(","))
        matrix = np.array(list(map(int, record.matrix))).reshape(size, size)
        architecture = space.of_cell(matrix, record.labels.split(","))
        assert table.row(architecture) == table.row(record.digest)


def test_missing_repeats_are_missing_and_budgets_are_those_of_the_file(tmp_path: Path) -> None:
    written = [record for record in records(3, seed=4) if record.epochs == 108][:-2]
    path = write(tmp_path / "only108.tfrecord", [record.payload() for record in written])
    table = open_table(convert(path))
    assert table.epochs == (108,)
    values = table.values("val_accuracy", repeat="all")
    assert values.shape == (3, 3)
    assert np.isnan(values).sum() == 2
    assert "2 of 9 trainings are missing: NaN" in table.header["notes"]


def test_unusual_layouts_say_the_same(tmp_path: Path) -> None:
    usual = records(2, seed=5)
    wrapped = [
        record.payload(metrics=base64.encodebytes(record.message).decode()) for record in usual
    ]
    compact = [json.dumps(json.loads(r.payload()), separators=(",", ":")).encode() for r in usual]
    spaced = [json.dumps(json.loads(r.payload()), indent=1).encode() for r in usual]
    for name, payloads in (("wrapped", wrapped), ("compact", compact), ("spaced", spaced)):
        assert_equal(convert(write(tmp_path / f"{name}.tfrecord", payloads)), usual)


def test_unusual_messages_are_walked_field_by_field(tmp_path: Path) -> None:
    usual, payloads = records(2, seed=6), []
    for number, record in enumerate(usual):
        path = b"\x32\x04/tmp"  # 6: the checkpoint path
        parts = [metrics([one], 0, 0.0)[2:47] + path for one in record.evaluations]
        body = b"".join(b"\x0a" + bytes([len(part)]) + part for part in parts)
        tail = b"\x19" + struct.pack("<d", record.seconds)
        count = metrics([], record.parameters, 0.0)[:-9]
        unknown = b"\x38\x07"  # 7: not known
        order = [body, count, tail, unknown] if number % 2 else [tail, unknown, count, body]
        payloads.append(record.payload(metrics=base64.b64encode(b"".join(order)).decode()))
    assert_equal(convert(write(tmp_path / "a.tfrecord", payloads)), usual)


def test_doubles_that_are_missing_are_zero(tmp_path: Path) -> None:
    record = records(1, seed=7)[0]
    body = metrics([[108.0, 5.0, 0.5]] * 3, 5, 1.0)
    path = write(tmp_path / "a.tfrecord", [record.payload(metrics=base64.b64encode(body).decode())])
    query = open_table(convert(path)).query(0, repeat=0)
    assert (query.metrics["train_accuracy"], query.metrics["test_accuracy"]) == (0.5, 0.0)


Change = Callable[[Record], bytes]


def with_metrics(change: Callable[[bytes], bytes]) -> Change:
    return lambda r: r.payload(metrics=base64.b64encode(change(r.message)).decode())


def with_evaluation(**values: float) -> Change:
    def changed(record: Record) -> bytes:
        rows = [list(row) for row in record.evaluations]
        for place, value in values.items():
            rows[int(place[1])][int(place[3])] = value
        body = metrics(rows, record.parameters, record.seconds)
        return record.payload(metrics=base64.b64encode(body).decode())

    return changed


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        (lambda r: r.payload()[:-1], "JSON", "expected a JSON array, got '.*Expecting"),
        (lambda r: b"\xff" + r.payload(), "JSON", "expected a JSON array"),
        (lambda r: b"{}", "JSON", "expected an array of 5 elements, got dict"),
        (lambda r: b"[1, 2]", "JSON", "expected an array of 5 elements, got 2 elements"),
        (lambda r: r.payload(epochs="108"), "epochs", "expected an integer, got '108'"),
        (lambda r: r.payload(epochs=50), "epochs", "expected one of 4, 12, 36, 108, got 50"),
        (lambda r: r.payload(hash=7), "hash", "expected ASCII text, got 7"),
        (lambda r: r.payload(hash="xyz"), "hash", "expected 32 hexadecimal digits, got 'xyz'"),
        (lambda r: r.payload(hash="0" * 32), "hash", r"the hash of the record's cell, got 0{32}"),
        (lambda r: r.payload(matrix="01" * 5), "matrix", r"expected \d x \d digits 0 or 1"),
        (lambda r: r.payload(matrix="2" + r.matrix[1:]), "matrix", r"expected \d x \d digits"),
        (lambda r: r.payload(matrix=r.matrix[::-1]), "matrix and labels", "upper triangular"),
        (lambda r: r.payload(matrix="0" * len(r.matrix)), "matrix and labels", "disconnected"),
        (
            lambda r: r.payload(labels=r.labels.replace("output", "outputs")),
            "matrix and labels",
            "the last operation of a cell must be 'output'; got 'outputs'",
        ),
        (
            lambda r: r.payload(labels=r.labels.replace(",", ",conv5x5-bn-relu,", 1)),
            "matrix",
            r"expected \d x \d digits 0 or 1 for the labels",
        ),
        (lambda r: r.payload(metrics="*" + "A" * 11), "metrics", "expected base64, got"),
        (lambda r: r.payload(metrics="A" * 13), "metrics", r"expected base64, got .*13 characters"),
        (with_metrics(lambda m: m[:-3]), "metrics", "byte 146 .*expected 8 bytes for field 3, got"),
        (with_metrics(lambda m: m[47:]), "metrics", "expected 3 evaluations in it, got 2"),
        (with_metrics(lambda m: b"\x0b" + m), "metrics", "byte 0 .*expected wire type"),
        (with_metrics(lambda m: m + b"\x18\x01"), "metrics", "field 3 to be a double"),
        (with_metrics(lambda m: m + b"\x10" + b"\xff" * 9 + b"\x01"), "metrics", "below 2\\*\\*31"),
        (with_metrics(lambda m: m[:2] + b"\x08" + m[3:]), "metrics", r"byte \d+ of the message"),
        (with_evaluation(_2_3=1.5), "metrics, final val_accuracy", "expected a fraction, got 1.5"),
        (with_evaluation(_1_2=-0.1), "metrics, halfway train_accuracy", "a fraction, got -0.1"),
        (with_evaluation(_2_4=float("nan")), "metrics, final test_accuracy", "fraction, got nan"),
        (with_evaluation(_2_1=-1.0), "metrics, final training_seconds", "expected seconds"),
        (
            lambda r: r.payload(
                metrics=base64.b64encode(metrics(r.evaluations, r.parameters, -2.0)).decode()
            ),
            "metrics, total_time",
            "expected seconds, got -2.0",
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_record_byte_and_field(
    tmp_path: Path, change: Change, field: str, message: str
) -> None:
    first, second = (records(1, seed=seed)[0] for seed in (8, 9))
    path = write(tmp_path / "some.tfrecord", [first.payload(), change(second)])
    place = f"some.tfrecord, record 1 at byte {len(first.payload()) + 16}, field {field}: "
    with pytest.raises(FormatError, match=f"{place}.*{message}"):
        convert(path)
    assert [file.name for file in tmp_path.iterdir()] == ["some.tfrecord"]


def test_records_that_contradict_an_earlier_one_are_refused(tmp_path: Path) -> None:
    first, second = (record for record in records(1, seed=10) if record.epochs == 4) and (
        records(1, seed=10)[:2]
    )
    size = len(first.labels.split(","))
    other = "0" * size**2
    for changed, message in (
        (second.payload(matrix=other), r"field matrix: expected '.*' as in record 0 at byte 0"),
        (second.payload(labels="input,output"), "field labels: expected"),
        (
            second.payload(
                metrics=base64.b64encode(metrics(second.evaluations, 5, second.seconds)).decode()
            ),
            "field metrics, trainable_parameters: expected .* as in the other records .* got 5",
        ),
    ):
        path = write(tmp_path / "some.tfrecord", [first.payload(), changed])
        with pytest.raises(FormatError, match=f"record 1 at byte .*{message}"):
            convert(path)


def test_a_fourth_repeat_is_refused(tmp_path: Path) -> None:
    record = records(1, seed=11)[0]
    path = write(tmp_path / "some.tfrecord", [record.payload()] * 4)
    with pytest.raises(
        FormatError, match=rf"record 3 at byte .*field epochs: expected at most 3 records of "
        rf"the cell {record.digest} at {record.epochs} epochs"
    ):  # fmt: skip
        convert(path)


def corrupted(payloads: list[bytes], rng: random.Random) -> bytes:
    """Return the bytes of a file with one random defect."""
    frames = [frame(payload) for payload in payloads]
    victim = rng.randrange(len(frames))
    kind = rng.choice(["flip", "cut", "length", "base64", "protobuf", "JSON", "hash"])
    if kind == "flip":
        data = bytearray(b"".join(frames))
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        return bytes(data)
    if kind == "cut":
        whole = b"".join(frames)
        ends = {sum(map(len, frames[:n])) for n in range(len(frames) + 1)}
        return whole[: rng.choice([n for n in range(1, len(whole)) if n not in ends])]
    payload = json.loads(payloads[victim])
    if kind == "length":
        frames[victim] = struct.pack("<Q", rng.randrange(1 << 40)) + frames[victim][8:]
    elif kind == "base64":
        place = rng.randrange(len(payload[4]))
        wrong = rng.choice([sign for sign in "*!? =," if sign != payload[4][place]])
        payload[4] = payload[4][:place] + wrong + payload[4][place + 1 :]
        frames[victim] = frame(json.dumps(payload).encode())
    elif kind == "protobuf":
        message = bytearray(binascii.a2b_base64(payload[4]))
        tags = [47 * part + 2 + 9 * field for part in range(3) for field in range(5)]
        place = rng.choice([0, 1, 47, 48, 94, 95, *tags])
        message[place] ^= 1 << rng.randrange(3)  # another wire type, length or field
        payload[4] = base64.b64encode(message[: rng.randrange(20, len(message))]).decode()
        frames[victim] = frame(json.dumps(payload).encode())
    elif kind == "JSON":
        text = payloads[victim]
        place = rng.choice([n for n, byte in enumerate(text) if byte in b'[]"'])
        frames[victim] = frame(text[:place] + rng.choice([b"", b"{"]) + text[place + 1 :])
    else:
        place = rng.randrange(32)
        digit = rng.choice([d for d in "0123456789abcdef" if d != payload[0][place]])
        payload[0] = payload[0][:place] + digit + payload[0][place + 1 :]
        frames[victim] = frame(json.dumps(payload).encode())
    return b"".join(frames)


def test_200_random_corruptions_are_each_told_with_record_and_byte(tmp_path: Path) -> None:
    payloads = [record.payload() for record in records(4, seed=12)]
    rng = random.Random(13)
    path = tmp_path / "some.tfrecord"
    for _ in range(200):
        path.write_bytes(corrupted(payloads, rng))
        with pytest.raises(FormatError, match=r"some\.tfrecord, record \d+ at byte \d+"):
            convert(path, benchmark="nasbench101")
        assert [file.name for file in tmp_path.iterdir()] == ["some.tfrecord"]


def test_without_strictness_a_damaged_payload_is_read_as_far_as_it_makes_sense(
    tmp_path: Path,
) -> None:
    payload = records(1, seed=14)[0].payload()
    data = bytearray(frame(payload))
    data[-1] ^= 1
    path = tmp_path / "some.tfrecord"
    path.write_bytes(bytes(data))
    with pytest.raises(FormatError, match="record 0 at byte 0, field payload"):
        convert(path)
    assert len(open_table(convert(path, strict=False))) == 1


def test_a_whole_file_must_have_the_published_hashes() -> None:
    cells = Cells(nasbench101(max_vertices=3))
    for digest in hashes_of(nasbench101(max_vertices=3)).tolist():
        cells.known[digest] = None  # type: ignore[assignment]
    assert cells.are_all
    assert not cells.have_published_hashes


def test_whole_files_with_other_hashes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.tfrecord", [record.payload() for record in records(1, seed=15)])
    monkeypatch.setattr(Cells, "are_all", True)
    with pytest.raises(FormatError, match="field hash: expected the 423,624 published hashes"):
        read_nasbench101(path, Reading())


def test_bits_that_the_package_brings_are_those_of_the_hashes() -> None:
    space, rng = nasbench101(), np.random.default_rng(16)
    numbers, bits = published_bits()
    for index in rng.choice(int(space.size), 300, replace=False).tolist():
        architecture = space.at(index)
        place = np.searchsorted(numbers, space.number(architecture.codes))
        assert bits[place] == folded([space.hash(architecture).encode()])[0]


@pytest.mark.slow
def test_bits_that_the_package_brings_are_those_of_all_hashes() -> None:
    space = nasbench101()
    _, bits = published_bits()
    order = np.argsort(space.numbers(space.codes_by_index()))
    assert (folded(hashes_of(space).tolist())[order] == bits).all()
