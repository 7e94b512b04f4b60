"""Which rows are for training, which for validation, and which are kept for the end."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from archwright.seeding import generator

__all__ = ["rows_needed", "split_rows"]

Rows = NDArray[np.int64]


def rows_needed(*, test: float) -> int:
    """Return how many rows a class must have to be in every split."""
    return 3 if test > 0 else 2


def split_rows(
    count: int, codes: NDArray[np.integer] | None, *, validation: float, test: float, seed: int
) -> dict[str, Rows]:
    """Deal row numbers into "train", "validation" and "test", each sorted.

    A function of its arguments alone: the same in every process. The test rows are those of
    scikit-learn's `train_test_split(..., test_size=test, random_state=seed, stratify=classes)`,
    so that others can be compared on them; the validation rows are split off the rest in the same
    way. Where that would leave a split without a class, every class is dealt by itself instead:
    in proportion, and at least one row to each split.

    Args:
        count: Number of rows.
        codes: `(count,)` class of each row; `None` for a plain random split.
        validation: Fraction of all rows, in (0, 1).
        test: Fraction of all rows, in [0, 1); 0 leaves that split empty.
        seed: Which rows go where.
    """
    parts = _stratified(np.arange(count), codes, validation=validation, test=test, seed=seed)
    classes = np.zeros(count, np.int64) if codes is None else np.asarray(codes)
    if not _complete(parts, classes, test=test):
        parts = _by_class(classes, validation=validation, test=test, seed=seed)
    return {name: np.sort(rows) for name, rows in parts.items()}


def _stratified(
    rows: Rows, codes: NDArray[np.integer] | None, *, validation: float, test: float, seed: int
) -> dict[str, Rows]:
    from sklearn.model_selection import train_test_split

    def split(rows: Rows, share: float | int) -> tuple[Rows, Rows]:
        classes = None if codes is None else np.asarray(codes)[rows]
        kept, taken = train_test_split(
            rows, test_size=share, random_state=seed % 2**32, stratify=classes
        )
        return kept, taken

    total, parts = len(rows), {"test": rows[:0]}
    try:
        if test > 0:
            rows, parts["test"] = split(rows, test)
        parts["train"], parts["validation"] = split(rows, max(1, round(validation * total)))
    except ValueError:
        return {}  # a class is too rare, or a split too small: `_by_class` deals it
    return parts


def _complete(parts: dict[str, Rows], codes: NDArray[np.integer], *, test: float) -> bool:
    """Return whether each split has each class."""
    classes = len(np.unique(codes))
    needed = ("train", "validation", "test") if test > 0 else ("train", "validation")
    return bool(parts) and all(len(np.unique(codes[parts[name]])) == classes for name in needed)


def _by_class(
    codes: NDArray[np.integer], *, validation: float, test: float, seed: int
) -> dict[str, Rows]:
    order = np.argsort(generator(seed, "data", "split").random(len(codes)), kind="stable")
    in_order = codes[order]
    by_class = order[np.argsort(in_order, kind="stable")]
    groups: Sequence[Rows] = np.split(by_class, np.flatnonzero(np.diff(np.sort(in_order))) + 1)
    sizes = np.array([len(group) for group in groups])
    at_test = _shares(sizes, test, sizes - rows_needed(test=test) + 1)
    at_validation = at_test + _shares(sizes, validation, sizes - at_test - 1)
    parts: dict[str, list[Rows]] = {"train": [], "validation": [], "test": []}
    for group, first, second in zip(groups, at_test, at_validation, strict=True):
        parts["test"].append(group[:first])
        parts["validation"].append(group[first:second])
        parts["train"].append(group[second:])
    return {name: np.concatenate(rows) for name, rows in parts.items()}


def _shares(sizes: Rows, fraction: float, most: Rows) -> Rows:
    """Give each group its share, whole rows, between 1 and `most`, summing to the rounded total.

    Largest remainders get the rows that rounding down leaves over.
    """
    if fraction == 0:
        return np.zeros_like(sizes)
    exact = sizes * fraction
    shares: Rows = np.clip(np.floor(exact).astype(np.int64), 1, np.maximum(most, 1))
    missing = round(float(exact.sum())) - int(shares.sum())
    for index in np.argsort(shares - exact, kind="stable")[: max(missing, 0)]:
        shares[index] += shares[index] < most[index]
    return shares
