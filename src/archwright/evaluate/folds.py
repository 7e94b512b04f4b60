"""Which rows a candidate is trained and validated on: one hold-out, or several folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import torch

from archwright.data import Dataset, Split
from archwright.errors import EvaluationError

__all__ = ["Fold", "default_folds", "folds_of"]

Fold: TypeAlias = tuple[Split, Split]
"""Rows to train on, rows to validate on."""

_FEW_ROWS = 1000
_FOLDS = 5


def default_folds(data: Dataset) -> int:
    """Return 5 for up to 1,000 rows outside the test split, else 1.

    On a validation split of some dozen rows most candidates look the same; over five folds every
    row counts, and small data are trained on quickly.
    """
    count = len(data.train) + len(data.validation)
    return min(_FOLDS, _rarest(data)) if count <= _FEW_ROWS and _rarest(data) > 1 else 1


def folds_of(data: Dataset, count: int) -> list[Fold]:
    """Return the folds of the training and validation rows; one fold is the hold-out itself.

    With classes, each fold has them in proportion. The same data give the same folds.

    Raises:
        EvaluationError: If a class has fewer rows than there are folds.
    """
    if count == 1:
        return [(data.train, data.validation)]
    if count < 1 or count > _rarest(data):
        raise EvaluationError(
            f"folds must be from 1 to {_rarest(data)}, the rows of the rarest class; got {count!r}",
            status="invalid",
        )
    from sklearn.model_selection import KFold, StratifiedKFold

    whole = data.train_and_validation()
    classes = whole.targets.cpu().numpy() if data.task.kind == "classification" else None
    kind = KFold if classes is None else StratifiedKFold
    dealt = kind(count, shuffle=True, random_state=0).split(np.zeros(len(whole)), classes)
    return [(_take(whole, kept), _take(whole, held)) for kept, held in dealt]


def _rarest(data: Dataset) -> int:
    """Return the rows of the rarest class outside the test split; all rows without classes."""
    if data.task.kind != "classification":
        return len(data.train) + len(data.validation)
    counts = torch.bincount(data.train.targets) + torch.bincount(
        data.validation.targets, minlength=int(data.train.targets.max()) + 1
    )
    return int(counts.min())


def _take(split: Split, rows: Sequence[int] | np.ndarray) -> Split:
    at = torch.as_tensor(rows, device=split.inputs.device)
    return replace(split, inputs=split.inputs[at], targets=split.targets[at])
