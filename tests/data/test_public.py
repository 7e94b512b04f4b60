from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import tarfile

import numpy as np
import pytest

from archwright.data import check, load
from archwright.data.binary import parse_cifar, parse_idx
from archwright.data.public import PUBLIC_SETS
from archwright.errors import DataError, EnvironmentProblem

RNG = np.random.default_rng(0)
IDX = ("mnist", "fashion_mnist")
CIFAR = ("cifar10", "cifar100")


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes()
    return head + array.tobytes()


def idx_files(rows=60, test=20):
    files = {}
    for part, count in (("train", rows), ("t10k", test)):
        images = RNG.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels))
    return files


def cifar_batch(rows, label_bytes):
    records = RNG.integers(0, 256, (rows, label_bytes + 3072)).astype(np.uint8)
    records[:, label_bytes - 1] = np.arange(rows) % 10
    return records.tobytes()


def cifar_members(name):
    if name == "cifar10":
        train = {f"data_batch_{i}.bin": cifar_batch(20, 1) for i in range(1, 6)}
        return "cifar-10-batches-bin", {**train, "test_batch.bin": cifar_batch(30, 1)}
    names = "\n".join(f"thing_{i}" for i in range(100)) + "\n"
    members = {"train.bin": cifar_batch(100, 2), "test.bin": cifar_batch(30, 2)}
    return "cifar-100-binary", {**members, "fine_label_names.txt": names.encode()}


def cifar_files(name):
    folder, members = cifar_members(name)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for member, content in members.items():
            info = tarfile.TarInfo(f"{folder}/{member}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return {PUBLIC_SETS[name].files[0].name: packed.getvalue()}


def files_of(name):
    return idx_files() if name in IDX else cifar_files(name)


def publish(monkeypatch, name, files, base):
    """Let a set be the given files, with their checksums, at an address of this machine."""
    known = PUBLIC_SETS[name]
    remote = tuple(
        dataclasses.replace(
            file,
            md5=hashlib.md5(files[file.name], usedforsecurity=False).hexdigest(),
            urls=(base + file.name,),
        )
        for file in known.files
    )
    monkeypatch.setitem(PUBLIC_SETS, name, dataclasses.replace(known, files=remote))


@pytest.fixture
def offline(monkeypatch):
    for name, known in list(PUBLIC_SETS.items()):
        nowhere = tuple(
            dataclasses.replace(file, urls=("http://127.0.0.1:1/" + file.name,))
            for file in known.files
        )
        monkeypatch.setitem(PUBLIC_SETS, name, dataclasses.replace(known, files=nowhere))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("archwright.data.download._ATTEMPTS", 1)


@pytest.mark.parametrize("name", [*IDX, *CIFAR])
def test_download_then_cache(name, serve, monkeypatch, tmp_path):
    files = files_of(name)
    server = serve(files)
    server.broken = {next(iter(files)): 1}
    publish(monkeypatch, name, files, server.base)
    monkeypatch.setenv("ARCHWRIGHT_DATA", str(tmp_path))
    told = []
    dataset = load(name, progress=lambda *state: told.append(state))
    assert {state[0] for state in told} == set(files)
    asked = len(server.requests)
    assert asked == len(files) + 1
    again = load(name)
    assert len(server.requests) == asked
    assert dict(again.hashes) == dict(dataset.hashes)
    assert sorted(path.name for path in (tmp_path / name).iterdir()) == sorted(files)
    rows = {part: len(numbers) for part, numbers in dataset.rows.items()}
    if name in IDX:
        assert dataset.input_shape == (1, 28, 28)
        assert rows == {"train": 48, "validation": 12, "test": 20}
    else:
        assert dataset.input_shape == (3, 32, 32)
        assert rows == {"train": 80, "validation": 20, "test": 30}
    assert dataset.task.outputs == (100 if name == "cifar100" else 10)


def test_class_names(offline, tmp_path):
    for name in ("fashion_mnist", "cifar100", "cifar10"):
        (tmp_path / name).mkdir()
        for file, content in files_of(name).items():
            (tmp_path / name / file).write_bytes(content)
    assert load("fashion_mnist", data_dir=tmp_path).task.class_names[-1] == "Ankle boot"
    assert load("cifar100", data_dir=tmp_path).task.class_names[99] == "thing_99"
    assert load("cifar10", data_dir=tmp_path).task.class_names[0] == "airplane"


@pytest.mark.parametrize("place", ["", "mnist", "MNIST/raw"])
def test_files_at_hand_need_no_network(offline, tmp_path, place):
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    files = idx_files()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    dataset = load("mnist", data_dir=tmp_path)
    assert len(dataset.test) == 20
    assert "train-images-idx3-ubyte.gz is not the published file of mnist (MD5 " in dataset.notes[0]
    images = parse_idx(gzip.decompress(files["t10k-images-idx3-ubyte.gz"]), "x")
    assert np.allclose(dataset.preprocessing.transform(images), dataset.test.inputs)


def test_unpacked_files(offline, tmp_path):
    for name, content in idx_files().items():
        (tmp_path / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))
    assert len(load("mnist", data_dir=str(tmp_path)).test) == 20
    folder, members = cifar_members("cifar10")
    (tmp_path / folder).mkdir()
    for name, content in members.items():
        (tmp_path / folder / name).write_bytes(content)
    assert len(load("cifar10", data_dir=tmp_path).test) == 30


