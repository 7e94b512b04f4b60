"""A dataset: three splits on a device, and everything that is known about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from archwright.canonical import digest
from archwright.data.preprocessing import Preprocessing
from archwright.data.records import Split, Task
from archwright.errors import DataError

__all__ = ["Dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Data ready for training.

    Args:
        name: What the data are called.
        kind: "tabular", "image" or "array".
        task: What is to be learned.
        train: Rows to learn from.
        validation: Rows to choose by.
        preprocessing: From the user's data to network inputs and back, fitted to `train`.
        rows: Row numbers of each split in the source, from 0; those of a test split that the
            source brought count from 0 in that split.
        hashes: One digest per split, of which rows it has and what they hold.
        notes: What was decided on the way, one sentence each.
        spec: JSON from which `load` makes the same dataset; `None` for data in memory.
    """

    name: str
    kind: str
    task: Task
    train: Split
    validation: Split
    preprocessing: Preprocessing
    rows: Mapping[str, NDArray[np.int64]]
    hashes: Mapping[str, str]
    notes: tuple[str, ...] = ()
    spec: Mapping[str, Any] | None = None
    _test: Split | None = field(default=None, repr=False)
    _guarded: bool = field(default=False, repr=False)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: `(features,)` or `(channels, height, width)`."""
        return self.preprocessing.input_shape

    @property
    def has_test(self) -> bool:
        """Whether there is a test split, guarded or not."""
        return "test" in self.hashes

    @property
    def test(self) -> Split:
        """Rows that are touched once, at the end.

        Raises:
            DataError: If there are none, or this dataset is for a search.
        """
        if self._guarded:
            raise DataError(
                f"{self.name}: the test split is touched once, by finalize; a search sees "
                "training and validation rows only"
            )
        if self._test is None:
            raise DataError(f"{self.name}: there is no test split; load with test= above 0")
        return self._test

    def for_search(self) -> Dataset:
        """Return the same without the rows of the test split, which then refuses to be read."""
        rows = {name: values for name, values in self.rows.items() if name != "test"}
        return replace(self, rows=rows, _test=None, _guarded=True)

    def train_and_validation(self) -> Split:
        """Return both splits as one, for the last training before the test."""
        parts = (self.train, self.validation)
        return Split(
            torch.cat([part.inputs for part in parts]),
            torch.cat([part.targets for part in parts]),
            digest([part.rows_hash for part in parts]),
            digest([part.content_hash for part in parts]),
        )

    def to(self, device: str | torch.device) -> Dataset:
        """Return the dataset with its tensors on `device`."""
        test = None if self._test is None else self._test.to(device)
        return replace(
            self, train=self.train.to(device), validation=self.validation.to(device), _test=test
        )

    def summary(self) -> dict[str, Any]:
        """Return what to tell about the dataset, as JSON."""
        return {
            "name": self.name,
            "kind": self.kind,
            "task": self.task.to_json(),
            "input_shape": list(self.input_shape),
            "targets": list(self.preprocessing.target_names),
            "rows": {name: len(values) for name, values in self.rows.items()},
            "hashes": dict(self.hashes),
            "notes": list(self.notes),
        }
