from __future__ import annotations

import collections
import pickle
import pickletools
import struct
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmark.pickle_steps import StepError, check_steps
from archwright.benchmark.unpickling import NUMBERS, unpickle
from archwright.errors import FormatError

VALUE = {
    "text": ["x" * length for length in (0, 1, 255, 256, 300, 70_000)],
    "bytes": [b"y" * length for length in (0, 1, 255, 256, 70_000)],
    "numbers": [0, 255, 70_000, -1, 1 << 40, -(1 << 3000), 1.5, True, None],
    "containers": [(), (1,), (1, 2, 3, 4), {1, 2}, frozenset({3}), collections.OrderedDict(a=1)],
    "more": [bytearray(b"z" * 300), np.arange(100.0), np.float64(1), "\n'\"\\"],
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_steps_of_real_pickles_are_known(protocol: int) -> None:
    data = pickle.dumps(VALUE, protocol)
    check_steps(data)
    check_steps(data + b"anything")
    many = pickle.dumps([{"a": n, "b": str(n), "c": n / 3} for n in range(20_000)], protocol)
    check_steps(many)


def test_storing_under_a_huge_number_is_refused_before_it_happens(tmp_path: Path) -> None:
    data = b"(K\x01r" + struct.pack("<I", 1 << 31) + b"."
    with pytest.raises(StepError, match="store under a number below its length, got 2147483648"):
        check_steps(data)
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(FormatError, match=r"a, byte 3 of the pickle: .*got 2147483648; the file"):
        unpickle(tmp_path / "a", NUMBERS)
    check_steps(b"K\x01r" + struct.pack("<I", 1 << 23) + b".")


@pytest.mark.parametrize(
    ("data", "offset", "message"),
    [
        (b"", 0, "it ends without STOP"),
        (b"K\x01", 2, "it ends without STOP"),
        (b"K\x01\xff.", 2, r"expected a step of a pickle, got b'\\xff'"),
        (b"X" + struct.pack("<I", 1000) + b"abc", 0, "expected 1000 bytes behind it"),
        (b"N\x8d" + struct.pack("<Q", 1 << 60) + b"abc", 1, "expected 1152921504606846976 bytes"),
        (b"Vno end of line", 0, "expected a step of a pickle, got b'V'"),
    ],
)
def test_what_is_no_step_is_refused_with_its_byte(data: bytes, offset: int, message: str) -> None:
    with pytest.raises(StepError, match=message) as caught:
        check_steps(data)
    assert caught.value.offset == offset


def test_every_step_that_python_knows_is_covered() -> None:
    widths = {-1: b"\n", -2: b"\0", -3: b"\0" * 4, -4: b"\0" * 4, -5: b"\0" * 8}
    for opcode in pickletools.opcodes:
        size = opcode.arg.n if opcode.arg else 0
        argument = widths[size] if size < 0 else b"\0" * size
        if opcode.name in ("GLOBAL", "INST"):
            argument = b"a\nb\n"
        check_steps(opcode.code.encode("latin1") + argument + b".")
