"""The sets that scikit-learn ships: real data without a download."""

from __future__ import annotations

from typing import Any

import numpy as np

from archwright.data.arrays import raw_from_arrays
from archwright.data.options import LoadOptions
from archwright.data.raw import RawData
from archwright.data.records import Problem

__all__ = ["breast_cancer", "diabetes", "digits", "wine"]


def digits(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """1,797 grey images of 8 x 8 pixels, ten classes."""
    from sklearn.datasets import load_digits

    found = load_digits()
    return raw_from_arrays(
        found.images.astype(np.float32),
        found.target,
        options,
        problems,
        name="digits",
        class_names=[str(name) for name in found.target_names],
    )


def wine(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """178 wines, 13 numeric columns, three classes."""
    from sklearn.datasets import load_wine

    return _table(load_wine(), "wine", options, problems)


def breast_cancer(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """569 tumours, 30 numeric columns, two classes."""
    from sklearn.datasets import load_breast_cancer

    return _table(load_breast_cancer(), "breast_cancer", options, problems)


def diabetes(options: LoadOptions, problems: list[Problem]) -> RawData | None:
    """442 patients, 10 numeric columns, a regression."""
    from sklearn.datasets import load_diabetes

    return _table(load_diabetes(scaled=False), "diabetes", options, problems)


def _table(found: Any, name: str, options: LoadOptions, problems: list[Problem]) -> RawData | None:
    return raw_from_arrays(
        found.data,
        found.target,
        options,
        problems,
        name=name,
        feature_names=list(found.feature_names),
        class_names=[str(n) for n in found.get("target_names", ())],
    )
