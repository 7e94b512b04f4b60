from __future__ import annotations

import bz2
import collections
import contextlib
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archwright.benchmark.unpickling import CONTAINERS, NUMBERS, Numbers, open_bz2, unpickle
from archwright.errors import FormatError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Runs:
    """Would make a folder, if it were unpickled by pickle."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def written(path: Path, value: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_containers_and_numbers_come_back(tmp_path: Path, protocol: int) -> None:
    value = {
        "list": [1, 2.5, None, True, "text", b"bytes"],
        ("a", 1): {1, 2},
        "ordered": collections.OrderedDict(a=1, b=2),
        "default": collections.defaultdict(list, a=[1]),
        "scalars": [np.float64(0.1), np.float32(0.5), np.int64(-7), np.bool_(True)],
        "big": [np.array(2.5, ">f8")[()], np.uint16(65535)],
    }
    found = unpickle(written(tmp_path / "a", value, protocol), NUMBERS)
    assert found == value
    assert [type(number) for number in found["scalars"]] == [float, float, int, bool]
    assert type(found["ordered"]) is dict


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", ["<f8", ">f4", "<i8", "|b1", "|u1"])
def test_arrays_of_numbers_come_back(tmp_path: Path, protocol: int, kind: str) -> None:
    array = np.arange(6).reshape(2, 3).astype(kind)
    for given in (array, np.asfortranarray(array)):
        found = unpickle(written(tmp_path / "a", [given], protocol), NUMBERS)[0]
        assert isinstance(found, Numbers)
        assert (found.values == array).all()
        assert found.values.dtype == array.dtype


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_pickle_that_would_run_code_does_not(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "made"
    path = written(tmp_path / "bad.pickle", {"a": 1.5, "b": [Runs(target)]}, protocol)
    data = path.read_bytes()
    name = os.mkdir.__module__
    byte = (
        data.index(b"mkdir") + len("mkdir") + 1  # behind the text and its MEMOIZE
        if protocol >= 4
        else data.index(b"c" + name.encode() + b"\nmkdir")
    )
    with pytest.raises(
        FormatError, match=rf"bad.pickle, byte {byte} of the pickle: .* got {name}\.mkdir, which"
    ):
        unpickle(path, NUMBERS)
    assert not target.exists()
    pickle.loads(data)  # so it would have
    assert target.exists()


@pytest.mark.parametrize(
    "name",
    [
        ("builtins", "eval"),
        ("builtins", "getattr"),
        ("os", "system"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "scalar.__class__"),
        ("collections", "OrderedDict.__init__"),
        ("archwright.benchmark.unpickling", "unpickle"),
    ],
)
def test_names_outside_the_list_are_refused(tmp_path: Path, name: tuple[str, str]) -> None:
    path = tmp_path / "a"
    texts = b"".join(b"\x8c" + bytes([len(text)]) + text.encode() for text in name)
    path.write_bytes(b"\x80\x04" + texts + b"\x93.")
    with pytest.raises(FormatError, match=f"byte {2 + len(texts)} of the pickle: .*this format"):
        unpickle(path, NUMBERS)


def test_the_message_lists_what_is_allowed(tmp_path: Path) -> None:
    path = written(tmp_path / "a", Path("x"))
    with pytest.raises(FormatError, match=r"may name builtins.list, .*got pathlib"):
        unpickle(path, CONTAINERS)
    with pytest.raises(FormatError, match="may name nothing; got pathlib"):
        unpickle(path, {})


def test_numpy_types_of_other_things_than_numbers_are_refused(tmp_path: Path) -> None:
    objects = np.array([None, Runs(tmp_path / "made")], dtype=object)
    path = written(tmp_path / "a", objects[:1])
    with pytest.raises(FormatError, match="expected a number type, got 'O8'"):
        unpickle(path, NUMBERS)
    records = np.zeros(1, [("a", "<f8")])
    with pytest.raises(FormatError, match="expected a number type, got 'V8'"):
        unpickle(written(tmp_path / "a", records), NUMBERS)


def test_types_with_a_strange_state_are_refused(tmp_path: Path) -> None:
    body = b"\x80\x02cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R"
    for state in (
        b"(K\x03U\x01<NU\x01xNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00t",
        b"(K\x03U\x01?NNNt",
    ):
        (tmp_path / "a").write_bytes(body + state + b"b.")
        with pytest.raises(FormatError, match="expected a plain number type, got the state"):
            unpickle(tmp_path / "a", NUMBERS)


def test_bytes_in_an_unexpected_encoding_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"c_codecs\nencode\n(Vx\nVrot13\ntR.")
    with pytest.raises(FormatError, match="expected bytes as latin1, got 'rot13'"):
        unpickle(tmp_path / "a", NUMBERS)


@pytest.mark.parametrize(
    ("scalar", "message"),
    [
        (b"Vf8\n", "expected a number type, got 'f8'"),
        (b"cnumpy\ndtype\n(Vf8\ntR", "expected bytes, got str"),
    ],
)
def test_scalars_of_something_else_are_refused(tmp_path: Path, scalar: bytes, message: str) -> None:
    (tmp_path / "a").write_bytes(b"cnumpy.core.multiarray\nscalar\n(" + scalar + b"Vxxxxxxxx\ntR.")
    with pytest.raises(FormatError, match=message):
        unpickle(tmp_path / "a", NUMBERS)


def test_persistent_identifiers_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"Psomething\n.")
    with pytest.raises(FormatError, match="unexpected persistent identifier 'something'"):
        unpickle(tmp_path / "a", NUMBERS)


def test_damaged_pickles_are_refused_wherever_they_are_cut(tmp_path: Path) -> None:
    data = pickle.dumps({"a": [1.5, np.float64(2)], "b": collections.OrderedDict(c="d")}, 4)
    for length in range(len(data)):
        (tmp_path / "a").write_bytes(data[:length])
        with pytest.raises(FormatError, match=r"of the pickle: .*the file is damaged"):
            unpickle(tmp_path / "a", NUMBERS)


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    value = {"a": [1.5, np.float64(2)], "b": collections.OrderedDict(c="d"), "e": np.arange(3)}
    for protocol in PROTOCOLS:
        data = np.frombuffer(pickle.dumps(value, protocol), np.uint8)
        for _ in range(150):
            changed = data.copy()
            changed[rng.integers(len(data), size=2)] = rng.integers(256, size=2)
            (tmp_path / "a").write_bytes(changed.tobytes())
            with contextlib.suppress(FormatError):  # damage in a number is not noticed
                unpickle(tmp_path / "a", NUMBERS, limit_bytes=1 << 20)


def test_packed_pickles_are_bounded_by_their_unpacked_length(tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bz2.compress(pickle.dumps(b"\0" * 5_000_000, 4)))
    assert path.stat().st_size < 1000
    with pytest.raises(
        FormatError, match="bomb, byte 1000000 unpacked: expected at most 1000000 bytes"
    ):
        unpickle(path, NUMBERS, opener=open_bz2, limit_bytes=1_000_000)
    assert unpickle(path, NUMBERS, opener=open_bz2) == b"\0" * 5_000_000


def test_damaged_packing_is_refused(tmp_path: Path) -> None:
    data = bz2.compress(pickle.dumps(list(range(10_000)), 4))
    for changed in (data[:-100], data[:200] + b"\0" * 50 + data[250:], b"no bz2", b""):
        (tmp_path / "a").write_bytes(changed)
        with pytest.raises(FormatError, match=r"pickle: .*the file is damaged"):
            unpickle(tmp_path / "a", NUMBERS, opener=open_bz2)


def test_a_forbidden_name_in_a_packed_pickle_has_its_unpacked_place(tmp_path: Path) -> None:
    data = pickle.dumps([*range(3000), Path("x")], 4)
    (tmp_path / "a").write_bytes(bz2.compress(data))
    with pytest.raises(FormatError, match=r"byte (\d+) of the pickle") as caught:
        unpickle(tmp_path / "a", NUMBERS, opener=open_bz2)
    byte = int(str(caught.value).partition("byte ")[2].split()[0])
    assert data[byte : byte + 1] == pickle.STACK_GLOBAL
