"""Array views of architectures, for predictors and tables.

* ordinal: one column per slot, the code itself (a real's value); closed decisions are 0. Exact,
  and `decode` is its inverse.
* one-hot: a choice has a column of 0 or 1 per option and a subset one per option; an integer, a
  real and a list's length have one column in [0, 1] (logarithmic where the real is), and those
  that can be closed a further column "PATH is open". A closed decision is 0 everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archwright.errors import SpaceError, UnknownNameError
from archwright.space._nodes import Slot
from archwright.space._program import Program
from archwright.space.decisions import Choice, Real

__all__ = ["KINDS", "decode", "encode", "feature_names"]

KINDS = ("ordinal", "one-hot")


def encode(
    program: Program, rows: Sequence[tuple[int | float, ...]] | np.ndarray, kind: str
) -> np.ndarray:
    """Return `(architectures, features)` float64.

    Raises:
        UnknownNameError: If `kind` is not one of `KINDS`.
    """
    _check(kind)
    codes = np.array(rows, dtype=np.float64).reshape(len(rows), program.width)
    if kind == "ordinal":
        return codes
    blocks = []
    for index, slot in enumerate(program.slots):
        is_open = _open(program, index, codes)
        block = _columns(slot, codes[:, index]) * is_open[:, None]
        if program.closure[index] and not _is_flags(slot):
            block = np.column_stack([block, is_open])
        blocks.append(block)
    return np.hstack(blocks)  # (architectures, features)


def feature_names(program: Program, kind: str) -> tuple[str, ...]:
    """Return the name of each column of `encode`.

    Raises:
        UnknownNameError: If `kind` is not one of `KINDS`.
    """
    _check(kind)
    if kind == "ordinal":
        return tuple(slot.path for slot in program.slots)
    names: list[str] = []
    for index, slot in enumerate(program.slots):
        if isinstance(slot.decision, Choice):
            names += [f"{slot.path}={option}" for option in slot.decision.options]
            continue
        names.append(slot.path)
        if program.closure[index] and not _is_flags(slot):
            names.append(f"{slot.path} is open")
    return tuple(names)


def decode(program: Program, array: np.ndarray) -> list[list[int | float]]:
    """Return codes for ordinal rows, each number rounded to the nearest code.

    Raises:
        SpaceError: If the array has another shape or holds what is not finite.
    """
    rows = np.asarray(array, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] != program.width:
        raise SpaceError(
            f"an ordinal array must have the shape (architectures, {program.width}); "
            f"got {rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise SpaceError("an ordinal array must be finite; got NaN or an infinity")
    columns = [
        rows[:, index].tolist()
        if slot.size is None
        else np.rint(rows[:, index]).astype(int).tolist()
        for index, slot in enumerate(program.slots)
    ]
    return [list(row) for row in zip(*columns, strict=True)]


def _check(kind: str) -> None:
    if kind not in KINDS:
        raise UnknownNameError("kind of encoding", kind, KINDS)


def _is_flags(slot: Slot) -> bool:
    return slot.role == "member" or isinstance(slot.decision, Choice)


def _open(program: Program, slot: int, codes: np.ndarray) -> np.ndarray:
    is_open = np.ones(len(codes), dtype=bool)
    for parent, allowed in program.closure[slot]:
        is_open &= np.isin(codes[:, parent], list(allowed))
    return is_open


def _columns(slot: Slot, codes: np.ndarray) -> np.ndarray:
    decision = slot.decision
    if isinstance(decision, Choice):
        return np.asarray(codes[:, None] == np.arange(decision.size), dtype=np.float64)
    if isinstance(decision, Real):
        # Closed rows hold 0, which need not be in the range; they are masked afterwards.
        inside = np.clip(codes, decision.low, decision.high)
        return np.array([decision.unit(code) for code in inside.tolist()]).reshape(-1, 1)
    return codes[:, None] / max((slot.size or 1) - 1, 1)