def test_files_of_another_set_are_not_taken(offline, monkeypatch, tmp_path):
    files = idx_files()
    publish(monkeypatch, "fashion_mnist", files, "http://127.0.0.1:1/")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert len(load("fashion_mnist", data_dir=tmp_path).test) == 20
    with pytest.raises(EnvironmentProblem, match=r"cannot download train-images-idx3-ubyte\.gz"):
        load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("name", [*IDX, *CIFAR])
def test_no_network(name, offline, tmp_path):
    with pytest.raises(EnvironmentProblem) as raised:
        load(name, data_dir=tmp_path)
    message = str(raised.value)
    assert "--data-dir" in message
    for file in PUBLIC_SETS[name].files:
        assert file.name in message
    with pytest.raises(EnvironmentProblem, match="or connect to the network"):
        check(name, data_dir=tmp_path)


def test_wrong_checksum_names_both(serve, monkeypatch, tmp_path):
    files = idx_files()
    server = serve(dict(files))
    publish(monkeypatch, "mnist", files, server.base)
    server.files["t10k-images-idx3-ubyte.gz"] = b"rubbish"
    expected = PUBLIC_SETS["mnist"].files[2].md5
    got = hashlib.md5(b"rubbish", usedforsecurity=False).hexdigest()
    with pytest.raises(EnvironmentProblem, match=f"expected MD5 {expected}, got {got}"):
        load("mnist", data_dir=tmp_path)
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"starts with '', expected '00 00 08'"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01x", "starts with '00 00 0d 01', expected '00 00 08'"),
        (
            idx(np.zeros((3, 2, 2), np.uint8))[:-1],
            r"11 values, expected 12 for the shape \(3, 2, 2",
        ),
        (idx(np.zeros((3, 2, 2), np.uint8))[:9], "has 9 bytes, expected 16 before any value"),
    ],
)
def test_damaged_idx(content, message):
    with pytest.raises(DataError, match=message):
        parse_idx(content, "file")


def test_damaged_files_are_named(offline, tmp_path):
    for name, content in idx_files().items():
        (tmp_path / name).write_bytes(content)
    images = tmp_path / "train-images-idx3-ubyte.gz"
    whole = images.read_bytes()
    images.write_bytes(whole[:-20])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: is not a whole gzip file"):
        load("mnist", data_dir=tmp_path)
    images.write_bytes(gzip.compress(idx(np.zeros((5, 28, 28), np.uint8))))
    with pytest.raises(DataError, match=r"have shapes \(5, 28, 28\) and \(60,\), expected"):
        load("mnist", data_dir=tmp_path)


def test_damaged_cifar(offline, tmp_path):
    with pytest.raises(DataError, match="x: has 10 bytes, expected a multiple of 3073"):
        parse_cifar(b"0123456789", "x", label_bytes=1)
    (name, content), *_ = cifar_files("cifar10").items()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"is not a whole tar\.gz archive"):
        load("cifar10", data_dir=tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / "cifar-10-batches-bin").mkdir()
    with pytest.raises(DataError, match=r"cifar-10-batches-bin: has no data_batch_1\.bin"):
        load("cifar10", data_dir=tmp_path)


def test_fine_labels_of_cifar100():
    images, labels = parse_cifar(cifar_batch(12, 2), "x", label_bytes=2)
    assert images.shape == (12, 3, 32, 32)
    assert labels.tolist() == [i % 10 for i in range(12)]


def test_published_checksums_are_whole():
    for known in PUBLIC_SETS.values():
        for file in known.files:
            assert len(file.md5) == 32
            assert int(file.md5, 16) > 0
            assert all(url.endswith(file.name) for url in file.urls)
