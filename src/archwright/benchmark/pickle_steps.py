"""Look over the steps of a pickle before any of them is taken.

A few bytes can make the unpickler fill the memory: by storing something under a number of billions
it grows a table up to there. So the steps are walked first, which needs no more than knowing how
long each is. One regular expression covers all that are short; it is as quick as unpickling.
"""

from __future__ import annotations

import pickletools
import re
from functools import cache

__all__ = ["StepError", "check_steps"]

_LINES = {1: rb"[^\n]*\n", 2: rb"[^\n]*\n[^\n]*\n"}
_SHORT = 256  # bytes; what is longer is skipped step by step
_STORE, _STOP = b"r", b"."  # LONG_BINPUT
_LENGTHS = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}


class StepError(ValueError):
    """A step is not known or not reasonable; `offset` is the byte at which it stands."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


def check_steps(data: bytes) -> None:
    """Check that every step is known and that none stores under a number beyond the length.

    What follows the last step is not looked at.

    Raises:
        StepError: If one is not; says at which byte.
    """
    pattern, position = _pattern(min(255, len(data) >> 24)), 0
    while True:
        match = pattern.match(data, position)
        assert match is not None  # it matches nothing, at least
        position = match.end()
        code = data[position : position + 1]
        if code == _STOP:
            return
        position += _skipped(data, position, code)


def _skipped(data: bytes, position: int, code: bytes) -> int:
    """Return how long a step is that the pattern does not cover."""
    width = _long_steps().get(code)
    if width is None:
        if code == _STORE:
            number = int.from_bytes(data[position + 1 : position + 5], "little")
            what = f"expected to store under a number below its length, got {number}"
        else:
            what = f"expected a step of a pickle, got {code!r}" if code else "it ends without STOP"
        raise StepError(position, what)
    length = int.from_bytes(data[position + 1 : position + 1 + width], "little")
    if position + 1 + width + length > len(data):
        raise StepError(position, f"expected {length} bytes behind it, but it ends")
    return 1 + width + length


@cache
def _pattern(highest: int) -> re.Pattern[bytes]:
    """Return a pattern of any number of short steps.

    Args:
        highest: The highest fourth byte of a number to store under.
    """
    fixed: dict[int, bytes] = {}
    lines: dict[int, bytes] = {}
    lengths: dict[int, bytes] = {}
    for opcode in pickletools.opcodes:
        code, size = opcode.code.encode("latin1"), opcode.arg.n if opcode.arg else 0
        if code in (_STOP, _STORE):
            continue
        if size == pickletools.UP_TO_NEWLINE:
            count = 2 if opcode.name in ("GLOBAL", "INST") else 1
            lines[count] = lines.get(count, b"") + code
        elif size >= 0:
            fixed[size] = fixed.get(size, b"") + code
        elif (width := _LENGTHS[size]) < 8:
            lengths[width] = lengths.get(width, b"") + code
    parts = [_one_of(codes) + b".{%d}" % size for size, codes in fixed.items()]
    parts += [_one_of(codes) + _LINES[count] for count, codes in lines.items()]
    parts += [_one_of(codes) + _short(width) for width, codes in lengths.items()]
    parts.append(_STORE + b".{3}[\\x00-" + re.escape(bytes([highest])) + b"]")
    return re.compile(b"(?:" + b"|".join(parts) + b")*+", re.DOTALL)


def _one_of(codes: bytes) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % code for code in codes) + b"]"


def _short(width: int) -> bytes:
    """Return a pattern of a length in some bytes, and so many bytes behind it."""
    rest = b"\\x00" * (width - 1)
    return b"(?:" + b"|".join(b"\\x%02x%b.{%d}" % (n, rest, n) for n in range(_SHORT)) + b")"


@cache
def _long_steps() -> dict[bytes, int]:
    """Return how many bytes the length takes, by step."""
    return {
        opcode.code.encode("latin1"): _LENGTHS[opcode.arg.n]
        for opcode in pickletools.opcodes
        if opcode.arg and opcode.arg.n in _LENGTHS
    }
